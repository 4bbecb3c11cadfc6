//! JSON shapes that only the control socket speaks: the daemon writes them, the command line reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mailbox::Listed;
use crate::allow::{AllowRule, Origin};
use crate::baseline::Row;
use crate::baseline::budget::Allotment;
use crate::baseline::knowledge::{Knowledge, Value};
use crate::config::{Changes, Moment};
use crate::detectors::DetectorName;
use crate::expected::ExpectedEvent;
use crate::sinks::json::{Alert, Incident, Line, Stats, Text, Time};

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody<'a> {
    /// What is wrong.
    pub error: Text<'a>,
    /// What to do about it.
    pub mend: Text<'a>,
}

/// Lines that a follower was too slow for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// `skipped`.
    #[serde(rename = "type")]
    pub kind: SkippedType,
    /// How many.
    pub count: u64,
}

/// Tells [`Skipped`] from a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkippedType {
    /// Always this.
    Skipped,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status<'a> {
    /// Version of the daemon.
    pub version: Text<'a>,
    /// Its process.
    pub pid: u32,
    /// Name of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Text<'a>>,
    /// When it started.
    pub started: Time,
    /// How long it runs, seconds.
    pub uptime_s: u64,
    /// What a `stats` record would say now.
    pub stats: Stats<'a>,
    /// What the kernel gives, and what is lost without the rest.
    pub capture: Vec<Facility<'a>>,
    /// What the daemon's threads gave up, by mechanism, and what they kept.
    #[serde(default)]
    pub confinement: Vec<Facility<'a>>,
    /// How the false-alarm budget is divided: a line for each kind of test.
    pub budget: Vec<BudgetPart<'a>>,
    /// How the daemon's own CPU time is bounded, and what comes of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_budget: Option<CpuBudget>,
    /// The events that are expected: those to come, those that go on, and those that were over within the last day.
    #[serde(default)]
    pub expected: Vec<Expected<'a>>,
    /// Where records go, and what became of them.
    pub outputs: Vec<OutputStatus<'a>>,
}

/// The bound on what the daemon spends itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuBudget {
    /// What it may spend, percent of the time of all processors: `[budget] cpu_percent`.
    pub percent: f64,
    /// Of so many connections payload is read, percent.
    pub read_percent: f64,
}

/// One thing that the capture needs or can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Facility<'a> {
    /// Short name.
    pub name: Text<'a>,
    /// What it is for.
    pub purpose: Text<'a>,
    /// Whether it is there.
    pub state: FacilityState,
    /// What is lost without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<Text<'a>>,
    /// What brings it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<Text<'a>>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Text<'a>>,
}

/// Whether a facility is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FacilityState {
    /// It is.
    Ok,
    /// It is not, and the monitor runs without it.
    Degraded,
    /// It is not, and the monitor can not run.
    Missing,
}

/// A kind of test, and what of the false-alarm budget it may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetPart<'a> {
    /// Detector that makes it.
    pub detector: Text<'a>,
    /// What is tested.
    pub test: Text<'a>,
    /// Subjects that it allows for.
    pub subjects: u32,
    /// A subject is tested anew so often, seconds.
    pub step_s: u64,
    /// Tests a week: subjects times steps of a week.
    pub tests_per_week: f64,
    /// Probability of a false alarm that one of them may have.
    pub alpha: f64,
}

impl From<Allotment> for BudgetPart<'_> {
    fn from(part: Allotment) -> Self {
        Self {
            detector: Text::Borrowed(part.detector),
            test: Text::Borrowed(part.test.name),
            subjects: part.test.subjects,
            step_s: part.test.step.as_secs(),
            tests_per_week: part.per_week,
            alpha: part.alpha,
        }
    }
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputStatus<'a> {
    /// File, or `standard output`.
    pub place: Text<'a>,
    /// Types that go there.
    pub records: Text<'a>,
    /// Records in place.
    pub written: u64,
    /// Records that could not be written.
    pub lost: u64,
    /// Alerts and incidents that wait until it can be written again.
    #[serde(default)]
    pub waiting: u64,
    /// Whether the latest write failed.
    pub failing: bool,
}

