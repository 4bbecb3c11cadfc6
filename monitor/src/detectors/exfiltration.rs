//! `exfiltration`: this host sends far more to an address outside than it ever did.

mod doc;
mod pair;
mod requests;
mod settings;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use self::doc::{MOST_PAIRS, TESTS};
use self::pair::Pair;
use self::requests::Requests;
use self::tell::Place;
use super::{Detector, DetectorDoc, budget};
use crate::baseline::amounts::{Norm, Span};
use crate::baseline::beginning::Beginning;
use crate::baseline::knowledge::{Knowledge, MOST_TOLD, Sought};
use crate::baseline::ledger::{Excess, Ledger, Told};
use crate::baseline::outside::{Key, is_outside, key_of};
use crate::baseline::recent::Recent;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::networks::Settings as Networks;
use crate::event::FlowId;
use crate::finding::Finding;
use crate::observation::{Destination, FlowObservation, Observation};
use crate::record::FlowEvent;
use crate::time::Timestamp;

/// Flows whose bytes are counted while they last; others are counted at their end.
const MOST_FLOWS: usize = 65_536;
/// Programs whose new destinations are summed.
const MOST_PROGRAMS: usize = 512;
/// What was not seen for so long is forgotten; a job of every quarter of a year is new then.
const KEEP: Duration = Duration::from_hours(90 * 24);
/// A destination is one of the new ones of its program for so long.
const FRESH: Duration = Duration::from_hours(24);
/// Until so much was sent, a flow may yet show its name and program.
const UNNAMED: u64 = 64 * 1024;
/// How often what is over is swept out, and what was held back is told.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// A flow without a record for so long is counted at its end.
const FLOW_IDLE: Duration = Duration::from_hours(24);
/// The member of rows of all new destinations of a program.
const CROWD: &str = "*";

/// The detector.
#[derive(Debug)]
pub struct Exfiltration {
    settings: Settings,
    networks: Networks,
    period: Duration,
    alphas: [f64; 4],
    beginning: Beginning,
    flows: FxHashMap<FlowId, Track>,
    pairs: Recent<Key, Pair>,
    /// Of each program, all that is new.
    crowds: Recent<Arc<str>, Pair>,
    requests: Requests,
    next_sweep: Option<Timestamp>,
    next_flow_sweep: Option<Timestamp>,
    untracked: u64,
}

/// A flow that has sent something.
#[derive(Debug)]
struct Track {
    /// Whose bytes they are; not known before it has a name, or has sent much.
    key: Option<Key>,
    /// Bytes that are counted.
    counted: u64,
    last: Timestamp,
}

/// What is known of a program and a destination, or of all that are new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing is known of anything yet.
    Learning,
    /// It came when the host was known.
    New,
    /// There is a history.
    Known,
}

