//! What is kept of a source, an account, an endpoint.

use std::net::IpAddr;
use std::ops::AddAssign;
use std::sync::Arc;

use super::doc::{ACCOUNT, ENDPOINT, SLOW, SOURCE};
use crate::baseline::distinct::Distinct;
use crate::baseline::majority::Majority;
use crate::baseline::sliding::Sliding;
use crate::baseline::source::Source;
use crate::finding::occurrence::Occurrence;
use crate::time::Timestamp;

/// Accounts that failed from a source, and are known again when they are let in.
const MOST_FAILED: usize = 64;

/// Tries and failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) tried: u32,
    pub(super) failed: u32,
    /// Refused without credentials; not among the tries.
    pub(super) asked: u32,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.tried = self.tried.saturating_add(other.tried);
        self.failed = self.failed.saturating_add(other.failed);
        self.asked = self.asked.saturating_add(other.asked);
    }
}

/// A source.
#[derive(Debug)]
pub(super) struct OfSource {
    pub(super) fast: Sliding<Tally, 10>,
    pub(super) slow: Sliding<Tally, 12>,
    pub(super) occurrence: Occurrence,
    /// An address of it, and whether there was no other.
    pub(super) address: IpAddr,
    pub(super) only: bool,
    /// The endpoint of the failures, while there is one alone.
    pub(super) endpoint: Option<Arc<str>>,
    /// Endpoints that asked for credentials.
    pub(super) asked_at: Distinct<32>,
    /// Refusals of a once accepted credential since the last that was accepted.
    pub(super) expired_in_a_row: u32,
    /// Failures other than those, in this occurrence.
    pub(super) plain: u64,
    /// Accounts that failed in this occurrence, by hash.
    failed: Vec<u64>,
    /// Failures without an account.
    pub(super) others: u64,
    /// An account that failed and was then let in.
    pub(super) broken: Option<Arc<str>>,
}

impl OfSource {
    pub(super) fn new(now: Timestamp, address: IpAddr, endpoint: Option<&Arc<str>>) -> Self {
        Self {
            fast: Sliding::new(SOURCE.step),
            slow: Sliding::new(SLOW.step),
            occurrence: Occurrence::new(now),
            address,
            only: true,
            endpoint: endpoint.cloned(),
            asked_at: Distinct::default(),
            expired_in_a_row: 0,
            plain: 0,
            failed: Vec::new(),
            others: 0,
            broken: None,
        }
    }

    /// What it tells, to be kept before others.
    pub(super) fn weight(&self) -> u64 {
        u64::from(self.slow.sum().failed) + u64::from(self.broken.is_some()) * 1_000
    }

    pub(super) fn note_failed(&mut self, account: u64) {
        if self.failed.contains(&account) {
            return;
        }
        if self.failed.len() >= MOST_FAILED {
            self.failed.swap_remove(0);
        }
        self.failed.push(account);
    }

    /// Accounts that failed, while nothing else did.
    pub(super) fn accounts_alone(&self) -> Option<usize> {
        (self.others == 0).then_some(self.failed.len())
    }

    pub(super) fn forget_failed(&mut self) {
        self.failed.clear();
        self.others = 0;
    }

    pub(super) fn has_failed(&self, account: u64) -> bool {
        self.failed.contains(&account)
    }
}

/// An account.
#[derive(Debug)]
pub(super) struct OfAccount {
    pub(super) window: Sliding<Tally, 12>,
    pub(super) occurrence: Occurrence,
    pub(super) sources: Distinct<32>,
    /// This host let it in at some time.
    pub(super) proven: bool,
    pub(super) endpoint: Option<Arc<str>>,
}

impl OfAccount {
    pub(super) fn new(now: Timestamp, endpoint: Option<&Arc<str>>) -> Self {
        Self {
            window: Sliding::new(ACCOUNT.step),
            occurrence: Occurrence::new(now),
            sources: Distinct::default(),
            proven: false,
            endpoint: endpoint.cloned(),
        }
    }
}

/// An endpoint.
#[derive(Debug)]
pub(super) struct OfEndpoint {
    pub(super) window: Sliding<Tally, 10>,
    pub(super) occurrence: Occurrence,
    pub(super) sources: Distinct<64>,
    pub(super) majority: Majority<Source>,
}

impl OfEndpoint {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            window: Sliding::new(ENDPOINT.step),
            occurrence: Occurrence::new(now),
            sources: Distinct::default(),
            majority: Majority::default(),
        }
    }
}
