//! `incident`: alerts that belong together, told as one story; every record carries the whole of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alert::{Actor, Severity, State, Target};
use super::service::Service;
use super::value::{Text, Time, hundredths};
use crate::incident;

/// Alerts join into a story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Incident")]
pub struct Incident<'a> {
    /// Names this incident, and never changes.
    pub id: Text<'a>,
    /// Where it stands in its life.
    pub state: State,
    /// A few words.
    pub title: Text<'a>,
    /// What happened, for a person on call.
    pub summary: Text<'a>,
    /// What to do next, one sentence.
    pub advice: Text<'a>,
    /// How bad, if true.
    pub severity: Severity,
    /// How sure and how bad, over all pillars, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f32,
    /// The same by pillar.
    pub pillars: Pillars,
    /// Whom its alerts name.
    pub actors: Vec<Actor<'a>>,
    /// What they name as targets.
    pub targets: Vec<Target<'a>>,
    /// Ids of its alerts.
    pub alerts: Vec<Text<'a>>,
    /// The services that its alerts are about, and how much of the traffic of each was understood by then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service<'a>>,
    /// Alerts, actors and targets that found no room in these lists.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Observations of all its alerts.
    pub count: u64,
    /// First observation.
    pub first_seen: Time,
    /// Latest.
    pub last_seen: Time,
    /// How soon after being refused or blocked the actor came back in another way, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaction_s: Option<f64>,
    /// The incident that goes on with its alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<Text<'a>>,
    /// Why it was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<Text<'a>>,
}

/// What each pillar has, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pillars {
    /// Keys, tokens, accounts.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub credentials: f32,
    /// Agents, fingerprints.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tools: f32,
    /// Addresses, networks, names.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub infrastructure: f32,
    /// What is done.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub behavior: f32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl<'a> From<&'a incident::Incident> for Incident<'a> {
    fn from(incident: &'a incident::Incident) -> Self {
        let incident::Pillars {
            credentials,
            tools,
            infrastructure,
            behavior,
        } = incident.pillars;
        Self {
            id: Text::Borrowed(&incident.id),
            state: incident.state.into(),
            title: Text::Borrowed(&incident.title),
            summary: Text::Borrowed(&incident.summary),
            advice: Text::Borrowed(&incident.advice),
            severity: incident.severity.into(),
            score: hundredths(incident.score),
            pillars: Pillars {
                credentials: hundredths(credentials),
                tools: hundredths(tools),
                infrastructure: hundredths(infrastructure),
                behavior: hundredths(behavior),
            },
            actors: incident.actors.iter().map(Actor::from).collect(),
            targets: incident.targets.iter().map(Target::from).collect(),
            alerts: incident.alerts.iter().map(|id| Text::Borrowed(&**id)).collect(),
            services: incident
                .services
                .iter()
                .map(|service| Service::from(&**service))
                .collect(),
            left_out: incident.left_out,
            count: incident.count,
            first_seen: Time(incident.first_seen),
            last_seen: Time(incident.last_seen),
            reaction_s: incident.reaction_s,
            merged_into: incident.merged_into.as_deref().map(Text::Borrowed),
            resolved_by: incident.resolved_by.as_deref().map(Text::Borrowed),
        }
    }
}