impl Exfiltration {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = budget(config);
        let alpha = |test| budget.alpha(test, &TESTS);
        Self {
            settings: config.detectors.exfiltration.clone(),
            networks: config.networks.clone(),
            period: *config.learning.period,
            alphas: TESTS.each_ref().map(alpha),
            beginning: Beginning::new(config),
            flows: FxHashMap::default(),
            pairs: Recent::new(MOST_PAIRS, KEEP),
            crowds: Recent::new(MOST_PROGRAMS, KEEP),
            requests: Requests::default(),
            next_sweep: None,
            next_flow_sweep: None,
            untracked: 0,
        }
    }

    fn flow(&mut self, flow: &FlowObservation, findings: &mut Vec<Finding>) {
        let record = &flow.record;
        let Some(to) = &flow.destination else {
            return self.requests.see_flow(record);
        };
        if !is_outside(&self.networks, to.address) {
            return;
        }
        let now = flow.time;
        self.beginning.see(now);
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let is_over = record.event == FlowEvent::Close;
        let sent = record.counters.sent;
        let (key, counted) = if let Some(track) = self.flows.get_mut(&record.flow) {
            track.last = now;
            (track.key.clone(), track.counted)
        } else {
            if let Some(parent) = &record.parent {
                self.requests.want(now, parent);
            }
            // What it had sent before it was seen is of another time.
            let before = if record.joined_late && !is_over { sent } else { 0 };
            if !is_over && (sent > 0 || record.parent.is_some()) {
                self.track(now, record.flow, before);
            }
            (None, before)
        };
        let more = sent.saturating_sub(counted);
        let key = match key {
            Some(key) => Some(key),
            None if more > 0 && (is_over || sent >= UNNAMED || is_named(flow, to)) => Some(key_of(record, to)),
            None => None,
        };
        if is_over {
            self.flows.remove(&record.flow);
        } else if let Some(track) = self.flows.get_mut(&record.flow)
            && key.is_some()
        {
            track.counted = sent.max(counted);
            track.key.clone_from(&key);
        }
        if let Some(key) = key.filter(|_| more > 0) {
            self.add(flow, to, &key, more, findings);
        }
    }

    fn add(&mut self, flow: &FlowObservation, to: &Destination, key: &Key, more: u64, findings: &mut Vec<Finding>) {
        let now = flow.time;
        let pair = self
            .pairs
            .see_or_make(now, key, || Pair::new(Ledger::new(now)), Pair::weight);
        pair.slide(now, Timestamp::ZERO);
        let is_due = pair.add(now, more, &flow.record, to);
        let is_fresh = pair.ledger.first + FRESH > now && !pair.ledger.adopted;
        if is_due {
            self.judge(now, key, findings);
        }
        // What an alert of its own tells of is none of the crowd's.
        if is_fresh && self.pairs.get(key).is_some_and(|pair| pair.ledger.told.is_none()) {
            let program = &key.0;
            let crowd = self
                .crowds
                .see_or_make(now, program, || Pair::new(Ledger::new(now)), Pair::weight);
            // On the first day of a program all are new, and some on the next: that teaches nothing.
            let from = crowd.ledger.first + 2 * FRESH;
            crowd.slide(now, from);
            if !self.beginning.is_over(crowd.ledger.first) {
                crowd.settle(now, from);
            }
            let is_due = crowd.add(now, more, &flow.record, to);
            crowd.see_place(now, &key.1, to, more);
            if is_due {
                self.judge_crowd(now, program, findings);
            }
        }
    }

    fn judge(&mut self, now: Timestamp, key: &Key, findings: &mut Vec<Finding>) {
        let Some(standing) = self.pairs.get(key).map(|pair| self.standing(now, pair)) else {
            return;
        };
        let (floor, alphas, unlearned) = (self.settings.new_bytes, self.alphas, self.settings.unlearned_bytes);
        let Some(pair) = self.pairs.see(now, key) else { return };
        let norms: Vec<(Span, Norm)> = match standing {
            Standing::Learning => vec![(Span::Day, bound(unlearned))],
            Standing::New => vec![(Span::Day, bound(floor)), (Span::Week, bound(floor.saturating_mul(3)))],
            Standing::Known => Span::ALL
                .into_iter()
                .zip(alphas)
                .map(|(over, alpha)| (over, pair.ledger.amounts.norm(over, alpha, floor_of(over, floor))))
                .collect(),
        };
        if let Some(excess) = pair.ledger.judge(norms) {
            let elsewhere = standing == Standing::New && self.is_known_elsewhere(now, key);
            let place = Place::One {
                place: Arc::clone(&key.1),
                elsewhere,
            };
            self.tell(now, key, &place, standing, &excess, findings);
        }
    }

    fn judge_crowd(&mut self, now: Timestamp, program: &Arc<str>, findings: &mut Vec<Finding>) {
        let (floor, alpha) = (self.settings.new_bytes.saturating_mul(2), self.alphas[3]);
        let (is_learning, unlearned) = (!self.beginning.is_over(now), self.settings.unlearned_bytes);
        let Some(crowd) = self.crowds.see(now, program) else {
            return;
        };
        let (standing, norms) = if is_learning {
            (Standing::Learning, vec![(Span::Day, bound(unlearned))])
        } else {
            let norms = [(Span::Day, floor), (Span::Week, floor.saturating_mul(3))];
            let norms = norms.map(|(over, floor)| (over, crowd.ledger.amounts.norm(over, alpha, floor)));
            (Standing::Known, norms.to_vec())
        };
        if crowd.places.count() < 2 {
            // One alone has its own line.
            return;
        }
        if let Some(excess) = crowd.ledger.judge(norms) {
            let key = (Arc::clone(program), Arc::from(CROWD));
            self.tell(now, &key, &Place::Many, standing, &excess, findings);
        }
    }

    fn tell(
        &mut self,
        now: Timestamp,
        key: &Key,
        place: &Place,
        standing: Standing,
        excess: &Excess,
        findings: &mut Vec<Finding>,
    ) {
        let adopt_after = *self.settings.adopt_after;
        let pair = match place {
            Place::One { .. } => self.pairs.see(now, key),
            Place::Many => self.crowds.see(now, &key.0),
        };
        if let Some(pair) = pair {
            let told = pair.ledger.tell(now, excess, adopt_after);
            findings.extend(tell::finding(
                pair,
                place,
                standing,
                excess,
                told,
                &mut self.requests,
                &self.beginning,
            ));
        }
    }

    fn standing(&self, now: Timestamp, pair: &Pair) -> Standing {
        if !self.beginning.is_over(now) {
            Standing::Learning
        } else if !pair.ledger.adopted
            && self.beginning.is_over(pair.ledger.first)
            && now < pair.ledger.first + self.period.max(FRESH)
        {
            Standing::New
        } else {
            Standing::Known
        }
    }

    /// Whether another program of this host has a history with the destination.
    fn is_known_elsewhere(&self, now: Timestamp, (program, place): &Key) -> bool {
        self.pairs.iter().any(|((other, at), pair)| {
            at == place && other != program && pair.ledger.told.is_none() && self.standing(now, pair) == Standing::Known
        })
    }

    fn track(&mut self, now: Timestamp, flow: FlowId, counted: u64) {
        if self.flows.len() >= MOST_FLOWS {
            self.untracked += 1;
            return;
        }
        self.next_flow_sweep.get_or_insert(now + FLOW_IDLE);
        self.flows.insert(
            flow,
            Track {
                key: None,
                counted,
                last: now,
            },
        );
    }

    fn tell_held_back(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let pairs = self.pairs.iter().filter(|(_, pair)| pair.ledger.is_held_back());
        for key in pairs.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.judge(now, &key, findings);
        }
        let crowds = self.crowds.iter().filter(|(_, crowd)| crowd.ledger.is_held_back());
        for program in crowds.map(|(program, _)| Arc::clone(program)).collect::<Vec<_>>() {
            self.judge_crowd(now, &program, findings);
        }
    }
}

