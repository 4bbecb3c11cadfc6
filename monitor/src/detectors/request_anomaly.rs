//! `request_anomaly`: requests that are malformed, ambiguous, or lead where they should not.

mod class;
mod doc;
mod settings;
#[cfg(test)]
mod tests;
mod traversal;

pub use doc::DOC;
pub use settings::Settings;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use self::class::Class;
use self::traversal::Way;
use super::{Detector, DetectorDoc};
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::beginning::Beginning;
use crate::baseline::occurrence::{Case, Occurrences};
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole, Incomplete, Request};
use crate::time::Timestamp;

/// Sources that are remembered while their occurrence lasts.
const MOST_SOURCES: usize = 8_192;
/// Records of an occurrence that wait to be told as samples.
const MOST_SAMPLES: usize = 3;
/// Refused attempts at path traversal that are no accident any more.
const MANY_REFUSED: u32 = 10;
/// Name of a header that is too long, in evidence.
const OVERSIZE: &str = "oversize_header";

/// The detector.
#[derive(Debug)]
pub struct RequestAnomaly {
    settings: Settings,
    beginning: Beginning,
    sources: Occurrences<Source, Odd>,
    unattributed: u64,
}

/// What a source sent.
#[derive(Debug)]
struct Odd {
    address: IpAddr,
    only: bool,
    names: BTreeSet<&'static str>,
    severity: Severity,
    confidence: f32,
    worst: Kind,
    refused: u64,
    refused_ways: u32,
    /// The endpoint, while there is one alone.
    endpoint: Option<Arc<str>>,
    samples: Vec<Arc<HttpRecord>>,
}

/// Kinds, for words; later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Oversize,
    Malformed,
    Traversal,
    Flood,
    Desync,
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Success,
    Refused,
    Other,
}

/// One oddity, judged.
#[derive(Clone, Copy, Debug)]
struct Verdict {
    name: &'static str,
    kind: Kind,
    severity: Severity,
    confidence: f32,
}

impl RequestAnomaly {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        Self {
            settings: config.detectors.request_anomaly.clone(),
            beginning: Beginning::new(config),
            sources: Occurrences::new(MOST_SOURCES, DOC.quiet),
            unattributed: 0,
        }
    }

    fn judge(&mut self, record: &Arc<HttpRecord>, request: &Request, findings: &mut Vec<Finding>) {
        let answer = Answer::of(record);
        let mut verdicts: Vec<Verdict> = Vec::new();
        let count = usize::from(record.request_anomalies);
        for &name in record.anomalies.iter().take(count) {
            verdicts.extend(of_anomaly(name, record, answer));
        }
        verdicts.extend(traversal::find(&request.path, &request.target).and_then(|way| of_way(way, answer)));
        if request.header_bytes > self.settings.header_bytes {
            verdicts.push(Verdict {
                name: OVERSIZE,
                kind: Kind::Oversize,
                severity: Severity::Low,
                confidence: 0.4,
            });
        }
        verdicts.retain(|verdict| !self.settings.ordinary.iter().any(|name| name == verdict.name));
        let Some(worst) = verdicts.iter().max_by_key(|verdict| (verdict.severity, verdict.kind)) else {
            return;
        };
        let Some(address) = record.client.as_ref().map(|client| client.ip) else {
            self.unattributed += 1;
            return;
        };
        let now = record.end();
        let source = Source::from(address);
        let case = self
            .sources
            .add(now, &source, || Odd::new(address, request.endpoint.as_ref()));
        let odd = &mut case.what;
        let was = odd.severity;
        odd.add(&verdicts, worst, answer, address, record);
        if case.count == 1 || odd.severity > was {
            // Careless companions are told with what they came with.
            let others = record.anomalies.iter().take(count);
            odd.names.extend(others.copied());
        }
        if odd.severity >= Severity::High && (was < Severity::High || case.count == 1) {
            findings.push(finding(source, case, &self.beginning, now));
        }
    }

    fn tell_waiting(&mut self, now: Option<Timestamp>, findings: &mut Vec<Finding>) {
        let beginning = &self.beginning;
        let mut tell = |source: &Source, case: &mut Case<Odd>| {
            let at = case.last;
            findings.push(finding(*source, case, beginning, at));
        };
        match now {
            Some(now) => self.sources.expire(now, tell),
            None => self.sources.tell_all(&mut tell),
        }
    }
}

impl Answer {
    fn of(record: &HttpRecord) -> Self {
        match record.response.as_ref().map(|response| response.status) {
            Some(101 | 200..300) => Self::Success,
            Some(400..=499 | 501 | 505) | None => Self::Refused,
            Some(_) => Self::Other,
        }
    }
}

impl Odd {
    fn new(address: IpAddr, endpoint: Option<&Arc<str>>) -> Self {
        Self {
            address,
            only: true,
            names: BTreeSet::new(),
            severity: Severity::Low,
            confidence: 0.0,
            worst: Kind::Oversize,
            refused: 0,
            refused_ways: 0,
            endpoint: endpoint.cloned(),
            samples: Vec::new(),
        }
    }

