//! Names, however they are asked for: they reach the flow of the process that connects.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Stdio;

use monitor_tests::host::tool;
use monitor_tests::remote::{HTTP, RESOLVER};
use monitor_tests::resolver::Zone;
use monitor_tests::{Daemon, Field, Host, Launch, Namespace, Records, Remote, Running};
use serde_json::Value;

use crate::LOCALHOST;

/// Names and addresses, one for each way to ask.
const WAYS: [(&str, &str, Ipv4Addr); 6] = [
    ("connected", "connected.example.test", Ipv4Addr::new(198, 51, 100, 11)),
    (
        "unconnected",
        "unconnected.example.test",
        Ipv4Addr::new(198, 51, 100, 12),
    ),
    (
        "without_address",
        "without.example.test",
        Ipv4Addr::new(198, 51, 100, 13),
    ),
    ("message", "message.example.test", Ipv4Addr::new(198, 51, 100, 14)),
    ("handed_on", "handed.example.test", Ipv4Addr::new(198, 51, 100, 15)),
    ("tcp", "tcp.example.test", Ipv4Addr::new(198, 51, 100, 16)),
];
/// Where a stub listens, as systemd-resolved does (systemd-resolved.service(8)).
const STUB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));

fn names() -> Zone {
    WAYS.map(|(_, name, address)| (name, address)).into()
}

#[test]
fn every_way_to_ask() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let net = Namespace::new();
    let (_remote, daemon) = (Remote::start(&net, names()), Launch::new().start());
    let asked = ask(&net, &RESOLVER.to_string(), 53, &WAYS.map(|(how, ..)| how));
    let records = ended(daemon, &asked);
    for Asked { how, pid, port } in &asked {
        let name = named(&records, *port, how);
        let answers = of(&records, name);
        let [answer] = answers[..] else {
            panic!("{how}: {answers:#?}")
        };
        answer.expect("/process/pid", *pid);
        answer.expect("/rcode", "NOERROR");
    }
}

#[test]
fn a_stub_in_between() {
    between("udp", 53, None);
}

#[test]
fn a_stub_that_asks_over_tcp() {
    between("tcp", 53, None);
}

#[test]
fn a_stub_behind_nat() {
    // As a container engine's: programs ask 127.0.0.53 at port 53, the packets go to another port.
    between(
        "udp",
        5399,
        Some(
            "table ip test { chain output { type nat hook output priority -100;
                ip daddr 127.0.0.53 udp dport 53 redirect to :5399; }; }",
        ),
    );
}

/// A stub listens at `port`, and asks the resolver over `how`.
#[track_caller]
fn between(how: &str, port: u16, nat: Option<&str>) {
    let Some(_host) = Host::claim(&["python3", "nft"]) else {
        return;
    };
    let net = Namespace::new();
    let (_remote, daemon) = (Remote::start(&net, names()), Launch::new().start());
    let address = if nat.is_some() { LOCALHOST } else { STUB };
    let mut stub = net.command(tool("python3"));
    stub.arg(script("stub.py"))
        .args([&address.to_string(), &port.to_string(), &RESOLVER.to_string(), how]);
    let mut stub = Running::start(stub.stdout(Stdio::piped()));
    let output = stub.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut String::new()).expect("ready");
    if let Some(nat) = nat {
        net.run("nft", &[nat]);
    }
    let asked = ask(&net, &STUB.to_string(), 53, &["unconnected"]);
    let records = ended(daemon, &asked);
    let [Asked { how, pid, port }] = &asked[..] else {
        panic!("one asked")
    };
    let name = named(&records, *port, how);
    let by = |pid: u32| {
        of(&records, name)
            .into_iter()
            .filter(move |dns| dns.number("/process/pid") == Some(pid.into()))
    };
    // The stub asks in its own name, and so does the program, unless what it says to the stub is not at DNS' port.
    assert_eq!(by(stub.id()).count(), 1, "{:#?}", of(&records, name));
    assert_eq!(
        by(*pid).count(),
        usize::from(nat.is_none()),
        "{:#?}",
        of(&records, name)
    );
}

struct Asked {
    how: String,
    pid: u32,
    port: u16,
}

/// Asks for the name of each way, and connects.
#[track_caller]
fn ask(net: &Namespace, server: &str, port: u16, ways: &[&str]) -> Vec<Asked> {
    let mut arguments = vec![script("ask_dns.py"), server.to_owned(), port.to_string()];
    for (how, name, _) in WAYS.iter().filter(|(how, ..)| ways.contains(how)) {
        arguments.extend([(*how).to_owned(), (*name).to_owned()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = net.run("python3", &arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            Asked {
                how: words[0].to_owned(),
                pid: words[1].parse().expect("a pid"),
                port: words[2].parse().expect("a port"),
            }
        })
        .collect()
}

/// Waits for the ends of the connections, and gives all records.
#[track_caller]
fn ended(mut daemon: Daemon, asked: &[Asked]) -> Records {
    daemon.wait_for_closes(HTTP, asked.len());
    let records = daemon.stop();
    assert_eq!(records.closes(HTTP).len(), asked.len());
    records
}

/// The connection from this port with the address of this way has the name that was asked for in this way.
#[track_caller]
fn named(records: &Records, port: u16, how: &str) -> &'static str {
    let (_, name, address) = WAYS.into_iter().find(|(way, ..)| *way == how).expect("a way");
    // The kernel may give one port to connections with different servers.
    let closes = records.closes(port);
    let close = closes
        .into_iter()
        .find(|close| close.text("/remote/ip") == Some(&address.to_string()))
        .expect("an end of the connection");
    close.expect("/remote/name", name);
    close.expect("/remote/name_source", "dns");
    name
}

fn of<'a>(records: &'a Records, name: &'a str) -> Vec<&'a Value> {
    records
        .of("dns")
        .filter(|dns| dns.text("/question/name") == Some(name))
        .collect()
}

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name);
    path.display().to_string()
}
