//! What never raises an alert: the rules of `[[allow]]` and of `monitor allow`.
//!
//! A rule covers an alert that agrees with *every* key the rule names. Rules act before an alert is raised and, when
//! one is added, on the alerts that are open.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::alert::{Actor, ActorKind, Alert, Sample, Target};
use crate::config::{Config, Moment};
use crate::detectors::DetectorName;
use crate::expected::Events;
use crate::finding::Finding;
use crate::pattern::{Glob, Place, parse_network};
use crate::time::Timestamp;

/// Rules that may be added at run time. A person writes them by hand, and each alert is held against each.
pub const MOST_RULES: usize = 1_024;

/// One rule. Names the alerts that it covers; keys that are absent cover all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AllowRule {
    /// Detector whose alerts are covered.
    #[schemars(example = &"unknown_destination")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorName>,
    /// Who: an address, a network, an account, a fingerprint, …; `*` and `?` may stand in it.
    #[schemars(example = &"203.0.113.0/24")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Place>,
    /// Where to: a name ("*.example.com"), an address or a network ("198.51.100.0/24"). A network covers a named
    /// destination too, if every address seen for it is inside.
    #[schemars(example = &"*.example.com")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Place>,
    /// Endpoint, as alerts show it ("POST /api/v1/orders/{id}").
    #[schemars(example = &"POST /api/v1/orders")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Glob>,
    /// Executable's path.
    #[schemars(example = &"/usr/bin/curl")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Glob>,
    /// Path of a file, or path of the request.
    #[schemars(example = &"/var/lib/app/*")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Glob>,
    /// Until when; without it for ever.
    #[schemars(example = &"2027-01-01")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// Why. Shown where the rule is listed and in the alerts that it ends.
    #[schemars(example = &"new payment provider")]
    pub comment: String,
}

/// What a rule is held against: the parts that a finding and an alert share.
struct Facts<'a> {
    detector: &'a str,
    actor: Option<&'a Actor>,
    target: &'a Target,
    samples: &'a [Sample],
}

impl AllowRule {
    /// Whether it names anything; one that does not would cover every alert there is.
    pub fn names_something(&self) -> bool {
        let Self {
            detector,
            actor,
            destination,
            endpoint,
            process,
            path,
            until: _,
            comment: _,
        } = self;
        detector.is_some()
            || actor.is_some()
            || destination.is_some()
            || endpoint.is_some()
            || process.is_some()
            || path.is_some()
    }

    /// Name of the rule: derived from what it covers, so that the same rule given twice is one.
    pub fn id(&self) -> String {
        let covered = Self {
            until: None,
            comment: String::new(),
            ..self.clone()
        };
        // A struct of strings: this cannot fail, and if it did the id would still be one.
        let text = serde_json::to_string(&covered).unwrap_or_default();
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().take(4).fold(String::from("allow-"), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        })
    }

    /// Whether it covers `alert` at `now`.
    pub fn covers_alert(&self, now: Timestamp, alert: &Alert) -> bool {
        self.covers(
            now,
            &Facts {
                detector: alert.detector,
                actor: alert.actor.as_ref(),
                target: &alert.target,
                samples: &alert.evidence.samples,
            },
        )
    }

    fn covers_finding(&self, now: Timestamp, finding: &Finding) -> bool {
        self.covers(
            now,
            &Facts {
                detector: finding.detector.name,
                actor: finding.actor.as_ref(),
                target: &finding.target,
                samples: &finding.evidence.samples,
            },
        )
    }

    fn covers(&self, now: Timestamp, facts: &Facts<'_>) -> bool {
        let Self {
            detector,
            actor,
            destination,
            endpoint,
            process,
            path,
            until,
            comment: _,
        } = self;
        self.names_something()
            && until.is_none_or(|until| now < until.0)
            && detector.as_ref().is_none_or(|name| name.as_str() == facts.detector)
            && actor
                .as_ref()
                .is_none_or(|place| facts.actor.is_some_and(|actor| place.matches(&actor.id)))
            && destination.as_ref().is_none_or(|place| facts.goes_to(place))
            && endpoint
                .as_ref()
                .is_none_or(|glob| facts.target.endpoint.as_ref().is_some_and(|text| glob.matches(text)))
            && process.as_ref().is_none_or(|glob| facts.done_by(glob))
            && path.as_ref().is_none_or(|glob| facts.at(glob))
    }
}

