//! What a detector says when it has seen something: the matter of an alert, without the life of one.

pub mod occurrence;
pub mod words;

use crate::alert::{Actor, Evidence, Severity, Target};
use crate::detectors::DetectorDoc;
use crate::time::Timestamp;

/// Something that a detector found. [`crate::alerts::Desk`] makes alerts of findings: those with the same detector,
/// actor and target are one occurrence while they follow each other within the detector's quiet time.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Who says it.
    pub detector: &'static DetectorDoc,
    /// When the first of the observations happened that this finding rests on.
    pub first_seen: Timestamp,
    /// When the latest did.
    pub last_seen: Timestamp,
    /// Observations that no earlier finding has counted; 0 for one that only tells more of the same.
    pub count: u64,
    /// How bad if true.
    pub severity: Severity,
    /// How likely true, 0 to 1.
    pub confidence: f32,
    /// A few words.
    pub title: String,
    /// One sentence for a person on call, of the whole occurrence so far.
    pub summary: String,
    /// Who did it.
    pub actor: Option<Actor>,
    /// What it was done to. An alert names an actor or a target.
    pub target: Target,
    /// Why, with the records of *this* finding; the desk keeps up to five of all.
    pub evidence: Evidence,
    /// Share of the bytes concerned that was understood, 0 to 1.
    pub coverage: Option<f32>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::alert::{ActorKind, Quantity};

    /// A finding of one observation at `at` seconds, as the tests of desk and rules need one.
    pub(crate) fn finding(destination: &str, at: u64) -> Finding {
        Finding {
            detector: &crate::detectors::unknown_destination::DOC,
            first_seen: Timestamp::from_secs(at),
            last_seen: Timestamp::from_secs(at),
            count: 1,
            severity: Severity::Medium,
            confidence: 0.9,
            title: format!("New destination for curl: {destination}"),
            summary: format!("curl went to {destination} at {at}"),
            actor: Some(Actor {
                kind: ActorKind::Process,
                id: "/usr/bin/curl".into(),
            }),
            target: Target {
                destination: Some(destination.into()),
                ..Target::default()
            },
            evidence: Evidence {
                observed: Quantity::Text(destination.to_owned()),
                expected: Quantity::List(Vec::new()),
                threshold: Quantity::Text(String::new()),
                unit: None,
                window_s: 0,
                method: "",
                would_not_alert: String::new(),
                samples: Vec::new(),
            },
            coverage: None,
        }
    }
}
