//! What adds up, in bytes: sums of this hour, of the latest day and week, and what they usually are.
//!
//! An hour is judged by the hours alike ([`super::seasonal`]), a day and a week by days. Beside it the greatest that was
//! learned is kept for long, since what is done once a week or a month is no news.

use super::bytes::{Bytes, put};
use super::seasonal::{By, Seasonal, Usual};
use super::tail::{least, negative_binomial_bound};
use crate::time::Timestamp;

/// An hour, nanoseconds.
const HOUR: u64 = 3_600_000_000_000;
/// Hours of a day.
const DAY: u64 = 24;
/// Days of a week.
const WEEK: u64 = 7;
/// A longer gap is not gone through hour by hour.
const MOST_GAP: u64 = 28 * DAY;
/// What is done again, and again by half, is no news.
const AGAIN: (u64, u64) = (3, 2);
/// The greatest is kept for so many days; then three quarters of it are: a month's job stays below [`AGAIN`] times that.
const KEPT_DAYS: u64 = 28;
/// Three times the most of a time alike is where a line begins: a job that fails is done twice.
const TIMES: u64 = 3;
/// So many times the greatest ever is beyond every line, however the history scatters.
const FAR_BEYOND: u64 = 10;
/// The days of one week are alike: their sum varies more than that of days drawn by lot.
const ALIKE: f64 = 3.0;
/// No line is beyond it.
const MOST_BYTES: u64 = 1 << 50;
/// First byte of the encoded form.
const VERSION: u8 = 1;

/// Over how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The hour of the clock that is not over.
    Hour,
    /// The latest 24 of them, that one included.
    Day,
    /// The latest seven days of the calendar (UTC), today included.
    Week,
}

impl Span {
    /// All there are, the shortest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// Seconds.
    pub const fn secs(self) -> u64 {
        match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 604_800,
        }
    }

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "an hour",
            Self::Day => "a day",
            Self::Week => "a week",
        }
    }
}

/// What a sum usually is, and where its line is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// What is usual, bytes.
    pub usual: u64,
    /// From here on it is more than chance explains, bytes.
    pub line: u64,
    /// Whether weeks are known, so that what other hours of the day had is no excuse.
    pub by_hour: bool,
}

/// Sums of one subject. 450 bytes, and 1 to 11 KB once there is something worth learning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amounts {
    /// The hour that is not over, since the epoch; 0 before the first.
    hour: u64,
    hours: [u64; DAY as usize],
    days: [u64; WEEK as usize],
    /// The greatest that was learned: of each hour of the day, of a day and of a week.
    greatest: [u64; DAY as usize + 2],
    usual: Option<Box<Usuals>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Usuals {
    hours: Seasonal,
    days: Seasonal,
}

impl Amounts {
    /// Time has come to `now`: hours that are over are learned, if `learns`, from the first on in which there was `worth` or
    /// more. Whether an hour is over.
    pub fn slide(&mut self, now: Timestamp, worth: u64, learns: bool) -> bool {
        let hour = now.as_nanos() / HOUR;
        if hour <= self.hour {
            return false;
        }
        if self.hour == 0 || hour - self.hour > MOST_GAP {
            (self.hours, self.days, self.hour) = ([0; DAY as usize], [0; WEEK as usize], hour);
            return true;
        }
        while self.hour < hour {
            if learns {
                self.learn(worth);
            }
            self.hour += 1;
            self.hours[at(self.hour, DAY)] = 0;
            if self.hour.is_multiple_of(DAY) {
                let day = self.hour / DAY;
                self.days[at(day, WEEK)] = 0;
                if day.is_multiple_of(KEPT_DAYS) {
                    self.greatest = self.greatest.map(|most| most / 4 * 3);
                }
            }
        }
        true
    }

    /// So much more in this hour; [`Self::slide`] has said which that is.
    pub fn add(&mut self, bytes: u64) {
        for slice in [
            &mut self.hours[at(self.hour, DAY)],
            &mut self.days[at(self.hour / DAY, WEEK)],
        ] {
            *slice = slice.saturating_add(bytes);
        }
    }

    /// The sum.
    pub fn sum(&self, over: Span) -> u64 {
        let sum = |slices: &[u64]| slices.iter().fold(0u64, |sum, slice| sum.saturating_add(*slice));
        match over {
            Span::Hour => self.hours[at(self.hour, DAY)],
            Span::Day => sum(&self.hours),
            Span::Week => sum(&self.days),
        }
    }

