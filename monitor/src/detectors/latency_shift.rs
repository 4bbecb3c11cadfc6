//! `latency_shift`: an endpoint answers far more slowly than it did, or with something else.

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

use self::doc::{MOST_ENDPOINTS, ODD, ODD_LATEST, ODD_LONG, SLOW, SLOW_LATEST, SLOW_LONG};
use self::subject::{Alphas, Aspect, Place};
use super::{Detector, DetectorDoc};
use crate::baseline::asker::{self, Asker};
use crate::baseline::beginning::Beginning;
use crate::baseline::knowledge::{Knowledge, Sought};
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

/// The detector.
#[derive(Debug)]
pub struct LatencyShift {
    beginning: Beginning,
    period: Duration,
    alphas: Alphas,
    /// What is slow anywhere, each by its endpoint.
    host: Place,
    endpoints: Recent<Arc<str>, Place>,
    hours: Ticks,
}

impl LatencyShift {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let alpha = |test| budget.alpha(test, DOC.tests);
        let alphas = Alphas {
            slow: [alpha(&SLOW), alpha(&SLOW_LONG), alpha(&SLOW_LATEST)],
            odd: [alpha(&ODD), alpha(&ODD_LONG), alpha(&ODD_LATEST)],
        };
        Self {
            beginning: Beginning::new(config),
            period: *config.learning.period,
            alphas,
            host: Place::host(alphas),
            endpoints: Recent::new(MOST_ENDPOINTS, KEPT),
            hours: Ticks::new(HOUR),
        }
    }

    fn answered(&mut self, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let now = record.end();
        if self.hours.is_over(now) {
            self.pass(now);
        }
        let (Some(request), Some(response)) = (&record.request, &record.response) else {
            return;
        };
        // Errors are a matter of their own, and quick or slow for their own reasons.
        let Some(endpoint) = request.endpoint.as_ref().filter(|_| response.status < 400) else {
            return;
        };
        let alphas = self.alphas;
        let make = || Place::new(now, alphas);
        let place = self.endpoints.see_or_make(now, endpoint, make, Place::weight);
        let is_over = self.beginning.is_over(now);
        let is_known = is_over && (self.period.is_zero() || place.born + self.period <= now);
        let [slow, odd] = place.see(now, record.latency_us, response, is_known, !record.expected);
        for (aspect, is_so) in place.aspects.iter_mut().zip([slow, odd]) {
            if let Some(is_so) = is_so {
                aspect.compare(is_so, || asker::key(record));
            }
        }
        if let Some(slow) = slow {
            let host = &mut self.host.aspects[Aspect::Slow as usize];
            host.add(now, slow, !record.expected);
            host.compare(slow, || asker::key(record));
        }
        if slow != Some(true) && odd != Some(true) {
            return;
        }
        let key = asker::key(record);
        let name = || Asker::of(record);
        for (aspect, is_so) in [(Aspect::Slow, slow), (Aspect::Odd, odd)] {
            if is_so != Some(true) {
                continue;
            }
            let here = place.judge(now, aspect, is_known, key, name);
            let everywhere = match aspect {
                Aspect::Slow => {
                    self.host.note_endpoint(now, endpoint);
                    self.host.judge(now, aspect, is_over, key, name)
                }
                Aspect::Odd => None,
            };
            match (here, everywhere) {
                (_, Some(surge)) if !self.host.is_of_one_endpoint() => {
                    tell::host(&mut self.host, surge, is_over, record, findings);
                }
                (Some(surge), _) => tell::endpoint(place, endpoint, (aspect, surge), is_known, record, findings),
                (None, _) => {}
            }
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

impl Detector for LatencyShift {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) if record.role == HttpRole::Server => {
                self.beginning.see(record.start);
                self.answered(record, findings);
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
            let since = Knowledge::learned_for(place.born, self.period, now);
            place
                .known()
                .into_iter()
                .fold(since, |known, (name, sketch)| known.and_quantiles(name, sketch))
        };
        place.map(known).into_iter().collect()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![("timed_endpoints_evicted", self.endpoints.evicted())]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = self.beginning.export_dirty();
        let now = self.hours.begin().unwrap_or(Timestamp::ZERO);
        let host = Arc::from(HOST);
        for (subject, place) in self.endpoints.iter_mut().chain([(&host, &mut self.host)]) {
            for (member, detail) in place.export() {
                changes.push(Change::Put(Row {
                    subject: Arc::clone(subject),
                    member: member.into(),
                    first: place.born,
                    last: now,
                    count: 0,
                    marks: 0,
                    detail: Some(detail.into()),
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
            let Some(detail) = &row.detail else { continue };
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
            place.restore(&row.member, detail);
        }
    }
}
