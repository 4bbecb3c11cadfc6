//! The shell as a whole, around a synthetic capture: the socket, the outputs, the signals' work, the end.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::oneshot;

use super::synthetic::{Load, SyntheticCore, SyntheticSource};
use super::{Options, run};
use crate::confine::Confinement;
use crate::sinks::json::{RecordSet, RecordType};
use crate::sinks::{OutputSpec, Where};

/// A daemon in this process.
struct Daemon {
    dir: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<anyhow::Result<()>>>,
}

impl Daemon {
    #[track_caller]
    fn start(load: Load) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            host: Some(Arc::from("api-1")),
            records: RecordSet::of(&RecordType::ALL),
            outputs: vec![OutputSpec {
                types: None,
                place: Where::File(dir.path().join("out.jsonl")),
            }],
            outputs_are_asked_for: false,
            config: Some(dir.path().join("monitor.toml")),
            cpu_percent: 100.0,
            lock: dir.path().join("lock"),
            socket: dir.path().join("control.sock"),
            group: None,
            confinement: Confinement::off(),
        };
        let (stop, stopped) = oneshot::channel();
        let make = move || Ok((SyntheticCore::default(), SyntheticSource::new(load)));
        let thread = thread::spawn(move || run(&options, make, async { drop(stopped.await) }));
        let daemon = Self {
            dir,
            stop: Some(stop),
            thread: Some(thread),
        };
        let until = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(daemon.socket()).is_err() {
            assert!(Instant::now() < until, "the daemon does not listen");
            thread::sleep(Duration::from_millis(2));
        }
        daemon
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    #[track_caller]
    fn get(&self, path: &str) -> (u16, String) {
        raw(&self.socket(), format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())
    }

    /// Status and lines of what comes back.
    #[track_caller]
    fn send(&self, method: &str, path: &str, body: &str) -> (u16, Vec<Value>) {
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}");
        let (code, body) = raw(&self.socket(), request.as_bytes());
        let lines = body.lines().map(|line| serde_json::from_str(line).unwrap());
        (code, lines.collect())
    }

    fn output(&self) -> Vec<Value> {
        // The socket listens a moment before the output is there.
        let text = std::fs::read_to_string(self.dir.path().join("out.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.stop();
        }
    }
}

/// Sends bytes as they are; status and body of what comes back.
#[track_caller]
fn raw(socket: &Path, request: &[u8]) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The daemon may say no before it has read all.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

const SOME: Load = Load {
    batch: 3,
    endless: false,
    fail_after: None,
};

const FLOOD: Load = Load {
    batch: 512,
    endless: true,
    fail_after: None,
};

#[test]
fn status_and_lists_answer() {
    let daemon = Daemon::start(SOME);
    let (code, body) = daemon.get("/v1/status");
    let status: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(code, 200);
    assert_eq!(status["host"], "api-1");
    assert_eq!(status["pid"], std::process::id());
    assert_eq!(status["outputs"][0]["failing"], false);
    assert!(status["stats"]["rss_bytes"].as_u64().unwrap() > 0);

    let (code, body) = daemon.get("/v1/requests?limit=2&since=1h");
    assert_eq!(code, 200);
    let lines: Vec<Value> = body.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|l| l["type"] == "http" && l["host"] == "api-1"));
    assert_eq!(
        daemon.get("/v1/requests?since=2100-01-01T00:00:00Z"),
        (200, String::new())
    );
    assert_eq!(daemon.get("/v1/flows").1.lines().count(), 1);
    let alerts = daemon.get("/v1/alerts").1;
    let alert: Value = serde_json::from_str(&alerts).unwrap();
    let (code, body) = daemon.get(&format!("/v1/alerts/{}", alert["id"].as_str().unwrap()));
    let explained: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &explained["alert"]["id"]), (200, &alert["id"]));
    assert!(
        explained["allow"]
            .as_str()
            .unwrap()
            .starts_with("monitor allow unknown_destination ")
    );
}

