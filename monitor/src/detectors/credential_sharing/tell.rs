//! What a finding of it says.

use std::sync::Arc;

use super::Used;
use super::doc::DOC;
use super::place::{ByWhat, Network, Place};
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::enrich::identity::IdentityKind;
use crate::finding::Finding;
use crate::record::HttpRecord;

/// Networks that an alert names.
const MOST_NAMED: usize = 5;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;

/// Why it is told.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// So many networks within an hour, and how many are borne beyond one.
    Networks(u32, u32),
    /// So many journeys, the line, and within what.
    Journeys(ByWhat, u32, u32, &'static str),
    /// So many journeys within a day on ways that hardly any other went, and the line.
    Turns(ByWhat, u32, u32),
    /// One journey on such a way, from or to a country that nobody comes from: the way, how many are expected a week, and
    /// how many are borne.
    Once(ByWhat, Arc<str>, f64, f64),
}

pub(super) fn finding(credential: &Arc<str>, used: &Used, count: u64, sample: Option<&Arc<HttpRecord>>) -> Finding {
    let mut latest: Vec<&Place> = used.places.iter().collect();
    latest.sort_by_key(|place| std::cmp::Reverse(place.last));
    let names: Vec<String> = latest.iter().take(MOST_NAMED).map(|place| place.name()).collect();
    let names = names.join(", ");
    let by_position = |by: &ByWhat| match by {
        ByWhat::Position => 0.5,
        ByWhat::Country => 0.4,
    };
    let evidence = |counts: (u32, u32, f64), unit, within: &str, method| {
        let (observed, threshold, expected) = counts;
        Evidence {
            observed: Quantity::Number(observed.into()),
            expected: Quantity::Number(expected),
            threshold: Quantity::Number(threshold.into()),
            unit: Some(unit),
            window_s: if within == "a day" { DAY_S } else { HOUR_S },
            method,
            would_not_alert: format!("Fewer than {threshold} {unit} within {within}, or networks of one organization."),
            samples: sample
                .map(|record| Sample::Http(Arc::clone(record)))
                .into_iter()
                .collect(),
        }
    };
    let (severity, confidence, summary, evidence) = match &used.why {
        Why::Networks(networks, line) => (
            Severity::Medium,
            match used.places.first().map(|place| &place.network) {
                Some(Network::Asn(_) | Network::Organization(_)) => 0.4,
                Some(Network::V4(_) | Network::V6(_)) | None => 0.3,
            },
            format!("{credential} was accepted from {networks} networks within an hour: {names}"),
            evidence(
                (*networks, line.saturating_add(1), 1.0),
                "networks",
                "an hour",
                "upper tail of a geometric distribution, against a part of the false-alarm budget",
            ),
        ),
        Why::Journeys(by, journeys, line, within) => (
            Severity::High,
            by_position(by),
            format!(
                "{credential} went {journeys} times within {within} between places that are too far apart to travel in the time \
                 between: {names}"
            ),
            evidence(
                (*journeys, *line, 0.0),
                "journeys",
                within,
                "upper tail of a geometric distribution, against a part of the false-alarm budget",
            ),
        ),
        Why::Turns(by, journeys, line) => (
            Severity::High,
            by_position(by),
            format!(
                "{credential} went {journeys} times within a day to and fro between places that are too far apart to travel in \
                 the time between, on a way that hardly any other credential takes: {names}"
            ),
            evidence(
                (*journeys, *line, 0.0),
                "journeys",
                "a day",
                "upper tail of a geometric distribution with the share of such journeys here that are followed by another, times \
                 the credentials of a week that begin one, against a part of the false-alarm budget",
            ),
        ),
        Why::Once(by, way, expected, borne) => (
            Severity::High,
            by_position(by) - 0.1,
            format!(
                "{credential} was used in places that are too far apart to travel in the time between, of which one is in a \
                 country that nobody comes from: {names}"
            ),
            Evidence {
                observed: Quantity::Text(way.to_string()),
                expected: Quantity::List(Vec::new()),
                threshold: Quantity::Text(format!(
                    "{expected:.4} such journeys expected a week, of {borne:.4} that are borne"
                )),
                unit: None,
                window_s: HOUR_S,
                method: "credentials of a week on impossible journeys that hardly any other makes, times the share that is the \
                         first of its country (Good and Turing), against a part of the false-alarm budget",
                would_not_alert:
                    "A country that other credentials come from, or a journey that takes as long as an airliner."
                        .to_owned(),
                samples: sample
                    .map(|record| Sample::Http(Arc::clone(record)))
                    .into_iter()
                    .collect(),
            },
        ),
    };
    Finding {
        detector: &DOC,
        first_seen: used.occurrence.first,
        last_seen: used.occurrence.last,
        count,
        severity,
        confidence,
        title: format!("{credential} is used in several places"),
        summary,
        actor: Some(Actor {
            kind: match used.kind {
                IdentityKind::Key => ActorKind::Key,
                IdentityKind::Token => ActorKind::Token,
                IdentityKind::Account => ActorKind::Account,
                IdentityKind::Session => ActorKind::Session,
            },
            id: Arc::clone(credential),
        }),
        target: Target::default(),
        evidence,
        coverage: None,
    }
}
