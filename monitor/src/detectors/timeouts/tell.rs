//! What is told.

use std::sync::Arc;

use super::Place;
use super::doc::DOC;
use super::held::{Held, Many};
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::asker::Asker;
use crate::baseline::failing::Surge;
use crate::finding::Finding;
use crate::observation::FlowObservation;
use crate::record::HttpRecord;

/// Requests get no answer.
pub(super) fn silent(
    place: &mut Place,
    endpoint: &Arc<str>,
    surge: Surge,
    is_known: bool,
    record: &Arc<HttpRecord>,
    findings: &mut Vec<Finding>,
) {
    place.occurrence.add(surge.now, DOC.quiet, false);
    let Some(count) = place.occurrence.tell(surge.now, false) else {
        return;
    };
    let one = place.silent.one().map(Asker::actor);
    let by = one
        .as_ref()
        .map_or(String::new(), |one| format!(", most of them of {}", one.id));
    findings.push(Finding {
        detector: &DOC,
        first_seen: place.occurrence.first,
        last_seen: place.occurrence.last,
        count,
        severity: Severity::Medium,
        confidence: if is_known { 0.7 } else { 0.5 },
        title: format!("{endpoint} leaves {:.0} % without an answer", surge.share() * 100.0),
        summary: format!(
            "{endpoint} left {} of {} requests without an answer within {} minutes{by}, where {:.1} % are usual, and for \
             longer than a deploy takes",
            surge.failed,
            surge.tried,
            surge.window.as_secs() / 60,
            surge.usual * 100.0
        ),
        actor: one,
        target: Target {
            endpoint: Some(Arc::clone(endpoint)),
            ..Target::default()
        },
        evidence: Evidence {
            observed: Quantity::Number(surge.failed.into()),
            expected: Quantity::Number(surge.usual * f64::from(surge.tried)),
            threshold: Quantity::Number(surge.line.into()),
            unit: Some("requests"),
            window_s: surge.window.as_secs(),
            method: "upper tail of a beta-binomial distribution with the share and scatter that were learned, without the worst \
                     minutes, against a part of the false-alarm budget",
            would_not_alert: surge.would_not_alert("without an answer"),
            samples: vec![Sample::Http(Arc::clone(record))],
        },
        coverage: None,
    });
}

impl Held {
    /// Connections are held open.
    pub(super) fn tell(&mut self, flow: &FlowObservation, many: Many, is_over: bool, findings: &mut Vec<Finding>) {
        let Some(tuple) = flow.record.tuple else { return };
        let occurrence = self.occurrence(flow.time, many.of);
        occurrence.add(flow.time, DOC.quiet, false);
        let Some(count) = occurrence.tell(flow.time, false) else {
            return;
        };
        let (first, last) = (occurrence.first, occurrence.last);
        let actor = many
            .of
            .map(|source| source.actor(tuple.remote.ip(), source.network().is_none()));
        let who = actor.as_ref().map_or("many clients", |actor| &*actor.id).to_owned();
        let verb = if actor.is_some() { "holds" } else { "hold" };
        findings.push(Finding {
            detector: &DOC,
            first_seen: first.min(flow.record.start),
            last_seen: last,
            count,
            severity: Severity::High,
            // That so many requests are sent a line at a time needs no habit to be odd.
            confidence: if is_over { 0.8 } else { 0.5 },
            title: format!("{who} {verb} {} connections open with half a request", many.count),
            summary: format!(
                "{who} {verb} {} connections to {} open on which requests began more than 20 seconds ago, go on byte by byte \
                 and are not over, where {:.0} at a time are usual",
                many.count, tuple.local, many.usual
            ),
            actor,
            target: Target {
                destination: Some(tuple.local.to_string().into()),
                ..Target::default()
            },
            evidence: Evidence {
                observed: Quantity::Number(many.count as f64),
                expected: Quantity::Number(many.usual),
                threshold: Quantity::Number(many.line as f64),
                unit: Some("connections"),
                window_s: 0,
                method: "connections at a time on which bytes come and nothing was answered, against the upper tail of what is \
                         usual at this hour and a bound",
                would_not_alert: format!("Fewer than {} of them at a time.", many.line),
                samples: vec![Sample::Flow(Arc::clone(&flow.record))],
            },
            coverage: None,
        });
    }
}
