//! The credentials that someone has shown, and whether they were ever good.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::WINDOW;
use super::doc::DOC;
use crate::baseline::distinct::{Distinct, Sampled};
use crate::baseline::majority::Majority;
use crate::baseline::source::Source;
use crate::enrich::identity::Identity;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// A new credential so soon after one that was refused replaces it: a token was refreshed, a key corrected.
const REPLACED: Duration = Duration::from_mins(2);

/// A credential is shown.
pub(super) struct Shown<'a> {
    pub(super) now: Timestamp,
    pub(super) address: IpAddr,
    pub(super) source: Source,
    pub(super) credential: &'a Identity,
    pub(super) record: &'a Arc<HttpRecord>,
}

impl Shown<'_> {
    pub(super) fn endpoint(&self) -> Option<&Arc<str>> {
        self.record.request.as_ref()?.endpoint.as_ref()
    }
}

/// So many of all, and in the sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) all: u64,
    pub(super) sampled: u32,
}

/// A source, network or endpoint. At most 2 KB with 64 credentials.
#[derive(Debug)]
pub(super) struct Subject<const N: usize> {
    /// With a mark whether it was accepted, here or ever.
    credentials: Sampled<N, bool>,
    sources: Distinct<64>,
    majority: Majority<IpNet>,
    /// The latest that was refused.
    refused: Option<(Arc<str>, Timestamp)>,
    pub(super) first: Timestamp,
    pub(super) asked: u64,
    told: Option<Timestamp>,
    pub(super) address: IpAddr,
    /// Whether there was no other address, and the endpoint while there is one alone.
    pub(super) only: bool,
    pub(super) endpoint: Option<Arc<str>>,
    /// Credentials refused in the day that goes on, for what a day usually has.
    pub(super) in_day: u32,
}

impl<const N: usize> Subject<N> {
    pub(super) fn new(shown: &Shown<'_>) -> Self {
        Self {
            credentials: Sampled::default(),
            sources: Distinct::default(),
            majority: Majority::default(),
            refused: None,
            first: shown.now,
            asked: 0,
            told: None,
            address: shown.address,
            only: true,
            endpoint: shown.endpoint().cloned(),
            in_day: 0,
        }
    }

    /// One that was never accepted is refused.
    pub(super) fn refused(&mut self, shown: &Shown<'_>, part: IpNet) {
        // What an occurrence that is over has left in the window was told of, and is no evidence for another.
        let is_over = self.told.is_some_and(|told| told + DOC.quiet <= shown.now);
        if is_over || self.is_empty(shown.now) {
            *self = Self {
                in_day: self.in_day,
                ..Self::new(shown)
            };
        }
        let id = &shown.credential.id;
        if self.credentials.get(&**id).is_none() {
            self.in_day = self.in_day.saturating_add(1);
        }
        self.credentials.see(shown.now, WINDOW, &**id);
        self.sources.see(shown.now, WINDOW, &shown.source);
        self.majority.add(part);
        self.refused = Some((Arc::clone(id), shown.now));
        self.asked += 1;
        self.only &= self.address == shown.address;
        if self.endpoint.as_ref() != shown.endpoint() {
            self.endpoint = None;
        }
    }

    /// One is accepted: it was never unknown, and one that is new here may replace the latest that was refused.
    pub(super) fn accepted(&mut self, shown: &Shown<'_>) {
        let id = &shown.credential.id;
        let is_new = self.credentials.get(&**id).is_none();
        if let Some(good) = self.credentials.see(shown.now, WINDOW, &**id) {
            *good = true;
        }
        if is_new
            && let Some((refused, when)) = self.refused.take()
            && shown.now < when + REPLACED
            && let Some(good) = self.credentials.see(when, WINDOW, &*refused)
        {
            *good = true;
        }
    }

    /// Shown, and those of them that were never accepted.
    pub(super) fn count(&mut self, now: Timestamp) -> (Number, Number) {
        self.credentials.forget(now, WINDOW);
        let number = |count: usize| Number {
            all: self.credentials.stands_for(count),
            sampled: u32::try_from(count).unwrap_or(u32::MAX),
        };
        let unknown = self.credentials.marks().filter(|good| !**good).count();
        (number(self.credentials.marks().count()), number(unknown))
    }

    pub(super) fn is_exact(&self) -> bool {
        self.credentials.is_exact()
    }

    /// Whether it is so many sources at least, and no part of it is behind most.
    pub(super) fn is_spread(&self, sources: u64) -> bool {
        self.sources.count() >= sources && !self.majority.has_one()
    }

    pub(super) fn sources(&self) -> u64 {
        self.sources.count()
    }

    pub(super) fn tell(&mut self, now: Timestamp) {
        self.told = Some(now);
    }

    pub(super) fn was_told(&self) -> bool {
        self.told.is_some()
    }

    pub(super) fn weight(&self) -> u64 {
        self.credentials.marks().filter(|good| !**good).count() as u64
    }

    fn is_empty(&mut self, now: Timestamp) -> bool {
        self.credentials.forget(now, WINDOW);
        self.credentials.marks().next().is_none()
    }
}
