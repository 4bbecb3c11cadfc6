//! One daemon for long, under mixed load, while the servers that it watches are restarted and its output is rotated: every
//! transaction is compared with the servers' logs, and memory and descriptors are looked at after each server.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Spread, process_rss};
use crate::daemon::{Daemon, Launch, is_unoptimized};
use crate::host::Host;
use crate::namespace::Namespace;
use crate::nginx::Setup;
use crate::records::Records;
use crate::truth::Truth;
use crate::wait;

/// Port of the first server; those after it take turns, so that what is told late of one is not taken for another's.
const PORT: u16 = 18_300;
const PORTS: u16 = 8;
/// Sizes of what is served.
const FILES: &[u64] = &[612, 65_536, 1_048_576];
/// For the daemon to tell what has ended, and to open its new output.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Servers, one after the other.
    pub servers: usize,
    /// How long each lives.
    pub life: Duration,
}

/// What was seen while one server lived.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Transactions in its log, each of them told exactly.
    pub transactions: usize,
    /// Connections likewise.
    pub connections: usize,
    /// The daemon's resident memory after it, bytes.
    pub rss_bytes: u64,
    /// The daemon's open files after it.
    pub descriptors: usize,
    /// The daemon's threads after it.
    pub threads: usize,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In order.
    pub lives: Vec<Life>,
    /// Records that the daemon lost; its own figure.
    pub lost: u64,
}

impl Report {
    /// Transactions in all.
    pub fn transactions(&self) -> usize {
        self.lives.iter().map(|life| life.transactions).sum()
    }

    /// How much more memory the last quarter of the lives took than the quarter after the first, bytes, by medians: tables
    /// and allocator have filled by then.
    pub fn growth(&self) -> f64 {
        let quarter = (self.lives.len() / 4).max(1);
        let median = |lives: &[Life]| Spread::of(lives.iter().map(|life| life.rss_bytes as f64)).median;
        let early = &self.lives[quarter.min(self.lives.len() - 1)..];
        median(&self.lives[self.lives.len() - quarter..]) - median(&early[..quarter.min(early.len())])
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |life: Option<&Life>| life.map_or(0.0, |life| life.rss_bytes as f64 / 1_048_576.0);
        let range = |of: fn(&Life) -> usize| {
            let figures = || self.lives.iter().map(of);
            format!("{} to {}", figures().min().unwrap_or(0), figures().max().unwrap_or(0))
        };
        write!(
            out,
            "{} transactions on {} connections of {} servers, each as in the server's log; {} records lost; memory {:.1} MiB \
             after the first, {:.1} after the last, {:+.1} from the second quarter to the last; {} descriptors, {} threads",
            self.transactions(),
            self.lives.iter().map(|life| life.connections).sum::<usize>(),
            self.lives.len(),
            self.lost,
            mib(self.lives.first()),
            mib(self.lives.last()),
            self.growth() / 1_048_576.0,
            range(|life| life.descriptors),
            range(|life| life.threads),
        )
    }
}

/// Runs it, and tells each server's end on standard error; `None` where this machine cannot, with the reason there.
///
/// # Panics
/// Where anything differs from a server's log.
#[track_caller]
pub fn run(plan: Plan) -> Option<Report> {
    let _host = Host::claim(&["nginx", "wrk", "ab", "curl"])?;
    let net = Namespace::new();
    let launch = Launch::new();
    let daemon = launch.start();
    let mut report = Report::default();
    for number in 0..plan.servers {
        let setup = Setup {
            files: FILES,
            ..Setup::on(PORT + number as u16 % PORTS)
        };
        let port = setup.port;
        let nginx = setup.start(&net);
        let end = Instant::now() + plan.life;
        while Instant::now() < end {
            mix(&net, port);
        }
        let mut truth = nginx.truth(1);
        truth.last_may_be_cut = true;
        let written = rotate(&daemon, &launch, &truth);
        truth.check(&format!("server {}", number + 1), &written);
        let life = Life {
            transactions: truth.transactions.len(),
            connections: truth.connections(),
            rss_bytes: process_rss(daemon.pid()),
            descriptors: fs::read_dir(format!("/proc/{}/fd", daemon.pid())).map_or(0, Iterator::count),
            threads: status(daemon.pid(), "Threads:") as usize,
        };
        eprintln!(
            "server {} of {}: {} transactions on {} connections, daemon {:.1} MiB, {} descriptors",
            number + 1,
            plan.servers,
            life.transactions,
            life.connections,
            life.rss_bytes as f64 / 1_048_576.0,
            life.descriptors
        );
        report.lives.push(life);
    }
    report.lost = daemon.stop().lost();
    Some(report)
}

/// A few seconds of load: paced on kept connections, a connection each, requests for what is not there, downloads.
#[track_caller]
fn mix(net: &Namespace, port: u16) {
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    // A build that was not optimized takes ten times as long for each.
    let connections = format!("-c{}", if is_unoptimized() { 1 } else { 4 });
    let pace = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/pace.lua");
    net.run("wrk", &["-t1", &connections, "-d2s", "-s", pace, &url("/612")]);
    net.run("ab", &["-q", "-n", "100", "-c", "4", &url("/65536")]);
    net.run("ab", &["-q", "-k", "-n", "100", "-c", "2", &url("/missing")]);
    net.run(
        "curl",
        &[
            "-s",
            "-o",
            "/dev/null",
            &url("/1048576"),
            "-o",
            "/dev/null",
            &url("/612"),
        ],
    );
}

/// Lets the daemon write to a new file, and gives what is in the old one, when that has the last of the server's connections.
#[track_caller]
fn rotate(daemon: &Daemon, launch: &Launch, truth: &Truth) -> Records {
    let (path, old) = (launch.path("records.jsonl"), launch.path("records.old"));
    let read = |path: &Path| {
        let text = fs::read(path).unwrap_or_default();
        // The last line may not be whole yet.
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let lines = text[..whole].split(|b| *b == b'\n').filter(|line| !line.is_empty());
        Records(
            lines
                .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
                .collect(),
        )
    };
    wait::until("the ends of the server's connections", PATIENCE, || {
        (read(&path).closes(truth.port).len() >= truth.connections()).then_some(())
    });
    fs::rename(&path, &old).expect("rename the output");
    let pid = Pid::from_raw(daemon.pid().cast_signed()).expect("a process id");
    kill_process(pid, Signal::HUP).expect("ask for a new output");
    wait::until("the new output", PATIENCE, || path.exists().then_some(()));
    // What was written until then is in the old one.
    let written = read(&old);
    fs::remove_file(&old).expect("remove the old output");
    written
}

/// A figure of `/proc/PID/status` (proc(5)).
fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
