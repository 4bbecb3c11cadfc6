//! `beaconing`: a program calls a new destination by a clock.

mod calls;
mod doc;
mod settings;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use self::calls::{Calls, LOOKED_AT, Rhythm};
use self::doc::{MOST_PAIRS, RHO, RHYTHM, SHARE_INSIDE};
use super::{Detector, DetectorDoc, budget};
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::beginning::Beginning;
use crate::baseline::first_seen::{FirstSeen, Limits, Mark, Terms, Verdict};
use crate::baseline::knowledge::{Knowledge, Sought};
use crate::baseline::outside::{Key, is_outside, key_of, shown};
use crate::baseline::program::is_unsettled;
use crate::baseline::recent::Recent;
use crate::baseline::tail::{beta_binomial, least};
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::networks::Settings as Networks;
use crate::finding::Finding;
use crate::finding::occurrence::Added;
use crate::finding::words::{actor_of, bytes, path_of, who};
use crate::observation::{FlowObservation, Observation};
use crate::record::{App, FlowEvent, FlowRecord};
use crate::time::Timestamp;

/// Programs and destinations that are known: about 150 bytes a destination.
const LIMITS: Limits = Limits {
    subjects: 1_024,
    members: 512,
    total: 32_768,
};
/// Calls of a program before it is judged, besides the learning period.
const FLOOR: u64 = 3;
/// DNS (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;
/// How often what is over is swept out.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// The detector.
#[derive(Debug)]
pub struct Beaconing {
    networks: Networks,
    beginning: Beginning,
    /// How long a destination without a rhythm stays new.
    patience: Duration,
    lines: [usize; LOOKED_AT.len()],
    known: FirstSeen,
    pairs: Recent<Key, Calls>,
    next_sweep: Option<Timestamp>,
}

impl Beaconing {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let settings = &config.detectors.beaconing;
        let period = *config.learning.period;
        let terms = Terms {
            period,
            floor: FLOOR,
            adopt: *settings.adopt_after,
            forget: *settings.forget_after,
        };
        let alpha = budget(config).alpha(&RHYTHM, DOC.tests);
        let line = |of: usize| {
            let n = of as u64;
            let line = least(alpha, n, |k| beta_binomial(k, n, SHARE_INSIDE, RHO));
            usize::try_from(line).unwrap_or(usize::MAX)
        };
        Self {
            networks: config.networks.clone(),
            beginning: Beginning::new(config),
            patience: period.max(Duration::from_hours(24)),
            lines: LOOKED_AT.map(line),
            known: FirstSeen::new(LIMITS, terms),
            pairs: Recent::new(MOST_PAIRS, Duration::from_hours(30 * 24)),
            next_sweep: None,
        }
    }

    fn call(&mut self, flow: &FlowObservation, findings: &mut Vec<Finding>) {
        let (record, now) = (&flow.record, flow.time);
        let Some(to) = flow
            .destination
            .as_ref()
            .filter(|to| is_outside(&self.networks, to.address))
        else {
            return;
        };
        if record.event != FlowEvent::Close || to.port == DNS_PORT || record.app == Some(App::Dns) {
            return;
        }
        self.beginning.see(now);
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let key = key_of(record, to);
        let is_odd = is_listed(record) || path_of(record.process.as_ref()).is_some_and(|exe| is_unsettled(&exe));
        let verdict = self.known.judge(now, &key.0, &key.1);
        let is_new = match verdict {
            Verdict::New | Verdict::Newcomer => true,
            Verdict::Learning => is_odd,
            Verdict::Known => false,
        };
        if verdict == Verdict::Learning || verdict == Verdict::Known {
            // A program that nobody installed does not become known by calling often.
            if !(is_odd && verdict == Verdict::Learning) {
                self.known.note(now, &key.0, &key.1, Mark::Seen);
            }
        }
        if !is_new {
            self.pairs.remove(&key);
            return;
        }
        let make = || Calls::new(record.start, record, shown(to));
        let count = |calls: &Calls| calls.occurrence.last.since(calls.first).as_secs();
        let is_first = self.pairs.get(&key).is_none();
        let calls = self.pairs.see_or_make(now, &key, make, count);
        if is_first || !calls.add(record.start, record) {
            return;
        }
        if calls.occurrence.add(now, DOC.quiet, true) == Added::BeginsAnew {
            *calls = Calls::new(record.start, record, shown(to));
            return;
        }
        if let Some(rhythm) = calls.rhythm(self.lines) {
            self.tell(now, &key, &rhythm, verdict, findings);
        } else if calls.first + self.patience <= now && !is_odd {
            self.known.note(now, &key.0, &key.1, Mark::Seen);
            self.pairs.remove(&key);
        }
    }

    fn tell(&mut self, now: Timestamp, key: &Key, rhythm: &Rhythm, verdict: Verdict, findings: &mut Vec<Finding>) {
        let elsewhere = self.known.subjects_with(&key.1).any(|subject| *subject != *key.0);
        let Some(calls) = self.pairs.see(now, key) else { return };
        let Some(count) = calls.occurrence.tell(now, false) else {
            return;
        };
        self.known.note(now, &key.0, &key.1, Mark::Told);
        let record = &calls.record;
        let exe = path_of(record.process.as_ref());
        let is_odd = is_listed(record) || exe.as_deref().is_some_and(is_unsettled);
        let severity = match (elsewhere, is_odd || record.remote_name.is_none()) {
            (_, true) if !elsewhere || is_odd => Severity::High,
            (true, _) => Severity::Low,
            (false, _) => Severity::Medium,
        };
        let confidence = match (elsewhere && !is_odd, rhythm.size) {
            (true, _) => 0.4,
            (false, Some(_)) => 0.8,
            (false, None) => 0.7,
        };
        let confidence = if verdict == Verdict::Learning { 0.5 } else { confidence };
        let address = record.tuple.map(|tuple| tuple.remote.to_string()).unwrap_or_default();
        let place = match &record.remote_name {
            Some((name, _)) => format!("{name} ({address})"),
            None => address,
        };
        let caller = record.process.as_ref().map(|process| who(Some(process)));
        let caller = caller.as_deref().unwrap_or("This host");
        let program = exe.as_deref().unwrap_or("this host");
        let every = every(rhythm.period);
        let size = rhythm
            .size
            .map_or_else(String::new, |size| format!(", {} sent each time", bytes(size)));
        let (of, near) = (rhythm.of, rhythm.near);
        findings.push(Finding {
            detector: &DOC,
            first_seen: calls.first.max(calls.occurrence.first),
            last_seen: now,
            count,
            severity,
            confidence: self.beginning.cap(now, confidence),
            title: format!("{} is called every {every}", calls.shown),
            summary: format!(
                "{caller} calls {place} every {every}, give or take {:.0} %: {near} of the latest {of} intervals are alike{size}; \
                 {program} was not known to go there",
                rhythm.dispersion * 200.0
            ),
            actor: actor_of(record.process.as_ref()),
            target: Target {
                destination: Some(Arc::clone(&calls.shown)),
                ..Target::default()
            },
            evidence: Evidence {
                observed: Quantity::Number(near as f64),
                expected: Quantity::Number(of as f64 * SHARE_INSIDE),
                threshold: Quantity::Number(rhythm.line as f64),
                unit: Some("intervals within 35 % of their median"),
                window_s: rhythm.period.as_secs().saturating_mul(of as u64),
                method: "regular intervals against independent calls: upper tail of a beta-binomial distribution, against a part \
                         of the false-alarm budget",
                would_not_alert: format!(
                    "Fewer than {} of {of} intervals near their median, or a destination that {program} reached while it was \
                     learned.",
                    rhythm.line
                ),
                samples: vec![Sample::Flow(Arc::clone(record))],
            },
            coverage: None,
        });
    }
}

