//! The desk where findings become alerts: one occurrence a cause, told when it is new, when it grows and when it ends.
//!
//! A cause is (detector, actor, target). Its occurrence lasts until nothing has supported it for the detector's quiet
//! time, or until a rule allows it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::alert::{Actor, ActorKind, Alert, AlertState, Sample, Target};
use crate::allow::{AllowRule, Rules};
use crate::config::Bounds;
use crate::expected::{ExpectedEvent, MOST_EVENTS};
use crate::finding::Finding;
use crate::incident::Incident;
use crate::incidents::{IncidentCounts, Incidents, Joined};
use crate::record::{Body, HttpRecord, Record};
use crate::time::Timestamp;
use crate::views::coverage::Service;

/// Updates that are neither a rise in severity nor a doubling come at most this often (the contract's minute) ...
const UPDATE_EVERY: Duration = Duration::from_mins(1);
/// ... and, as an occurrence grows old, at most once in this part of its age: a day-old alert is told eight times a
/// day more, not 1,440 times. What it counts meanwhile is in the open alert, which `monitor alerts` shows.
const UPDATE_PART_OF_AGE: u32 = 8;
/// Records kept as evidence; the contract's number.
const MOST_SAMPLES: usize = 5;

/// What the desk did, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeskCounts {
    /// Alerts raised (records with state `new`).
    pub raised: u64,
    /// Findings that a rule covered.
    pub allowed: u64,
    /// Findings of what is expected.
    pub expected: u64,
    /// Alerts closed early since too many were open.
    pub evicted: u64,
    /// Findings not raised since all open alerts were more severe.
    pub crowded_out: u64,
}

/// The open alerts.
#[derive(Debug)]
pub struct Desk {
    most_open: usize,
    open: BTreeMap<Cause, Open>,
    incidents: Incidents,
    /// Findings that expected events covered, by event.
    by_event: BTreeMap<String, u64>,
    /// No alert has anything due before this; it may be early, never late.
    next_due: Option<Timestamp>,
    counts: DeskCounts,
}

/// What makes two findings one occurrence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    detector: &'static str,
    actor: Option<(&'static str, Arc<str>)>,
    target: [Option<Arc<str>>; 4],
}

/// Why an occurrence is over.
#[derive(Clone, Copy, Debug)]
enum End<'a> {
    /// Nothing has supported it for the detector's quiet time.
    Quiet,
    /// A rule covers it; its words.
    Rule(&'a str),
    /// There are too many.
    Early,
}

#[derive(Debug)]
struct Open {
    alert: Arc<Alert>,
    quiet: Duration,
    /// When the latest record of it was written.
    told_at: Timestamp,
    /// `count` in that record.
    told_count: u64,
    /// Whether there is more than that record says.
    untold: bool,
}

