//! `credential_sharing`: one key, token or session in several places.

mod doc;
mod place;
mod settings;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use self::doc::{MOST_CREDENTIALS, NETWORKS, TRAVEL, TRAVEL_DAY};
use self::place::{ByWhat, Network, Place};
use super::{Detector, DetectorDoc};
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::distinct::Distinct;
use crate::baseline::recent::Recent;
use crate::baseline::sliding::Sliding;
use crate::baseline::source::Source;
use crate::config::Config;
use crate::enrich::identity::attempt::Attempt;
use crate::enrich::identity::{Identity, IdentityKind};
use crate::enrich::networks::{NetworkKind, Settings as Networks};
use crate::finding::Finding;
use crate::finding::occurrence::Occurrence;
use crate::observation::Observation;
use crate::record::{Client, HttpRecord};
use crate::time::Timestamp;

/// The windows.
const DAY: Duration = Duration::from_hours(24);
/// See [`DAY`].
const HOUR: Duration = Duration::from_hours(1);
/// How often what is over is swept out, and what was held back is told.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Networks of a credential that are remembered; the one unused for longest is given up.
const MOST_PLACES: usize = 32;
/// Accounts, tokens and sessions that come with the key of an application.
const OF_APPLICATION: u64 = 3;
/// Networks that an alert names.
const MOST_NAMED: usize = 5;

/// Share of credentials in one more network, or on one more impossible journey, that go on to yet another (see the page).
struct Shares {
    networks: f64,
    travel: f64,
}
const PEOPLE: Shares = Shares {
    networks: 0.2,
    travel: 0.3,
};
const MACHINES: Shares = Shares {
    networks: 0.02,
    travel: 0.02,
};

/// How many more networks, and how many journeys, chance does not explain.
#[derive(Clone, Copy, Debug)]
struct Lines {
    networks: u32,
    travel: u32,
    travel_day: u32,
}

/// The detector.
#[derive(Debug)]
pub struct CredentialSharing {
    networks: Networks,
    people: Lines,
    machines: Lines,
    credentials: Recent<Arc<str>, Used>,
    application_keys: u64,
    next_sweep: Option<Timestamp>,
}

/// Where a credential was used. About 300 bytes, and 60 for each network.
#[derive(Debug)]
struct Used {
    kind: IdentityKind,
    /// The latest, and its place among `places`.
    source: Source,
    at: usize,
    places: Vec<Place>,
    journeys: Sliding<u32, 6>,
    journeys_day: Sliding<u32, 24>,
    by: ByWhat,
    companions: Distinct<4>,
    is_application: bool,
    occurrence: Occurrence,
}

