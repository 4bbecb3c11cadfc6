//! `request_rate`: far more requests than there usually are at this hour.

mod doc;
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

use self::doc::{ASKER, ASKER_LONG, DRIFT, ENDPOINT, ENDPOINT_LONG, HOST, HOST_LONG, MOST_ASKERS, MOST_ENDPOINTS, OWN};
use self::subject::{Alphas, Crowd, Place, Sent};
use self::tell::Scope;
use super::{Detector, DetectorDoc};
use crate::baseline::asker::{self, Asker};
use crate::baseline::beginning::Beginning;
use crate::baseline::knowledge::{Knowledge, MOST_TOLD, Sought, Value};
use crate::baseline::recent::Recent;
use crate::baseline::ticks::Ticks;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole};
use crate::time::Timestamp;

/// The windows.
const SHORT: Duration = Duration::from_mins(5);
const LONG: Duration = Duration::from_hours(1);
/// Who was not seen for so long is forgotten: an endpoint after the weeks that its baseline has, who asks after one.
const ENDPOINT_KEPT: Duration = Duration::from_hours(28 * 24);
const ASKER_KEPT: Duration = Duration::from_hours(7 * 24);
/// Those who ask that have a baseline of their own.
const MOST_OWN: usize = 512;

/// The detector.
#[derive(Debug)]
pub struct RequestRate {
    beginning: Beginning,
    period: Duration,
    alphas: Alphas,
    host: Place,
    endpoints: Recent<Arc<str>, Place>,
    /// By [`asker::key`].
    askers: Recent<u64, Sent>,
    crowd: Crowd,
    short: Ticks,
    long: Ticks,
    /// When an asker was last told of.
    asker_told: Timestamp,
    /// Askers with a baseline of their own.
    own: usize,
    /// Those without, for want of room.
    without_own: u64,
}

impl RequestRate {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let alpha = |test| budget.alpha(test, DOC.tests);
        Self {
            beginning: Beginning::new(config),
            period: *config.learning.period,
            alphas: Alphas {
                host: [alpha(&HOST), alpha(&HOST_LONG)],
                endpoint: [alpha(&ENDPOINT), alpha(&ENDPOINT_LONG)],
                own: alpha(&OWN),
                drift: alpha(&DRIFT),
            },
            host: Place::new(Timestamp::ZERO),
            endpoints: Recent::new(MOST_ENDPOINTS, ENDPOINT_KEPT),
            askers: Recent::new(MOST_ASKERS, ASKER_KEPT),
            crowd: Crowd::new(alpha(&ASKER), alpha(&ASKER_LONG)),
            short: Ticks::new(SHORT),
            long: Ticks::new(LONG),
            asker_told: Timestamp::ZERO,
            own: 0,
            without_own: 0,
        }
    }

    fn request(&mut self, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let now = record.end();
        if self.short.is_over(now) {
            self.pass(now, findings);
        }
        if record.expected {
            self.spoil(now, record);
        }
        let status = record.response.as_ref().map_or(0, |response| response.status);
        // What is refused is judged and teaches nothing: it costs nothing to make.
        let is_learned = !matches!(status, 0 | 401 | 403 | 429);
        let asker = asker::key(record);
        let is_set_aside = asker.is_some_and(|key| self.asked(now, key, record, is_learned, findings));
        // One who is told of, or who looks whether we are well, is no surge of everybody.
        if is_set_aside {
            return;
        }
        let Some(endpoint) = record.request.as_ref().and_then(|request| request.endpoint.as_ref()) else {
            return;
        };
        let make = || Place::new(now);
        let place = self.endpoints.see_or_make(now, endpoint, make, Place::weight);
        let is_refused = matches!(status, 401 | 403);
        if place.add(asker, is_refused, is_learned) {
            self.tell_place(now, Scope::Endpoint(endpoint), Some(record), findings);
        } else if self.host.add(asker, is_refused, is_learned) {
            self.tell_place(now, Scope::Host, Some(record), findings);
        }
    }

    /// What comes of an expected event is no habit of anybody.
    fn spoil(&mut self, now: Timestamp, record: &HttpRecord) {
        self.host.spoil();
        (self.crowd.short.is_spoilt, self.crowd.long.is_spoilt) = (true, true);
        let endpoint = record.request.as_ref().and_then(|request| request.endpoint.as_ref());
        if let Some(place) = endpoint.and_then(|endpoint| self.endpoints.see(now, endpoint)) {
            place.spoil();
        }
        let sent = asker::key(record).and_then(|key| self.askers.see(now, &key));
        if let Some(own) = sent.and_then(|sent| sent.own.as_mut()) {
            own.is_spoilt = true;
        }
    }

    /// Counts a request for who asks. Whether it is one too much, or one of a probe.
    fn asked(
        &mut self,
        now: Timestamp,
        key: u64,
        record: &Arc<HttpRecord>,
        is_learned: bool,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let (short, long) = (self.short.begin(), self.long.begin());
        let make = || Sent::new(now, Asker::of(record));
        let sent = self.askers.see_or_make(now, &key, make, Sent::weight);
        sent.turn(short, long);
        let endpoint = record.request.as_ref().and_then(|request| request.endpoint.as_ref());
        if !sent.add(&self.crowd, endpoint, is_learned) {
            self.crowd.note(sent);
            return sent.probes(now, &mut self.crowd);
        }
        self.tell_asker(now, key, record, findings);
        true
    }

    /// Windows are over: they are learned, and lines are drawn for the next.
    fn pass(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let long = self.long.pass(now);
        for over in self.short.pass(now) {
            self.host.short.close(over);
            self.crowd.short.close(over);
            self.crowd.probes = 0;
            for (_, place) in self.endpoints.iter_mut() {
                place.short.close(over);
            }
        }
        for over in long {
            self.hour(over, findings);
        }
        self.draw(now);
    }

    fn hour(&mut self, over: crate::baseline::ticks::Over, findings: &mut Vec<Finding>) {
        let end = over.begin + LONG;
        let host = self.host.hour(over, self.alphas.drift);
        let mut risen = Vec::new();
        let mut is_told = self.asker_told >= over.begin;
        for (endpoint, place) in self.endpoints.iter_mut() {
            if place.hour(over, self.alphas.drift) {
                risen.push(Arc::clone(endpoint));
            }
            is_told |= place.occurrence.is_open(end, DOC.quiet);
        }
        self.crowd.long.close(over);
        let wants_own = |sent: &Sent| sent.own.is_none() && sent.wants_own();
        for (_, sent) in self.askers.iter_mut() {
            if wants_own(sent) {
                if self.own < MOST_OWN {
                    self.own += 1;
                    sent.own = Some(Box::default());
                } else {
                    self.without_own += 1;
                }
            }
            sent.hour(over);
        }
        // What is told of an endpoint or a client is not told again of the host.
        if host && risen.is_empty() && !is_told {
            self.tell_drift(end, Scope::Host, findings);
        }
        for endpoint in risen {
            self.tell_drift(end, Scope::Endpoint(&endpoint), findings);
        }
    }

    fn draw(&mut self, now: Timestamp) {
        let (Some(short), Some(long)) = (self.short.begin(), self.long.begin()) else {
            return;
        };
        let is_over = self.beginning.is_over(now);
        self.host.draw([short, long], self.alphas.host, is_over);
        for (_, place) in self.endpoints.iter_mut() {
            let is_known = self.period.is_zero() || place.born + self.period <= now;
            place.draw([short, long], self.alphas.endpoint, is_over && is_known);
        }
        self.crowd.draw([short, long], is_over);
        for (_, sent) in self.askers.iter_mut() {
            let is_known = self.period.is_zero() || sent.born + self.period <= now;
            sent.draw(long, self.alphas.own, is_over && is_known);
        }
    }

    /// Whether what was first seen then is judged by what it was.
    fn is_known(&self, now: Timestamp, born: Timestamp) -> bool {
        self.beginning.is_over(now) && (self.period.is_zero() || born + self.period <= now)
    }

    fn sweep(&mut self, now: Timestamp) {
        self.endpoints.expire(now);
        self.askers.expire(now);
        self.own = self.askers.iter().filter(|(_, sent)| sent.own.is_some()).count();
    }
}

