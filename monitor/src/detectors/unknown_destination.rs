//! `unknown_destination`: a program reaches a destination that was never seen for it.

mod case;
mod doc;
mod known;
mod settings;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use self::case::{Case, Kind};
use self::known::Known;
use super::{Detector, DetectorDoc};
use crate::baseline::first_seen::Verdict;
use crate::baseline::knowledge::{Knowledge, Sought};
use crate::baseline::program::Subject;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::networks::Settings as Networks;
use crate::event::FlowId;
use crate::finding::Finding;
use crate::observation::{Destination, FlowObservation, Observation};
use crate::record::{App, FlowEvent};
use crate::time::Timestamp;

/// Flows whose judgement is remembered, so that their later records do not count again.
const MOST_FLOWS: usize = 65_536;
/// What is told of at a time.
const MOST_CASES: usize = 1_024;
/// New destinations of one program that have an alert each; more share one. A person reads ten.
const MOST_ALONE: usize = 10;
/// How long a flow's name and program are waited for.
const HOLD: Duration = Duration::from_secs(3);
/// A case is told of at most this often; a flow that lives reports once a second.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often what is over is swept out.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// A flow without a record for this long may be forgotten: it would be judged once more.
const FLOW_IDLE: Duration = Duration::from_hours(24);
/// DNS (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

/// The detector.
#[derive(Debug)]
pub struct UnknownDestination {
    networks: Networks,
    known: Known,
    flows: FxHashMap<FlowId, Track>,
    /// Flows in [`State::Waiting`], by deadline.
    waiting: VecDeque<(Timestamp, FlowId)>,
    cases: BTreeMap<CaseKey, Case>,
    /// No case is due to be told of before this.
    next_tell: Option<Timestamp>,
    next_sweep: Option<Timestamp>,
    roaming: u64,
    untracked: u64,
    cases_evicted: u64,
}

/// A subject, and the destination that its alert names: none for the one that the many share.
type CaseKey = (Arc<str>, Option<Arc<str>>);

#[derive(Debug)]
struct Track {
    last: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(FlowObservation),
    Known,
    Told { case: CaseKey, sent: u64, received: u64 },
}

