//! What was recorded, judged once more: the same configuration raises from lines what it raised from the packets.
//! `MONITOR_TEST_SCENARIOS=all`, or names with commas between, holds other scenarios against it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use monitor_tests::daemon::binary;
use monitor_tests::scenarios::replay::{detectors, records};
use monitor_tests::scenarios::scenario::{Scenario, Size};
use serde_json::Value;

/// Fixed: what fails here fails everywhere.
const SEED: u64 = 3;

/// Attacks that very different detectors find, each in the traffic of a world.
const SCENARIOS: [&str; 3] = ["password-guessing-fast", "announced-100-tb", "new-destination-named"];

/// Of each cause: occurrences, observations of all of them, the greatest severity.
type Alerts = BTreeMap<String, (u64, u64, String)>;

#[test]
fn lines_raise_what_the_packets_raised() {
    let binary = binary();
    let built = detectors(&binary).expect("the binary names its detectors");
    let asked = std::env::var("MONITOR_TEST_SCENARIOS").unwrap_or_else(|_| SCENARIOS.join(","));
    let is_asked = |scenario: &Scenario| asked == "all" || asked.split(',').any(|name| name == scenario.name());
    let scenarios: Vec<Scenario> = Scenario::all(Size::Small, SEED).into_iter().filter(is_asked).collect();
    assert!(asked == "all" || scenarios.len() == asked.split(',').count(), "{asked}");
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let told = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let folder = tempfile::tempdir().expect("a temporary directory");
                    let written = scenario.write(SEED, &built, folder.path()).expect("it is written");
                    let types = "http,flow,dns,tls,alert,incident";
                    let lines =
                        records(&binary, &written.configuration, &written.capture, types).expect("it is replayed");
                    let file = folder.path().join("recorded.jsonl");
                    fs::write(&file, &lines).expect("it is kept");
                    let (was, is) = (raised(&lines), again(&binary, &written.configuration, &file));
                    told.fetch_add(was.len(), Ordering::Relaxed);
                    println!("{}: {:?}", scenario.name(), was.keys().collect::<Vec<_>>());
                    let mut wrong = wrong.lock().expect("no panic");
                    for cause in was.keys().chain(is.keys()).collect::<std::collections::BTreeSet<_>>() {
                        let (was, is) = (was.get(cause), is.get(cause));
                        if was != is {
                            wrong.push(format!("{}: {cause}: {was:?}, from lines {is:?}", scenario.name()));
                        }
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(told.into_inner() > 2);
}

/// The alerts among these lines.
fn raised(lines: &str) -> Alerts {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        if record["type"] == "alert" {
            last.insert(record["id"].to_string(), record);
        }
    }
    let mut alerts = Alerts::new();
    for alert in last.into_values() {
        let severity = text(&alert["severity"]);
        let of = alerts.entry(cause(&alert)).or_default();
        of.0 += 1;
        of.1 += alert["count"].as_u64().expect("a count");
        if rank(&severity) >= rank(&of.2) {
            of.2 = severity;
        }
    }
    alerts
}

/// What the same configuration raises from the lines alone.
fn again(monitor: &Path, configuration: &Path, lines: &Path) -> Alerts {
    let output = Command::new(monitor)
        .args(["backtest", "--json", "--config"])
        .arg(configuration)
        .arg("--against")
        .arg(configuration)
        .arg(lines)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let mut alerts = Alerts::new();
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        if line["of"] == "alert" {
            assert_eq!(line["change"], "same");
            let after = &line["after"];
            let number = |name: &str| after[name].as_u64().expect("a number");
            let told = (number("occurrences"), number("count"), text(&after["severity"]));
            alerts.insert(cause(&line), told);
        }
    }
    alerts
}

fn cause(alert: &Value) -> String {
    let actor = alert
        .get("actor")
        .map(|actor| format!("{} {}", text(&actor["kind"]), text(&actor["id"])));
    format!(
        "{} {} {}",
        text(&alert["detector"]),
        actor.unwrap_or_default(),
        alert["target"]
    )
}

fn rank(severity: &str) -> usize {
    let order = ["low", "medium", "high", "critical"];
    order.iter().position(|one| *one == severity).map_or(0, |at| at + 1)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
