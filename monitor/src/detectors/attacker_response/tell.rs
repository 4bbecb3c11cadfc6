//! What a finding of it says.

use std::sync::Arc;

use super::doc::DOC;
use super::subject::{Excess, Subject};
use crate::alert::{ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::finding::Finding;

const DAY_S: u64 = 86_400;
/// Of an identity or address ...
const CONFIDENCE: f32 = 0.7;
/// ... and of a program, which others may have.
const SHARED: f32 = 0.6;

/// What is to be told of `subject` now; `cap` gives what may be said in the first days.
pub(super) fn finding(subject: &Subject, excess: &Excess, count: u64, cap: impl Fn(f32) -> f32) -> Finding {
    let who = &subject.actor.id;
    let (subject_name, change, confidence) = match subject.actor.kind {
        ActorKind::Fingerprint => (
            format!("The program that writes its requests like {who}"),
            "from another address",
            SHARED,
        ),
        ActorKind::Ip | ActorKind::Network => (format!("{who}"), "with another user agent", CONFIDENCE),
        ActorKind::Asn
        | ActorKind::Organization
        | ActorKind::Country
        | ActorKind::Account
        | ActorKind::Key
        | ActorKind::Token
        | ActorKind::Session
        | ActorKind::UserAgent
        | ActorKind::Process => (
            format!("{who}"),
            "from another address or with another agent",
            CONFIDENCE,
        ),
    };
    let median = subject.median_s();
    let within = excess.within.as_secs();
    Finding {
        detector: &DOC,
        first_seen: subject.occurrence.first,
        last_seen: subject.occurrence.last,
        count,
        severity: if u64::from(excess.left) * 4 >= u64::from(excess.refused) * 3 {
            Severity::High
        } else {
            Severity::Medium
        },
        confidence: cap(confidence),
        title: format!("{who} evades blocks in {median:.0} s"),
        summary: format!(
            "{subject_name} was refused under {} faces within a day and {} times went on {change}, in half of the cases within \
             {median:.1} s: a block of one address or name does not hold",
            excess.refused, excess.left
        ),
        actor: Some(subject.actor.clone()),
        target: Target {
            endpoint: subject.endpoint.clone(),
            ..Target::default()
        },
        evidence: Evidence {
            observed: Quantity::Number(median),
            expected: Quantity::Number(excess.usual_s),
            threshold: Quantity::Number(within as f64),
            unit: Some("s"),
            window_s: DAY_S,
            method: "refused faces of a day that were left for a new one within the threshold, compared with the upper tail of a \
                     beta-binomial distribution at the rate of new faces that follow no refusal, against a part of the \
                     false-alarm budget",
            would_not_alert: format!(
                "Fewer than {} changes within {within} s of {} refusals in a day, or to come back to the refused address or agent.",
                excess.line, excess.refused
            ),
            samples: subject
                .samples
                .iter()
                .map(|record| Sample::Http(Arc::clone(record)))
                .collect(),
        },
        coverage: None,
    }
}
