//! `user_agent`: scanners that say so, and one program under many names.

mod doc;
mod fresh;
mod rotation;
mod settings;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hash};
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use self::doc::FRESH;
use self::fresh::{Excess, Fresh, Stage};
use self::rotation::{Sight, Sights, Sign, WINDOW};
use super::{Detector, DetectorDoc};
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::beginning::Beginning;
use crate::baseline::bits;
use crate::baseline::occurrence::{Case, Occurrences};
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::agents::{AgentClass, Engine};
use crate::enrich::identity::IdentityKind;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole};
use crate::time::Timestamp;

/// Sources whose agents change that are remembered: 64 sights of 80 bytes each at most, 40 MB if all were full.
const MOST_CHANGING: usize = 8_192;
/// Occurrences that are remembered.
const MOST_CASES: usize = 8_192;
/// Places for the latest agent of a source: a power of two. Two sources of one place are looked at more often, no more.
const PLACES: usize = 4_096;
/// Agents that an alert names.
const MOST_NAMED: usize = 10;
/// Records of an occurrence that wait to be told as samples.
const MOST_SAMPLES: usize = 3;

/// The detector.
#[derive(Debug)]
pub struct UserAgent {
    beginning: Beginning,
    /// The latest agent of a source: most have one alone, and cost no more than this.
    latest: Box<[Option<(Source, u64)>]>,
    changing: Recent<Source, Sights>,
    fresh: Fresh,
    cases: Occurrences<(Source, Kind), Told>,
}

/// What is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Scanner,
    Rotation,
    Fresh,
}

/// What is known of it.
#[derive(Debug)]
struct Told {
    address: IpAddr,
    only: bool,
    /// Some request was answered with success.
    succeeded: bool,
    agents: BTreeSet<String>,
    /// How a rotation shows, and the most agents that showed it.
    sign: Option<(Sign, usize)>,
    /// New browsers, at the latest.
    excess: Option<Excess>,
    /// The endpoint, while there is one alone.
    endpoint: Option<Arc<str>>,
    samples: Vec<Arc<HttpRecord>>,
}

impl UserAgent {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        Self {
            beginning: Beginning::new(config),
            latest: vec![None; PLACES].into(),
            changing: Recent::new(MOST_CHANGING, WINDOW),
            fresh: Fresh::new(super::budget(config).alpha(&FRESH, DOC.tests)),
            cases: Occurrences::new(MOST_CASES, DOC.quiet),
        }
    }

    fn look(&mut self, record: &Arc<HttpRecord>, agent: &str, class: Option<AgentClass>) {
        let Some(address) = record.client.as_ref().map(|client| client.ip) else {
            return;
        };
        let source = Source::from(address);
        if class == Some(AgentClass::Scanner) {
            self.tell(source, address, Kind::Scanner, None, agent, record);
            return;
        }
        let hash = bits::hash(agent);
        let place = (FxBuildHasher.hash_one(source) >> 40) as usize % PLACES;
        let before = self.latest[place].replace((source, hash));
        if before == Some((source, hash)) {
            return;
        }
        let has_changed = before.is_some_and(|(of, _)| of == source);
        if has_changed {
            self.changed(source, address, hash, agent, record);
        }
        if class == Some(AgentClass::Browser) {
            let now = record.end();
            let stage = if !self.beginning.is_half_over(now, fresh::WINDOW) {
                Stage::Meets
            } else if self.beginning.is_over(now) {
                Stage::Judges
            } else {
                Stage::Learns
            };
            if let Some(excess) = self.fresh.see(now, source, has_changed, hash, stage) {
                self.tell(source, address, Kind::Fresh, None, agent, record).excess = Some(excess);
            }
        }
    }

    fn changed(&mut self, source: Source, address: IpAddr, hash: u64, agent: &str, record: &Arc<HttpRecord>) {
        let Some(fingerprint) = record.fingerprint else {
            return;
        };
        let now = record.end();
        let secret = record.identity.iter().find(|identity| match identity.kind {
            IdentityKind::Token | IdentityKind::Session => !identity.unproven,
            IdentityKind::Key | IdentityKind::Account => false,
        });
        let sights = self
            .changing
            .see_or_make(now, &source, Sights::default, |sights| sights.len() as u64);
        let sign = sights.see(Sight {
            time: now,
            agent: hash,
            engine: Engine::of(agent),
            fingerprint,
            flow: record.flow,
            identity: secret.map(|identity| FxBuildHasher.hash_one(&identity.id)),
        });
        if let Some(sign) = sign {
            self.tell(source, address, Kind::Rotation, Some(sign), agent, record);
        }
    }

    fn tell(
        &mut self,
        source: Source,
        address: IpAddr,
        kind: Kind,
        sign: Option<(Sign, usize)>,
        agent: &str,
        record: &Arc<HttpRecord>,
    ) -> &mut Told {
        let endpoint = record.request.as_ref().and_then(|request| request.endpoint.as_ref());
        let case = self.cases.add(record.end(), &(source, kind), || Told {
            address,
            only: true,
            succeeded: false,
            agents: BTreeSet::new(),
            sign,
            excess: None,
            endpoint: endpoint.cloned(),
            samples: Vec::new(),
        });
        let told = &mut case.what;
        told.only &= told.address == address;
        let status = record.response.as_ref().map(|response| response.status);
        told.succeeded |= status.is_some_and(|status| matches!(status, 101 | 200..300));
        if told.agents.len() < MOST_NAMED && !told.agents.contains(agent) {
            told.agents.insert(agent.to_owned());
        }
        if let (Some((_, most)), Some((_, agents))) = (&mut told.sign, sign) {
            *most = agents.max(*most);
        }
        if told.endpoint.as_ref() != endpoint {
            told.endpoint = None;
        }
        if told.samples.len() < MOST_SAMPLES {
            told.samples.push(Arc::clone(record));
        }
        told
    }

    fn tell_waiting(&mut self, now: Option<Timestamp>, findings: &mut Vec<Finding>) {
        let beginning = &self.beginning;
        let mut tell = |key: &(Source, Kind), case: &mut Case<Told>| findings.push(finding(key.0, case, beginning));
        match now {
            Some(now) => self.cases.expire(now, tell),
            None => self.cases.tell_all(&mut tell),
        }
    }
}

