//! `attacker_response`: who is refused, and goes on as somebody else.

mod doc;
mod refusal;
mod rows;
mod settings;
mod subject;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use self::doc::{IDENTITY, MOST_IDENTITIES, MOST_PROGRAMS, MOST_SOURCES, PROGRAM, SOURCE};
use self::refusal::Answer;
use self::subject::{Seen, Subject};
use super::{Detector, DetectorDoc};
use crate::alert::{Actor, ActorKind};
use crate::baseline::asker::{self, Asker};
use crate::baseline::beginning::Beginning;
use crate::baseline::bits::hash;
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::fingerprint::Fingerprint;
use crate::finding::Finding;
use crate::finding::occurrence::Added;
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole};
use crate::time::Timestamp;

/// Who was not seen for so long is forgotten: the window.
const KEEP: Duration = Duration::from_hours(24);
/// How often what is over is swept out, and what was held back is told.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Rows that are gone and that nobody has asked for.
const MOST_GONE: usize = MOST_IDENTITIES + MOST_SOURCES + MOST_PROGRAMS;

/// The detector.
#[derive(Debug)]
pub struct AttackerResponse {
    /// The risk of a test, of each table.
    alphas: [f64; 3],
    /// By [`asker::key`].
    identities: Recent<u64, Subject>,
    sources: Recent<Source, Subject>,
    programs: Recent<Fingerprint, Subject>,
    beginning: Beginning,
    /// Rows that were exported and are forgotten.
    gone: Vec<(&'static str, Arc<str>)>,
    next_sweep: Option<Timestamp>,
}

impl AttackerResponse {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        Self {
            alphas: [IDENTITY, SOURCE, PROGRAM].map(|test| budget.alpha(&test, DOC.tests)),
            identities: Recent::new(MOST_IDENTITIES, KEEP),
            sources: Recent::new(MOST_SOURCES, KEEP),
            programs: Recent::new(MOST_PROGRAMS, KEEP),
            beginning: Beginning::new(config),
            gone: Vec::new(),
            next_sweep: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.programs.is_empty() && self.identities.is_empty()
    }

    /// Somebody is refused who was not lately: from now on his faces are looked at.
    fn meet(&mut self, now: Timestamp, record: &HttpRecord, source: Source) {
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        if let Some(asker) = Asker::of(record).filter(|asker| matches!(asker, Asker::Identity(..))) {
            let make = || Subject::new(now, asker.actor());
            self.identities.see_or_make(now, &asker.key(), make, Subject::weight);
        }
        if let Some(client) = &record.client {
            let make = || Subject::new(now, source.actor(client.ip, false));
            self.sources.see_or_make(now, &source, make, Subject::weight);
        }
        if let Some(program) = record.fingerprint {
            let actor = || Actor {
                kind: ActorKind::Fingerprint,
                id: program.to_string().into(),
            };
            let make = || Subject::new(now, actor());
            self.programs.see_or_make(now, &program, make, Subject::weight);
        }
    }

    /// Shows a request to those who were refused and make it. The narrowest that is beyond its line is told.
    fn see(&mut self, record: &Arc<HttpRecord>, answer: Answer, source: Source, findings: &mut Vec<Finding>) {
        let now = record.end();
        let (identity, address, program) = {
            let agent = || {
                hash(
                    record
                        .request
                        .as_ref()
                        .and_then(|request| request.user_agent.as_deref())
                        .unwrap_or(""),
                )
            };
            let identity = (!self.identities.is_empty() && record.identity.iter().any(|identity| !identity.unproven))
                .then(|| asker::key(record))
                .flatten()
                .and_then(|key| self.identities.see(now, &key));
            (
                identity.map(|known| (known, hash(&(source, agent())))),
                self.sources.see(now, &source).map(|known| (known, agent())),
                record
                    .fingerprint
                    .and_then(|program| self.programs.see(now, &program))
                    .map(|known| (known, hash(&source))),
            )
        };
        let (mut told, mut explained) = (false, false);
        for (number, (known, alpha)) in [identity, address, program].into_iter().zip(self.alphas).enumerate() {
            let Some((known, face)) = known else { continue };
            let seen = Seen {
                face,
                answer,
                record,
                explained: explained && number == 2,
            };
            if !known.see(seen) {
                continue;
            }
            // Somebody who goes on from elsewhere is himself: many of them do not make their program one who evades.
            explained |= number == 0;
            if !told {
                let urgent = !known.occurrence.is_open(now, DOC.quiet);
                told = tell(now, known, alpha, urgent, &self.beginning, findings);
            }
        }
    }

    fn tell_held_back(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let identities = self.identities.iter_mut().map(|(_, known)| (known, self.alphas[0]));
        let sources = self.sources.iter_mut().map(|(_, known)| (known, self.alphas[1]));
        let programs = self.programs.iter_mut().map(|(_, known)| (known, self.alphas[2]));
        for (known, alpha) in identities.chain(sources).chain(programs) {
            if known.occurrence.is_held_back(now, DOC.quiet)
                && let Some(excess) = known.judge(now, alpha)
                && let Some(count) = known.occurrence.tell(now, true)
            {
                findings.push(tell::finding(known, &excess, count, |sure| {
                    self.beginning.cap(now, sure)
                }));
            }
        }
    }
}

/// Judges a subject after a change of face; whether it is beyond its line.
fn tell(
    now: Timestamp,
    known: &mut Subject,
    alpha: f64,
    urgent: bool,
    beginning: &Beginning,
    findings: &mut Vec<Finding>,
) -> bool {
    let in_window = known.counts(now).left[1] > 1;
    if known.occurrence.add(now, DOC.quiet, in_window) == Added::BeginsAnew {
        // What the day holds of the one before, which was told, is no evidence for this one.
        known.begin_anew();
    }
    let Some(excess) = known.judge(now, alpha) else {
        return false;
    };
    if let Some(count) = known.occurrence.tell(now, urgent) {
        findings.push(tell::finding(known, &excess, count, |sure| beginning.cap(now, sure)));
    }
    true
}

impl Detector for AttackerResponse {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        let record = match observation {
            Observation::Transaction(record) => record,
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => return,
        };
        if record.role != HttpRole::Server {
            return;
        }
        let answer = Answer::of(record);
        let is_refused = matches!(answer, Answer::Refused(_));
        if self.is_empty() && !is_refused {
            self.beginning.see(record.start);
            return;
        }
        let Some(client) = &record.client else { return };
        self.beginning.see(record.start);
        let source = Source::from(client.ip);
        if is_refused {
            self.meet(record.end(), record, source);
        }
        self.see(record, answer, source, findings);
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
        self.forget(now);
        self.identities.expire(now);
        self.sources.expire(now);
        self.programs.expire(now);
        self.next_sweep = (!self.is_empty()).then(|| now + SWEEP_EVERY);
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("response_identities_evicted", self.identities.evicted()),
            ("response_sources_evicted", self.sources.evicted()),
            ("response_programs_evicted", self.programs.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.export()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.take_back(&rows, now);
    }
}
