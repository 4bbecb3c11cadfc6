//! DNS: what was asked, and the names that answers give to flows.

use std::net::IpAddr;

use monitor_tests::remote::{HTTP, RESOLVER};
use monitor_tests::resolver::Resolver;
use monitor_tests::{Field, Host, Launch, Namespace, Records, Remote};
use serde_json::Value;

use crate::{LOCALHOST, here, zone};

#[test]
fn an_outbound_flow_has_the_name_that_was_resolved() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    net.resolve_by(IpAddr::V4(RESOLVER));
    net.run("curl", &["-s", "-o", "/dev/null", "http://api.example.test/1000"]);
    let counts = remote.ended();
    daemon.wait_for_http(HTTP, 1);
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    named(&records, counts.client_port);
    let answer = question(&records, "api.example.test", "A");
    answer.expect("/rcode", "NOERROR");
    answer.expect("/process/name", "curl");
    assert_eq!(answer.list("/answers"), ["198.51.100.7"]);
    assert!(answer.number("/latency_us").is_some(), "{answer}");
    records.transaction(HTTP).expect("/server/name", "api.example.test");
    // The resolver's own flow, over UDP.
    let asked = records.flows(53);
    assert!(!asked.is_empty(), "no flow to the resolver");
    for flow in asked {
        flow.expect("/protocol", "udp");
        flow.expect("/direction", "outbound");
        flow.expect("/remote/ip", RESOLVER.to_string());
        flow.expect("/process/name", "curl");
    }
}

#[test]
fn a_resolver_on_this_host_names_flows_too() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    let _resolver = Resolver::start(&net, here(53), zone());
    net.resolve_by(LOCALHOST);
    net.run("curl", &["-s", "-o", "/dev/null", "http://api.example.test/1000"]);
    let counts = remote.ended();
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    named(&records, counts.client_port);
    question(&records, "api.example.test", "A").expect("/process/name", "curl");
}

#[test]
fn a_name_that_does_not_exist() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let net = Namespace::new();
    let (_remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    net.resolve_by(IpAddr::V4(RESOLVER));
    let failed = net
        .command("curl")
        .args(["-s", "http://missing.example.test/"])
        .status()
        .expect("run curl");
    // curl(1): "Could not resolve host".
    assert_eq!(failed.code(), Some(6));
    daemon.wait_for("the answer", |records| {
        asked(records, "missing.example.test", "A").next().is_some()
    });
    let records = daemon.stop();
    let answer = question(&records, "missing.example.test", "A");
    answer.expect("/rcode", "NXDOMAIN");
    assert!(answer.list("/answers").is_empty(), "{answer}");
}

#[track_caller]
fn named(records: &Records, client_port: u16) {
    let close = records.close(client_port);
    close.expect("/direction", "outbound");
    close.expect("/remote/name", "api.example.test");
    close.expect("/remote/name_source", "dns");
    close.expect("/process/name", "curl");
}

fn asked<'a>(records: &'a Records, name: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    records.of("dns").filter(move |record| {
        record.text("/question/name") == Some(name) && record.text("/question/type") == Some(kind)
    })
}

/// The only answer to this question: it was asked once, and is recorded once though both ends may be here.
#[track_caller]
fn question<'a>(records: &'a Records, name: &'a str, kind: &'a str) -> &'a Value {
    monitor_tests::records::only(&asked(records, name, kind).collect::<Vec<_>>())
}
