//! Ten times what the daemon can follow: what is told and what is lost are what was sent, alerts come, and afterwards all is
//! as before.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use monitor_tests::exchange::{self, CLIENT, SIZE, Server};
use monitor_tests::host::{executable, figure, tool};
use monitor_tests::remote::SINK;
use monitor_tests::{ChildCgroup, Daemon, Field, Host, Launch, Namespace, Records, Remote, wait};
use rustix::process::{Pid, Signal, kill_process};

use crate::overflow::{each_open_has_one_close, lost, vanished};
use crate::{here, zone};

const PORT: u16 = 18_755;
/// Connections that are kept.
const KEPT: usize = 30;
/// How long the load lasts.
const LOAD: Duration = Duration::from_secs(5);
/// The daemon may run for so long ...
const RUNS: Duration = Duration::from_millis(20);
/// ... and then must wait for so long.
const WAITS: Duration = Duration::from_millis(80);
/// How many times more is sent than followed, at least.
const TENFOLD: f64 = 10.0;
/// Until the first transaction after the load is told. A build that was not optimized, on a machine that does much else.
const RECOVERY: Duration = Duration::from_secs(2);
/// Until a flow whose records were all lost is met: by the next walk over the sockets, which are 30 s apart where nothing is
/// lost.
const WALK: Duration = Duration::from_secs(35);
/// What the program that takes data away sends: four times what it may.
const TAKEN: u64 = 4_000_000;

/// The smallest rings and map that there can be, and a line of volume that a test can reach.
const CONFIG: &str = "[learning]\nperiod = \"0s\"\n[detectors.exfiltration]\nnew_bytes = 1000000\n";
const TINY: &str = "payload_ring = 4096\nlifecycle_ring = 4096\ndeferred_closes = 1\n";

/// Sends so many bytes that are no protocol, says so, and stays connected until it is told to go.
const TAKER: &str = "import socket, sys
s = socket.create_connection(('203.0.113.9', int(sys.argv[1])))
s.sendall(b'\\x01' * int(sys.argv[2]))
print('sent', flush=True)
sys.stdin.read()";

/// A daemon that gets a fifth of the time; all of it again once this is dropped.
struct Slowed {
    pid: Pid,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Slowed {
    #[track_caller]
    fn down(daemon: &Daemon) -> Self {
        let pid = i32::try_from(daemon.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let _ = kill_process(pid, Signal::STOP);
                std::thread::sleep(WAITS);
                let _ = kill_process(pid, Signal::CONT);
                std::thread::sleep(RUNS);
            }
        });
        Self {
            pid,
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = kill_process(self.pid, Signal::CONT);
    }
}

