//! Starts and stops under load: no connection is disturbed, nothing is left, other programs on the cgroups go on.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use monitor_tests::host::{figure, tool};
use monitor_tests::namespace::succeed;
use monitor_tests::nginx::Setup;
use monitor_tests::tally::Tally;
use monitor_tests::{ChildCgroup, Field, Host, Launch, Namespace, wait};
use serde_json::Value;

use crate::here;

/// Starts and stops where nothing else is said: each takes a second or two, most of it the verifier's.
const ROUNDS: usize = 5;
/// For the kernel to free what a daemon had: after a grace period.
const PATIENCE: Duration = Duration::from_secs(20);

/// Programs and maps of a daemon, by kind and id.
pub(crate) type Objects = BTreeSet<(&'static str, u64)>;

/// `MONITOR_TEST_STARTS=100` for a hundred.
#[test]
fn starts_and_stops_under_load() {
    let Some(_host) = Host::claim(&["bpftool", "nginx"]) else {
        return;
    };
    let rounds = std::env::var("MONITOR_TEST_STARTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROUNDS);
    let net = Namespace::new();
    let nginx = Setup::on(18721).start(&net);
    let stop = AtomicBool::new(false);
    let mut left: Objects = BTreeSet::new();
    let answered = std::thread::scope(|scope| {
        // Eight connections, open all the time, ask again and again: not one may fail or be opened anew.
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let stream = net.inside(|| TcpStream::connect(here(18721))).expect("connect");
                let stop = &stop;
                scope.spawn(move || ask_until(stream, stop))
            })
            .collect();
        let clients_go_on = StopAtEnd(&stop);
        let launch = Launch::new().records("flow,stats");
        for _ in 0..rounds {
            let daemon = launch.start();
            let own = held_by(daemon.pid());
            assert!(
                own.len() >= 8 && own.is_subset(&objects()),
                "bpftool does not see {own:?}"
            );
            left.extend(own);
            drop(daemon.stop());
        }
        drop(clients_go_on);
        clients
            .into_iter()
            .map(|client| client.join().expect("no client fails"))
            .sum::<usize>()
    });
    let gone = wait::at_most(PATIENCE, || objects().is_disjoint(&left).then_some(()));
    assert!(
        gone.is_some(),
        "left behind: {:?}",
        objects().intersection(&left).collect::<Vec<_>>()
    );
    let truth = nginx.truth(answered);
    assert_eq!(truth.transactions.len(), answered);
    assert!(truth.transactions.iter().all(|transaction| transaction.status == 200));
    assert_eq!(truth.connections(), 8, "the connections lived through all of it");
    figure(
        "starts and stops under load",
        &format!("{rounds}, {answered} transactions on 8 connections, none failed"),
    );
}

#[test]
fn no_slower_after_than_before() {
    let Some(_host) = Host::claim(&["nginx"]) else { return };
    let net = Namespace::new();
    let _nginx = Setup::on(18722).start(&net);
    let rate = || {
        let stream = net.inside(|| TcpStream::connect(here(18722))).expect("connect");
        let (stop, start) = (AtomicBool::new(false), Instant::now());
        std::thread::scope(|scope| {
            let client = scope.spawn(|| ask_until(stream, &stop));
            std::thread::sleep(Duration::from_millis(500));
            stop.store(true, Ordering::Relaxed);
            client.join().expect("the client ends") as f64 / start.elapsed().as_secs_f64()
        })
    };
    // The best of three: others work on this machine too.
    let best = || (0..3).map(|_| rate()).fold(0.0, f64::max);
    let before = best();
    for _ in 0..2 {
        drop(Launch::new().start().stop());
    }
    let after = best();
    figure(
        "transactions a second after against before",
        &format!("{:.2}", after / before),
    );
    // That nothing is attached any more is asserted above; this would find a slowdown of some other kind.
    assert!(after > before / 3.0, "{before:.0} a second before, {after:.0} after");
}

#[test]
fn programs_of_others_on_a_cgroup_go_on() {
    let Some(_host) = Host::claim(&["python3", "sh"]) else {
        return;
    };
    let (net, cgroup) = (Namespace::new(), ChildCgroup::new("others"));
    let tally = Tally::attach(&cgroup);
    let sink = net.inside(|| UdpSocket::bind(here(18723))).expect("bind");
    let send = |count: u64| {
        let before = tally.packets();
        let script = format!(
            "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range({count}): s.sendto(b'x' * 10, ('127.0.0.1', 18723))"
        );
        succeed(
            cgroup
                .enter(net.command(tool("python3")).args(["-c", &script]))
                .stdin(std::process::Stdio::null()),
        );
        for _ in 0..count {
            assert_eq!(sink.recv(&mut [0; 64]).expect("a datagram"), 10);
        }
        tally.packets() - before
    };
    assert_eq!(send(50), 50, "before");
    let daemon = Launch::new().start();
    assert_eq!(send(60), 60, "while the daemon runs");
    let records = daemon.stop();
    assert_eq!(send(70), 70, "after");
    // The monitor saw the same, from the receiving socket, which is still open.
    records.close(18723).expect("/packets_received", 60);
}

/// Stops the clients also where the test fails: they would be waited for.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks on one connection until told to stop: answers.
fn ask_until(mut stream: TcpStream, stop: &AtomicBool) -> usize {
    let (mut answers, mut buffer) = (0, [0; 4_096]);
    while !stop.load(Ordering::Relaxed) {
        stream
            .write_all(b"GET /612 HTTP/1.1\r\nHost: here\r\n\r\n")
            .expect("ask");
        let mut answer = Vec::new();
        // Head and 612 bytes.
        while answer
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .is_none_or(|head| answer.len() < head + 4 + 612)
        {
            let count = stream.read(&mut buffer).expect("an answer");
            assert_ne!(count, 0, "the connection was closed");
            answer.extend_from_slice(&buffer[..count]);
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        answers += 1;
        // Some thousand a second of all together leave the daemon its share of two cores.
        std::thread::sleep(Duration::from_millis(1));
    }
    answers
}

/// The programs and maps that a process has open (proc(5), `fdinfo`): those of others come and go on this machine.
#[track_caller]
pub(crate) fn held_by(pid: u32) -> Objects {
    let mut held = Objects::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))
        .expect("the daemon's files")
        .flatten()
    {
        for line in fs::read_to_string(entry.path()).unwrap_or_default().lines() {
            for (kind, name) in [("prog", "prog_id:"), ("map", "map_id:")] {
                held.extend(
                    line.strip_prefix(name)
                        .and_then(|id| Some((kind, id.trim().parse().ok()?))),
                );
            }
        }
    }
    held
}

/// The kernel's BPF programs and maps; of other users too.
#[track_caller]
pub(crate) fn objects() -> Objects {
    let mut objects = Objects::new();
    for kind in ["prog", "map"] {
        let output = succeed(Command::new(tool("bpftool")).args(["-j", kind, "list"]));
        let list: Value = serde_json::from_slice(&output.stdout).expect("bpftool's JSON");
        objects.extend(
            list.as_array()
                .into_iter()
                .flatten()
                .filter_map(|object| Some((kind, object.number("/id")?))),
        );
    }
    objects
}
