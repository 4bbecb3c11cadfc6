//! `unknown_destination`: a program reaches a destination that was never seen for it.

mod case;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::case::{Case, Kind};
use super::{Detector, DetectorDoc};
use crate::alert::Pillar;
use crate::baseline::first_seen::{FirstSeen, Limits, Mark, Terms, Verdict};
use crate::baseline::names::{family, grown_family, is_under, parents};
use crate::baseline::program::Subject;
use crate::baseline::{Change, Row};
use crate::config::{Config, Networks, Period};
use crate::event::FlowId;
use crate::finding::Finding;
use crate::observation::{Destination, FlowObservation, Observation};
use crate::record::{App, FlowEvent};
use crate::time::Timestamp;

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "unknown_destination",
    ioc: Some(8),
    pillar: Pillar::Infrastructure,
    // An hourly job stays one occurrence.
    quiet: Duration::from_hours(2),
    owasp_api: &["API10:2023"],
    attack: &["T1071", "T1041", "T1567"],
    detects: "\
An outbound flow, TCP or UDP, also one that was refused, from a program to a destination that this program was never \
seen to reach; and a program that never called out before on a host whose habits are known.",
    why: "\
Servers talk to few places, and always the same ones. Whoever gets in has to fetch tools, report back and carry data \
out, and nearly always to a place of his own: command and control over ordinary protocols (ATT&CK T1071), exfiltration \
over that channel (T1041) or to a web service (T1567). An API that is talked into calling a third party unsafely \
(OWASP API10:2023) shows the same way.",
    how: "\
Subject: the executable's path, version numbers folded, and its container. A container that is new is judged by what \
the same program reached in other containers until it has its own history.

Destination: the name under which the flow was opened (DNS answer, else TLS server name, else HTTP Host); without a \
name the network, /24 of IPv4 or /48 of IPv6. A known name stays known at every address. The port does not count. \
Eight known names below one parent make every name below it known (`*.cdn.example.net`), unless names below that \
parent are registered for or rented to others (`co.uk`, `s3.amazonaws.com`). A network that was reached without a name \
covers the names in it, and the networks of a known name cover flows there whose name was not seen.

Learning: a set of destinations per subject, with first and last sight and count. A subject learns for `[learning] \
period` (7 days) from its first sight and for `floor` flows (3). With `period = \"0s\"` everything is judged at once. \
After that a destination that is not in the set is an alert. A program first seen when the host as a whole has learned \
for `period` is itself what is new: its first destination is an alert at once, what it reaches in the following day \
joins that alert, and then it learns like any other.

After the alert the destination stays unknown for `adopt_after` (1 day), so that each further flow counts in the open \
alert; if no rule allowed it and nobody stopped it until then, it becomes known and the alert ends. A destination not \
reached for `forget_after` (90 days) is forgotten.

Never judged: flows within the host, loopback, multicast and broadcast (they have no one receiver), and DNS to \
resolvers in `[networks] internal`. DNS elsewhere is judged for the host as a whole, since every program asks its \
resolver; the first resolver seen is taken as given. Link-local unicast is judged like any other: the cloud's metadata \
service (169.254.169.254) is there.

A flow is judged when its program and name are known, when the first answer is in, when it ends, or 3 seconds after it \
opened (two retransmissions of a SYN, RFC 6298), whichever is first.

Severity: low to one of our own networks; medium elsewhere; high where 10 MB or more were sent, where the executable \
lies in a folder that anyone may write to, or where the metadata service was reached while a request was served. \
Confidence: 0.95 (1 - p) with p = (s + 1) / (n + 2), where n is the number of flows seen of the subject and s the \
number of destinations that were seen once: the estimate of Good and Turing for the chance that the next is new, \
smoothed as by Laplace. Half of that where the program is not known.

