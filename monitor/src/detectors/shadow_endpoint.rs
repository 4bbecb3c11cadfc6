//! `shadow_endpoint`: an endpoint that answers and that no document names.

mod doc;
mod settings;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Detector, DetectorDoc};
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::beginning::Beginning;
use crate::baseline::distinct::Distinct;
use crate::baseline::occurrence::{Case, Occurrences};
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole, Request};
use crate::time::Timestamp;

/// Endpoints that are remembered while their occurrence lasts.
const MOST_ENDPOINTS: usize = 4_096;
/// Endpoints that have an alert each; more share one. A person reads ten.
const MOST_ALONE: usize = 10;
/// Endpoints and statuses that a summary names.
const MOST_NAMED: usize = 10;
/// Records of an occurrence that wait to be told as samples.
const MOST_SAMPLES: usize = 3;

/// The detector.
#[derive(Debug)]
pub struct ShadowEndpoint {
    beginning: Beginning,
    /// By endpoint; the empty one is what the many share.
    endpoints: Occurrences<Arc<str>, Shadow>,
    many: Arc<str>,
}

/// What is known of one.
#[derive(Debug)]
struct Shadow {
    severity: Severity,
    confidence: f32,
    statuses: BTreeSet<u16>,
    sources: Distinct<16>,
    first_source: IpAddr,
    names: BTreeSet<Arc<str>>,
    process: Option<Arc<str>>,
    samples: Vec<Arc<HttpRecord>>,
}

impl ShadowEndpoint {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        Self {
            beginning: Beginning::new(config),
            endpoints: Occurrences::new(MOST_ENDPOINTS, DOC.quiet),
            many: "".into(),
        }
    }

    fn judge(&mut self, record: &Arc<HttpRecord>, request: &Request) {
        let (Some(endpoint), Some(response), Some(client)) = (&request.endpoint, &record.response, &record.client)
        else {
            return;
        };
        if !is_asked_for_on_purpose(request) {
            return;
        }
        let Some((severity, confidence)) = weigh(response.status, response.content_type.as_deref()) else {
            return;
        };
        let now = record.end();
        let is_known = self.endpoints.get(now, endpoint).is_some();
        let key = if is_known || self.endpoints.len() < MOST_ALONE {
            Arc::clone(endpoint)
        } else {
            Arc::clone(&self.many)
        };
        let case = self.endpoints.add(now, &key, || Shadow {
            severity,
            confidence,
            statuses: BTreeSet::new(),
            sources: Distinct::default(),
            first_source: client.ip,
            names: BTreeSet::new(),
            process: None,
            samples: Vec::new(),
        });
        let shadow = &mut case.what;
        shadow.severity = shadow.severity.max(severity);
        shadow.confidence = shadow.confidence.max(confidence);
        if shadow.statuses.len() < MOST_NAMED {
            shadow.statuses.insert(response.status);
        }
        if shadow.names.len() < MOST_NAMED {
            shadow.names.insert(Arc::clone(endpoint));
        }
        shadow.sources.see(now, DOC.quiet, &Source::from(client.ip));
        if shadow.process.is_none() {
            let program = record.process.as_ref().and_then(|process| process.program.as_ref());
            shadow.process = program.map(|program| program.exe.as_str().into());
        }
        if shadow.samples.len() < MOST_SAMPLES {
            shadow.samples.push(Arc::clone(record));
        }
    }

    fn tell_waiting(&mut self, now: Option<Timestamp>, findings: &mut Vec<Finding>) {
        let beginning = &self.beginning;
        let mut tell = |key: &Arc<str>, case: &mut Case<Shadow>| findings.push(finding(key, case, beginning));
        match now {
            Some(now) => self.endpoints.expire(now, tell),
            None => self.endpoints.tell_all(&mut tell),
        }
    }
}

