//! `error_surge`: more requests end with an error than usual, for longer than a deploy takes.

mod doc;
mod settings;
mod subject;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use self::doc::{CLIENT, MOST_ENDPOINTS, SERVER, SERVER_LATEST, SERVER_LONG};
use self::subject::{Alphas, Kind, Place};
use super::{Detector, DetectorDoc};
use crate::baseline::asker::{self, Asker};
use crate::baseline::beginning::Beginning;
use crate::baseline::knowledge::{Knowledge, Sought, Value};
use crate::baseline::recent::Recent;
use crate::baseline::ticks::Ticks;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole};
use crate::time::Timestamp;

/// Baselines learn so often.
const HOUR: Duration = Duration::from_hours(1);
/// An endpoint that was not asked for so long is forgotten.
const KEPT: Duration = Duration::from_hours(28 * 24);
/// The host as a row; endpoints have a method first.
const HOST: &str = "(host)";
/// Rows of the two kinds.
const MEMBERS: [&str; 2] = ["5xx", "4xx"];

/// The detector.
#[derive(Debug)]
pub struct ErrorSurge {
    beginning: Beginning,
    period: Duration,
    alphas: Alphas,
    host: Place,
    endpoints: Recent<Arc<str>, Place>,
    hours: Ticks,
}

impl ErrorSurge {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let alpha = |test| budget.alpha(test, DOC.tests);
        let alphas = Alphas {
            server: [alpha(&SERVER), alpha(&SERVER_LONG), alpha(&SERVER_LATEST)],
            client: alpha(&CLIENT),
        };
        Self {
            beginning: Beginning::new(config),
            period: *config.learning.period,
            alphas,
            host: Place::new(Timestamp::ZERO, alphas),
            endpoints: Recent::new(MOST_ENDPOINTS, KEPT),
            hours: Ticks::new(HOUR),
        }
    }

    fn answered(&mut self, status: u16, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let now = record.end();
        if self.hours.is_over(now) {
            self.pass(now);
        }
        let Some(endpoint) = record.request.as_ref().and_then(|request| request.endpoint.as_ref()) else {
            return;
        };
        let kind = Kind::of(status);
        let alphas = self.alphas;
        let make = || Place::new(now, alphas);
        let place = self.endpoints.see_or_make(now, endpoint, make, Place::weight);
        place.add(now, kind, !record.expected);
        self.host.add(now, kind, !record.expected);
        if let Some(kind) = kind {
            self.failed(now, kind, endpoint, record, findings);
        }
    }

    fn failed(
        &mut self,
        now: Timestamp,
        kind: Kind,
        endpoint: &Arc<str>,
        record: &Arc<HttpRecord>,
        findings: &mut Vec<Finding>,
    ) {
        let is_over = self.beginning.is_over(now);
        let is_known = |place: &Place| is_over && (self.period.is_zero() || place.born + self.period <= now);
        let asker = asker::key(record);
        let name = || Asker::of(record);
        let Some(place) = self.endpoints.see(now, endpoint) else {
            return;
        };
        place.kinds[kind as usize].blame(now, asker, name);
        let here = place.judge(now, kind, is_known(place));
        // Of the host errors of the server alone: what clients do wrong differs from endpoint to endpoint.
        let everywhere = if kind == Kind::Server {
            self.host.kinds[kind as usize].blame(now, asker, name);
            self.host.note_endpoint(now, endpoint);
            self.host.judge(now, kind, is_over)
        } else {
            None
        };
        match (here, everywhere) {
            (_, Some(surge)) if !self.host.is_of_one_endpoint() => {
                tell::host(&mut self.host, (kind, surge), is_over, record, findings);
            }
            (Some(surge), _) => {
                let known = is_known(place);
                tell::endpoint(place, endpoint, (kind, surge), known, record, findings);
            }
            (None, _) => {}
        }
    }

    /// Hours are over: they are learned.
    fn pass(&mut self, now: Timestamp) {
        for over in self.hours.pass(now).into_iter().filter(|over| over.is_counted) {
            self.host.learn(over);
            for (_, place) in self.endpoints.iter_mut() {
                place.learn(over);
            }
        }
    }
}

impl Detector for ErrorSurge {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) if record.role == HttpRole::Server => {
                if let Some(response) = &record.response {
                    self.beginning.see(record.start);
                    self.answered(response.status, record, findings);
                }
            }
            Observation::Transaction(_) | Observation::Announced(_) | Observation::Flow(_) | Observation::Lookup(_) => {
            }
        }
    }

    fn expire(&mut self, now: Timestamp, _: &mut Vec<Finding>) {
        if self.hours.begin().is_some() && self.hours.is_over(now) {
            self.pass(now);
            self.endpoints.expire(now);
        }
    }

    fn finish(&mut self, _: Timestamp, _: &mut Vec<Finding>) {}

    fn next_timeout(&self) -> Option<Timestamp> {
        self.hours.end()
    }

    fn learning(&self, now: Timestamp) -> u64 {
        let young = |place: &Place| !self.period.is_zero() && place.born + self.period > now;
        self.endpoints.iter().filter(|(_, place)| young(place)).count() as u64
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<Knowledge> {
        let place = subject.place(&self.host, &self.endpoints);
        let known = |place: &Place| {
            let [server, client] = &place.kinds;
            Knowledge::learned_for(place.born, self.period, now)
                .and("usual_share_of_5xx", Value::Number(server.usual()))
                .and("usual_share_of_4xx", Value::Number(client.usual()))
                .and("responses_learned", Value::Number(server.tried()))
        };
        place.map(known).into_iter().collect()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![("error_endpoints_evicted", self.endpoints.evicted())]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = self.beginning.export_dirty();
        let now = self.hours.begin().unwrap_or(Timestamp::ZERO);
        let host = Arc::from(HOST);
        for (subject, place) in self.endpoints.iter_mut().chain([(&host, &mut self.host)]) {
            for (kind, member) in place.kinds.iter_mut().zip(MEMBERS) {
                changes.extend(kind.export().map(|detail| {
                    Change::Put(Row {
                        subject: Arc::clone(subject),
                        member: member.into(),
                        first: place.born,
                        last: now,
                        count: 0,
                        marks: 0,
                        detail: Some(detail.into()),
                    })
                }));
            }
        }
        changes
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        let whole: Vec<Row> = rows.iter().filter(|row| row.subject.is_empty()).cloned().collect();
        self.beginning.import(&whole, now);
        let alphas = self.alphas;
        for row in rows {
            let (Some(detail), Some(kind)) = (&row.detail, MEMBERS.iter().position(|member| **member == *row.member))
            else {
                continue;
            };
            let (born, last) = (row.first.min(now), row.last.min(now));
            let place = if &*row.subject == HOST {
                &mut self.host
            } else if self.endpoints.len() < MOST_ENDPOINTS || self.endpoints.get(&row.subject).is_some() {
                let make = || Place::new(born, alphas);
                self.endpoints.see_or_make(last, &row.subject, make, Place::weight)
            } else {
                continue;
            };
            place.born = born;
            place.kinds[kind].restore(detail);
        }
    }
}
