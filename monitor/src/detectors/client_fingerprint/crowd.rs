//! How many sources have a fingerprint, and how many of them are refused.

use super::doc::CROWD;
use crate::baseline::distinct::Distinct;
use crate::baseline::source::Source;
use crate::enrich::fingerprint::Fingerprint;
use crate::time::Timestamp;

/// Minutes that a window has.
const STEPS: u32 = 10;
/// A window: ten steps of the test.
pub(super) const WINDOW: std::time::Duration = CROWD.step.saturating_mul(STEPS);

/// Sources in the window.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    came: Distinct<128>,
    refused: Distinct<128>,
}

impl Crowd {
    /// A source came, and was refused or not.
    pub(super) fn see(&mut self, now: Timestamp, source: Source, refused: Option<bool>) {
        self.came.see(now, WINDOW, &source);
        if refused == Some(true) {
            self.refused.see(now, WINDOW, &source);
        }
    }

    /// Lets go of what has left the window.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.came.forget(now, WINDOW);
        self.refused.forget(now, WINDOW);
    }

    pub(super) fn came(&self) -> u64 {
        self.came.count()
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.count()
    }
}

/// Accepted requests of which one is counted.
const SAMPLED: u32 = 16;
/// Fingerprints whose share is kept; a client that is common is soon among them.
const MOST_COMMON: usize = 64;
/// Counts are halved at this sum: about the latest 100,000 accepted requests.
const MOST_COUNTED: u32 = 8_192;

/// Which clients the accepted requests come from, in shares.
#[derive(Debug, Default)]
pub(super) struct Common {
    seen: u32,
    counts: Vec<(Fingerprint, u32)>,
    total: u32,
}

impl Common {
    /// A request was accepted.
    #[inline]
    pub(super) fn see(&mut self, fingerprint: Fingerprint) {
        self.seen = self.seen.wrapping_add(1);
        if self.seen.is_multiple_of(SAMPLED) {
            self.count(fingerprint);
        }
    }

    /// Misra and Gries: where there is no room, all counts fall by one.
    fn count(&mut self, fingerprint: Fingerprint) {
        self.total += 1;
        let has_room = self.counts.len() < MOST_COMMON;
        match self.counts.iter_mut().find(|(known, _)| *known == fingerprint) {
            Some((_, count)) => *count += 1,
            None if has_room => self.counts.push((fingerprint, 1)),
            None => {
                self.counts.iter_mut().for_each(|(_, count)| *count -= 1);
                self.counts.retain(|(_, count)| *count > 0);
            }
        }
        if self.total >= MOST_COUNTED {
            self.total /= 2;
            self.counts.iter_mut().for_each(|(_, count)| *count /= 2);
            self.counts.retain(|(_, count)| *count > 0);
        }
    }

    /// The share of a fingerprint: never more than it is.
    pub(super) fn share(&self, fingerprint: Fingerprint) -> f64 {
        let count = self.counts.iter().find(|(known, _)| *known == fingerprint);
        count.map_or(0.0, |(_, count)| f64::from(*count) / f64::from(self.total.max(1)))
    }
}
