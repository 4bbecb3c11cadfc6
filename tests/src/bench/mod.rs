//! What the monitor costs: nginx under wrk, with and without it, in alternating order, beside a control.
//!
//! The control starts a process that sleeps: how far its ratio strays from 1 is what this machine does by itself. The floor is
//! the monitor with kernel programs that return at once: what is below it the hooks cost, whatever they do.

mod datagrams;
mod load;
mod peer;
mod plot;
pub mod replay;
mod report;
mod spread;

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

pub use load::{Load, Run, process_rss};
pub use peer::Peer;
pub use plot::plot;
pub use report::{Report, Reports};
pub use spread::Spread;

use crate::daemon::{Daemon, Launch};
use crate::host::{Host, tool};
use crate::namespace::Namespace;
use crate::nginx::Setup;

/// Port of the server, in a namespace of its own.
const PORT: u16 = 18080;
/// To attach and to come to rest, before a load begins.
const SETTLE: Duration = Duration::from_millis(300);
/// A look at what else the machine does.
const LOOK: Duration = Duration::from_secs(3);
/// More of one core than this for others, and what is measured is not what the monitor costs.
const MOST_OTHERS: f64 = 0.02;
/// A control whose quartiles are further apart says that it is not, either.
const MOST_SPREAD: f64 = 0.02;

/// How much is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What clients do, one after the other.
    pub loads: Vec<Load>,
    /// Rounds, each of them without, with, and with the control.
    pub rounds: usize,
    /// Length of one load, seconds.
    pub seconds: u32,
    /// Connections of the load generator.
    pub connections: u32,
    /// Types of record that the daemon writes.
    pub records: String,
    /// `[budget] cpu_percent`; 100 reads everything.
    pub budget: f64,
    /// Length of the look at an idle daemon, seconds.
    pub idle_seconds: u32,
    /// Reports also what a busy machine gave.
    pub noisy: bool,
    /// Other watchers, which are measured in the same rounds.
    pub peers: Vec<Peer>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            loads: vec![Load::Small],
            rounds: 20,
            seconds: 2,
            connections: 32,
            records: "alert,stats".to_owned(),
            budget: 100.0,
            idle_seconds: 10,
            noisy: false,
            peers: Vec::new(),
        }
    }
}

/// What runs beside the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// The monitor.
    Monitor,
    /// The monitor with empty programs.
    Floor,
    /// A process that sleeps.
    Sleeper,
}

/// Orders of a round; each kind is at each place equally often, and before and after each other.
const ORDERS: [[Beside; 4]; 4] = [
    [Beside::Nothing, Beside::Monitor, Beside::Sleeper, Beside::Floor],
    [Beside::Monitor, Beside::Floor, Beside::Nothing, Beside::Sleeper],
    [Beside::Floor, Beside::Sleeper, Beside::Monitor, Beside::Nothing],
    [Beside::Sleeper, Beside::Nothing, Beside::Floor, Beside::Monitor],
];

/// Measures; `None` where this machine cannot, with the reason on standard error.
///
/// # Errors
/// Where the machine is busy with other things, unless the plan takes that.
#[track_caller]
pub fn measure(plan: &Plan) -> Result<Option<Reports>> {
    let Some(_host) = Host::claim(&["nginx", "wrk", "sleep"]) else {
        return Ok(None);
    };
    let before = load::host_cpu();
    std::thread::sleep(LOOK);
    let others = load::host_cpu().saturating_sub(before).as_secs_f64() / LOOK.as_secs_f64();
    ensure!(
        plan.noisy || others <= MOST_OTHERS,
        "other processes take {:.0} % of a core: end them, or take what comes with --noisy true",
        others * 100.0
    );
    let net = Namespace::new();
    for peer in &plan.peers {
        ensure!(peer.is_here(), "{} is not installed", peer.name());
    }
    let server = Setup {
        access_log: false,
        files: &[612, load::LARGE],
        ..Setup::on(PORT)
    }
    .start(&net);
    let budget = format!("[budget]\ncpu_percent = {}\n", plan.budget);
    let launch = Launch::new().records(&plan.records).config(&budget);
    let mut reports = Reports {
        plan: plan.clone(),
        others,
        ..Reports::default()
    };
    for load in &plan.loads {
        let report = under(*load, plan, &net, &launch);
        let spread = report.control_spread();
        ensure!(
            plan.noisy || spread <= MOST_SPREAD,
            "{}: a process that only sleeps gave ratios whose quartiles are {spread:.3} apart: the machine is too restless; more \
             or longer rounds, or --noisy true",
            load.name()
        );
        reports.loads.push(report);
    }
    let daemon = launch.start();
    std::thread::sleep(SETTLE);
    let before = load::process_cpu(daemon.pid());
    std::thread::sleep(Duration::from_secs(u64::from(plan.idle_seconds)));
    reports.idle_cpu = load::process_cpu(daemon.pid()).saturating_sub(before);
    reports.idle_rss_bytes = load::process_rss(daemon.pid());
    drop(daemon.stop());
    drop(server);
    Ok(Some(reports))
}

