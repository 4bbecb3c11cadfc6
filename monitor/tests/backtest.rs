//! `monitor backtest` as users run it: what it compares, what it says of broken files, and with which exit code.

mod captures;

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let output = command.args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A folder with a scanner's request, as a capture and as it was recorded, and two configurations.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary directory"));
        let request = "GET /a HTTP/1.1\r\nHost: a.example\r\nUser-Agent: sqlmap/1.8\r\n\r\n";
        let packets = captures::packets(request, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        folder.write("scan.pcap", &captures::pcap(packets, |_| true));
        let arguments = [
            "replay",
            "--records",
            "http,flow,dns,tls,alert",
            "--host-ip",
            "192.0.2.1",
        ];
        let (code, lines, _) = run(&[&arguments[..], &[&folder.path("scan.pcap")]].concat());
        assert_eq!(code, Some(0));
        assert!(lines.contains("\"detector\":\"user_agent\""), "{lines}");
        folder.write("scan.jsonl", lines.as_bytes());
        folder.write("off.toml", b"[detectors.user_agent]\nenabled = false\n");
        folder.write("none.toml", b"");
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).expect("write");
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn compare(&self, new: &str, old: &str, file: &str) -> (Vec<Value>, String) {
        let (new, old, file) = (self.path(new), self.path(old), self.path(file));
        let arguments = [
            "--json",
            "--host-ip",
            "192.0.2.1",
            "--config",
            &new,
            "--against",
            &old,
            &file,
        ];
        let (code, stdout, stderr) = run(&[&["backtest"], &arguments[..]].concat());
        assert_eq!(code, Some(0), "{stderr}");
        let lines = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        (lines.collect(), stderr)
    }
}

/// Gone, new, same of incidents and alerts, from captures as from lines.
#[track_caller]
fn check(new: &str, old: &str, expected: &str) {
    let folder = Folder::new();
    for file in ["scan.pcap", "scan.jsonl"] {
        let (lines, _) = folder.compare(new, old, file);
        let alert = lines.iter().find(|line| line["of"] == "alert").expect("an alert");
        assert_eq!(alert["change"], expected, "{file}");
        assert_eq!(alert["actor"], json!({ "kind": "ip", "id": "198.51.100.7" }));
        let (before, after) = (!alert["before"].is_null(), !alert["after"].is_null());
        assert_eq!((before, after), (expected != "new", expected != "gone"), "{file}");
        let mut totals = json!({ "gone": 0, "new": 0, "changed": 0, "same": 0 });
        totals[expected] = 1.into();
        let expected = json!({ "of": "totals", "incidents": totals, "alerts": totals });
        assert_eq!(lines.last(), Some(&expected), "{file}");
    }
}

#[test]
fn what_another_configuration_would_not_have_raised() {
    check("off.toml", "none.toml", "gone");
}

#[test]
fn what_it_would_have_raised() {
    check("none.toml", "off.toml", "new");
}

#[test]
fn what_it_raises_too() {
    check("none.toml", "none.toml", "same");
}

#[test]
fn the_table_says_what_is_different_alone() {
    let folder = Folder::new();
    let (config, file) = (folder.path("off.toml"), folder.path("scan.jsonl"));
    let (code, stdout, _) = run(&["backtest", "--config", &config, &file]);
    assert_eq!(code, Some(0));
    assert!(
        stdout.contains("off.toml against the defaults\nincidents: 1 gone, 0 new, 0 changed, 0 same"),
        "{stdout}"
    );
    assert!(stdout.contains("gone   user_agent"), "{stdout}");
    let none = folder.path("none.toml");
    let (_, stdout, _) = run(&["backtest", "--config", &none, &file]);
    assert!(stdout.contains("alerts: 0 gone, 0 new, 0 changed, 1 same"), "{stdout}");
    assert!(!stdout.contains("user_agent"), "{stdout}");
    let (_, stdout, _) = run(&["backtest", "--all", "--config", &none, &file]);
    assert!(stdout.contains("same   user_agent"), "{stdout}");
}

#[test]
fn what_lines_cannot_tell_is_said() {
    let folder = Folder::new();
    folder.write("claims.toml", b"[identity]\njwt_claims = [\"email\"]\n");
    let (_, stderr) = folder.compare("claims.toml", "none.toml", "scan.jsonl");
    assert!(
        stderr.contains("what [identity] says is in recorded lines as it was"),
        "{stderr}"
    );
    assert!(stderr.contains("there is no `dns` record among the lines"), "{stderr}");
    assert!(!stderr.contains("no `http`"), "{stderr}");
    let (_, stderr) = folder.compare("claims.toml", "none.toml", "scan.pcap");
    assert!(!stderr.contains("[identity]"), "{stderr}");
}

#[test]
fn broken_lines_are_left_out_and_said() {
    let folder = Folder::new();
    let whole = fs::read_to_string(folder.path("scan.jsonl")).expect("lines");
    folder.write(
        "broken.jsonl",
        format!("{{\"type\":\"http\"}}\n{whole}{{\"type\":").as_bytes(),
    );
    let (config, file) = (folder.path("off.toml"), folder.path("broken.jsonl"));
    let (code, stdout, stderr) = run(&["backtest", "--config", &config, &file]);
    assert_eq!(code, Some(4));
    assert!(stdout.contains("alerts: 1 gone"), "{stdout}");
    assert!(
        stderr.contains("broken.jsonl: line 1 cannot be read: missing field `time`"),
        "{stderr}"
    );
    assert!(
        stderr.contains("(and 1 more like it); what could be read was"),
        "{stderr}"
    );
}

#[test]
fn what_cannot_be_compared() {
    let folder = Folder::new();
    let (config, lines, capture) = (
        folder.path("off.toml"),
        folder.path("scan.jsonl"),
        folder.path("scan.pcap"),
    );
    for (arguments, code, why) in [
        (vec![lines.as_str()], 2, "--config"),
        (vec!["--config", &config], 2, "FILE"),
        (vec!["--config", &config, "-", "-"], 2, "`-` is given twice"),
        (vec!["--config", "/nonexistent.toml", &lines], 1, "/nonexistent.toml"),
        (vec!["--config", &config, &config], 1, "this is no packet capture"),
        (
            vec!["--config", &config, &lines, &capture],
            1,
            "captures and recorded lines are read apart",
        ),
    ] {
        let (got, _, stderr) = run(&[&["backtest"], &arguments[..]].concat());
        assert_eq!(got, Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(why), "{arguments:?}: {stderr}");
    }
}
