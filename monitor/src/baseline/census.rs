//! What one of many usually does: how a count is spread over a population, and what is improbable in it.
//!
//! Counts are kept in bins that grow by a fifth, so 64 numbers hold the spread of any population up to 100,000. Mean and
//! variance are taken of it after what lies beyond four times the 90th percentile, or twelve times the median, was put there
//! (winsorized: J. W. Tukey, The future of data analysis, 1962), so that a few who do far more than all others, attackers
//! among them, do not make it usual. The tail is a negative binomial of that mean and variance, in which the rates of members
//! differ at least by as much as the caller says.

use super::bits::whole;
use super::bytes::{self, Bytes};
use super::tail::{least, negative_binomial};

/// Bins: of 1 to 8 each its own, then growing by a fifth.
const BINS: usize = 64;
/// Values that have a bin of their own.
const EXACT: u32 = 8;
/// Ratio of neighbouring bins beyond.
const RATIO: f64 = 1.2;
/// When so many were counted all are halved: what was long ago fades.
const MOST: u32 = 1 << 16;
/// What lies beyond so many times the 90th percentile counts as there ...
const WINSOR: f64 = 4.0;
/// ... or so many times the median and one, where that is less: of a small population one in ten may be an attacker.
const WINSOR_MEDIAN: f64 = 12.0;
/// How it is written for the store.
const VERSION: u64 = 1;
/// No line is drawn beyond this.
const MOST_LINE: u64 = 1 << 20;

/// How a count is spread. 260 bytes.
#[derive(Clone, Debug)]
pub struct Census {
    bins: [u32; BINS],
    total: u32,
}

impl Default for Census {
    fn default() -> Self {
        Self {
            bins: [0; BINS],
            total: 0,
        }
    }
}

/// What is expected of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// On average, at the upper end of what that may be.
    pub mean: f64,
    /// Variance by mean.
    pub dispersion: f64,
}

/// First moments, and of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// Members.
    pub count: f64,
    /// Sum.
    pub sum: f64,
    /// Sum of squares.
    pub squares: f64,
}

impl Moments {
    /// Those of so many with this mean and variance: what is believed before anything is seen.
    pub fn prior(count: f64, mean: f64, variance: f64) -> Self {
        Self {
            count,
            sum: count * mean,
            squares: count * (variance + mean * mean),
        }
    }

    /// Made to weigh as much as `count` members, if it weighs more.
    #[must_use]
    pub fn at_most(self, count: f64) -> Self {
        let part = (count / self.count.max(f64::MIN_POSITIVE)).min(1.0);
        Self {
            count: self.count * part,
            sum: self.sum * part,
            squares: self.squares * part,
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
        }
    }

    /// What is expected of the next; of a variance that is at least that of rates which differ by the mean over the root of
    /// `alike`.
    pub fn expected(self, alike: f64) -> Expected {
        let count = self.count.max(1.0);
        let mean = self.sum / count;
        let variance = (self.squares / count - mean * mean).max(0.0);
        // One standard error more: of few, little is known.
        let mean = mean + (variance.max(mean) / count).sqrt();
        Expected {
            mean,
            dispersion: (variance / mean.max(f64::MIN_POSITIVE)).max(1.0 + mean / alike),
        }
    }
}

impl Expected {
    /// The smallest count that chance does not explain at the risk `alpha`, of `crowd` such members together, whose rates
    /// differ from those of other crowds by a third of themselves.
    pub fn line(self, alpha: f64, crowd: u32) -> u32 {
        let crowd = f64::from(crowd.max(1));
        let mean = self.mean * crowd;
        let dispersion = if crowd > 1.0 {
            self.dispersion.max(1.0 + mean / 9.0)
        } else {
            self.dispersion
        };
        let line = least(alpha, MOST_LINE, |k| negative_binomial(k, mean, dispersion));
        u32::try_from(line).unwrap_or(u32::MAX)
    }
}

impl Census {
    /// One more, of whom so many were counted. Of 0 nothing is taken in: who does nothing is not there.
    pub fn add(&mut self, value: u32) {
        self.put(value, 1);
    }

    fn put(&mut self, value: u32, times: u32) {
        let Some(bin) = bin(value) else {
            return;
        };
        self.bins[bin] = self.bins[bin].saturating_add(times);
        self.total = self.total.saturating_add(times);
        if self.total >= MOST {
            self.bins.iter_mut().for_each(|bin| *bin /= 2);
            self.total = self.bins.iter().sum();
        }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.total
    }

    /// So large a part of all is at or below this; 0 where there are none.
    pub fn quantile(&self, part: f64) -> f64 {
        let wanted = part * f64::from(self.total);
        let mut below = 0;
        for (number, count) in self.bins.iter().enumerate() {
            below += count;
            if *count > 0 && f64::from(below) >= wanted {
                return value_of(number);
            }
        }
        0.0
    }

    /// What lies beyond this counts as lying here.
    pub fn far(&self) -> f64 {
        let (median, high) = (self.quantile(0.5), self.quantile(0.9));
        (WINSOR * high).min(WINSOR_MEDIAN * (median + 1.0))
    }

