//! `timeouts`: requests that get no answer, and connections that are held open with half a request.

mod doc;
mod held;
mod settings;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use self::doc::{HELD, HELD_BY_ONE, MOST_ENDPOINTS, SILENT, SILENT_LATEST, SILENT_LONG};
use self::held::Held;
use super::{Detector, DetectorDoc};
use crate::baseline::asker::{self, Asker};
use crate::baseline::beginning::Beginning;
use crate::baseline::failing::{Failing, Terms};
use crate::baseline::knowledge::{Knowledge, Sought, Value};
use crate::baseline::recent::Recent;
use crate::baseline::ticks::Ticks;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::finding::Finding;
use crate::finding::occurrence::Occurrence;
use crate::observation::{FlowObservation, Observation};
use crate::record::{FlowDirection, FlowEvent, HttpRecord, HttpRole, Incomplete};
use crate::time::Timestamp;

/// Baselines of requests learn so often, those of connections so often.
const HOUR: Duration = Duration::from_hours(1);
const STEP: Duration = Duration::from_mins(5);
/// An endpoint that was not asked for so long is forgotten.
const KEPT: Duration = Duration::from_hours(28 * 24);
/// A request in 200 without an answer is supposed where nothing is learned, as of 200 of them.
const PRIOR: (f64, f64) = (0.005, 200.0);
/// Fewer in 15 minutes, 6 hours and among the latest are not worth telling, nor is a smaller share: clients give up.
const FEW: [u32; 3] = [6, 12, 5];
const LEAST_SHARE: [f64; 3] = [0.1, 0.03, 0.25];
/// No answer of one alone is his own affair up to so many.
const FEW_OF_ONE: u32 = 50;

/// The detector.
#[derive(Debug)]
pub struct Timeouts {
    beginning: Beginning,
    period: Duration,
    terms: Terms,
    endpoints: Recent<Arc<str>, Place>,
    hours: Ticks,
    steps: Ticks,
    held: Held,
}

/// An endpoint: about 2 KB.
#[derive(Debug)]
struct Place {
    born: Timestamp,
    silent: Failing,
    occurrence: Occurrence,
}

impl Place {
    fn new(now: Timestamp, terms: Terms) -> Self {
        Self {
            born: now,
            silent: Failing::new(terms),
            occurrence: Occurrence::new(now),
        }
    }

    fn weight(&self) -> u64 {
        crate::baseline::whole(self.silent.tried())
    }
}

impl Timeouts {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let alpha = |test| budget.alpha(test, DOC.tests);
        Self {
            beginning: Beginning::new(config),
            period: *config.learning.period,
            terms: Terms {
                prior: PRIOR,
                alphas: [alpha(&SILENT), alpha(&SILENT_LONG), alpha(&SILENT_LATEST)],
                few: FEW,
                few_of_one: FEW_OF_ONE,
                least_share: LEAST_SHARE,
            },
            endpoints: Recent::new(MOST_ENDPOINTS, KEPT),
            hours: Ticks::new(HOUR),
            steps: Ticks::new(STEP),
            held: Held::new(alpha(&HELD), alpha(&HELD_BY_ONE)),
        }
    }

    fn request(&mut self, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let now = record.end();
        if self.steps.is_over(now) {
            self.pass(now);
        }
        let is_silent = match record.incomplete {
            Some(Incomplete::NoResponse | Incomplete::Reset) => record.response.is_none(),
            // It was answered, or nobody knows.
            _ => false,
        };
        if record.response.is_some() {
            self.held.answered(record.flow);
        }
        let endpoint = record.request.as_ref().and_then(|request| request.endpoint.as_ref());
        let Some(endpoint) = endpoint.filter(|_| is_silent || record.response.is_some()) else {
            return;
        };
        let terms = self.terms;
        let make = || Place::new(now, terms);
        let place = self.endpoints.see_or_make(now, endpoint, make, Place::weight);
        place.silent.add(now, is_silent, !record.expected);
        if !is_silent {
            return;
        }
        place.silent.blame(now, asker::key(record), || Asker::of(record));
        let is_known = self.beginning.is_over(now) && (self.period.is_zero() || place.born + self.period <= now);
        if let Some(surge) = place.silent.judge(now, is_known, false) {
            tell::silent(place, endpoint, surge, is_known, record, findings);
        }
    }

    fn flow(&mut self, flow: &FlowObservation, findings: &mut Vec<Finding>) {
        if self.steps.is_over(flow.time) {
            self.pass(flow.time);
        }
        match flow.record.event {
            FlowEvent::Open => {}
            FlowEvent::Close => self.held.closed(flow.record.flow),
            FlowEvent::Update => {
                if let Some(many) = self.held.moved(flow) {
                    let is_over = self.beginning.is_over(flow.time);
                    self.held.tell(flow, many, is_over, findings);
                }
            }
        }
    }

    /// Windows are over: they are learned.
    fn pass(&mut self, now: Timestamp) {
        for over in self.hours.pass(now).into_iter().filter(|over| over.is_counted) {
            for (_, place) in self.endpoints.iter_mut() {
                place.silent.learn(over);
            }
        }
        for over in self.steps.pass(now) {
            self.held.close(over);
        }
        self.held.expire(now);
        if let Some(begin) = self.steps.begin() {
            self.held.draw(begin, self.beginning.is_over(now));
        }
    }
}