impl Detector for Exfiltration {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) => {
                if self.requests.see(record) {
                    let now = record.end();
                    let waiting = |told: &mut Told| told.untold = told.untold.max(1);
                    self.pairs
                        .iter_mut()
                        .map(|(_, pair)| pair)
                        .chain(self.crowds.iter_mut().map(|(_, crowd)| crowd))
                        .filter(|pair| pair.is_caused_by(record))
                        .filter_map(|pair| pair.ledger.told.as_mut())
                        .for_each(waiting);
                    self.tell_held_back(now, findings);
                }
            }
            Observation::Flow(flow) => self.flow(flow, findings),
            Observation::Announced(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
        self.pairs.expire(now);
        self.crowds.expire(now);
        self.requests.expire(now);
        if self.next_flow_sweep.is_some_and(|due| due <= now) {
            self.flows.retain(|_, track| now.since(track.last) < FLOW_IDLE);
            self.next_flow_sweep = (!self.flows.is_empty()).then(|| now + FLOW_IDLE);
        }
        let is_empty = self.pairs.is_empty() && self.flows.is_empty();
        self.next_sweep = (!is_empty).then(|| now + SWEEP_EVERY);
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn learning(&self, now: Timestamp) -> u64 {
        if self.beginning.is_over(now) {
            0
        } else {
            self.pairs.len() as u64
        }
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<Knowledge> {
        let is_it = |(program, place): &Key| subject.is_program(program) || subject.is_destination(place);
        let pairs = self
            .pairs
            .iter()
            .filter(|(key, _)| is_it(key))
            .map(|((program, place), pair)| {
                let shown = pair.shown.as_deref().unwrap_or(place);
                (format!("{program} {shown}"), pair)
            });
        let crowds = self.crowds.iter().filter(|(program, _)| subject.is_program(program));
        let crowds = crowds.map(|(program, crowd)| (format!("{program}, all destinations"), crowd));
        let known = |(with, pair): (String, &Pair)| Knowledge {
            with,
            ..Knowledge::since(pair.ledger.first, !self.beginning.is_over(now)).and_sums(&pair.ledger)
        };
        crowds.chain(pairs).take(MOST_TOLD).map(known).collect()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("upload_destinations_evicted", self.pairs.evicted()),
            ("upload_programs_evicted", self.crowds.evicted()),
            ("upload_flows_untracked", self.untracked),
            ("parent_requests_unawaited", self.requests.left_out),
        ]
    }

    fn adopt(&mut self, from: Timestamp, until: Timestamp) -> u64 {
        let pairs = self.pairs.iter_mut().map(|(_, pair)| &mut pair.ledger);
        let crowds = self.crowds.iter_mut().map(|(_, crowd)| &mut crowd.ledger);
        let adopted = pairs
            .chain(crowds)
            .filter_map(|ledger| ledger.adopt(from, until).then_some(()));
        adopted.count() as u64
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = self.beginning.export_dirty();
        let crowd: Arc<str> = Arc::from(CROWD);
        for (key, pair) in self.pairs.iter_mut().filter(|(_, pair)| pair.ledger.dirty) {
            pair.ledger.dirty = false;
            changes.push(Change::Put(pair.ledger.to_row(&key.0, &key.1)));
        }
        for (program, pair) in self.crowds.iter_mut().filter(|(_, pair)| pair.ledger.dirty) {
            pair.ledger.dirty = false;
            changes.push(Change::Put(pair.ledger.to_row(program, &crowd)));
        }
        changes
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        let (pairs, beginning): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| !row.subject.is_empty());
        self.beginning.import(&beginning, now);
        for row in pairs {
            let Some(mut pair) = Ledger::from_row(&row, now).map(Pair::new) else {
                continue;
            };
            pair.resume();
            self.next_sweep.get_or_insert(now + SWEEP_EVERY);
            let last = row.last.min(now);
            if &*row.member == CROWD {
                self.crowds.see_or_make(last, &row.subject, || pair, Pair::weight);
            } else {
                self.pairs
                    .see_or_make(last, &(row.subject, row.member), || pair, Pair::weight);
            }
        }
    }
}

/// A bound, where nothing is known.
const fn bound(line: u64) -> Norm {
    Norm {
        usual: 0,
        line,
        by_hour: false,
    }
}

const fn floor_of(over: Span, day: u64) -> u64 {
    match over {
        Span::Hour | Span::Day => day,
        Span::Week => day.saturating_mul(3),
    }
}

/// Whether it shows who it is and where it goes.
fn is_named(flow: &FlowObservation, to: &Destination) -> bool {
    let process = flow.record.process.as_ref();
    to.name.is_some() && process.is_some_and(|process| process.program.is_some())
}