impl UnknownDestination {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let settings = &config.detectors.unknown_destination;
        Self {
            networks: config.networks.clone(),
            known: Known::new(*config.learning.period, settings),
            flows: FxHashMap::default(),
            waiting: VecDeque::new(),
            cases: BTreeMap::new(),
            next_tell: None,
            next_sweep: None,
            roaming: 0,
            untracked: 0,
            cases_evicted: 0,
        }
    }

    fn observe_flow(&mut self, flow: &FlowObservation, findings: &mut Vec<Finding>) {
        let Some(destination) = flow.destination.as_ref().filter(|to| has_one_receiver(to.address)) else {
            return;
        };
        self.next_sweep.get_or_insert(flow.time + SWEEP_EVERY);
        let id = flow.record.flow;
        let full = self.flows.len() >= MOST_FLOWS || self.waiting.len() >= MOST_FLOWS;
        match self.flows.get_mut(&id).map(|track| {
            track.last = flow.time;
            &mut track.state
        }) {
            Some(State::Known) => {}
            Some(State::Told { case, sent, received }) => {
                let counters = &flow.record.counters;
                let more = (
                    counters.sent.saturating_sub(*sent),
                    counters.received.saturating_sub(*received),
                );
                (*sent, *received) = (counters.sent.max(*sent), counters.received.max(*received));
                let case = case.clone();
                self.follow(flow, destination, &case, more, findings);
            }
            Some(State::Waiting(held)) => {
                *held = flow.clone();
                if is_ripe(flow, destination) {
                    self.judge(flow, destination, findings);
                }
            }
            None if full || is_ripe(flow, destination) => self.judge(flow, destination, findings),
            None => {
                self.flows.insert(
                    id,
                    Track {
                        last: flow.time,
                        state: State::Waiting(flow.clone()),
                    },
                );
                self.waiting.push_back((flow.time + HOLD, id));
            }
        }
        if flow.record.event == FlowEvent::Close {
            self.flows.remove(&id);
        }
    }

    fn judge(&mut self, flow: &FlowObservation, to: &Destination, findings: &mut Vec<Finding>) {
        let now = flow.time;
        let Some(subject) = self.subject_of(flow, to) else {
            return self.track(flow, State::Known);
        };
        let (verdict, by) = self.known.verdict(now, &subject, to);
        let is_roaming = verdict == Verdict::New && self.known.is_roaming(now, by);
        self.roaming += u64::from(is_roaming);
        let kind = match verdict {
            Verdict::New if !is_roaming => Kind::NewDestination,
            Verdict::Newcomer => Kind::NewProgram,
            Verdict::Known | Verdict::Learning | Verdict::New => {
                self.known.learn(now, &subject, to);
                return self.track(flow, State::Known);
            }
        };
        let case = self.case_for(now, &subject, kind, to, flow);
        self.known.tell(now, &subject, to);
        let counters = &flow.record.counters;
        if let Some(open) = self.cases.get_mut(&case) {
            open.add(flow, to);
        }
        self.track(
            flow,
            State::Told {
                case: case.clone(),
                sent: counters.sent,
                received: counters.received,
            },
        );
        self.tell(now, &case, findings);
    }

    /// A later record of a flow that was told of. When its case is over, or the destination was adopted meanwhile, it
    /// is judged anew.
    fn follow(
        &mut self,
        flow: &FlowObservation,
        to: &Destination,
        case: &CaseKey,
        more: (u64, u64),
        findings: &mut Vec<Finding>,
    ) {
        let subject = self.subject_of(flow, to);
        let adopted = subject.is_none_or(|subject| self.known.verdict(flow.time, &subject, to).0 == Verdict::Known);
        match self.cases.get_mut(case).filter(|case| case.is_open(flow.time)) {
            Some(open) if !adopted => {
                open.grow(flow, more);
                self.tell(flow.time, case, findings);
            }
            Some(_) | None => self.judge(flow, to, findings),
        }
    }

    /// Whose habits say whether this flow is ordinary; nobody's where it is ordinary in any case.
    fn subject_of(&self, flow: &FlowObservation, to: &Destination) -> Option<Subject> {
        if !is_dns(flow, to) {
            return Some(Subject::of(flow.record.process.as_ref()));
        }
        (!self.networks.is_internal(to.address)).then(known::resolvers)
    }

    /// The case that a new destination belongs to; it is opened if need be.
    fn case_for(
        &mut self,
        now: Timestamp,
        subject: &Subject,
        kind: Kind,
        to: &Destination,
        flow: &FlowObservation,
    ) -> CaseKey {
        let own = subject.own.clone();
        let shown: Arc<str> = to.name.clone().unwrap_or_else(|| to.address.to_string().into());
        let of_subject = (own.clone(), None)..;
        let open = || {
            let of_subject = self
                .cases
                .range(of_subject.clone())
                .take_while(|((subject, _), _)| *subject == own);
            of_subject.filter(|(_, case)| case.is_open(now))
        };
        let same_place = |case: &Case| case.names(to);
        let chosen = open()
            .find(|(_, case)| same_place(case))
            .or_else(|| open().find(|(_, case)| kind == Kind::NewProgram && case.kind == kind))
            .map(|(key, _)| key.clone());
        if let Some(key) = chosen {
            return key;
        }
        let alone = open().filter(|(_, case)| case.kind == Kind::NewDestination).count() < MOST_ALONE;
        let (target, kind) = if alone {
            (Some(shown), kind)
        } else {
            (None, Kind::ManyDestinations)
        };
        let key = (own.clone(), target);
        if !self.cases.get(&key).is_some_and(|case| case.is_open(now)) {
            if self.cases.len() >= MOST_CASES {
                let oldest = self
                    .cases
                    .iter()
                    .min_by_key(|(_, case)| case.last_seen())
                    .map(|(key, _)| key.clone());
                self.cases_evicted += u64::from(oldest.is_some_and(|key| self.cases.remove(&key).is_some()));
            }
            let history = match kind {
                // What is new is the program: there are so many, each seen.
                Kind::NewProgram => (self.known.programs(), 0),
                Kind::NewDestination | Kind::ManyDestinations => self.known.history(&own),
            };
            let known = self.known.destinations(subject);
            let internal = self.networks.is_internal(to.address);
            self.cases
                .insert(key.clone(), Case::new(kind, flow, known, history, internal));
        }
        key
    }

    fn tell(&mut self, now: Timestamp, key: &CaseKey, findings: &mut Vec<Finding>) {
        let Some(case) = self.cases.get_mut(key) else {
            return;
        };
        if case.may_tell(now, TELL_EVERY) {
            findings.push(case.tell(now, key.1.clone()));
        } else {
            let due = now + TELL_EVERY;
            self.next_tell = Some(self.next_tell.map_or(due, |next| next.min(due)));
        }
    }

    fn tell_all(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let untold = self.cases.iter_mut().filter(|(_, case)| case.is_untold());
        findings.extend(untold.map(|((_, target), case)| case.tell(now, target.clone())));
        self.next_tell = None;
    }

    fn track(&mut self, flow: &FlowObservation, state: State) {
        if flow.record.event == FlowEvent::Close {
            self.flows.remove(&flow.record.flow);
        } else if self.flows.len() < MOST_FLOWS || self.flows.contains_key(&flow.record.flow) {
            self.flows.insert(flow.record.flow, Track { last: flow.time, state });
        } else {
            self.untracked += 1;
        }
    }

    /// Judges what has waited until `now`; all that waits if there is no `now`.
    fn judge_waiting(&mut self, now: Option<Timestamp>, findings: &mut Vec<Finding>) {
        while let Some(&(deadline, id)) = self.waiting.front() {
            if now.is_some_and(|now| now < deadline) {
                break;
            }
            self.waiting.pop_front();
            let held = match self.flows.get(&id) {
                Some(Track {
                    state: State::Waiting(held),
                    ..
                }) => held.clone(),
                Some(Track {
                    state: State::Known | State::Told { .. },
                    ..
                })
                | None => continue,
            };
            if let Some(destination) = &held.destination {
                self.judge(&held, destination, findings);
            }
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        self.known.sets.expire(now);
        self.cases.retain(|_, case| case.is_open(now));
        self.flows.retain(|_, track| now.since(track.last) < FLOW_IDLE);
        self.next_sweep = Some(now + SWEEP_EVERY);
    }
}

