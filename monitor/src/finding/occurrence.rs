//! An occurrence of something, on the side of the detector: since when, and how much of it no finding has told yet.

use std::time::Duration;

use crate::time::Timestamp;

/// Findings of one occurrence are at most so often; what comes between is counted in the next. The desk writes fewer.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What an observation is to its occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It goes on.
    GoesOn,
    /// It begins.
    Begins,
    /// It begins, after another that was told of. What a window still holds of that one is no evidence for this one:
    /// else the slip of a victim the day after would raise the alert again.
    BeginsAnew,
}

/// An occurrence that goes on until nothing was added for the detector's quiet time.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence {
    /// First observation of it.
    pub first: Timestamp,
    /// Latest.
    pub last: Timestamp,
    /// Observations that no finding has counted.
    untold: u64,
    told: Option<Timestamp>,
}

impl Occurrence {
    /// One that begins now, with nothing in it.
    pub const fn new(now: Timestamp) -> Self {
        Self {
            first: now,
            last: now,
            untold: 0,
            told: None,
        }
    }

    /// One more observation. One that was told of and is over begins anew, and so does one that was not told of and of which
    /// the window holds nothing any more.
    pub fn add(&mut self, now: Timestamp, quiet: Duration, in_window: bool) -> Added {
        let added = match self.told {
            Some(_) if self.last + quiet <= now => Added::BeginsAnew,
            None if !in_window => Added::Begins,
            Some(_) | None => Added::GoesOn,
        };
        if added != Added::GoesOn {
            *self = Self::new(now);
        }
        self.last = self.last.max(now);
        self.untold += 1;
        added
    }

    /// Whether it is time to tell; `urgent` is always. The number of observations that are told by it.
    pub fn tell(&mut self, now: Timestamp, urgent: bool) -> Option<u64> {
        if !urgent && self.told.is_some_and(|told| now < told + TELL_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    /// Whether it was told of and goes on.
    pub fn is_open(&self, now: Timestamp, quiet: Duration) -> bool {
        self.told.is_some() && now < self.last + quiet
    }

    /// Whether it was told of, goes on, and has more than was told.
    pub fn is_held_back(&self, now: Timestamp, quiet: Duration) -> bool {
        self.untold > 0 && self.is_open(now, quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_mins(10);

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn everything_is_counted_once() {
        let mut occurrence = Occurrence::new(at(0));
        let mut told = 0;
        for second in 0..100 {
            for _ in 0..5 {
                occurrence.add(at(second), QUIET, true);
                told += occurrence.tell(at(second), false).unwrap_or(0);
            }
        }
        assert!(occurrence.is_held_back(at(100), QUIET));
        told += occurrence.tell(at(100), true).unwrap();
        assert_eq!((told, occurrence.first), (500, at(0)));
        assert!(!occurrence.is_held_back(at(100), QUIET) && occurrence.is_open(at(600), QUIET));
        assert!(!occurrence.is_open(at(700), QUIET));
        assert_eq!(occurrence.add(at(700), QUIET, true), Added::BeginsAnew, "it is over");
        assert_eq!((occurrence.first, occurrence.tell(at(700), false)), (at(700), Some(1)));
    }

    #[test]
    fn what_was_never_told_begins_with_what_the_window_holds() {
        let mut occurrence = Occurrence::new(at(0));
        assert_eq!(occurrence.add(at(0), QUIET, false), Added::Begins);
        assert_eq!(occurrence.add(at(5_000), QUIET, true), Added::GoesOn);
        assert_eq!(occurrence.first, at(0));
        assert_eq!(occurrence.add(at(90_000), QUIET, false), Added::Begins);
        assert_eq!(occurrence.first, at(90_000));
    }
}
