//! Flagged traffic beside the rest, by what clients have in common: which agents, organizations and fingerprints the
//! attackers have that the others do not.
//!
//! Flagged is a request whose client, identity or fingerprint is the actor of an alert, from that alert on. As long as
//! there was none, nothing is counted.

use std::hash::{BuildHasher as _, Hash};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustc_hash::{FxBuildHasher, FxHashSet};

use crate::alert::{ActorKind, Alert};
use crate::baseline::recent::Recent;
use crate::enrich::fingerprint::Fingerprint;
use crate::enrich::identity::IdentityKind;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// Values of one kind that are kept; some 300 kB each.
const MOST: usize = 2_048;
/// Actors that are remembered.
const MOST_ACTORS: usize = 4_096;

/// By what traffic is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// User agents.
    Agents,
    /// Organizations of the clients' networks.
    Organizations,
    /// Fingerprints of clients.
    Fingerprints,
}

/// Requests with one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// By those that an alert names.
    pub flagged: u64,
    /// Of which answered 401 or 403.
    pub flagged_refused: u64,
    /// By all others.
    pub rest: u64,
    /// Of which answered 401 or 403.
    pub rest_refused: u64,
}

/// Counts by value.
#[derive(Debug)]
pub(super) struct Compare {
    addresses: FxHashSet<IpAddr>,
    networks: Vec<IpNet>,
    identities: FxHashSet<(IdentityKind, Arc<str>)>,
    fingerprints: FxHashSet<Box<str>>,
    /// Actors that there was no room for.
    crowded_out: u64,
    /// By the hash of the value, so that one that is known costs no allocation.
    counts: [Recent<u64, (Box<str>, Count)>; 3],
}

impl Default for Compare {
    fn default() -> Self {
        Self {
            addresses: FxHashSet::default(),
            networks: Vec::new(),
            identities: FxHashSet::default(),
            fingerprints: FxHashSet::default(),
            crowded_out: 0,
            counts: [(); 3].map(|()| Recent::new(MOST, Duration::MAX)),
        }
    }
}

impl Compare {
    /// From now on, what the actor of `alert` does is flagged.
    pub(super) fn flag(&mut self, alert: &Alert) {
        let Some(actor) = &alert.actor else { return };
        if self.addresses.len() + self.networks.len() + self.identities.len() + self.fingerprints.len() >= MOST_ACTORS {
            self.crowded_out += 1;
            return;
        }
        let id = &*actor.id;
        let mut identity = |kind| {
            self.identities.insert((kind, Arc::clone(&actor.id)));
        };
        match actor.kind {
            ActorKind::Ip => self.addresses.extend(id.parse::<IpAddr>().ok()),
            ActorKind::Network => {
                let network = id.parse::<IpNet>().ok();
                self.networks
                    .extend(network.filter(|network| !self.networks.contains(network)));
            }
            ActorKind::Account => identity(IdentityKind::Account),
            ActorKind::Key => identity(IdentityKind::Key),
            ActorKind::Token => identity(IdentityKind::Token),
            ActorKind::Session => identity(IdentityKind::Session),
            ActorKind::Fingerprint => {
                self.fingerprints.insert(id.into());
            }
            // What would be compared with itself, or does not come by HTTP.
            ActorKind::Asn
            | ActorKind::Organization
            | ActorKind::Country
            | ActorKind::UserAgent
            | ActorKind::Process => {}
        }
    }

    pub(super) fn see(&mut self, now: Timestamp, record: &HttpRecord) {
        if self.addresses.is_empty()
            && self.networks.is_empty()
            && self.identities.is_empty()
            && self.fingerprints.is_empty()
        {
            return;
        }
        let is_flagged = self.is_flagged(record);
        let refused = record
            .response
            .as_ref()
            .is_some_and(|response| matches!(response.status, 401 | 403));
        let one = |count: &mut Count| {
            if is_flagged {
                count.flagged += 1;
                count.flagged_refused += u64::from(refused);
            } else {
                count.rest += 1;
                count.rest_refused += u64::from(refused);
            }
        };
        let [agents, organizations, fingerprints] = &mut self.counts;
        if let Some(agent) = record
            .request
            .as_ref()
            .and_then(|request| request.user_agent.as_deref())
        {
            one(count(agents, now, agent, || agent.into()));
        }
        let whereabouts = record.client.as_ref().and_then(|client| client.whereabouts.as_ref());
        if let Some(organization) = whereabouts.and_then(|found| found.org.as_deref()) {
            one(count(organizations, now, organization, || organization.into()));
        }
        if let Some(fingerprint) = record.fingerprint {
            one(count(fingerprints, now, &fingerprint, || {
                fingerprint.to_string().into()
            }));
        }
    }

    /// Those with most flagged requests first.
    pub(super) fn rows(&self, by: By) -> Vec<(Box<str>, Count)> {
        let mut rows: Vec<_> = self.counts[by as usize].iter().map(|(_, row)| row.clone()).collect();
        rows.sort_by(|(a, x), (b, y)| (y.flagged, y.rest).cmp(&(x.flagged, x.rest)).then_with(|| a.cmp(b)));
        rows
    }

    pub(super) fn evicted(&self) -> u64 {
        self.crowded_out + self.counts.iter().map(Recent::evicted).sum::<u64>()
    }

    fn is_flagged(&self, record: &HttpRecord) -> bool {
        let by_client = record.client.as_ref().is_some_and(|client| {
            self.addresses.contains(&client.ip) || self.networks.iter().any(|network| network.contains(&client.ip))
        });
        let by_identity = || {
            let is_flagged = |(kind, id): (IdentityKind, &Arc<str>)| self.identities.contains(&(kind, Arc::clone(id)));
            !self.identities.is_empty() && record.identity.iter().any(|known| is_flagged((known.kind, &known.id)))
        };
        let by_fingerprint = || {
            !self.fingerprints.is_empty()
                && record.fingerprint.is_some_and(|fingerprint: Fingerprint| {
                    self.fingerprints.contains(fingerprint.to_string().as_str())
                })
        };
        by_client || by_identity() || by_fingerprint()
    }
}

/// The count of a value, which is made from `text` if it is new.
fn count<'a>(
    counts: &'a mut Recent<u64, (Box<str>, Count)>,
    now: Timestamp,
    value: &(impl Hash + ?Sized),
    text: impl FnOnce() -> Box<str>,
) -> &'a mut Count {
    let key = FxBuildHasher.hash_one(value);
    let make = || (text(), Count::default());
    // What an attacker has is kept before what others have.
    let telling = |(_, count): &(Box<str>, Count)| count.flagged.saturating_mul(1_000).saturating_add(count.rest);
    &mut counts.see_or_make(now, &key, make, telling).1
}
