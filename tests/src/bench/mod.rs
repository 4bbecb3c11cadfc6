//! What the monitor costs: nginx under wrk, with and without it, in alternating order, beside a control.
//!
//! The control starts a process that sleeps: how far its ratio strays from 1 is what this machine does by itself.

mod load;
pub mod replay;
mod report;
mod spread;

use std::process::{Command, Stdio};
use std::time::Duration;

pub use load::Run;
pub use report::Report;
pub use spread::Spread;

use crate::daemon::Launch;
use crate::host::{Host, tool};
use crate::namespace::Namespace;
use crate::nginx::Setup;

/// Port of the server, in a namespace of its own.
const PORT: u16 = 18080;
/// To attach and to come to rest, before a load begins.
const SETTLE: Duration = Duration::from_millis(300);

/// How much is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
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
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rounds: 20,
            seconds: 2,
            connections: 32,
            records: "alert,stats".to_owned(),
            budget: 100.0,
            idle_seconds: 10,
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
    /// A process that sleeps.
    Sleeper,
}

/// Orders of a round; each kind is first, second and last equally often.
const ORDERS: [[Beside; 3]; 6] = [
    [Beside::Nothing, Beside::Monitor, Beside::Sleeper],
    [Beside::Sleeper, Beside::Nothing, Beside::Monitor],
    [Beside::Monitor, Beside::Sleeper, Beside::Nothing],
    [Beside::Monitor, Beside::Nothing, Beside::Sleeper],
    [Beside::Sleeper, Beside::Monitor, Beside::Nothing],
    [Beside::Nothing, Beside::Sleeper, Beside::Monitor],
];

/// Measures; `None` where this machine cannot, with the reason on standard error.
#[track_caller]
pub fn measure(plan: &Plan) -> Option<Report> {
    let _host = Host::claim(&["nginx", "wrk", "sleep"])?;
    let net = Namespace::new();
    let server = Setup {
        access_log: false,
        ..Setup::on(PORT)
    }
    .start(&net);
    let budget = format!("[budget]\ncpu_percent = {}\n", plan.budget);
    let launch = Launch::new().records(&plan.records).config(&budget);
    let mut report = Report {
        plan: plan.clone(),
        ..Report::default()
    };
    // The first load of all warms caches that belong to nobody.
    load::run(&net, PORT, plan);
    for round in 0..plan.rounds {
        for beside in ORDERS[round % ORDERS.len()] {
            match beside {
                Beside::Nothing => report.without.push(load::run(&net, PORT, plan)),
                Beside::Sleeper => report.control.push(beside_sleeper(&net, plan)),
                Beside::Monitor => {
                    let daemon = launch.start();
                    std::thread::sleep(SETTLE);
                    // To load and verify its programs costs it once what ten thousand transactions do.
                    let before = load::process_cpu(daemon.pid());
                    let run = load::run(&net, PORT, plan);
                    let cpu = load::process_cpu(daemon.pid()).saturating_sub(before);
                    let records = daemon.stop();
                    report.monitored(run, cpu, &records);
                }
            }
        }
        report.tell_round(round);
    }
    let daemon = launch.start();
    std::thread::sleep(SETTLE);
    let before = load::process_cpu(daemon.pid());
    std::thread::sleep(Duration::from_secs(u64::from(plan.idle_seconds)));
    report.idle_cpu = load::process_cpu(daemon.pid()).saturating_sub(before);
    report.idle_rss_bytes = load::process_rss(daemon.pid());
    drop(daemon.stop());
    drop(server);
    Some(report)
}

#[track_caller]
fn beside_sleeper(net: &Namespace, plan: &Plan) -> Run {
    let mut sleeper = Command::new(tool("sleep"))
        .arg("3600")
        .stdin(Stdio::null())
        .spawn()
        .expect("start sleep");
    std::thread::sleep(SETTLE);
    let run = load::run(net, PORT, plan);
    sleeper.kill().and_then(|()| sleeper.wait()).expect("end sleep");
    run
}
