//! `client_fingerprint`: a browser that is none, and one program behind many addresses that are refused, or as many browsers.

mod crowd;
mod doc;
mod fleet;
mod libraries;
mod settings;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxBuildHasher;

use self::crowd::{Common, Crowd, WINDOW};
use self::doc::{CROWD, FLEET, MOST_FINGERPRINTS};
use self::fleet::{Excess, Fleet};
use self::libraries::Libraries;
use super::{Detector, DetectorDoc};
use crate::baseline::beginning::Beginning;
use crate::baseline::occurrence::{Case, Occurrences};
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::tail::{beta_binomial, least};
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::agents::{AgentClass, Engine};
use crate::enrich::fingerprint::Fingerprint;
use crate::enrich::identity::login::LoginOutcome;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole};
use crate::time::Timestamp;

/// Occurrences that are remembered.
const MOST_CASES: usize = 8_192;
/// Records of an occurrence that wait to be told as samples.
const MOST_SAMPLES: usize = 3;
/// Share of the accepted requests beyond which a fingerprint is that of a common client.
const COMMON: f64 = 0.5;
/// Refused sources below which no line is asked for: with any share that is allowed for, fewer say nothing.
const FEWEST: u64 = 5;
/// Places for what was counted within the minute: a power of two. Two of one place are counted again, no more.
const PLACES: usize = 4_096;
/// What a browser says of itself is looked at once so often.
const HOUR: Duration = Duration::from_hours(1);
/// How often what is over is swept out.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The detector.
#[derive(Debug)]
pub struct ClientFingerprint {
    beginning: Beginning,
    alpha: f64,
    industry: f64,
    libraries: Libraries,
    /// Fingerprints that were refused lately.
    crowds: Recent<Fingerprint, Crowd>,
    /// All sources, whatever they write, while there are such.
    everyone: Crowd,
    common: Common,
    fleet: Fleet,
    /// Sources with the fingerprints that they had as browsers within this hour, by hash.
    browsers: Box<[u64]>,
    /// Sources with their fingerprints that were counted within this minute, by hash, since the latest fingerprint was
    /// refused for the first time.
    lately: Box<[u64]>,
    fingerprints: u64,
    next_sweep: Option<Timestamp>,
    cases: Occurrences<Subject, Told>,
}

/// Whom an occurrence is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// A source that contradicts itself.
    Source(Source),
    /// A fingerprint behind many that are refused.
    Fingerprint(Fingerprint),
    /// A fingerprint behind many that claim to be several browsers.
    Fleet(Fingerprint),
}

/// What is known of it.
#[derive(Debug)]
struct Told {
    address: IpAddr,
    only: bool,
    agent: String,
    library: &'static str,
    /// Of a crowd: refused sources, sources, the share expected, the line.
    crowd: Option<(u64, u64, f64, u64)>,
    fleet: Option<Excess>,
    endpoint: Option<Arc<str>>,
    samples: Vec<Arc<HttpRecord>>,
}

