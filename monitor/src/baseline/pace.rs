//! How many there are in a window, how many there usually are, and the line between.

use super::knowledge::WEEK_HOURS;
use super::seasonal::{By, Seasonal, Usual};
use super::ticks::Over;
use super::whole;
use crate::time::Timestamp;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Risk of a window.
    pub alpha: f64,
    /// What is not so many times the mean, and the most that is usual, is not worth telling.
    pub times: f64,
    /// Nor is less than this.
    pub floor: u64,
}

/// A count of windows with its baseline. 800 bytes, 5 KB at most.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Counted in the window that is not over.
    pub count: u64,
    /// Of these, what may be learned.
    pub learned: u64,
    /// From here on the window is beyond what is usual; unreachable where that is not known.
    pub line: u64,
    /// Something in the window is no habit: it is not learned.
    pub is_spoilt: bool,
    usual: Option<Usual>,
    seasonal: Seasonal,
    /// For which hour the line was drawn.
    drawn: Option<u64>,
    dirty: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            count: 0,
            learned: 0,
            line: u64::MAX,
            is_spoilt: false,
            usual: None,
            seasonal: Seasonal::new(),
            drawn: None,
            dirty: false,
        }
    }
}

impl Pace {
    /// One with what was learned before.
    pub fn with(seasonal: Seasonal) -> Self {
        Self {
            seasonal,
            ..Self::default()
        }
    }

    /// One more. Whether the window is beyond the line.
    #[inline]
    pub fn add(&mut self, is_learned: bool) -> bool {
        self.count += 1;
        self.learned += u64::from(is_learned);
        self.count >= self.line
    }

    /// So many are there at a time: the window has the most of them.
    #[inline]
    pub fn note(&mut self, count: u64) {
        self.count = self.count.max(count);
        self.learned = self.count;
    }

    /// Whether the window is beyond the line.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.count >= self.line
    }

    /// What is usual in this window.
    pub fn usual(&self) -> Option<&Usual> {
        self.usual.as_ref()
    }

    /// The window is over: it is learned, if it was seen whole. Gives what was counted.
    pub fn close(&mut self, over: Over) -> u64 {
        let (count, learned) = (std::mem::take(&mut self.count), std::mem::take(&mut self.learned));
        if over.is_whole && !std::mem::take(&mut self.is_spoilt) {
            self.dirty |= self.seasonal.add(over.begin, learned);
        }
        count
    }

    /// Draws the line of the window that begins at `begin`, once an hour: `terms` by what is known.
    pub fn draw(&mut self, begin: Timestamp, terms: impl FnOnce(&Usual) -> Option<Terms>) {
        let hour = begin.as_nanos() / 3_600_000_000_000;
        if self.drawn == Some(hour) {
            return;
        }
        self.drawn = Some(hour);
        // What all hours are says little of this one.
        self.usual = self.seasonal.usual(begin);
        self.line = self
            .usual
            .as_ref()
            .and_then(|usual| Some(line(usual, terms(usual)?)))
            .unwrap_or(u64::MAX);
    }

    /// The baseline, for the store, if an hour of it is new.
    pub fn export(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.dirty).then(|| self.seasonal.encode())
    }

    /// What is usual at each hour of the week.
    pub fn week(&self) -> Box<[Option<f64>; WEEK_HOURS]> {
        self.seasonal.week()
    }

    /// Hours that were learned.
    pub fn hours(&self) -> usize {
        self.seasonal.hours()
    }
}

/// Where the line is by these terms.
pub fn line(usual: &Usual, terms: Terms) -> u64 {
    let much = whole((terms.times * usual.mean.max(usual.most as f64)).ceil());
    usual.line(terms.alpha).max(much).max(terms.floor)
}

/// Whether the hour itself is known, of a day of this kind.
pub fn knows_the_hour(usual: &Usual) -> bool {
    match usual.by {
        By::HourOfWeek | By::HourOfDay => usual.knows_day,
        By::Overall => false,
    }
}
