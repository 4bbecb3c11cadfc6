//! `response_volume`: a response that announces far too much, or one identity that is sent as much.

mod doc;
mod settings;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Detector, DetectorDoc};
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::recent::Recent;
use crate::baseline::sliding::Sliding;
use crate::baseline::source::Source;
use crate::config::Config;
use crate::enrich::identity::{Identity, IdentityKind};
use crate::finding::Finding;
use crate::finding::occurrence::{Added, Occurrence};
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole};
use crate::time::Timestamp;

/// Who is remembered with what was sent; about 400 bytes each.
const MOST_RECIPIENTS: usize = 4_096;
/// Endpoints that are remembered; about 200 bytes each.
const MOST_ENDPOINTS: usize = 1_024;
/// Window of sums, and how long an endpoint's sizes are remembered.
const DAY: Duration = Duration::from_hours(24);
/// Smaller bodies are not summed: a terabyte of them is 15 million responses, which are told by their number.
const SMALL: u64 = 64 * 1024;
/// Others that are given as much make it ordinary.
const OTHERS: usize = 3;
/// How often what was held back is told.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The detector.
#[derive(Debug)]
pub struct ResponseVolume {
    announced_bytes: u64,
    bytes_a_day: u64,
    recipients: Recent<Recipient, Sent>,
    endpoints: Recent<Arc<str>, Given>,
    common: u64,
    next_sweep: Option<Timestamp>,
}

/// Who is sent something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Recipient {
    Identity(IdentityKind, Arc<str>),
    Client(Source, IpAddr),
}

/// What was sent to one.
#[derive(Debug)]
struct Sent {
    bytes: Sliding<u64, 24>,
    occurrence: Occurrence,
    endpoint: Option<Arc<str>>,
}

/// What an endpoint gives.
#[derive(Debug, Default)]
struct Given {
    /// Largest body sent.
    largest: u64,
    /// The latest who were announced something long: who, how much, when. One each.
    announced: Vec<(Recipient, u64, Timestamp)>,
}

impl ResponseVolume {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let settings = &config.detectors.response_volume;
        Self {
            announced_bytes: settings.announced_bytes,
            bytes_a_day: settings.bytes_a_day,
            recipients: Recent::new(MOST_RECIPIENTS, DAY),
            endpoints: Recent::new(MOST_ENDPOINTS, DAY),
            common: 0,
            next_sweep: None,
        }
    }

    fn announced(&mut self, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let bytes = record.response.as_ref().and_then(|response| response.announced_bytes);
        let (Some(bytes), Some(recipient), Some(endpoint)) = (bytes, recipient(record), endpoint(record)) else {
            return;
        };
        if record.role != HttpRole::Server {
            return;
        }
        let now = record.start + Duration::from_micros(record.duration_us);
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let given = self.endpoint(now, endpoint);
        let others =
            |(who, size, at): &&(Recipient, u64, Timestamp)| *who != recipient && *size >= bytes / 2 && *at + DAY > now;
        let others = given.announced.iter().filter(others).count();
        given.note_announced(&recipient, bytes, now);
        let largest = given.largest;
        if bytes < self.announced_bytes {
            return;
        }
        if others >= OTHERS {
            self.common += 1;
            return;
        }
        let line = self.announced_bytes;
        let actor = recipient.actor();
        let status = record.response.as_ref().map_or(0, |response| response.status);
        findings.push(Finding {
            detector: &DOC,
            first_seen: now,
            last_seen: now,
            count: 1,
            severity: Severity::High,
            confidence: 0.5,
            title: format!("{endpoint} announces {} to {}", terabytes(bytes), actor.id),
            summary: format!(
                "{endpoint} answered {} with {status} and announced {}, {}; it is being sent now",
                actor.id,
                terabytes(bytes),
                if largest > 0 {
                    format!("where the largest so far was {}", terabytes(largest))
                } else {
                    "where nothing large was seen before".to_owned()
                }
            ),
            actor: Some(actor),
            target: Target {
                endpoint: Some(Arc::clone(endpoint)),
                ..Target::default()
            },
            evidence: Evidence {
                observed: Quantity::Number(bytes as f64),
                expected: Quantity::Number(largest.max(SMALL) as f64),
                threshold: Quantity::Number(line as f64),
                unit: Some("bytes"),
                window_s: 0,
                method: "announced length of the response against a bound",
                would_not_alert: format!(
                    "A response of less than {}, or as large a one as {OTHERS} other clients were given within a day.",
                    terabytes(line)
                ),
                samples: vec![Sample::Http(Arc::clone(record))],
            },
            coverage: None,
        });
    }

    fn sent(&mut self, bytes: u64, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let Some(recipient) = recipient(record).filter(|_| record.role == HttpRole::Server) else {
            return;
        };
        let now = record.start + Duration::from_micros(record.duration_us);
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let endpoint = endpoint(record);
        if let Some(endpoint) = endpoint {
            let given = self.endpoint(now, endpoint);
            given.largest = given.largest.max(bytes);
        }
        let make = || Sent {
            bytes: Sliding::new(Duration::from_hours(1)),
            occurrence: Occurrence::new(now),
            endpoint: endpoint.cloned(),
        };
        let known = self
            .recipients
            .see_or_make(now, &recipient, make, |known| known.bytes.sum());
        known.bytes.slide(now);
        if known.occurrence.add(now, DOC.quiet, known.bytes.sum() > 0) == Added::BeginsAnew {
            known.bytes = Sliding::new(Duration::from_hours(1));
        }
        let before = known.bytes.sum();
        *known.bytes.at(now) += bytes;
        if known.endpoint.as_ref() != endpoint {
            known.endpoint = None;
        }
        if before.saturating_add(bytes) >= self.bytes_a_day {
            self.tell_sum(now, &recipient, Some(record), findings);
        }
    }

    fn tell_sum(
        &mut self,
        now: Timestamp,
        recipient: &Recipient,
        sample: Option<&Arc<HttpRecord>>,
        findings: &mut Vec<Finding>,
    ) {
        let sum = self.recipients.get(recipient).map_or(0, |known| known.bytes.sum());
        let others = |(who, known): &(&Recipient, &Sent)| *who != recipient && known.bytes.sum() >= sum / 2;
        if self.recipients.iter().filter(others).take(OTHERS).count() >= OTHERS {
            self.common += 1;
            return;
        }
        let line = self.bytes_a_day;
        let Some(known) = self.recipients.see(now, recipient) else {
            return;
        };
        let Some(count) = known.occurrence.tell(now, false) else {
            return;
        };
        let actor = recipient.actor();
        let place = known.endpoint.as_deref().unwrap_or("several endpoints");
        findings.push(Finding {
            detector: &DOC,
            first_seen: known.occurrence.first,
            last_seen: known.occurrence.last,
            count,
            severity: Severity::Medium,
            confidence: 0.3,
            title: format!("{} was sent {} in a day", actor.id, terabytes(sum)),
            summary: format!(
                "{} was sent {} by {place} within 24 hours, in responses of 64 KiB and more",
                actor.id,
                terabytes(sum)
            ),
            actor: Some(actor),
            target: Target {
                endpoint: known.endpoint.clone(),
                ..Target::default()
            },
            evidence: Evidence {
                observed: Quantity::Number(sum as f64),
                expected: Quantity::Number(0.0),
                threshold: Quantity::Number(line as f64),
                unit: Some("bytes"),
                window_s: DAY.as_secs(),
                method: "sum of the bodies sent to one recipient against a bound; nothing is learned yet",
                would_not_alert: format!(
                    "Less than {} within a day, or {OTHERS} others that were sent half as much.",
                    terabytes(line)
                ),
                samples: sample
                    .map(|record| Sample::Http(Arc::clone(record)))
                    .into_iter()
                    .collect(),
            },
            coverage: None,
        });
    }

    fn endpoint(&mut self, now: Timestamp, endpoint: &Arc<str>) -> &mut Given {
        self.endpoints
            .see_or_make(now, endpoint, Given::default, |given| given.largest)
    }

    fn tell_held_back(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let held = |(_, known): &(&Recipient, &Sent)| known.occurrence.is_held_back(now, DOC.quiet);
        let held: Vec<Recipient> = self
            .recipients
            .iter()
            .filter(held)
            .map(|(who, _)| who.clone())
            .collect();
        for recipient in held {
            self.tell_sum(now, &recipient, None, findings);
        }
    }
}