/// One load.
#[track_caller]
fn under(load: Load, plan: &Plan, net: &Namespace, launch: &Launch) -> Report {
    let mut report = Report {
        load,
        ..Report::default()
    };
    let run = || load::run(net, PORT, load, plan);
    // The first of all warms caches that belong to nobody.
    run();
    for round in 0..plan.rounds {
        for beside in ORDERS[round % ORDERS.len()] {
            match beside {
                Beside::Nothing => report.without.push(run()),
                Beside::Sleeper => report.control.push(beside_sleeper(run)),
                Beside::Floor => {
                    let (daemon, run, _) = beside_monitor(&launch.clone().with_empty_programs(), run);
                    daemon.stop();
                    report.floor.push(run);
                }
                Beside::Monitor => {
                    let (daemon, run, cpu) = beside_monitor(launch, run);
                    report.rss_bytes = report.rss_bytes.max(load::process_rss(daemon.pid()));
                    report.monitored(run, cpu, &daemon.stop());
                }
            }
        }
        for peer in &plan.peers {
            let run = peer.beside(net, run);
            report.peers.entry(peer.name()).or_default().push(run);
        }
        report.tell_round(round);
    }
    report.kernel_us = kernel_us(launch, run);
    report.kernel_floor_us = kernel_us(&launch.clone().with_empty_programs(), run);
    report
}

/// A daemon, the load beside it, and the CPU time that it took meanwhile.
#[track_caller]
fn beside_monitor(launch: &Launch, run: impl Fn() -> Run) -> (Daemon, Run, Duration) {
    let daemon = launch.start();
    std::thread::sleep(SETTLE);
    // To load and verify its programs costs it once what ten thousand transactions do.
    let before = load::process_cpu(daemon.pid());
    let run = run();
    let cpu = load::process_cpu(daemon.pid()).saturating_sub(before);
    (daemon, run, cpu)
}

/// Time in the kernel programs for one transaction, microseconds: in a run of its own, since to measure it costs, too.
#[track_caller]
fn kernel_us(launch: &Launch, run: impl Fn() -> Run) -> f64 {
    let Some(_counting) = Counting::begin() else {
        return f64::NAN;
    };
    let daemon = launch.start();
    std::thread::sleep(SETTLE);
    let before = load::programs_cpu(daemon.pid());
    let run = run();
    let took = load::programs_cpu(daemon.pid()).saturating_sub(before);
    drop(daemon.stop());
    took.as_secs_f64() * 1e6 / run.requests.max(1) as f64
}

/// The kernel counts the time of its programs; as it was before when dropped, also by a measurement that fails.
struct Counting {
    before: String,
}

impl Counting {
    /// Of the kernel's settings (`kernel.bpf_stats_enabled`, sysctl/kernel.rst).
    const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

    fn begin() -> Option<Self> {
        let before = std::fs::read_to_string(Self::SWITCH).ok()?;
        std::fs::write(Self::SWITCH, "1").ok()?;
        Some(Self { before })
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let _ = std::fs::write(Self::SWITCH, self.before.trim());
    }
}

#[track_caller]
fn beside_sleeper(run: impl Fn() -> Run) -> Run {
    let mut sleeper = Command::new(tool("sleep"))
        .arg("3600")
        .stdin(Stdio::null())
        .spawn()
        .expect("start sleep");
    std::thread::sleep(SETTLE);
    let run = run();
    sleeper.kill().and_then(|()| sleeper.wait()).expect("end sleep");
    run
}
