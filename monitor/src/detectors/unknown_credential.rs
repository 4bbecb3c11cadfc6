//! `unknown_credential`: many credentials that were never accepted here.

mod days;
mod doc;
mod settings;
mod shown;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use self::days::Days;
use self::doc::{ENDPOINT, MOST_ENDPOINTS, MOST_NETWORKS, MOST_SOURCES, NETWORK, SOURCE};
use self::shown::{Shown, Subject};
use self::tell::{Told, Who};
use super::{Detector, DetectorDoc};
use crate::baseline::beginning::Beginning;
use crate::baseline::occurrence::Occurrences;
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::tail::Line;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::identity::attempt::Attempt;
use crate::enrich::identity::{Identity, IdentityKind, IdentitySource};
use crate::finding::Finding;
use crate::observation::Observation;
use crate::time::Timestamp;

/// How long a credential counts among those shown.
const WINDOW: Duration = Duration::from_hours(24);
/// How often what is over is swept out.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Sources behind a network, and at an endpoint: with fewer each is told by itself.
const FEW_SOURCES: u64 = 3;
const FEW_AT_ENDPOINT: u64 = 8;
/// Occurrences at a time.
const MOST_OPEN: usize = 1_024;

/// The detector.
#[derive(Debug)]
pub struct UnknownCredential {
    source_line: Line,
    network_line: Line,
    sources: Recent<Source, Subject<64>>,
    networks: Recent<IpNet, Subject<64>>,
    endpoints: Recent<Arc<str>, Subject<256>>,
    /// How many there are at an endpoint in a day.
    days: Days,
    beginning: Beginning,
    told: Occurrences<Who, Told>,
    next_sweep: Option<Timestamp>,
}

impl UnknownCredential {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let share = config.rates.industry_login_failure;
        // With this correlation the rates of subjects differ by a standard deviation of the mean.
        let rho = share / (1.0 - share);
        let line = |test| Line::new(share, rho, budget.alpha(test, DOC.tests));
        Self {
            source_line: line(&SOURCE),
            network_line: line(&NETWORK),
            sources: Recent::new(MOST_SOURCES, WINDOW),
            networks: Recent::new(MOST_NETWORKS, WINDOW),
            endpoints: Recent::new(MOST_ENDPOINTS, WINDOW),
            days: Days::new(budget.alpha(&ENDPOINT, DOC.tests)),
            beginning: Beginning::new(config),
            told: Occurrences::new(MOST_OPEN, DOC.quiet),
            next_sweep: None,
        }
    }

    fn accepted(&mut self, shown: &Shown<'_>) {
        if self.sources.is_empty() {
            return;
        }
        if let Some(known) = self.sources.see(shown.now, &shown.source) {
            known.accepted(shown);
        }
        if let Some(known) = network(shown.address).and_then(|network| self.networks.see(shown.now, &network)) {
            known.accepted(shown);
        }
        if let Some(known) = shown
            .endpoint()
            .and_then(|endpoint| self.endpoints.see(shown.now, endpoint))
        {
            known.accepted(shown);
        }
    }

    fn refused(&mut self, shown: &Shown<'_>) {
        let now = shown.now;
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let host = IpNet::from(shown.address);
        let known = self
            .sources
            .see_or_make(now, &shown.source, || Subject::new(shown), Subject::weight);
        known.refused(shown, host);
        let (tried, unknown) = known.count(now);
        let line = self.source_line.at(tried.sampled);
        let mean = self.source_line.mean();
        if unknown.sampled >= line {
            known.tell(now);
            let who = Who::Source(shown.source);
            let told = Told::of(
                shown.source.actor(known.address, known.only),
                known,
                (tried, unknown),
                line,
                mean,
            );
            return self.add(now, &who, told, shown);
        }
        let mut found = None;
        if let Some(network) = network(shown.address) {
            let known = self
                .networks
                .see_or_make(now, &network, || Subject::new(shown), Subject::weight);
            known.refused(shown, host);
            let (tried, unknown) = known.count(now);
            let line = self.network_line.at(tried.sampled);
            if known.is_spread(FEW_SOURCES) && unknown.sampled >= line {
                known.tell(now);
                let told = Told::of(tell::network(network), known, (tried, unknown), line, mean);
                found = Some((Who::Network(network), told));
            }
        }
        if let Some(endpoint) = shown.endpoint() {
            let known = self
                .endpoints
                .see_or_make(now, endpoint, || Subject::new(shown), Subject::weight);
            known.refused(shown, network(shown.address).unwrap_or(host));
            let (tried, unknown) = known.count(now);
            let (line, expected) = self.days.line(endpoint, !self.beginning.is_over(now));
            if found.is_none() && known.is_spread(FEW_AT_ENDPOINT) && unknown.all >= line {
                known.tell(now);
                let told = Told::at_endpoint(known, (tried, unknown), line, expected);
                found = Some((Who::Endpoint(Arc::clone(endpoint)), told));
            }
        }
        if let Some((who, told)) = found {
            self.add(now, &who, told, shown);
        }
    }

    fn add(&mut self, now: Timestamp, who: &Who, mut told: Told, shown: &Shown<'_>) {
        told.confidence = self.beginning.cap(now, told.confidence);
        told.sample = Some(Arc::clone(shown.record));
        let case = self.told.add(now, who, || told.clone());
        if case.count == 1 {
            case.reach_back(told.first, told.asked.saturating_sub(1));
        }
        case.what = told;
    }
}