fn finding(source: Source, case: &mut Case<Told>, beginning: &Beginning) -> Finding {
    let count = case.take();
    let (first, last, all) = (case.first, case.last, case.count);
    let told = &mut case.what;
    let actor = source.actor(told.address, told.only);
    let who = Arc::clone(&actor.id);
    let place = told.endpoint.as_deref().unwrap_or("several endpoints");
    let names: Vec<String> = told.agents.iter().cloned().collect();
    let plural = if all == 1 { "" } else { "s" };
    let (severity, confidence, title, summary, evidence) = match (told.excess, told.sign) {
        (Some(excess), _) => {
            let Excess {
                fresh,
                names: shown,
                usual,
                line,
            } = excess;
            let summary = format!(
                "{who} sent requests to {place} as {shown} browsers within a day, of which {fresh} were never seen here, where \
                 {usual:.1} are usual of a source with several: names that are made up ({}, …)",
                names.first().map_or("", String::as_str)
            );
            let evidence = Evidence {
                observed: Quantity::Number(fresh.into()),
                expected: Quantity::Number(usual),
                threshold: Quantity::Number(line.into()),
                unit: Some("new browsers"),
                window_s: fresh::WINDOW.as_secs(),
                method: "upper tail of a negative binomial distribution at what sources of several browsers show, against a \
                         part of the false-alarm budget",
                would_not_alert: format!("Fewer than {line} browsers that nobody had before."),
                samples: Vec::new(),
            };
            let title = format!("Browsers nobody else has: {who}");
            (Severity::Medium, 0.7, title, summary, evidence)
        }
        (None, None) => {
            let severity = if told.succeeded {
                Severity::Medium
            } else {
                Severity::Low
            };
            let how = if told.succeeded {
                "some succeeded"
            } else {
                "none succeeded"
            };
            let summary = format!(
                "{who} sent {all} request{plural} to {place} with the agent of a scanner ({}); {how}",
                names.join(", ")
            );
            let evidence = Evidence {
                observed: Quantity::List(names),
                expected: Quantity::List(Vec::new()),
                threshold: Quantity::Text("one request".to_owned()),
                unit: None,
                window_s: 0,
                method: "a kept list of scanners' agents",
                would_not_alert: "The same requests with the agent of any other program.".to_owned(),
                samples: Vec::new(),
            };
            (severity, 0.9, format!("A scanner at work: {who}"), summary, evidence)
        }
        (None, Some((sign, agents))) => {
            let (least, confidence, where_) = sign.terms();
            let summary = format!(
                "{who} sent requests to {place} with {agents} agents within 10 minutes, all {where_}: one program under \
                 many names ({}, …)",
                names.first().map_or("", String::as_str)
            );
            let evidence = Evidence {
                observed: Quantity::Number(agents as f64),
                expected: Quantity::Number(1.0),
                threshold: Quantity::Number(least as f64),
                unit: Some("agents"),
                window_s: WINDOW.as_secs(),
                method: "agents and engines claimed under one order of header fields",
                would_not_alert: format!(
                    "Fewer than {least} agents {where_}, or each under an order of fields of its own."
                ),
                samples: Vec::new(),
            };
            (
                Severity::Medium,
                confidence,
                format!("Agents rotate: {who}"),
                summary,
                evidence,
            )
        }
    };
    Finding {
        detector: &DOC,
        first_seen: first,
        last_seen: last,
        count,
        severity,
        confidence: beginning.cap(last, confidence),
        title,
        summary,
        actor: Some(actor),
        target: Target {
            endpoint: told.endpoint.clone(),
            ..Target::default()
        },
        evidence: Evidence {
            samples: told.samples.drain(..).map(Sample::Http).collect(),
            ..evidence
        },
        coverage: None,
    }
}

impl Detector for UserAgent {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, _: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) => {
                self.beginning.see(record.start);
                if record.role == HttpRole::Server
                    && let Some(request) = &record.request
                    && let Some(agent) = &request.user_agent
                {
                    self.look(record, agent, request.agent_class);
                }
            }
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.fresh.expire(now);
        self.tell_waiting(Some(now), findings);
    }

    fn finish(&mut self, _: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_waiting(None, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        [self.cases.next_timeout(), self.fresh.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("sources_of_agents_evicted", self.changing.evicted()),
            ("sources_of_browsers_evicted", self.fresh.evicted()),
            ("agent_cases_evicted", self.cases.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = self.beginning.export_dirty();
        changes.extend(self.fresh.export());
        changes
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        let (whole, rest): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.subject.is_empty());
        self.beginning.import(&whole, now);
        self.fresh.import(&rest);
    }
}