impl Detector for RequestRate {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) if record.role == HttpRole::Server && record.request.is_some() => {
                self.beginning.see(record.start);
                self.request(record, findings);
            }
            Observation::Transaction(_) | Observation::Announced(_) | Observation::Flow(_) | Observation::Lookup(_) => {
            }
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        if self.short.begin().is_some() && self.short.is_over(now) {
            self.pass(now, findings);
            self.sweep(now);
        }
    }

    fn finish(&mut self, _now: Timestamp, _findings: &mut Vec<Finding>) {}

    fn next_timeout(&self) -> Option<Timestamp> {
        self.short.end()
    }

    fn learning(&self, now: Timestamp) -> u64 {
        if self.period.is_zero() {
            return 0;
        }
        let young = |place: &Place| place.born + self.period > now;
        self.endpoints.iter().filter(|(_, place)| young(place)).count() as u64
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<Knowledge> {
        let of_place = |place: &Place| {
            Knowledge::since(place.born, !self.is_known(now, place.born))
                .and("requests_an_hour", Value::Week(place.long.week()))
                .and("hours_learned", Value::Number(place.long.hours() as f64))
        };
        let place = subject.place(&self.host, &self.endpoints);
        let askers = self.askers.iter().filter_map(|(_, sent)| {
            let (who, own) = (sent.who.as_ref()?, sent.own.as_ref()?);
            subject.is_asker(who).then(|| Knowledge {
                with: who.text(),
                ..Knowledge::since(sent.born, !self.is_known(now, sent.born))
                    .and("requests_an_hour", Value::Week(own.week()))
                    .and("hours_learned", Value::Number(own.hours() as f64))
            })
        });
        place.map(of_place).into_iter().chain(askers).take(MOST_TOLD).collect()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("paced_endpoints_evicted", self.endpoints.evicted()),
            ("paced_askers_evicted", self.askers.evicted()),
            ("askers_without_baseline", self.without_own),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        rows::export(self)
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        rows::import(self, rows, now);
    }
}
