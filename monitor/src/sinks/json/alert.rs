//! `alert`: one occurrence of one cause, explained; every record carries the whole of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::service::Service;
use super::value::{Text, Time, hundredths};
use crate::alert;

/// A detector raises, updates or resolves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Alert")]
pub struct Alert<'a> {
    /// Names this occurrence.
    pub id: Text<'a>,
    /// Where it stands in its life.
    pub state: State,
    /// Detector.
    pub detector: Text<'a>,
    /// Row of the table of detectors, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ioc: Option<u8>,
    /// What it is about.
    pub pillar: Pillar,
    /// How bad, if true.
    pub severity: Severity,
    /// How sure, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f32,
    /// A few words.
    pub title: Text<'a>,
    /// One sentence for a person on call.
    pub summary: Text<'a>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor<'a>>,
    /// What to.
    pub target: Target<'a>,
    /// Why.
    pub evidence: Evidence<'a>,
    /// Observations so far.
    pub count: u64,
    /// First observation of this occurrence.
    pub first_seen: Time,
    /// Latest.
    pub last_seen: Time,
    /// Incident that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<Text<'a>>,
    /// Share of the bytes concerned that was understood, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f32>,
    /// The service that it is about, and how much of its traffic was understood by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service<'a>>,
    /// Catalogues that know it.
    pub references: References<'a>,
    /// Why it was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<Text<'a>>,
}

/// Life of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// First record.
    New,
    /// More of the same.
    Update,
    /// Over.
    Resolved,
}

/// How bad it is if true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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

impl Severity {
    /// Name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// The four pillars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor<'a> {
    /// Kind of actor.
    pub kind: ActorKind,
    /// The one.
    pub id: Text<'a>,
}

/// Kinds of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the contract's and say it")]
pub enum ActorKind {
    Ip,
    Network,
    Asn,
    Organization,
    Country,
    Account,
    Key,
    Token,
    Session,
    Fingerprint,
    UserAgent,
    Process,
}

impl ActorKind {
    /// Name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Network => "network",
            Self::Asn => "asn",
            Self::Organization => "organization",
            Self::Country => "country",
            Self::Account => "account",
            Self::Key => "key",
            Self::Token => "token",
            Self::Session => "session",
            Self::Fingerprint => "fingerprint",
            Self::UserAgent => "user_agent",
            Self::Process => "process",
        }
    }
}

/// What it was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target<'a> {
    /// `METHOD /path/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Text<'a>>,
    /// Name, address or network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Text<'a>>,
    /// Path of the executable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Text<'a>>,
    /// File.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Text<'a>>,
}

/// Entries in public catalogues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct References<'a> {
    /// OWASP API Security Top 10 (2023).
    pub owasp_api: Vec<Text<'a>>,
    /// MITRE ATT&CK techniques.
    pub attack: Vec<Text<'a>>,
}

impl<'a> From<&'a alert::Alert> for Alert<'a> {
    fn from(alert: &'a alert::Alert) -> Self {
        let entries = |list: &'static [&'static str]| list.iter().copied().map(Text::Borrowed).collect();
        Self {
            id: Text::Borrowed(&alert.id),
            state: alert.state.into(),
            detector: Text::Borrowed(alert.detector),
            ioc: alert.ioc,
            pillar: match alert.pillar {
                alert::Pillar::Credentials => Pillar::Credentials,
                alert::Pillar::Tools => Pillar::Tools,
                alert::Pillar::Infrastructure => Pillar::Infrastructure,
                alert::Pillar::Behavior => Pillar::Behavior,
            },
            severity: alert.severity.into(),
            confidence: hundredths(alert.confidence),
            title: Text::Borrowed(&alert.title),
            summary: Text::Borrowed(&alert.summary),
            actor: alert.actor.as_ref().map(Actor::from),
            target: Target::from(&alert.target),
            evidence: Evidence::from(&alert.evidence),
            count: alert.count,
            first_seen: Time(alert.first_seen),
            last_seen: Time(alert.last_seen),
            incident: alert.incident.as_deref().map(Text::Borrowed),
            coverage: alert.coverage,
            service: alert.service.as_deref().map(Service::from),
            references: References {
                owasp_api: entries(alert.owasp_api),
                attack: entries(alert.attack),
            },
            resolved_by: alert.resolved_by.as_deref().map(Text::Borrowed),
        }
    }
}

impl From<alert::AlertState> for State {
    fn from(state: alert::AlertState) -> Self {
        match state {
            alert::AlertState::New => Self::New,
            alert::AlertState::Update => Self::Update,
            alert::AlertState::Resolved => Self::Resolved,
        }
    }
}

impl From<alert::Severity> for Severity {
    fn from(severity: alert::Severity) -> Self {
        match severity {
            alert::Severity::Low => Self::Low,
            alert::Severity::Medium => Self::Medium,
            alert::Severity::High => Self::High,
            alert::Severity::Critical => Self::Critical,
        }
    }
}

impl<'a> From<&'a alert::Actor> for Actor<'a> {
    fn from(actor: &'a alert::Actor) -> Self {
        Self {
            kind: actor.kind.into(),
            id: Text::Borrowed(&actor.id),
        }
    }
}

impl<'a> From<&'a alert::Target> for Target<'a> {
    fn from(target: &'a alert::Target) -> Self {
        Self {
            endpoint: target.endpoint.as_deref().map(Text::Borrowed),
            destination: target.destination.as_deref().map(Text::Borrowed),
            process: target.process.as_deref().map(Text::Borrowed),
            file: target.file.as_deref().map(Text::Borrowed),
        }
    }
}

impl From<alert::ActorKind> for ActorKind {
    fn from(kind: alert::ActorKind) -> Self {
        match kind {
            alert::ActorKind::Ip => Self::Ip,
            alert::ActorKind::Network => Self::Network,
            alert::ActorKind::Asn => Self::Asn,
            alert::ActorKind::Organization => Self::Organization,
            alert::ActorKind::Country => Self::Country,
            alert::ActorKind::Account => Self::Account,
            alert::ActorKind::Key => Self::Key,
            alert::ActorKind::Token => Self::Token,
            alert::ActorKind::Session => Self::Session,
            alert::ActorKind::Fingerprint => Self::Fingerprint,
            alert::ActorKind::UserAgent => Self::UserAgent,
            alert::ActorKind::Process => Self::Process,
        }
    }
}
