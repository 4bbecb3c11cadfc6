//! Rings and `CLOSED` too small for what happens: what is not told is counted, to the record and to the byte.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Stdio;

use monitor_tests::burst::Server;
use monitor_tests::host::{figure, tool};
use monitor_tests::namespace::succeed;
use monitor_tests::{ChildCgroup, Field, Host, Launch, Namespace, Records};

use crate::here;

/// The smallest there can be: 17 records, 30 chunks of a small request, one kept close.
const TINY: &str = "payload_ring = 4096\nlifecycle_ring = 4096\ndeferred_closes = 1\n";

/// A client of so many connections, which sends so many bytes on each and reads to the end.
const CLIENT: &str = "import socket, sys
port, connections, size = map(int, sys.argv[1:4])
for _ in range(connections):
    s = socket.create_connection(('127.0.0.1', port))
    s.sendall(b'GET /' + b'x' * (size - 5)); s.shutdown(socket.SHUT_WR)
    while s.recv(65536): pass
    s.close()";

#[test]
fn sums_hold_while_both_rings_and_the_closed_map_overflow() {
    const PORT: u16 = 18_751;
    const CONNECTIONS: u64 = 3_000;
    const SENT: u64 = 700;
    const ANSWER: u64 = 900;
    let Some(_host) = Host::claim(&["python3", "sh"]) else {
        return;
    };
    let net = Namespace::new();
    // The connecting ends are not watched: each connection is one flow, of the accepting end, whatever is lost.
    let cgroup = ChildCgroup::new("overflow");
    let config = format!("[capture]\nexclude_cgroups = [\"{}\"]\n{TINY}", cgroup.name());
    let server = Server::start(&net, here(PORT), ANSWER as usize);
    let mut daemon = Launch::new().config(&config).start();
    let mut client = net.command(tool("python3"));
    client.args([
        "-c",
        CLIENT,
        &PORT.to_string(),
        &CONNECTIONS.to_string(),
        &SENT.to_string(),
    ]);
    succeed(cgroup.enter(&client).stdin(Stdio::null()));
    // What is lost is counted at the latest a second after, and a walk ends what it did not meet.
    daemon.wait_for("every flow told to its end or counted", |records| {
        let stats = records.of("stats").last();
        let told = records
            .closes(PORT)
            .into_iter()
            .filter(|close| !vanished(close))
            .count() as u64;
        without_end(records, PORT).is_empty()
            && stats.is_some_and(|stats| told + lost(stats, "close_lost") == CONNECTIONS)
    });
    let records = daemon.stop();
    let sum = server.finish(&net);
    assert_eq!(
        (sum.connections, sum.read, sum.written),
        (CONNECTIONS, CONNECTIONS * SENT, CONNECTIONS * ANSWER)
    );
    let stats = records.stats();
    let (gone, told): (Vec<_>, Vec<_>) = records.closes(PORT).into_iter().partition(|close| vanished(close));
    let of = |field: &str| told.iter().filter_map(|close| close.number(field)).sum::<u64>();
    assert_eq!(
        told.len() as u64 + lost(stats, "close_lost"),
        CONNECTIONS,
        "told + lost = made: {stats}"
    );
    assert_eq!(
        of("/bytes_received") + lost(stats, "untold_bytes_received"),
        sum.read,
        "{stats}"
    );
    assert_eq!(
        of("/bytes_sent") + lost(stats, "untold_bytes_sent"),
        sum.written,
        "{stats}"
    );
    for cause in ["close_lost", "lifecycle_ring_full", "payload_ring_full"] {
        assert!(lost(stats, cause) > 0, "nothing overflowed: {cause} in {stats}");
    }
    // Nothing stays open for ever: what was told open and whose close was lost has vanished.
    assert!(
        gone.len() as u64 <= lost(stats, "close_lost"),
        "{} vanished: {stats}",
        gone.len()
    );
    each_open_has_one_close(&records, PORT);
    let open = |close: &&&serde_json::Value| close.text("/state") == Some("open");
    assert_eq!(told.iter().filter(open).count(), 0, "told as open at the end");
    figure(
        "overflow",
        &format!(
            "{} told, {} lost, {} vanished of {CONNECTIONS}",
            told.len(),
            lost(stats, "close_lost"),
            gone.len()
        ),
    );
}

#[test]
fn a_closed_map_that_is_large_enough_loses_no_close() {
    const PORT: u16 = 18_752;
    const CONNECTIONS: u64 = 1_000;
    let Some(_host) = Host::claim(&["python3", "sh"]) else {
        return;
    };
    let net = Namespace::new();
    let cgroup = ChildCgroup::new("deferred");
    let config = format!(
        "[capture]\nexclude_cgroups = [\"{}\"]\nlifecycle_ring = 4096\n",
        cgroup.name()
    );
    let server = Server::start(&net, here(PORT), 10);
    let mut daemon = Launch::new().config(&config).start();
    let mut client = net.command(tool("python3"));
    client.args(["-c", CLIENT, &PORT.to_string(), &CONNECTIONS.to_string(), "100"]);
    succeed(cgroup.enter(&client).stdin(Stdio::null()));
    daemon.wait_for_closes(PORT, CONNECTIONS as usize);
    server.finish(&net);
    let records = daemon.stop();
    let stats = records.stats();
    assert_eq!(lost(stats, "close_lost"), 0, "{stats}");
    assert!(
        stats.number("/events/left_out/close_deferred") > Some(0),
        "nothing was deferred: {stats}"
    );
    let closes = records.closes(PORT);
    let exact = |close: &&&serde_json::Value| {
        close.number("/bytes_received") == Some(100) && close.number("/bytes_sent") == Some(10)
    };
    assert_eq!(closes.iter().filter(exact).count() as u64, CONNECTIONS);
    each_open_has_one_close(&records, PORT);
}

