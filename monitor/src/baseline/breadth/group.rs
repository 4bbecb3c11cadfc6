//! What one client usually does in a group, and the lines that follow from it.

use std::sync::Arc;

use super::{POOLED, PRIOR, Terms, UNLEARNED};
use crate::baseline::census::{Census, Expected, Moments};
use crate::time::Timestamp;

/// A window of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

impl Window {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "an hour",
            Self::Day => "a day",
        }
    }

    /// Its length, seconds.
    pub const fn secs(self) -> u64 {
        match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// The least counts that chance does not explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) hour: u32,
    pub(super) day: u32,
}

impl Lines {
    /// Nothing is beyond them.
    pub(super) const NONE: Self = Self {
        hour: u32::MAX,
        day: u32::MAX,
    };

    pub(super) fn or_higher(self, other: Self) -> Self {
        Self {
            hour: self.hour.max(other.hour),
            day: self.day.max(other.day),
        }
    }
}

/// Rates of different clients differ by the mean over the root of this: some look at one thing, some cannot decide.
const ALIKE: f64 = 0.65;

/// What somebody may look at by hand who cannot decide. No line is below it, however narrow the population seems: where most
/// clients are programs that ask for one thing, people are the far end of it.
const BY_HAND: u32 = 100;

/// An endpoint, or all of them together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Arc<str>,
    pub(super) first: Timestamp,
    pub(super) hours: Census,
    pub(super) days: Census,
    pub(super) dirty: bool,
    /// By crowd, drawn since the last hour.
    drawn: Vec<(u32, Lines)>,
    /// What one does in an hour and in a day, worked out since the last hour.
    means: [Option<f64>; 2],
}

/// Crowds of which lines are kept until the hour is over.
const MOST_DRAWN: usize = 32;

impl Group {
    pub(super) fn new(name: Arc<str>, first: Timestamp) -> Self {
        Self {
            name,
            first,
            hours: Census::default(),
            days: Census::default(),
            dirty: false,
            drawn: Vec::new(),
            means: [None; 2],
        }
    }

    pub(super) fn learn(&mut self, window: Window, count: u32) {
        self.dirty = true;
        match window {
            Window::Hour => self.hours.add(count),
            Window::Day => self.days.add(count),
        }
    }

    /// Whether so many are far beyond what one usually does.
    pub(super) fn is_far(&self, window: Window, count: u32) -> bool {
        f64::from(count) > self.census(window).far()
    }

    fn census(&self, window: Window) -> &Census {
        match window {
            Window::Hour => &self.hours,
            Window::Day => &self.days,
        }
    }

    fn of_one(&self, pool: &Self, window: Window) -> Expected {
        let (count, mean, variance) = PRIOR;
        let others = pool.census(window).moments().at_most(POOLED);
        let own = self.census(window).moments();
        own.and(others)
            .and(Moments::prior(count, mean, variance))
            .expected(ALIKE)
    }

    /// What so many clients together do.
    pub(super) fn expected(&mut self, pool: &Self, window: Window, crowd: u32) -> f64 {
        let mean = self.means[window as usize].unwrap_or_else(|| self.of_one(pool, window).mean);
        self.means[window as usize] = Some(mean);
        mean * f64::from(crowd)
    }

    /// The lines of so many clients together.
    pub(super) fn lines(&mut self, pool: &Self, terms: &Terms, crowd: u32, learning: bool) -> Lines {
        let lines = if let Some((_, lines)) = self.drawn.iter().find(|(of, _)| *of == crowd) {
            *lines
        } else {
            let line = |window, alpha| self.of_one(pool, window).line(alpha, crowd).max(BY_HAND);
            let lines = Lines {
                hour: line(Window::Hour, terms.hour_alpha),
                day: line(Window::Day, terms.day_alpha),
            };
            if self.drawn.len() < MOST_DRAWN {
                self.drawn.push((crowd, lines));
            }
            lines
        };
        if learning {
            lines.or_higher(Lines {
                hour: UNLEARNED,
                day: UNLEARNED,
            })
        } else {
            lines
        }
    }

    pub(super) fn forget_lines(&mut self) {
        self.drawn.clear();
        self.means = [None; 2];
    }
}
