//! The measurements, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Load, Plan, Run, Spread};
use crate::records::{Field, Records};

/// Everything measured.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    /// What was asked for.
    pub plan: Plan,
    /// Part of a core that other processes took before.
    pub others: f64,
    /// By load.
    pub loads: Vec<Report>,
    /// CPU time of an idle daemon over the plan's seconds.
    pub idle_cpu: Duration,
    /// Memory of an idle daemon, bytes.
    pub idle_rss_bytes: u64,
}

/// One load. Lists are by round.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Which.
    pub load: Load,
    /// Without anything.
    pub without: Vec<Run>,
    /// With the monitor.
    pub with: Vec<Run>,
    /// With a process that sleeps.
    pub control: Vec<Run>,
    /// With kernel programs that return at once.
    pub floor: Vec<Run>,
    /// The daemon's own CPU time, part of the host's.
    pub daemon_cpu: Vec<Duration>,
    /// The kernel programs' time for one transaction, microseconds, measured in a run of its own.
    pub kernel_us: f64,
    /// The same of programs that return at once: what measuring and calling them takes.
    pub kernel_floor_us: f64,
    /// With other watchers, by name.
    pub peers: BTreeMap<&'static str, Vec<Run>>,
    /// Most memory of a daemon after its load, bytes.
    pub rss_bytes: u64,
    /// Bytes of payload that were copied to the daemon.
    pub copied: u64,
    /// Transactions that the monitor told of.
    pub transactions: u64,
    /// Of which incomplete.
    pub incomplete: u64,
    /// Records lost between kernel and engine.
    pub lost: u64,
}

impl Report {
    pub(super) fn monitored(&mut self, run: Run, cpu: Duration, records: &Records) {
        self.with.push(run);
        self.daemon_cpu.push(cpu);
        let count = |path: &str| records.stats().number(path).unwrap_or(0);
        self.transactions += count("/http/transactions");
        self.incomplete += count("/http/incomplete");
        self.copied += count("/events/bytes_copied");
        self.lost += records.lost();
    }

    pub(super) fn tell_round(&self, round: usize) {
        let rate = |runs: &[Run]| runs.last().map_or(f64::NAN, |run| run.rate);
        let (without, with, control) = (rate(&self.without), rate(&self.with), rate(&self.control));
        eprintln!(
            "{}, round {:>2}: {without:>8.0}/s without, {with:>8.0}/s with ({:.3}), {control:>8.0}/s control ({:.3})",
            self.load.name(),
            round + 1,
            with / without,
            control / without,
        );
    }

    /// Throughput kept with the monitor on, by round.
    pub fn kept(&self) -> Spread {
        ratio(&self.with, &self.without)
    }

    /// The same of a process that sleeps.
    pub fn control(&self) -> Spread {
        ratio(&self.control, &self.without)
    }

    /// The same of kernel programs that return at once.
    pub fn floor(&self) -> Spread {
        ratio(&self.floor, &self.without)
    }

    /// How far the control's quartiles are apart.
    pub(super) fn control_spread(&self) -> f64 {
        let Spread {
            first_quartile,
            third_quartile,
            ..
        } = self.control();
        third_quartile - first_quartile
    }

    fn json(&self) -> Value {
        let three = |of: fn(&Run) -> f64| {
            json!({
                "without": figures(&self.without, of).json(),
                "with": figures(&self.with, of).json(),
                "control": figures(&self.control, of).json(),
                "floor": figures(&self.floor, of).json(),
            })
        };
        json!({
            "load": self.load.name(),
            "kept": self.kept().json(),
            "control": self.control().json(),
            "floor": self.floor().json(),
            "requests_per_second": three(|run| run.rate),
            "host_cpu_us_per_request": three(Run::busy_us),
            "p50_us": three(|run| run.p50_us),
            "p99_us": three(|run| run.p99_us),
            "daemon_cpu_us_per_request": self.daemon_cost().json(),
            "kernel_us_per_request": self.kernel_us,
            "empty_kernel_us_per_request": self.kernel_floor_us,
            "peers": self.peers.iter().map(|(name, runs)| {
                let kept = ratio(runs, &self.without).json();
                (*name, json!({ "kept": kept, "p99_us": figures(runs, |run| run.p99_us).json() }))
            }).collect::<BTreeMap<_, _>>(),
            "copied_bytes_per_request": self.copied_each(),
            "rss_bytes": self.rss_bytes,
            "transactions": { "sent": self.sent(), "told": self.transactions, "incomplete": self.incomplete },
            "lost": self.lost,
            "runs": self.without.iter().zip(&self.with).zip(self.control.iter().zip(&self.floor)).map(|((without, with), (control, floor))| {
                json!({ "without": without.rate, "with": with.rate, "control": control.rate, "floor": floor.rate })
            }).collect::<Vec<_>>(),
        })
    }

