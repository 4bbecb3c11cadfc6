//! `account_anomaly`: an account that is not used as it ever was.

mod doc;
mod profile;
mod rows;
mod settings;
mod tell;
#[cfg(test)]
mod tests;
mod usual;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use self::doc::{MOST_ACCOUNTS, VISITS};
use self::profile::{Profile, Request, Terms};
use self::tell::Told;
use self::usual::Usual;
use super::{Detector, DetectorDoc};
use crate::baseline::bits::hash;
use crate::baseline::knowledge::{Knowledge, Sought, Value};
use crate::baseline::occurrence::Occurrences;
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::identity::attempt::Attempt;
use crate::enrich::identity::login::LoginOutcome;
use crate::enrich::identity::{Identity, IdentityKind, IdentitySource};
use crate::event::FlowId;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{Client, HttpRecord, HttpRole};
use crate::time::Timestamp;

/// An account is forgotten after so long.
const KEEP: Duration = Duration::from_hours(24 * 60);
/// How often visits that are over are swept up.
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// A session follows a login on the same connection within this.
const AFTER_LOGIN: Duration = Duration::from_mins(2);
/// Logins and sessions that are remembered.
const MOST_LOGINS: usize = 8_192;
const MOST_SESSIONS: usize = 32_768;
const KEEP_SESSIONS: Duration = Duration::from_hours(48);
/// Occurrences at a time.
const MOST_OPEN: usize = 1_024;

/// The detector.
#[derive(Debug)]
pub struct AccountAnomaly {
    terms: Terms,
    /// Visits a week that may be told wrongly.
    allowed: f64,
    profiles: Recent<Arc<str>, Profile>,
    /// The latest login on a connection, and whose session followed it.
    logins: Recent<(FlowId, Source), (Arc<str>, Timestamp)>,
    sessions: Recent<Arc<str>, Arc<str>>,
    usual: Usual,
    /// Accounts that were exported and are forgotten.
    gone: Vec<Arc<str>>,
    told: Occurrences<Arc<str>, Told>,
    next_sweep: Option<Timestamp>,
}

impl AccountAnomaly {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        Self {
            terms: Terms {
                period: *config.learning.period,
            },
            allowed: budget.alpha(&VISITS, DOC.tests),
            profiles: Recent::new(MOST_ACCOUNTS, KEEP),
            logins: Recent::new(MOST_LOGINS, AFTER_LOGIN),
            sessions: Recent::new(MOST_SESSIONS, KEEP_SESSIONS),
            usual: Usual::default(),
            gone: Vec::new(),
            told: Occurrences::new(MOST_OPEN, DOC.quiet),
            next_sweep: None,
        }
    }

    /// Whose request it is: the account that is named, or that of the session.
    fn account(&mut self, now: Timestamp, record: &HttpRecord, client: &Client) -> Option<Arc<str>> {
        let of = |kind| {
            let mut all = record.identity.iter();
            all.find(|identity| identity.kind == kind && !identity.unproven)
        };
        if let Some(account) = of(IdentityKind::Account) {
            if account.source == IdentitySource::Login {
                return self.logs_in(now, record, client, account);
            }
            return Some(Arc::clone(&account.id));
        }
        if let Some(session) = of(IdentityKind::Session) {
            if let Some(account) = self.sessions.see(now, &session.id) {
                return Some(Arc::clone(account));
            }
            let login = self.logins.remove(&(record.flow, client.ip.into()));
            if let Some((account, _)) = login.filter(|(_, when)| now < *when + AFTER_LOGIN) {
                self.sessions
                    .see_or_make(now, &session.id, || Arc::clone(&account), |_| 0);
                return Some(account);
            }
        }
        of(IdentityKind::Key).map(|key| Arc::clone(&key.id))
    }

    fn logs_in(
        &mut self,
        now: Timestamp,
        record: &HttpRecord,
        client: &Client,
        account: &Identity,
    ) -> Option<Arc<str>> {
        if record.login != Some(LoginOutcome::Success) {
            return None;
        }
        let key = (record.flow, Source::from(client.ip));
        let login = self
            .logins
            .see_or_make(now, &key, || (Arc::clone(&account.id), now), |_| 0);
        *login = (Arc::clone(&account.id), now);
        Some(Arc::clone(&account.id))
    }

    fn uses(&mut self, now: Timestamp, account: &Arc<str>, request: &Request<'_>, record: &Arc<HttpRecord>) {
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let profile = self
            .profiles
            .see_or_make(now, account, || Profile::new(now), Profile::weight);
        if let Some(over) = profile.begin(now) {
            self.usual.learn(&over);
        }
        if !profile.add(now, request) {
            return;
        }
        // Something that it never did: is all of it together more than chance brings in a week?
        let Some(visit) = profile.judged(&self.terms) else {
            return;
        };
        let a_week = self.usual.a_week(now) * self.usual.chance(visit);
        if a_week > self.allowed || !visit.is_odd() {
            return;
        }
        let told = Told::new(account, visit, &self.usual, (a_week, self.allowed), Arc::clone(record));
        let first = visit.first;
        let asked = visit.asked;
        profile.tell();
        let case = self.told.add(now, account, || told.clone());
        if case.count == 1 {
            case.reach_back(first, u64::from(asked).saturating_sub(1));
        }
        case.what = told;
    }
}

