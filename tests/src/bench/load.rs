//! One load, and what it took of the host.

use std::fs;
use std::time::Duration;

use super::Plan;
use crate::namespace::Namespace;

/// One tick of the kernel's CPU accounting: `USER_HZ` is 100 in the interface to user space (proc(5)).
const TICK: Duration = Duration::from_millis(10);
/// proc(5): size of a page in `/proc/PID/statm`; 4 KiB on x86-64.
const PAGE_BYTES: u64 = 4096;

/// What one load gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Run {
    /// Transactions that wrk counted.
    pub requests: u64,
    /// Transactions a second.
    pub rate: f64,
    /// CPU time of the whole host.
    pub busy: Duration,
}

impl Run {
    /// CPU time of the whole host for one transaction, microseconds.
    pub fn busy_us(&self) -> f64 {
        self.busy.as_secs_f64() * 1e6 / self.requests.max(1) as f64
    }
}

/// Runs wrk with one thread.
#[track_caller]
pub(super) fn run(net: &Namespace, port: u16, plan: &Plan) -> Run {
    let before = host_cpu();
    let connections = format!("-c{}", plan.connections);
    let duration = format!("-d{}s", plan.seconds);
    let output = net.run(
        "wrk",
        &["-t1", &connections, &duration, &format!("http://127.0.0.1:{port}/612")],
    );
    let busy = host_cpu().saturating_sub(before);
    let text = String::from_utf8_lossy(&output.stdout);
    // "  122468 requests in 2.00s, 102.79MB read"
    let counted = text.lines().find_map(|line| {
        let (requests, rest) = line.trim().split_once(" requests in ")?;
        let seconds: f64 = rest.split_once("s,")?.0.parse().ok()?;
        Some((requests.parse::<u64>().ok()?, seconds))
    });
    let (requests, seconds) = counted.unwrap_or_else(|| panic!("wrk's count in {text}"));
    assert!(!text.contains("Socket errors"), "{text}");
    Run {
        requests,
        rate: requests as f64 / seconds,
        busy,
    }
}

/// CPU time of one process, all its threads.
#[track_caller]
pub(super) fn process_cpu(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the daemon's statistics");
    // proc(5): utime and stime are fields 14 and 15; the name, field 2, may hold spaces.
    let ticks = text
        .rsplit_once(") ")
        .map_or(0, |(_, rest)| sum(rest.split(' ').skip(11).take(2)));
    TICK * ticks
}

/// Resident memory of one process, bytes.
#[track_caller]
pub(super) fn process_rss(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).expect("the daemon's memory");
    text.split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * PAGE_BYTES
}

/// CPU time of all processors that was not idle: user, nice, system, then irq and softirq (proc(5), `/proc/stat`).
#[track_caller]
fn host_cpu() -> Duration {
    let text = fs::read_to_string("/proc/stat").expect("the host's statistics");
    let fields: Vec<_> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .collect();
    TICK * (sum(fields.iter().take(3).copied()) + sum(fields.iter().skip(5).take(2).copied()))
}

fn sum<'a>(fields: impl Iterator<Item = &'a str>) -> u32 {
    fields.filter_map(|field| field.parse::<u32>().ok()).sum()
}
