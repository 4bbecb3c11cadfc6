//! Families, namespaces and both ends on this host.

use std::net::{IpAddr, Ipv6Addr};

use monitor_tests::host::executable;
use monitor_tests::nginx::Setup;
use monitor_tests::{Field, Host, Launch, Namespace, Script};

use crate::{compare_nginx, compare_script};

#[test]
fn ipv6() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup {
        address: "[::1]",
        ..Setup::on(18301)
    }
    .start(&net);
    net.run("curl", &["-s", "-o", "/dev/null", "http://[::1]:18301/612"]);
    let records = compare_nginx("nginx over IPv6", nginx, daemon, 1);
    let record = records.transaction(18301);
    record.expect("/client/ip", "::1");
    record.expect("/server/ip", "::1");
}

#[test]
fn ipv4_on_an_ipv6_socket_is_shown_as_ipv4() {
    let Some(_host) = Host::claim(&["python3", "curl"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let server = Script::python(&net, IpAddr::V6(Ipv6Addr::UNSPECIFIED), 18302);
    net.run("curl", &["-s", "-o", "/dev/null", "http://127.0.0.1:18302/bytes/10"]);
    let records = compare_script("python, IPv4 on an IPv6 socket", &server, daemon, 1, 1);
    let record = records.transaction(18302);
    record.expect("/client/ip", "127.0.0.1");
    record.expect("/server/ip", "127.0.0.1");
    records.close(18302).expect("/local/ip", "127.0.0.1");
}

#[test]
fn two_namespaces_are_one_flow_and_one_transaction() {
    veth("10.98.1.", "10.98.1.1", "10.98.1.2", 18303);
}

#[test]
fn two_namespaces_over_ipv6() {
    veth("fd98::", "fd98::1", "fd98::2", 18304);
}

#[test]
fn equal_tuples_of_two_namespaces_are_two_flows() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (left, right) = (Namespace::new(), Namespace::new());
    let daemon = Launch::new().start();
    let (one, two) = (Setup::on(18305).start(&left), Setup::on(18305).start(&right));
    for net in [&left, &right] {
        net.run(
            "curl",
            &[
                "-s",
                "-o",
                "/dev/null",
                "--local-port",
                "40001",
                "http://127.0.0.1:18305/612",
            ],
        );
    }
    let pids = [one.truth(1), two.truth(1)].map(|truth| truth.transactions[0].pid);
    let mut daemon = daemon;
    daemon.wait_for_http(18305, 2);
    daemon.wait_for_closes(18305, 2);
    let records = daemon.stop();
    let http = records.http(18305);
    assert_eq!(http.len(), 2, "{http:#?}");
    assert_eq!(records.closes(18305).len(), 2);
    assert_eq!([http[0].number("/process/pid"), http[1].number("/process/pid")], pids);
}

/// nginx at one end of a veth pair, curl at the other.
#[track_caller]
fn veth(network: &str, client: &str, server: &'static str, port: u16) {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (left, right) = Namespace::pair(network);
    let daemon = Launch::new().start();
    let bracketed: &'static str = if server.contains(':') { "[fd98::2]" } else { server };
    let nginx = Setup {
        address: bracketed,
        ..Setup::on(port)
    }
    .start(&right);
    let output = left.run(
        "curl",
        &[
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{local_port}",
            &format!("http://{bracketed}:{port}/612"),
        ],
    );
    let client_port: u16 = String::from_utf8_lossy(&output.stdout).parse().expect("curl's port");
    let records = compare_nginx(&format!("nginx over veth, {server}"), nginx, daemon, 1);
    let record = records.transaction(port);
    record.expect("/role", "server");
    record.expect("/client/ip", client);
    record.expect("/server/ip", server);
    let close = records.close(port);
    close.expect("/direction", "local");
    close.expect("/local/ip", server);
    close.expect("/local/port", port);
    close.expect("/remote/ip", client);
    close.expect("/remote/port", client_port);
    close.expect("/process/name", "nginx");
    close.expect("/peer_process/name", "curl");
    close.expect("/peer_process/exe", executable("curl"));
    let names: std::collections::BTreeSet<_> = records
        .flows(port)
        .iter()
        .filter_map(|record| record.text("/flow").map(str::to_owned))
        .collect();
    assert_eq!(names.len(), 1, "one flow: {:#?}", records.flows(port));
}
