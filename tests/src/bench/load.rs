//! One load, and what it took of the host.

use std::fs;
use std::str::FromStr;
use std::time::Duration;

use super::{Plan, datagrams};
use crate::namespace::Namespace;

/// One tick of the kernel's CPU accounting: `USER_HZ` is 100 in the interface to user space (proc(5)).
const TICK: Duration = Duration::from_millis(10);
/// proc(5): size of a page in `/proc/PID/statm`; 4 KiB on x86-64.
const PAGE_BYTES: u64 = 4096;
/// A download and an upload, bytes.
pub(super) const LARGE: u64 = 10 << 20;

/// What clients do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Load {
    /// A file of 612 bytes on kept connections, as fast as both cores can.
    #[default]
    Small,
    /// The same, each on a connection of its own.
    Churn,
    /// 10 MiB by sendfile(2).
    Download,
    /// 10 MiB the other way.
    Upload,
    /// The small file at a pace that leaves the machine half idle: what it does to latency is seen here.
    Half,
    /// A thousand kept connections, each of which asks once a second.
    Idle,
    /// Ten thousand, each of which asks every ten seconds.
    Crowd,
    /// Questions and answers of DNS, a datagram each.
    Datagrams,
}

impl Load {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Small,
        Self::Churn,
        Self::Download,
        Self::Upload,
        Self::Half,
        Self::Idle,
        Self::Crowd,
        Self::Datagrams,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Churn => "churn",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Half => "half",
            Self::Idle => "idle",
            Self::Crowd => "crowd",
            Self::Datagrams => "datagrams",
        }
    }

    /// In words.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Small => "612 bytes on kept connections, at saturation",
            Self::Churn => "612 bytes, a connection each",
            Self::Download => "10 MiB down by sendfile",
            Self::Upload => "10 MiB up",
            Self::Half => "612 bytes on kept connections, paced",
            Self::Idle => "1,000 kept connections, a request a second each",
            Self::Crowd => "10,000 kept connections, a request every ten seconds each",
            Self::Datagrams => "questions of DNS over UDP, at saturation",
        }
    }

    /// Whether its rate is that of the clients and not of the machine: then throughput says nothing.
    pub const fn is_paced(self) -> bool {
        matches!(self, Self::Half | Self::Idle | Self::Crowd)
    }

    /// How long one run takes: a crowd needs time to come and to ask.
    const fn seconds(self, plan: &Plan) -> u32 {
        match self {
            Self::Crowd if plan.seconds < 12 => 12,
            _ => plan.seconds,
        }
    }

    /// Arguments of wrk.
    fn arguments(self, plan: &Plan, port: u16) -> Vec<String> {
        let connections = match self {
            Self::Small | Self::Churn | Self::Half | Self::Datagrams => plan.connections,
            Self::Download | Self::Upload => 4,
            Self::Idle => 1_000,
            Self::Crowd => 10_000,
        };
        let script = |name: &str| {
            let path = format!("{}/servers/{name}.lua", env!("CARGO_MANIFEST_DIR"));
            vec!["-s".to_owned(), path]
        };
        let (more, path) = match self {
            Self::Small | Self::Datagrams => (vec![], "612".to_owned()),
            Self::Churn => (vec!["-H".to_owned(), "Connection: close".to_owned()], "612".to_owned()),
            Self::Download => (vec![], LARGE.to_string()),
            Self::Upload => (script("upload"), "upload".to_owned()),
            Self::Half => (script("half"), "612".to_owned()),
            Self::Idle => (script("idle"), "612".to_owned()),
            Self::Crowd => (script("crowd"), "612".to_owned()),
        };
        let mut arguments = vec![
            "-t1".to_owned(),
            format!("-c{connections}"),
            format!("-d{}s", self.seconds(plan)),
            "--latency".to_owned(),
        ];
        arguments.extend(more);
        arguments.push(format!("http://127.0.0.1:{port}/{path}"));
        arguments
    }
}

impl FromStr for Load {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|load| load.name() == name)
            .ok_or_else(|| format!("no load is called {name}: {known}"))
    }
}

