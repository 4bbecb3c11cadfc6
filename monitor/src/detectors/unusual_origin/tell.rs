//! What a finding of it says.

use std::sync::Arc;

use super::doc::DOC;
use super::origin::Kind;
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::occurrence::Case;
use crate::finding::Finding;
use crate::record::HttpRecord;

/// New to the account and to the host; to one of them; and for a shift, which may be a new customer's.
const BOTH: f32 = 0.7;
const ONE: f32 = 0.6;
const SHIFT: f32 = 0.6;
const DAY_S: u64 = 86_400;
/// Origins that an alert names.
const MOST_NAMED: usize = 8;

/// What is known of an occurrence.
#[derive(Clone, Debug)]
pub(super) struct Told {
    actor: Actor,
    severity: Severity,
    confidence: f32,
    title: String,
    summary: String,
    evidence: Evidence,
}

/// An account is where it never was.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) kind: Kind,
    pub(super) origin: Arc<str>,
    pub(super) is_new_here: bool,
    /// So many of this are expected a week, and so many are allowed for.
    pub(super) a_week: f64,
    pub(super) allowed: f64,
}

impl Told {
    pub(super) fn moved(moved: &Moved, actor: Actor, known: Vec<String>, sample: Arc<HttpRecord>) -> Self {
        let (word, origin) = (moved.kind.word(), &moved.origin);
        let here = if moved.is_new_here {
            ", from where nobody has come to this host before"
        } else {
            ""
        };
        let address = sample
            .client
            .as_ref()
            .map(|client| client.ip.to_string())
            .unwrap_or_default();
        Self {
            severity: if moved.is_new_here {
                Severity::High
            } else {
                Severity::Medium
            },
            confidence: if moved.is_new_here { BOTH } else { ONE },
            title: format!("{} is used from {origin}", actor.id),
            summary: format!(
                "{} is used from {address} in {origin}, a {word} from which it never was{here}; it is known from {}",
                actor.id,
                known.join(", ")
            ),
            evidence: Evidence {
                observed: Quantity::Text(origin.to_string()),
                expected: Quantity::List(known),
                threshold: Quantity::Text(format!(
                    "{:.4} such moves expected a week, of {:.4} that are borne",
                    moved.a_week, moved.allowed
                )),
                unit: None,
                window_s: 0,
                method: "share of days that such accounts spend where they never were, times the share of clients that are the \
                         first of their origin (Good and Turing), over all accounts of a week",
                would_not_alert: format!("A {word} from which the account, or others often enough, have come before."),
                samples: vec![Sample::Http(sample)],
            },
            actor,
        }
    }

    /// `origins` with their clients, of which the latest that passed the line is `origin`.
    pub(super) fn origins(
        kind: Kind,
        origin: &Arc<str>,
        origins: &[(Arc<str>, u32)],
        (all, line, expected): (u32, u32, f64),
        sample: Arc<HttpRecord>,
    ) -> Self {
        let word = kind.word();
        let clients: u32 = origins.iter().map(|(_, clients)| clients).sum();
        let named: Vec<&str> = origins.iter().take(MOST_NAMED).map(|(origin, _)| &**origin).collect();
        let more = origins.len().saturating_sub(named.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let from = format!("{}{more}", named.join(", "));
        Self {
            actor: kind.actor(origin),
            severity: Severity::Medium,
            confidence: ONE,
            title: format!("{clients} clients from {from}, where none came from before"),
            summary: format!(
                "{clients} clients came today from {from}, where none had come from before, and {all} in all from a {word} of \
                 that kind, where {expected:.1} are usual"
            ),
            evidence: Evidence {
                observed: Quantity::Number(all.into()),
                expected: Quantity::Number(expected),
                threshold: Quantity::Number(line.into()),
                unit: Some("clients of new origins"),
                window_s: DAY_S,
                method: "upper tail of a negative binomial distribution of the clients of new origins in a day, by those of \
                         past days and by the share of clients that are the first of their origin (Good and Turing), against a \
                         part of the false-alarm budget",
                would_not_alert: format!("Fewer than {line} clients of new origins in a day."),
                samples: vec![Sample::Http(sample)],
            },
        }
    }

    pub(super) fn shift(
        largest: &Arc<str>,
        of_it: u32,
        (rented, all, line, mean): (u32, u32, u32, f64),
        sample: Arc<HttpRecord>,
    ) -> Self {
        Self {
            actor: Actor {
                kind: ActorKind::Organization,
                id: Arc::clone(largest),
            },
            severity: Severity::Medium,
            confidence: SHIFT,
            title: format!("{rented} of {all} clients are rented machines or proxies"),
            summary: format!(
                "{rented} of {all} clients of today come from hosting or residential-proxy networks, where {:.0} % are usual; \
                 most of them ({of_it}) from {largest}",
                100.0 * mean
            ),
            evidence: Evidence {
                observed: Quantity::Number(rented.into()),
                expected: Quantity::Number(mean * f64::from(all)),
                threshold: Quantity::Number(line.into()),
                unit: Some("clients"),
                window_s: DAY_S,
                method: "upper tail of a beta-binomial distribution of the clients of a day at the share of past days, against a \
                         part of the false-alarm budget",
                would_not_alert: format!("Fewer than {line} such clients of {all} in a day."),
                samples: vec![Sample::Http(sample)],
            },
        }
    }

    /// More is known of the same; its actor stays.
    pub(super) fn renew(&mut self, other: Self) {
        let actor = self.actor.clone();
        *self = Self { actor, ..other };
    }
}

/// What is to be told of an occurrence now.
pub(super) fn finding(case: &mut Case<Told>) -> Finding {
    let count = case.take();
    let told = &case.what;
    Finding {
        detector: &DOC,
        first_seen: case.first,
        last_seen: case.last,
        count,
        severity: told.severity,
        confidence: told.confidence,
        title: told.title.clone(),
        summary: told.summary.clone(),
        actor: Some(told.actor.clone()),
        target: Target::default(),
        evidence: told.evidence.clone(),
        coverage: None,
    }
}
