//! Both ends on this host, with something between them: a bridge, NAT, a link that loses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use monitor_tests::records::only;
use monitor_tests::shared::{Answer, Shared, ask, check};
use monitor_tests::{Daemon, Field, Host, Launch, Namespace, Records, wait};
use serde_json::Value;

use crate::{LOCALHOST, here};

/// For a connection to come through: a lost SYN comes again after 1 s, the second after 2 s more (RFC 6298).
const PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn over_a_bridge() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (left, bridge, right) = (Namespace::new(), Namespace::new(), Namespace::new());
    bridge.ip(&["link", "add", "bridge", "type", "bridge", "forward_delay", "0"]);
    bridge.ip(&["link", "set", "bridge", "up"]);
    for (end, address, port) in [(&left, "10.96.1.1/24", "left"), (&right, "10.96.1.2/24", "right")] {
        cable(end, address, &bridge, port);
        bridge.ip(&["link", "set", port, "master", "bridge"]);
    }
    let (daemon, server) = (Launch::new().start(), at([10, 96, 1, 2], 18_601));
    let shared = Shared::start(&right, "threads", server.ip(), server.port());
    wait_for_way(&left, server);
    let answers = ask(&left, server, 2);
    let records = whole(daemon, 18_601, answers.len());
    one_local_flow(&records, 18_601, &answers, &shared);
    assert_eq!(records.close(18_601).get("nat"), None);
}

#[test]
fn a_destination_that_nat_makes_a_local_port() {
    let Some(_host) = Host::claim(&["python3", "nft"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    // Programs here mean a host elsewhere and reach one here: a transparent proxy, a service address.
    net.ip(&["address", "add", "10.93.1.1/32", "dev", "lo"]);
    net.ip(&["route", "add", "198.51.100.0/24", "dev", "lo"]);
    rules(
        &net,
        "table ip test { chain output { type nat hook output priority -100;
            ip daddr 198.51.100.9 tcp dport 80 dnat to 10.93.1.1:18602; }; }",
    );
    let shared = Shared::start(&net, "threads", Ipv4Addr::UNSPECIFIED.into(), 18_602);
    let answers = ask(&net, at([198, 51, 100, 9], 80), 2);
    let records = whole(daemon, 18_602, answers.len());
    one_local_flow(&records, 18_602, &answers, &shared);
    let close = records.close(18_602);
    close.expect("/nat", true);
    close.expect("/requested/ip", "198.51.100.9");
    close.expect("/requested/port", 80);
}

#[test]
fn nat_on_the_way_between_two_namespaces() {
    let Some(_host) = Host::claim(&["python3", "nft"]) else {
        return;
    };
    let (left, router, right) = (Namespace::new(), Namespace::new(), Namespace::new());
    cable(&left, "10.95.1.2/24", &router, "left");
    cable(&right, "10.95.2.2/24", &router, "right");
    router.ip(&["address", "add", "10.95.1.1/24", "dev", "left"]);
    router.ip(&["address", "add", "10.95.2.1/24", "dev", "right"]);
    router.set("net/ipv4/ip_forward", "1");
    // As a container engine publishes a port, and hides who asks.
    rules(
        &router,
        "table ip test {
            chain pre { type nat hook prerouting priority -100; tcp dport 8080 dnat to 10.95.2.2:18603; };
            chain post { type nat hook postrouting priority 100; oifname \"right\" masquerade; };
        }",
    );
    let mut daemon = Launch::new().start();
    let shared = Shared::start(&right, "threads", at([10, 95, 2, 2], 0).ip(), 18_603);
    wait_for_way(&left, at([10, 95, 1, 1], 9));
    ask(&left, at([10, 95, 1, 1], 8080), 2);
    daemon.wait_for_http(18_603, 2);
    daemon.wait_for_http(8080, 2);
    daemon.wait_for_closes(18_603, 1);
    daemon.wait_for_closes(8080, 1);
    let records = daemon.stop();
    // Each end sees another connection: two flows, marked, that name each other.
    let (asked, served) = (records.close(8080), records.close(18_603));
    for (end, other, direction, pid) in [
        (asked, served, "outbound", std::process::id()),
        (served, asked, "inbound", shared.pid()),
    ] {
        end.expect("/direction", direction);
        end.expect("/nat", true);
        end.expect("/process/pid", pid);
        assert_eq!(end.text("/nat_flow"), other.text("/flow"), "{end:#}");
        assert_eq!(end.get("peer_process"), None);
    }
    assert_eq!(asked.number("/bytes_sent"), served.number("/bytes_received"));
    assert_eq!(asked.number("/bytes_received"), served.number("/bytes_sent"));
    let roles = |port: u16| -> Vec<String> {
        let http = records.http(port);
        http.iter()
            .filter_map(|record| record.text("/role").map(str::to_owned))
            .collect()
    };
    assert_eq!(roles(8080), ["client", "client"]);
    assert_eq!(roles(18_603), ["server", "server"]);
}