    /// How many are above this.
    pub fn above(&self, value: f64) -> u32 {
        let bins = self.bins.iter().enumerate();
        bins.filter(|(number, _)| value_of(*number) > value)
            .map(|(_, count)| count)
            .sum()
    }

    /// Moments, of what lies far out as if it lay less far.
    pub fn moments(&self) -> Moments {
        let most = self.far();
        let mut moments = Moments::default();
        for (number, count) in self.bins.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (value, count) = (value_of(number).min(most), f64::from(*count));
            moments = moments.and(Moments {
                count,
                sum: count * value,
                squares: count * value * value,
            });
        }
        moments
    }

    /// For the store.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let bins = || self.bins.iter().enumerate().filter(|(_, count)| **count > 0);
        bytes::put(out, bins().count() as u64);
        for (number, count) in bins() {
            bytes::put(out, number as u64);
            bytes::put(out, u64::from(*count));
        }
    }

    /// What [`Self::write`] wrote.
    pub(super) fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let mut census = Self::default();
        for _ in 0..bytes.at_most(BINS)? {
            let bin = bytes.at_most(BINS - 1)?;
            let count = bytes.at_most(MOST as usize)? as u32;
            census.bins[bin] = count;
            census.total = census.total.saturating_add(count);
        }
        Some(census)
    }

    /// Alone, as the detail of a row.
    pub fn detail(&self) -> Vec<u8> {
        let mut detail = Vec::new();
        bytes::put(&mut detail, VERSION);
        self.write(&mut detail);
        detail
    }

    /// What [`Self::detail`] gave.
    pub fn from_detail(detail: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(detail);
        (bytes.number()? == VERSION).then_some(())?;
        Self::read(&mut bytes)
    }

    /// Adds all that is in here to another.
    pub fn add_to(&self, other: &mut Self) {
        for (number, count) in self.bins.iter().enumerate().filter(|(_, count)| **count > 0) {
            other.put(whole(value_of(number)), *count);
        }
    }
}

fn bin(value: u32) -> Option<usize> {
    if value <= EXACT {
        return (value as usize).checked_sub(1);
    }
    let above = (f64::from(value) / f64::from(EXACT)).ln() / RATIO.ln();
    Some((EXACT as usize - 1 + whole(above.ceil()) as usize).min(BINS - 1))
}

/// What a bin stands for: its upper end.
fn value_of(bin: usize) -> f64 {
    match (bin + 1).checked_sub(EXACT as usize) {
        Some(above) => f64::from(EXACT) * RATIO.powi(i32::try_from(above).unwrap_or(i32::MAX)),
        None => (bin + 1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = u32>) -> Census {
        let mut census = Census::default();
        values.for_each(|value| census.add(value));
        census
    }

    #[test]
    fn bins_hold_what_they_stand_for() {
        for value in 1..100_000u32 {
            let stands = value_of(bin(value).unwrap());
            let off = stands / f64::from(value);
            assert!((0.999..1.21).contains(&off), "{value}: {stands}");
        }
        assert_eq!((bin(0), bin(u32::MAX)), (None, Some(BINS - 1)));
        let census = of((1..=100).map(|n| n % 10 + 1));
        assert!((census.quantile(0.5) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_few_who_do_far_more_make_nothing_usual() {
        let plain = of((0..500).map(|n| 1 + n % 7));
        let attacked = of((0..500).map(|n| if n % 100 == 0 { 5_000 } else { 1 + n % 7 }));
        let line = |census: &Census| census.moments().expected(1.0).line(1e-8, 1);
        assert!(line(&plain) > 20 && line(&plain) < 120, "{}", line(&plain));
        assert!(line(&attacked) < 2 * line(&plain), "{}", line(&attacked));
    }

    #[test]
    fn a_crowd_may_do_more_and_not_as_often_more() {
        let expected = of((0..500).map(|n| 1 + n % 7)).moments().expected(1.0);
        let (one, ten, hundred) = (
            expected.line(1e-8, 1),
            expected.line(1e-8, 10),
            expected.line(1e-8, 100),
        );
        assert!(one < ten && ten < 10 * one && ten < hundred, "{one} {ten} {hundred}");
    }

    #[test]
    fn little_is_believed_of_few() {
        let few = of([2u32, 3].into_iter()).moments();
        let prior = Moments::prior(20.0, 3.0, 60.0);
        let (alone, with) = (few.expected(1.0), few.and(prior).expected(1.0));
        assert!(with.line(1e-8, 1) > alone.line(1e-8, 1), "{alone:?} {with:?}");
        assert!((few.at_most(1.0).count - 1.0).abs() < 1e-9 && (few.at_most(9.0).count - 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_long_ago_fades_and_all_is_kept_over_a_restart() {
        let mut census = of((0..100_000).map(|_| 100));
        (0..100_000).for_each(|_| census.add(2));
        assert!(census.count() < MOST && census.quantile(0.5) < 3.0);
        let restarted = Census::from_detail(&census.detail()).unwrap();
        assert_eq!(restarted.moments(), census.moments());
        assert_eq!(restarted.count(), census.count());
        assert!(Census::from_detail(&[9, 1]).is_none() && Census::from_detail(&census.detail()[..3]).is_none());
    }
}