impl Detector for Beaconing {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Flow(flow) => self.call(flow, findings),
            Observation::Transaction(_) | Observation::Announced(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, _: &mut Vec<Finding>) {
        self.known.expire(now);
        let over = self.pairs.iter().filter(|(_, calls)| calls.is_over(now));
        for key in over.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.pairs.remove(&key);
        }
        let is_empty = self.known.subjects() == 0 && self.pairs.is_empty();
        self.next_sweep = (!is_empty).then(|| now + SWEEP_EVERY);
    }

    // Each call is judged when it is over.
    fn finish(&mut self, _: Timestamp, _: &mut Vec<Finding>) {}

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn learning(&self, now: Timestamp) -> u64 {
        self.known.learning(now)
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<Knowledge> {
        let (program, place) = (
            |own: &str| subject.is_program(own),
            |place: &str| subject.is_destination(place),
        );
        self.known.known(now, program, "destinations_called_by_a_clock", place)
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        let evictions = self.known.evictions();
        vec![
            ("called_pairs_evicted", self.pairs.evicted()),
            ("calling_programs_evicted", evictions.subjects),
            ("called_destinations_evicted", evictions.members),
        ]
    }

    fn adopt(&mut self, from: Timestamp, until: Timestamp) -> u64 {
        self.known.adopt(from, until)
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.known.export_dirty()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.beginning.import(&rows, now);
        self.known.import(rows, now);
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
    }
}

fn is_listed(record: &FlowRecord) -> bool {
    record.remote_whereabouts.as_ref().is_some_and(|at| at.listed.is_some())
}

/// A length of time as people say it.
fn every(period: Duration) -> String {
    let secs = period.as_secs_f64();
    match period.as_secs() {
        0..100 => format!("{secs:.0} s"),
        100..6_000 => format!("{:.0} min", secs / 60.0),
        _ => format!("{:.1} h", secs / 3_600.0),
    }
}
