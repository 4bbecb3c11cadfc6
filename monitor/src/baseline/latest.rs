//! How the latest tries went, whatever time they took: where few ask, a window by the clock holds too few of them to say
//! anything.

use std::time::Duration;

use crate::time::Timestamp;

/// Tries that are remembered.
pub const MOST: usize = 48;
/// How many of the latest are judged together: a growing window, so that what has just begun is not lost among what was
/// before.
pub const SIZES: [usize; 3] = [12, 24, MOST];
/// Older ones are not looked at: what fails now and then is no outage.
const OLDEST: Duration = Duration::from_hours(3);
/// Failures that one deploy explains come within so many minutes.
const DEPLOY: u64 = 3;
/// Those who fail, so that it is no matter of one of them.
const CLIENTS: usize = 3;

/// The minute since the epoch of a try, and whose it was, in short.
#[derive(Clone, Copy, Debug, Default)]
struct Try {
    minute: u32,
    asker: u16,
    has_failed: bool,
}

/// The latest tries. 400 bytes.
#[derive(Clone, Debug)]
pub struct Latest {
    tries: [Try; MOST],
    /// Where the next one goes.
    next: usize,
}

/// Some of them, without what a deploy explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Tries.
    pub tried: u32,
    /// Those of them that failed.
    pub failed: u32,
    /// How long they took, with what is left out.
    pub span: Duration,
}

impl Default for Latest {
    fn default() -> Self {
        Self {
            tries: [Try::default(); MOST],
            next: 0,
        }
    }
}

impl Latest {
    /// One more.
    #[inline]
    pub fn add(&mut self, now: Timestamp, has_failed: bool) {
        self.tries[self.next % MOST] = Try {
            minute: minute(now),
            asker: 0,
            has_failed,
        };
        self.next = (self.next + 1) % MOST;
    }

    /// Whose the latest was.
    pub fn blame(&mut self, asker: u64) {
        self.tries[(self.next + MOST - 1) % MOST].asker = (asker >> 48) as u16 | 1;
    }

    /// Whether one is behind two thirds of those of the last three hours that failed.
    pub fn is_of_one(&self, now: Timestamp) -> bool {
        let oldest = minute(now).saturating_sub(minutes(OLDEST));
        let failed = self.tries.iter().filter(|one| one.has_failed && one.minute > oldest);
        let (_, most, count) = askers(failed);
        most * 3 > count * 2
    }

    /// What became of the latest `size` of the last three hours, without the three minutes that follow each other and have
    /// most failures. Nothing where they took no longer than `shortest`, or where one or two are behind most that failed.
    pub fn beyond(&self, now: Timestamp, size: usize, shortest: Duration) -> Option<Outcome> {
        let oldest = minute(now).saturating_sub(minutes(OLDEST));
        let (mut tries, mut count) = ([Try::default(); MOST], 0);
        for n in 1..=size.min(MOST) {
            let latest = self.tries[(self.next + MOST - n) % MOST];
            if latest.minute <= oldest {
                break;
            }
            tries[count] = latest;
            count += 1;
        }
        let tries = &tries[..count];
        let first = tries.last()?.minute;
        let span = minute(now).saturating_sub(first);
        if span <= minutes(shortest) {
            return None;
        }
        let (from, until) = worst(tries);
        let rest = || tries[..from].iter().chain(&tries[until..]);
        let (clients, most, count) = askers(rest().filter(|one| one.has_failed));
        if clients < CLIENTS || most * 2 > count {
            return None;
        }
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Some(Outcome {
            tried: number(rest().count()),
            failed: number(count),
            span: Duration::from_mins(span.into()),
        })
    }
}

/// How many are behind these tries, the most that are of one, and how many tries there are.
fn askers<'a>(tries: impl Iterator<Item = &'a Try>) -> (usize, usize, usize) {
    let mut askers: Vec<u16> = tries.map(|one| one.asker).collect();
    let count = askers.len();
    askers.sort_unstable();
    let most = askers.chunk_by(|a, b| a == b).map(<[u16]>::len).max();
    askers.dedup();
    (askers.len(), most.unwrap_or(0), count)
}

/// The part of them (latest first) within three minutes that has most failures.
fn worst(tries: &[Try]) -> (usize, usize) {
    let (mut from, mut failed) = (0, 0);
    let mut worst = (0, (0, 0));
    for (at, one) in tries.iter().enumerate() {
        failed += usize::from(one.has_failed);
        while u64::from(tries[from].minute.saturating_sub(one.minute)) >= DEPLOY {
            failed -= usize::from(tries[from].has_failed);
            from += 1;
        }
        if failed > worst.0 {
            worst = (failed, (from, at + 1));
        }
    }
    worst.1
}

fn minute(at: Timestamp) -> u32 {
    u32::try_from(at.as_nanos() / 60_000_000_000).unwrap_or(u32::MAX)
}

fn minutes(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs() / 60).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: Duration = Duration::from_mins(15);

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + minute * 60)
    }

    /// A try every so many minutes, of askers by turns; which fail.
    fn tried(every: u64, count: u64, askers: u64, fails: impl Fn(u64) -> bool) -> (Latest, Timestamp) {
        let mut latest = Latest::default();
        for n in 0..count {
            latest.add(at(n * every), fails(n));
            latest.blame((n % askers + 1) << 50);
        }
        (latest, at((count - 1) * every))
    }

    #[test]
    fn tries_are_counted_however_long_they_take() {
        let (latest, now) = tried(4, 100, 5, |n| n >= 88);
        let outcome = latest.beyond(now, 12, QUARTER).unwrap();
        // One of them is what a deploy may explain.
        assert_eq!((outcome.tried, outcome.failed), (11, 11));
        assert_eq!(outcome.span, Duration::from_mins(44));
        assert_eq!(latest.beyond(now, 24, QUARTER).unwrap().failed, 11);
    }

    #[test]
    fn a_deploy_and_what_is_long_ago_is_left_out() {
        let (latest, now) = tried(1, 60, 5, |n| (40..43).contains(&n) || n % 9 == 0);
        let outcome = latest.beyond(now, 48, QUARTER).unwrap();
        assert_eq!((outcome.tried, outcome.failed), (45, 5));
        let (latest, now) = tried(30, 60, 5, |_| true);
        assert_eq!(latest.beyond(now, 48, QUARTER).unwrap().tried, 5);
    }

    #[test]
    fn what_is_of_one_or_within_the_short_window_is_no_matter_of_this() {
        for askers in [1, 2] {
            let (latest, now) = tried(4, 60, askers, |_| true);
            assert_eq!(latest.beyond(now, 24, QUARTER), None);
            assert_eq!(latest.is_of_one(now), askers == 1);
        }
        let (latest, now) = tried(1, 60, 5, |_| true);
        assert_eq!(latest.beyond(now, 12, QUARTER), None);
        assert!(latest.beyond(now, 24, QUARTER).is_some());
        assert_eq!(Latest::default().beyond(at(0), 24, QUARTER), None);
    }
}