    /// What the sum usually is, at the risk `alpha`, and never told below `floor`.
    pub fn norm(&self, over: Span, alpha: f64, floor: u64) -> Norm {
        let usual = self.usual.as_deref().and_then(|usual| match over {
            Span::Hour => usual.hours.usual(start(self.hour)),
            Span::Day | Span::Week => usual.days.usual(start(self.hour / DAY * DAY)),
        });
        let ever = self.greatest(over);
        let Some(usual) = usual else {
            return Norm {
                usual: 0,
                line: floor.max(again(ever)),
                by_hour: false,
            };
        };
        let (line, times) = match over {
            Span::Hour | Span::Day => (usual.line(alpha), 1),
            Span::Week => (line_of_week(&usual, alpha), WEEK),
        };
        let by_hour = over == Span::Hour && usual.by == By::HourOfWeek;
        let before = if by_hour { self.greatest_beside() } else { ever };
        let line = line.max(usual.most.saturating_mul(TIMES).saturating_mul(times));
        Norm {
            usual: whole(usual.median).saturating_mul(times),
            line: line.min(ever.saturating_mul(FAR_BEYOND)).max(again(before)).max(floor),
            by_hour,
        }
    }

    /// The greatest that was learned.
    pub fn greatest(&self, over: Span) -> u64 {
        let (hours, [day, week]) = self.greatest_parts();
        match over {
            Span::Hour => hours.iter().copied().fold(0, u64::max),
            Span::Day => day,
            Span::Week => week,
        }
    }

    /// So much in an hour (of any day), a day and a week is ordinary from now on.
    pub fn adopt(&mut self, [hour, day, week]: [u64; 3]) {
        let sums = [hour; DAY as usize].into_iter().chain([day, week]);
        for (greatest, sum) in self.greatest.iter_mut().zip(sums) {
            *greatest = sum.max(*greatest);
        }
    }

    /// The greatest of this hour of the day and of those beside it.
    fn greatest_beside(&self) -> u64 {
        let (hours, _) = self.greatest_parts();
        let beside = [self.hour + DAY - 1, self.hour, self.hour + 1];
        beside.map(|hour| hours[at(hour, DAY)]).into_iter().fold(0, u64::max)
    }

    fn greatest_parts(&self) -> (&[u64], [u64; 2]) {
        let [hours @ .., day, week] = &self.greatest;
        (hours, [*day, *week])
    }

    /// Lets go of what the windows hold, and of nothing that was learned.
    pub fn clear(&mut self) {
        (self.hours, self.days) = ([0; DAY as usize], [0; WEEK as usize]);
    }

    /// Whether anything was learned.
    pub fn knows(&self) -> bool {
        self.usual.is_some()
    }

    /// For the store, 11 KB at most.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put(&mut out, self.hour);
        let numbers = self.hours.iter().chain(&self.days).chain(&self.greatest);
        numbers.for_each(|number| put(&mut out, *number));
        if let Some(usual) = &self.usual {
            let hours = usual.hours.encode();
            put(&mut out, hours.len() as u64);
            out.extend(hours);
            out.extend(usual.days.encode());
        }
        out
    }

    /// What [`Self::encode`] gave; nothing where it says an hour after `now`, which a clock that was set back cannot know.
    pub fn decode(bytes: &[u8], now: Timestamp) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        if bytes.byte()? != VERSION {
            return None;
        }
        let mut amounts = Self {
            hour: bytes.number()?,
            ..Self::default()
        };
        let numbers = amounts
            .hours
            .iter_mut()
            .chain(&mut amounts.days)
            .chain(&mut amounts.greatest);
        for number in numbers {
            *number = bytes.number()?;
        }
        if !bytes.0.is_empty() {
            let length = bytes.at_most(bytes.0.len())?;
            let (hours, days) = bytes.0.split_at_checked(length)?;
            amounts.usual = Some(Box::new(Usuals {
                hours: Seasonal::decode(hours)?,
                days: Seasonal::decode(days)?,
            }));
        }
        (amounts.hour <= now.as_nanos() / HOUR).then_some(amounts)
    }

    /// This hour is over, and perhaps the day.
    fn learn(&mut self, worth: u64) {
        let value = self.hours[at(self.hour, DAY)];
        if self.usual.is_none() && value < worth {
            return;
        }
        let usual = self.usual.get_or_insert_default();
        usual.hours.add(start(self.hour), value);
        let most = &mut self.greatest[at(self.hour, DAY)];
        *most = value.max(*most);
        if (self.hour + 1).is_multiple_of(DAY) {
            let day = self.hour / DAY;
            let value = self.days[at(day, WEEK)];
            usual.days.add(start(day * DAY), value);
            let week = self.sum(Span::Week);
            let [.., of_day, of_week] = &mut self.greatest;
            (*of_day, *of_week) = (value.max(*of_day), week.max(*of_week));
        }
    }
}

#[expect(clippy::cast_sign_loss, reason = "a median of amounts, which are not negative")]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

/// What is done again, and again by half.
fn again(before: u64) -> u64 {
    before / AGAIN.1 * AGAIN.0
}

fn line_of_week(day: &Usual, alpha: f64) -> u64 {
    let mean = day.mean * WEEK as f64;
    least(alpha, MOST_BYTES, |k| {
        negative_binomial_bound(k, mean, 1.0 + (day.dispersion - 1.0) * ALIKE)
    })
}

fn start(hour: u64) -> Timestamp {
    Timestamp::from_nanos(hour.saturating_mul(HOUR))
}

