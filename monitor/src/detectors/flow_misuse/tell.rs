//! What a finding of it says.

use std::sync::Arc;

use super::doc::DOC;
use super::steps::Steps;
use super::tally::{Excess, Misuse, Tally};
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::finding::Finding;

const DAY_S: u64 = 86_400;
const CONFIDENCE: f32 = 0.6;

/// What is to be told of `tally` now.
pub(super) fn finding(tally: &Tally, steps: &Steps, excess: &Excess, count: u64) -> Finding {
    let name = |step| steps.get(step).map_or("?", |known| &*known.name.0);
    let (who, step, before) = (&tally.actor.id, name(tally.step), name(tally.before));
    let (odd, asked) = (excess.odd + 1, excess.asked + 1);
    let (title, summary, would_not_alert) = match tally.misuse {
        Misuse::Order => (
            format!("{who} skips {before} before {step}"),
            format!(
                "{who} was given {step} {asked} times within a day, {odd} of them without {before} before it or what else comes before in {:.0} % \
                 of visits: a step of the flow is left out",
                100.0 * (1.0 - tally.share)
            ),
            format!(
                "{before} before it each time, or fewer than {} such requests in a day.",
                excess.line + 1
            ),
        ),
        Misuse::Pace => (
            format!("{who} comes to {step} like a machine"),
            format!(
                "{who} was given {step} in its flow {asked} times within a day, {odd} of them within {} ms of the request before, as \
                 hardly any visit is ({:.1} %): a program runs the flow",
                tally.millis,
                100.0 * tally.share
            ),
            format!(
                "{} ms between them, or fewer than {} such requests in a day.",
                tally.millis,
                excess.line + 1
            ),
        ),
    };
    Finding {
        detector: &DOC,
        first_seen: tally.occurrence.first,
        last_seen: tally.occurrence.last,
        count,
        severity: if u64::from(excess.odd) >= 2 * excess.line {
            Severity::High
        } else {
            Severity::Medium
        },
        confidence: CONFIDENCE,
        title,
        summary,
        actor: Some(tally.actor.clone()),
        target: Target {
            endpoint: steps.get(tally.step).map(|known| Arc::clone(&known.name.0)),
            ..Target::default()
        },
        evidence: Evidence {
            observed: Quantity::Number(odd.into()),
            expected: Quantity::Number(tally.share * f64::from(asked)),
            threshold: Quantity::Number((excess.line + 1) as f64),
            unit: Some("requests"),
            window_s: DAY_S,
            method: "requests of a day that lack the usual step before, or follow it faster than 98 % do, compared with the \
                     upper tail of a beta-binomial distribution at the share of visits that do, against a part of the false-alarm \
                     budget",
            would_not_alert,
            samples: tally
                .samples
                .iter()
                .map(|record| Sample::Http(Arc::clone(record)))
                .collect(),
        },
        coverage: None,
    }
}