/// A line of `GET /v1/allow`, and the answer to `POST /v1/allow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Allowed<'a> {
    /// Names the rule: `DELETE /v1/allow/{id}`.
    pub id: Text<'a>,
    /// Where it came from.
    pub origin: RuleOrigin,
    /// The rule.
    pub rule: AllowRule,
    /// Open alerts that it ended when it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<u64>,
}

/// A line of `GET /v1/baseline`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineOf<'a> {
    /// Detector.
    pub detector: Text<'a>,
    /// Those whose habits are known.
    pub subjects: u64,
    /// Rows.
    pub rows: u64,
    /// The first thing seen.
    pub first: Time,
    /// The latest.
    pub last: Time,
}

/// A line of `GET /v1/baseline/{detector}`, and of the body of `PUT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineRow<'a> {
    /// Detector.
    pub detector: Text<'a>,
    /// Whose habit it is; empty for the baseline as a whole.
    pub subject: Text<'a>,
    /// What belongs to it; empty for the subject itself.
    pub member: Text<'a>,
    /// First sight.
    pub first: Time,
    /// Latest sight.
    pub last: Time,
    /// Observations.
    pub count: u64,
    /// Marks, in the meaning of the detector.
    pub marks: u32,
    /// What the detector knows beyond that, in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Text<'a>>,
}

/// What `POST /v1/baseline/forget` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Forget {
    /// Whose; all detectors' without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorName>,
    /// What was first seen from here on ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// ... until before here; without either, all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
}

impl<'a> BaselineRow<'a> {
    /// As it is shown.
    pub fn of(detector: &'a str, row: &'a Row) -> Self {
        Self {
            detector: Text::Borrowed(detector),
            subject: Text::Borrowed(&row.subject),
            member: Text::Borrowed(&row.member),
            first: Time(row.first),
            last: Time(row.last),
            count: row.count,
            marks: row.marks,
            detail: row.detail.as_deref().map(|detail| Text::Owned(BASE64.encode(detail))),
        }
    }

    /// The row that is shown so.
    pub fn row(&self) -> Result<Row, base64::DecodeError> {
        let detail = self.detail.as_deref().map(|detail| BASE64.decode(detail.as_bytes()));
        Ok(Row {
            subject: Arc::from(&*self.subject),
            member: Arc::from(&*self.member),
            first: self.first.0,
            last: self.last.0,
            count: self.count,
            marks: self.marks,
            detail: detail.transpose()?.map(Arc::from),
        })
    }
}

/// A line of `GET /v1/baseline/known`: what a detector knows of the subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Known<'a> {
    /// Detector.
    pub detector: Text<'a>,
    /// Together with what: a destination, a program, who it is; absent where it is of the subject alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<Text<'a>>,
    /// First sight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Time>,
    /// Latest sight, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Time>,
    /// Whether it is still being learned.
    pub learning: bool,
    /// What is known, by what it is.
    pub facts: BTreeMap<Text<'a>, Fact<'a>>,
}

/// What is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fact<'a> {
    /// A number.
    Number(f64),
    /// What is usual at each of the 168 hours of the week, from Monday 00:00 UTC; null where that hour was not seen.
    Week {
        /// By hour.
        by_hour_of_week: Vec<Option<f64>>,
    },
    /// The same of the 24 hours of the day (UTC).
    Day {
        /// By hour.
        by_hour_of_day: Vec<Option<f64>>,
    },
    /// Values below which a share of all lies.
    Quantiles {
        /// Half of them.
        p50: u64,
        /// Nine of ten.
        p90: u64,
        /// 99 of 100.
        p99: u64,
        /// Of so many that count.
        of: u64,
    },
    /// Names.
    Names {
        /// Those that come most often.
        names: Vec<Text<'a>>,
        /// How many more there are.
        more: u64,
    },
}

impl<'a> Known<'a> {
    /// As it is shown.
    pub fn of(detector: &'a str, known: &'a Knowledge) -> Self {
        Self {
            detector: Text::Borrowed(detector),
            with: (!known.with.is_empty()).then_some(Text::Borrowed(&*known.with)),
            first: known.first.map(Time),
            last: known.last.map(Time),
            learning: known.is_learning,
            facts: known
                .facts
                .iter()
                .map(|fact| (Text::Borrowed(fact.name), Fact::from(&fact.value)))
                .collect(),
        }
    }
}

