//! What an endpoint gives, and what one recipient was given.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::doc::DOC;
use super::sizes::Sizes;
use crate::alert::{Actor, ActorKind};
use crate::baseline::amounts::Span;
use crate::baseline::ledger::{Ledger, Passed, Terms};
use crate::baseline::source::Source;
use crate::enrich::identity::{Identity, IdentityKind};
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// Others that are given as much make it ordinary.
pub(super) const OTHERS: usize = 3;
/// Within this.
pub(super) const DAY: Duration = Duration::from_hours(24);
/// While nothing is judged yet: what comes again after this is no accident.
const ANOTHER_DAY: Duration = Duration::from_hours(12);
/// How long what was large is remembered.
const REMEMBERED: Duration = Duration::from_hours(8 * 24);

/// Who is sent something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Recipient {
    /// One that this host accepted.
    Identity(IdentityKind, Arc<str>),
    /// One without.
    Client(Source, IpAddr),
}

/// What an endpoint gives.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) sizes: Sizes,
    /// The latest who were given something beyond the line: one each.
    large: Vec<Large>,
    pub(super) first: Timestamp,
    pub(super) dirty: bool,
}

#[derive(Debug)]
struct Large {
    who: Recipient,
    size: u64,
    at: Timestamp,
    told: Option<Timestamp>,
}

/// What was sent to one.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) ledger: Ledger,
    /// The endpoint, while there is one alone.
    pub(super) endpoint: Option<Arc<str>>,
    /// The longest of those that the windows hold.
    pub(super) sample: Option<Arc<HttpRecord>>,
}

impl Recipient {
    /// Whom a response goes to: the identity that was accepted, else the client.
    pub(super) fn of(record: &HttpRecord) -> Option<Self> {
        let rank = |identity: &&Identity| match identity.kind {
            IdentityKind::Account => 0,
            IdentityKind::Key => 1,
            IdentityKind::Token => 2,
            IdentityKind::Session => 3,
        };
        let proven = record.identity.iter().filter(|identity| !identity.unproven);
        match proven.min_by_key(rank) {
            Some(identity) => Some(Self::Identity(identity.kind, Arc::clone(&identity.id))),
            None => record
                .client
                .as_ref()
                .map(|client| Self::Client(client.ip.into(), client.ip)),
        }
    }

    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Identity(kind, id) => Actor {
                kind: match kind {
                    IdentityKind::Key => ActorKind::Key,
                    IdentityKind::Token => ActorKind::Token,
                    IdentityKind::Account => ActorKind::Account,
                    IdentityKind::Session => ActorKind::Session,
                },
                id: Arc::clone(id),
            },
            Self::Client(source, address) => source.actor(*address, true),
        }
    }

    /// As rows name it: kind and id.
    pub(super) fn row(&self) -> (&'static str, Arc<str>) {
        match self {
            Self::Identity(kind, id) => {
                let kind = match kind {
                    IdentityKind::Account => "account",
                    IdentityKind::Key => "key",
                    IdentityKind::Token => "token",
                    IdentityKind::Session => "session",
                };
                (kind, Arc::clone(id))
            }
            Self::Client(_, address) => ("client", address.to_string().into()),
        }
    }

    pub(super) fn from_row(kind: &str, id: &Arc<str>) -> Option<Self> {
        let identity = |kind| Some(Self::Identity(kind, Arc::clone(id)));
        match kind {
            "account" => identity(IdentityKind::Account),
            "key" => identity(IdentityKind::Key),
            "token" => identity(IdentityKind::Token),
            "session" => identity(IdentityKind::Session),
            "client" => {
                let address: IpAddr = id.parse().ok()?;
                Some(Self::Client(address.into(), address))
            }
            _ => None,
        }
    }
}

impl Given {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            first: now,
            dirty: true,
            ..Self::default()
        }
    }

    /// One that was known before.
    pub(super) fn known(first: Timestamp, sizes: Sizes) -> Self {
        Self {
            sizes,
            first,
            ..Self::default()
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.sizes.sketch().count()
    }

    /// How many others were given half as much or more within a day; this one is noted.
    pub(super) fn others(&mut self, now: Timestamp, who: &Recipient, size: u64) -> usize {
        let is_other = |large: &&Large| large.who != *who && large.size >= size / 2 && large.at + DAY > now;
        let others = self.large.iter().filter(is_other).count();
        let before = self.large.iter().position(|large| large.who == *who);
        let told = before.and_then(|at| self.large.remove(at).told);
        self.large.retain(|large| large.at + REMEMBERED > now);
        if self.large.len() > OTHERS {
            self.large.remove(0);
        }
        self.large.push(Large {
            who: who.clone(),
            size,
            at: now,
            told,
        });
        others
    }

    /// Whether as much was given half a day or more before.
    pub(super) fn was_given_before(&self, now: Timestamp, size: u64) -> bool {
        self.large
            .iter()
            .any(|large| large.size >= size / 2 && large.at + ANOTHER_DAY <= now)
    }

    /// It is told that this one was given so much.
    pub(super) fn tell(&mut self, now: Timestamp, who: &Recipient) {
        if let Some(large) = self.large.iter_mut().find(|large| large.who == *who) {
            large.told.get_or_insert(now);
        }
    }

    /// What was told of from `from` until before `until` is ordinary. Gives the number of recipients.
    pub(super) fn adopt(&mut self, from: Timestamp, until: Timestamp) -> u64 {
        let told = |large: &&mut Large| large.told.is_some_and(|told| (from..until).contains(&told));
        let adopted = self.large.iter_mut().filter(told);
        adopted.map(|large| large.told = Some(Timestamp::ZERO)).count() as u64
    }

    /// Whether that was told of this one for so long that it is ordinary.
    pub(super) fn is_adopted(&self, now: Timestamp, who: &Recipient, adopt_after: Duration) -> bool {
        let mut large = self.large.iter().filter(|large| large.who == *who);
        large.any(|large| large.told.is_some_and(|told| told + adopt_after <= now))
    }
}

impl Sent {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            endpoint: None,
            sample: None,
        }
    }

    pub(super) fn slide(&mut self, now: Timestamp, worth: u64) -> Passed {
        let terms = Terms {
            quiet: DOC.quiet,
            worth,
            from: Timestamp::ZERO,
        };
        let passed = self.ledger.slide(now, terms);
        let is_empty = self.ledger.amounts.sum(Span::Week) == 0;
        if passed == Passed::Occurrence || is_empty {
            (self.endpoint, self.sample) = (None, None);
        }
        passed
    }

    pub(super) fn add(&mut self, now: Timestamp, size: u64, record: &Arc<HttpRecord>, endpoint: &Arc<str>) -> bool {
        match &self.sample {
            None => self.endpoint = Some(Arc::clone(endpoint)),
            Some(_) if self.endpoint.as_ref().is_some_and(|known| known != endpoint) => self.endpoint = None,
            Some(_) => {}
        }
        if self.sample.is_none() || self.longest() < size {
            self.sample = Some(Arc::clone(record));
        }
        self.ledger.add(now, size)
    }

    /// Bytes of the longest that the windows hold, or of a longer one before.
    pub(super) fn longest(&self) -> u64 {
        let response = self.sample.as_ref().and_then(|record| record.response.as_ref());
        response.map_or(0, |response| response.body_bytes)
    }
}
