//! What one alert is about: the flows of a program to a destination that is new for it, and the words for it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::DOC;
use super::known::member_of;
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::first_seen::Member;
use crate::baseline::program::is_unsettled;
use crate::finding::Finding;
use crate::finding::words::{actor_of, bytes, path_of, plural, short_name, who};
use crate::observation::{Destination, FlowObservation};
use crate::record::{EndReason, FlowRecord};
use crate::time::Timestamp;

/// Sent to a new destination, this much weighs more: reports and calls are smaller, a dump is larger.
const LARGE_BYTES: u64 = 10_000_000;
/// Destinations that an alert shows by name.
const MOST_SHOWN: usize = 5;
/// Confidence of a perfect history: the rest is for what the documentation calls false positives.
const MOST_CONFIDENCE: f64 = 0.95;
/// Where clouds hand out credentials to whoever asks from inside: AWS, Azure, Google and others; Alibaba; AWS by IPv6.
const METADATA: [&str; 3] = ["169.254.169.254", "100.100.100.200", "fd00:ec2::254"];

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A destination of a program whose destinations are known.
    NewDestination,
    /// The program.
    NewProgram,
    /// Many destinations of one program.
    ManyDestinations,
}

/// Flows that one alert tells of.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) kind: Kind,
    /// Up to [`MOST_SHOWN`]: name or network as it is known, and as it is shown.
    places: Vec<(Arc<str>, String)>,
    more_places: u64,
    flows: u64,
    sent: u64,
    received: u64,
    /// Latest record of the flow that moved last.
    latest: Arc<FlowRecord>,
    last: Timestamp,
    internal: bool,
    metadata: bool,
    /// The best known destinations when this began, most used first.
    expected: Vec<String>,
    known: u64,
    confidence: f32,
    told_at: Option<Timestamp>,
    told_severity: Severity,
    /// Flows not yet in a finding, and when the first began.
    untold_flows: u64,
    untold_since: Option<Timestamp>,
    untold: bool,
}

