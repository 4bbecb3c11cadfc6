//! DNS: what was asked, and the names that answers give to flows.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};

use monitor_tests::remote::{HTTP, RESOLVER};
use monitor_tests::resolver::{Datagrams, Resolver};
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
fn a_name_that_is_asked_for_over_tcp() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    net.resolve_over_tcp_by(IpAddr::V4(RESOLVER));
    net.run("curl", &["-s", "-o", "/dev/null", "http://api.example.test/1000"]);
    let counts = remote.ended();
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    named(&records, counts.client_port);
    let answer = question(&records, "api.example.test", "A");
    answer.expect("/rcode", "NOERROR");
    answer.expect("/process/name", "curl");
    assert_eq!(answer.list("/answers"), ["198.51.100.7"]);
    assert!(answer.number("/latency_us").is_some(), "{answer}");
    let asked = records.flows(53);
    assert!(!asked.is_empty(), "no flow to the resolver");
    for flow in asked {
        flow.expect("/protocol", "tcp");
        flow.expect("/direction", "outbound");
        flow.expect("/process/name", "curl");
    }
}

#[test]
fn a_query_whose_length_comes_in_a_segment_of_its_own() {
    let Some(_host) = Host::claim(&[]) else { return };
    let net = Namespace::new();
    let (_remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    net.inside(|| {
        let mut connection = TcpStream::connect(SocketAddr::from((RESOLVER, 53))).expect("connect");
        connection.set_nodelay(true).expect("no delay");
        let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03api\x07example\x04test\0\0\x01\0\x01";
        connection.write_all(&[0, 34]).expect("send the length");
        connection.write_all(query).expect("send the query");
        let mut answer = [0; 2 + 34 + 16];
        connection.read_exact(&mut answer).expect("an answer");
    });
    daemon.wait_for("the answer", |records| {
        asked(records, "api.example.test", "A").next().is_some()
    });
    let records = daemon.stop();
    assert_eq!(
        question(&records, "api.example.test", "A").list("/answers"),
        ["198.51.100.7"]
    );
}

#[test]
fn an_answer_that_does_not_fit_into_a_datagram() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    let _resolver = Resolver::with(&net, here(53), zone(), Datagrams::Cut);
    net.resolve_by(LOCALHOST);
    net.run("curl", &["-s", "-o", "/dev/null", "http://api.example.test/1000"]);
    let counts = remote.ended();
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    named(&records, counts.client_port);
    // Asked over UDP, told to come again, asked over TCP: the resolver's end of that is on this host, the asker is told.
    let answers: Vec<&Value> = asked(&records, "api.example.test", "A").collect();
    let [cut, whole] = answers[..] else {
        panic!("{answers:?}");
    };
    cut.expect("/truncated", true);
    assert!(cut.list("/answers").is_empty(), "{cut}");
    assert_eq!(whole.list("/answers"), ["198.51.100.7"]);
    assert!(whole.pointer("/truncated").is_none(), "{whole}");
    for answer in answers {
        answer.expect("/process/name", "curl");
    }
    let over_tcp = records.of("flow").any(|flow| {
        flow.text("/app") == Some("dns")
            && flow.text("/protocol") == Some("tcp")
            && flow.text("/direction") == Some("local")
    });
    assert!(over_tcp, "no flow to the resolver over TCP");
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