impl Facts<'_> {
    fn goes_to(&self, place: &Place) -> bool {
        let Some(destination) = &self.target.destination else {
            return false;
        };
        if place.matches(destination) {
            return true;
        }
        // A network rule on a named destination: by the addresses that its flows went to.
        let mut addresses = self.samples.iter().filter_map(remote_address).peekable();
        parse_network(destination).is_none()
            && addresses.peek().is_some()
            && addresses.all(|address| place.holds(address))
    }

    fn done_by(&self, glob: &Glob) -> bool {
        let actor = self
            .actor
            .filter(|actor| actor.kind == ActorKind::Process)
            .map(|actor| &actor.id);
        if let Some(exe) = actor.or(self.target.process.as_ref()) {
            return glob.matches(exe);
        }
        let mut exes = self.samples.iter().map(executable).peekable();
        exes.peek().is_some() && exes.all(|exe| exe.is_some_and(|exe| glob.matches(exe)))
    }

    fn at(&self, glob: &Glob) -> bool {
        let endpoint_path = || {
            self.target
                .endpoint
                .as_ref()
                .and_then(|text| text.split_once(' '))
                .map(|(_, path)| path)
        };
        self.target
            .file
            .as_deref()
            .or_else(endpoint_path)
            .is_some_and(|path| glob.matches(path))
    }
}

fn remote_address(sample: &Sample) -> Option<IpAddr> {
    match sample {
        Sample::Flow(flow) => flow.tuple.map(|tuple| tuple.remote.ip()),
        Sample::Http(http) => http.server.map(|server| server.ip()),
        Sample::Dns(_) => None,
    }
}

fn executable(sample: &Sample) -> Option<&str> {
    let process = match sample {
        Sample::Flow(flow) => flow.process.as_ref(),
        Sample::Http(http) => http.process.as_ref(),
        Sample::Dns(lookup) => lookup.record.process.as_ref(),
    };
    process?.program.as_ref().map(|program| program.exe.as_str())
}

/// Where a rule came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `[[allow]]` of the configuration: changed there alone.
    Config,
    /// `monitor allow`: kept in the store.
    Command,
}

/// Why a rule was not taken or removed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// It would cover everything.
    #[error("the rule names nothing: give a detector, actor, destination, endpoint, process or path")]
    NamesNothing,
    /// [`MOST_RULES`] are there.
    #[error("there are {MOST_RULES} rules already: remove some with `monitor allow remove`, or use a pattern")]
    TooMany,
    /// No such rule.
    #[error("there is no rule {0}; `monitor allow list` shows them")]
    Unknown(String),
    /// It stands in the configuration.
    #[error("{0} stands in the configuration file: remove it there, then `monitor reload`")]
    FromConfig(String),
}

/// The rules in force, by id.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Events that are expected.
    pub expected: Events,
    rules: BTreeMap<String, (Origin, AllowRule)>,
}

impl Rules {
    /// The rules of a configuration.
    pub fn new(config: &Config) -> Self {
        let mut rules = Self::default();
        rules.set_config(config);
        rules
    }

    /// Replaces the configuration's rules and events, after a reload.
    pub fn set_config(&mut self, config: &Config) {
        self.rules.retain(|_, (origin, _)| *origin == Origin::Command);
        for rule in &config.allow {
            self.rules.insert(rule.id(), (Origin::Config, rule.clone()));
        }
        self.expected.set_config(config.expected.clone());
    }

