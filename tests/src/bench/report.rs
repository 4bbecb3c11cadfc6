//! The measurements, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Plan, Run, Spread};
use crate::records::{Field, Records};

/// Everything measured. Lists are by round.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was asked for.
    pub plan: Plan,
    /// Without anything.
    pub without: Vec<Run>,
    /// With the monitor.
    pub with: Vec<Run>,
    /// With a process that sleeps.
    pub control: Vec<Run>,
    /// The daemon's own CPU time, part of the host's.
    pub daemon_cpu: Vec<Duration>,
    /// Transactions that the monitor told of.
    pub transactions: u64,
    /// Of which incomplete.
    pub incomplete: u64,
    /// Records lost between kernel and engine.
    pub lost: u64,
    /// CPU time of an idle daemon over the plan's seconds.
    pub idle_cpu: Duration,
    /// Memory of an idle daemon.
    pub idle_rss_bytes: u64,
}

impl Report {
    pub(super) fn monitored(&mut self, run: Run, cpu: Duration, records: &Records) {
        self.with.push(run);
        self.daemon_cpu.push(cpu);
        let count = |path: &str| records.stats().number(path).unwrap_or(0);
        self.transactions += count("/http/transactions");
        self.incomplete += count("/http/incomplete");
        self.lost += records.lost();
    }

    pub(super) fn tell_round(&self, round: usize) {
        let rate = |runs: &[Run]| runs.last().map_or(f64::NAN, |run| run.rate);
        let (without, with, control) = (rate(&self.without), rate(&self.with), rate(&self.control));
        eprintln!(
            "round {:>2}: {without:>8.0}/s without, {with:>8.0}/s with ({:.3}), {control:>8.0}/s control ({:.3})",
            round + 1,
            with / without,
            control / without,
        );
    }

    /// Throughput kept with the monitor on, by round.
    pub fn kept(&self) -> Spread {
        ratio(&self.with, &self.without)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "rounds": self.plan.rounds,
            "seconds": self.plan.seconds,
            "connections": self.plan.connections,
            "records": self.plan.records,
            "kept": self.kept().json(),
            "control": ratio(&self.control, &self.without).json(),
            "requests_per_second": { "without": rates(&self.without).json(), "with": rates(&self.with).json(), "control": rates(&self.control).json() },
            "host_cpu_us_per_request": { "without": costs(&self.without).json(), "with": costs(&self.with).json(), "control": costs(&self.control).json() },
            "daemon_cpu_us_per_request": self.daemon_cost().json(),
            "transactions": { "sent": self.sent(), "told": self.transactions, "incomplete": self.incomplete },
            "lost": self.lost,
            "idle": { "cpu_percent": self.idle_percent(), "rss_bytes": self.idle_rss_bytes },
            "runs": self.without.iter().zip(&self.with).zip(&self.control).map(|((without, with), control)| {
                json!({ "without": without.rate, "with": with.rate, "control": control.rate })
            }).collect::<Vec<_>>(),
        })
    }

    fn sent(&self) -> u64 {
        self.with.iter().map(|run| run.requests).sum()
    }

    fn daemon_cost(&self) -> Spread {
        let costs = self.with.iter().zip(&self.daemon_cpu);
        Spread::of(costs.map(|(run, cpu)| cpu.as_secs_f64() * 1e6 / run.requests.max(1) as f64))
    }

    fn idle_percent(&self) -> f64 {
        self.idle_cpu.as_secs_f64() * 100.0 / f64::from(self.plan.idle_seconds.max(1))
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Plan {
            rounds,
            seconds,
            connections,
            records,
            ..
        } = &self.plan;
        writeln!(
            out,
            "nginx with one worker, wrk -t1 -c{connections} -d{seconds}s, {rounds} rounds, records {records}"
        )?;
        writeln!(out, "{:<28}{:>10}   quartiles", "", "median")?;
        for (what, spread, digits) in [
            ("requests/s without", rates(&self.without), 0),
            ("requests/s with", rates(&self.with), 0),
            ("throughput kept", self.kept(), 3),
            ("the same of the control", ratio(&self.control, &self.without), 3),
            ("host CPU us/request without", costs(&self.without), 2),
            ("host CPU us/request with", costs(&self.with), 2),
            ("daemon CPU us/request", self.daemon_cost(), 2),
        ] {
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
        writeln!(
            out,
            "{} transactions sent, {} told, {} of them incomplete; {} records lost",
            self.sent(),
            self.transactions,
            self.incomplete,
            self.lost
        )?;
        write!(
            out,
            "idle: {:.2} % CPU, {:.1} MiB",
            self.idle_percent(),
            self.idle_rss_bytes as f64 / 1_048_576.0
        )
    }
}

fn rates(runs: &[Run]) -> Spread {
    Spread::of(runs.iter().map(|run| run.rate))
}

fn costs(runs: &[Run]) -> Spread {
    Spread::of(runs.iter().map(Run::busy_us))
}

/// Rate against rate of the same round.
fn ratio(runs: &[Run], against: &[Run]) -> Spread {
    Spread::of(runs.iter().zip(against).map(|(run, base)| run.rate / base.rate))
}