impl CredentialSharing {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let line = |share: f64, alpha: f64| {
            (1u32..1_000)
                .find(|more| f64::from(*more) * share.ln() <= alpha.ln())
                .unwrap_or(u32::MAX)
        };
        let lines = |shares: &Shares| Lines {
            networks: line(shares.networks, budget.alpha(&NETWORKS, DOC.tests)),
            travel: line(shares.travel, budget.alpha(&TRAVEL, DOC.tests)),
            travel_day: line(shares.travel, budget.alpha(&TRAVEL_DAY, DOC.tests)),
        };
        Self {
            networks: config.networks.clone(),
            people: lines(&PEOPLE),
            machines: lines(&MACHINES),
            credentials: Recent::new(MOST_CREDENTIALS, HOUR),
            application_keys: 0,
            next_sweep: None,
        }
    }

    /// The credential is used where it was not the last time, or for the first time.
    fn moved(
        &mut self,
        now: Timestamp,
        credential: &Identity,
        client: &Client,
        record: &Arc<HttpRecord>,
        findings: &mut Vec<Finding>,
    ) {
        let place = client.whereabouts.as_ref();
        if place.is_some_and(|place| place.kind == Some(NetworkKind::Internal)) || self.networks.is_internal(client.ip)
        {
            return;
        }
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let here = Place::of(client, now);
        let make = || Used {
            kind: credential.kind,
            source: client.ip.into(),
            at: 0,
            places: vec![here.clone()],
            journeys: Sliding::new(TRAVEL.step),
            journeys_day: Sliding::new(TRAVEL_DAY.step),
            by: ByWhat::Position,
            companions: Distinct::default(),
            is_application: false,
            occurrence: Occurrence::new(now),
        };
        let used = self
            .credentials
            .see_or_make(now, &credential.id, make, |used| used.places.len() as u64);
        if credential.kind == IdentityKind::Key && !used.is_application {
            for companion in record.identity.iter().filter(|other| other.kind != IdentityKind::Key) {
                used.companions.see(now, HOUR, &*companion.id);
            }
            used.is_application = used.companions.count() >= OF_APPLICATION;
            self.application_keys += u64::from(used.is_application);
        }
        let far = used.move_to(here, client.ip.into(), now);
        if let Some(by) = far {
            *used.journeys.at(now) += 1;
            *used.journeys_day.at(now) += 1;
            used.by = by;
        }
        if used.is_application {
            return;
        }
        let lines = match credential.kind {
            IdentityKind::Key => self.machines,
            IdentityKind::Token | IdentityKind::Account | IdentityKind::Session => self.people,
        };
        used.slide(now);
        let often = used.journeys.sum() >= lines.travel || used.journeys_day.sum() >= lines.travel_day;
        if often || used.networks(now) > lines.networks {
            used.occurrence.add(now, DOC.quiet, true);
            self.tell(now, &credential.id, Some(record), findings);
        }
    }

    fn tell(
        &mut self,
        now: Timestamp,
        credential: &Arc<str>,
        sample: Option<&Arc<HttpRecord>>,
        findings: &mut Vec<Finding>,
    ) {
        let (people, machines) = (self.people, self.machines);
        let Some(used) = self.credentials.see(now, credential) else {
            return;
        };
        let Some(count) = used.occurrence.tell(now, false) else {
            return;
        };
        let lines = match used.kind {
            IdentityKind::Key => machines,
            IdentityKind::Token | IdentityKind::Account | IdentityKind::Session => people,
        };
        used.slide(now);
        let networks = used.networks(now);
        let in_an_hour = used.journeys.sum() >= lines.travel;
        let by_travel = in_an_hour || used.journeys_day.sum() >= lines.travel_day;
        let (journeys, travel, window, within) = if in_an_hour || !by_travel {
            (used.journeys.sum(), lines.travel, HOUR, "an hour")
        } else {
            (used.journeys_day.sum(), lines.travel_day, DAY, "a day")
        };
        let mut latest: Vec<&Place> = used.places.iter().collect();
        latest.sort_by_key(|place| std::cmp::Reverse(place.last));
        let names: Vec<String> = latest.iter().take(MOST_NAMED).map(|place| place.name()).collect();
        let names = names.join(", ");
        let summary = if by_travel {
            format!(
                "{credential} went {journeys} times within {within} between places that are too far apart to travel in the time \
                 between: {names}"
            )
        } else {
            format!("{credential} was accepted from {networks} networks within an hour: {names}")
        };
        let confidence = match (by_travel, used.by, used.places.first().map(|place| &place.network)) {
            (true, ByWhat::Position, _) => 0.5,
            (true, ByWhat::Country, _) | (false, _, Some(Network::Asn(_) | Network::Organization(_))) => 0.4,
            (false, _, Some(Network::V4(_) | Network::V6(_)) | None) => 0.3,
        };
        let (observed, threshold, unit, expected) = if by_travel {
            (journeys, travel, "journeys", 0.0)
        } else {
            (networks, lines.networks.saturating_add(1), "networks", 1.0)
        };
        findings.push(Finding {
            detector: &DOC,
            first_seen: used.occurrence.first,
            last_seen: used.occurrence.last,
            count,
            severity: if by_travel { Severity::High } else { Severity::Medium },
            confidence,
            title: format!("{credential} is used in several places"),
            summary,
            actor: Some(Actor {
                kind: match used.kind {
                    IdentityKind::Key => ActorKind::Key,
                    IdentityKind::Token => ActorKind::Token,
                    IdentityKind::Account => ActorKind::Account,
                    IdentityKind::Session => ActorKind::Session,
                },
                id: Arc::clone(credential),
            }),
            target: Target::default(),
            evidence: Evidence {
                observed: Quantity::Number(observed.into()),
                expected: Quantity::Number(expected),
                threshold: Quantity::Number(threshold.into()),
                unit: Some(unit),
                window_s: window.as_secs(),
                method: "upper tail of a geometric distribution, against a part of the false-alarm budget",
                would_not_alert: format!(
                    "Fewer than {threshold} {unit} within {within}, or networks of one organization."
                ),
                samples: sample
                    .map(|record| Sample::Http(Arc::clone(record)))
                    .into_iter()
                    .collect(),
            },
            coverage: None,
        });
    }

    fn tell_held_back(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let held = |(_, used): &(&Arc<str>, &Used)| used.occurrence.is_held_back(now, DOC.quiet);
        let held: Vec<Arc<str>> = self
            .credentials
            .iter()
            .filter(held)
            .map(|(id, _)| Arc::clone(id))
            .collect();
        for credential in held {
            self.tell(now, &credential, None, findings);
        }
    }
}

