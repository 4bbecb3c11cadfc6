//! What was sent, as an alert says it.

use std::sync::Arc;

use super::doc::DOC;
use super::given::{OTHERS, Recipient, Sent};
use super::sizes::Sizes;
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::ledger::Excess;
use crate::finding::Finding;
use crate::finding::words::bytes;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// A response of so many bytes holds much more than what somebody has to do with: a hundred megabytes.
const GRAVE: u64 = 100_000_000;
/// So many times the line is far beyond.
const FAR_BEYOND: u64 = 10;

/// One response.
pub(super) struct One<'a> {
    pub(super) now: Timestamp,
    pub(super) who: &'a Recipient,
    pub(super) endpoint: &'a Arc<str>,
    pub(super) size: u64,
    pub(super) line: u64,
    pub(super) record: &'a Arc<HttpRecord>,
    pub(super) sizes: &'a Sizes,
    pub(super) confidence: f32,
}

impl One<'_> {
    /// It is being sent.
    pub(super) fn announced(&self) -> Finding {
        let (who, amount) = (self.who.actor().id, bytes(self.size));
        let status = self.record.response.as_ref().map_or(0, |response| response.status);
        let usual = self.usual();
        self.finding(
            Severity::High,
            format!("{} announces {amount} to {who}", self.endpoint),
            format!(
                "{} answered {who} with {status} and announced {amount}, {usual}; it is being sent now",
                self.endpoint
            ),
            "announced length of the response against the sizes that its endpoint gives",
        )
    }

    /// It was sent.
    pub(super) fn sent(&self) -> Finding {
        let (who, amount) = (self.who.actor().id, bytes(self.size));
        let severity = if self.size >= GRAVE {
            Severity::High
        } else {
            Severity::Medium
        };
        let usual = self.usual();
        self.finding(
            severity,
            format!("{} gave {amount} to {who}", self.endpoint),
            format!("{} answered {who} with {amount}, {usual}", self.endpoint),
            "size of the response against the sizes that its endpoint gives",
        )
    }

    fn usual(&self) -> String {
        match self.sizes.median() {
            Some(median) => format!(
                "where half of the responses have {} at most and the largest had {}",
                bytes(median),
                bytes(self.sizes.greatest())
            ),
            None => "where no response was seen before".to_owned(),
        }
    }

    fn finding(&self, severity: Severity, title: String, summary: String, method: &'static str) -> Finding {
        Finding {
            detector: &DOC,
            first_seen: self.now,
            last_seen: self.now,
            count: 1,
            severity,
            confidence: self.confidence,
            title,
            summary,
            actor: Some(self.who.actor()),
            target: Target {
                endpoint: Some(Arc::clone(self.endpoint)),
                ..Target::default()
            },
            evidence: Evidence {
                observed: Quantity::Number(self.size as f64),
                expected: Quantity::Number(self.sizes.median().unwrap_or(0) as f64),
                threshold: Quantity::Number(self.line as f64),
                unit: Some("bytes"),
                window_s: 0,
                method,
                would_not_alert: format!(
                    "A response of less than {}, or as large a one as {OTHERS} other clients were given within a day.",
                    bytes(self.line)
                ),
                samples: vec![Sample::Http(Arc::clone(self.record))],
            },
            coverage: None,
        }
    }
}

/// A sum; `told` is how many responses no other finding has counted, and since when.
pub(super) fn sum(
    who: &Recipient,
    sent: &Sent,
    excess: &Excess,
    (count, began): (u64, Timestamp),
    (is_learning, is_known): (bool, bool),
    confidence: f32,
) -> Finding {
    let actor = who.actor();
    let (amount, span, line) = (bytes(excess.sum), excess.over.name(), bytes(excess.norm.line));
    let place = sent.endpoint.as_deref().unwrap_or("several endpoints");
    let (usual, method) = match (is_learning, is_known) {
        (true, _) => (
            "; what is usual is not known yet".to_owned(),
            "sum of the bodies sent to one recipient against a bound; nothing is learned yet",
        ),
        (false, true) => (
            format!(", where it takes {} otherwise", bytes(excess.norm.usual)),
            "sum of the bodies sent to one recipient against its history",
        ),
        (false, false) => (
            format!(", where half of all take {} at most", bytes(excess.norm.usual)),
            "sum of the bodies sent to one recipient against those of all recipients",
        ),
    };
    let severity = if !is_learning && excess.sum / FAR_BEYOND >= excess.norm.line {
        Severity::High
    } else {
        Severity::Medium
    };
    Finding {
        detector: &DOC,
        first_seen: began,
        last_seen: sent.ledger.last,
        count,
        severity,
        confidence,
        title: format!("{} was sent {amount} within {span}", actor.id),
        summary: format!(
            "{} was sent {amount} by {place} within {span}, in responses of 8 KiB and more{usual}",
            actor.id
        ),
        actor: Some(actor),
        target: Target::default(),
        evidence: Evidence {
            observed: Quantity::Number(excess.sum as f64),
            expected: Quantity::Number(excess.norm.usual as f64),
            threshold: Quantity::Number(excess.norm.line as f64),
            unit: Some("bytes"),
            window_s: excess.over.secs(),
            method,
            would_not_alert: format!("Less than {line} within {span}, or {OTHERS} others that were sent half as much."),
            samples: sent
                .sample
                .iter()
                .map(|record| Sample::Http(Arc::clone(record)))
                .collect(),
        },
        coverage: None,
    }
}