impl Case {
    /// Begins with `flow`, which [`Self::add`] has yet to count. `known` is what is normal; `history` how many flows
    /// that rests on, and how many destinations were seen once.
    pub(super) fn new<'a>(
        kind: Kind,
        flow: &FlowObservation,
        known: impl Iterator<Item = (&'a str, &'a Member)>,
        history: (u64, u64),
        internal: bool,
    ) -> Self {
        let mut known: Vec<(u64, &str)> = known.map(|(name, member)| (member.count, name)).collect();
        known.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        // A container's own and its kin's.
        let mut names: Vec<&str> = Vec::new();
        known.retain(|(_, name)| {
            let is_first = !names.contains(name);
            names.push(name);
            is_first
        });
        let (observations, once) = history;
        let next_is_new = (once + 1) as f64 / (observations + 2) as f64;
        let certainty = if flow.record.process.is_some() { 1.0 } else { 0.5 };
        Self {
            kind,
            places: Vec::new(),
            more_places: 0,
            flows: 0,
            sent: 0,
            received: 0,
            latest: flow.record.clone(),
            last: flow.time,
            internal,
            metadata: false,
            expected: known
                .iter()
                .take(MOST_SHOWN)
                .map(|(_, name)| (*name).to_owned())
                .collect(),
            known: known.len() as u64,
            confidence: (certainty * MOST_CONFIDENCE * (1.0 - next_is_new)).max(0.05) as f32,
            told_at: None,
            told_severity: Severity::Low,
            untold_flows: 0,
            untold_since: None,
            untold: false,
        }
    }

    /// Counts a flow that belongs to it.
    pub(super) fn add(&mut self, flow: &FlowObservation, to: &Destination) {
        if !self.names(to) {
            if self.places.len() < MOST_SHOWN {
                self.places.push((member_of(to), show_place(to)));
            } else {
                self.more_places += 1;
            }
        }
        self.flows += 1;
        self.untold_flows += 1;
        self.untold_since.get_or_insert(flow.record.start.min(flow.time));
        self.metadata |= METADATA
            .iter()
            .filter_map(|text| text.parse::<IpAddr>().ok())
            .any(|ip| ip == to.address);
        self.grow(flow, (flow.record.counters.sent, flow.record.counters.received));
    }

    /// Takes in a later record of a flow that was added: what it `(sent, received)` since.
    pub(super) fn grow(&mut self, flow: &FlowObservation, (sent, received): (u64, u64)) {
        self.sent = self.sent.saturating_add(sent);
        self.received = self.received.saturating_add(received);
        self.latest = flow.record.clone();
        self.last = self.last.max(flow.time);
        self.untold = true;
    }

    /// Whether it tells of this destination already.
    pub(super) fn names(&self, to: &Destination) -> bool {
        let member = member_of(to);
        self.places.iter().any(|(place, _)| *place == member)
    }

    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        now < self.last + DOC.quiet
    }

    pub(super) fn last_seen(&self) -> Timestamp {
        self.last
    }

    pub(super) fn is_untold(&self) -> bool {
        self.untold
    }

    /// Whether it is time: at once when it is new or has become worse, else after `every`.
    pub(super) fn may_tell(&self, now: Timestamp, every: Duration) -> bool {
        self.told_at.is_none_or(|at| now.since(at) >= every) || self.severity() > self.told_severity
    }

    /// The finding, for the alert that names `destination`.
    pub(super) fn tell(&mut self, now: Timestamp, destination: Option<Arc<str>>) -> Finding {
        let severity = self.severity();
        (self.told_at, self.told_severity, self.untold) = (Some(now), severity, false);
        let record = &self.latest;
        let total = record.counters.sent.saturating_add(record.counters.received);
        // Who called out so often is not known, and no single destination is: then it is the address that did.
        let by_address = || {
            let local = record.tuple.filter(|_| destination.is_none())?.local.ip();
            Some(Actor {
                kind: ActorKind::Ip,
                id: local.to_canonical().to_string().into(),
            })
        };
        Finding {
            detector: &DOC,
            first_seen: self.untold_since.take().unwrap_or(self.last),
            last_seen: self.last,
            count: std::mem::take(&mut self.untold_flows),
            severity,
            confidence: self.confidence,
            title: self.title(destination.as_deref()),
            summary: self.summary(),
            actor: actor_of(record.process.as_ref()).or_else(by_address),
            target: Target {
                destination,
                ..Target::default()
            },
            evidence: self.evidence(),
            coverage: (total > 0).then(|| (record.coverage.understood_bytes as f64 / total as f64).min(1.0) as f32),
        }
    }

    fn severity(&self) -> Severity {
        let exe = path_of(self.latest.process.as_ref());
        let grave = self.sent >= LARGE_BYTES
            || exe.as_deref().is_some_and(is_unsettled)
            || (self.metadata && self.latest.parent.is_some());
        match (self.internal, grave) {
            (true, _) => Severity::Low,
            (false, false) => Severity::Medium,
            (false, true) => Severity::High,
        }
    }

    fn title(&self, destination: Option<&str>) -> String {
        let name = short_name(self.latest.process.as_ref());
        let destination = destination.unwrap_or("several");
        match self.kind {
            Kind::NewDestination => format!("New destination for {name}: {destination}"),
            Kind::NewProgram => format!("{name} calls out for the first time: {destination}"),
            Kind::ManyDestinations => format!("Many new destinations for {name}"),
        }
    }

    fn summary(&self) -> String {
        let process = self.latest.process.as_ref();
        let mut text = who(process);
        if let Some(request) = self.latest.parent.as_ref().and_then(|parent| parent.request.as_ref()) {
            let _ = write!(text, ", during {request},");
        }
        let place = self.places.first().map_or("", |(_, shown)| shown.as_str());
        let others = (self.places.len() as u64 + self.more_places).saturating_sub(1);
        let failed = matches!(
            self.latest.end_reason,
            Some(EndReason::Refused | EndReason::ConnectFailed | EndReason::Timeout)
        );
        let places = match others {
            0 => place.to_owned(),
            others => format!("{place} and {others} other new destination{}", plural(others)),
        };
        let _ = match (self.sent, self.received, failed) {
            (0, 0, true) => write!(text, " tried in vain to reach {places}"),
            (0, 0, false) => write!(text, " opened a connection to {places}"),
            (sent, 0, _) => write!(text, " sent {} to {places}", bytes(sent)),
            (sent, received, _) => write!(
                text,
                " sent {} to {places} and received {}",
                bytes(sent),
                bytes(received)
            ),
        };
        if self.flows > 1 {
            let _ = write!(text, " in {} connections", self.flows);
        }
        let program = path_of(process).unwrap_or_else(|| "a process that is not known".to_owned());
        let _ = match (self.kind, others) {
            (Kind::NewProgram, _) => write!(text, "; {program} was never seen to call out before on this host"),
            (Kind::NewDestination | Kind::ManyDestinations, 0) => {
                write!(
                    text,
                    ", a destination never seen before from {program}; {}",
                    self.known_count()
                )
            }
            (Kind::NewDestination | Kind::ManyDestinations, _) => {
                write!(
                    text,
                    ", destinations never seen before from {program}; {}",
                    self.known_count()
                )
            }
        };
        text
    }

    fn known_count(&self) -> String {
        format!("{} known destination{}", self.known, plural(self.known))
    }

    fn evidence(&self) -> Evidence {
        let program = path_of(self.latest.process.as_ref()).unwrap_or_else(|| "an unknown program".to_owned());
        let mut observed: Vec<String> = self.places.iter().map(|(_, shown)| shown.clone()).collect();
        if self.more_places > 0 {
            observed.push(format!("and {} more", self.more_places));
        }
        let mut expected = self.expected.clone();
        if self.known > expected.len() as u64 {
            expected.push(format!("and {} more", self.known - expected.len() as u64));
        }
        let would_not_alert = match self.kind {
            Kind::NewProgram => format!(
                "Another flow of a program that called out while the monitor learned, or one of {program} a day from now."
            ),
            Kind::NewDestination | Kind::ManyDestinations => {
                format!(
                    "A destination that {program} had reached before, under its name at any address or without a name in the same network."
                )
            }
        };
        Evidence {
            observed: match observed.len() {
                0 | 1 => Quantity::Text(observed.pop().unwrap_or_default()),
                _ => Quantity::List(observed),
            },
            expected: if expected.is_empty() {
                Quantity::Text(format!("no destination: {program} was not seen to call out"))
            } else {
                Quantity::List(expected)
            },
            threshold: Quantity::Text("a destination that is in the set of those seen from this program".to_owned()),
            unit: None,
            window_s: 0,
            method: "set of first-seen destinations per program, by name, else by network (/24 or /48)",
            would_not_alert,
            samples: vec![Sample::Flow(self.latest.clone())],
        }
    }
}

fn show_place(to: &Destination) -> String {
    let socket = std::net::SocketAddr::new(to.address, to.port);
    match &to.name {
        Some(name) => format!("{name} ({socket})"),
        None => socket.to_string(),
    }
}