impl Desk {
    /// With nothing open.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            most_open: usize::try_from(bounds.open_alerts.get()).unwrap_or(usize::MAX),
            open: BTreeMap::new(),
            incidents: Incidents::new(bounds),
            by_event: BTreeMap::new(),
            next_due: None,
            counts: DeskCounts::default(),
        }
    }

    /// Takes a finding in, about `service`, unless a rule covers it.
    pub fn file(
        &mut self,
        now: Timestamp,
        finding: Finding,
        service: Option<Arc<Service>>,
        rules: &Rules,
        out: &mut Vec<Record>,
    ) {
        if rules.find(now, &finding).is_some() {
            self.counts.allowed += 1;
            return;
        }
        if let Some(id) = rules.expected.find(&finding) {
            self.counts.expected += 1;
            let has_room = self.by_event.len() < 2 * MOST_EVENTS;
            match self.by_event.get_mut(id) {
                Some(count) => *count += 1,
                None if has_room => {
                    self.by_event.insert(id.to_owned(), 1);
                }
                None => {}
            }
            return;
        }
        let cause = Cause::of(&finding);
        // An occurrence whose quiet time has passed is over, also if no timeout came between.
        if self
            .open
            .get(&cause)
            .is_some_and(|open| open.ends() <= finding.last_seen)
        {
            self.resolve(now, &cause, End::Quiet, out);
        }
        if let Some(open) = self.open.get_mut(&cause) {
            let severity = open.alert.severity;
            let (samples, added) = (finding.evidence.samples.clone(), finding.count);
            open.support(finding, service);
            let joined = open.alert.incident.clone().and_then(|incident| {
                let more = (samples.as_slice(), added);
                self.incidents.grow(now, &incident, &open.alert, more, out)
            });
            if let Some(joined) = &joined {
                open.belong(&joined.id);
            }
            let risen = open.alert.severity > severity;
            let doubled = open.alert.count >= open.told_count.saturating_mul(2);
            if risen || doubled || open.update_due() <= now {
                open.tell(now, out);
            }
            let due = open.due();
            self.note_due(due);
            if let Some(joined) = joined {
                self.follow(&joined);
            }
        } else if self.make_room(now, &finding, out) {
            let samples = finding.evidence.samples.clone();
            let mut open = Open::new(now, &cause, finding, service);
            let joined = self.incidents.open(now, &open.alert, &samples, out);
            open.belong(&joined.id);
            self.follow(&joined);
            out.push(record(now, &open.alert));
            self.counts.raised += 1;
            let due = open.due();
            self.open.insert(cause, open);
            self.note_due(due);
        }
    }

    /// From now on, so many alerts may be open.
    pub fn bound(&mut self, bounds: &Bounds) {
        self.most_open = usize::try_from(bounds.open_alerts.get()).unwrap_or(usize::MAX);
        self.incidents.bound(bounds);
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        [self.next_due, self.incidents.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Tells the updates that are due and resolves what has been quiet for long enough.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        self.handle_due(now, out);
        self.incidents.handle_timeout(now, out);
    }

    fn handle_due(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        if self.next_due.is_none_or(|due| now < due) {
            return;
        }
        let over: Vec<Cause> = self
            .open
            .iter()
            .filter(|(_, open)| open.ends() <= now)
            .map(|(cause, _)| cause.clone())
            .collect();
        for cause in &over {
            self.resolve(now, cause, End::Quiet, out);
        }
        for open in self
            .open
            .values_mut()
            .filter(|open| open.untold && open.update_due() <= now)
        {
            open.tell(now, out);
        }
        self.next_due = self.open.values().map(Open::due).min();
    }

    /// The input is over: tells what has not been told yet. Alerts stay as they are, since nothing has ended them.
    pub fn finish(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        for open in self.open.values_mut().filter(|open| open.untold) {
            open.tell(now, out);
        }
        self.incidents.finish(now, out);
    }

    /// Ends the open alerts that `rule` covers. Gives their number.
    pub fn apply_rule(&mut self, now: Timestamp, rule: &AllowRule, out: &mut Vec<Record>) -> usize {
        let mut by = format!("allowed by {}", rule.id());
        if !rule.comment.is_empty() {
            let _ = write!(by, ": {}", rule.comment);
        }
        self.end_those(now, |alert| rule.covers_alert(now, alert), &by, out)
    }

    /// Ends the open alerts of what is expected. Gives their number.
    pub fn apply_event(&mut self, now: Timestamp, event: &ExpectedEvent, out: &mut Vec<Record>) -> usize {
        self.end_those(now, |alert| event.covers_alert(alert), &event.reason(), out)
    }

    /// Ends the open alerts that began from `from` until before `until`: all was well then. Gives their number.
    pub fn apply_good_time(
        &mut self,
        now: Timestamp,
        from: Timestamp,
        until: Timestamp,
        out: &mut Vec<Record>,
    ) -> usize {
        let by = format!("known good from {from} to {until}");
        self.end_those(now, |alert| (from..until).contains(&alert.first_seen), &by, out)
    }

    fn end_those(
        &mut self,
        now: Timestamp,
        is_covered: impl Fn(&Alert) -> bool,
        by: &str,
        out: &mut Vec<Record>,
    ) -> usize {
        let covered: Vec<Cause> = self
            .open
            .iter()
            .filter(|(_, open)| is_covered(&open.alert))
            .map(|(cause, _)| cause.clone())
            .collect();
        for cause in &covered {
            self.resolve(now, cause, End::Rule(by), out);
        }
        covered.len()
    }

    /// Findings that this expected event covered.
    pub fn expected(&self, event: &str) -> u64 {
        self.by_event.get(event).copied().unwrap_or(0)
    }

    /// The open alerts, as they stand now; in order of cause.
    pub fn open(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.open.values().map(|open| &open.alert)
    }

    /// Whether [`Self::notice`] wants to see more than logins now.
    pub fn awaits_session(&self) -> bool {
        self.incidents.awaits_session()
    }

    /// A transaction passes: what incidents learn of it, though no detector says anything.
    pub fn notice(&mut self, now: Timestamp, record: &HttpRecord) {
        self.incidents.follow(now, record);
    }

    /// The incidents that go on, as they stand now; in order of id.
    pub fn incidents(&self) -> impl Iterator<Item = Arc<Incident>> {
        self.incidents.list()
    }

    /// What came of incidents, since the start.
    pub fn incident_counts(&self) -> IncidentCounts {
        self.incidents.counts()
    }

    /// What the desk did, since the start.
    pub fn counts(&self) -> DeskCounts {
        self.counts
    }

    fn note_due(&mut self, due: Timestamp) {
        self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
    }

    fn resolve(&mut self, now: Timestamp, cause: &Cause, end: End<'_>, out: &mut Vec<Record>) {
        if let Some(mut open) = self.open.remove(cause) {
            let quiet = open.quiet.as_secs();
            let alert = Arc::make_mut(&mut open.alert);
            alert.state = AlertState::Resolved;
            alert.resolved_by = Some(match end {
                End::Quiet => format!("quiet for {quiet} s"),
                End::Rule(by) => by.to_owned(),
                End::Early => "closed early: too many alerts are open".to_owned(),
            });
            out.push(record(now, &open.alert));
            if let Some(incident) = &open.alert.incident {
                let rule = match end {
                    End::Rule(by) => Some(by),
                    End::Quiet | End::Early => None,
                };
                self.incidents.close(now, incident, &open.alert, rule, out);
            }
        }
    }

    /// The alerts of incidents that are one with another now.
    fn follow(&mut self, joined: &Joined) {
        if joined.merged.is_empty() {
            return;
        }
        for open in self.open.values_mut() {
            if let Some(incident) = &open.alert.incident
                && joined.merged.contains(incident)
            {
                open.belong(&joined.id);
            }
        }
    }

    /// Closes the least severe, then longest quiet alert if the desk is full. Says no to a finding that is itself less
    /// severe than all: a flood of small ones must not push a great one out.
    fn make_room(&mut self, now: Timestamp, finding: &Finding, out: &mut Vec<Record>) -> bool {
        if self.open.len() < self.most_open {
            return true;
        }
        let least = self
            .open
            .iter()
            .min_by_key(|(_, open)| (open.alert.severity, open.alert.last_seen));
        let Some((cause, least)) = least else {
            return false;
        };
        if least.alert.severity > finding.severity {
            self.counts.crowded_out += 1;
            return false;
        }
        let cause = cause.clone();
        self.resolve(now, &cause, End::Early, out);
        self.counts.evicted += 1;
        true
    }
}