impl Detector for UnknownDestination {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Flow(flow) => self.observe_flow(flow, findings),
            Observation::Transaction(_) | Observation::Announced(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.judge_waiting(Some(now), findings);
        if self.next_tell.is_some_and(|due| due <= now) {
            self.tell_all(now, findings);
        }
        if self.next_sweep.is_some_and(|due| due <= now) {
            self.sweep(now);
        }
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.judge_waiting(None, findings);
        self.tell_all(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        let deadline = self.waiting.front().map(|(deadline, _)| *deadline);
        [deadline, self.next_tell, self.next_sweep].into_iter().flatten().min()
    }

    fn learning(&self, now: Timestamp) -> u64 {
        self.known.sets.learning(now)
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<Knowledge> {
        let (program, place) = (
            |own: &str| subject.is_program(own),
            |place: &str| subject.is_destination(place),
        );
        self.known.sets.known(now, program, "destinations", place)
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        let evictions = self.known.sets.evictions();
        vec![
            ("programs_evicted", evictions.subjects),
            ("destinations_evicted", evictions.members),
            ("cases_evicted", self.cases_evicted),
            ("flows_untracked", self.untracked),
            ("roaming", self.roaming),
        ]
    }

    fn adopt(&mut self, from: Timestamp, until: Timestamp) -> u64 {
        self.known.sets.adopt(from, until)
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.known.sets.export_dirty()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.known.sets.import(rows, now);
    }
}

/// Loopback and the unspecified address (which connects to it) are this host; multicast and broadcast are nobody.
fn has_one_receiver(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || broadcast)
}

fn is_dns(flow: &FlowObservation, to: &Destination) -> bool {
    to.port == DNS_PORT || flow.record.app == Some(App::Dns)
}

/// Whether all that can be known of a flow's name and program is known.
fn is_ripe(flow: &FlowObservation, to: &Destination) -> bool {
    let record = &flow.record;
    let has_program = record.process.as_ref().is_some_and(|process| process.program.is_some());
    // Once the server has answered, the client's first words, with their server name or Host, have gone by.
    let answered = record.app.is_some() && record.counters.received > 0;
    record.event == FlowEvent::Close || (has_program && (to.name.is_some() || answered || is_dns(flow, to)))
}
