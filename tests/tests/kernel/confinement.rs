//! What the running daemon may still do, as the kernel tells it; and that it still does its work.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use monitor_tests::host::tool;
use monitor_tests::namespace::succeed;
use monitor_tests::{Daemon, Field, Host, Launch, Running, wait};
use serde_json::Value;

use crate::text;

/// `CAP_SYS_PTRACE` and `CAP_SYS_ADMIN` (linux/capability.h): what a walk over network namespaces takes.
const WALKER: u64 = 1 << 19 | 1 << 21;
/// Somebody who is not root, and a group that nobody else is in.
const USER: &str = "61234";
const GROUP: &str = "61235";

/// `/proc/PID/task/TID/status` of every thread, by field; the name is one of them.
fn threads(daemon: &Daemon) -> Vec<BTreeMap<String, String>> {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("the daemon's threads");
    let status = |path: &Path| {
        let text = fs::read_to_string(path.join("status")).ok()?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Some(
            fields
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
        )
    };
    tasks.flatten().filter_map(|task| status(&task.path())).collect()
}

#[track_caller]
fn status(daemon: &Daemon) -> Value {
    let output = daemon.ask(&["status", "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn no_thread_keeps_what_it_does_not_need() {
    let Some(_host) = Host::claim(&[]) else { return };
    let daemon = Launch::new().start();
    // A thread of those that read files for a reload.
    assert!(daemon.ask(&["reload"]).status.success());
    let threads = threads(&daemon);
    assert!(threads.len() >= 4, "{threads:?}");
    for thread in &threads {
        let allowed = if thread["Name"] == "walker" { WALKER } else { 0 };
        for set in ["CapEff", "CapPrm", "CapBnd"] {
            assert_eq!(thread[set], format!("{allowed:016x}"), "{set} of {thread:?}");
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(thread[set], format!("{:016x}", 0), "{set} of {thread:?}");
        }
        assert_eq!((&*thread["NoNewPrivs"], &*thread["Seccomp"]), ("1", "2"), "{thread:?}");
    }
    let status = status(&daemon);
    let held = status["confinement"].as_array().expect("what holds");
    let names: Vec<&str> = held.iter().filter_map(|row| row.text("/name")).collect();
    assert_eq!(names, ["capabilities", "seccomp", "landlock"]);
    for row in &held[..2] {
        row.expect("/state", "ok");
    }
    drop(daemon.stop());
}

/// With the rights, the network namespace and the view of `/proc` that the unit in `packaging` gives.
#[test]
fn the_units_rights_are_enough() {
    let Some(_host) = Host::claim(&["unshare", "setpriv", "mount"]) else {
        return;
    };
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/monitor.service");
    let unit = fs::read_to_string(unit).expect("the unit");
    let bounds = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let bounds = bounds.expect("a bounding set").to_lowercase();
    let rights = bounds.replace("cap_", ",+").replace(' ', "");
    let inside = format!(
        "mount -t proc -o subset=pid proc /proc && exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all{rights} \"$@\""
    );
    let launch = Launch::new()
        .config(&format!("[control]\ngroup = \"{GROUP}\"\n"))
        .behind(&["unshare", "--net", "--mount", "sh", "-c", &inside, "sh"]);
    let daemon = launch.start();
    let status = status(&daemon);
    for row in status["capture"]
        .as_array()
        .into_iter()
        .chain(status["confinement"].as_array())
        .flatten()
    {
        row.expect("/state", "ok");
    }
    assert!(daemon.ask(&["reload"]).status.success());
    drop(daemon.stop());
}

#[test]
fn a_daemon_that_is_not_confined_says_so() {
    let Some(_host) = Host::claim(&[]) else { return };
    let daemon = Launch::new().config("[daemon]\nconfine = false\n").start();
    for thread in threads(&daemon) {
        assert_eq!(thread["Seccomp"], "0", "{thread:?}");
        assert_ne!(thread["CapEff"], format!("{:016x}", 0), "{thread:?}");
    }
    status(&daemon)["confinement"][0].expect("/state", "degraded");
    assert!(text(&daemon.ask(&["status"])).contains("[daemon] confine = true"));
}

#[test]
fn an_output_in_another_folder_takes_a_restart() {
    let Some(_host) = Host::claim(&[]) else { return };
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let launch = Launch::new()
        .config("[output]\npath = \"records.jsonl\"\n")
        .output_by_config();
    let daemon = launch.start();
    if status(&daemon)["confinement"][2].text("/state") != Some("ok") {
        monitor_tests::host::skip("this kernel has no Landlock that is whole");
        return;
    }
    let write = |path: &str| {
        let config = format!("[budget]\ncpu_percent = 100\n[output]\npath = {path:?}\n");
        fs::write(launch.path("monitor.toml"), config).expect("write the configuration");
        daemon.ask(&["reload"])
    };
    let outside = elsewhere.path().join("out.jsonl");
    let refused = write(&outside.to_string_lossy());
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    for needle in [
        "cannot open the output",
        "Permission denied",
        "the old configuration stays",
        "take a restart",
    ] {
        assert!(said.contains(needle), "{said}");
    }
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(!outside.exists());
    let place = status(&daemon)["outputs"][0].text("/place").map(str::to_owned);
    assert_eq!(place, Some(launch.path("records.jsonl").display().to_string()));
    let taken = write("other.jsonl");
    assert!(taken.status.success(), "{taken:?}");
    drop(daemon.stop());
    let last = fs::read_to_string(launch.path("other.jsonl")).expect("the other output");
    assert!(last.contains("\"type\":\"stats\""), "{last}");
}

/// Connected to itself in a namespace that is mounted nowhere, as another user; much has been sent when it is ready.
const TALKER: &str = "import socket, sys, threading
server = socket.create_server(('127.0.0.1', 18711))
client = socket.create_connection(('127.0.0.1', 18711))
peer, _ = server.accept()
def read():
    left = 1000000
    while left: left -= len(peer.recv(min(left, 65536)))
reader = threading.Thread(target=read); reader.start()
client.sendall(bytes(1000000)); reader.join()
print('ready', flush=True); sys.stdin.read()";

#[test]
fn namespaces_of_other_users_are_walked() {
    let Some(_host) = Host::claim(&["unshare", "setpriv", "python3", "ip"]) else {
        return;
    };
    let mut daemon = Launch::new().start();
    let inside = format!(
        "{} link set lo up && exec {} --reuid {USER} --clear-groups {} -c \"$0\"",
        tool("ip").display(),
        tool("setpriv").display(),
        tool("python3").display()
    );
    let mut command = Command::new(tool("unshare"));
    let mut talker = Running::start(
        command
            .args(["--net", "sh", "-c", &inside, TALKER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let mut ready = [0; 6];
    let output = talker.stdout.as_mut().expect("a pipe");
    std::io::Read::read_exact(output, &mut ready).expect("a line");
    daemon.wait_for("the flow", |records| {
        records.0.iter().any(|record| record.port("/local/port") == Some(18711))
    });
    let records = daemon.stop();
    let close = records.close(18711);
    close.expect("/state", "open");
    // The accepting end tells: what it received, by a record that only a walk can have brought.
    assert_eq!(close.number("/bytes_received"), Some(1_000_000), "{close}");
}

#[test]
fn the_group_asks_and_root_changes() {
    let Some(_host) = Host::claim(&["curl", "setpriv"]) else {
        return;
    };
    let launch = Launch::new().config(&format!("[control]\ngroup = \"{GROUP}\"\n"));
    fs::set_permissions(launch.path(""), fs::Permissions::from_mode(0o755)).expect("set the mode");
    let daemon = launch.start();
    let as_user = |group: &str, method: &str, path: &str| -> String {
        let mut command = Command::new(tool("setpriv"));
        command.args(["--reuid", USER, "--regid", group, "--clear-groups"]);
        command
            .arg(tool("curl"))
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"]);
        command
            .args(["-X", method, "-d", "{}", "--unix-socket"])
            .arg(daemon.socket());
        let output: Output = command.arg(format!("http://monitor{path}")).output().expect("run curl");
        text(&output)
    };
    for path in [
        "/v1/status",
        "/v1/alerts",
        "/v1/allow",
        "/v1/expected",
        "/v1/baseline",
        "/v1/baseline/known?subject=host",
    ] {
        assert_eq!(as_user(GROUP, "GET", path), "200", "{path}");
    }
    for (method, path) in [
        ("POST", "/v1/allow"),
        ("DELETE", "/v1/allow/allow-1"),
        ("POST", "/v1/expected"),
        ("DELETE", "/v1/expected/expect-1"),
        ("POST", "/v1/baseline/forget"),
        ("POST", "/v1/baseline/learn"),
        ("PUT", "/v1/baseline/dns_tunnel"),
        ("POST", "/v1/baseline/dns_tunnel"),
        ("POST", "/v1/reload"),
    ] {
        assert_eq!(as_user(GROUP, method, path), "403", "{method} {path}");
    }
    // The mode keeps others out before anything is said.
    assert_eq!(as_user(USER, "GET", "/v1/status"), "000");
    assert!(daemon.ask(&["reload"]).status.success(), "root");
    let mode = |name: &str| fs::metadata(launch.path(name)).expect("its mode").permissions().mode() & 0o777;
    assert_eq!((mode("socket"), mode("state")), (0o660, 0o700));
    let kept = fs::read_dir(launch.path("state")).expect("the state").flatten();
    let kept: Vec<String> = kept
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(
        kept.iter().any(|name| name == "monitor.db") && kept.len() >= 2,
        "{kept:?}"
    );
    for name in kept {
        assert_eq!(mode(&format!("state/{name}")), 0o600, "{name}");
    }
}

#[test]
fn a_moved_output_is_opened_anew() {
    let Some(_host) = Host::claim(&["kill"]) else { return };
    let launch = Launch::new();
    let daemon = launch.start();
    let (path, moved) = (launch.path("records.jsonl"), launch.path("records.1"));
    fs::rename(&path, &moved).expect("move the output");
    succeed(Command::new(tool("kill")).args(["-HUP", &daemon.pid().to_string()]));
    wait::until("the output to be there again", Duration::from_secs(5), || {
        path.exists().then_some(())
    });
    let records = daemon.stop();
    assert_eq!(records.0.last().and_then(|record| record.text("/type")), Some("stats"));
}

#[test]
fn an_output_whose_folder_was_made_anew_says_so_and_goes_on_when_it_is_back() {
    let Some(_host) = Host::claim(&["kill"]) else { return };
    // Not below the socket's folder, where everything may be written.
    let place = tempfile::tempdir().expect("a temporary directory");
    let (log, old) = (place.path().join("log"), place.path().join("log.old"));
    let path = log.join("records.jsonl");
    let launch = Launch::new()
        .config(&format!("[output]\npath = {path:?}\n"))
        .output_by_config();
    fs::create_dir(&log).expect("make the folder");
    let daemon = launch.start();
    if status(&daemon)["confinement"][2].text("/state") != Some("ok") {
        return monitor_tests::host::skip("this kernel has no Landlock that is whole");
    }
    fs::rename(&log, &old).expect("move the folder");
    fs::create_dir(&log).expect("make another");
    let hang_up = || {
        drop(succeed(
            Command::new(tool("kill")).args(["-HUP", &daemon.pid().to_string()]),
        ));
    };
    hang_up();
    wait::until("the warning", Duration::from_secs(10), || {
        let said = daemon.errors();
        (said.contains("log/records.jsonl: cannot be opened again: Permission denied")).then_some(())
    });
    fs::remove_dir(&log).expect("nothing was made there");
    fs::rename(&old, &log).expect("move it back");
    hang_up();
    wait::until("the second signal's work", Duration::from_secs(10), || {
        (daemon.errors().matches("the configuration was read again").count() == 2).then_some(())
    });
    drop(daemon.stop());
    let told = fs::read_to_string(path).expect("the output");
    assert!(
        told.lines()
            .last()
            .is_some_and(|line| line.contains("\"type\":\"stats\"")),
        "{told}"
    );
}
