//! Events that are expected: a promotion, a deploy, a migration. What is unusual then is no news, for as long as it lasts.
//!
//! An event covers findings of detectors that compare with what is usual. What goes by lists and rules, or by chance alone
//! (malformed requests, threat lists, stolen passwords, names that carry data), is no less wrong on the day of a promotion.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::alert::{Alert, Sample, Target};
use crate::allow::Origin;
use crate::config::Moment;
use crate::finding::Finding;
use crate::pattern::Glob;
use crate::time::Timestamp;

/// Events that may be added at run time: a person writes them by hand.
pub const MOST_EVENTS: usize = 1_024;
/// What a detector's window still holds of an event when that is over is expected, too; for this long at most.
const AFTERMATH: Duration = Duration::from_hours(1);
/// An event that is over is listed for so long.
pub const LISTED_AFTER: Duration = Duration::from_hours(24);

/// Detectors that compare with what was seen before, and so are covered by an expected event.
const BY_HABIT: &[&str] = &[
    "account_anomaly",
    "auth_failures",
    "enumeration",
    "error_surge",
    "exfiltration",
    "file_integrity",
    "flow_misuse",
    "latency_shift",
    "request_rate",
    "response_volume",
    "scraping",
    "shadow_endpoint",
    "timeouts",
    "unknown_destination",
    "unusual_origin",
];

/// Whether an expected event can cover what this detector finds.
pub fn by_habit(detector: &str) -> bool {
    BY_HABIT.contains(&detector)
}

/// An event that is expected. Names what is covered; keys that are absent cover all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedEvent {
    /// When it begins.
    #[schemars(example = &"2026-11-27T00:00:00Z")]
    pub from: Moment,
    /// When it is over.
    #[schemars(example = &"2026-11-28T00:00:00Z")]
    pub until: Moment,
    /// Endpoint, as alerts show it ("POST /api/v1/orders/{id}"); `*` and `?` may stand in it.
    #[schemars(example = &"POST /api/v1/orders")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Glob>,
    /// Path of the request, or of a file.
    #[schemars(example = &"/api/v1/*")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Glob>,
    /// What it is. Shown where the event is listed and in the alerts that it ends.
    #[schemars(example = &"promotion")]
    #[serde(default)]
    pub comment: String,
}

impl ExpectedEvent {
    /// Name of the event: derived from what it covers, so that the same event given twice is one.
    pub fn id(&self) -> String {
        let covered = Self {
            comment: String::new(),
            ..self.clone()
        };
        // A struct of strings: this cannot fail, and if it did the id would still be one.
        let text = serde_json::to_string(&covered).unwrap_or_default();
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().take(4).fold(String::from("expect-"), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        })
    }

    /// The words for an alert that it ends.
    pub fn reason(&self) -> String {
        let mut reason = format!("expected by {}", self.id());
        if !self.comment.is_empty() {
            let _ = write!(reason, ": {}", self.comment);
        }
        reason
    }

    /// Whether it covers `alert`.
    pub fn covers_alert(&self, alert: &Alert) -> bool {
        let evidence = &alert.evidence;
        by_habit(alert.detector)
            && self.is_at(alert.first_seen, alert.last_seen, evidence.window_s)
            && self.is_about(&alert.target, &evidence.samples)
    }

    fn covers_finding(&self, finding: &Finding) -> bool {
        let evidence = &finding.evidence;
        self.is_at(finding.first_seen, finding.last_seen, evidence.window_s)
            && self.is_about(&finding.target, &evidence.samples)
    }

    /// Whether what was seen from `first` to `last` belongs to it. What began before the event is not of the event.
    fn is_at(&self, first: Timestamp, last: Timestamp, window_s: u64) -> bool {
        let window = Duration::from_secs(window_s).min(AFTERMATH);
        self.from.0 <= first + window && self.from.0 <= last && last < self.until.0 + window
    }

    fn is_about(&self, target: &Target, samples: &[Sample]) -> bool {
        let Self {
            from: _,
            until: _,
            endpoint,
            path,
            comment: _,
        } = self;
        endpoint
            .as_ref()
            .is_none_or(|glob| all_match(glob, target.endpoint.as_deref(), samples, Sample::endpoint))
            && path.as_ref().is_none_or(|glob| {
                let named = target.file.as_deref().or_else(|| {
                    let (_, path) = target.endpoint.as_deref()?.split_once(' ')?;
                    Some(path)
                });
                all_match(glob, named, samples, Sample::path)
            })
    }
}