    fn add(
        &mut self,
        verdicts: &[Verdict],
        worst: &Verdict,
        answer: Answer,
        address: IpAddr,
        record: &Arc<HttpRecord>,
    ) {
        let endpoint = record.request.as_ref().and_then(|request| request.endpoint.as_ref());
        if self.endpoint.as_ref() != endpoint {
            self.endpoint = None;
        }
        self.only &= self.address == address;
        self.names.extend(verdicts.iter().map(|verdict| verdict.name));
        self.refused += u64::from(answer == Answer::Refused);
        self.refused_ways += u32::from(worst.kind == Kind::Traversal && worst.severity == Severity::Low);
        self.severity = self.severity.max(worst.severity);
        if self.refused_ways >= MANY_REFUSED {
            self.severity = self.severity.max(Severity::Medium);
        }
        self.confidence = self.confidence.max(worst.confidence);
        self.worst = self.worst.max(worst.kind);
        if self.samples.len() < MOST_SAMPLES {
            self.samples.push(Arc::clone(record));
        }
    }
}

/// What an anomaly of the wire is worth.
fn of_anomaly(name: &'static str, record: &HttpRecord, answer: Answer) -> Option<Verdict> {
    let whole = match record.incomplete {
        // What follows a hole, or the end of what was copied, is guesswork.
        Some(Incomplete::Gap | Incomplete::HeadersUnseen | Incomplete::Evicted | Incomplete::HeaderTruncated) => false,
        Some(
            Incomplete::NoResponse
            | Incomplete::RequestCut
            | Incomplete::ResponseCut
            | Incomplete::NoRequest
            | Incomplete::StillOpen
            | Incomplete::Reset,
        )
        | None => true,
    };
    let refused = answer == Answer::Refused;
    let (kind, severity, confidence) = match Class::of(name) {
        Class::Careless => return None,
        Class::Malformed if !whole => return None,
        Class::Malformed if refused => (Kind::Malformed, Severity::Low, 0.5),
        Class::Malformed => (Kind::Malformed, Severity::Medium, 0.6),
        Class::Flood => (Kind::Flood, Severity::High, 0.8),
        Class::Desync if refused => (Kind::Desync, Severity::High, 0.7),
        Class::Desync => (Kind::Desync, Severity::High, 0.9),
    };
    Some(Verdict {
        name,
        kind,
        severity,
        confidence,
    })
}

/// What a way out of a folder is worth; nothing where it is a name like others.
fn of_way(way: Way, answer: Answer) -> Option<Verdict> {
    let severity = match (way, answer) {
        (Way::Beside, Answer::Refused | Answer::Other) => return None,
        (Way::Climbs | Way::Hidden | Way::Beside, Answer::Success) => Severity::High,
        (Way::Nul, Answer::Success) => Severity::Medium,
        (Way::Climbs | Way::Hidden | Way::Nul, Answer::Refused | Answer::Other) => Severity::Low,
    };
    Some(Verdict {
        name: way.name(),
        kind: Kind::Traversal,
        severity,
        confidence: 0.8,
    })
}

fn finding(source: Source, case: &mut Case<Odd>, beginning: &Beginning, now: Timestamp) -> Finding {
    let count = case.take();
    let (first, last, all) = (case.first, case.last, case.count);
    let odd = &mut case.what;
    let actor = source.actor(odd.address, odd.only);
    let who = Arc::clone(&actor.id);
    let (title, does) = match odd.worst {
        Kind::Desync => ("Request smuggling tried by", "that two servers may read differently"),
        Kind::Flood => ("Flood of HTTP/2 frames from", "that wear a server out"),
        Kind::Traversal => ("Path traversal tried by", "that lead out of the folders they name"),
        Kind::Malformed => ("Malformed requests from", "that no client in common use writes"),
        Kind::Oversize => ("Oversize headers from", "with headers longer than servers take"),
    };
    let place = odd.endpoint.as_deref().unwrap_or("several endpoints");
    let requests = if all == 1 { "request" } else { "requests" };
    let names: Vec<String> = odd.names.iter().map(|name| (*name).to_owned()).collect();
    let summary = format!(
        "{who} sent {all} {requests} to {place} {does} ({}); {} of them were refused",
        names.join(", "),
        odd.refused
    );
    Finding {
        detector: &DOC,
        first_seen: first,
        last_seen: last,
        count,
        severity: odd.severity,
        confidence: beginning.cap(now, odd.confidence),
        title: format!("{title} {who}"),
        summary,
        actor: Some(actor),
        target: Target {
            endpoint: odd.endpoint.clone(),
            ..Target::default()
        },
        evidence: Evidence {
            observed: Quantity::List(names),
            expected: Quantity::List(Vec::new()),
            threshold: Quantity::Text("one of these".to_owned()),
            unit: None,
            window_s: 0,
            method: "rules of RFC 9112, RFC 9113 and RFC 3986 for each request alone",
            would_not_alert: "The same requests written by the grammar, to paths that stay within their root."
                .to_owned(),
            samples: odd.samples.drain(..).map(Sample::Http).collect(),
        },
        coverage: None,
    }
}

impl Detector for RequestAnomaly {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) => {
                self.beginning.see(record.start);
                if record.role == HttpRole::Server
                    && let Some(request) = &record.request
                    && (record.request_anomalies > 0
                        || request.header_bytes > self.settings.header_bytes
                        || traversal::find(&request.path, &request.target).is_some())
                {
                    self.judge(record, request, findings);
                }
            }
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_waiting(Some(now), findings);
    }

    fn finish(&mut self, _: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_waiting(None, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.sources.next_timeout()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("odd_sources_evicted", self.sources.evicted()),
            ("odd_requests_without_client", self.unattributed),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.beginning.export_dirty()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.beginning.import(&rows, now);
    }
}
