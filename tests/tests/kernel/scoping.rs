//! `[capture]`: what is left out is neither copied nor counted.

use monitor_tests::host::tool;
use monitor_tests::nginx::Setup;
use monitor_tests::remote::HTTP;
use monitor_tests::{ChildCgroup, Field, Host, Launch, Namespace, Remote, namespace};

use crate::zone;

#[test]
fn excluded_ports() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let net = Namespace::new();
    let mut daemon = Launch::new().config("[capture]\nexclude_ports = [18601]\n").start();
    let (_excluded, _seen) = (Setup::on(18601).start(&net), Setup::on(18602).start(&net));
    for port in [18601, 18602] {
        net.run(
            "curl",
            &["-s", "-o", "/dev/null", &format!("http://127.0.0.1:{port}/612")],
        );
    }
    daemon.wait_for_http(18602, 1);
    daemon.wait_for_closes(18602, 1);
    let records = daemon.stop();
    assert!(records.http(18601).is_empty(), "{:#?}", records.http(18601));
    assert!(records.flows(18601).is_empty(), "{:#?}", records.flows(18601));
}

#[test]
fn only_one_cgroup() {
    by_cgroup("only", |cgroup| format!("[capture]\ncgroups = [\"{cgroup}\"]\n"), true);
}

#[test]
fn all_but_one_cgroup() {
    by_cgroup(
        "but",
        |cgroup| format!("[capture]\nexclude_cgroups = [\"{cgroup}\"]\n"),
        false,
    );
}

/// One client inside a cgroup and one outside; only those of `inside` are seen.
#[track_caller]
fn by_cgroup(name: &str, config: impl Fn(&str) -> String, inside: bool) {
    let Some(_host) = Host::claim(&["curl", "sh"]) else {
        return;
    };
    let net = Namespace::new();
    let cgroup = ChildCgroup::new(name);
    let remote = Remote::start(&net, zone());
    let mut daemon = Launch::new().config(&config(cgroup.name())).start();
    let mut ports = Vec::new();
    for enters in [!inside, inside] {
        let mut client = net.command(tool("curl"));
        client.args(["-s", "-o", "/dev/null", "http://198.51.100.7/10"]);
        namespace::succeed(if enters { cgroup.enter(&client) } else { client }.stdin(std::process::Stdio::null()));
        ports.push(remote.ended().client_port);
    }
    daemon.wait_for_closes(ports[1], 1);
    let records = daemon.stop();
    assert!(records.flows(ports[0]).is_empty(), "{:#?}", records.flows(ports[0]));
    let http = records.http(HTTP);
    assert_eq!(http.len(), 1, "{http:#?}");
    http[0].expect("/client/port", ports[1]);
}

#[test]
fn datagrams_of_an_excluded_cgroup() {
    const SEND: &str = "import socket,sys; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
                        s.sendto(b'x', ('127.0.0.1', int(sys.argv[1]))); s.close()";
    let Some(_host) = Host::claim(&["python3", "sh"]) else {
        return;
    };
    let net = Namespace::new();
    let cgroup = ChildCgroup::new("datagrams");
    let config = format!("[capture]\nexclude_cgroups = [\"{}\"]\n", cgroup.name());
    let mut daemon = Launch::new().config(&config).start();
    for (port, enters) in [("18611", true), ("18612", false)] {
        let mut sender = net.command(tool("python3"));
        sender.args(["-c", SEND, port]);
        namespace::succeed(if enters { cgroup.enter(&sender) } else { sender }.stdin(std::process::Stdio::null()));
    }
    daemon.wait_for_closes(18612, 1);
    let records = daemon.stop();
    assert!(records.flows(18611).is_empty(), "{:#?}", records.flows(18611));
}
