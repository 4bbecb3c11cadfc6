//! What a process took, by the kernel's account.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// What a process took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// CPU time of all its threads, user and system, seconds.
    pub cpu_s: f64,
    /// Most memory that it held at a time.
    pub rss_kib: u64,
}

/// Length of a tick in `/proc` (`USER_HZ`, include/asm-generic/param.h), seconds.
const TICK_S: f64 = 0.01;
/// Between two looks at its memory.
const LOOK: Duration = Duration::from_millis(5);

/// Runs it to its end.
pub(super) fn run(command: &mut Command) -> Result<Cost> {
    let before = children_s()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut rss_kib = 0;
    let status = loop {
        let text = fs::read_to_string(&status_file).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok());
        rss_kib = rss_kib.max(peak.unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    ensure!(status.success(), "{command:?}: {status}");
    Ok(Cost {
        cpu_s: children_s()? - before,
        rss_kib,
    })
}

/// CPU time of all children that have ended: fields 16 and 17 of `/proc/self/stat` (`proc_pid_stat(5)`).
fn children_s() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 * TICK_S)
}
