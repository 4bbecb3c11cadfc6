//! HTTP/2 without TLS: what the ends say that they did, and how little of it was copied.

use std::path::Path;

use monitor_tests::host::{figure, tool};
use monitor_tests::namespace::succeed;
use monitor_tests::{Field, Host, Launch, Namespace, Records};
use serde_json::Value;

/// Runs a mode of `servers/http2.js`, and compares each transaction with its account. Gives the records, and how many bytes
/// of bodies there were.
#[track_caller]
fn check(port: u16, mode: &str, count: &str) -> Option<(Records, u64)> {
    let _host = Host::claim(&["node"])?;
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/http2.js");
    let output = succeed(
        net.command(tool("node"))
            .arg(script)
            .args(["127.0.0.1", &port.to_string(), mode, count])
            .stdin(std::process::Stdio::null()),
    );
    let told: Vec<Value> = crate::text(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of the account"))
        .collect();
    daemon.wait_for_http(port, told.len());
    daemon.wait_for_closes(port, 1);
    let records = daemon.stop();
    let mut bodies = 0;
    let mut wrong = Vec::new();
    for one in &told {
        let path = one["path"].as_str().expect("a path");
        let found: Vec<_> = records
            .http(port)
            .into_iter()
            .filter(|record| record["request"]["target"] == path)
            .collect();
        let [record] = found[..] else {
            wrong.push(format!("{} records of {path}", found.len()));
            continue;
        };
        for (ours, theirs) in [
            ("/request/method", "/method"),
            ("/response/status", "/status"),
            ("/request/body_bytes", "/asked"),
            ("/response/body_bytes", "/answered"),
        ] {
            if record.pointer(ours) != one.pointer(theirs) {
                wrong.push(format!("{ours} of {one}: {record}"));
            }
        }
        if record["complete"] != true || record["anomalies"] != Value::Array(Vec::new()) {
            wrong.push(format!("not complete, or odd: {record}"));
        }
        bodies += one.number("/asked").unwrap_or(0) + one.number("/answered").unwrap_or(0);
    }
    let copied = records.stats().number("/events/bytes_copied").expect("a number");
    figure(
        &format!("http2, {mode}"),
        &format!(
            "{} transactions on one connection, {bodies} bytes of bodies, {copied} bytes copied, {} mismatches",
            told.len(),
            wrong.len()
        ),
    );
    assert!(!told.is_empty());
    let shown = wrong.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {}:\n{shown}", wrong.len(), told.len());
    assert_eq!(records.http(port).len(), told.len());
    assert_eq!(records.lost(), 0, "{}", records.stats());
    Some((records, copied * 100 / bodies.max(1)))
}

#[test]
fn large_bodies_between_small_requests() {
    let Some((_, percent)) = check(18_901, "mixed", "0") else {
        return;
    };
    assert!(percent < 3, "{percent} % of the bodies' bytes were copied");
}

#[test]
fn many_streams_at_once() {
    check(18_902, "many", "120");
}

#[test]
fn calls_with_trailers() {
    let Some((records, _)) = check(18_903, "calls", "0") else {
        return;
    };
    for record in records.http(18_903) {
        record.expect("/grpc/status", 5);
    }
}
