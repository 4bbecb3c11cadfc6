//! A capture of the traffic that the daemon watched, replayed: the same transactions, the same bytes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use monitor_tests::host::figure;
use monitor_tests::nginx::Setup;
use monitor_tests::{Dump, Field, Host, Launch, Namespace, Records, Script, daemon, wait};
use serde_json::Value;

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 3, 2));
const NGINX: u16 = 18081;
const PYTHON: u16 = 18082;
/// For the last packets to reach the file.
const PATIENCE: Duration = Duration::from_secs(20);
/// Requests that are sent before the first answer is read.
const PIPELINED: usize = 12;

#[test]
fn a_capture_gives_what_the_daemon_told() {
    let Some(_host) = Host::claim(&["nginx", "ab", "curl", "tcpdump", "python3"]) else {
        return;
    };
    let (clients, servers) = Namespace::pair("10.77.3.");
    let nginx = Setup {
        address: "10.77.3.2",
        files: &[612, 5_000_000],
        ..Setup::on(NGINX)
    }
    .start(&servers);
    let python = Script::python(&servers, SERVER, PYTHON);
    let mut dump = Dump::start(&servers, servers.name());
    // Answers that are sent without a request between them are one turn: all of it is wanted here.
    let mut daemon = Launch::new().config("[capture]\nresponse_snap = 65536\n").start();

    let url = |port: u16, path: &str| format!("http://{SERVER}:{port}{path}");
    let small = url(NGINX, "/612");
    clients.run("ab", &["-q", "-k", "-n", "600", "-c", "6", &small]);
    clients.run("ab", &["-q", "-n", "150", "-c", "6", &small]);
    let large = url(NGINX, "/5000000");
    let curl = |arguments: &[&str]| clients.run("curl", &[&["-s"], arguments].concat());
    curl(&["-o", "/dev/null", &large, "-o", "/dev/null", &large]);
    curl(&[
        "-o",
        "/dev/null",
        &url(NGINX, "/missing?x=1"),
        "--next",
        "-s",
        "-I",
        &small,
    ]);
    let body = format!("@{}", dump.path().with_file_name("body").display());
    std::fs::write(&body[1..], vec![b'u'; 3_000_000]).expect("a body to upload");
    curl(&["-o", "/dev/null", "--data-binary", &body, &url(PYTHON, "/upload")]);
    curl(&[
        "-o",
        "/dev/null",
        "-H",
        "Transfer-Encoding: chunked",
        "--data-binary",
        &body,
        &url(PYTHON, "/upload"),
    ]);
    curl(&["-o", "/dev/null", &url(PYTHON, "/chunked/2000")]);
    clients.inside(pipelined);

    let transactions = nginx.truth(600 + 150 + 2 + 2 + PIPELINED).transactions.len();
    let connections = python.truth(3, 3);
    daemon.wait_for_http(NGINX, transactions);
    daemon.wait_for_http(PYTHON, connections.transactions.len());
    daemon.wait_for("the end of every connection", all_closed);
    let live = daemon.stop();
    assert_eq!(live.lost(), 0, "{}", live.stats());

    // The end of the last connection may have passed and not be written yet.
    let closes = live.closes(NGINX).len() + live.closes(PYTHON).len();
    wait::until("the last packets in the file", PATIENCE, || {
        let replayed = records(&replay(&dump.path()));
        (all_closed(&replayed) && replayed.closes(NGINX).len() + replayed.closes(PYTHON).len() >= closes).then_some(())
    });
    dump.end();
    let text = replay(&dump.path());
    assert_eq!(text, replay(&dump.path()), "the same capture gives the same bytes");
    let replayed = records(&text);
    assert_eq!(replayed.lost(), 0, "{}", replayed.stats());

    let (told, found) = (transactions_by_connection(&live), transactions_by_connection(&replayed));
    for (connection, told) in &told {
        let found = found.get(connection).map_or(&[][..], Vec::as_slice);
        let (found, told): (Vec<_>, Vec<_>) = (
            found.iter().map(|r| essence(r)).collect(),
            told.iter().map(|r| essence(r)).collect(),
        );
        assert_eq!(found, told, "{connection:?}");
    }
    assert_eq!(told.len(), found.len());
    let (mut latencies, count) = differences(&told, &found);
    latencies.sort_unstable();
    let (median, most) = (latencies[latencies.len() / 2], latencies[latencies.len() - 1]);
    figure(
        "replay of a capture beside the daemon",
        &format!("{count} transactions alike; latencies differ by {median} us (median), {most} us (most)"),
    );
    assert!(median < 1_000, "latencies differ by {median} us in the median");
    assert_eq!(bytes_by_connection(&replayed), bytes_by_connection(&live));
}

