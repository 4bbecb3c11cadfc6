//! What the daemon costs: CPU time and memory of this process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of the whole process since its start, milliseconds.
pub(super) fn cpu_ms() -> u64 {
    u64::try_from(cpu_time().as_millis()).unwrap_or(u64::MAX)
}

/// CPU time of the whole process since its start.
pub(super) fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Resident memory, bytes (`VmRSS` of `/proc/self/status`).
pub(super) fn rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_spends_time() {
        let rss = rss_bytes().unwrap();
        assert!((1 << 20..1 << 40).contains(&rss), "{rss}");
        let before = cpu_ms();
        let mut spent = 0u64;
        while cpu_ms() < before + 3 {
            spent = std::hint::black_box(spent + 1);
        }
        assert!(spent > 0);
    }
}
