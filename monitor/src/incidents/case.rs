//! An incident while it goes on: sums over its alerts, and when what is said of it.

use std::sync::Arc;
use std::time::Duration;

use super::QUIET;
use super::links::{Link, Role};
use super::member::Member;
use super::score::Score;
use super::story::Facts;
use crate::alert::{Actor, ActorKind, Alert, AlertState, Severity, Target};
use crate::baseline::distinct::Distinct;
use crate::incident::{Incident, Pillars};
use crate::time::Timestamp;
use crate::views::coverage::Service;

/// Updates are as rare as those of alerts: at most once a minute ...
const UPDATE_EVERY: Duration = Duration::from_mins(1);
/// ... and once in this part of its age.
const UPDATE_PART_OF_AGE: u32 = 8;
/// Actors and targets that are listed, each.
const MOST_NAMES: usize = 50;
/// Services that are listed.
const MOST_SERVICES: usize = 8;

#[derive(Debug)]
pub(super) struct Case {
    /// When it was first told: the older one goes on when two turn out to be one.
    pub(super) opened: Timestamp,
    /// Its alerts that are kept, in order of time.
    pub(super) alerts: Vec<Arc<str>>,
    /// All alerts that it ever had.
    known: u64,
    /// Those that are open.
    pub(super) open: u64,
    pub(super) count: u64,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    /// As bad as it ever was.
    pub(super) severity: Severity,
    score: f32,
    pillars: Pillars,
    detectors: Vec<&'static str>,
    actors: Vec<Actor>,
    targets: Vec<Target>,
    services: Vec<Arc<Service>>,
    /// Alerts, actors and targets without room.
    left_out: u64,
    sources: Distinct<64>,
    fingerprints: Distinct<4>,
    /// Not every alert of it was ended by a rule.
    pub(super) was_real: bool,
    told_at: Timestamp,
    told_count: u64,
    told_severity: Severity,
    told_detectors: usize,
    pub(super) untold: bool,
}

impl Case {
    pub(super) fn new(now: Timestamp, first: &Alert) -> Self {
        Self {
            opened: now,
            alerts: Vec::new(),
            known: 0,
            open: 0,
            count: 0,
            first_seen: first.first_seen,
            last_seen: first.last_seen,
            severity: first.severity,
            score: 0.0,
            pillars: Pillars::default(),
            detectors: Vec::new(),
            actors: Vec::new(),
            targets: Vec::new(),
            services: Vec::new(),
            left_out: 0,
            sources: Distinct::default(),
            fingerprints: Distinct::default(),
            was_real: false,
            told_at: now,
            told_count: 0,
            told_severity: first.severity,
            told_detectors: 0,
            untold: true,
        }
    }

    /// One more alert belongs to it.
    pub(super) fn add(&mut self, alert: &Alert, is_kept: bool) {
        self.known += 1;
        self.open += 1;
        self.left_out += u64::from(!is_kept);
        if is_kept {
            self.alerts.push(Arc::clone(&alert.id));
        }
        self.name(alert.detector, alert.actor.as_ref(), &alert.target);
        self.grow(alert, alert.count);
    }

    /// An alert of it says more.
    pub(super) fn grow(&mut self, alert: &Alert, added: u64) {
        self.count = self.count.saturating_add(added);
        self.first_seen = self.first_seen.min(alert.first_seen);
        self.last_seen = self.last_seen.max(alert.last_seen);
        self.untold = true;
        self.note_service(alert.service.as_ref());
    }

    /// The latest figures of a service take the place of the earlier.
    fn note_service(&mut self, service: Option<&Arc<Service>>) {
        let Some(service) = service else {
            return;
        };
        let is_same = |known: &Arc<Service>| known.program == service.program && known.port == service.port;
        if let Some(at) = self.services.iter().position(is_same) {
            if self.services[at].counted <= service.counted {
                self.services[at] = Arc::clone(service);
            }
        } else if self.services.len() < MOST_SERVICES {
            self.services.push(Arc::clone(service));
        }
    }

    /// The links of an alert: what is counted of them.
    pub(super) fn see(&mut self, now: Timestamp, links: &[(Link, Role)]) {
        for (link, _) in links {
            match link {
                Link::Source(source) => {
                    self.sources.see(now, QUIET, source);
                }
                Link::Actor(ActorKind::Fingerprint, id) => {
                    self.fingerprints.see(now, QUIET, id);
                }
                Link::Network(_)
                | Link::Actor(..)
                | Link::Destination(_)
                | Link::File(_)
                | Link::Endpoint(_)
                | Link::Request(..)
                | Link::Connection(_) => {}
            }
        }
    }