#[test]
fn ten_times_what_can_be_followed_is_counted_and_passes() {
    let Some(_host) = Host::claim(&["python3", "sh"]) else {
        return;
    };
    let net = Namespace::new();
    let remote = Remote::start(&net, zone());
    // The load's connecting ends are not watched: each connection is one flow, of the accepting end, whatever is lost.
    let cgroup = ChildCgroup::new("overload");
    let config = format!("{CONFIG}[capture]\nexclude_cgroups = [\"{}\"]\n{TINY}", cgroup.name());
    let server = Server::start(&net, here(PORT));
    let mut daemon = Launch::new().config(&config).start();

    let slowed = Slowed::down(&daemon);
    let mut client = net.command(tool("python3"));
    client.args(["-c", CLIENT, &PORT.to_string(), &KEPT.to_string()]);
    client.args([
        &LOAD.as_secs().to_string(),
        &exchange::request().escape_default().to_string(),
    ]);
    let mut load = cgroup.enter(&client);
    let mut load = load
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the load");
    let mut taker = net.command(tool("python3"));
    taker.args(["-c", TAKER, &SINK.to_string(), &TAKEN.to_string()]);
    let mut taker = taker
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program that takes data away");
    assert_eq!(line(taker.stdout.take()), "sent\n");
    let counts = line(load.stdout.take());
    drop(slowed);

    let began = Instant::now();
    drop(load.stdin.take());
    daemon.wait_for("the first transaction after the load", |records| {
        first_after(records).is_some()
    });
    let recovered = began.elapsed();
    // Both alerts are on what happened under the load; it is still connected.
    for detector in ["unknown_destination", "exfiltration"] {
        wait::until(detector, WALK, || {
            (!on_taker(daemon.records(), detector).is_empty()).then_some(())
        });
    }
    assert!(load.wait().expect("the load ends").success());
    drop(taker.stdin.take());
    assert!(taker.wait().expect("it ends").success());
    let taken = remote.ended();
    assert_eq!((taken.port, taken.read), (SINK, TAKEN));
    daemon.wait_for_closes(taken.client_port, 1);
    // What is lost is counted at the latest a second after.
    std::thread::sleep(Duration::from_secs(2));
    let records = daemon.stop();

    let sum = server.finish(&net);
    let numbers: Vec<u64> = counts.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [asked, made] = numbers[..] else {
        panic!("the load said {counts}")
    };
    assert_eq!(
        (sum.exchanges, sum.connections),
        (asked + 1, made + 1),
        "client and server"
    );
    let followed = payload_adds_up(&records, sum);
    ends_add_up(&records, sum);
    let tenfold = 2.0 * sum.exchanges as f64 / followed as f64;
    assert!(
        tenfold >= TENFOLD,
        "only {tenfold:.1} times what was followed: {} of {}",
        followed,
        2 * sum.exchanges
    );
    assert!(
        first_after(&records).is_some_and(|record| record["complete"] == true),
        "{:?}",
        first_after(&records)
    );
    assert!(recovered <= RECOVERY, "told {} ms after", recovered.as_millis());
    let close = records.close(taken.client_port);
    close.expect("/bytes_sent", TAKEN);
    for detector in ["unknown_destination", "exfiltration"] {
        for alert in on_taker(&records, detector) {
            // The record that describes a program may be lost as well: then nobody is named, and never another.
            let actor = alert.text("/actor/id");
            assert!(actor.is_none_or(|actor| actor == executable("python3")), "{alert:#}");
        }
    }
    figure(
        "overload",
        &format!(
            "{} requests a second on {} connections in {} s; {tenfold:.1} times what was followed; first transaction after it \
             told within {} ms",
            asked / LOAD.as_secs(),
            made,
            LOAD.as_secs(),
            recovered.as_millis()
        ),
    );
}

/// The first line that a program says.
#[track_caller]
fn line(output: Option<ChildStdout>) -> String {
    let mut line = String::new();
    let output = output.expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("a line");
    line
}

/// Every message is copied or counted as lost; gives how many were copied.
#[track_caller]
fn payload_adds_up(records: &Records, sum: exchange::Sum) -> u64 {
    let stats = records.stats();
    let copied = stats.number("/events/bytes_copied").expect("a number");
    assert_eq!(copied % SIZE as u64, 0, "messages are copied whole: {stats}");
    let followed = copied / SIZE as u64;
    assert_eq!(
        followed + lost(stats, "payload_ring_full"),
        2 * sum.exchanges,
        "copied + lost = sent, of both directions: {stats}"
    );
    followed
}

/// Every connection's end is told or counted as lost, and so is every byte.
#[track_caller]
fn ends_add_up(records: &Records, sum: exchange::Sum) {
    let stats = records.stats();
    // One whose end was lost is told as vanished by a walk (the next one may be 30 s away), else as open when the daemon ends.
    let is_end = |close: &&serde_json::Value| !vanished(close) && close.text("/state") != Some("open");
    let told: Vec<_> = records.closes(PORT).into_iter().filter(is_end).collect();
    assert_eq!(
        told.len() as u64 + lost(stats, "close_lost"),
        sum.connections,
        "told + lost = made: {stats}"
    );
    for (direction, untold) in [
        ("/bytes_received", "untold_bytes_received"),
        ("/bytes_sent", "untold_bytes_sent"),
    ] {
        let of: u64 = told.iter().filter_map(|close| close.number(direction)).sum();
        assert_eq!(
            of + lost(stats, untold),
            sum.exchanges * SIZE as u64,
            "{direction}: {stats}"
        );
    }
    for cause in ["close_lost", "lifecycle_ring_full", "payload_ring_full"] {
        assert!(lost(stats, cause) > 0, "nothing overflowed: {cause} in {stats}");
    }
    each_open_has_one_close(records, PORT);
}

fn first_after(records: &Records) -> Option<&serde_json::Value> {
    let of = |record: &&&serde_json::Value| record.text("/request/path") == Some("/next");
    records.http(PORT).iter().find(of).copied()
}

fn on_taker<'a>(records: &'a Records, detector: &str) -> Vec<&'a serde_json::Value> {
    let there = |alert: &&serde_json::Value| {
        alert
            .text("/target/destination")
            .is_some_and(|to| to.starts_with("203.0.113."))
    };
    records.alerts(detector).into_iter().filter(there).collect()
}