/// Whether the named one matches; where none is named, all that the samples show.
fn all_match<'a>(
    glob: &Glob,
    named: Option<&str>,
    samples: &'a [Sample],
    shown: impl Fn(&'a Sample) -> Option<&'a str>,
) -> bool {
    match named {
        Some(named) => glob.matches(named),
        None => {
            !samples.is_empty()
                && samples
                    .iter()
                    .all(|sample| shown(sample).is_some_and(|text| glob.matches(text)))
        }
    }
}

/// Why an event was not taken or removed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EventError {
    /// It ends before it begins.
    #[error("the event is over before it begins: give --until a later time than --from")]
    NeverIs,
    /// [`MOST_EVENTS`] are there.
    #[error("there are {MOST_EVENTS} expected events already: remove some with `monitor expect remove`")]
    TooMany,
    /// No such event.
    #[error("there is no expected event {0}; `monitor expect list` shows them")]
    Unknown(String),
    /// It stands in the configuration.
    #[error("{0} stands in the configuration file: remove it there, then `monitor reload`")]
    FromConfig(String),
}

/// The events that are known, by id.
#[derive(Clone, Debug, Default)]
pub struct Events {
    events: BTreeMap<String, (Origin, ExpectedEvent)>,
}

impl Events {
    /// Replaces the configuration's events.
    pub fn set_config(&mut self, from_config: Vec<ExpectedEvent>) {
        self.events.retain(|_, (origin, _)| *origin == Origin::Command);
        for event in from_config {
            self.events.insert(event.id(), (Origin::Config, event));
        }
    }

    /// Adds an event; one that covers the same takes its place. Gives its id.
    pub fn add(&mut self, event: ExpectedEvent) -> Result<String, EventError> {
        if event.until <= event.from {
            return Err(EventError::NeverIs);
        }
        let id = event.id();
        match self.events.get(&id) {
            Some((Origin::Config, _)) => return Err(EventError::FromConfig(id)),
            None if self.events.len() >= MOST_EVENTS => return Err(EventError::TooMany),
            Some((Origin::Command, _)) | None => {}
        }
        self.events.insert(id.clone(), (Origin::Command, event));
        Ok(id)
    }

    /// Removes an event that was added at run time.
    pub fn remove(&mut self, id: &str) -> Result<ExpectedEvent, EventError> {
        let unknown = || EventError::Unknown(id.to_owned());
        match self.events.get(id) {
            Some((Origin::Config, _)) => Err(EventError::FromConfig(id.to_owned())),
            Some((Origin::Command, _)) | None => self.events.remove(id).map(|(_, event)| event).ok_or_else(unknown),
        }
    }

    /// All events, in order of id.
    pub fn list(&self) -> impl Iterator<Item = (&str, Origin, &ExpectedEvent)> {
        self.events
            .iter()
            .map(|(id, (origin, event))| (id.as_str(), *origin, event))
    }

    /// The first event that covers `finding`.
    pub fn find(&self, finding: &Finding) -> Option<&str> {
        if self.events.is_empty() || !by_habit(finding.detector.name) {
            return None;
        }
        self.events
            .iter()
            .find(|(_, (_, event))| event.covers_finding(finding))
            .map(|(id, _)| id.as_str())
    }

    /// Whether a request of `endpoint` at `now` is expected to be unusual: nothing should be learned from it.
    #[inline]
    pub fn is_on(&self, now: Timestamp, endpoint: Option<&str>) -> bool {
        !self.events.is_empty() && self.covers(now, endpoint)
    }

    fn covers(&self, now: Timestamp, endpoint: Option<&str>) -> bool {
        let path = endpoint.and_then(|text| Some(text.split_once(' ')?.1));
        let fits = |glob: &Option<Glob>, text: Option<&str>| {
            glob.as_ref()
                .is_none_or(|glob| text.is_some_and(|text| glob.matches(text)))
        };
        self.events.values().any(|(_, event)| {
            event.from.0 <= now && now < event.until.0 && fits(&event.endpoint, endpoint) && fits(&event.path, path)
        })
    }
}

/// `[[expected]]` of a configuration file, where an event that never is is refused.
pub(crate) fn events_from_config<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ExpectedEvent>, D::Error> {
    let events = Vec::<ExpectedEvent>::deserialize(deserializer)?;
    match events.iter().find(|event| event.until <= event.from) {
        None => Ok(events),
        Some(event) => Err(de::Error::custom(format!(
            "an [[expected]] event until {} is over before it begins at {}",
            event.until, event.from
        ))),
    }
}
