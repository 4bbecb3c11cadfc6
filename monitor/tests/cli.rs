//! The binary as users run it: exit codes, what it says and where, and the files that are made from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::Command as Assert;

fn monitor(arguments: &[&str]) -> Assert {
    let mut command = Assert::new(env!("CARGO_BIN_EXE_monitor"));
    command.env_remove("MONITOR_SOCKET").args(arguments);
    command
}

#[track_caller]
fn stdout(arguments: &[&str]) -> String {
    let output = monitor(arguments).assert().success().get_output().stdout.clone();
    String::from_utf8(output).expect("UTF-8")
}

/// Fails with this code, and one line that begins and goes on like this.
#[track_caller]
fn fails(arguments: &[&str], code: i32, needles: &[&str]) {
    let output = monitor(arguments).assert().code(code).get_output().clone();
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(error.trim_end().lines().count(), 1, "one line: {error}");
    assert!(error.starts_with("monitor: "), "{error}");
    for needle in needles {
        assert!(error.contains(needle), "`{needle}` is not in: {error}");
    }
    assert!(output.stdout.is_empty());
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn help_and_version_are_no_failure() {
    assert!(stdout(&["--help"]).contains("Exit codes: 0 done, 1 it failed, 2 usage, 3 no daemon answers"));
    assert!(stdout(&["--version"]).starts_with("monitor "));
    assert!(stdout(&["alerts", "--help"]).contains("--follow"));
}

#[test]
fn usage_is_2() {
    for arguments in [
        &[][..],
        &["nothing"],
        &["status", "--nothing"],
        &["requests", "--since", "yesterday"],
        &["requests", "--limit", "many"],
        &["explain"],
        &["explain", "../status"],
        &["explain", "inc-1/../status"],
        &["expect"],
        &["expect", "--from", "2026-11-27", "--until", "2026-11-28"],
        &[
            "expect",
            "--from",
            "2026-11-28",
            "--until",
            "2026-11-27",
            "--comment",
            "x",
        ],
        &["expect", "--from", "soon", "--until", "2026-11-27", "--comment", "x"],
        &["baseline"],
        &["baseline", "forget"],
        &["baseline", "reset"],
        &["baseline", "reset", "no_such_detector"],
        &["schema", "nothing"],
        &["completions", "dos"],
        &["allow"],
        &["allow", "unknown_destination"],
        &["allow", "no_such_detector", "--comment", "x"],
        &[
            "allow",
            "unknown_destination",
            "--for",
            "2h",
            "--until",
            "2030-01-01",
            "--comment",
            "x",
        ],
        &["allow", "unknown_destination", "--for", "long", "--comment", "x"],
    ] {
        let output = monitor(arguments).assert().code(2).get_output().clone();
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    fails(
        &["allow", "-", "--comment", "x"],
        2,
        &["the rule would allow everything"],
    );
    fails(&["schema", "file"], 2, &["nothing writes `file`"]);
    // Neither end is a terminal here.
    fails(&["top"], 2, &["needs a terminal", "monitor status"]);
}

#[test]
fn no_daemon_is_3_and_says_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = dir.path().join("nobody.sock");
    let stale = dir.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    for socket in [&nobody, &stale] {
        let socket = socket.to_str().unwrap();
        for query in [
            &["status"][..],
            &["flows", "--json"],
            &["requests", "--follow"],
            &["alerts", "--since", "1h"],
            &["incidents", "--json"],
            &["explain", "1f2e"],
            &["explain", "inc-1f2e"],
            &["expect", "list"],
            &[
                "expect",
                "--from",
                "2026-11-27",
                "--until",
                "2026-11-28",
                "--comment",
                "x",
            ],
            &["baseline", "show"],
            &["baseline", "export"],
            &["baseline", "reset", "--all"],
            &["reload"],
            &["allow", "list"],
            &["allow", "remove", "allow-1"],
            &["allow", "unknown_destination", "--comment", "x"],
        ] {
            let arguments = [query, &["--socket", socket]].concat();
            fails(&arguments, 3, &["no daemon answers at", socket, "sudo monitor run"]);
        }
    }
}

#[test]
fn the_socket_may_come_from_the_environment() {
    let output = monitor(&["status"])
        .env("MONITOR_SOCKET", "/nonexistent/x.sock")
        .assert()
        .code(3)
        .get_output()
        .clone();
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("/nonexistent/x.sock")
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_monitor"))
        .arg("schema")
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(stdout(&["completions", shell]).contains("requests"), "{shell}");
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let dir = tempfile::tempdir().unwrap();
    stdout(&["man", dir.path().to_str().unwrap()]);
    for page in ["monitor.1", "monitor-status.1", "monitor-alerts.1", "monitor-allow.1"] {
        let text = std::fs::read_to_string(dir.path().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains(".SH"), "{page}");
    }
    fails(&["man", "/proc/nowhere"], 1, &["cannot create /proc/nowhere"]);
}

#[test]
fn the_sample_configuration_checks_and_a_slip_names_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("monitor.toml");
    let name = path.to_str().unwrap();
    std::fs::write(&path, stdout(&["config", "default"])).unwrap();
    assert_eq!(stdout(&["config", "check", name]), format!("{name}: ok\n"));
    std::fs::write(&path, "[host]\nnmae = \"x\"\n").unwrap();
    fails(
        &["config", "check", name],
        1,
        &[":2: unknown key `nmae`; did you mean `name`?"],
    );
    fails(&["config", "check", "/nonexistent.toml"], 1, &["/nonexistent.toml"]);
    let schema: serde_json::Value = serde_json::from_str(&stdout(&["config", "schema"])).unwrap();
    assert!(schema["properties"]["capture"].is_object());
}

/// The files under `schemas/` are what the binary prints. `UPDATE_SCHEMAS=1` writes them.
#[test]
fn the_committed_schemas_are_those_of_the_code() {
    let folder = workspace().join("schemas");
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut expected = vec!["record.json".to_owned()];
    for kind in ["http", "flow", "dns", "tls", "alert", "stats"] {
        expected.push(format!("{kind}.json"));
    }
    for name in &expected {
        let kind = name.trim_end_matches(".json");
        let printed = if kind == "record" {
            stdout(&["schema"])
        } else {
            stdout(&["schema", kind])
        };
        let path = folder.join(name);
        if update {
            std::fs::write(&path, &printed).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == printed,
            "{} differs from the code: run with UPDATE_SCHEMAS=1",
            path.display()
        );
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(expected.contains(&name), "nothing writes {name} any more");
    }
}
