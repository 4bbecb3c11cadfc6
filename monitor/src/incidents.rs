//! Incidents: alerts that share who, or what, within a window, become one story.
//!
//! The desk brings every finding here, with its alert. What an alert and the records in its evidence name links it to
//! others (`incidents/links.rs`); those that have enough in common are one incident. An incident keeps its name; where two
//! turn out to be one, the older goes on.

mod book;
mod case;
mod let_in;
mod links;
mod member;
mod score;
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::alert::{ActorKind, Alert, AlertState, Sample};
use crate::baseline::source::Source;
use crate::config::Bounds;
use crate::enrich::identity::IdentityKind;
use crate::enrich::identity::login::LoginOutcome;
use crate::incident::Incident;
use crate::record::{Body, HttpRecord, Record};
use crate::time::Timestamp;

use book::{Book, MOST_OF_ONE};
use case::Case;
use let_in::LetIn;
use links::Link;
use member::Member;

/// An incident is over when all its alerts are and nothing has come for this long: whoever got in comes back within the
/// day, and what comes by the day drifts.
const QUIET: Duration = Duration::from_hours(26);
/// Alerts that all incidents remember; some 4 KiB each with their links.
const MOST_MEMBERS: usize = 4_096;
/// What came of it, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncidentCounts {
    /// Incidents told as new.
    pub raised: u64,
    /// Closed early since there were too many.
    pub evicted: u64,
    /// Links of alerts that found no room.
    pub links_left_out: u64,
}

/// Where an alert belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its incident.
    pub id: Arc<str>,
    /// Incidents that ended by it: their alerts are this one's now.
    pub merged: Vec<Arc<str>>,
}

/// The incidents that go on.
#[derive(Debug)]
pub struct Incidents {
    most_open: usize,
    open: BTreeMap<Arc<str>, Case>,
    book: Book,
    let_in: LetIn,
    /// Nothing is due before this; it may be early, never late.
    next_due: Option<Timestamp>,
    counts: IncidentCounts,
}