impl Used {
    fn slide(&mut self, now: Timestamp) {
        self.journeys.slide(now);
        self.journeys_day.slide(now);
    }

    /// It is used from `here`; says whether that was too far from where it was used before.
    fn move_to(&mut self, here: Place, source: Source, now: Timestamp) -> Option<ByWhat> {
        self.source = source;
        let before = self.places.get(self.at)?;
        let far = (before.network != here.network)
            .then(|| before.is_too_far(&here, now))
            .flatten();
        if let Some(known) = self.places.iter().position(|place| place.network == here.network) {
            self.places[known] = here;
            self.at = known;
            return far;
        }
        self.places.retain(|place| place.last + HOUR > now);
        if self.places.len() >= MOST_PLACES
            && let Some((oldest, _)) = self.places.iter().enumerate().min_by_key(|(_, place)| place.last)
        {
            self.places.swap_remove(oldest);
        }
        self.places.push(here);
        self.at = self.places.len() - 1;
        far
    }

    /// Networks within the hour.
    fn networks(&self, now: Timestamp) -> u32 {
        let (mut named, mut v4, mut v6) = (0u32, 0u32, 0u32);
        for place in self.places.iter().filter(|place| place.last + HOUR > now) {
            match place.network {
                Network::Asn(_) | Network::Organization(_) => named += 1,
                Network::V4(_) => v4 += 1,
                Network::V6(_) => v6 += 1,
            }
        }
        named + v4.max(v6)
    }
}

impl Detector for CredentialSharing {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        let record = match observation {
            Observation::Transaction(record) => record,
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => return,
        };
        let (Some(credential), Some(client)) = (credential(&record.identity), &record.client) else {
            return;
        };
        if Attempt::of(record) != Some(Attempt::Accepted) {
            return;
        }
        let now = record.start + Duration::from_micros(record.duration_us);
        // The ordinary case: it comes from where it came before.
        if let Some(used) = self.credentials.see(now, &credential.id)
            && used.source == Source::from(client.ip)
            && let Some(place) = used.places.get_mut(used.at)
        {
            place.last = place.last.max(now);
            return;
        }
        self.moved(now, credential, client, record, findings);
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
        self.credentials.expire(now);
        self.next_sweep = (!self.credentials.is_empty()).then(|| now + SWEEP_EVERY);
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("credentials_evicted", self.credentials.evicted()),
            ("application_keys", self.application_keys),
        ]
    }
}

/// What may be stolen: a key, else a token, else a session. A name is no secret.
#[inline]
fn credential(identities: &[Identity]) -> Option<&Identity> {
    let of = |kind| identities.iter().find(move |identity| identity.kind == kind);
    if identities.is_empty() {
        return None;
    }
    of(IdentityKind::Key)
        .or_else(|| of(IdentityKind::Token))
        .or_else(|| of(IdentityKind::Session))
}