impl ClientFingerprint {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        Self {
            beginning: Beginning::new(config),
            alpha: super::budget(config).alpha(&CROWD, DOC.tests),
            industry: config.rates.industry_login_failure,
            libraries: Libraries::new(),
            crowds: Recent::new(MOST_FINGERPRINTS, WINDOW),
            everyone: Crowd::default(),
            common: Common::default(),
            fleet: Fleet::new(super::budget(config).alpha(&FLEET, DOC.tests)),
            browsers: vec![0; PLACES].into(),
            lately: vec![0; PLACES].into(),
            fingerprints: 0,
            next_sweep: None,
            cases: Occurrences::new(MOST_CASES, DOC.quiet),
        }
    }

    fn look(&mut self, record: &Arc<HttpRecord>, fingerprint: Fingerprint) {
        let Some(address) = record.client.as_ref().map(|client| client.ip) else {
            return;
        };
        let class = record.request.as_ref().and_then(|request| request.agent_class);
        if class == Some(AgentClass::Browser)
            && let Some(library) = self.libraries.find(fingerprint.order)
        {
            let subject = Subject::Source(address.into());
            self.tell(subject, address, library, None, record);
        } else if class == Some(AgentClass::Browser) {
            self.claim(record, fingerprint, address);
        }
        let refused = outcome(record);
        if refused == Some(false) {
            self.common.see(fingerprint);
        }
        if refused == Some(true) || !self.crowds.is_empty() {
            self.count(record, fingerprint, address, refused);
        }
    }

    /// A browser, which says which.
    fn claim(&mut self, record: &Arc<HttpRecord>, fingerprint: Fingerprint, address: IpAddr) {
        let now = record.end();
        let source = Source::from(address);
        let hour = now.as_nanos() / HOUR.as_nanos() as u64;
        let agent = record
            .request
            .as_ref()
            .and_then(|request| request.user_agent.as_deref());
        let agent = agent.unwrap_or_default();
        // Names of one length are counted as one: here it is a matter of sources, and one has few.
        let seen = FxBuildHasher.hash_one((source, fingerprint, hour, agent.len()));
        let place = &mut self.browsers[(seen >> 40) as usize % PLACES];
        if std::mem::replace(place, seen) == seen {
            return;
        }
        let Some(engine) = Engine::of(agent) else { return };
        let judges = self.beginning.is_half_over(now, fleet::WINDOW) && self.beginning.is_over(now);
        if let Some(excess) = self.fleet.see(now, source, fingerprint, engine, judges)
            && self.common.share(fingerprint) <= COMMON
        {
            let library = self.libraries.find(fingerprint.order).unwrap_or_default();
            self.tell(Subject::Fleet(fingerprint), address, library, None, record)
                .fleet = Some(excess);
        }
    }

    /// Counts sources while some fingerprint is refused.
    fn count(&mut self, record: &Arc<HttpRecord>, fingerprint: Fingerprint, address: IpAddr, refused: Option<bool>) {
        let now = record.end();
        let source = Source::from(address);
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        if refused == Some(true) {
            self.fingerprints += u64::from(self.crowds.get(&fingerprint).is_none());
        } else {
            let minute = now.as_nanos() / SWEEP_EVERY.as_nanos() as u64;
            let hash = FxBuildHasher.hash_one((source, fingerprint, minute, self.fingerprints));
            let place = &mut self.lately[(hash >> 40) as usize % PLACES];
            if std::mem::replace(place, hash) == hash {
                return;
            }
        }
        self.everyone.see(now, source, refused);
        let crowd = if refused == Some(true) {
            self.crowds
                .see_or_make(now, &fingerprint, Crowd::default, Crowd::refused)
        } else {
            match self.crowds.see(now, &fingerprint) {
                Some(crowd) => crowd,
                None => return,
            }
        };
        crowd.see(now, source, refused);
        if refused != Some(true) || crowd.refused() < FEWEST {
            return;
        }
        crowd.forget(now);
        self.everyone.forget(now);
        let (came, hit) = (crowd.came(), crowd.refused().min(crowd.came()));
        let others = |all: u64, own: u64| all.saturating_sub(own) as f64;
        let other_came = others(self.everyone.came(), came);
        let share = if other_came > 0.0 {
            others(self.everyone.refused(), hit) / other_came
        } else {
            0.0
        };
        let mean = share.clamp(self.industry, 0.9);
        // The risk falls with the count: the line is asked for only where it is passed.
        let tail = |count| beta_binomial(count, came, mean, mean / (1.0 - mean));
        if self.common.share(fingerprint) > COMMON || tail(hit) > self.alpha.ln() {
            return;
        }
        let line = least(self.alpha, came, tail);
        let library = self.libraries.find(fingerprint.order).unwrap_or_default();
        let subject = Subject::Fingerprint(fingerprint);
        self.tell(subject, address, library, Some((hit, came, mean, line)), record);
    }

    fn tell(
        &mut self,
        subject: Subject,
        address: IpAddr,
        library: &'static str,
        crowd: Option<(u64, u64, f64, u64)>,
        record: &Arc<HttpRecord>,
    ) -> &mut Told {
        let request = record.request.as_ref();
        let endpoint = request.and_then(|request| request.endpoint.as_ref());
        let case = self.cases.add(record.end(), &subject, || Told {
            address,
            only: true,
            agent: request
                .and_then(|request| request.user_agent.as_deref())
                .unwrap_or_default()
                .to_owned(),
            library,
            crowd,
            fleet: None,
            endpoint: endpoint.cloned(),
            samples: Vec::new(),
        });
        let told = &mut case.what;
        told.only &= told.address == address;
        told.crowd = crowd;
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
        let mut tell =
            |subject: &Subject, case: &mut Case<Told>| findings.push(tell::finding(*subject, case, beginning));
        match now {
            Some(now) => self.cases.expire(now, tell),
            None => self.cases.tell_all(&mut tell),
        }
    }
}

/// Whether a request was refused, or accepted; neither where its answer says nothing.
fn outcome(record: &HttpRecord) -> Option<bool> {
    match (record.login, record.response.as_ref()?.status) {
        (Some(LoginOutcome::Failure), _) | (_, 401 | 403 | 429) => Some(true),
        (_, 101 | 200..=399) => Some(false),
        _ => None,
    }
}

impl Detector for ClientFingerprint {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, _: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) => {
                self.beginning.see(record.start);
                if record.role == HttpRole::Server
                    && let Some(fingerprint) = record.fingerprint
                {
                    self.look(record, fingerprint);
                }
            }
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.fleet.expire(now);
        self.tell_waiting(Some(now), findings);
        if self.next_sweep.is_some_and(|due| due <= now) {
            self.crowds.expire(now);
            if self.crowds.is_empty() {
                self.everyone = Crowd::default();
            }
            self.next_sweep = (!self.crowds.is_empty()).then(|| now + SWEEP_EVERY);
        }
    }

    fn finish(&mut self, _: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_waiting(None, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        [self.cases.next_timeout(), self.next_sweep, self.fleet.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("refused_fingerprints_evicted", self.crowds.evicted()),
            ("browser_fingerprints_evicted", self.fleet.evicted()),
            ("fingerprint_cases_evicted", self.cases.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = self.beginning.export_dirty();
        changes.extend(self.fleet.export());
        changes
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        let (whole, rest): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.subject.is_empty());
        self.beginning.import(&whole, now);
        self.fleet.import(&rest, now);
    }
}