impl<'a> From<&'a Value> for Fact<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            Value::Week(hours) => Self::Week {
                by_hour_of_week: hours.iter().map(|mean| mean.map(tenths)).collect(),
            },
            Value::Day(hours) => Self::Day {
                by_hour_of_day: hours.iter().map(|mean| mean.map(tenths)).collect(),
            },
            Value::Quantiles { p50, p90, p99, of } => Self::Quantiles {
                p50: *p50,
                p90: *p90,
                p99: *p99,
                of: *of,
            },
            Value::Names(names, more) => Self::Names {
                names: names.iter().map(|name| Text::Borrowed(&**name)).collect(),
                more: *more,
            },
        }
    }
}

fn tenths(mean: f64) -> f64 {
    (mean * 10.0).round() / 10.0
}

/// What `POST /v1/baseline/learn` takes: a time in which all was well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Learn {
    /// From here on ...
    pub from: Moment,
    /// ... until before here.
    pub until: Moment,
}

/// Its answer: what was told of then and is ordinary now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Learned<'a> {
    /// Things that detectors had kept from learning.
    pub detectors: Vec<LearnedBy<'a>>,
    /// Open alerts that began then and have ended.
    pub alerts: u64,
}

/// What one detector learned so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LearnedBy<'a> {
    /// Detector.
    pub detector: Text<'a>,
    /// How many things.
    pub count: u64,
}

/// The answer to a change of baselines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineChanged {
    /// Rows that were forgotten, or taken in.
    pub rows: u64,
}

/// The answer to `POST /v1/reload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded<'a> {
    /// Tables of the configuration that are different and hold from now on.
    pub changed: Vec<Text<'a>>,
    /// Detectors that began anew, with what they had learned.
    pub detectors: Vec<Text<'a>>,
    /// Tables that are different, and hold after a restart.
    pub restart: Vec<Text<'a>>,
}

impl From<&Changes> for Reloaded<'_> {
    fn from(changes: &Changes) -> Self {
        let words = |names: &[&'static str]| names.iter().map(|name| Text::Borrowed(*name)).collect();
        Self {
            changed: words(&changes.at_once),
            detectors: words(&changes.detectors),
            restart: words(&changes.restart),
        }
    }
}

/// A line of `GET /v1/expected`, and the answer to `POST /v1/expected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expected<'a> {
    /// Names the event: `DELETE /v1/expected/{id}`.
    pub id: Text<'a>,
    /// Where it came from.
    pub origin: RuleOrigin,
    /// The event.
    pub event: ExpectedEvent,
    /// Findings that it covered: they raised no alert.
    pub covered: u64,
    /// Open alerts that it ended when it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<u64>,
}

impl From<Listed> for Expected<'_> {
    fn from(listed: Listed) -> Self {
        Self {
            id: Text::Owned(listed.id),
            origin: listed.origin.into(),
            event: listed.event,
            covered: listed.covered,
            resolved: None,
        }
    }
}

/// Where a rule came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleOrigin {
    /// `[[allow]]` of the configuration.
    Config,
    /// `monitor allow`, or this socket.
    Command,
}

/// `GET /v1/alerts/{id}`: an alert, and what would have kept it from being raised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained<'a> {
    /// The alert, as it stands.
    pub alert: Line<'a, Alert<'a>>,
    /// The command to paste into a shell.
    pub allow: Text<'a>,
}

/// `GET /v1/incidents/{id}`: an incident, its alerts, and what would have kept them from being raised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Story<'a> {
    /// The incident, as it stands.
    pub incident: Line<'a, Incident<'a>>,
    /// Those of its alerts that are open or were resolved lately, in order of time.
    pub alerts: Vec<Line<'a, Alert<'a>>>,
    /// The commands to paste into a shell, one for each cause.
    pub allow: Vec<Text<'a>>,
}

impl From<Origin> for RuleOrigin {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Config => Self::Config,
            Origin::Command => Self::Command,
        }
    }
}
