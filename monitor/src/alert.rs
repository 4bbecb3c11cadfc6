//! An alert: one occurrence of one cause, explained.

use std::sync::Arc;

use crate::observation::Lookup;
use crate::record::{FlowRecord, HttpRecord};
use crate::time::Timestamp;
use crate::views::coverage::Service;

/// Life of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// First record.
    New,
    /// More of the same.
    Update,
    /// Nothing has supported it for the detector's quiet time, or it was allowed.
    Resolved,
}

/// How bad it is if true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a look by day.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth waking someone.
    High,
    /// Act now.
    Critical,
}

/// The four pillars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pillar {
    /// Keys, tokens, accounts.
    Credentials,
    /// Agents, fingerprints.
    Tools,
    /// Addresses, networks, names.
    Infrastructure,
    /// What is done.
    Behavior,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// `ip`, `network`, `process`, …: the contract's `actor.kind`.
    pub kind: ActorKind,
    /// The one.
    pub id: Arc<str>,
}

/// Kinds of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// Client address after proxies.
    Ip,
    /// CIDR.
    Network,
    /// `AS64501`.
    Asn,
    /// Organization.
    Organization,
    /// ISO code.
    Country,
    /// Account name.
    Account,
    /// API key fingerprint.
    Key,
    /// Token fingerprint.
    Token,
    /// Session fingerprint.
    Session,
    /// Client fingerprint.
    Fingerprint,
    /// User agent.
    UserAgent,
    /// Process: the executable's path.
    Process,
}

/// What it was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// `METHOD /path/{id}`.
    pub endpoint: Option<Arc<str>>,
    /// Name, or address, or network.
    pub destination: Option<Arc<str>>,
    /// Executable's path.
    pub process: Option<Arc<str>>,
    /// File.
    pub file: Option<Arc<str>>,
}

/// A number with the alert's unit, or words.
#[derive(Clone, Debug, PartialEq)]
pub enum Quantity {
    /// In [`Evidence::unit`].
    Number(f64),
    /// One thing.
    Text(String),
    /// Several.
    List(Vec<String>),
}

/// Why the detector says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What was seen.
    pub observed: Quantity,
    /// What is normal.
    pub expected: Quantity,
    /// Where the line is.
    pub threshold: Quantity,
    /// Unit of the three, when they are numbers.
    pub unit: Option<&'static str>,
    /// Window of the observation, seconds; 0 = a single event.
    pub window_s: u64,
    /// The rule or statistic, in words.
    pub method: &'static str,
    /// What would not have raised it, one sentence.
    pub would_not_alert: String,
    /// Up to five records that show it.
    pub samples: Vec<Sample>,
}

/// A record kept as evidence.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// A flow.
    Flow(Arc<FlowRecord>),
    /// A transaction.
    Http(Arc<HttpRecord>),
    /// A lookup.
    Dns(Lookup),
}

impl Sample {
    /// The endpoint that was asked for.
    pub fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Http(record) => record.request.as_ref()?.endpoint.as_deref(),
            Self::Flow(_) | Self::Dns(_) => None,
        }
    }

    /// The path that was asked for.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Http(record) => Some(&record.request.as_ref()?.path),
            Self::Flow(_) | Self::Dns(_) => None,
        }
    }
}

/// An alert, whole in every record.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Name of this occurrence: derived from detector, actor, target and first observation's event time.
    pub id: Arc<str>,
    /// Its life.
    pub state: AlertState,
    /// Detector's name.
    pub detector: &'static str,
    /// Row of the ten indicators, where it has one.
    pub ioc: Option<u8>,
    /// Pillar.
    pub pillar: Pillar,
    /// How bad.
    pub severity: Severity,
    /// 0 to 1.
    pub confidence: f32,
    /// A few words.
    pub title: String,
    /// One sentence for a person on call.
    pub summary: String,
    /// Who.
    pub actor: Option<Actor>,
    /// What to.
    pub target: Target,
    /// Why.
    pub evidence: Evidence,
    /// Observations so far.
    pub count: u64,
    /// First observation of this occurrence.
    pub first_seen: Timestamp,
    /// Latest.
    pub last_seen: Timestamp,
    /// The incident that it belongs to.
    pub incident: Option<Arc<str>>,
    /// Share of the bytes concerned that was understood, 0 to 1.
    pub coverage: Option<f32>,
    /// The service that it is about, and how much of its traffic was understood by then.
    pub service: Option<Arc<Service>>,
    /// OWASP API Security Top 10 (2023) entries.
    pub owasp_api: &'static [&'static str],
    /// MITRE ATT&CK techniques.
    pub attack: &'static [&'static str],
    /// Why it was resolved: quiet, or the rule that allows it.
    pub resolved_by: Option<String>,
}
