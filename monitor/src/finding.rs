//! What a detector says when it has seen something: the matter of an alert, without the life of one.

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
