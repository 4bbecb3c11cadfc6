//! How bad an incident is, over the four pillars.
//!
//! What is independent adds up: of two detectors that are each wrong half of the time, both are wrong a quarter of the
//! time. So each detector counts once, by confidence and severity of the worst it says, and the rest is `1 - (1 - a)(1 - b)`:
//! first over the detectors of a pillar, then over the pillars.

use std::collections::BTreeMap;

use super::member::Member;
use crate::alert::{Pillar, Severity};
use crate::incident::Pillars;

/// A pillar that has so much against someone stands by itself: a detector that is half sure of something of medium severity.
const STANDS: f32 = 0.25;

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score {
    pub(super) pillars: Pillars,
    pub(super) all: f32,
    pub(super) severity: Severity,
}

/// Scores the alerts of an incident.
pub(super) fn score<'a>(members: impl Iterator<Item = &'a Member>) -> Score {
    let mut worst: BTreeMap<&str, (Pillar, f32)> = BTreeMap::new();
    let mut severity = Severity::Low;
    for member in members {
        severity = severity.max(member.severity);
        let has = member.confidence.clamp(0.0, 1.0) * share(member.severity);
        let (_, most) = worst.entry(member.detector).or_insert((member.pillar, 0.0));
        *most = most.max(has);
    }
    let mut pillars = Pillars::default();
    for (pillar, has) in worst.into_values() {
        let sum = pillars.of_mut(pillar);
        *sum = both(*sum, has);
    }
    let stand = pillars.all().iter().filter(|has| **has >= STANDS).count();
    Score {
        pillars,
        all: pillars.all().into_iter().fold(0.0, both),
        // Pillars that agree make each other more likely, and show that someone has come further than one step.
        severity: if stand >= 2 { risen(severity) } else { severity },
    }
}

fn both(one: f32, other: f32) -> f32 {
    1.0 - (1.0 - one) * (1.0 - other)
}

/// What is left of the confidence for this severity.
const fn share(severity: Severity) -> f32 {
    match severity {
        Severity::Low => 0.25,
        Severity::Medium => 0.5,
        Severity::High => 0.75,
        Severity::Critical => 1.0,
    }
}

const fn risen(severity: Severity) -> Severity {
    match severity {
        Severity::Low => Severity::Medium,
        Severity::Medium => Severity::High,
        Severity::High | Severity::Critical => Severity::Critical,
    }
}