/// Not what every client asks of every host.
fn is_asked_for_on_purpose(request: &Request) -> bool {
    let everywhere = matches!(request.path.as_str(), "/favicon.ico" | "/robots.txt" | "/sitemap.xml")
        || ["/.well-known/", "/apple-touch-icon"]
            .iter()
            .any(|start| request.path.starts_with(start));
    !everywhere && !matches!(request.method.as_str(), "OPTIONS" | "CONNECT")
}

/// What an answer says of the endpoint; nothing where it says that there is none.
fn weigh(status: u16, content_type: Option<&str>) -> Option<(Severity, f32)> {
    match status {
        101 | 200..300 => match content_type.map(kind) {
            Some(Content::Piece) => None,
            Some(Content::Page) => Some((Severity::Low, 0.6)),
            Some(Content::Other) | None => Some((Severity::Medium, 0.9)),
        },
        304 | 501..=504 => None,
        300..400 | 500..600 => Some((Severity::Low, 0.6)),
        _ => None,
    }
}

/// What a media type is to an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// A piece of a web page.
    Piece,
    /// A web page.
    Page,
    /// What programs ask for.
    Other,
}

fn kind(content_type: &str) -> Content {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let pieces = ["image/", "font/", "audio/", "video/", "text/css", "text/javascript"];
    let scripts = ["application/javascript", "application/wasm", "application/font-woff"];
    if pieces.iter().chain(&scripts).any(|start| essence.starts_with(start)) {
        Content::Piece
    } else if matches!(essence.as_str(), "text/html" | "application/xhtml+xml") {
        Content::Page
    } else {
        Content::Other
    }
}

fn finding(key: &Arc<str>, case: &mut Case<Shadow>, beginning: &Beginning) -> Finding {
    let count = case.take();
    let (first, last, all) = (case.first, case.last, case.count);
    let shadow = &mut case.what;
    let statuses: Vec<String> = shadow.statuses.iter().map(u16::to_string).collect();
    let sources = match shadow.sources.count() {
        0 | 1 => shadow.first_source.to_string(),
        count => format!("{count} sources, {} first", shadow.first_source),
    };
    let names: Vec<String> = shadow.names.iter().map(ToString::to_string).collect();
    let is_one = !key.is_empty();
    let (title, subject) = if is_one {
        (format!("Undocumented endpoint answers: {key}"), key.to_string())
    } else {
        (
            "Many undocumented endpoints answer".to_owned(),
            format!("{} and more", names.join(", ")),
        )
    };
    let times = if all == 1 {
        "once".to_owned()
    } else {
        format!("{all} times")
    };
    let target = Target {
        endpoint: is_one.then(|| Arc::clone(key)),
        process: (!is_one).then(|| shadow.process.clone().unwrap_or_else(|| "unknown".into())),
        ..Target::default()
    };
    Finding {
        detector: &DOC,
        first_seen: first,
        last_seen: last,
        count,
        severity: shadow.severity,
        confidence: beginning.cap(last, shadow.confidence),
        title,
        summary: format!(
            "{subject} answered {times} ({}) to {sources}, and no OpenAPI document names it",
            statuses.join(", ")
        ),
        actor: None,
        target,
        evidence: Evidence {
            observed: Quantity::List(names),
            expected: Quantity::Text("an endpoint of the documents".to_owned()),
            threshold: Quantity::Text("one answer".to_owned()),
            unit: None,
            window_s: 0,
            method: "the templates of the OpenAPI documents, against method and path",
            would_not_alert: "The same answer from an endpoint that a document names, or a refusal (404).".to_owned(),
            samples: shadow.samples.drain(..).map(Sample::Http).collect(),
        },
        coverage: None,
    }
}

impl Detector for ShadowEndpoint {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, _: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) => {
                self.beginning.see(record.start);
                if record.role == HttpRole::Server
                    && let Some(request) = &record.request
                    && request.documented == Some(false)
                {
                    self.judge(record, request);
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
        self.endpoints.next_timeout()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![("shadow_endpoints_evicted", self.endpoints.evicted())]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.beginning.export_dirty()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.beginning.import(&rows, now);
    }
}
