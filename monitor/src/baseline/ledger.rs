//! What adds up for one subject, judged: how far it is from its lines, since when more was told of, and when that became
//! ordinary.

use std::sync::Arc;
use std::time::Duration;

use super::Row;
use super::amounts::{Amounts, Norm, Span};
use crate::time::Timestamp;

/// Findings of one occurrence are at most so often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// The mark of a row: it was told of and became ordinary.
const ADOPTED: u32 = 1;

/// Sums and what was told of them. About 560 bytes, and 1 to 11 KB of what was learned.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// First sight.
    pub first: Timestamp,
    /// Latest.
    pub last: Timestamp,
    /// The sums.
    pub amounts: Amounts,
    /// What was told of and goes on.
    pub told: Option<Told>,
    /// It was told of once, and nobody stopped it: it is judged by its history.
    pub adopted: bool,
    /// There is something to keep.
    pub dirty: bool,
    /// So much more may come in this hour before it is looked at.
    slack: u64,
    /// Additions of this hour.
    count: u64,
    /// When what was told of becomes ordinary, and the most that there was of it.
    adopt_at: Option<Timestamp>,
    peak: [u64; 3],
    /// When it was told of last.
    told_at: Timestamp,
}

/// What was told of.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Since when it goes on.
    pub began: Timestamp,
    /// Latest addition.
    pub last: Timestamp,
    /// Additions that no finding has counted.
    pub untold: u64,
    at: Timestamp,
}

/// More than there may be.
#[derive(Clone, Copy, Debug)]
pub struct Excess {
    /// Over how long.
    pub over: Span,
    /// The sum.
    pub sum: u64,
    /// What it should be.
    pub norm: Norm,
}

/// What has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Nothing that matters.
    Nothing,
    /// An hour.
    Hour,
    /// An occurrence that was told of.
    Occurrence,
}

/// How it learns.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// An occurrence is over when nothing came for so long.
    pub quiet: Duration,
    /// An hour with so many bytes or more is worth learning.
    pub worth: u64,
    /// Before this nothing is learned.
    pub from: Timestamp,
}

impl Ledger {
    /// One that begins now.
    pub fn new(now: Timestamp) -> Self {
        Self {
            first: now,
            last: now,
            amounts: Amounts::default(),
            told: None,
            adopted: false,
            dirty: true,
            slack: 0,
            count: 0,
            adopt_at: None,
            peak: [0; 3],
            told_at: Timestamp::ZERO,
        }
    }

    /// Time has come to `now`.
    pub fn slide(&mut self, now: Timestamp, terms: Terms) -> Passed {
        let mut passed = Passed::Nothing;
        if self.adopt_at.is_some_and(|at| at <= now) {
            self.become_ordinary();
            passed = Passed::Occurrence;
        }
        if self.told.is_some_and(|told| told.last + terms.quiet <= now) {
            // What the windows hold of it is no evidence of what begins now.
            (self.told, self.slack) = (None, 0);
            self.amounts.clear();
            passed = Passed::Occurrence;
        }
        let learns = self.adopt_at.is_none() && now >= terms.from;
        if self.amounts.slide(now, terms.worth, learns) {
            (self.slack, self.count, self.dirty) = (0, 0, true);
            if passed == Passed::Nothing {
                passed = Passed::Hour;
            }
        }
        passed
    }

    /// Takes what was told of for ordinary now, if some of it was from `from` until before `until`. Whether it was.
    pub fn adopt(&mut self, from: Timestamp, until: Timestamp) -> bool {
        // The occurrence may be over, and what was told of it waits to become ordinary.
        let began = self.told.map_or(self.told_at, |told| told.began);
        let so = self.adopt_at.is_some() && began < until && self.told_at >= from;
        if so {
            self.become_ordinary();
        }
        so
    }

    fn become_ordinary(&mut self) {
        self.amounts.adopt(self.peak);
        (self.adopt_at, self.peak, self.adopted) = (None, [0; 3], true);
        (self.told, self.slack, self.dirty) = (None, 0, true);
    }

    /// So much more. Whether it has to be judged, or told of again.
    pub fn add(&mut self, now: Timestamp, bytes: u64) -> bool {
        self.amounts.add(bytes);
        self.count += 1;
        self.last = self.last.max(now);
        if let Some(told) = &mut self.told {
            (told.last, told.untold) = (now, told.untold + 1);
            return now >= told.at + TELL_EVERY;
        }
        let (left, is_over) = self.slack.overflowing_sub(bytes);
        self.slack = if is_over { 0 } else { left };
        is_over
    }

    /// Whether one of the sums has reached its line; if not, it is noted how far it is from there.
    pub fn judge(&mut self, norms: impl IntoIterator<Item = (Span, Norm)>) -> Option<Excess> {
        let mut slack = u64::MAX;
        for (over, norm) in norms {
            let sum = self.amounts.sum(over);
            match norm.line.checked_sub(sum) {
                Some(left) if left > 0 => slack = slack.min(left - 1),
                Some(_) | None => return Some(Excess { over, sum, norm }),
            }
        }
        self.slack = slack;
        None
    }

    /// It need not be looked at before so much more has come.
    pub fn wait_for(&mut self, bytes: u64) {
        self.slack = self.slack.max(bytes);
    }

