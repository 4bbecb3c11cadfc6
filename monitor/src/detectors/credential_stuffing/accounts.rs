//! The accounts that were tried by someone, and whether they were let in.

use crate::baseline::distinct::Sampled;
use crate::time::Timestamp;

use super::WINDOW;

/// Accounts of the window: all of them up to `N`, a fair sample beyond.
#[derive(Debug, Default)]
pub(super) struct Accounts<const N: usize>(Sampled<N, bool>);

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    /// Accounts tried.
    pub(super) tried: u32,
    /// Those of them that were never let in.
    pub(super) failed: u32,
    /// In the sample: what may be compared with chance.
    pub(super) sampled: (u32, u32),
    /// Whether the first two are estimates.
    pub(super) estimated: bool,
}

impl<const N: usize> Accounts<N> {
    /// `account` was tried; `accepted` if it was let in.
    pub(super) fn see(&mut self, now: Timestamp, account: &str, accepted: bool) {
        if let Some(let_in) = self.0.see(now, WINDOW, account) {
            *let_in |= accepted;
        }
    }

    /// Whether `account` is among those that failed and were not let in.
    pub(super) fn has_failed(&self, account: &str) -> bool {
        self.0.get(account) == Some(&false)
    }

    /// As of now.
    pub(super) fn count(&mut self, now: Timestamp) -> Count {
        self.0.forget(now, WINDOW);
        let tried = self.0.marks().count();
        let failed = self.0.marks().filter(|let_in| !**let_in).count();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let scaled = |count: usize| u32::try_from(self.0.stands_for(count)).unwrap_or(u32::MAX);
        Count {
            tried: scaled(tried),
            failed: scaled(failed),
            sampled: (number(tried), number(failed)),
            estimated: !self.0.is_exact(),
        }
    }

    /// Accounts in the sample that failed: what it tells.
    pub(super) fn weight(&self) -> u64 {
        self.0.marks().filter(|let_in| !**let_in).count() as u64
    }
}