impl Detector for UnknownCredential {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, _findings: &mut Vec<Finding>) {
        let record = match observation {
            Observation::Transaction(record) => record,
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => return,
        };
        let (Some(credential), Some(client)) = (credential(&record.identity), &record.client) else {
            return;
        };
        let Some(attempt) = Attempt::of(record) else {
            return;
        };
        let shown = Shown {
            now: record.end(),
            address: client.ip,
            source: client.ip.into(),
            credential,
            record,
        };
        self.beginning.see(shown.now);
        match attempt {
            Attempt::Accepted => self.accepted(&shown),
            Attempt::Refused if credential.unproven => self.refused(&shown),
            Attempt::Refused | Attempt::Expired | Attempt::Asked => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.told
            .expire(now, |who, case| findings.push(tell::finding(who, case)));
        if self.next_sweep.is_some_and(|due| due <= now) {
            self.days.turn(now, &mut self.endpoints);
            self.sources.expire(now);
            self.networks.expire(now);
            self.endpoints.expire(now);
            let is_empty = self.sources.is_empty() && self.endpoints.is_empty();
            self.next_sweep = (!is_empty).then(|| now + SWEEP_EVERY);
        }
    }

    fn finish(&mut self, _now: Timestamp, findings: &mut Vec<Finding>) {
        self.told.tell_all(|who, case| findings.push(tell::finding(who, case)));
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        [self.next_sweep, self.told.next_timeout()].into_iter().flatten().min()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("unknown_credential_sources_evicted", self.sources.evicted()),
            ("unknown_credential_networks_evicted", self.networks.evicted()),
            ("unknown_credential_endpoints_evicted", self.endpoints.evicted()),
            ("unknown_credential_occurrences_evicted", self.told.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = self.beginning.export_dirty();
        changes.extend(self.days.export_dirty());
        changes
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        let (beginning, days): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.subject.is_empty());
        self.beginning.import(&beginning, now);
        self.days.import(days);
    }
}

/// What is shown: a key, else the account that a token, Basic or Digest names, else a token, else a session. What a login says
/// is credential stuffing's.
#[inline]
fn credential(identities: &[Identity]) -> Option<&Identity> {
    if identities.is_empty() {
        return None;
    }
    let of = |kind| {
        identities.iter().find(move |identity| {
            identity.kind == kind && !matches!(identity.source, IdentitySource::Login | IdentitySource::Gateway)
        })
    };
    of(IdentityKind::Key)
        .or_else(|| of(IdentityKind::Account))
        .or_else(|| of(IdentityKind::Token))
        .or_else(|| of(IdentityKind::Session))
}

/// What is usually given to one customer as a whole: /24 of IPv4, /48 of IPv6 (RFC 6177).
fn network(address: IpAddr) -> Option<IpNet> {
    let address = address.to_canonical();
    let prefix = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, prefix).ok().map(|network| network.trunc())
}