impl Given {
    fn note_announced(&mut self, who: &Recipient, bytes: u64, now: Timestamp) {
        self.announced.retain(|(other, ..)| other != who);
        if self.announced.len() > OTHERS {
            self.announced.remove(0);
        }
        self.announced.push((who.clone(), bytes, now));
    }
}

impl Recipient {
    fn actor(&self) -> Actor {
        match self {
            Self::Identity(kind, id) => Actor {
                kind: match kind {
                    IdentityKind::Key => ActorKind::Key,
                    IdentityKind::Token => ActorKind::Token,
                    IdentityKind::Account => ActorKind::Account,
                    IdentityKind::Session => ActorKind::Session,
                },
                id: Arc::clone(id),
            },
            Self::Client(source, address) => source.actor(*address, true),
        }
    }
}

impl Detector for ResponseVolume {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Announced(record) => self.announced(record, findings),
            Observation::Transaction(record) => {
                let bytes = record.response.as_ref().map_or(0, |response| response.body_bytes);
                if bytes >= SMALL {
                    self.sent(bytes, record, findings);
                }
            }
            Observation::Flow(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
        self.recipients.expire(now);
        self.endpoints.expire(now);
        let is_empty = self.recipients.is_empty() && self.endpoints.is_empty();
        self.next_sweep = (!is_empty).then(|| now + SWEEP_EVERY);
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("recipients_evicted", self.recipients.evicted()),
            ("large_endpoints_evicted", self.endpoints.evicted()),
            ("common_downloads", self.common),
        ]
    }
}

fn endpoint(record: &HttpRecord) -> Option<&Arc<str>> {
    record.request.as_ref()?.endpoint.as_ref()
}

/// Whom a response goes to: the identity that was accepted, else the client.
fn recipient(record: &HttpRecord) -> Option<Recipient> {
    let rank = |identity: &&Identity| match identity.kind {
        IdentityKind::Account => 0,
        IdentityKind::Key => 1,
        IdentityKind::Token => 2,
        IdentityKind::Session => 3,
    };
    let proven = record
        .identity
        .iter()
        .filter(|identity| !identity.unproven)
        .min_by_key(rank);
    match proven {
        Some(identity) => Some(Recipient::Identity(identity.kind, Arc::clone(&identity.id))),
        None => record
            .client
            .as_ref()
            .map(|client| Recipient::Client(client.ip.into(), client.ip)),
    }
}

/// In words, decimal units.
fn terabytes(bytes: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6)];
    let bytes = bytes as f64;
    let (unit, size) = units
        .into_iter()
        .find(|(_, size)| bytes >= *size)
        .unwrap_or(("kB", 1e3));
    format!("{:.1} {unit}", bytes / size)
}
