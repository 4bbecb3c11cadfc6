//! Start, stop, a second daemon; nothing stays behind in the kernel.

use std::collections::BTreeSet;
use std::process::Command;

use monitor_tests::host::tool;
use monitor_tests::namespace::succeed;
use monitor_tests::nginx::Setup;
use monitor_tests::{Field, Host, Launch, Namespace};
use serde_json::Value;

#[test]
fn a_second_daemon_is_refused() {
    let Some(_host) = Host::claim(&[]) else { return };
    let first = Launch::new().start();
    // At another socket, with another state: it is the host that has one daemon.
    let second = Launch::new().command().output().expect("run monitor");
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let errors = String::from_utf8_lossy(&second.stderr);
    assert_eq!(errors.trim().lines().count(), 1, "one clear line: {errors}");
    assert!(errors.contains(&first.pid().to_string()), "{errors}");
    assert_eq!(first.get("/v1/status").expect("the first still answers").0, 200);
    drop(first.stop());
}

#[test]
fn after_a_kill_the_next_one_starts() {
    let Some(_host) = Host::claim(&["kill"]) else { return };
    let launch = Launch::new();
    let mut killed = launch.start();
    succeed(Command::new(tool("kill")).args(["-KILL", &killed.pid().to_string()]));
    killed.reap();
    drop(killed);
    drop(launch.start().stop());
}

#[test]
fn nothing_stays_behind() {
    let Some(_host) = Host::claim(&["bpftool", "nginx", "curl"]) else {
        return;
    };
    let net = Namespace::new();
    let nginx = Setup::on(18701).start(&net);
    let (programs, maps) = (ids("prog"), ids("map"));
    let daemon = Launch::new().start();
    let loaded: BTreeSet<_> = ids("prog").difference(&programs).copied().collect();
    let made: BTreeSet<_> = ids("map").difference(&maps).copied().collect();
    assert!(
        loaded.len() >= 4 && made.len() >= 4,
        "{} programs, {} maps: bpftool does not see them",
        loaded.len(),
        made.len()
    );
    net.run("curl", &["-s", "-o", "/dev/null", "http://127.0.0.1:18701/612"]);
    drop(daemon.stop());
    // The kernel frees maps after a grace period.
    monitor_tests::wait::until("programs and maps to go", std::time::Duration::from_secs(10), || {
        let left = ids("prog").intersection(&loaded).count() + ids("map").intersection(&made).count();
        (left == 0).then_some(())
    });
    net.run("curl", &["-s", "-o", "/dev/null", "http://127.0.0.1:18701/612"]);
    assert_eq!(nginx.truth(2).transactions.len(), 2);
}

#[test]
fn a_stop_closes_the_books() {
    let Some(_host) = Host::claim(&["nginx", "python3"]) else {
        return;
    };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let _nginx = Setup::on(18702).start(&net);
    // Asks, and stays connected until its input ends.
    let script = "import http.client, sys
c = http.client.HTTPConnection('127.0.0.1', 18702)
c.request('GET', '/612'); c.getresponse().read(); sys.stdin.read()";
    let mut client = net.command(tool("python3"));
    let mut client = client
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("start a client");
    daemon.wait_for_http(18702, 1);
    let records = daemon.stop();
    drop(client.stdin.take());
    assert!(client.wait().expect("the client ends").success());
    let close = records.close(18702);
    close.expect("/state", "open");
    assert_eq!(close.get("end_reason"), None, "{close}");
    assert!(close.number("/bytes_sent") > Some(612), "{close}");
    assert_eq!(
        records.0.last().and_then(|record| record.text("/type")),
        Some("stats"),
        "the last record is the statistic"
    );
}

#[test]
fn time_never_goes_back_in_an_output() {
    let Some(_host) = Host::claim(&["nginx", "ab"]) else {
        return;
    };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let _nginx = Setup::on(18703).start(&net);
    net.run("ab", &["-q", "-n", "500", "-c", "8", "http://127.0.0.1:18703/612"]);
    daemon.wait_for_closes(18703, 500);
    let records = daemon.stop();
    let times: Vec<_> = records
        .0
        .iter()
        .map(|record| record.text("/time").expect("a time"))
        .collect();
    assert!(times.is_sorted());
}

/// Ids of the kernel's BPF objects; of other users too.
#[track_caller]
fn ids(kind: &str) -> BTreeSet<u64> {
    let output = succeed(Command::new(tool("bpftool")).args(["-j", kind, "list"]));
    let list: Value = serde_json::from_slice(&output.stdout).expect("bpftool's JSON");
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|object| object.number("/id"))
        .collect()
}