impl Detector for Timeouts {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) if record.role == HttpRole::Server => {
                self.beginning.see(record.start);
                self.request(record, findings);
            }
            Observation::Flow(flow) if flow.record.direction == Some(FlowDirection::Inbound) => {
                self.flow(flow, findings);
            }
            Observation::Transaction(_) | Observation::Announced(_) | Observation::Flow(_) | Observation::Lookup(_) => {
            }
        }
    }

    fn expire(&mut self, now: Timestamp, _: &mut Vec<Finding>) {
        if self.steps.begin().is_some() && self.steps.is_over(now) {
            self.pass(now);
            self.endpoints.expire(now);
        }
    }

    fn finish(&mut self, _: Timestamp, _: &mut Vec<Finding>) {}

    fn next_timeout(&self) -> Option<Timestamp> {
        self.steps.end()
    }

    fn learning(&self, now: Timestamp) -> u64 {
        let young = |place: &Place| !self.period.is_zero() && place.born + self.period > now;
        self.endpoints.iter().filter(|(_, place)| young(place)).count() as u64
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<Knowledge> {
        let place = self.endpoints.iter().find(|(endpoint, _)| subject.is(endpoint));
        let known = |place: &Place| {
            Knowledge::learned_for(place.born, self.period, now)
                .and("usual_share_without_answer", Value::Number(place.silent.usual()))
                .and("requests_learned", Value::Number(place.silent.tried()))
        };
        place.map(|(_, place)| known(place)).into_iter().collect()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("silent_endpoints_evicted", self.endpoints.evicted()),
            ("held_connections_evicted", self.held.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = self.beginning.export_dirty();
        let now = self.hours.begin().unwrap_or(Timestamp::ZERO);
        let row = |subject: &Arc<str>, member: &str, first: Timestamp, detail: Vec<u8>| {
            Change::Put(Row {
                subject: Arc::clone(subject),
                member: member.into(),
                first,
                last: now,
                count: 0,
                marks: 0,
                detail: Some(detail.into()),
            })
        };
        for (endpoint, place) in self.endpoints.iter_mut() {
            let detail = place.silent.export();
            changes.extend(detail.map(|detail| row(endpoint, "", place.born, detail)));
        }
        for (member, detail) in self.held.export() {
            changes.push(row(&held::SUBJECT.into(), member, now, detail));
        }
        changes
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        let whole: Vec<Row> = rows.iter().filter(|row| row.subject.is_empty()).cloned().collect();
        self.beginning.import(&whole, now);
        let terms = self.terms;
        for row in rows {
            let Some(detail) = &row.detail else { continue };
            if &*row.subject == held::SUBJECT {
                self.held.restore(&row.member, detail);
            } else if self.endpoints.len() < MOST_ENDPOINTS {
                let (born, last) = (row.first.min(now), row.last.min(now));
                let make = || Place::new(born, terms);
                let place = self.endpoints.see_or_make(last, &row.subject, make, Place::weight);
                place.silent.restore(detail);
            }
        }
    }
}
