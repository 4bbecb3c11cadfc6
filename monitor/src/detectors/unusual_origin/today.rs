//! The clients of the day that goes on: how many, from which new origins, and how many of them are rented machines.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::origin::Kind;
use crate::baseline::source::Source;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// Clients that are told apart; what comes beyond is left out.
const MOST_CLIENTS: usize = 65_536;
/// New origins, and organizations of rented machines, that are told apart.
const MOST_NEW: usize = 512;
const MOST_ORGANIZATIONS: usize = 256;

/// A day, as far as it is over.
#[derive(Debug, Default)]
pub(super) struct Today {
    clients: FxHashSet<Source>,
    pub(super) left_out: u64,
    /// By kind.
    pub(super) new: [BTreeMap<Arc<str>, New>; 2],
    pub(super) rented: u32,
    pub(super) all: u32,
    organizations: BTreeMap<Arc<str>, u32>,
    pub(super) rented_first: Option<Timestamp>,
    pub(super) shift_told: bool,
}

/// An origin that was never here before today.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub(super) clients: u32,
    pub(super) first: Timestamp,
    pub(super) told: bool,
    pub(super) sample: Arc<HttpRecord>,
}

impl Today {
    /// A client is seen: whether it is the first time today.
    #[inline]
    pub(super) fn see(&mut self, source: Source) -> bool {
        if self.clients.contains(&source) {
            return false;
        }
        if self.clients.len() >= MOST_CLIENTS {
            self.left_out += 1;
            return false;
        }
        self.clients.insert(source)
    }

    /// A client of an origin that was never here; how many of it there are.
    pub(super) fn add_new(&mut self, kind: Kind, origin: &Arc<str>, now: Timestamp, record: &Arc<HttpRecord>) -> u32 {
        let new = &mut self.new[kind.at()];
        if new.len() >= MOST_NEW && !new.contains_key(origin) {
            self.left_out += 1;
            return 0;
        }
        let known = new.entry(Arc::clone(origin)).or_insert_with(|| New {
            clients: 0,
            first: now,
            told: false,
            sample: Arc::clone(record),
        });
        known.clients += 1;
        known.clients
    }

    /// Clients of all new origins of a kind.
    pub(super) fn of_new(&self, kind: Kind) -> u32 {
        self.new[kind.at()].values().map(|new| new.clients).sum()
    }

    /// Origins that are told of, with their clients, those with most first.
    pub(super) fn told(&self) -> Vec<(Arc<str>, u32)> {
        let told = self.new.iter().flatten().filter(|(_, new)| new.told);
        let mut told: Vec<_> = told.map(|(origin, new)| (Arc::clone(origin), new.clients)).collect();
        told.sort_by_key(|(_, clients)| std::cmp::Reverse(*clients));
        told
    }

    pub(super) fn add_rented(&mut self, now: Timestamp, organization: Option<&Arc<str>>) {
        self.rented += 1;
        self.rented_first.get_or_insert(now);
        if let Some(name) = organization
            && (self.organizations.len() < MOST_ORGANIZATIONS || self.organizations.contains_key(name))
        {
            *self.organizations.entry(Arc::clone(name)).or_default() += 1;
        }
    }

    /// The organization with most rented machines, and their number.
    pub(super) fn largest(&self) -> Option<(&Arc<str>, u32)> {
        self.organizations
            .iter()
            .map(|(name, count)| (name, *count))
            .max_by_key(|(_, count)| *count)
    }
}
