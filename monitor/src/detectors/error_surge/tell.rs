//! What is told.

use std::sync::Arc;

use super::doc::DOC;
use super::subject::{Kind, Place};
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::asker::Asker;
use crate::baseline::failing::Surge;
use crate::finding::Finding;
use crate::record::HttpRecord;

/// The server errs at an endpoint, or its clients do.
pub(super) fn endpoint(
    place: &mut Place,
    endpoint: &Arc<str>,
    surge: (Kind, Surge),
    is_known: bool,
    record: &Arc<HttpRecord>,
    findings: &mut Vec<Finding>,
) {
    let target = Target {
        endpoint: Some(Arc::clone(endpoint)),
        ..Target::default()
    };
    tell(place, endpoint, target, surge, is_known, record, findings);
}

/// The server errs everywhere.
pub(super) fn host(
    place: &mut Place,
    surge: (Kind, Surge),
    is_known: bool,
    record: &Arc<HttpRecord>,
    findings: &mut Vec<Finding>,
) {
    tell(place, "this host", Target::default(), surge, is_known, record, findings);
}

fn tell(
    place: &mut Place,
    name: &str,
    target: Target,
    surge: (Kind, Surge),
    is_known: bool,
    record: &Arc<HttpRecord>,
    findings: &mut Vec<Finding>,
) {
    let (kind, surge) = surge;
    let occurrence = &mut place.occurrences[kind as usize];
    occurrence.add(surge.now, DOC.quiet, false);
    let Some(count) = occurrence.tell(surge.now, false) else {
        return;
    };
    let (first, last) = (occurrence.first, occurrence.last);
    let one = place.kinds[kind as usize].one().map(Asker::actor);
    let share = surge.share();
    // Half of all, and not one client's: those who ask notice.
    let severity = match (kind, &one) {
        (Kind::Server, None) if share >= 0.5 && is_known => Severity::High,
        (Kind::Server, _) => Severity::Medium,
        (Kind::Client, _) => Severity::Low,
    };
    let confidence = match (is_known, kind) {
        (true, Kind::Server) => 0.8,
        (true, Kind::Client) => 0.6,
        (false, _) => 0.5,
    };
    let minutes = surge.window.as_secs() / 60;
    let kind = kind.name();
    let by = one
        .as_ref()
        .map_or(String::new(), |one| format!(", most of them of {}", one.id));
    findings.push(Finding {
        detector: &DOC,
        first_seen: first,
        last_seen: last,
        count,
        severity,
        confidence,
        title: format!("{name} answers {:.0} % with {kind}", share * 100.0),
        summary: format!(
            "{name} answered {} of {} requests with {kind} within {minutes} minutes{by}, where {:.1} % are usual, and for \
             longer than a deploy takes",
            surge.failed,
            surge.tried,
            surge.usual * 100.0
        ),
        actor: one,
        target,
        evidence: Evidence {
            observed: Quantity::Number(surge.failed.into()),
            expected: Quantity::Number(surge.usual * f64::from(surge.tried)),
            threshold: Quantity::Number(surge.line.into()),
            unit: Some("errors"),
            window_s: surge.window.as_secs(),
            method: "upper tail of a beta-binomial distribution with the share and scatter that were learned, without the worst \
                     minutes, against a part of the false-alarm budget",
            would_not_alert: surge.would_not_alert("errors"),
            samples: vec![Sample::Http(Arc::clone(record))],
        },
        coverage: None,
    });
}
