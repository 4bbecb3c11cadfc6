//! An alert as its incident remembers it.

use std::sync::Arc;
use std::time::Duration;

use super::links::{self, Link, Role};
use crate::alert::{Actor, ActorKind, Alert, Pillar, Quantity, Sample, Severity, Target};
use crate::time::Timestamp;

/// Links of one alert: requests and connections, of which the first tell enough ...
const MOST_REQUESTS: usize = 8;
/// ... addresses and networks ...
const MOST_SOURCES: usize = 32;
/// ... and everything else. A flood of addresses leaves room for the account that was got into.
const MOST_OTHERS: usize = 40;

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
    /// When an account of its evidence was let in latest.
    followed: Timestamp,
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
            followed: Timestamp::ZERO,
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
            let has_room = has_room(links, &link);
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

    /// An account of its evidence is let in, at a source or with a session: that is where it goes on. Whether that was not
    /// known, and the link that made room for it.
    pub(super) fn follow(&mut self, now: Timestamp, link: &Link) -> (bool, Option<Link>) {
        self.followed = self.followed.max(now);
        if let Some((_, role)) = self.links.iter_mut().find(|(known, _)| known == link) {
            *role = Role::Named;
            return (false, None);
        }
        let link = link.clone();
        if has_room(&self.links, &link) {
            self.links.push((link, Role::Named));
            return (true, None);
        }
        // One of the many addresses, or sessions, of a flood tells less.
        let is_alike = |known: &Link| match link {
            Link::Source(_) | Link::Network(_) => matches!(known, Link::Source(_) | Link::Network(_)),
            Link::Actor(..)
            | Link::Destination(_)
            | Link::File(_)
            | Link::Endpoint(_)
            | Link::Request(..)
            | Link::Connection(_) => matches!(known, Link::Actor(ActorKind::Session | ActorKind::Token, _)),
        };
        let other = self
            .links
            .iter_mut()
            .rfind(|(known, role)| *role == Role::Seen && is_alike(known));
        match other {
            Some(other) => (true, Some(std::mem::replace(other, (link, Role::Named)).0)),
            None => (false, None),
        }
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
        let after = self.first_seen.since(other.last_seen.max(other.followed));
        after.max(other.first_seen.since(self.last_seen.max(self.followed)))
    }
}

fn has_room(links: &[(Link, Role)], link: &Link) -> bool {
    let kind = |link: &Link| match link {
        Link::Request(..) | Link::Connection(_) => MOST_REQUESTS,
        Link::Source(_) | Link::Network(_) => MOST_SOURCES,
        Link::Actor(..) | Link::Destination(_) | Link::File(_) | Link::Endpoint(_) => MOST_OTHERS,
    };
    let most = kind(link);
    links.iter().filter(|(known, _)| kind(known) == most).count() < most
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