#[test]
fn a_handshake_that_takes_a_second() {
    let Some(_host) = Host::claim(&["python3", "nft"]) else {
        return;
    };
    let (left, right) = Namespace::pair("10.94.1.");
    let server = at([10, 94, 1, 2], 18_604);
    let (mut daemon, shared) = (
        Launch::new().start(),
        Shared::start(&right, "threads", server.ip(), server.port()),
    );
    // SYNs are lost until the monitor has seen one.
    rules(
        &right,
        "table ip test { chain input { type filter hook input priority 0;
            tcp dport 18604 tcp flags & (syn | ack) == syn drop; }; }",
    );
    let answers = std::thread::scope(|scope| {
        let asker = scope.spawn(|| ask(&left, server, 2));
        wait::until("the SYN in the daemon's list", PATIENCE, || {
            let (_, flows) = daemon.get("/v1/flows").ok()?;
            flows.contains("18604").then_some(())
        });
        rules(&right, "delete table ip test");
        asker.join().expect("answers")
    });
    daemon.wait_for_http(18_604, answers.len());
    daemon.wait_for_closes(18_604, 1);
    let records = daemon.stop();
    let close = records.close(18_604);
    assert!(close.number("/duration_ms").is_some());
    one_local_flow(&records, 18_604, &answers, &shared);
    for record in records.flows(18_604) {
        record.expect("/direction", "local");
    }
}

#[test]
fn loopback_is_one_flow_and_one_transaction_each() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let shared = Shared::start(&net, "threads", LOCALHOST, 18_605);
    let answers = ask(&net, here(18_605), 3);
    let records = whole(daemon, 18_605, answers.len());
    one_local_flow(&records, 18_605, &answers, &shared);
}

/// Waits for so many transactions and the end of their one flow.
#[track_caller]
fn whole(mut daemon: Daemon, port: u16, transactions: usize) -> Records {
    daemon.wait_for_http(port, transactions);
    daemon.wait_for_closes(port, 1);
    daemon.stop()
}

/// One flow, told from the accepting end, and each transaction once.
#[track_caller]
fn one_local_flow(records: &Records, port: u16, answers: &[Answer], server: &Shared) {
    check(records, port, answers);
    let client_port = answers.first().expect("an answer").client_port;
    let closes: Vec<&Value> = records
        .of("flow")
        .filter(|flow| flow.text("/event") == Some("close"))
        .collect();
    let ends: Vec<&Value> = closes
        .into_iter()
        .filter(|flow| flow.port("/local/port") == Some(client_port) || flow.port("/remote/port") == Some(client_port))
        .collect();
    let close = only(&ends);
    close.expect("/direction", "local");
    close.expect("/local/port", port);
    close.expect("/remote/port", client_port);
    close.expect("/process/pid", server.pid());
    close.expect("/peer_process/pid", std::process::id());
}

/// A veth pair: one end in `end`, with this address, the other in `hub`, called `port`.
#[track_caller]
fn cable(end: &Namespace, address: &str, hub: &Namespace, port: &str) {
    let peer = ["peer", "name", port, "netns", hub.name()];
    end.ip(&[&["link", "add", "up0", "type", "veth"][..], &peer[..]].concat());
    end.ip(&["address", "add", address, "dev", "up0"]);
    end.ip(&["link", "set", "up0", "up"]);
    hub.ip(&["link", "set", port, "up"]);
}

/// A link takes a moment: a refusal from there is waited for.
#[track_caller]
fn wait_for_way(from: &Namespace, to: SocketAddr) {
    let discard = SocketAddr::new(to.ip(), 9);
    wait::until("the links to carry", PATIENCE, || {
        let refused = from.inside(|| TcpStream::connect_timeout(&discard, Duration::from_millis(200)));
        refused
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
            .then_some(())
    });
}

#[track_caller]
fn rules(namespace: &Namespace, text: &str) {
    namespace.run("nft", &[text]);
}

fn at(address: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from(address), port)
}