    /// Adds a rule; one that covers the same takes its place. Gives its id.
    pub fn add(&mut self, rule: AllowRule) -> Result<String, RuleError> {
        if !rule.names_something() {
            return Err(RuleError::NamesNothing);
        }
        let id = rule.id();
        match self.rules.get(&id) {
            Some((Origin::Config, _)) => return Err(RuleError::FromConfig(id)),
            None if self.rules.len() >= MOST_RULES => return Err(RuleError::TooMany),
            Some((Origin::Command, _)) | None => {}
        }
        self.rules.insert(id.clone(), (Origin::Command, rule));
        Ok(id)
    }

    /// Removes a rule that was added at run time.
    pub fn remove(&mut self, id: &str) -> Result<AllowRule, RuleError> {
        match self.rules.get(id) {
            None => Err(RuleError::Unknown(id.to_owned())),
            Some((Origin::Config, _)) => Err(RuleError::FromConfig(id.to_owned())),
            Some((Origin::Command, _)) => {
                let removed = self.rules.remove(id).map(|(_, rule)| rule);
                removed.ok_or_else(|| RuleError::Unknown(id.to_owned()))
            }
        }
    }

    /// All rules, also those whose time is over, in order of id.
    pub fn list(&self) -> impl Iterator<Item = (&str, Origin, &AllowRule)> {
        self.rules
            .iter()
            .map(|(id, (origin, rule))| (id.as_str(), *origin, rule))
    }

    /// The first rule that covers `finding` at `now`.
    pub fn find(&self, now: Timestamp, finding: &Finding) -> Option<(&str, &AllowRule)> {
        self.rules
            .iter()
            .find(|(_, (_, rule))| rule.covers_finding(now, finding))
            .map(|(id, (_, rule))| (id.as_str(), rule))
    }
}

/// The command that would have kept this alert from being raised, to paste into a shell.
///
/// As narrow as the alert: detector, and whatever of actor and target it names. Values are escaped for the pattern and
/// quoted for the shell, since some of them come from the wire.
pub fn allow_line(alert: &Alert) -> String {
    let mut line = format!("monitor allow {}", alert.detector);
    let mut add = |option: &str, value: &str| {
        let _ = write!(line, " --{option} {}", shell_word(&Glob::exactly(value)));
    };
    let process = alert
        .actor
        .as_ref()
        .filter(|actor| actor.kind == ActorKind::Process)
        .map(|actor| &actor.id);
    if let Some(actor) = alert.actor.as_ref().filter(|actor| actor.kind != ActorKind::Process) {
        add("actor", &actor.id);
    }
    if let Some(process) = process.or(alert.target.process.as_ref()) {
        add("process", process);
    }
    if let Some(destination) = &alert.target.destination {
        add("destination", destination);
    }
    if let Some(endpoint) = &alert.target.endpoint {
        add("endpoint", endpoint);
    }
    if let Some(file) = &alert.target.file {
        add("path", file);
    }
    line.push_str(" --comment 'why this is normal'");
    line
}

/// One word of a POSIX shell. Control characters, which a terminal might act on when pasted, become the pattern `?`.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    let safe = text
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect::<String>();
    format!("'{}'", safe.replace('\'', r"'\''"))
}

/// `[[allow]]` of a configuration file, where a rule that names nothing is refused.
pub(crate) fn rules_from_config<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AllowRule>, D::Error> {
    let rules = Vec::<AllowRule>::deserialize(deserializer)?;
    match rules.iter().position(|rule| !rule.names_something()) {
        None => Ok(rules),
        Some(index) => {
            let number = index + 1;
            let suffix = match (number % 10, number % 100) {
                (1, n) if n != 11 => "st",
                (2, n) if n != 12 => "nd",
                (3, n) if n != 13 => "rd",
                _ => "th",
            };
            Err(de::Error::custom(format!(
                "the {number}{suffix} [[allow]] names nothing, so it would allow everything"
            )))
        }
    }
}