/// Sends requests without waiting for their answers, then reads to the end.
fn pipelined() {
    let mut stream = TcpStream::connect(SocketAddr::new(SERVER, NGINX)).expect("connect");
    let mut requests = Vec::new();
    for number in 0..PIPELINED {
        let close = if number + 1 == PIPELINED {
            "Connection: close\r\n"
        } else {
            ""
        };
        write!(requests, "GET /612?n={number} HTTP/1.1\r\nHost: a\r\n{close}\r\n").expect("memory takes it");
    }
    stream.write_all(&requests).expect("send");
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).expect("read to the end");
}

#[track_caller]
fn replay(capture: &Path) -> String {
    let mut command = Command::new(daemon::binary());
    command
        .args(["replay", "--records", "http,flow,stats", "--host-ip"])
        .arg(SERVER.to_string())
        .arg(capture);
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // While tcpdump writes, the file may end inside a packet.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn records(text: &str) -> Records {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    Records(text.lines().map(read).collect())
}

/// Whether every flow that was opened has come to its end.
fn all_closed(records: &Records) -> bool {
    [NGINX, PYTHON].iter().all(|port| {
        let closes = records.closes(*port);
        let ended = closes
            .iter()
            .filter(|close| close.text("/state") == Some("closed"))
            .count();
        ended == records.flows_with(*port, "open").len()
    })
}

/// Ports of server and client.
type Connection = (u16, u16);

fn transactions_by_connection(records: &Records) -> BTreeMap<Connection, Vec<&Value>> {
    let mut by_connection: BTreeMap<Connection, Vec<&Value>> = BTreeMap::new();
    for record in records.of("http") {
        let ports = (record.port("/server/port"), record.port("/client/port"));
        if let (Some(server @ (NGINX | PYTHON)), Some(client)) = ports {
            by_connection.entry((server, client)).or_default().push(record);
        }
    }
    for transactions in by_connection.values_mut() {
        transactions.sort_by_key(|record| {
            (
                record.text("/start").map(str::to_owned),
                record.text("/request/target").map(str::to_owned),
            )
        });
    }
    by_connection
}

/// What must be the same.
fn essence(record: &Value) -> Vec<Option<&Value>> {
    [
        "/role",
        "/version",
        "/request/method",
        "/request/target",
        "/request/host",
        "/request/user_agent",
        "/request/header_bytes",
        "/request/body_bytes",
        "/response/status",
        "/response/header_bytes",
        "/response/body_bytes",
        "/response/announced_bytes",
        "/anomalies",
        "/complete",
        "/incomplete",
    ]
    .iter()
    .map(|path| record.pointer(path))
    .collect()
}

/// How far the latencies of the same transactions lie apart, microseconds; and how many transactions there are.
fn differences(
    told: &BTreeMap<Connection, Vec<&Value>>,
    found: &BTreeMap<Connection, Vec<&Value>>,
) -> (Vec<u64>, usize) {
    let pairs = told
        .iter()
        .filter_map(|(connection, told)| Some((told, found.get(connection)?)));
    let pairs: Vec<_> = pairs.flat_map(|(told, found)| told.iter().zip(found)).collect();
    let latency = |record: &Value| record.number("/latency_us");
    let differences = pairs
        .iter()
        .filter_map(|(a, b)| Some(latency(a)?.abs_diff(latency(b)?)));
    (differences.collect(), pairs.len())
}

/// Bytes sent and received.
type Bytes = (Option<u64>, Option<u64>);

fn bytes_by_connection(records: &Records) -> BTreeMap<Connection, Vec<Bytes>> {
    let mut by_connection: BTreeMap<Connection, Vec<_>> = BTreeMap::new();
    for port in [NGINX, PYTHON] {
        for close in records.closes(port) {
            let client = close.port("/remote/port").unwrap_or_default();
            let bytes = (close.number("/bytes_sent"), close.number("/bytes_received"));
            by_connection.entry((port, client)).or_default().push(bytes);
        }
    }
    by_connection
}