#[test]
fn two_ends_whose_records_are_lost_or_late_are_one_flow() {
    const PORT: u16 = 18_754;
    const CONNECTIONS: usize = 1_000;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let net = Namespace::new();
    let server = Server::start(&net, here(PORT), 10);
    let mut daemon = Launch::new().config("[capture]\nlifecycle_ring = 4096\n").start();
    let mut client = net.command(tool("python3"));
    client.args(["-c", CLIENT, &PORT.to_string(), &CONNECTIONS.to_string(), "100"]);
    succeed(client.stdin(Stdio::null()));
    daemon.wait_for_closes(PORT, CONNECTIONS);
    // What would be told twice is told within two seconds.
    std::thread::sleep(std::time::Duration::from_secs(3));
    server.finish(&net);
    let records = daemon.stop();
    let stats = records.stats();
    assert!(lost(stats, "lifecycle_ring_full") > 0, "nothing overflowed: {stats}");
    assert_eq!(lost(stats, "close_lost"), 0, "{stats}");
    // The connection that ends the server brings nothing.
    let closes: Vec<_> = records
        .closes(PORT)
        .into_iter()
        .filter(|close| close.number("/bytes_received") != Some(0))
        .collect();
    assert_eq!(closes.len(), CONNECTIONS);
    for close in closes {
        close.expect("/direction", "local");
        close.expect("/local/port", PORT);
        close.expect("/bytes_received", 100);
        close.expect("/bytes_sent", 10);
    }
    each_open_has_one_close(&records, PORT);
}

#[test]
fn a_duplex_stream_at_full_speed_stays_within_its_budget() {
    const PORT: u16 = 18_753;
    /// `duplex_bytes_per_s` of the knobs.
    const BUDGET: u64 = 256 * 1024;
    let Some(_host) = Host::claim(&[]) else { return };
    let net = Namespace::new();
    let mut daemon = Launch::new().start();
    let began = std::time::Instant::now();
    let moved = net.inside(|| stream_both_ways(here(PORT), std::time::Duration::from_secs(2)));
    let took = began.elapsed();
    let seconds = took.as_secs_f64();
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let close = records.close(PORT);
    close.expect("/bytes_received", moved.0);
    close.expect("/bytes_sent", moved.1);
    let copied = records.stats().number("/events/bytes_copied").expect("a number");
    // Each direction its rate, its burst, and the turn in which it ran out; nothing else on this host is read meanwhile
    // but what another program may say.
    let most = 2 * BUDGET * (took.as_secs() + 2) + (1 << 20);
    assert!(
        copied <= most,
        "{copied} bytes copied in {seconds:.1} s, {most} at most"
    );
    assert!(moved.0 + moved.1 > 20 * most, "too little moved to tell: {moved:?}");
    figure(
        "duplex",
        &format!("{copied} of {} bytes copied in {seconds:.1} s", moved.0 + moved.1),
    );
}

/// Both ends write letters, as HTTP would begin, as fast as they can, in pieces that flip the turn all the time. Gives what
/// the accepting end read and wrote.
fn stream_both_ways(address: SocketAddr, time: std::time::Duration) -> (u64, u64) {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    fn pour(mut stream: TcpStream, until: std::time::Instant) -> u64 {
        let piece = vec![b'A'; 16 * 1024];
        let mut written = 0;
        while std::time::Instant::now() < until {
            written += stream.write(&piece).expect("write") as u64;
        }
        stream.shutdown(Shutdown::Write).expect("shut down");
        written
    }
    fn drain(mut stream: TcpStream) -> u64 {
        let mut buffer = vec![0; 64 * 1024];
        let mut read = 0;
        loop {
            match stream.read(&mut buffer).expect("read") {
                0 => return read,
                n => read += n as u64,
            }
        }
    }
    let listener = TcpListener::bind(address).expect("listen");
    let client = TcpStream::connect(address).expect("connect");
    let (server, _) = listener.accept().expect("accept");
    let until = std::time::Instant::now() + time;
    let twin = |stream: &TcpStream| stream.try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        let (a, b) = (twin(&client), twin(&server));
        let threads = [
            scope.spawn(move || pour(a, until)),
            scope.spawn(move || drain(twin(&client))),
        ];
        let written = scope.spawn(move || pour(b, until));
        let read = drain(server);
        let written = written.join().expect("the server's writer");
        for thread in threads {
            thread.join().expect("the client's threads");
        }
        (read, written)
    })
}

pub(crate) fn vanished(close: &serde_json::Value) -> bool {
    close.text("/end_reason") == Some("vanished")
}

pub(crate) fn lost(stats: &serde_json::Value, cause: &str) -> u64 {
    stats.number(&format!("/events/lost/{cause}")).unwrap_or(0)
}

/// No flow is told open without an end, none opens or ends twice.
#[track_caller]
pub(crate) fn each_open_has_one_close(records: &Records, port: u16) {
    let without = without_end(records, port);
    assert!(without.is_empty(), "told open without an end: {without:?}");
    for event in ["open", "close"] {
        let mut ids = ids(records, port, event);
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{event} told twice");
    }
}

/// Flows that were told open and whose end was not told yet.
fn without_end(records: &Records, port: u16) -> Vec<&str> {
    let ended: BTreeSet<_> = ids(records, port, "close").into_iter().collect();
    // One whose open record was lost has no ports when it is told.
    let opens = ids(records, port, "open").into_iter();
    opens.filter(|open| !ended.contains(open)).collect()
}

fn ids<'a>(records: &'a Records, port: u16, event: &str) -> Vec<&'a str> {
    let flows = records.flows_with(port, event).into_iter();
    flows.filter_map(|flow| flow.text("/flow")).collect()
}