impl Detector for AccountAnomaly {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, _findings: &mut Vec<Finding>) {
        let record = match observation {
            Observation::Transaction(record) => record,
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => return,
        };
        if record.identity.is_empty() || record.role != HttpRole::Server {
            return;
        }
        let (Some(request), Some(client)) = (&record.request, &record.client) else {
            return;
        };
        // An account learns from what was accepted, and nothing is said of it for what was refused.
        if Attempt::of(record) != Some(Attempt::Accepted) {
            return;
        }
        let now = record.end();
        if let Some(account) = self.account(now, record, client) {
            let request = Request {
                endpoint: request.endpoint.as_deref().map_or(0, hash),
                agent: request.user_agent.as_deref().unwrap_or_default(),
                network: network(client),
            };
            self.uses(now, &account, &request, record);
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.told.expire(now, |_, case| findings.push(tell::finding(case)));
        if self.next_sweep.is_some_and(|due| due <= now) {
            for (_, profile) in self.profiles.iter_mut() {
                if let Some(over) = profile.end(now) {
                    self.usual.learn(&over);
                }
            }
            // Nobody may ever ask for them: then they must not grow either.
            let room = MOST_ACCOUNTS.saturating_sub(self.gone.len());
            let stale = self.profiles.iter().filter(|(_, profile)| profile.last + KEEP <= now);
            self.gone
                .extend(stale.map(|(account, _)| Arc::clone(account)).take(room));
            self.profiles.expire(now);
            self.logins.expire(now);
            self.sessions.expire(now);
            self.next_sweep = (!self.profiles.is_empty()).then(|| now + SWEEP_EVERY);
        }
    }

    fn finish(&mut self, _now: Timestamp, findings: &mut Vec<Finding>) {
        self.told.tell_all(|_, case| findings.push(tell::finding(case)));
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        [self.next_sweep, self.told.next_timeout()].into_iter().flatten().min()
    }

    fn learning(&self, now: Timestamp) -> u64 {
        let learns = |profile: &Profile| !profile.is_mature(now, &self.terms);
        self.profiles.iter().filter(|(_, profile)| learns(profile)).count() as u64
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<Knowledge> {
        let known = |profile: &Profile| {
            let hours = profile.hours.map(|days| (days > 0).then(|| f64::from(days)));
            let number = |things: &[u64]| Value::Number(things.len() as f64);
            Knowledge {
                last: Some(profile.last),
                ..Knowledge::since(profile.first, !profile.is_mature(now, &self.terms))
                    .and("days_seen_by_hour", Value::Day(Box::new(hours)))
                    .and("visits", Value::Number(f64::from(profile.visits)))
                    .and("endpoints", number(&profile.endpoints))
                    .and("programs", number(&profile.programs))
                    .and("networks", number(&profile.networks))
            }
        };
        let profile = self.profiles.iter().find(|(account, _)| subject.is(account));
        profile.map(|(_, profile)| known(profile)).into_iter().collect()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("account_anomaly_accounts_evicted", self.profiles.evicted()),
            ("account_anomaly_logins_evicted", self.logins.evicted()),
            ("account_anomaly_sessions_evicted", self.sessions.evicted()),
            ("account_anomaly_occurrences_evicted", self.told.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.export()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.take_back(rows, now);
    }
}

/// Its autonomous system, else /16 of IPv4 or /32 of IPv6.
fn network(client: &Client) -> u64 {
    if let Some(asn) = client.whereabouts.as_ref().and_then(|place| place.asn) {
        return hash(&asn);
    }
    match Source::from(client.ip) {
        Source::V4(address) => hash(&(4, address >> 16)),
        Source::V6(upper) => hash(&(6, upper >> 32)),
    }
}
