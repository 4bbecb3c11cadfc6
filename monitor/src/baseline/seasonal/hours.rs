//! The latest hours, by day.

use crate::baseline::whole;

/// Days that are kept: four weeks and the one that is not over.
pub(super) const MOST_DAYS: usize = 29;
/// Parts of an octave in which a level is kept: 0.07 %.
const PARTS: f64 = 1_023.0;

/// A mean or count in two bytes: its logarithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(pub(super) u16);

impl Level {
    fn new(value: f64) -> Self {
        // 64 octaves at most.
        Self(whole((value.max(0.0).ln_1p() / std::f64::consts::LN_2 * PARTS).round()) as u16)
    }

    fn value(self) -> f64 {
        (f64::from(self.0) / PARTS * std::f64::consts::LN_2).exp_m1()
    }
}

/// One hour that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hour {
    pub(super) mean: Level,
    pub(super) most: Level,
    /// Windows in it; 0 where nothing is known.
    pub(super) windows: u16,
}

impl Hour {
    pub(super) fn new(mean: f64, most: u64, windows: u16) -> Self {
        Self {
            mean: Level::new(mean),
            most: Level::new(most as f64),
            windows,
        }
    }

    pub(super) fn mean(self) -> f64 {
        self.mean.value()
    }

    fn most(self) -> u64 {
        whole(self.most.value().round())
    }

    /// Together with what was known of the same hour: it was begun twice.
    fn with(self, other: Self) -> Self {
        let windows = u32::from(self.windows) + u32::from(other.windows);
        let sum = self.mean() * f64::from(self.windows) + other.mean() * f64::from(other.windows);
        Self {
            mean: Level::new(sum / f64::from(windows.max(1))),
            most: self.most.max(other.most),
            windows: u16::try_from(windows).unwrap_or(u16::MAX),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Day {
    /// Since the epoch.
    pub(super) number: u64,
    pub(super) hours: Box<[Hour; 24]>,
}

/// The hours of the latest days, each by its number since the epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hours {
    /// In no order.
    pub(super) days: Vec<Day>,
}

impl Hours {
    pub(super) fn put(&mut self, number: u64, hour: Hour) {
        let (day, at) = (number / 24, (number % 24) as usize);
        if let Some(known) = self.days.iter_mut().find(|known| known.number == day) {
            known.hours[at] = known.hours[at].with(hour);
            return;
        }
        // The farthest goes: the oldest, or one of a clock that was wrong.
        if self.days.len() >= MOST_DAYS
            && let Some(farthest) = (0..self.days.len()).max_by_key(|&n| self.days[n].number.abs_diff(day))
        {
            self.days.swap_remove(farthest);
        }
        let mut hours = Box::new([Hour::default(); 24]);
        hours[at] = hour;
        self.days.push(Day { number: day, hours });
    }

    /// The same hour of days before, by how many.
    pub(super) fn at(&self, number: u64, is_alike: impl Fn(u64) -> bool) -> Vec<Hour> {
        let at = (number % 24) as usize;
        self.past(number / 24)
            .filter(|(days, _)| *days > 0 && is_alike(*days))
            .map(|(_, day)| day.hours[at])
            .filter(|hour| hour.windows > 0)
            .collect()
    }

    /// The greatest window of that hour and of those beside it, of each day alike.
    pub(super) fn beside(&self, number: u64, is_alike: impl Fn(u64) -> bool) -> Vec<u64> {
        let at = (number % 24) as usize;
        self.past(number / 24)
            .filter(|(days, _)| *days > 0 && is_alike(*days))
            .filter_map(|(_, day)| greatest(&day.hours[at.saturating_sub(1)..(at + 2).min(24)]))
            .collect()
    }

    /// All hours before.
    pub(super) fn before(&self, number: u64) -> Vec<Hour> {
        let at = (number % 24) as usize;
        self.past(number / 24)
            .flat_map(|(days, day)| if days == 0 { &day.hours[..at] } else { &day.hours[..] })
            .filter(|hour| hour.windows > 0)
            .copied()
            .collect()
    }

    /// The greatest window of each day.
    pub(super) fn by_day(&self, number: u64) -> Vec<u64> {
        let at = (number % 24) as usize;
        self.past(number / 24)
            .filter_map(|(days, day)| greatest(if days == 0 { &day.hours[..at] } else { &day.hours[..] }))
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        let hours = self.days.iter().flat_map(|day| day.hours.iter());
        hours.filter(|hour| hour.windows > 0).count()
    }

    /// Days up to `day`, and how long ago each was.
    fn past(&self, day: u64) -> impl Iterator<Item = (u64, &Day)> {
        self.days
            .iter()
            .filter_map(move |known| Some((day.checked_sub(known.number)?, known)))
            .filter(|(days, _)| *days < MOST_DAYS as u64)
    }
}

fn greatest(hours: &[Hour]) -> Option<u64> {
    let known = hours.iter().filter(|hour| hour.windows > 0);
    known.map(|hour| hour.most).max().map(|most| {
        Hour {
            most,
            ..Hour::default()
        }
        .most()
    })
}
