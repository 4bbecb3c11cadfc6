//! Whose flow it is: learned while the process lived, kept after it.

use std::process::Command;

use monitor_tests::host::{executable, tool};
use monitor_tests::nginx::Setup;
use monitor_tests::remote::HTTP;
use monitor_tests::{ChildCgroup, Field, Host, Launch, Namespace, Remote, Script, namespace};

use crate::{LOCALHOST, text, zone};

/// A user that is nobody's here and has no entry in the table of users.
const STRANGER: u64 = 61_234;

#[test]
fn a_client_that_has_exited() {
    let Some(_host) = Host::claim(&["curl", "setpriv"]) else {
        return;
    };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    let mut client = net.command("setpriv");
    client
        .args(["--reuid", &STRANGER.to_string(), "--clear-groups"])
        .arg(tool("curl"));
    client.args(["-s", "-o", "/dev/null", "http://198.51.100.7/10"]);
    let mut client = client.spawn().expect("start curl");
    let pid = client.id();
    assert!(client.wait().expect("curl ends").success());
    let counts = remote.ended();
    daemon.wait_for_http(HTTP, 1);
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    for record in [records.close(counts.client_port), records.transaction(HTTP)] {
        record.expect("/process/pid", pid);
        record.expect("/process/name", "curl");
        record.expect("/process/exe", executable("curl"));
        record.expect("/process/uid", STRANGER);
    }
}

#[test]
fn a_hundred_clients_that_live_a_moment() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup::on(18401).start(&net);
    let mut expected = Vec::new();
    for _ in 0..100 {
        let mut client = net.command(tool("curl"));
        client.args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{local_port}",
            "http://127.0.0.1:18401/612",
        ]);
        let client = client.stdout(std::process::Stdio::piped()).spawn().expect("start curl");
        let pid = client.id();
        let port = text(&client.wait_with_output().expect("curl ends"))
            .parse::<u16>()
            .expect("curl's port");
        expected.push((port, pid));
    }
    drop(nginx);
    daemon.wait_for_closes(18401, 100);
    let records = daemon.stop();
    for (port, pid) in expected {
        let close = records.close(port);
        close.expect("/peer_process/pid", pid);
        close.expect("/peer_process/exe", executable("curl"));
    }
}

#[test]
fn a_client_in_a_container() {
    let Some(_host) = Host::claim(&["curl", "sh"]) else {
        return;
    };
    let net = Namespace::new();
    let id = "4bf92f3577b34da6a3ce929d0e0e47364bf92f3577b34da6a3ce929d0e0e4736";
    let cgroup = ChildCgroup::new(&format!("docker/{id}"));
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    let mut client = net.command(tool("curl"));
    client.args(["-s", "-o", "/dev/null", "http://198.51.100.7/10"]);
    namespace::succeed(&mut cgroup.enter(&client));
    let counts = remote.ended();
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    let close = records.close(counts.client_port);
    close.expect("/process/name", "curl");
    close.expect("/process/cgroup", cgroup.name());
    close.expect("/process/container", id);
}

#[test]
fn the_request_that_caused_an_outbound_flow() {
    let Some(_host) = Host::claim(&["python3", "curl"]) else {
        return;
    };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    let server = Script::python(&net, LOCALHOST, 18402);
    net.run(
        "curl",
        &[
            "-s",
            "-o",
            "/dev/null",
            "http://127.0.0.1:18402/call/198.51.100.7/80/50",
        ],
    );
    let counts = remote.ended();
    daemon.wait_for_http(18402, 1);
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    let close = records.close(counts.client_port);
    close.expect("/direction", "outbound");
    close.expect("/process/pid", server.pid());
    let request = records.transaction(18402);
    assert_eq!(close.text("/parent/flow"), request.text("/flow"), "{close:#}");
    close.expect("/parent/request", "GET /call/198.51.100.7/80/50");
    close.expect("/parent/in_flight", 1);
    close.expect("/parent/confidence", 1.0);
}

#[test]
fn a_flow_without_a_request_has_no_parent() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    net.run("curl", &["-s", "-o", "/dev/null", "http://198.51.100.7/10"]);
    let counts = remote.ended();
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    assert_eq!(records.close(counts.client_port).get("parent"), None);
}

#[test]
fn a_server_that_was_there_before_the_monitor() {
    let Some(_host) = Host::claim(&["python3", "curl"]) else {
        return;
    };
    let net = Namespace::new();
    let server = Script::python(&net, LOCALHOST, 18403);
    let mut daemon = Launch::new().start();
    net.run("curl", &["-s", "-o", "/dev/null", "http://127.0.0.1:18403/bytes/10"]);
    daemon.wait_for_http(18403, 1);
    daemon.wait_for_closes(18403, 1);
    let records = daemon.stop();
    server.truth(1, 1).check("python, started before the monitor", &records);
}

#[test]
fn a_connection_that_was_open_before_the_monitor() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let net = Namespace::new();
    let server = Script::python(&net, LOCALHOST, 18404);
    let script = "import http.client, sys
c = http.client.HTTPConnection('127.0.0.1', 18404)
for line in sys.stdin:
    c.request('GET', line.strip()); c.getresponse().read(); print('done', flush=True)";
    let mut command: Command = net.command(tool("python3"));
    command
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut client = command.spawn().expect("start the client");
    let mut input = client.stdin.take().expect("a pipe");
    let mut output = std::io::BufReader::new(client.stdout.take().expect("a pipe"));
    let mut ask = |target: &str| {
        use std::io::{BufRead, Write};
        writeln!(input, "{target}").expect("ask");
        output.read_line(&mut String::new()).expect("an answer");
    };
    ask("/bytes/1000");
    let mut daemon = Launch::new().start();
    ask("/bytes/2000");
    daemon.wait_for_http(18404, 1);
    drop(input);
    assert!(client.wait().expect("the client ends").success());
    daemon.wait_for_closes(18404, 1);
    let records = daemon.stop();
    let transactions = server.truth(2, 1).transactions;
    let record = records.transaction(18404);
    record.expect("/request/target", "/bytes/2000");
    record.expect("/process/pid", server.pid());
    let close = records.close(18404);
    close.expect("/joined_late", true);
    // Counted from the first sight on.
    let second = &transactions[1];
    assert_eq!(close.number("/bytes_received"), second.request_header);
    assert_eq!(
        close.number("/bytes_sent"),
        second.response_header.zip(second.response_body).map(|(a, b)| a + b)
    );
}
