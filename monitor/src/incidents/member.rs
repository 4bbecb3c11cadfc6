//! An alert as its incident remembers it.

use std::sync::Arc;
use std::time::Duration;

use super::links::{self, Link, Role};
use crate::alert::{Actor, ActorKind, Alert, Pillar, Quantity, Sample, Severity, Target};
use crate::time::Timestamp;

/// Links of one alert: its actor and target, and those of dozens of records in its evidence.
const MOST_LINKS: usize = 48;

/// What of an alert outlives its own end.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    /// Its incident.
    pub(super) case: Arc<str>,
    pub(super) detector: &'static str,
    pub(super) pillar: Pillar,
    pub(super) severity: Severity,
    pub(super) confidence: f32,
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) actor: Option<Actor>,
    pub(super) target: Target,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    /// Sources that it counted, where that is what it counts.
    pub(super) sources: Option<u64>,
    /// Seconds that it measured, where that is what it measures.
    pub(super) seconds: Option<f64>,
    pub(super) is_open: bool,
    links: Vec<(Link, Role)>,
}

impl Member {
    pub(super) fn new(case: Arc<str>, alert: &Alert) -> Self {
        let mut member = Self {
            id: Arc::clone(&alert.id),
            case,
            detector: alert.detector,
            pillar: alert.pillar,
            severity: alert.severity,
            confidence: alert.confidence,
            title: String::new(),
            summary: String::new(),
            actor: alert.actor.clone(),
            target: alert.target.clone(),
            first_seen: alert.first_seen,
            last_seen: alert.last_seen,
            sources: None,
            seconds: None,
            is_open: true,
            links: Vec::new(),
        };
        member.update(alert);
        member
    }

    /// What the alert says now. Whether it is surer or graver than before.
    pub(super) fn update(&mut self, alert: &Alert) -> bool {
        let is_graver = alert.severity > self.severity || alert.confidence > self.confidence;
        self.severity = alert.severity;
        self.confidence = alert.confidence;
        self.title.clone_from(&alert.title);
        self.summary.clone_from(&alert.summary);
        self.last_seen = alert.last_seen;
        let measured = match &alert.evidence.observed {
            Quantity::Number(number) => Some(*number),
            Quantity::Text(_) | Quantity::List(_) => None,
        };
        let unit = alert.evidence.unit.unwrap_or_default();
        self.sources = measured.filter(|_| unit == "sources" || unit == "addresses").map(whole);
        self.seconds = measured.filter(|_| unit == "s" || unit == "seconds");
        is_graver
    }

    /// Takes in the links of its actor and target, and of these samples. Gives those that are new, and how many found no room.
    pub(super) fn link(&mut self, samples: &[Sample]) -> (Vec<(Link, Role)>, u64) {
        let (mut fresh, mut left_out) = (Vec::new(), 0);
        let Self {
            links, actor, target, ..
        } = self;
        let mut give = |link: Link, role: Role| {
            let has_room = links.len() < MOST_LINKS;
            match links.iter_mut().find(|(known, _)| *known == link) {
                Some((_, known)) if *known >= role => {}
                Some((_, known)) => {
                    *known = role;
                    fresh.push((link, role));
                }
                None if has_room => {
                    links.push((link.clone(), role));
                    fresh.push((link, role));
                }
                None => left_out += 1,
            }
        };
        links::named(actor.as_ref(), target, &mut give);
        for sample in samples {
            links::seen(sample, &mut give);
        }
        (fresh, left_out)
    }

    pub(super) fn links(&self) -> &[(Link, Role)] {
        &self.links
    }

    /// How much it has in common with another.
    pub(super) fn shares(&self, other: &Self) -> Shared {
        let apart = self.apart(other);
        let mut shared = Shared {
            weight: 0.0,
            endpoint: false,
            apart,
        };
        for (link, role) in &self.links {
            let Some((_, theirs)) = other.links.iter().find(|(theirs, _)| theirs == link) else {
                continue;
            };
            shared.weight += links::weight(link, *role, *theirs, apart);
            shared.endpoint |= matches!(link, Link::Endpoint(_));
            if matches!(link, Link::Actor(ActorKind::Process, _)) && *role == Role::Named && *theirs == Role::Named {
                shared.weight += links::of_one_program(self.detector == other.detector, apart);
            }
        }
        if shared.endpoint {
            let nobody = self.actor.is_none() || other.actor.is_none();
            shared.weight += links::of_one_endpoint(self.detector == other.detector, nobody, apart);
        }
        shared
    }

    /// Time between the end of the one and the beginning of the other; none where they overlap.
    fn apart(&self, other: &Self) -> Duration {
        let after = self.first_seen.since(other.last_seen);
        after.max(other.first_seen.since(self.last_seen))
    }
}

/// What two alerts have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    /// All of it.
    pub(super) weight: f32,
    /// The endpoint is among it.
    pub(super) endpoint: bool,
    pub(super) apart: Duration,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count; anything else is cut to the nearest there is"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}