/// What one load gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Run {
    /// Transactions that wrk counted.
    pub requests: u64,
    /// Transactions a second.
    pub rate: f64,
    /// CPU time of the whole host.
    pub busy: Duration,
    /// Latency that half of the transactions stayed within, as wrk saw it, microseconds.
    pub p50_us: f64,
    /// Likewise 99 of 100.
    pub p99_us: f64,
}

impl Run {
    /// CPU time of the whole host for one transaction, microseconds.
    pub fn busy_us(&self) -> f64 {
        self.busy.as_secs_f64() * 1e6 / self.requests.max(1) as f64
    }
}

/// Runs wrk with one thread, or asks for names.
#[track_caller]
pub(super) fn run(net: &Namespace, port: u16, load: Load, plan: &Plan) -> Run {
    if load == Load::Datagrams {
        return datagrams::run(net, Duration::from_secs(u64::from(plan.seconds)));
    }
    let before = host_cpu();
    let arguments = load.arguments(plan, port);
    let output = net.run("wrk", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let busy = host_cpu().saturating_sub(before);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "{text}");
    // A connection that the server closes after its answer, as it was asked to, counts as an error of reading.
    assert!(load == Load::Churn || !text.contains("Socket errors"), "{text}");
    read(&text, busy).unwrap_or_else(|| panic!("wrk's figures in {text}"))
}

/// What wrk wrote.
fn read(text: &str, busy: Duration) -> Option<Run> {
    // "  122468 requests in 2.00s, 102.79MB read"
    let (requests, seconds) = text.lines().find_map(|line| {
        let (requests, rest) = line.trim().split_once(" requests in ")?;
        Some((requests.parse::<u64>().ok()?, micros(rest.split_once(',')?.0)? / 1e6))
    })?;
    // "     99%    1.20ms"
    let percentile = |name: &str| {
        text.lines()
            .find_map(|line| micros(line.trim().strip_prefix(name)?.trim()))
    };
    Some(Run {
        requests,
        rate: requests as f64 / seconds,
        busy,
        p50_us: percentile("50%")?,
        p99_us: percentile("99%")?,
    })
}

/// A time as wrk writes it, microseconds.
fn micros(text: &str) -> Option<f64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
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
pub fn process_rss(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).expect("the daemon's memory");
    text.split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * PAGE_BYTES
}

/// Time that the kernel programs which a process holds have run, while `kernel.bpf_stats_enabled` was set (proc(5),
/// `fdinfo`; `bpf_prog_show_fdinfo` in the kernel's source).
#[track_caller]
pub(super) fn programs_cpu(pid: u32) -> Duration {
    let folder = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("the daemon's descriptors");
    let texts = folder.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    let mut seen = std::collections::BTreeSet::new();
    let nanos = texts.filter_map(|text| {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))?
                .trim()
                .parse::<u64>()
                .ok()
        };
        // A link to a program tells its time, too.
        seen.insert(field("prog_id:")?).then(|| field("run_time_ns:")).flatten()
    });
    Duration::from_nanos(nanos.sum())
}

/// CPU time of all processors that was not idle: user, nice, system, then irq and softirq (proc(5), `/proc/stat`).
#[track_caller]
pub(super) fn host_cpu() -> Duration {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_wrk() {
        let text = "  Latency Distribution\n     50%  345.00us\n     75%    1.00ms\n     99%    1.20ms\n  122468 requests in \
                    2.00s, 102.79MB read\nRequests/sec:  61234.00\n";
        let run = read(text, Duration::from_secs(3)).expect("figures");
        assert_eq!(run.requests, 122_468);
        let minutes = micros("1.10m").expect("a time");
        for (found, expected) in [
            (run.rate, "61234"),
            (run.p50_us, "345"),
            (run.p99_us, "1200"),
            (minutes, "66000000"),
        ] {
            assert_eq!(format!("{found:.0}"), expected);
        }
        assert_eq!(micros("12"), None);
    }

    #[test]
    fn loads_have_names() {
        for load in Load::ALL {
            assert_eq!(load.name().parse(), Ok(load));
        }
        assert!("none".parse::<Load>().is_err());
    }
}