    /// It is told of now: additions that no finding has counted, and since when it goes on.
    pub fn tell(&mut self, now: Timestamp, excess: &Excess, adopt_after: Duration) -> (u64, Timestamp) {
        let began = now
            .saturating_sub(Duration::from_secs(excess.over.secs()))
            .max(self.first);
        let (count, last) = (self.count, self.last);
        let told = self.told.get_or_insert(Told {
            began,
            last,
            untold: count,
            at: now,
        });
        told.at = now;
        self.told_at = now;
        self.adopt_at.get_or_insert(now + adopt_after);
        for over in Span::ALL {
            let peak = &mut self.peak[over as usize];
            *peak = (*peak).max(self.amounts.sum(over));
        }
        self.dirty = true;
        (std::mem::take(&mut told.untold), told.began)
    }

    /// Whether there is more than was told.
    pub fn is_held_back(&self) -> bool {
        self.told.is_some_and(|told| told.untold > 0)
    }

    /// What tells whether it may be given up for others: what comes, or came once.
    pub fn weight(&self) -> u64 {
        self.amounts.sum(Span::Week).max(self.amounts.greatest(Span::Day)) >> 10
    }

    /// For the store.
    pub fn to_row(&self, subject: &Arc<str>, member: &Arc<str>) -> Row {
        Row {
            subject: Arc::clone(subject),
            member: Arc::clone(member),
            first: self.first,
            last: self.last,
            count: self.amounts.sum(Span::Week),
            marks: if self.adopted { ADOPTED } else { 0 },
            detail: Some(self.amounts.encode().into()),
        }
    }

    /// What a row says. What would lie after `now` is not believed.
    pub fn from_row(row: &Row, now: Timestamp) -> Option<Self> {
        Some(Self {
            last: row.last.min(now),
            amounts: Amounts::decode(row.detail.as_deref()?, now)?,
            adopted: row.marks & ADOPTED != 0,
            dirty: false,
            ..Self::new(row.first.min(now))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;
    const DAY: Duration = Duration::from_hours(24);
    const TERMS: Terms = Terms {
        quiet: Duration::from_hours(2),
        worth: 1_000,
        from: Timestamp::ZERO,
    };

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_780_272_000 + secs)
    }

    fn add(ledger: &mut Ledger, now: Timestamp, bytes: u64) -> Option<Excess> {
        ledger.slide(now, TERMS);
        let norm = |ledger: &Ledger| (Span::Day, ledger.amounts.norm(Span::Day, 1e-8, 20 * MB));
        if !ledger.add(now, bytes) {
            return None;
        }
        let norm = norm(ledger);
        ledger.judge([norm])
    }

    #[test]
    fn the_line_is_met_by_the_first_byte_too_much() {
        let mut ledger = Ledger::new(at(0));
        let first = (0..100).find(|n| add(&mut ledger, at(n * 60), MB).is_some());
        assert_eq!(first, Some(19));
        let excess = add(&mut ledger, at(20 * 60), MB).unwrap();
        assert_eq!(excess.sum, 21 * MB);
        let told = ledger.tell(at(20 * 60), &excess, DAY);
        assert_eq!(told, (21, at(0)));
        assert!(!ledger.is_held_back());
        assert!(
            add(&mut ledger, at(20 * 60), MB).is_none(),
            "a second later at the earliest"
        );
        assert!(ledger.is_held_back());
    }

    #[test]
    fn what_was_told_is_over_and_then_ordinary() {
        let mut ledger = Ledger::new(at(0));
        let excess = add(&mut ledger, at(0), 30 * MB).unwrap();
        ledger.tell(at(0), &excess, DAY);
        assert_eq!(ledger.slide(at(3 * 3_600), TERMS), Passed::Occurrence);
        assert!(add(&mut ledger, at(4 * 3_600), 15 * MB).is_none(), "it begins anew");
        assert!(!ledger.amounts.knows(), "what was told is not learned");
        assert!(add(&mut ledger, at(90_000), 40 * MB).is_none(), "nobody stopped it");
        assert!(ledger.adopted);
        assert!(add(&mut ledger, at(90_001), 400 * MB).is_some());
    }

    #[test]
    fn what_was_told_may_be_taken_for_ordinary() {
        let mut ledger = Ledger::new(at(0));
        let excess = add(&mut ledger, at(0), 30 * MB).unwrap();
        ledger.tell(at(0), &excess, DAY);
        assert!(!ledger.adopt(at(1), at(100)) && !ledger.adopt(at(0).saturating_sub(DAY), at(0)));
        assert!(ledger.adopt(at(0), at(100)));
        assert!(ledger.adopted && !ledger.adopt(at(0), at(100)), "once");
        // Long before a day has passed.
        assert!(add(&mut ledger, at(4 * 3_600), 5 * MB).is_none());
        assert!(add(&mut ledger, at(4 * 3_600), 400 * MB).is_some());
    }

    #[test]
    fn a_row_brings_it_back() {
        let mut ledger = Ledger::new(at(0));
        for hour in 0..50 {
            add(&mut ledger, at(hour * 3_600), MB / 2);
        }
        let row = ledger.to_row(&"a".into(), &"b".into());
        let back = Ledger::from_row(&row, at(50 * 3_600)).unwrap();
        assert_eq!((back.first, back.last), (ledger.first, ledger.last));
        assert_eq!(back.amounts.sum(Span::Week), 25 * MB);
        assert!(Ledger::from_row(&row, at(0)).is_none(), "the clock went back");
        let bare = Row { detail: None, ..row };
        assert!(Ledger::from_row(&bare, at(50 * 3_600)).is_none());
    }
}
