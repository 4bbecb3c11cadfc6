//! What one subject does day after day: a partner's batch, a crawler.

use std::time::Duration;

use super::group::Lines;
use super::{DAY, Terms};
use crate::baseline::census::Moments;
use crate::time::Timestamp;

/// Rates of one subject from day to day differ less than those of different ones: by the mean over the root of this.
const ALIKE: f64 = 2.0;
/// Half as much again as the most that it ever did is no news.
const OF_MOST: f64 = 1.5;
/// Days whose sums are kept before what is old weighs half.
const MOST_DAYS: f64 = 60.0;

/// Days on which it did much. 80 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) days: u32,
    pub(super) dirty: bool,
    pub(super) hour: Done,
    pub(super) day: Done,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    pub(super) moments: Moments,
    pub(super) most: u32,
}

impl Done {
    fn add(&mut self, count: u32) {
        let value = f64::from(count);
        self.most = self.most.max(count);
        self.moments = self.moments.at_most(MOST_DAYS).and(Moments {
            count: 1.0,
            sum: value,
            squares: value * value,
        });
    }

    fn line(&self, alpha: f64) -> u32 {
        let line = self.moments.expected(ALIKE).line(alpha, 1);
        line.max(crate::baseline::bits::whole(f64::from(self.most) * OF_MOST))
    }
}

impl Habit {
    pub(super) fn new(first: Timestamp) -> Self {
        Self {
            first,
            last: first,
            days: 0,
            dirty: true,
            hour: Done::default(),
            day: Done::default(),
        }
    }

    /// A day is over, with so many in its fullest hour and in all.
    pub(super) fn add(&mut self, last: Timestamp, hour: u32, day: u32) {
        self.last = self.last.max(last);
        self.days = self.days.saturating_add(1);
        self.dirty = true;
        self.hour.add(hour);
        self.day.add(day);
    }

    /// Whether it is one: more than a day of it, and as long ago as it takes to learn. Else the first day of a theft would
    /// allow for the second.
    pub(super) fn is_one(&self, now: Timestamp, period: Duration) -> bool {
        let day = |time: Timestamp| time.as_nanos() / DAY.as_nanos() as u64;
        let days = period.as_nanos() / DAY.as_nanos();
        self.days > 1 && u128::from(day(now) - day(self.first).min(day(now))) >= days.max(1)
    }

    pub(super) fn lines(&self, terms: &Terms) -> Lines {
        Lines {
            hour: self.hour.line(terms.hour_alpha),
            day: self.day.line(terms.day_alpha),
        }
    }
}
