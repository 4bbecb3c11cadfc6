//! Keeps what the daemon costs within `[budget] cpu_percent`: when it costs more, fewer connections are read.
//!
//! What grows with the traffic is reading payload, here and in the kernel. The governor looks at the CPU time of the whole
//! process once a second and moves the share of connections that are read. Those that are not are counted as ever: bytes,
//! ends, processes and destinations stay exact, and their flows say why nothing was read of them.

use std::time::Duration;

/// How often the share is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// What is aimed at, as a part of the budget: between the slack and the whole, so that it settles.
const AIM: f64 = 0.9;
/// Below this part of the budget more is read again: not at once, since what is read anew costs as well.
const SLACK: f64 = 0.8;
/// The share falls to this part of itself in one step at most, and rises to so many times itself.
const FALL: f64 = 0.25;
/// See [`FALL`].
const RISE: f64 = 1.5;
/// The least share: one connection in so many is read however little the budget is, so that it is known when reading is cheap
/// again.
const LEAST: f64 = 1.0 / 1024.0;
/// What a share of connections is counted in.
const WHOLE: f64 = 65_536.0;

/// The governor.
#[derive(Debug)]
pub(super) struct Governor {
    /// CPU time that may be spent, seconds a second.
    budget: f64,
    /// Share of connections that are read.
    read: f64,
    /// When it was last looked, and the CPU time that was spent by then.
    last: Option<(Duration, Duration)>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    /// Of 65,536 connections so many are not read.
    pub(super) left_out: u32,
    /// CPU time spent since it was last looked, as a part of the budget.
    pub(super) of_budget: f64,
}

impl Governor {
    /// For `percent` of the time of `cpus` processors.
    pub(super) fn new(percent: f64, cpus: usize) -> Self {
        Self {
            budget: percent / 100.0 * cpus.max(1) as f64,
            read: 1.0,
            last: None,
        }
    }

    /// Whether everything is read.
    pub(super) fn reads_all(&self) -> bool {
        self.read >= 1.0
    }

    /// Of so many connections payload is read, percent.
    pub(super) fn read_percent(&self) -> f64 {
        100.0 * self.read
    }

    /// It is `now`, and so much CPU time was `spent` since the process began; both of clocks that only go on. A verdict where
    /// something changes. What came before the first call (loading the programs) is no part of it.
    pub(super) fn step(&mut self, now: Duration, spent: Duration) -> Option<Verdict> {
        let Some((before, spent_before)) = self.last else {
            self.last = Some((now, spent));
            return None;
        };
        let elapsed = now.saturating_sub(before);
        if elapsed < EVERY {
            return None;
        }
        self.last = Some((now, spent));
        let rate = spent.saturating_sub(spent_before).as_secs_f64() / elapsed.as_secs_f64();
        let read = if rate > self.budget {
            (self.read * (self.budget * AIM / rate).max(FALL)).max(LEAST)
        } else if rate < self.budget * SLACK {
            (self.read * RISE).min(1.0)
        } else {
            self.read
        };
        let changed = (read - self.read).abs() > f64::EPSILON;
        self.read = read;
        changed.then(|| Verdict {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "within 0 to 65,536"
            )]
            left_out: ((1.0 - read) * WHOLE).round() as u32,
            of_budget: rate / self.budget,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A daemon that spends `full` seconds a second when all is read, and `fixed` whatever is read.
    fn settle(governor: &mut Governor, fixed: f64, full: f64, seconds: u32) -> f64 {
        let (mut now, mut spent) = governor.last.unwrap_or_default();
        let mut rate = 0.0;
        for _ in 0..seconds {
            rate = fixed + full * governor.read;
            now += Duration::from_secs(1);
            spent += Duration::from_secs_f64(rate);
            governor.step(now, spent);
        }
        rate
    }

    #[test]
    fn what_costs_too_much_is_brought_within_the_budget() {
        let mut governor = Governor::new(5.0, 2);
        assert_eq!(
            governor.step(Duration::ZERO, Duration::from_secs(3)),
            None,
            "the start is free"
        );
        let rate = settle(&mut governor, 0.01, 1.0, 20);
        assert!((0.07..=0.1).contains(&rate), "{rate}");
        // The load is gone: all is read again within some seconds.
        settle(&mut governor, 0.01, 0.0, 20);
        assert!(governor.reads_all());
    }

    #[test]
    fn within_the_budget_nothing_changes() {
        let mut governor = Governor::new(5.0, 2);
        settle(&mut governor, 0.01, 0.08, 100);
        assert!(governor.reads_all());
    }

    #[test]
    fn something_is_always_read() {
        let mut governor = Governor::new(1.0, 1);
        settle(&mut governor, 0.5, 1.0, 100);
        assert!((governor.read - LEAST).abs() < 1e-9);
        let verdict = governor.step(Duration::from_secs(1_000), Duration::ZERO).unwrap();
        assert!(verdict.left_out < 65_536, "{verdict:?}");
    }

    #[test]
    fn calls_that_come_often_are_no_steps() {
        let mut governor = Governor::new(1.0, 1);
        governor.step(Duration::ZERO, Duration::ZERO);
        let often =
            (1..100u32).filter_map(|i| governor.step(Duration::from_millis(9 * u64::from(i)), Duration::from_secs(9)));
        assert_eq!(often.count(), 0);
    }
}
