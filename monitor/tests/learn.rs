//! `monitor baseline learn` into a state directory: what a known good day has shown is known, and nothing else.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use monitor::config::Config;
use monitor::detectors::DOCS;
use monitor::pipeline::{Output, Pipeline};
use monitor::record::Body;
use monitor::sinks::json::read_line;
use monitor::store::Store;
use monitor::time::Timestamp;
use serde_json::json;

/// 2026-11-01T00:00:00Z, and seconds a day.
const START: u64 = 1_793_491_200;
const DAY: u64 = 86_400;

/// Curl has sent something to `name`, as it is recorded.
fn line(secs: u64, number: u64, name: &str) -> String {
    let time = Timestamp::from_secs(secs).to_string();
    let flow = json!({
        "type": "flow", "time": time, "start": time, "flow": format!("{number:x}:1"), "event": "close",
        "direction": "outbound", "protocol": "tcp", "app": "tls", "local": { "ip": "192.0.2.1", "port": 40_000 },
        "remote": { "ip": "203.0.113.5", "port": 443, "name": name, "name_source": "sni" },
        "process": { "pid": 7, "name": "curl", "exe": "/usr/bin/curl", "uid": 0 },
        "bytes_sent": 500, "bytes_received": 2_000, "bytes_acked": 500, "bytes_unread": 0, "packets_sent": 4,
        "packets_received": 4, "duration_ms": 20, "state": "closed", "end_reason": "fin_local", "joined_late": false,
        "coverage": { "understood_bytes": 100, "reason": "encrypted" },
    });
    format!("{flow}\n")
}

/// A day on which curl calls the same three places every hour.
fn day() -> String {
    let calls = (0..24 * 3).map(|n| {
        let name = ["a.example.com", "b.example.net", "c.example.org"][n as usize % 3];
        line(START + n * DAY / 72, n + 1, name)
    });
    calls.collect()
}

fn learn(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let output = command
        .args(["baseline", "learn"])
        .args(arguments)
        .output()
        .expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Destinations that are told of, of an engine that knows what is in the state directory.
fn told(state: &Path, calls: &[(u64, &str)]) -> Vec<String> {
    let opened = Store::open(state).expect("opens");
    let mut pipeline = Pipeline::new(&Config::default(), opened.key);
    let (mut out, mut told) = (Output::default(), Vec::new());
    for doc in DOCS {
        let rows = opened.store.baseline(doc.name).expect("rows");
        pipeline.import_baseline(doc.name, rows, Timestamp::from_secs(calls[0].0));
    }
    let mut end = Timestamp::ZERO;
    for (number, (secs, name)) in calls.iter().enumerate() {
        let recorded = read_line(line(*secs, 1_000 + number as u64, name).as_bytes()).expect("a record");
        end = recorded.time;
        pipeline.retell(recorded.time, recorded.body.expect("a flow"), &mut out);
    }
    pipeline.finish(end, &mut out);
    for record in out.records {
        if let Body::Alert(alert) = &record.body
            && alert.detector == "unknown_destination"
        {
            told.push(alert.target.destination.as_deref().unwrap_or_default().to_owned());
        }
    }
    told.sort();
    told.dedup();
    told
}

#[test]
fn a_good_day_is_known_and_nothing_else_is() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (state, file) = (folder.path().join("state"), folder.path().join("day.jsonl"));
    fs::write(&file, day()).expect("write");
    let (state_text, file_text) = (state.display().to_string(), file.display().to_string());
    let (code, stdout, stderr) = learn(&["--state", &state_text, &file_text]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("unknown_destination: learned "), "{stdout}");
    assert!(stderr.contains("there is no `http` record among the lines"), "{stderr}");
    // The learning period is over since the day was long ago: without it nobody would say anything.
    let later = START + 10 * DAY;
    let calls = [
        (later, "a.example.com"),
        (later + 60, "evil.example"),
        (later + 120, "c.example.org"),
    ];
    assert_eq!(told(&state, &calls), ["evil.example"]);
    assert!(
        told(&folder.path().join("empty"), &calls).is_empty(),
        "with nothing learned all is new, and learned"
    );
}

#[test]
fn only_the_time_that_is_named_is_learned_from() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (state, file) = (folder.path().join("state"), folder.path().join("days.jsonl"));
    // What came the day after was an attack.
    fs::write(&file, day() + &line(START + DAY + 60, 500, "evil.example")).expect("write");
    let (state_text, file_text) = (state.display().to_string(), file.display().to_string());
    let arguments = [
        "--from",
        "2026-11-01",
        "--to",
        "2026-11-02",
        "--state",
        &state_text,
        &file_text,
    ];
    let (code, _, stderr) = learn(&arguments);
    assert_eq!(code, Some(0), "{stderr}");
    let later = START + 10 * DAY;
    assert_eq!(
        told(&state, &[(later, "evil.example"), (later + 9, "b.example.net")]),
        ["evil.example"]
    );
    // All of it: then that is known too.
    let (code, ..) = learn(&["--state", &state_text, &file_text]);
    assert_eq!(code, Some(0));
    assert!(told(&state, &[(later, "evil.example"), (later + 9, "b.example.net")]).is_empty());
}

#[test]
fn what_cannot_be_learned_from() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("day.jsonl");
    fs::write(&file, day()).expect("write");
    let (state, file) = (
        folder.path().join("s").display().to_string(),
        file.display().to_string(),
    );
    let none = folder.path().join("none.sock").display().to_string();
    for (arguments, code, why) in [
        (vec![], 2, "--from"),
        (
            vec!["--from", "2026-11-02", "--to", "2026-11-01", &file],
            2,
            "--to is not after --from",
        ),
        (vec!["--from", "2026-11-01"], 2, "--to"),
        (
            vec!["--state", &state, "--from", "2026-11-01", "--to", "2026-11-02"],
            2,
            "FILE",
        ),
        (
            vec!["--from", "2025-01-01", "--to", "2025-01-02", "--state", &state, &file],
            1,
            "nothing was learned",
        ),
        (vec!["--socket", &none, &file], 3, "none.sock"),
    ] {
        let (got, _, stderr) = learn(&arguments);
        assert_eq!(got, Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(why), "{arguments:?}: {stderr}");
    }
}