impl Open {
    fn new(now: Timestamp, cause: &Cause, finding: Finding, service: Option<Arc<Service>>) -> Self {
        let doc = finding.detector;
        let mut evidence = finding.evidence;
        evidence.samples.truncate(MOST_SAMPLES);
        let alert = Alert {
            id: cause.occurrence(finding.first_seen),
            state: AlertState::New,
            detector: doc.name,
            ioc: doc.ioc,
            pillar: doc.pillar,
            severity: finding.severity,
            confidence: finding.confidence,
            title: finding.title,
            summary: finding.summary,
            actor: finding.actor,
            target: finding.target,
            evidence,
            count: finding.count.max(1),
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            incident: None,
            coverage: finding.coverage.or(service.as_ref().map(|service| service.share())),
            service,
            owasp_api: doc.owasp_api,
            attack: doc.attack,
            resolved_by: None,
        };
        Self {
            told_at: now,
            told_count: alert.count,
            untold: false,
            quiet: doc.quiet,
            alert: Arc::new(alert),
        }
    }

    /// Takes in a finding of the same cause. Severity and confidence stay at their highest, the words are the latest.
    fn support(&mut self, finding: Finding, service: Option<Arc<Service>>) {
        let alert = Arc::make_mut(&mut self.alert);
        let mut samples = std::mem::take(&mut alert.evidence.samples);
        let mut evidence = finding.evidence;
        for sample in std::mem::take(&mut evidence.samples) {
            keep_sample(&mut samples, sample);
        }
        evidence.samples = samples;
        alert.evidence = evidence;
        alert.severity = alert.severity.max(finding.severity);
        alert.confidence = alert.confidence.max(finding.confidence);
        alert.title = finding.title;
        alert.summary = finding.summary;
        alert.count = alert.count.saturating_add(finding.count);
        alert.last_seen = alert.last_seen.max(finding.last_seen);
        alert.service = service.or(alert.service.take());
        let share = alert.service.as_ref().map(|service| service.share());
        alert.coverage = finding.coverage.or(share);
        self.untold = true;
    }