    /// Lets the first alert go that has ended, for a new one.
    pub(super) fn drop_alert(&mut self, at: usize) -> Arc<str> {
        self.left_out += 1;
        self.alerts.remove(at)
    }

    /// Takes over all of another, whose members are `theirs`.
    pub(super) fn take_over(&mut self, now: Timestamp, other: Self, theirs: &[&Member]) {
        self.known += other.known;
        self.open += other.open;
        self.left_out += other.left_out;
        self.count = self.count.saturating_add(other.count);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.severity = self.severity.max(other.severity);
        self.was_real |= other.was_real;
        self.alerts.extend(other.alerts);
        for service in &other.services {
            self.note_service(Some(service));
        }
        for member in theirs {
            self.name(member.detector, member.actor.as_ref(), &member.target);
            self.see(now, member.links());
        }
        self.untold = true;
    }

    fn name(&mut self, detector: &'static str, actor: Option<&Actor>, target: &Target) {
        if !self.detectors.contains(&detector) {
            self.detectors.push(detector);
        }
        if let Some(actor) = actor
            && !self.actors.contains(actor)
        {
            if self.actors.len() < MOST_NAMES {
                self.actors.push(actor.clone());
            } else {
                self.left_out += 1;
            }
        }
        if *target != Target::default() && !self.targets.contains(target) {
            if self.targets.len() < MOST_NAMES {
                self.targets.push(target.clone());
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Takes a new score. Neither severity nor score ever falls.
    pub(super) fn weigh(&mut self, now: &Score) {
        self.severity = self.severity.max(now.severity);
        self.score = self.score.max(now.all);
        let pillars = &mut self.pillars;
        pillars.credentials = pillars.credentials.max(now.pillars.credentials);
        pillars.tools = pillars.tools.max(now.pillars.tools);
        pillars.infrastructure = pillars.infrastructure.max(now.pillars.infrastructure);
        pillars.behavior = pillars.behavior.max(now.pillars.behavior);
    }

    /// Whether nobody was told of it.
    pub(super) fn is_new(&self) -> bool {
        self.told_detectors == 0
    }

    /// Whether there is something that does not wait: it is new or graver, another detector speaks, or it has doubled.
    pub(super) fn is_urgent(&self) -> bool {
        self.told_detectors < self.detectors.len()
            || self.severity > self.told_severity
            || self.count >= self.told_count.saturating_mul(2)
    }

    pub(super) fn was_told(&mut self, now: Timestamp) {
        self.told_at = now;
        self.told_count = self.count;
        self.told_severity = self.severity;
        self.told_detectors = self.detectors.len();
        self.untold = false;
    }

    /// When an update may be told that is not urgent.
    pub(super) fn update_due(&self) -> Timestamp {
        let age = self.told_at.since(self.first_seen);
        self.told_at + UPDATE_EVERY.max(age / UPDATE_PART_OF_AGE)
    }

    /// When it is over if nothing more comes; never while an alert is open.
    pub(super) fn ends(&self) -> Option<Timestamp> {
        (self.open == 0).then(|| self.last_seen + QUIET)
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        let update = self.untold.then(|| self.update_due());
        [update, self.ends()].into_iter().flatten().min()
    }

    /// It as a record.
    pub(super) fn incident(&self, id: &Arc<str>, state: AlertState, members: &[&Member]) -> Incident {
        let story = Facts {
            members,
            alerts: self.known,
            addresses: self.sources.count(),
            fingerprints: self.fingerprints.count(),
            severity: self.severity,
        }
        .tell();
        Incident {
            id: Arc::clone(id),
            state,
            title: story.title,
            summary: story.summary,
            advice: story.advice,
            severity: self.severity,
            score: self.score,
            pillars: self.pillars,
            actors: self.actors.clone(),
            targets: self.targets.clone(),
            alerts: self.alerts.clone(),
            services: self.services.clone(),
            left_out: self.left_out,
            count: self.count,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            reaction_s: story.reaction_s,
            merged_into: None,
            resolved_by: None,
        }
    }
}
