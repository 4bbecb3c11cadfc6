//! What is told.

use std::sync::Arc;

use super::doc::DOC;
use super::subject::{Aspect, Place};
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::asker::Asker;
use crate::baseline::failing::Surge;
use crate::finding::Finding;
use crate::finding::occurrence::Added;
use crate::record::HttpRecord;

/// So many times as long is high.
const HIGH: u64 = 10;

/// Everything is slow.
pub(super) fn host(
    place: &mut Place,
    surge: Surge,
    is_known: bool,
    record: &Arc<HttpRecord>,
    findings: &mut Vec<Finding>,
) {
    let summary = format!(
        "{} of {} requests to several endpoints took more than twice as long as nineteen of twenty do there, within {} minutes",
        surge.failed,
        surge.tried,
        minutes(&surge)
    );
    let told = Told {
        title: "this host answers slowly at several endpoints".to_owned(),
        summary,
        severity: Severity::Medium,
        target: Target::default(),
        aspect: Aspect::Slow,
    };
    tell(place, told, surge, is_known, record, findings);
}

/// An endpoint is slow, or answers with something else.
pub(super) fn endpoint(
    place: &mut Place,
    endpoint: &Arc<str>,
    (aspect, surge): (Aspect, Surge),
    is_known: bool,
    record: &Arc<HttpRecord>,
    findings: &mut Vec<Finding>,
) {
    let target = Target {
        endpoint: Some(Arc::clone(endpoint)),
        ..Target::default()
    };
    let told = match aspect {
        Aspect::Slow => {
            let (half, most) = place.usual();
            let now = place.lately.quantile(0.5).unwrap_or(0);
            Told {
                title: format!("{endpoint} takes {} where {} is usual", time(now), time(half)),
                summary: format!(
                    "{} of {} requests for {endpoint} took more than {} within {} minutes, half of them {} and more, where half \
                     take {} and nineteen of twenty no more than {}",
                    surge.failed,
                    surge.tried,
                    time(place.slow_line(is_known)),
                    minutes(&surge),
                    time(now),
                    time(half),
                    time(most)
                ),
                severity: if now >= half.saturating_mul(HIGH) && surge.share() >= 0.5 && is_known {
                    Severity::High
                } else {
                    Severity::Medium
                },
                target,
                aspect,
            }
        }
        Aspect::Odd => Told {
            title: format!("{endpoint} answers with something else"),
            summary: format!(
                "{} of {} answers of {endpoint} within {} minutes were of a status, media type or size that hardly any had before",
                surge.failed,
                surge.tried,
                minutes(&surge)
            ),
            severity: Severity::Low,
            target,
            aspect,
        },
    };
    tell(place, told, surge, is_known, record, findings);
}

struct Told {
    title: String,
    summary: String,
    severity: Severity,
    target: Target,
    aspect: Aspect,
}

fn tell(
    place: &mut Place,
    told: Told,
    surge: Surge,
    is_known: bool,
    record: &Arc<HttpRecord>,
    findings: &mut Vec<Finding>,
) {
    let occurrence = &mut place.occurrences[told.aspect as usize];
    let named = &mut place.named[told.aspect as usize];
    if occurrence.add(surge.now, DOC.quiet, false) != Added::GoesOn {
        *named = place.aspects[told.aspect as usize].named().map(Asker::actor);
    }
    let actor = named.clone();
    let Some(count) = occurrence.tell(surge.now, false) else {
        return;
    };
    let (what, confidence) = match told.aspect {
        Aspect::Slow => ("slow ones", 0.8),
        Aspect::Odd => ("odd ones", 0.6),
    };
    findings.push(Finding {
        detector: &DOC,
        first_seen: occurrence.first,
        last_seen: occurrence.last,
        count,
        severity: told.severity,
        confidence: if is_known { confidence } else { 0.5 },
        title: told.title,
        summary: told.summary,
        actor,
        target: told.target,
        evidence: Evidence {
            observed: Quantity::Number(surge.failed.into()),
            expected: Quantity::Number(surge.usual * f64::from(surge.tried)),
            threshold: Quantity::Number(surge.line.into()),
            unit: Some("requests"),
            window_s: surge.window.as_secs(),
            method: "upper tail of a beta-binomial distribution of the share that is slow or odd by the endpoint's own quantiles, \
                     without the worst minutes, against a part of the false-alarm budget",
            would_not_alert: surge.would_not_alert(what),
            samples: vec![Sample::Http(Arc::clone(record))],
        },
        coverage: None,
    });
}

fn minutes(surge: &Surge) -> u64 {
    surge.window.as_secs() / 60
}

/// Microseconds in words.
fn time(us: u64) -> String {
    match us {
        us if us >= 1_000_000 => format!("{:.1} s", us as f64 / 1e6),
        us if us >= 1_000 => format!("{} ms", us / 1_000),
        us => format!("{us} µs"),
    }
}