False-alarm budget: a program with 32 or more destinations in a week that it reached only once (a crawler, a mail \
relay, a proxy) would raise as many alerts a week: for it a new destination is ordinary and is learned in silence \
(counted as `roaming`). More than 10 new destinations of one program within the quiet time share one alert.",
    limits: "\
What an intruder reached before the end of learning is known. A place that the program also uses for good (a bucket of \
the same object store, a page on the same host) is not told apart. Server name and Host are the client's own words and \
can lie; a name from DNS is taken first. Another port of a known destination is not new. Data hidden in DNS to the \
usual resolver, and bulk or periodic traffic to a known destination, are for other detectors. A program that already \
reaches ever new places is not judged. Without the owner of a socket all its kind share the subject `unknown`.",
    false_positives: "\
A new third party, a new region of a cloud, an update server that moved, an administrator's curl. `monitor allow` (or \
`[[allow]]`) says so at once, for a destination, a pattern of names, a network or a program.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xaa-unsafe-consumption-of-apis/",
        "https://attack.mitre.org/techniques/T1071/",
        "https://attack.mitre.org/techniques/T1041/",
        "https://attack.mitre.org/techniques/T1567/",
        "I. J. Good, The population frequencies of species and the estimation of population parameters, Biometrika 40 (1953)",
        "https://publicsuffix.org/",
        "https://www.rfc-editor.org/rfc/rfc6298",
    ],
};

/// Settings of the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// Flows of a program that must have been seen, besides `[learning] period`, before it is judged.
    pub floor: u64,
    /// A destination that was told of, and not allowed, counts as known after this.
    pub adopt_after: Period,
    /// A destination that was not reached for this long is forgotten.
    pub forget_after: Period,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            // Two flows are an accident; confidence carries the rest.
            floor: 3,
            adopt_after: Period::from_days(1),
            // Covers what is done once a quarter's month, and certificate renewals (90 days at most in common use).
            forget_after: Period::from_days(90),
        }
    }
}

/// Programs and destinations held: about 150 bytes a destination, 5 MB in all. Hosts run tens of programs that call
/// out; those with more than 256 destinations are not judged by this detector anyway.
const LIMITS: Limits = Limits {
    subjects: 2_048,
    members: 256,
    total: 32_768,
};
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
/// Destinations reached once in a week that make a program a roaming one.
const ROAMING: usize = 32;
const WEEK: Duration = Duration::from_hours(7 * 24);
/// The subject of DNS flows: the host as a whole.
const RESOLVERS: &str = "resolvers";
/// DNS (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

