//! What a number of a window usually is: by the hour of the week where that is known, else by the hour of the day, else of
//! all hours. Hours are those of UTC. Days of one kind (Monday to Friday, Saturday and Sunday) are gone by alone as soon as
//! one was seen: a weekend says nothing of Monday morning.
//!
//! The mean of each hour of the latest four weeks is kept, with the greatest window in it. What is usual is the median of the
//! hours alike (the same hour of the same weekday, or of the latest ten days), so that one bad day of several changes
//! nothing. Windows that are far beyond what is usual are learned only up to a limit: an attack during learning does not
//! become normal, and what does grow becomes normal within days.
//!
//! How far windows scatter about what was expected of them is measured as they come, before they are learned, apart for
//! every way of expecting and for every size of what is expected, since bursts grow with traffic. That is the variance that
//! a count must be judged by: it holds the error of the expectation, too.
//!
//! Windows in which nothing came are to be added with 0. A clock that jumps does no harm: hours of the future are not
//! looked at, and a day that never was is let go first.

mod code;
mod hours;
mod spread;
#[cfg(test)]
mod tests;

use self::hours::{Hour, Hours};
use self::spread::Spread;
use super::knowledge::WEEK_HOURS;
use super::tail::{least, negative_binomial_bound};
use super::whole;
use crate::time::Timestamp;

/// An hour, nanoseconds.
const HOUR: u64 = 3_600_000_000_000;
/// Days of one hour of day that are looked at: a new level is usual after half of them.
const DAYS: u64 = 10;
/// Hours alike from which on they are gone by.
const ALIKE: usize = 2;
/// A window is learned as at most so many times the most that is usual: three, since one day's peak is seldom three times
/// another's; ...
const CLIPPED: f64 = 3.0;
/// ... ten where the hour is not known yet, since the peak of a day is about ten times its night.
const CLIPPED_UNKNOWN: f64 = 10.0;
/// The greatest day of so many or more is passed over for the most that is usual.
const DAYS_FOR_MOST: usize = 4;
/// No line is beyond it.
const MOST_COUNT: u64 = 1 << 50;

/// What a number of a window usually is. About 700 bytes, and 160 for each day of the latest four weeks: 5 KB at most.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seasonal {
    hours: Hours,
    /// The hour that is not over.
    current: Option<Current>,
    spread: Spread,
    /// What is usual in the current hour, worked out once.
    expected: Option<Expected>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Current {
    /// Since the epoch.
    number: u64,
    sum: f64,
    most: u64,
    windows: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Expected {
    hour: u64,
    usual: Option<Usual>,
}

/// Which hours are gone by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The same hour of the same weekday, of four weeks.
    HourOfWeek,
    /// The same hour of the latest ten days.
    HourOfDay,
    /// All hours.
    Overall,
}

impl By {
    /// In evidence: "by hour of week".
    pub const fn name(self) -> &'static str {
        match self {
            Self::HourOfWeek => "hour of week",
            Self::HourOfDay => "hour of day",
            Self::Overall => "all hours",
        }
    }
}

/// What is usual at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// Median of the hours' means.
    pub median: f64,
    /// Mean of a window; hours far beyond the median count less. Above 0.
    pub mean: f64,
    /// Variance of a window about what was expected of it, by mean: 1 (independent events) or more. Where it was not
    /// measured yet, 1 + mean, as if the scatter were as large as the mean.
    pub dispersion: f64,
    /// The greatest window of an hour alike or of the hours beside it; that of the greatest day is passed over where there are
    /// four or more.
    pub most: u64,
    /// Windows that were learned for it.
    pub windows: u64,
    /// Which hours these are.
    pub by: By,
    /// Whether a day of this kind was seen at this hour.
    pub knows_day: bool,
}

impl Usual {
    /// The smallest number of a window that chance does not explain at the risk `alpha`, by the negative binomial
    /// distribution.
    pub fn line(&self, alpha: f64) -> u64 {
        least(alpha, MOST_COUNT, |k| {
            negative_binomial_bound(k, self.mean, self.dispersion)
        })
    }
}

impl Seasonal {
    /// One that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns the number of a window that is over and began at `start`; all windows of one are equally long, an hour at most
    /// or whole hours. Whether an hour is over by it, after which it is worth keeping.
    pub fn add(&mut self, start: Timestamp, value: u64) -> bool {
        let hour = start.as_nanos() / HOUR;
        let is_over = self.current.is_some_and(|current| current.number != hour);
        if is_over {
            self.settle();
        }
        let expected = self.expected(hour);
        let learned = expected.map_or(value as f64, |usual| (value as f64).min(limit(&usual)));
        if let Some(usual) = expected {
            self.spread.add(hour / 24, &usual, value as f64);
        }
        let current = self.current.get_or_insert(Current {
            number: hour,
            ..Current::default()
        });
        current.sum += learned;
        current.most = current.most.max(whole(learned));
        current.windows = current.windows.saturating_add(1);
        is_over
    }

    /// What a window that begins at `at` usually is; nothing where nothing was learned. The hour of `at` itself has no part in
    /// it, unless it is the first there is.
    pub fn usual(&self, at: Timestamp) -> Option<Usual> {
        let hour = at.as_nanos() / HOUR;
        match self.expected {
            Some(expected) if expected.hour == hour && expected.usual.is_some() => expected.usual,
            Some(_) | None => self.work_out(hour).or_else(|| self.of_current()),
        }
    }

