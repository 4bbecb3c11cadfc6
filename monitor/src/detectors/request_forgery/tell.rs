//! What was forged, as an alert says it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::Match;
use super::doc::DOC;
use super::place::{Call, Kind};
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::beginning::Beginning;
use crate::baseline::occurrence::Case;
use crate::baseline::source::Source;
use crate::finding::Finding;
use crate::protocol::taps::Where;

/// Places that an alert names.
const MOST_PLACES: usize = 10;
/// Records of an occurrence that wait to be told as samples.
const MOST_SAMPLES: usize = 4;

/// What is one occurrence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Who named it, through which endpoint, and what kind of place it is.
    Named(Source, Option<Arc<str>>, Kind),
    /// Metadata that no request named: the program that asked for it.
    Unnamed(Arc<str>),
}

/// What is known of it.
#[derive(Debug)]
pub(super) struct Forged {
    address: Option<IpAddr>,
    only: bool,
    kind: Kind,
    named: Option<Where>,
    confidence: f32,
    places: BTreeSet<Arc<str>>,
    process: Option<Arc<str>>,
    parent: Option<Arc<str>>,
    samples: Vec<Sample>,
}

impl Forged {
    pub(super) fn named(found: &Match, address: IpAddr) -> Self {
        Self {
            address: Some(address),
            only: true,
            kind: found.call.kind,
            named: Some(found.link.named),
            confidence: found.confidence,
            places: BTreeSet::new(),
            process: found.call.exe(),
            parent: None,
            samples: Vec::new(),
        }
    }

    pub(super) fn unnamed(call: &Call, confidence: f32) -> Self {
        let parent = call.flow.record.parent.as_ref();
        Self {
            address: None,
            only: true,
            kind: call.kind,
            named: None,
            confidence,
            places: BTreeSet::new(),
            process: call.exe(),
            parent: parent.and_then(|parent| parent.request.clone()),
            samples: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, found: &Match, address: IpAddr) {
        self.only &= self.address == Some(address);
        self.confidence = self.confidence.max(found.confidence);
        if self.samples.len() < MOST_SAMPLES {
            self.samples.push(Sample::Http(Arc::clone(&found.request)));
        }
        self.add_call(&found.call);
    }

    pub(super) fn add_call(&mut self, call: &Call) {
        if self.process != call.exe() {
            self.process = None;
        }
        if self.places.len() < MOST_PLACES {
            self.places.insert(call.shown());
        }
        if self.samples.len() < MOST_SAMPLES {
            self.samples.push(Sample::Flow(Arc::clone(&call.flow.record)));
        }
    }
}

pub(super) fn finding(key: &Key, case: &mut Case<Forged>, beginning: &Beginning) -> Finding {
    let count = case.take();
    let (first, last) = (case.first, case.last);
    let forged = &mut case.what;
    let places: Vec<String> = forged.places.iter().map(ToString::to_string).collect();
    let destination = forged.places.first().filter(|_| forged.places.len() == 1).cloned();
    let program = forged.process.as_deref().unwrap_or("a program that is not known");
    let (actor, endpoint, severity, title, summary) = match (key, forged.address) {
        (Key::Named(source, endpoint, kind), Some(address)) => {
            let actor = source.actor(address, forged.only);
            let (severity, what) = match kind {
                Kind::Metadata => (Severity::Critical, "the cloud's metadata service"),
                Kind::Internal => (Severity::High, "inside"),
                Kind::Outside => (Severity::Medium, "outside"),
            };
            let place = endpoint.as_deref().unwrap_or("an endpoint");
            let title = format!("Server called where a request told it to: {}", places.join(", "));
            let summary = format!(
                "{program} connected to {} ({what}), which {} had named in the {} of a request to {place}",
                places.join(", "),
                actor.id,
                forged.named.map_or("target", Where::name)
            );
            (Some(actor), endpoint.clone(), severity, title, summary)
        }
        (Key::Named(..) | Key::Unnamed(_), _) => {
            let actor = forged.process.clone().map(|id| Actor {
                kind: ActorKind::Process,
                id,
            });
            let during = forged.parent.as_deref().unwrap_or("a request");
            let title = "Metadata service reached during a request".to_owned();
            let summary = format!(
                "{program} asked the cloud's metadata service ({}) while it served {during}, and was not seen to do so on its own \
                 before",
                places.join(", ")
            );
            (actor, None, Severity::High, title, summary)
        }
    };
    let observed = match forged.named {
        Some(named) => format!("{} named in the {} of a request", places.join(", "), named.name()),
        None => format!("{} during a request", places.join(", ")),
    };
    Finding {
        detector: &DOC,
        first_seen: first,
        last_seen: last,
        count,
        severity,
        confidence: beginning.cap(last, forged.confidence),
        title,
        summary,
        actor,
        target: Target {
            endpoint,
            destination,
            process: forged.process.clone(),
            file: None,
        },
        evidence: Evidence {
            observed: Quantity::Text(observed),
            expected: Quantity::Text("calls to places that no request names".to_owned()),
            threshold: Quantity::Text("one call".to_owned()),
            unit: None,
            window_s: 0,
            method: "places named by requests, against the connections opened during them or soon after",
            would_not_alert: match forged.kind {
                Kind::Metadata => {
                    "The same call without a request that named it, by a program that makes it on its own."
                }
                Kind::Internal => "The same call to a service that this host calls without being told to.",
                Kind::Outside => "The same call to a place that this host calls anyway, or that several clients name.",
            }
            .to_owned(),
            samples: forged.samples.drain(..).collect(),
        },
        coverage: None,
    }
}
