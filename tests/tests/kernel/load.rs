//! HTTP on a thousand connections: every transaction once, and its time between what the server and the client measured.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use monitor_tests::daemon::is_unoptimized;
use monitor_tests::host::figure;
use monitor_tests::nginx::Setup;
use monitor_tests::{Field, Host, Launch, Namespace};

use crate::here;

/// Threads of clients; each asks on one of its connections at a time, so that what it measures is the transaction alone.
const CLIENTS: usize = 8;
/// Connections of each.
const CONNECTIONS: usize = 125;
/// Least number of requests on each connection.
const ROUNDS: usize = 10;
/// Transactions a second that are asked for, where `MONITOR_TEST_RATE` says nothing.
const RATE: usize = 10_000;
/// Likewise of a daemon that was not optimized, and takes ten times as long for each.
const RATE_UNOPTIMIZED: usize = 2_000;
/// How long at least, at that rate.
const SECONDS: usize = 2;
/// nginx's clock: `$request_time` is in whole milliseconds of a time that is read once a turn of its loop.
const CLOCK_US: u64 = 2_000;

#[test]
fn a_thousand_connections() {
    let Some(_host) = Host::claim(&["nginx"]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup::on(18741).start(&net);
    let otherwise = if is_unoptimized() { RATE_UNOPTIMIZED } else { RATE };
    let wanted = std::env::var("MONITOR_TEST_RATE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
        .max(1);
    let rounds = (wanted * SECONDS / (CLIENTS * CONNECTIONS)).max(ROUNDS);
    let interval = Duration::from_secs(1) * CLIENTS as u32 / wanted as u32;
    // All connections are there before the first request.
    let streams: Vec<Vec<_>> = (0..CLIENTS)
        .map(|_| net.inside(|| (0..CONNECTIONS).map(|_| TcpStream::connect(here(18741))).collect()))
        .collect();
    let start = Instant::now();
    let measured: BTreeMap<String, u64> = std::thread::scope(|scope| {
        let clients: Vec<_> = streams
            .into_iter()
            .enumerate()
            .map(|(client, streams)| scope.spawn(move || ask_in_turns(client, streams, rounds, interval)))
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("a client ends"))
            .collect()
    });
    let took = start.elapsed();
    let count = CLIENTS * CONNECTIONS * rounds;
    assert_eq!(measured.len(), count);
    let log: BTreeMap<String, u64> = nginx
        .log()
        .iter()
        .map(|line| {
            let seconds = line["seconds"].as_f64().expect("a time");
            (
                line.text("/target").expect("a target").to_owned(),
                Duration::from_secs_f64(seconds).as_micros() as u64,
            )
        })
        .collect();
    let truth = nginx.truth(count);
    daemon.wait_for_http(18741, count);
    daemon.wait_for_closes(18741, CLIENTS * CONNECTIONS);
    let records = daemon.stop();
    truth.check("nginx, a thousand connections", &records);
    assert_eq!(records.lost(), 0, "{}", records.stats());
    let (mut within_client, mut within_server) = (0, 0);
    for record in records.http(18741) {
        let target = record.text("/request/target").expect("a target");
        let latency = record.number("/latency_us").expect("a latency");
        let client = measured[target];
        // The packets passed between the client's two looks at its clock, whatever the load.
        assert!(
            latency <= client,
            "{latency} µs, the client measured {client}: {record}"
        );
        within_client += usize::from(client - latency <= 1_000);
        // nginx counts from its first read to its last write: a part of the same, but for its clock.
        let server = log[target];
        assert!(
            latency + CLOCK_US >= server,
            "{latency} µs, the server counted {server}: {record}"
        );
        within_server += usize::from(latency.abs_diff(server) <= 1_000 + CLOCK_US);
    }
    let share = |part: usize| 100.0 * part as f64 / count as f64;
    figure(
        "a thousand connections",
        &format!(
            "{count} transactions, {:.0} a second of {wanted} asked for; latency within 1 ms of the client's clock: {:.2} %, of the server's and its clock: {:.2} %",
            count as f64 / took.as_secs_f64(),
            share(within_client),
            share(within_server)
        ),
    );
    // What the server's log does not have is the time that a request waited for it: on a loaded machine some do.
    assert!(
        share(within_server) >= 95.0,
        "{:.2} % within a millisecond of the server's log",
        share(within_server)
    );
}

/// Asks on each connection in turn: by target, microseconds until the answer.
fn ask_in_turns(
    client: usize,
    streams: Vec<std::io::Result<TcpStream>>,
    rounds: usize,
    interval: Duration,
) -> Vec<(String, u64)> {
    let mut streams: Vec<_> = streams.into_iter().map(|stream| stream.expect("connect")).collect();
    let mut measured = Vec::new();
    let mut answer = [0; 4_096];
    let mut due = Instant::now();
    for round in 0..rounds {
        for (place, stream) in streams.iter_mut().enumerate() {
            // Whoever is behind does not wait.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += interval;
            let target = format!("/612?{client}-{place}-{round}");
            let request = format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n");
            let asked = Instant::now();
            stream.write_all(request.as_bytes()).expect("ask");
            let mut length = stream.read(&mut answer).expect("an answer");
            measured.push((target, asked.elapsed().as_micros() as u64));
            let head = answer[..length]
                .windows(4)
                .position(|end| end == b"\r\n\r\n")
                .expect("a head");
            while length < head + 4 + 612 {
                length += stream.read(&mut answer[length..]).expect("the rest");
            }
        }
    }
    measured
}
