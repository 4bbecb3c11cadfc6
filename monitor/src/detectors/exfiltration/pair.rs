//! What a program sends to a destination.

use std::sync::Arc;

use super::FRESH;
use super::doc::DOC;
use super::requests::asked;
use crate::baseline::amounts::Span;
use crate::baseline::distinct::Distinct;
use crate::baseline::ledger::{Ledger, Passed, Terms};
use crate::baseline::outside::shown;
use crate::observation::Destination;
use crate::record::{FlowRecord, HttpRecord};
use crate::time::Timestamp;

/// An hour with less is not learned: such a destination may be sent what a new one may.
const WORTH: u64 = 64 * 1024;
/// Destinations of a crowd that are named.
const MOST_NAMED: usize = 5;

/// A program and a destination, or all of its new destinations. 700 bytes, and up to 11 KB of what was learned.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) ledger: Ledger,
    /// The flow that has sent most of late.
    pub(super) lead: Option<Arc<FlowRecord>>,
    /// How the destination was called, by name or address; absent where it has several.
    pub(super) shown: Option<Arc<str>>,
    /// Of a crowd: which destinations.
    pub(super) places: Distinct<64>,
    /// Those that were sent most of late, about: how much, and when at last.
    named: Vec<(Arc<str>, u64, Timestamp)>,
    /// Of a crowd: the first days are over.
    settled: bool,
    /// What the alert names, while it lasts.
    target: Option<Arc<str>>,
}

impl Pair {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            lead: None,
            shown: None,
            places: Distinct::default(),
            named: Vec::new(),
            settled: false,
            target: None,
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.ledger.weight()
    }

    /// Time has come to `now`; what is over is learned from `from` on.
    pub(super) fn slide(&mut self, now: Timestamp, from: Timestamp) {
        let terms = Terms {
            quiet: DOC.quiet,
            worth: WORTH,
            from,
        };
        match self.ledger.slide(now, terms) {
            Passed::Nothing => {}
            Passed::Hour if self.ledger.told.is_some() => {}
            Passed::Hour => self.lead = None,
            Passed::Occurrence => (self.lead, self.target) = (None, None),
        }
    }

    /// A flow has sent so much more. Whether it has to be judged.
    pub(super) fn add(&mut self, now: Timestamp, bytes: u64, record: &Arc<FlowRecord>, to: &Destination) -> bool {
        if self.ledger.amounts.sum(Span::Week) == 0 {
            self.shown = Some(shown(to));
            self.named.clear();
            self.places = Distinct::default();
        } else if self.shown.as_deref().is_some_and(|before| !is_shown(before, to)) {
            self.shown = None;
        }
        let leads = |lead: &Arc<FlowRecord>| lead.flow == record.flow || lead.counters.sent < record.counters.sent;
        if self.lead.as_ref().is_none_or(leads) {
            self.lead = Some(Arc::clone(record));
        }
        self.ledger.add(now, bytes)
    }

    /// Of a crowd: it was this one.
    pub(super) fn see_place(&mut self, now: Timestamp, place: &str, to: &Destination, bytes: u64) {
        self.named.retain(|(.., last)| *last + FRESH > now);
        self.places.forget(now, FRESH);
        self.places.see(now, FRESH, place);
        if let Some((_, sum, last)) = self.named.iter_mut().find(|(known, ..)| is_shown(known, to)) {
            (*sum, *last) = (sum.saturating_add(bytes), now);
        } else if self.named.len() < MOST_NAMED {
            self.named.push((shown(to), bytes, now));
        } else if let Some(least) = self.named.iter_mut().min_by_key(|(_, sum, _)| *sum)
            && least.1 < bytes
        {
            *least = (shown(to), bytes, now);
        }
    }

    /// Of a crowd that was kept: whether the first days were over then.
    pub(super) fn resume(&mut self) {
        self.settled = self.ledger.last >= self.ledger.first + 2 * FRESH;
    }

    /// Of a crowd: once the first days are over, what they held is no evidence.
    pub(super) fn settle(&mut self, now: Timestamp, from: Timestamp) {
        if !self.settled && now >= from {
            self.settled = true;
            self.ledger.amounts.clear();
        }
    }

    /// Of a crowd: those that were sent most, the first of them first.
    pub(super) fn named(&self) -> Vec<&str> {
        let mut named: Vec<_> = self.named.iter().collect();
        named.sort_by_key(|(_, sum, _)| std::cmp::Reverse(*sum));
        named.into_iter().map(|(name, ..)| &**name).collect()
    }

    /// Whether the request is the one behind the flow that has sent most.
    pub(super) fn is_caused_by(&self, request: &HttpRecord) -> bool {
        let parent = self.lead.as_ref().and_then(|lead| lead.parent.as_ref());
        parent.is_some_and(|parent| asked(parent) == (request.flow, request.turn))
    }

    /// What the alert names: what was sent to, of several the one that was sent most by then.
    pub(super) fn target(&mut self, place: &Arc<str>) -> Arc<str> {
        if let Some(target) = &self.target {
            return Arc::clone(target);
        }
        let one = || self.shown.as_ref().filter(|_| self.named.is_empty());
        let most = self.named.iter().max_by_key(|(_, sum, _)| *sum).map(|(name, ..)| name);
        let target = Arc::clone(most.or_else(one).unwrap_or(place));
        self.target = Some(Arc::clone(&target));
        target
    }
}

fn is_shown(before: &str, to: &Destination) -> bool {
    match &to.name {
        Some(name) => **name == *before,
        None => before.parse() == Ok(to.address),
    }
}