fn at(number: u64, of: u64) -> usize {
    (number % of) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: f64 = 1e-8;
    const MB: u64 = 1_000_000;
    const MONDAY: u64 = 1_780_272_000;

    /// A host that does `each(hour)` in every hour of so many days.
    fn after(days: u64, each: impl Fn(u64) -> u64) -> Amounts {
        let mut amounts = Amounts::default();
        for hour in 0..days * DAY {
            amounts.slide(hour_of(hour), 1_000, true);
            amounts.add(each(hour));
        }
        amounts.slide(hour_of(days * DAY), 1_000, true);
        amounts
    }

    fn hour_of(hour: u64) -> Timestamp {
        Timestamp::from_secs(MONDAY + hour * 3_600)
    }

    #[test]
    fn sums_are_those_of_their_windows() {
        let mut amounts = Amounts::default();
        for hour in 0..200 {
            amounts.slide(hour_of(hour), 1_000, true);
            amounts.add(2);
            amounts.add(1);
        }
        assert_eq!([3, 72, (6 * 24 + 8) * 3], Span::ALL.map(|over| amounts.sum(over)));
        amounts.slide(hour_of(200), 1_000, true);
        assert_eq!(amounts.sum(Span::Hour), 0);
        assert!(!amounts.knows(), "it was not worth learning");
        amounts.slide(hour_of(20_000), 1_000, true);
        assert_eq!(amounts.sum(Span::Week), 0);
    }

    #[test]
    fn a_nightly_job_may_come_an_hour_later_and_grow() {
        let nightly = |hour: u64| if hour % 24 == 3 { 500 * MB + hour * MB } else { 0 };
        for days in [3, 10, 40] {
            let mut amounts = after(days, nightly);
            for late in [3, 4] {
                amounts.slide(hour_of(days * DAY + late), 1_000, true);
                let norm = amounts.norm(Span::Hour, ALPHA, MB);
                assert!(norm.line > 1_000 * MB, "{days} days, {late}: {norm:?}");
            }
            assert!(amounts.norm(Span::Day, ALPHA, MB).line > 1_000 * MB);
            // By day it is another matter, once the week is known.
            amounts.slide(hour_of(days * DAY + 14), 1_000, true);
            let norm = amounts.norm(Span::Hour, ALPHA, MB);
            assert_eq!(norm.by_hour, days > 14, "{days}: {norm:?}");
            assert!(!norm.by_hour || norm.line < 100 * MB, "{norm:?}");
        }
    }

    #[test]
    fn what_comes_once_a_week_or_a_month_is_no_news() {
        for every in [7, 28] {
            let rare = |hour: u64| if hour % (every * DAY) == 5 { 900 * MB } else { MB };
            let amounts = after(2 * every, rare);
            assert!(amounts.norm(Span::Day, ALPHA, MB).line > 950 * MB, "{every}");
        }
    }

    #[test]
    fn ten_times_as_much_is_beyond_every_line() {
        let steady = |hour: u64| MB * (8 + hour * 7 % 5);
        let amounts = after(14, steady);
        for (over, hours) in [(Span::Hour, 1), (Span::Day, 24), (Span::Week, 168)] {
            let norm = amounts.norm(over, ALPHA, MB);
            assert!(
                norm.line < 130 * hours * MB && norm.line > 20 * hours * MB,
                "{over:?}: {norm:?}"
            );
            assert!(
                norm.usual > 6 * hours * MB && norm.usual < 14 * hours * MB,
                "{over:?}: {norm:?}"
            );
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        for amounts in [Amounts::default(), after(1, |_| 5), after(9, |hour| hour * 1_000)] {
            let bytes = amounts.encode();
            let back = Amounts::decode(&bytes, hour_of(9 * 24)).unwrap();
            assert_eq!((back.encode(), back.knows()), (bytes.clone(), amounts.knows()));
            for over in Span::ALL {
                assert_eq!(back.norm(over, ALPHA, 1), amounts.norm(over, ALPHA, 1));
                assert_eq!(back.sum(over), amounts.sum(over));
            }
            for cut in 0..bytes.len().min(40) {
                assert_eq!(Amounts::decode(&bytes[..cut], hour_of(9 * 24)), None, "{cut}");
            }
        }
        let late = after(9, |hour| hour * 1_000).encode();
        assert_eq!(Amounts::decode(&late, hour_of(0)), None, "the clock went back");
    }

    #[test]
    fn what_is_adopted_is_ordinary() {
        let mut amounts = after(3, |_| MB);
        amounts.add(5_000 * MB);
        assert!(amounts.norm(Span::Day, ALPHA, MB).line < 5_000 * MB);
        let sums = Span::ALL.map(|over| amounts.sum(over));
        amounts.adopt(sums);
        assert!(
            Span::ALL
                .into_iter()
                .all(|over| amounts.norm(over, ALPHA, MB).line > amounts.sum(over))
        );
    }
}
