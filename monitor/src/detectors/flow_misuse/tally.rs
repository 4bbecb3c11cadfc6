//! What one subject did at one endpoint within a day: how often it came out of order, and how often at a machine's pace.

use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use super::steps::Step;
use crate::alert::Actor;
use crate::baseline::sliding::Sliding;
use crate::baseline::tail::{beta_binomial, least};
use crate::finding::occurrence::Occurrence;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// The window, in hours.
const HOUR: Duration = Duration::from_hours(1);
const HOURS: usize = 24;
/// How alike the requests of one subject are: who has a bookmark uses it.
const RHO: f64 = 0.05;
/// Records that are shown.
const MOST_SAMPLES: usize = 3;
/// A subject beyond its line is judged again at most so often.
const JUDGE_EVERY: Duration = Duration::from_secs(1);

/// What is misused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Misuse {
    /// The usual step before is missing.
    Order,
    /// It came too fast after it.
    Pace,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    asked: u32,
    odd: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.odd += other.odd;
    }
}

/// About 350 bytes.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) actor: Actor,
    pub(super) step: Step,
    pub(super) misuse: Misuse,
    window: Sliding<Counts, HOURS>,
    /// The first that was odd: what made us look is no evidence.
    first: Option<Timestamp>,
    pub(super) occurrence: Occurrence,
    pub(super) samples: Vec<Arc<HttpRecord>>,
    judged: Option<Timestamp>,
    /// What was usual when it was odd latest.
    pub(super) share: f64,
    pub(super) before: Step,
    pub(super) millis: u32,
}

/// More than chance explains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Excess {
    pub(super) asked: u32,
    pub(super) odd: u32,
    pub(super) line: u64,
}

impl Tally {
    pub(super) fn new(now: Timestamp, actor: Actor, (step, misuse): (Step, Misuse)) -> Self {
        Self {
            actor,
            step,
            misuse,
            window: Sliding::new(HOUR),
            first: Some(now),
            occurrence: Occurrence::new(now),
            samples: Vec::new(),
            judged: None,
            share: 1.0,
            before: step,
            millis: 0,
        }
    }

    /// One more request, `odd` or not.
    pub(super) fn add(&mut self, now: Timestamp, odd: bool) {
        if odd && self.first.take().is_some() {
            return;
        }
        *self.window.at(now) += Counts {
            asked: 1,
            odd: u32::from(odd),
        };
    }

    /// Keeps the request as a sample.
    pub(super) fn show(&mut self, record: &Arc<HttpRecord>) {
        if self.samples.len() >= MOST_SAMPLES {
            self.samples.remove(0);
        }
        self.samples.push(Arc::clone(record));
    }

    /// Odd requests of the window, but for the first ever.
    pub(super) fn odd(&self) -> u32 {
        self.window.sum().odd
    }

    /// What the window holds was told, and is no evidence any more.
    pub(super) fn begin_anew(&mut self, now: Timestamp) {
        self.window = Sliding::new(HOUR);
        self.first = Some(now);
        self.judged = None;
    }

    /// Whether chance does not explain it, at this risk.
    pub(super) fn judge(&mut self, now: Timestamp, alpha: f64) -> Option<Excess> {
        self.window.slide(now);
        let Counts { asked, odd } = self.window.sum();
        if odd < 3 || self.judged.is_some_and(|judged| now < judged + JUDGE_EVERY) {
            return None;
        }
        let tail = |k: u64| beta_binomial(k, asked.into(), self.share, RHO);
        if tail(odd.into()) > alpha.ln() {
            return None;
        }
        self.judged = Some(now);
        Some(Excess {
            asked,
            odd,
            line: least(alpha, odd.into(), tail),
        })
    }

    /// What it tells.
    pub(super) fn weight(&self) -> u64 {
        self.odd().into()
    }
}
