//! What a finding of it says.

use std::sync::Arc;

use ipnet::IpNet;

use super::doc::DOC;
use super::shown::{Number, Subject};
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::occurrence::Case;
use crate::baseline::source::Source;
use crate::finding::Finding;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// By industry's rate; by what an endpoint was seen to have.
const BY_RATE: f32 = 0.6;
const BY_DAYS: f32 = 0.7;
/// So many are a search, not a mistake of configuration.
const MANY: u64 = 100;
const DAY_S: u64 = 86_400;

/// Whose occurrence it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Source(Source),
    Network(IpNet),
    Endpoint(Arc<str>),
}

/// What is known of an occurrence.
#[derive(Clone, Debug)]
pub(super) struct Told {
    actor: Option<Actor>,
    endpoint: Option<Arc<str>>,
    tried: Number,
    unknown: Number,
    is_exact: bool,
    sources: u64,
    line: u64,
    expected: f64,
    pub(super) first: Timestamp,
    pub(super) asked: u64,
    pub(super) confidence: f32,
    pub(super) sample: Option<Arc<HttpRecord>>,
}

impl Told {
    pub(super) fn of<const N: usize>(
        actor: Actor,
        known: &Subject<N>,
        (tried, unknown): (Number, Number),
        line: u32,
        mean: f64,
    ) -> Self {
        Self {
            actor: Some(actor),
            endpoint: known.endpoint.clone(),
            tried,
            unknown,
            is_exact: known.is_exact(),
            sources: known.sources(),
            line: line.into(),
            expected: mean * f64::from(tried.sampled),
            first: known.first,
            asked: known.asked,
            confidence: BY_RATE,
            sample: None,
        }
    }

    pub(super) fn at_endpoint<const N: usize>(
        known: &Subject<N>,
        (tried, unknown): (Number, Number),
        line: u64,
        expected: f64,
    ) -> Self {
        Self {
            actor: None,
            endpoint: known.endpoint.clone(),
            tried,
            unknown,
            is_exact: known.is_exact(),
            sources: known.sources(),
            line,
            expected,
            first: known.first,
            asked: known.asked,
            confidence: BY_DAYS,
            sample: None,
        }
    }
}

pub(super) fn network(network: IpNet) -> Actor {
    Actor {
        kind: ActorKind::Network,
        id: network.to_string().into(),
    }
}

/// What is to be told of an occurrence now.
pub(super) fn finding(who: &Who, case: &mut Case<Told>) -> Finding {
    let count = case.take();
    let told = &case.what;
    let about = if told.is_exact { "" } else { "about " };
    let (unknown, tried) = (told.unknown.all, told.tried.all);
    let place = told.endpoint.as_deref().unwrap_or("several endpoints");
    let (whose, observed) = match who {
        Who::Source(_) => ("one address", told.unknown.sampled.into()),
        Who::Network(_) => ("one network", told.unknown.sampled.into()),
        Who::Endpoint(_) => ("many places", unknown as f64),
    };
    let name = told.actor.as_ref().map_or(place, |actor| &*actor.id);
    let summary = match who {
        Who::Source(_) | Who::Network(_) => format!(
            "{about}{unknown} of {about}{tried} credentials that {name} showed at {place} within a day were never accepted \
             here and were refused, from {} sources",
            told.sources
        ),
        Who::Endpoint(_) => format!(
            "{place} was shown {about}{unknown} credentials within a day that were never accepted here, from {} sources",
            told.sources
        ),
    };
    let line = told.line;
    Finding {
        detector: &DOC,
        first_seen: case.first,
        last_seen: case.last,
        count,
        severity: if unknown >= MANY {
            Severity::High
        } else {
            Severity::Medium
        },
        confidence: told.confidence,
        title: format!("{about}{unknown} unknown credentials from {whose}"),
        summary,
        actor: told.actor.clone(),
        target: Target {
            endpoint: told.endpoint.clone(),
            ..Target::default()
        },
        evidence: Evidence {
            observed: Quantity::Number(observed),
            expected: Quantity::Number(told.expected),
            threshold: Quantity::Number(line as f64),
            unit: Some("credentials never accepted"),
            window_s: DAY_S,
            method: match who {
                Who::Source(_) | Who::Network(_) => {
                    "upper tail of a beta-binomial distribution of the credentials shown (of a sample, where they are many) at \
                     the industry's rate of failure, against a part of the false-alarm budget"
                }
                Who::Endpoint(_) => {
                    "upper tail of a negative binomial distribution of what a day of this endpoint has, against a part of the \
                     false-alarm budget"
                }
            },
            would_not_alert: format!(
                "Fewer than {line} credentials within a day that are refused and were never accepted."
            ),
            samples: told
                .sample
                .iter()
                .map(|record| Sample::Http(Arc::clone(record)))
                .collect(),
        },
        coverage: None,
    }
}
