//! An incident: alerts that belong together, told as one story.

use std::sync::Arc;

use crate::alert::{Actor, AlertState, Pillar, Severity, Target};
use crate::time::Timestamp;
use crate::views::coverage::Service;

/// An incident, whole in every record.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its name for ever: derived from that of its first alert.
    pub id: Arc<str>,
    /// Its life; like an alert's.
    pub state: AlertState,
    /// A few words.
    pub title: String,
    /// What happened, for a person on call.
    pub summary: String,
    /// What to do next, one sentence.
    pub advice: String,
    /// How bad.
    pub severity: Severity,
    /// How sure and how bad, over all pillars, 0 to 1.
    pub score: f32,
    /// The same by pillar.
    pub pillars: Pillars,
    /// Whom its alerts name, in order of time.
    pub actors: Vec<Actor>,
    /// What they name as targets, in order of time.
    pub targets: Vec<Target>,
    /// Ids of its alerts, in order of time.
    pub alerts: Vec<Arc<str>>,
    /// The services that its alerts are about, and how much of the traffic of each was understood by then.
    pub services: Vec<Arc<Service>>,
    /// Alerts, actors and targets that found no room in these lists.
    pub left_out: u64,
    /// Observations of all its alerts.
    pub count: u64,
    /// First observation.
    pub first_seen: Timestamp,
    /// Latest.
    pub last_seen: Timestamp,
    /// How soon after being refused or blocked the actor came back in another way, seconds.
    pub reaction_s: Option<f64>,
    /// The incident that goes on with its alerts, where it turned out to be the same.
    pub merged_into: Option<Arc<str>>,
    /// Why it was resolved.
    pub resolved_by: Option<String>,
}

/// What each of the four pillars has against the actor, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pillars {
    /// Keys, tokens, accounts.
    pub credentials: f32,
    /// Agents, fingerprints.
    pub tools: f32,
    /// Addresses, networks, names.
    pub infrastructure: f32,
    /// What is done.
    pub behavior: f32,
}

impl Pillars {
    /// That of one pillar.
    pub fn of_mut(&mut self, pillar: Pillar) -> &mut f32 {
        match pillar {
            Pillar::Credentials => &mut self.credentials,
            Pillar::Tools => &mut self.tools,
            Pillar::Infrastructure => &mut self.infrastructure,
            Pillar::Behavior => &mut self.behavior,
        }
    }

    /// All of them.
    pub const fn all(&self) -> [f32; 4] {
        [self.credentials, self.tools, self.infrastructure, self.behavior]
    }
}