    /// It is of this incident.
    fn belong(&mut self, incident: &Arc<str>) {
        if self.alert.incident.as_ref() != Some(incident) {
            Arc::make_mut(&mut self.alert).incident = Some(Arc::clone(incident));
        }
    }

    fn tell(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        Arc::make_mut(&mut self.alert).state = AlertState::Update;
        self.told_at = now;
        self.told_count = self.alert.count;
        self.untold = false;
        out.push(record(now, &self.alert));
    }

    /// When the occurrence is over if nothing supports it.
    fn ends(&self) -> Timestamp {
        self.alert.last_seen + self.quiet
    }

    /// When an update may be told that is neither a rise nor a doubling.
    fn update_due(&self) -> Timestamp {
        let age = self.told_at.since(self.alert.first_seen);
        self.told_at + UPDATE_EVERY.max(age / UPDATE_PART_OF_AGE)
    }

    fn due(&self) -> Timestamp {
        if self.untold {
            self.ends().min(self.update_due())
        } else {
            self.ends()
        }
    }
}

/// The first samples and the latest: a later record of the same flow or transaction takes the place of the earlier,
/// and when there is no room a new one takes the last place.
fn keep_sample(samples: &mut Vec<Sample>, sample: Sample) {
    let same = |kept: &Sample| match (kept, &sample) {
        (Sample::Flow(a), Sample::Flow(b)) => a.flow == b.flow,
        (Sample::Http(a), Sample::Http(b)) => a.flow == b.flow && a.turn == b.turn,
        (Sample::Dns(a), Sample::Dns(b)) => a == b,
        (Sample::Flow(_), Sample::Http(_) | Sample::Dns(_))
        | (Sample::Http(_), Sample::Flow(_) | Sample::Dns(_))
        | (Sample::Dns(_), Sample::Flow(_) | Sample::Http(_)) => false,
    };
    if let Some(kept) = samples.iter_mut().find(|kept| same(kept)) {
        *kept = sample;
        return;
    }
    samples.truncate(MOST_SAMPLES - 1);
    samples.push(sample);
}

impl Cause {
    fn of(finding: &Finding) -> Self {
        let Target {
            endpoint,
            destination,
            process,
            file,
        } = finding.target.clone();
        let Finding { detector, actor, .. } = finding;
        Self {
            detector: detector.name,
            actor: actor.as_ref().map(|Actor { kind, id }| (kind_key(*kind), id.clone())),
            target: [endpoint, destination, process, file],
        }
    }

    /// Name of the occurrence that began at `first_seen`: the first 64 bits of a SHA-256. With a million alerts two
    /// are alike with a probability of 3e-8.
    fn occurrence(&self, first_seen: Timestamp) -> Arc<str> {
        let mut hash = Sha256::new();
        let mut field = |text: &str| {
            // Length first: ("ab", "c") and ("a", "bc") are not alike.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        field(self.detector);
        let (kind, id) = self.actor.as_ref().map_or(("", ""), |(kind, id)| (*kind, id));
        field(kind);
        field(id);
        for part in &self.target {
            field(part.as_deref().unwrap_or_default());
        }
        hash.update(first_seen.as_nanos().to_be_bytes());
        let digest = hash.finalize();
        digest
            .iter()
            .take(8)
            .fold(String::with_capacity(16), |mut id, byte| {
                let _ = write!(id, "{byte:02x}");
                id
            })
            .into()
    }
}

/// Part of the id: must never change.
const fn kind_key(kind: ActorKind) -> &'static str {
    match kind {
        ActorKind::Ip => "ip",
        ActorKind::Network => "network",
        ActorKind::Asn => "asn",
        ActorKind::Organization => "organization",
        ActorKind::Country => "country",
        ActorKind::Account => "account",
        ActorKind::Key => "key",
        ActorKind::Token => "token",
        ActorKind::Session => "session",
        ActorKind::Fingerprint => "fingerprint",
        ActorKind::UserAgent => "user_agent",
        ActorKind::Process => "process",
    }
}

fn record(now: Timestamp, alert: &Arc<Alert>) -> Record {
    Record {
        time: now,
        body: Body::Alert(alert.clone()),
    }
}
