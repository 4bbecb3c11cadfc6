//! HTTP/2 without TLS: what the ends say that they did, and how little of it was copied.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use monitor_tests::host::{figure, tool};
use monitor_tests::namespace::succeed;
use monitor_tests::{Field, Host, Launch, Namespace, Records, Running};
use serde_json::Value;

/// Runs a mode of `servers/http2.js`, and compares each transaction with its account. Gives the records, and how many bytes
/// of bodies there were.
#[track_caller]
fn check(port: u16, mode: &str, count: &str) -> Option<(Records, u64)> {
    let _host = Host::claim(&["node"])?;
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let output = succeed(
        net.command(tool("node"))
            .arg(script("http2.js"))
            .args(["127.0.0.1", &port.to_string(), mode, count])
            .stdin(Stdio::null()),
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

/// RFC 7540 section 3.2, by curl: the request that asks for HTTP/2 is answered there, and another follows on the same
/// connection.
#[test]
fn upgraded_from_http1() {
    const PORT: u16 = 18_904;
    let Some(_host) = Host::claim(&["python3", "curl"]) else {
        return;
    };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let mut server = net.command(tool("python3"));
    server.arg(script("h2c.py")).args(["127.0.0.1", &PORT.to_string()]);
    let mut server = Running::start(server.stdout(Stdio::piped()));
    let output = server.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut String::new()).expect("ready");
    let url = |path: &str| format!("http://127.0.0.1:{PORT}{path}");
    let output = net.run(
        "curl",
        &[
            "-s",
            "--http2",
            "-w",
            "%{stderr}%{http_version} %{response_code} %{size_download} %{num_connects}\n",
            &url("/first?n=1"),
            &url("/second"),
            &url("/third"),
        ],
    );
    // What curl says it did: each over HTTP/2, all on the connection that the first one made.
    let told: Vec<_> = String::from_utf8_lossy(&output.stderr)
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(told, ["2 200 1000 1", "2 200 3000 0", "2 200 5000 0"]);
    daemon.wait_for_http(PORT, 3);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    for (record, (target, bytes)) in
        records
            .http(PORT)
            .into_iter()
            .zip([("/first?n=1", 1_000), ("/second", 3_000), ("/third", 5_000)])
    {
        record.expect("/request/target", target);
        record.expect("/response/status", 200);
        record.expect("/response/body_bytes", bytes);
        record.expect("/complete", true);
        record.expect("/anomalies", Value::Array(Vec::new()));
    }
    assert_eq!(records.http(PORT).len(), 3);
    records.close(PORT).expect("/app", "http2");
}

/// The fields that both ends agreed to write shortly before are not known: a path is either right or absent, and the bytes
/// that cannot be understood have that for their reason.
#[test]
fn joined_late() {
    const PORT: u16 = 18_905;
    let Some(_host) = Host::claim(&["node"]) else { return };
    let net = Namespace::new();
    let mut ends = net.command(tool("node"));
    ends.arg(script("http2.js"))
        .args(["127.0.0.1", &PORT.to_string(), "late", "0"]);
    let mut ends = Running::start(ends.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut output = BufReader::new(ends.stdout.take().expect("a pipe"))
        .lines()
        .map_while(Result::ok);
    assert!(
        output.by_ref().any(|line| line == "\"ready\""),
        "five requests are answered"
    );
    let mut daemon = Launch::new().start();
    drop(ends.stdin.take());
    let told: Vec<Value> = output
        .map(|line| serde_json::from_str(&line).expect("a line of the account"))
        .collect();
    assert_eq!(told.len(), 10);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let found = records.http(PORT);
    assert_eq!(found.len(), told.len(), "{found:#?}");
    for record in &found {
        let path = record.text("/request/target");
        let is_right = |path: &str| told.iter().any(|one| one.text("/path") == Some(path));
        assert!(path.is_none_or(is_right), "guessed: {record}");
        assert!(
            path.is_some() || record["complete"] == false,
            "absent, and not said so: {record}"
        );
    }
    let close = records.close(PORT);
    close.expect("/app", "http2");
    close.expect("/joined_late", true);
    figure(
        "http2, joined late",
        &format!(
            "{} of 10 later transactions told, {} with their path, {} of {} bytes understood",
            found.len(),
            found
                .iter()
                .filter(|record| record.text("/request/target").is_some())
                .count(),
            close.number("/coverage/understood_bytes").unwrap_or(0),
            close.number("/bytes_sent").unwrap_or(0) + close.number("/bytes_received").unwrap_or(0),
        ),
    );
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name)
}