    fn sent(&self) -> u64 {
        self.with.iter().map(|run| run.requests).sum()
    }

    fn copied_each(&self) -> f64 {
        self.copied as f64 / self.sent().max(1) as f64
    }

    fn daemon_cost(&self) -> Spread {
        let costs = self.with.iter().zip(&self.daemon_cpu);
        Spread::of(costs.map(|(run, cpu)| cpu.as_secs_f64() * 1e6 / run.requests.max(1) as f64))
    }
}

impl Reports {
    /// For programs, every round among it.
    pub fn json(&self) -> Value {
        json!({
            "rounds": self.plan.rounds,
            "seconds": self.plan.seconds,
            "connections": self.plan.connections,
            "records": self.plan.records,
            "budget_percent": self.plan.budget,
            "other_processes_percent": self.others * 100.0,
            "loads": self.loads.iter().map(Report::json).collect::<Vec<_>>(),
            "idle": { "cpu_percent": self.idle_percent(), "rss_bytes": self.idle_rss_bytes },
        })
    }

    fn idle_percent(&self) -> f64 {
        self.idle_cpu.as_secs_f64() * 100.0 / f64::from(self.plan.idle_seconds.max(1))
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "{}: {}", self.load.name(), self.load.what())?;
        writeln!(out, "{:<28}{:>10}   quartiles", "", "median")?;
        let all: [(&str, Spread, usize); 13] = [
            ("requests/s without", figures(&self.without, |run| run.rate), 0),
            ("requests/s with", figures(&self.with, |run| run.rate), 0),
            ("throughput kept", self.kept(), 3),
            ("the same of empty programs", self.floor(), 3),
            ("the same of the control", self.control(), 3),
            ("host CPU us/request without", figures(&self.without, Run::busy_us), 2),
            ("host CPU us/request with", figures(&self.with, Run::busy_us), 2),
            ("host CPU us/request empty", figures(&self.floor, Run::busy_us), 2),
            ("daemon CPU us/request", self.daemon_cost(), 2),
            ("p50 us without", figures(&self.without, |run| run.p50_us), 0),
            ("p50 us with", figures(&self.with, |run| run.p50_us), 0),
            ("p99 us without", figures(&self.without, |run| run.p99_us), 0),
            ("p99 us with", figures(&self.with, |run| run.p99_us), 0),
        ];
        for (what, spread, digits) in all {
            let Spread {
                first_quartile,
                median,
                third_quartile,
            } = spread;
            writeln!(
                out,
                "{what:<28}{median:>10.digits$}   {first_quartile:.digits$} to {third_quartile:.digits$}"
            )?;
        }
        for (name, runs) in &self.peers {
            let Spread {
                first_quartile,
                median,
                third_quartile,
            } = ratio(runs, &self.without);
            let what = format!("{name} keeps");
            writeln!(
                out,
                "{what:<28}{median:>10.3}   {first_quartile:.3} to {third_quartile:.3}"
            )?;
        }
        writeln!(
            out,
            "kernel programs {:.2} us/request (empty ones {:.2}, both with measuring), {:.0} bytes copied a transaction, daemon {:.1} MiB",
            self.kernel_us,
            self.kernel_floor_us,
            self.copied_each(),
            self.rss_bytes as f64 / 1_048_576.0,
        )?;
        writeln!(
            out,
            "{} transactions sent, {} told, {} of them incomplete; {} records lost",
            self.sent(),
            self.transactions,
            self.incomplete,
            self.lost
        )
    }
}

impl std::fmt::Display for Reports {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Plan {
            rounds,
            seconds,
            connections,
            records,
            noisy,
            ..
        } = &self.plan;
        writeln!(
            out,
            "nginx with one worker, wrk -t1 -c{connections} -d{seconds}s, {rounds} rounds, records {records}"
        )?;
        if *noisy {
            writeln!(out, "others took {:.1} % of a core before", self.others * 100.0)?;
        }
        for report in &self.loads {
            writeln!(out, "\n{report}")?;
        }
        write!(
            out,
            "idle: {:.2} % CPU, {:.1} MiB",
            self.idle_percent(),
            self.idle_rss_bytes as f64 / 1_048_576.0
        )
    }
}

fn figures(runs: &[Run], of: fn(&Run) -> f64) -> Spread {
    Spread::of(runs.iter().map(of))
}

/// Rate against rate of the same round.
fn ratio(runs: &[Run], against: &[Run]) -> Spread {
    Spread::of(runs.iter().zip(against).map(|(run, base)| run.rate / base.rate))
}
