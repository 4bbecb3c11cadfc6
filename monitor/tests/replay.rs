//! `monitor replay` as users run it: what it writes and says, and with which exit code.

mod captures;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// What a run gave: exit code, standard output, standard error.
type Outcome = (Option<i32>, String, String);

fn replay(arguments: &[&str], input: &[u8]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let output = command
        .arg("replay")
        .args(arguments)
        .write_stdin(input)
        .output()
        .expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn packets() -> Vec<Vec<u8>> {
    let request = "GET /a?token=secret HTTP/1.1\r\nHost: a.example\r\n\r\n";
    captures::packets(request, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
}

fn pcap(take: impl Fn(usize) -> bool) -> Vec<u8> {
    captures::pcap(packets(), take)
}

/// A folder with captures; the whole one, and what else a test writes.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary directory"));
        folder.write("whole.pcap", &pcap(|_| true));
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
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn types(text: &str) -> Vec<String> {
    lines(text)
        .iter()
        .map(|line| line["type"].as_str().expect("a type").to_owned())
        .collect()
}

const ALL: &str = "http,flow,dns,tls,alert,incident,stats";

#[test]
fn the_same_capture_gives_the_same_bytes() {
    let folder = Folder::new();
    let file = folder.path("whole.pcap");
    let (code, out, said) = replay(&[&file, "--records", ALL], b"");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(types(&out), ["flow", "http", "flow", "stats"]);
    let http = &lines(&out)[1];
    assert_eq!(
        (&http["request"]["method"], &http["response"]["status"]),
        (&"GET".into(), &200.into())
    );
    assert_eq!((&http["latency_us"], &http["complete"]), (&1_000.into(), &true.into()));
    assert!(!out.contains("secret") && !out.contains("\"host\":\"api"), "{out}");
    let stats = &lines(&out)[3];
    assert!(stats.get("cpu_ms").is_none() && stats.get("rss_bytes").is_none() && stats.get("host").is_none());
    assert!(
        said.contains("taken as this host's, from the packets: 192.0.2.1"),
        "{said}"
    );
    assert!(said.contains("a key that everybody knows"), "{said}");
    // Again; through a pipe; from two files, in either order.
    assert_eq!(replay(&[&file, "--records", ALL], b"").1, out);
    assert_eq!(replay(&["-", "--records", ALL], &pcap(|_| true)).1, out);
    let (even, odd) = (
        folder.write("even", &pcap(|n| n % 2 == 0)),
        folder.write("odd", &pcap(|n| n % 2 == 1)),
    );
    for (a, b) in [(&even, &odd), (&odd, &even)] {
        let (a, b) = (a.display().to_string(), b.display().to_string());
        assert_eq!(replay(&[&a, &b, "--records", ALL], b"").1, out);
    }
    // By default only what a person is to act on.
    assert_eq!(replay(&[&file], b"").1, "");
}

#[test]
fn whose_traffic_it_is() {
    let folder = Folder::new();
    let file = folder.path("whole.pcap");
    let direction = |arguments: &[&str]| {
        let (_, out, said) = replay(&[&[&file, "--records", "flow"], arguments].concat(), b"");
        (
            lines(&out)[0]["direction"].clone(),
            said.contains("taken as this host's"),
        )
    };
    assert_eq!(direction(&[]), ("inbound".into(), true));
    assert_eq!(direction(&["--host-ip", "198.51.100.7"]), ("outbound".into(), false));
    assert_eq!(
        direction(&["--host-ip", "198.51.100.7", "--host-ip", "192.0.2.1"]),
        ("local".into(), false)
    );
    folder.write(
        "monitor.toml",
        b"[host]\nname = \"api-1\"\naddresses = [\"198.51.100.7\"]\n",
    );
    let config = folder.path("monitor.toml");
    assert_eq!(direction(&["--config", &config]), ("outbound".into(), false));
    assert_eq!(
        direction(&["--config", &config, "--host-ip", "192.0.2.1"]),
        ("inbound".into(), false)
    );
    let (_, out, _) = replay(&[&file, "--records", "flow", "--config", &config], b"");
    assert_eq!(lines(&out)[0]["host"], "api-1");
}

#[test]
fn outputs_and_keys() {
    let folder = Folder::new();
    let file = folder.path("whole.pcap");
    let (all, some) = (folder.path("all.jsonl"), folder.path("some.jsonl"));
    let http = format!("http={some}");
    let arguments = [&file, "--records", ALL, "--output", &all, "--output", &http];
    assert_eq!(replay(&arguments, b"").0, Some(0));
    let read = |path: &str| fs::read_to_string(path).expect("an output");
    assert_eq!(
        (types(&read(&all)).len(), types(&read(&some))),
        (4, vec!["http".to_owned()])
    );

    let key = folder.write("key", &[7; 32]).display().to_string();
    let target = |arguments: &[&str]| {
        let (_, out, said) = replay(&[&[&file, "--records", "http"], arguments].concat(), b"");
        (
            lines(&out)[0]["request"]["target"].clone(),
            said.contains("everybody knows"),
        )
    };
    let (public, keyed) = (target(&[]), target(&["--identity-key", &key]));
    assert_ne!(public.0, keyed.0);
    assert_eq!((public.1, keyed.1), (true, false));
    let short = folder.write("short", &[7; 31]).display().to_string();
    fails(&[&file, "--identity-key", &short], 1, "holds 31 bytes and a key has 32");
}

#[track_caller]
fn fails(arguments: &[&str], code: i32, needle: &str) {
    let (got, out, said) = replay(arguments, b"");
    assert_eq!(got, Some(code), "{said}");
    assert!(said.contains(needle) && out.is_empty(), "{said}");
}

#[test]
fn of_a_damaged_capture_what_can_be_read_is() {
    let folder = Folder::new();
    let whole = pcap(|_| true);
    let cut = folder
        .write("cut.pcap", &whole[..whole.len() - 3])
        .display()
        .to_string();
    let (code, out, said) = replay(&[&cut, "--records", "http,flow"], b"");
    assert_eq!((code, types(&out).len()), (Some(4), 3), "{said}");
    let last = said.lines().last().expect("a line");
    assert!(
        last.starts_with("monitor: ") && last.contains("cut.pcap: the file ends inside a record"),
        "{last}"
    );
    // The others are read all the same.
    let file = folder.path("whole.pcap");
    let (code, out, _) = replay(&[&cut, &file, "--records", "http"], b"");
    assert_eq!((code, types(&out).len()), (Some(4), 1));
    folder.write("empty.pcap", b"");
    assert_eq!(replay(&[&folder.path("empty.pcap")], b"").0, Some(4));
}

#[test]
fn what_cannot_be_replayed() {
    let folder = Folder::new();
    let file = folder.path("whole.pcap");
    fails(&[&folder.path("nothing.pcap")], 1, "cannot read");
    fails(&[&folder.0.path().display().to_string()], 1, "cannot read");
    let other = folder.write("other", b"GET / HTTP/1.1\r\n").display().to_string();
    fails(&[&file, &other], 1, "this is no packet capture");
    let packed = folder
        .write("packed.gz", b"\x1f\x8b\x08\0\0\0\0\0")
        .display()
        .to_string();
    fails(&[&packed], 1, "zcat FILE | monitor replay -");
    fails(&[], 2, "<FILE>");
    fails(&["-", "-"], 2, "`-` is given twice");
    fails(&[&file, "--host-ip", "localhost"], 2, "invalid");
    fails(&[&file, "--records", "htpp"], 2, "`htpp`");
    fails(&[&file, "--output", "/nonexistent/x"], 1, "cannot open the output");
    assert!(Path::new(&file).exists());
}

#[cfg(feature = "live")]
#[test]
fn what_was_learned_is_kept_where_that_is_asked_for() {
    let folder = Folder::new();
    let (file, state) = (folder.path("whole.pcap"), folder.path("state"));
    let (code, _, said) = replay(&[&file, "--state", &state], b"");
    assert_eq!(code, Some(0), "{said}");
    assert!(Path::new(&state).join("identity.key").exists() || fs::read_dir(&state).expect("a directory").count() > 0);
    assert!(!said.contains("everybody knows"), "{said}");
}

#[cfg(not(feature = "live"))]
#[test]
fn without_a_store_no_state_is_promised() {
    let folder = Folder::new();
    let (file, state) = (folder.path("whole.pcap"), folder.path("state"));
    fails(&[&file, "--state", &state], 1, "without the store");
    assert!(!Path::new(&state).exists());
}