#[test]
fn stats_come_also_where_nothing_happens() {
    let daemon = Daemon::start(Load::default());
    let until = Instant::now() + Duration::from_secs(10);
    while daemon.output().len() < 3 {
        assert!(Instant::now() < until, "no stats");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(daemon.output().iter().all(|record| record["type"] == "stats"));
}

#[test]
fn a_mistake_is_answered_with_what_is_wrong_and_how_to_mend_it() {
    let daemon = Daemon::start(SOME);
    for (request, code) in [
        ("GET /v2/status HTTP/1.0\r\n\r\n", 404),
        ("GET /v1/alerts/none HTTP/1.0\r\n\r\n", 404),
        ("GET /v1/requests?since=yesterday HTTP/1.0\r\n\r\n", 400),
        ("GET /v1/requests?sinse=1h HTTP/1.0\r\n\r\n", 400),
        ("GET /v1/requests?limit=-1 HTTP/1.0\r\n\r\n", 400),
        ("DELETE /v1/status HTTP/1.0\r\n\r\n", 405),
    ] {
        let (got, body) = raw(&daemon.socket(), request.as_bytes());
        assert_eq!(got, code, "{request}");
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{request}: {body}"));
        assert!(
            body["error"].is_string() && body["mend"].is_string(),
            "{request}: {body}"
        );
    }
}

#[test]
fn allow_rules_are_added_listed_and_removed() {
    let daemon = Daemon::start(SOME);
    let send = |method: &str, path: &str, body: &str| daemon.send(method, path, body);
    let rule = r#"{"detector":"unknown_destination","destination":"*.example.com","comment":"new provider"}"#;
    let (code, added) = send("POST", "/v1/allow", rule);
    assert_eq!((code, &added[0]["origin"]), (201, &Value::from("command")));
    let id = added[0]["id"].as_str().unwrap();
    let (_, list) = send("GET", "/v1/allow", "");
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["rule"]["destination"], "*.example.com");
    assert_eq!(send("DELETE", &format!("/v1/allow/{id}"), "").0, 200);
    assert_eq!(send("DELETE", &format!("/v1/allow/{id}"), "").0, 404);
    for (wrong, code) in [
        ("{}", 400),
        (r#"{"detectr":"x"}"#, 400),
        ("nonsense", 400),
        (&"x".repeat(100_000), 413),
    ] {
        let (got, body) = send("POST", "/v1/allow", wrong);
        assert_eq!(got, code);
        assert!(body[0]["error"].is_string() && body[0]["mend"].is_string());
    }
    assert!(send("GET", "/v1/allow", "").1.is_empty());
}

#[test]
fn expected_events_are_added_listed_and_removed() {
    let daemon = Daemon::start(SOME);
    let event = r#"{"from":"2026-11-27","until":"2126-11-28","endpoint":"POST /orders","comment":"promotion"}"#;
    let (code, added) = daemon.send("POST", "/v1/expected", event);
    assert_eq!((code, &added[0]["event"]["comment"]), (201, &Value::from("promotion")));
    let id = added[0]["id"].as_str().unwrap();
    let (_, list) = daemon.send("GET", "/v1/expected", "");
    assert_eq!((list.len(), &list[0]["id"]), (1, &added[0]["id"]));
    let status: Value = serde_json::from_str(&daemon.get("/v1/status").1).unwrap();
    assert_eq!(status["expected"][0]["covered"], 0);
    assert_eq!(daemon.send("DELETE", &format!("/v1/expected/{id}"), "").0, 200);
    assert_eq!(daemon.send("DELETE", &format!("/v1/expected/{id}"), "").0, 404);
    for wrong in [
        "{}",
        r#"{"from":"2026-11-28","until":"2026-11-27"}"#,
        r#"{"from":"2026-11-27","until":"2026-11-28","endpiont":"x"}"#,
    ] {
        let (code, body) = daemon.send("POST", "/v1/expected", wrong);
        assert_eq!(code, 400, "{wrong}");
        assert!(body[0]["error"].is_string() && body[0]["mend"].is_string());
    }
}

#[test]
fn a_configuration_is_read_again_and_a_wrong_one_changes_nothing() {
    let daemon = Daemon::start(SOME);
    let path = daemon.dir.path().join("monitor.toml");
    let reload = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let (code, mut body) = daemon.send("POST", "/v1/reload", "");
        (code, body.remove(0))
    };
    let rules = || daemon.send("GET", "/v1/allow", "").1.len();
    let output = "[output]\npath = \"out.jsonl\"\n";
    let (code, body) = reload(&format!(
        "{output}[host]\nname = \"other\"\n[[allow]]\ndestination = \"*.example.com\"\n"
    ));
    assert_eq!((code, rules()), (200, 1), "{body}");
    assert!(
        body["changed"].as_array().unwrap().contains(&Value::from("allow")),
        "{body}"
    );
    assert_eq!(body["restart"], serde_json::json!(["host"]));
    // With line and suggestion.
    let (code, body) = reload("[host]\nnmae = \"x\"\n");
    assert_eq!(code, 400);
    let error = body["error"].as_str().unwrap();
    assert!(
        error.ends_with("monitor.toml:2: unknown key `nmae`; did you mean `name`?"),
        "{error}"
    );
    assert_eq!(rules(), 1, "the old one stays");
    let (code, body) = reload("[networks]\nthreat_lists = [\"nowhere.txt\"]\n");
    assert_eq!(code, 400);
    assert!(body["error"].as_str().unwrap().contains("nowhere.txt"), "{body}");
    // Records go elsewhere.
    let other = daemon.dir.path().join("other.jsonl");
    let (code, _) = reload("[output]\npath = \"other.jsonl\"\n");
    assert_eq!((code, rules()), (200, 0));
    let status: Value = serde_json::from_str(&daemon.get("/v1/status").1).unwrap();
    assert!(status["outputs"][0]["place"].as_str().unwrap().ends_with("other.jsonl"));
    let until = Instant::now() + Duration::from_secs(10);
    while std::fs::metadata(&other).map_or(0, |file| file.len()) == 0 {
        assert!(Instant::now() < until, "nothing comes there");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn baselines_are_shown_replaced_and_forgotten() {
    let daemon = Daemon::start(SOME);
    let row = r#"{"detector":"dns_tunnel","subject":"a","member":"b","first":"2026-11-27T00:00:00Z","last":"2026-11-28T00:00:00Z","count":3,"marks":1}"#;
    let rows = format!("{row}\n").repeat(2_000);
    assert!(rows.len() > 64 * 1024, "more than other bodies may have");
    let (code, body) = daemon.send("PUT", "/v1/baseline/dns_tunnel", &rows);
    assert_eq!((code, &body[0]["rows"]), (200, &Value::from(2_000)));
    assert_eq!(daemon.send("GET", "/v1/baseline", "").1[0]["rows"], 2_000);
    let (_, back) = daemon.send("GET", "/v1/baseline/dns_tunnel", "");
    assert_eq!((back.len(), &back[0]["count"]), (2_000, &Value::from(3)));
    // What was learned elsewhere comes beside it; what both know is counted together.
    let other = row.replace("\"b\"", "\"c\"");
    let (code, body) = daemon.send("POST", "/v1/baseline/dns_tunnel", &format!("{other}\n{row}\n"));
    assert_eq!((code, &body[0]["rows"]), (200, &Value::from(2)));
    let (_, back) = daemon.send("GET", "/v1/baseline/dns_tunnel", "");
    assert_eq!(back.len(), 2);
    assert_eq!(
        (&back[1]["member"], &back[1]["count"]),
        (&Value::from("c"), &Value::from(3))
    );
    assert_eq!(daemon.send("PUT", "/v1/baseline/dns_tunnel", &rows).0, 200);
    for method in ["PUT", "POST"] {
        assert_eq!(daemon.send(method, "/v1/baseline/user_agent", row).0, 400);
    }
    let (code, body) = daemon.send("GET", "/v1/baseline/known?subject=GET%20%2Flearned", "");
    assert_eq!((code, &body[0]["facts"]["requests"]), (200, &Value::from(7.0)));
    assert!(daemon.send("GET", "/v1/baseline/known?subject=other", "").1.is_empty());
    for wrong in ["", "?subject=", "?of=a"] {
        assert_eq!(
            daemon.send("GET", &format!("/v1/baseline/known{wrong}"), "").0,
            400,
            "{wrong}"
        );
    }
    let time = r#"{"from":"2026-11-27","until":"2026-11-28"}"#;
    let (code, body) = daemon.send("POST", "/v1/baseline/learn", time);
    assert_eq!((code, &body[0]["alerts"]), (200, &Value::from(0)));
    assert_eq!(
        daemon.send("POST", "/v1/baseline/learn", r#"{"from":"2026-11-27"}"#).0,
        400
    );
    assert_eq!(daemon.send("GET", "/v1/baseline/nothing", "").0, 404);
    assert_eq!(
        daemon.send("POST", "/v1/baseline/forget", r#"{"form":"2026-11-27"}"#).0,
        400
    );
    let (code, body) = daemon.send("POST", "/v1/baseline/forget", r#"{"detector":"dns_tunnel"}"#);
    assert_eq!((code, &body[0]["rows"]), (200, &Value::from(2_000)));
    assert!(daemon.send("GET", "/v1/baseline/dns_tunnel", "").1.is_empty());
}

#[test]
fn garbage_and_endless_headers_hurt_nobody() {
    let daemon = Daemon::start(SOME);
    assert_eq!(raw(&daemon.socket(), b"\x16\x03\x01\x02\x00garbage\r\n\r\n").0, 400);
    let mut long = b"GET /v1/status HTTP/1.1\r\nx: ".to_vec();
    long.resize(64 * 1024, b'a');
    assert!([400, 431].contains(&raw(&daemon.socket(), &long).0));
    let many = "x: y\r\n".repeat(100);
    let many = format!("GET /v1/status HTTP/1.1\r\n{many}\r\n");
    assert!([400, 431].contains(&raw(&daemon.socket(), many.as_bytes()).0));
    assert_eq!(daemon.get("/v1/status").0, 200);
}

#[test]
fn one_client_too_many_is_told_so_and_a_seat_is_free_again() {
    let daemon = Daemon::start(SOME);
    // More than there are seats: one that `start` used may still be warm.
    let idle: Vec<UnixStream> = (0..80).map(|_| UnixStream::connect(daemon.socket()).unwrap()).collect();
    let (code, body) = daemon.get("/v1/status");
    assert_eq!(code, 503);
    assert!(body.contains("64 connections are open already"), "{body}");
    drop(idle);
    let until = Instant::now() + Duration::from_secs(10);
    while daemon.get("/v1/status").0 != 200 {
        assert!(Instant::now() < until, "no seat came free");
    }
}

#[test]
fn a_follower_gets_what_comes_until_the_end() {
    let mut daemon = Daemon::start(SOME);
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream
        .write_all(b"GET /v1/alerts?follow=true HTTP/1.0\r\n\r\n")
        .unwrap();
    let reader = thread::spawn(move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    });
    // An answer on another connection means that the first one's question is in the engine's hands.
    assert_eq!(daemon.get("/v1/status").0, 200);
    daemon.stop().unwrap();
    let answer = reader.join().unwrap().unwrap();
    assert!(answer.contains("\"type\":\"alert\""), "{answer}");
}

#[test]
fn a_slow_follower_is_told_what_it_lost_and_holds_nobody_up() {
    let daemon = Daemon::start(FLOOD);
    let mut slow = UnixStream::connect(daemon.socket()).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    slow.write_all(b"GET /v1/requests?follow=true&limit=0 HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut seen = Vec::new();
    let until = Instant::now() + Duration::from_secs(20);
    while !seen.windows(18).any(|w| w == b"\"type\":\"skipped\",\"") {
        assert!(Instant::now() < until, "never told");
        thread::sleep(Duration::from_millis(20));
        let mut buffer = [0; 4096];
        let n = slow.read(&mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..n]);
    }
    assert_eq!(daemon.get("/v1/status").0, 200);
}

#[test]
fn the_end_closes_the_books() {
    let mut daemon = Daemon::start(SOME);
    daemon.stop().unwrap();
    let output = daemon.output();
    let last: Vec<&str> = output
        .iter()
        .rev()
        .take(2)
        .map(|r| r["type"].as_str().unwrap())
        .collect();
    assert_eq!(last, ["stats", "alert"]);
    let told = output.iter().filter(|r| r["type"] == "http").count() as u64;
    let stats = output.last().unwrap();
    assert_eq!(stats["events"]["received"], told, "every event came out, once");
    assert!(stats["cpu_ms"].is_u64() && stats["rss_bytes"].is_u64());
    let times: Vec<&str> = output.iter().map(|r| r["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    assert!(!daemon.socket().exists());
}

#[test]
fn a_capture_that_fails_ends_the_daemon_with_the_reason() {
    let mut daemon = Daemon::start(Load {
        fail_after: Some(20),
        ..SOME
    });
    let error = daemon.thread.take().unwrap().join().unwrap().unwrap_err();
    assert_eq!(format!("{error:#}"), "the capture failed: the ring is gone");
}

/// Prints what `cargo test -- --nocapture` shows; asserts only that all are answered.
#[test]
fn queries_are_answered_under_load() {
    const QUERIES: usize = 1_000;
    let daemon = Daemon::start(FLOOD);
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    let mut took = Vec::with_capacity(QUERIES);
    for _ in 0..QUERIES {
        let start = Instant::now();
        stream
            .write_all(b"GET /v1/status HTTP/1.1\r\nhost: monitor\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}\n") {
            let mut buffer = [0; 8192];
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "closed: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&buffer[..n]);
        }
        took.push(start.elapsed());
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
    took.sort();
    let (p50, p99, most) = (took[QUERIES / 2], took[QUERIES * 99 / 100], took[QUERIES - 1]);
    println!("status under load: p50 {p50:?}, p99 {p99:?}, longest {most:?}");
}
