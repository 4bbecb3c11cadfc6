//! What one configuration raises.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alert::{Actor, Alert, Severity, Target};
use crate::incident::Incident;
use crate::record::{Body, Record};
use crate::time::Timestamp;

/// Alerts that are remembered; what raises more is no configuration to keep.
const MOST_ALERTS: usize = 100_000;

/// Alerts and incidents as they were told last.
#[derive(Debug, Default)]
pub(super) struct Judged {
    alerts: FxHashMap<Arc<str>, Told>,
    incidents: BTreeMap<Arc<str>, Story>,
    /// Alerts beyond those.
    pub(super) left_out: u64,
}

/// Who did what to whom, by which detector: what makes two alerts one and the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cause {
    pub(super) detector: &'static str,
    pub(super) actor: Option<Actor>,
    pub(super) target: Target,
}

impl Cause {
    pub(super) fn target_text(&self) -> String {
        let target = &self.target;
        let parts = [&target.endpoint, &target.destination, &target.process, &target.file];
        let parts: Vec<&str> = parts.into_iter().flatten().map(|part| &**part).collect();
        parts.join(", ")
    }
}

#[derive(Debug)]
struct Told {
    cause: Cause,
    severity: Severity,
    count: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    summary: String,
}

/// All occurrences of one cause.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Occurrences {
    /// The greatest.
    pub(super) severity: Severity,
    /// How many there are.
    pub(super) times: u64,
    /// Observations of all.
    pub(super) count: u64,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    /// Of the latest.
    pub(super) summary: String,
}

/// An incident.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Story {
    pub(super) id: Arc<str>,
    pub(super) title: String,
    pub(super) severity: Severity,
    pub(super) score: f32,
    pub(super) alerts: u64,
    pub(super) count: u64,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    members: Vec<Arc<str>>,
}

impl Judged {
    /// Takes what was told.
    pub(super) fn take(&mut self, records: &mut Vec<Record>) {
        for record in records.drain(..) {
            match record.body {
                Body::Alert(alert) => self.alert(&alert),
                Body::Incident(incident) => self.incident(&incident),
                Body::Http(_) | Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Stats(_) => {}
            }
        }
    }

    fn alert(&mut self, alert: &Alert) {
        if self.alerts.len() >= MOST_ALERTS && !self.alerts.contains_key(&alert.id) {
            self.left_out += 1;
            return;
        }
        let told = Told {
            cause: Cause {
                detector: alert.detector,
                actor: alert.actor.clone(),
                target: alert.target.clone(),
            },
            severity: alert.severity,
            count: alert.count,
            first_seen: alert.first_seen,
            last_seen: alert.last_seen,
            summary: alert.summary.clone(),
        };
        self.alerts.insert(Arc::clone(&alert.id), told);
    }

    fn incident(&mut self, incident: &Incident) {
        if incident.merged_into.is_some() {
            self.incidents.remove(&incident.id);
            return;
        }
        let story = Story {
            id: Arc::clone(&incident.id),
            title: incident.title.clone(),
            severity: incident.severity,
            score: incident.score,
            alerts: incident.alerts.len() as u64 + incident.left_out,
            count: incident.count,
            first_seen: incident.first_seen,
            last_seen: incident.last_seen,
            members: incident.alerts.clone(),
        };
        self.incidents.insert(Arc::clone(&incident.id), story);
    }

    /// The alerts by cause.
    pub(super) fn causes(&self) -> FxHashMap<&Cause, Occurrences> {
        let mut causes: FxHashMap<&Cause, Occurrences> = FxHashMap::default();
        for told in self.alerts.values() {
            let one = Occurrences {
                severity: told.severity,
                times: 1,
                count: told.count,
                first_seen: told.first_seen,
                last_seen: told.last_seen,
                summary: told.summary.clone(),
            };
            causes.entry(&told.cause).and_modify(|all| all.add(&one)).or_insert(one);
        }
        causes
    }

    /// The incidents, each with the causes of its alerts.
    pub(super) fn stories(&self) -> Vec<(&Story, Vec<&Cause>)> {
        let causes = |story: &Story| {
            let told = story.members.iter().filter_map(|id| self.alerts.get(id));
            told.map(|told| &told.cause).collect()
        };
        self.incidents.values().map(|story| (story, causes(story))).collect()
    }
}

impl Occurrences {
    fn add(&mut self, one: &Self) {
        if (one.last_seen, &one.summary) > (self.last_seen, &self.summary) {
            self.summary.clone_from(&one.summary);
        }
        self.severity = self.severity.max(one.severity);
        self.times += one.times;
        self.count = self.count.saturating_add(one.count);
        self.first_seen = self.first_seen.min(one.first_seen);
        self.last_seen = self.last_seen.max(one.last_seen);
    }
}