/// The detector.
#[derive(Debug)]
pub struct UnknownDestination {
    networks: Networks,
    known: FirstSeen,
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
        let terms = Terms {
            period: *config.learning.period,
            floor: settings.floor,
            adopt: *settings.adopt_after,
            forget: *settings.forget_after,
        };
        Self {
            networks: config.networks.clone(),
            known: FirstSeen::new(LIMITS, terms),
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
                if let Some(known) = self.cases.get_mut(&case) {
                    known.grow(flow, more);
                    self.tell(flow.time, &case, findings);
                }
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
        let subject = if is_dns(flow, to) {
            if self.networks.is_internal(to.address) {
                return self.track(flow, State::Known);
            }
            Subject {
                own: Arc::from(RESOLVERS),
                kin: None,
            }
        } else {
            Subject::of(flow.record.process.as_ref())
        };
        let verdict = match self.verdict(now, &subject, to) {
            // A host has a resolver: the first one is taken as given.
            Verdict::New | Verdict::Newcomer
                if self.known.observations(RESOLVERS) == 0 && &*subject.own == RESOLVERS =>
            {
                Verdict::Learning
            }
            Verdict::New if self.is_roaming(now, &subject.own) => {
                self.roaming += 1;
                Verdict::Learning
            }
            verdict => verdict,
        };
        let kind = match verdict {
            Verdict::Known | Verdict::Learning => {
                self.learn(now, &subject.own, to);
                if let Some(kin) = &subject.kin {
                    self.learn(now, kin, to);
                }
                return self.track(flow, State::Known);
            }
            Verdict::New => Kind::NewDestination,
            Verdict::Newcomer => Kind::NewProgram,
        };
        let case = self.case_for(now, &subject, kind, to, flow);
        let member = member_of(to);
        for subject in [Some(&subject.own), subject.kin.as_ref()].into_iter().flatten() {
            self.known.note(now, subject, &member, Mark::Told);
        }
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

    /// What is known of the program, and where that is too little of its kin.
    fn verdict(&self, now: Timestamp, subject: &Subject, to: &Destination) -> Verdict {
        match (self.verdict_of(now, &subject.own, to), &subject.kin) {
            (Verdict::Learning | Verdict::Newcomer, Some(kin)) => self.verdict_of(now, kin, to),
            (verdict, _) => verdict,
        }
    }

    fn verdict_of(&self, now: Timestamp, subject: &str, to: &Destination) -> Verdict {
        let verdict = self.known.judge(now, subject, &member_of(to));
        let Some(name) = &to.name else {
            return verdict;
        };
        let covered = || {
            self.known_family(subject, name).is_some()
                || self.known.mark(subject, &to.network.to_string()) == Some(Mark::Seen)
        };
        if verdict != Verdict::Known && covered() {
            Verdict::Known
        } else {
            verdict
        }
    }

    fn known_family(&self, subject: &str, name: &str) -> Option<String> {
        parents(name)
            .map(family)
            .find(|family| self.known.mark(subject, family) == Some(Mark::Seen))
    }

    fn learn(&mut self, now: Timestamp, subject: &str, to: &Destination) {
        let Some(name) = &to.name else {
            return self.known.note(now, subject, &to.network.to_string(), Mark::Seen);
        };
        if let Some(family) = self.known_family(subject, name) {
            self.known.note(now, subject, &family, Mark::Seen);
        } else {
            let was_known = self.known.mark(subject, name) == Some(Mark::Seen);
            self.known.note(now, subject, name, Mark::Seen);
            if !was_known {
                self.fold_family(subject, name);
            }
        }
        self.known.note(now, subject, &to.network.to_string(), Mark::Implied);
    }

    /// Makes one destination of `name` and its siblings once there are enough of them.
    fn fold_family(&mut self, subject: &str, name: &str) {
        let seen = self
            .known
            .members(subject)
            .filter(|(_, member)| member.mark == Mark::Seen);
        let grown = grown_family(name, &seen.map(|(name, _)| name));
        if let Some(parent) = grown {
            self.known.merge(subject, &family(parent), |name| {
                is_under(name.trim_start_matches("*."), parent)
            });
        }
    }

    /// Whether `subject` reaches so many places only once that a new one says nothing.
    fn is_roaming(&self, now: Timestamp, subject: &str) -> bool {
        self.seen_once(subject)
            .filter(|first| now.since(*first) < WEEK)
            .take(ROAMING)
            .count()
            >= ROAMING
    }

    /// First sights of the destinations that were reached once.
    fn seen_once(&self, subject: &str) -> impl Iterator<Item = Timestamp> {
        let members = self.known.members(subject).map(|(_, member)| member);
        members
            .filter(|member| member.mark == Mark::Seen && member.count == 1)
            .map(|member| member.first)
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
        let (key, kind) = if alone {
            ((own, Some(shown)), kind)
        } else {
            ((own, None), Kind::ManyDestinations)
        };
        if !self.cases.get(&key).is_some_and(|case| case.is_open(now)) {
            if self.cases.len() >= MOST_CASES {
                let oldest = self
                    .cases
                    .iter()
                    .min_by_key(|(_, case)| case.last_seen())
                    .map(|(key, _)| key.clone());
                self.cases_evicted += u64::from(oldest.is_some_and(|key| self.cases.remove(&key).is_some()));
            }
            let once = self.seen_once(&key.0).count() as u64;
            let evidence = match kind {
                // What is new is the program: how many there are, each seen.
                Kind::NewProgram => (self.known.subjects() as u64, 0),
                Kind::NewDestination | Kind::ManyDestinations => (self.known.observations(&key.0), once),
            };
            let known = self.known.members(&key.0).chain(
                // A container without a history was judged by its kin's.
                subject.kin.iter().flat_map(|kin| self.known.members(kin)),
            );
            self.cases.insert(
                key.clone(),
                Case::new(kind, flow, known, evidence, self.networks.is_internal(to.address)),
            );
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
        self.known.expire(now);
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
            Observation::Transaction(_) => {}
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
        self.known.learning(now)
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        let evictions = self.known.evictions();
        vec![
            ("programs_evicted", evictions.subjects),
            ("destinations_evicted", evictions.members),
            ("cases_evicted", self.cases_evicted),
            ("flows_untracked", self.untracked),
            ("roaming", self.roaming),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.known.export_dirty()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.known.import(rows, now);
    }
}

/// What the destination is called in the baseline.
fn member_of(to: &Destination) -> Arc<str> {
    to.name.clone().unwrap_or_else(|| to.network.to_string().into())
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
