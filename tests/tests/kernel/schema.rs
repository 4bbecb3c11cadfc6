//! Every line that the daemon writes is valid by the schema that the daemon prints.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;

use jsonschema::Validator;
use monitor_tests::daemon::binary;
use monitor_tests::namespace::succeed;
use monitor_tests::nginx::Setup;
use monitor_tests::remote::{RESOLVER, SINK};
use monitor_tests::{Field, Host, Launch, Namespace, Remote};
use serde_json::{Value, json};

use crate::zone;

#[test]
fn records_of_every_type_are_valid() {
    let Some(_host) = Host::claim(&["nginx", "ab", "curl"]) else {
        return;
    };
    let net = Namespace::new();
    let remote = Remote::start(&net, zone());
    net.resolve_by(IpAddr::V4(RESOLVER));
    let mut daemon = Launch::new().config("[learning]\nperiod = \"0s\"\n").start();
    let _nginx = Setup::on(18901).start(&net);
    net.run(
        "ab",
        &["-q", "-k", "-n", "100", "-c", "2", "http://127.0.0.1:18901/612"],
    );
    net.run("curl", &["-s", "-o", "/dev/null", "http://api.example.test/1000"]);
    remote.ended();
    let hello = format!("https://api.example.test:{SINK}/");
    let _timed_out = net
        .command("curl")
        .args(["-s", "-m", "1", &hello])
        .status()
        .expect("run curl");
    remote.ended();
    daemon.wait_for("records of every type", |records| {
        ["http", "flow", "dns", "tls", "alert"]
            .iter()
            .all(|kind| records.of(kind).next().is_some())
    });
    let records = daemon.stop();

    let any = validator(&[]);
    let mut by_kind = BTreeMap::new();
    for record in &records.0 {
        let kind = record.text("/type").unwrap_or_default();
        let schema = by_kind.entry(kind).or_insert_with(|| validator(&[kind]));
        if let Err(error) = schema.validate(record) {
            panic!("{error} at {}: {record:#}", error.instance_path());
        }
        assert!(
            any.is_valid(record),
            "valid by its own schema and not by that of any record: {record:#}"
        );
    }
    let kinds: Vec<_> = by_kind.into_keys().collect();
    assert_eq!(kinds, ["alert", "dns", "flow", "http", "incident", "stats", "tls"]);
}

/// The schema of one type of record, or of any.
#[track_caller]
fn validator(kind: &[&str]) -> Validator {
    let output = succeed(Command::new(binary()).arg("schema").args(kind));
    let schema: Value = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    let empty = json!({ "type": kind.first().unwrap_or(&"http") });
    assert!(!validator.is_valid(&empty), "the schema refuses nothing");
    validator
}
