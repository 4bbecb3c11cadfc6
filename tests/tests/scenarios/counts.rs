//! Whether a capture holds what its generator says: the monitor's own reading of it, record by record.

use std::collections::{BTreeMap, HashSet};

use monitor_tests::daemon::binary;
use monitor_tests::scenarios::replay::{detectors, records};
use monitor_tests::scenarios::scenario::{Scenario, Size};
use monitor_tests::scenarios::wire::Counts;
use serde_json::Value;

/// Any will do; another finds other people.
const SEED: u64 = 11;

#[test]
fn a_reader_finds_what_was_written() {
    // Direct and behind balancers, HTTP/1.0 to HTTP/2, both families.
    for name in ["benign-partners", "benign-balanced"] {
        check(name);
    }
}

#[track_caller]
fn check(name: &str) {
    let all = Scenario::all(Size::Small, SEED);
    let scenario = all
        .iter()
        .find(|scenario| scenario.name() == name)
        .expect("a scenario of this name");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let monitor = binary();
    let detectors = detectors(&monitor).expect("the binary names its detectors");
    let written = scenario.write(SEED, &detectors, folder.path()).expect("written");
    let text = records(&monitor, &written.configuration, &written.capture, "http,flow,dns").expect("replayed");
    let mut read = Counts {
        packets: written.truth.counts.packets,
        ..Counts::default()
    };
    let (mut clients, mut versions) = (HashSet::new(), BTreeMap::<String, u64>::new());
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let number = |pointer: &str| record.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        match (
            record["type"].as_str(),
            record["event"].as_str(),
            record["protocol"].as_str(),
        ) {
            (Some("http"), _, _) if record["complete"] == true => {
                assert_eq!(record["anomalies"], serde_json::json!([]), "{record}");
                let status = u16::try_from(number("/response/status")).expect("a status");
                read.whole(status, number("/request/body_bytes"), number("/response/body_bytes"));
                clients.insert(record["client"]["ip"].to_string());
                *versions.entry(record["version"].to_string()).or_default() += 1;
            }
            (Some("http"), _, _) => read.odd += 1,
            (Some("flow"), Some("close"), Some("tcp")) => {
                read.connections += 1;
                assert_eq!(record["coverage"].get("lost"), None, "{record}");
            }
            (Some("dns"), _, _) => read.lookups += 1,
            (_, _, _) => {}
        }
    }
    assert_eq!(read, written.truth.counts, "{name}");
    // It is a world, and no loop.
    assert!(read.transactions > 500 && read.statuses.len() > 3, "{read:?}");
    assert!(clients.len() > 20, "{} clients", clients.len());
    let expected: &[&str] = if scenario.kind.balanced {
        &["\"1.1\""]
    } else {
        &["\"1.0\"", "\"1.1\"", "\"2\""]
    };
    assert_eq!(versions.keys().collect::<Vec<_>>(), expected, "{versions:?}");
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let all = Scenario::all(Size::Small, SEED);
    let scenario = all
        .iter()
        .find(|scenario| scenario.name() == "metadata-named")
        .expect("a scenario");
    let bytes = |seed: u64| {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let written = scenario.write(seed, &[], folder.path()).expect("written");
        std::fs::read(written.capture).expect("a capture")
    };
    let first = bytes(SEED);
    assert!(first == bytes(SEED) && first != bytes(SEED + 1));
}