impl Incidents {
    /// With nothing open.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            most_open: usize::try_from(bounds.open_alerts.get()).unwrap_or(usize::MAX),
            open: BTreeMap::new(),
            book: Book::default(),
            let_in: LetIn::default(),
            next_due: None,
            counts: IncidentCounts::default(),
        }
    }

    /// An alert is raised, with these records as evidence: finds the incident that it belongs to, or opens one.
    pub fn open(&mut self, now: Timestamp, alert: &Alert, samples: &[Sample], out: &mut Vec<Record>) -> Joined {
        let id = name_of(&alert.id);
        let mut member = Member::new(Arc::clone(&id), alert);
        let (_, left_out) = member.link(samples);
        self.counts.links_left_out += left_out;
        let found = self.book.related(&member);
        let united = self.unite(now, found, out);
        let (id, merged) = united.unwrap_or_else(|| {
            self.make_room(now, out);
            self.open.insert(Arc::clone(&id), Case::new(now, alert));
            self.counts.raised += 1;
            (id, Vec::new())
        });
        self.make_room_for_member(now, &id, out);
        self.add(now, &id, member, alert);
        self.weigh(&id);
        self.tell_if_urgent(now, &id, out);
        Joined { id, merged }
    }

    /// An alert of the incident `id` says more: `added` observations, and these records. Where it belongs now; none if that
    /// incident was closed early.
    pub fn grow(
        &mut self,
        now: Timestamp,
        id: &Arc<str>,
        alert: &Alert,
        (samples, added): (&[Sample], u64),
        out: &mut Vec<Record>,
    ) -> Option<Joined> {
        let case = self.open.get_mut(id)?;
        case.grow(alert, added);
        let mut joined = Joined {
            id: Arc::clone(id),
            merged: Vec::new(),
        };
        let mut is_graver = false;
        if let Some(member) = self.book.get_mut(&alert.id) {
            is_graver = member.update(alert);
            let (fresh, left_out) = member.link(samples);
            self.counts.links_left_out += left_out;
            if !fresh.is_empty() {
                case.see(now, &fresh);
                let member = member.clone();
                self.book.link(&member.id, &fresh);
                let mut found = self.book.related(&member);
                found.push(Arc::clone(id));
                if let Some((id, merged)) = self.unite(now, found, out) {
                    joined = Joined { id, merged };
                }
            }
        }
        if is_graver {
            self.weigh(&joined.id);
        }
        self.tell_if_urgent(now, &joined.id, out);
        Some(joined)
    }

    /// Whether a session may follow the login of an account of some incident: then all requests are to be shown.
    pub fn awaits_session(&self) -> bool {
        !self.let_in.is_empty()
    }

    /// A login, or what may follow one: where an account of some incident is let in, that goes on, and with the session that it
    /// is given there.
    pub fn follow(&mut self, now: Timestamp, record: &HttpRecord) {
        if let Some((account, session)) = self.let_in.session(now, record) {
            self.book
                .follow(now, &account, &Link::Actor(ActorKind::Session, session));
        }
        let (Some(LoginOutcome::Success), Some(client)) = (record.login, &record.client) else {
            return;
        };
        let source = Source::from(client.ip);
        for identity in &record.identity {
            if identity.kind == IdentityKind::Account && self.book.follow(now, &identity.id, &Link::Source(source)) {
                self.let_in.add(now, &identity.id, source, record);
            }
        }
    }

    /// An alert of the incident `id` is over. `rule` ended it, or the quiet.
    pub fn close(&mut self, now: Timestamp, id: &Arc<str>, alert: &Alert, rule: Option<&str>, out: &mut Vec<Record>) {
        if let Some(member) = self.book.get_mut(&alert.id) {
            member.is_open = false;
        }
        let Some(case) = self.open.get_mut(id) else {
            return;
        };
        case.open = case.open.saturating_sub(1);
        case.was_real |= rule.is_none();
        if case.open == 0
            && !case.was_real
            && let Some(rule) = rule
        {
            let rule = rule.to_owned();
            self.resolve(now, id, |incident| incident.resolved_by = Some(rule), out);
            return;
        }
        let due = case.due();
        self.note_due(due);
    }

    /// From now on, so many may go on.
    pub fn bound(&mut self, bounds: &Bounds) {
        self.most_open = usize::try_from(bounds.open_alerts.get()).unwrap_or(usize::MAX);
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.next_due
    }

    /// Tells what is due, and resolves what is over.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        if self.next_due.is_none_or(|due| now < due) {
            return;
        }
        let over = |case: &Case| case.ends().is_some_and(|ends| ends <= now);
        let by = |which: &dyn Fn(&Case) -> bool| -> Vec<Arc<str>> {
            let those = self.open.iter().filter(|(_, case)| which(case));
            those.map(|(id, _)| Arc::clone(id)).collect()
        };
        let (ended, due) = (
            by(&over),
            by(&|case| !over(case) && case.untold && case.update_due() <= now),
        );
        for id in ended {
            let quiet = format!("quiet for {} h", QUIET.as_secs() / 3_600);
            self.resolve(now, &id, |incident| incident.resolved_by = Some(quiet), out);
        }
        for id in due {
            self.tell(now, &id, out);
        }
        self.next_due = self.open.values().filter_map(Case::due).min();
    }

    /// The input is over: tells what has not been told yet.
    pub fn finish(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        let untold = self.open.iter().filter(|(_, case)| case.untold);
        let untold: Vec<_> = untold.map(|(id, _)| Arc::clone(id)).collect();
        for id in untold {
            self.tell(now, &id, out);
        }
    }

    /// The incidents that go on, as they stand.
    pub fn list(&self) -> impl Iterator<Item = Arc<Incident>> {
        self.open.iter().map(|(id, case)| {
            let incident = case.incident(id, AlertState::Update, &self.book.of(case));
            Arc::new(incident)
        })
    }

    /// What came of it, since the start.
    pub fn counts(&self) -> IncidentCounts {
        self.counts
    }

    /// Makes one incident of these, the oldest; none of none.
    fn unite(
        &mut self,
        now: Timestamp,
        mut ids: Vec<Arc<str>>,
        out: &mut Vec<Record>,
    ) -> Option<(Arc<str>, Vec<Arc<str>>)> {
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| self.open.contains_key(id));
        let oldest = ids
            .iter()
            .min_by_key(|id| (self.open.get(*id).map(|case| case.opened), Arc::clone(id)))
            .cloned()?;
        ids.retain(|id| *id != oldest);
        for younger in &ids {
            let into = Some(Arc::clone(&oldest));
            let Some(ended) = self.end(now, younger, |incident| incident.merged_into = into, out) else {
                continue;
            };
            self.book.move_to(&oldest, &ended);
            if let Some(case) = self.open.get_mut(&oldest) {
                let theirs = self.book.of(&ended);
                case.take_over(now, ended, &theirs);
                self.book.settle(case);
            }
        }
        if !ids.is_empty() {
            self.weigh(&oldest);
            self.tell(now, &oldest, out);
        }
        Some((oldest, ids))
    }

    fn add(&mut self, now: Timestamp, id: &Arc<str>, mut member: Member, alert: &Alert) {
        let Some(case) = self.open.get_mut(id) else {
            return;
        };
        let is_kept = case.alerts.len() < MOST_OF_ONE;
        case.add(alert, is_kept);
        case.see(now, member.links());
        if is_kept {
            member.case = Arc::clone(id);
            self.book.add(member);
        }
    }

    /// Scores an incident anew.
    fn weigh(&mut self, id: &Arc<str>) {
        if let Some(case) = self.open.get_mut(id) {
            let score = score::score(self.book.each_of(case));
            case.weigh(&score);
        }
    }

    fn tell_if_urgent(&mut self, now: Timestamp, id: &Arc<str>, out: &mut Vec<Record>) {
        let Some(case) = self.open.get(id) else {
            return;
        };
        if case.untold && (case.is_urgent() || case.update_due() <= now) {
            self.tell(now, id, out);
        } else {
            let due = case.due();
            self.note_due(due);
        }
    }

    fn tell(&mut self, now: Timestamp, id: &Arc<str>, out: &mut Vec<Record>) {
        let Some(case) = self.open.get_mut(id) else {
            return;
        };
        let state = if case.is_new() {
            AlertState::New
        } else {
            AlertState::Update
        };
        out.push(record(now, case.incident(id, state, &self.book.of(case))));
        case.was_told(now);
        let due = case.due();
        self.note_due(due);
    }

    /// Takes an incident from the list and tells its end.
    fn end(
        &mut self,
        now: Timestamp,
        id: &Arc<str>,
        why: impl FnOnce(&mut Incident),
        out: &mut Vec<Record>,
    ) -> Option<Case> {
        let case = self.open.remove(id)?;
        let mut incident = case.incident(id, AlertState::Resolved, &self.book.of(&case));
        why(&mut incident);
        out.push(record(now, incident));
        Some(case)
    }

    fn resolve(&mut self, now: Timestamp, id: &Arc<str>, why: impl FnOnce(&mut Incident), out: &mut Vec<Record>) {
        if let Some(case) = self.end(now, id, why, out) {
            for alert in &case.alerts {
                self.book.forget(alert);
            }
        }
    }

    /// Closes the least severe, then longest quiet incident where there are too many.
    fn make_room(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        while self.open.len() >= self.most_open {
            self.evict(now, None, out);
        }
    }

    /// Lets an alert of this incident go that has ended, where the incident has too many; or another incident, where there
    /// are too many in all.
    fn make_room_for_member(&mut self, now: Timestamp, id: &Arc<str>, out: &mut Vec<Record>) {
        if let Some(case) = self.open.get_mut(id) {
            self.book.make_room(case);
        }
        while self.book.len() >= MOST_MEMBERS && self.open.len() > 1 {
            self.evict(now, Some(id), out);
        }
    }

    fn evict(&mut self, now: Timestamp, but: Option<&Arc<str>>, out: &mut Vec<Record>) {
        let least = self
            .open
            .iter()
            .filter(|(id, _)| Some(*id) != but)
            .min_by_key(|(_, case)| (case.severity, case.last_seen))
            .map(|(id, _)| Arc::clone(id));
        if let Some(least) = least {
            self.counts.evicted += 1;
            let why = "closed early: too many incidents are open".to_owned();
            self.resolve(now, &least, |incident| incident.resolved_by = Some(why), out);
        }
    }

    fn note_due(&mut self, due: Option<Timestamp>) {
        self.next_due = [self.next_due, due].into_iter().flatten().min();
    }
}

/// Name of the incident that begins with this alert.
fn name_of(alert: &str) -> Arc<str> {
    let mut hash = Sha256::new();
    hash.update(b"incident");
    hash.update(alert.as_bytes());
    let name = hash
        .finalize()
        .iter()
        .take(8)
        .fold(String::from("inc-"), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        });
    name.into()
}

fn record(now: Timestamp, incident: Incident) -> Record {
    Record {
        time: now,
        body: Body::Incident(Arc::new(incident)),
    }
}
