//! `credential_sharing`: one key, token or session in several places.

mod doc;
mod place;
mod settings;
mod tell;
#[cfg(test)]
mod tests;
mod ways;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use self::doc::{LONE, LONE_TURNS, MOST_CREDENTIALS, NETWORKS, TRAVEL, TRAVEL_DAY};
use self::place::{ByWhat, Network, Place};
use self::tell::Why;
use self::ways::{Lone, Ways, Who};
use super::{Detector, DetectorDoc};
use crate::baseline::distinct::Distinct;
use crate::baseline::recent::Recent;
use crate::baseline::sliding::Sliding;
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::identity::attempt::Attempt;
use crate::enrich::identity::{Identity, IdentityKind};
use crate::enrich::networks::{NetworkKind, Settings as Networks};
use crate::finding::Finding;
use crate::finding::occurrence::{Added, Occurrence};
use crate::observation::Observation;
use crate::record::{Client, HttpRecord};
use crate::time::Timestamp;

/// See [`Used::networks`].
const HOUR: Duration = Duration::from_hours(1);
/// How often what is over is swept out, and what was held back is told.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Networks of a credential that are remembered; the one unused for longest is given up.
const MOST_PLACES: usize = 32;
/// Ways of a credential that are remembered; it teaches of no more.
const MOST_WAYS: usize = 8;
/// Accounts, tokens and sessions that come with the key of an application.
const OF_APPLICATION: u64 = 3;

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
    /// For one journey, and for several, on a way that hardly any credential went.
    lone_alpha: f64,
    lone_turns_alpha: f64,
    ways: Ways,
    credentials: Recent<Arc<str>, Used>,
    application_keys: u64,
    next_sweep: Option<Timestamp>,
}

/// Where a credential was used. About 500 bytes, and 60 for each network.
#[derive(Debug)]
struct Used {
    kind: IdentityKind,
    /// The latest, and its place among `places`.
    source: Source,
    at: usize,
    places: Vec<Place>,
    journeys: Sliding<u32, 6>,
    journeys_day: Sliding<u32, 24>,
    /// Those of a day on ways that hardly any other went; the ways; and what they taught, which is taken back when they
    /// are told.
    lone: Sliding<u32, 24>,
    ways: Vec<Arc<str>>,
    taught: Lone,
    why: Why,
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
            lone_alpha: budget.alpha(&LONE, DOC.tests),
            lone_turns_alpha: budget.alpha(&LONE_TURNS, DOC.tests),
            ways: Ways::new(config),
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
        if self.credentials.get(&credential.id).is_none() {
            self.ways.arrives(now, credential.kind, &here);
        }
        let make = || Used::new(now, credential.kind, here.clone(), client.ip.into());
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
        let from = used.places.get(used.at).cloned();
        let far = used.move_to(here.clone(), client.ip.into(), now);
        if used.is_application {
            return;
        }
        used.slide(now);
        let lines = match credential.kind {
            IdentityKind::Key => self.machines,
            IdentityKind::Token | IdentityKind::Account | IdentityKind::Session => self.people,
        };
        let mut why = None;
        if let (Some(by), Some(from)) = (far, from) {
            *used.journeys.at(now) += 1;
            *used.journeys_day.at(now) += 1;
            let (hour, day) = (used.journeys.sum(), used.journeys_day.sum());
            if hour >= lines.travel {
                why = Some(Why::Journeys(by, hour, lines.travel, "an hour"));
            } else if day >= lines.travel_day {
                why = Some(Why::Journeys(by, day, lines.travel_day, "a day"));
            }
            let alphas = (self.lone_alpha, self.lone_turns_alpha);
            let lone = used.goes_alone(now, (&from, &here), by, &mut self.ways, alphas);
            why = why.or(lone);
        }
        if why.is_none() && used.networks(now) > lines.networks {
            why = Some(Why::Networks(used.networks(now), lines.networks));
        }
        let Some(why) = why else {
            return;
        };
        if used.occurrence.add(now, DOC.quiet, true) == Added::BeginsAnew {
            used.forget_journeys();
            return;
        }
        used.why = why;
        self.tell(now, &credential.id, Some(record), findings);
    }

    fn tell(
        &mut self,
        now: Timestamp,
        credential: &Arc<str>,
        sample: Option<&Arc<HttpRecord>>,
        findings: &mut Vec<Finding>,
    ) {
        if let Some(used) = self.credentials.see(now, credential)
            && let Some(count) = used.occurrence.tell(now, false)
        {
            findings.push(tell::finding(credential, used, count, sample));
        }
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
    fn new(now: Timestamp, kind: IdentityKind, here: Place, source: Source) -> Self {
        Self {
            kind,
            source,
            at: 0,
            places: vec![here],
            journeys: Sliding::new(TRAVEL.step),
            journeys_day: Sliding::new(TRAVEL_DAY.step),
            lone: Sliding::new(TRAVEL_DAY.step),
            ways: Vec::new(),
            taught: Lone::default(),
            why: Why::Networks(1, 1),
            companions: Distinct::default(),
            is_application: false,
            occurrence: Occurrence::new(now),
        }
    }

    fn slide(&mut self, now: Timestamp) {
        self.journeys.slide(now);
        self.journeys_day.slide(now);
        self.lone.slide(now);
    }

    /// What led to an alert that is over is no evidence for another.
    fn forget_journeys(&mut self) {
        self.journeys = Sliding::new(TRAVEL.step);
        self.journeys_day = Sliding::new(TRAVEL_DAY.step);
        self.lone = Sliding::new(TRAVEL_DAY.step);
    }

    /// It makes a journey that nobody makes; says whether it is to be told because hardly any credential went that way.
    fn goes_alone(
        &mut self,
        now: Timestamp,
        (from, to): (&Place, &Place),
        by: ByWhat,
        ways: &mut Ways,
        (once, turns): (f64, f64),
    ) -> Option<Why> {
        let who = Who::of(self.kind, from, to)?;
        let way = Ways::name(from, to)?;
        let is_lone = ways.is_lone(&way);
        let is_nobodys = ways.is_nobodys(now, to) || ways.is_nobodys(now, from);
        if self.ways.contains(&way) {
            if is_lone {
                self.taught = self.taught.and(ways.goes_on(who));
            }
        } else if self.ways.len() < MOST_WAYS {
            self.ways.push(Arc::clone(&way));
            self.taught = self.taught.and(ways.begins(now, &way, who, is_lone));
        }
        if !is_lone {
            return None;
        }
        *self.lone.at(now) += 1;
        if ways.is_learning(now) {
            return None;
        }
        let (journeys, line) = (self.lone.sum(), ways.line(now, who, self.taught, turns));
        let expected = ways.a_week(now, who, self.taught) * ways.first_of_country();
        let why = if journeys >= line {
            Why::Turns(by, journeys, line)
        } else if is_nobodys && expected <= once {
            Why::Once(by, way, expected, once)
        } else {
            return None;
        };
        ways.takes_back(who, std::mem::take(&mut self.taught));
        Some(why)
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
        self.ways.expire(now);
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
            ("credential_ways_evicted", self.ways.evicted()),
        ]
    }

    fn learning(&self, now: Timestamp) -> u64 {
        u64::from(self.ways.is_learning(now))
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.ways.export()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.ways.import(rows, now);
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