    /// Hours that were learned, of the latest four weeks that it knows.
    pub fn hours(&self) -> usize {
        self.hours.len()
    }

    /// The mean of a window at each hour of the week, from Monday 00:00 UTC, over the latest four weeks; nothing where none was
    /// learned.
    pub fn week(&self) -> Box<[Option<f64>; WEEK_HOURS]> {
        let mut sums = [(0.0, 0u32); WEEK_HOURS];
        for day in &self.hours.days {
            // 1970-01-01 was a Thursday.
            let weekday = (day.number + 3) % 7;
            for (hour, known) in day.hours.iter().enumerate().filter(|(_, known)| known.windows > 0) {
                let (sum, count) = &mut sums[weekday as usize * 24 + hour];
                *sum += known.mean();
                *count += 1;
            }
        }
        Box::new(sums.map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))))
    }

    /// For the store, 5 KB at most.
    pub fn encode(&self) -> Vec<u8> {
        code::encode(self)
    }

    /// What [`Self::encode`] gave.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        code::decode(bytes)
    }

    /// The current hour is over.
    fn settle(&mut self) {
        self.expected = None;
        if let Some(current) = self.current.take() {
            let windows = u16::try_from(current.windows).unwrap_or(u16::MAX);
            let mean = current.sum / f64::from(current.windows.max(1));
            self.hours.put(current.number, Hour::new(mean, current.most, windows));
        }
    }

    fn expected(&mut self, hour: u64) -> Option<Usual> {
        if let Some(expected) = self.expected.filter(|expected| expected.hour == hour) {
            return expected.usual;
        }
        let usual = self.work_out(hour);
        self.expected = Some(Expected { hour, usual });
        usual
    }

    fn work_out(&self, hour: u64) -> Option<Usual> {
        let week = self.hours.at(hour, |days| days % 7 == 0);
        if week.len() >= ALIKE {
            return Some(self.usual_of(&week, self.hours.beside(hour, |days| days % 7 == 0), By::HourOfWeek));
        }
        let today = hour / 24;
        let is_alike = |days: u64| days <= DAYS && is_weekend(today) == is_weekend(today.saturating_sub(days));
        let kind = self.hours.at(hour, is_alike);
        if !kind.is_empty() && self.hours.at(hour, |days| days <= DAYS).len() >= ALIKE {
            return Some(self.usual_of(&kind, self.hours.beside(hour, is_alike), By::HourOfDay));
        }
        let day = self.hours.at(hour, |days| days <= DAYS);
        if day.len() >= ALIKE {
            return Some(Usual {
                knows_day: false,
                ..self.usual_of(&day, self.hours.beside(hour, |days| days <= DAYS), By::HourOfDay)
            });
        }
        let all = self.hours.before(hour);
        (!all.is_empty()).then(|| self.usual_of(&all, self.hours.by_day(hour), By::Overall))
    }

    /// From hours alike, and the greatest windows of each day.
    fn usual_of(&self, alike: &[Hour], mut most: Vec<u64>, by: By) -> Usual {
        let mut means: Vec<f64> = alike.iter().map(|hour| Hour::mean(*hour)).collect();
        means.sort_by(f64::total_cmp);
        // The lower one of two: what is more is not proven to be usual.
        let median = means[(means.len() - 1) / 2];
        let cap = 1.25 * median + 3.0 * (median + 1.0).sqrt();
        let windows: u64 = alike.iter().map(|hour| u64::from(hour.windows)).sum();
        let sum: f64 = alike
            .iter()
            .map(|hour| hour.mean().min(cap) * f64::from(hour.windows))
            .sum();
        // Half an event more than was seen: what never happened may (Jeffreys).
        let mean = (sum + 0.5) / windows.max(1) as f64;
        most.sort_unstable();
        let passed_over = usize::from(most.len() >= DAYS_FOR_MOST);
        let most = most.len().checked_sub(1 + passed_over).map_or(0, |at| most[at]);
        Usual {
            median,
            mean,
            dispersion: self.spread.dispersion(by, mean).unwrap_or(1.0 + mean),
            most,
            windows,
            by,
            knows_day: by != By::Overall,
        }
    }

    /// Before the first hour is over.
    fn of_current(&self) -> Option<Usual> {
        let current = self.current?;
        let mean = (current.sum + 0.5) / f64::from(current.windows.max(1));
        Some(Usual {
            median: mean,
            mean,
            dispersion: 1.0 + mean,
            most: current.most,
            windows: current.windows.into(),
            by: By::Overall,
            knows_day: false,
        })
    }
}

/// Whether a day since the epoch is a Saturday or Sunday: 1970-01-01 was a Thursday.
fn is_weekend(day: u64) -> bool {
    (day + 3) % 7 >= 5
}

/// The most that is learned of a window.
fn limit(usual: &Usual) -> f64 {
    let times = match usual.by {
        By::HourOfWeek | By::HourOfDay if usual.knows_day => CLIPPED,
        By::HourOfWeek | By::HourOfDay | By::Overall => CLIPPED_UNKNOWN,
    };
    let scatter = 6.0 * (usual.dispersion * usual.mean).sqrt();
    (times * usual.most as f64).max(usual.mean + scatter).max(1.0)
}
