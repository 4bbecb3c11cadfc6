//! Windows that follow each other, and which of them are over.

use std::time::Duration;

use crate::time::Timestamp;

/// Nothing is known of windows of a longer silence: the monitor slept, or the clock has jumped.
const LONGEST_SILENCE: Duration = Duration::from_hours(24);

/// The window that is not over.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    step: Duration,
    begin: Option<Timestamp>,
    /// It was seen from its beginning.
    is_whole: bool,
}

/// A window that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Its first moment.
    pub begin: Timestamp,
    /// It was seen from its beginning to its end: what came in it is all there was.
    pub is_whole: bool,
    /// Something may have been counted in it; else it is one of those in which nothing came.
    pub is_counted: bool,
}

impl Ticks {
    /// Windows of `step`, which divides an hour or is whole hours.
    pub fn new(step: Duration) -> Self {
        Self {
            step,
            begin: None,
            is_whole: false,
        }
    }

    /// When the window began that is not over.
    pub fn begin(&self) -> Option<Timestamp> {
        self.begin
    }

    /// When it will be over.
    pub fn end(&self) -> Option<Timestamp> {
        self.begin.map(|begin| begin + self.step)
    }

    /// Whether [`Self::pass`] has something to say.
    #[inline]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.begin
            .is_none_or(|begin| now >= begin + self.step || now + LONGEST_SILENCE < begin)
    }

    /// Time has come to `now`: the windows that are over by it, in order. What comes a little late belongs to the window that is
    /// not over.
    pub fn pass(&mut self, now: Timestamp) -> Vec<Over> {
        let step = u64::try_from(self.step.as_nanos()).unwrap_or(u64::MAX).max(1);
        let floor = |at: Timestamp| Timestamp::from_nanos(at.as_nanos() / step * step);
        let mut over = Vec::new();
        if !self.is_over(now) {
            return over;
        }
        let next = floor(now);
        if let Some(mut begin) = self.begin {
            over.push(Over {
                begin,
                is_whole: self.is_whole && now > begin,
                is_counted: true,
            });
            self.is_whole = now > begin && now.since(begin) <= LONGEST_SILENCE;
            while self.is_whole && begin + self.step < next {
                begin = begin + self.step;
                over.push(Over {
                    begin,
                    is_whole: true,
                    is_counted: false,
                });
            }
        }
        self.begin = Some(next);
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + minute * 60)
    }

    fn over(begin: u64, is_whole: bool, is_counted: bool) -> Over {
        Over {
            begin: at(begin),
            is_whole,
            is_counted,
        }
    }

    #[test]
    fn windows_follow_each_other() {
        let mut ticks = Ticks::new(Duration::from_mins(5));
        assert_eq!(ticks.end(), None);
        assert_eq!(ticks.pass(at(3)), [], "the first was not seen from its beginning");
        assert!(!ticks.is_over(at(4)));
        assert_eq!(ticks.pass(at(5)), [over(0, false, true)]);
        assert_eq!(ticks.end(), Some(at(10)));
        assert_eq!(ticks.pass(at(4)), [], "late");
        assert_eq!(
            ticks.pass(at(21)),
            [over(5, true, true), over(10, true, false), over(15, true, false)]
        );
    }

    #[test]
    fn a_clock_that_jumps_leaves_no_windows_behind() {
        let mut ticks = Ticks::new(Duration::from_mins(5));
        ticks.pass(at(0));
        ticks.pass(at(5));
        assert_eq!(ticks.pass(at(1_000_000)), [over(5, true, true)]);
        assert_eq!(ticks.pass(at(10)), [over(1_000_000, false, true)]);
        assert_eq!(ticks.pass(at(15)), [over(10, false, true)]);
        assert_eq!(ticks.pass(at(20)), [over(15, true, true)]);
    }
}
