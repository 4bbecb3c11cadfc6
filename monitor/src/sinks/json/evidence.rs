//! The evidence of an alert: observed against expected, and the records that show it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::dns::Dns;
use super::flow::Flow;
use super::http::Http;
use super::kind::RecordType;
use super::line::Line;
use super::value::Text;
use crate::alert;

/// Why the detector says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence<'a> {
    /// What was seen.
    pub observed: Quantity<'a>,
    /// What is normal.
    pub expected: Quantity<'a>,
    /// Where the line is.
    pub threshold: Quantity<'a>,
    /// Unit of the three; absent where they are words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Text<'a>>,
    /// Window of the observation, seconds; 0 = a single event.
    pub window_s: u64,
    /// Rule or statistic.
    pub method: Text<'a>,
    /// What would not have raised it.
    pub would_not_alert: Text<'a>,
    /// Records that show it.
    #[schemars(length(max = 5))]
    pub samples: Vec<Sample<'a>>,
}

/// A number in the evidence's unit, or words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Quantity<'a> {
    /// In the evidence's unit.
    Number(#[serde(serialize_with = "number")] f64),
    /// One thing.
    Text(Text<'a>),
    /// Several.
    List(Vec<Text<'a>>),
}

/// A record kept as evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Sample<'a> {
    /// A transaction.
    Http(Box<Line<'a, Http<'a>>>),
    /// A flow.
    Flow(Box<Line<'a, Flow<'a>>>),
    /// A lookup.
    Dns(Box<Line<'a, Dns<'a>>>),
}

impl<'a> From<&'a alert::Evidence> for Evidence<'a> {
    fn from(evidence: &'a alert::Evidence) -> Self {
        Self {
            observed: Quantity::from(&evidence.observed),
            expected: Quantity::from(&evidence.expected),
            threshold: Quantity::from(&evidence.threshold),
            unit: evidence.unit.map(Text::Borrowed),
            window_s: evidence.window_s,
            method: Text::Borrowed(evidence.method),
            would_not_alert: Text::Borrowed(&evidence.would_not_alert),
            samples: evidence.samples.iter().map(Sample::from).collect(),
        }
    }
}

impl<'a> From<&'a alert::Quantity> for Quantity<'a> {
    fn from(quantity: &'a alert::Quantity) -> Self {
        match quantity {
            // JSON has no infinity: words, rather than null.
            alert::Quantity::Number(n) if !n.is_finite() => Self::Text(Text::Owned(n.to_string())),
            alert::Quantity::Number(n) => Self::Number(*n),
            alert::Quantity::Text(text) => Self::Text(Text::Borrowed(text)),
            alert::Quantity::List(list) => Self::List(list.iter().map(|t| Text::Borrowed(t.as_str())).collect()),
        }
    }
}

impl<'a> From<&'a alert::Sample> for Sample<'a> {
    fn from(sample: &'a alert::Sample) -> Self {
        match sample {
            alert::Sample::Http(record) => {
                let time = record.start + Duration::from_micros(record.duration_us);
                Self::Http(Box::new(Line::new(RecordType::Http, time, None, Http::from(&**record))))
            }
            alert::Sample::Flow(record) => {
                let time = record.start + record.duration;
                Self::Flow(Box::new(Line::new(RecordType::Flow, time, None, Flow::from(&**record))))
            }
            alert::Sample::Dns(lookup) => {
                let line = Line::new(RecordType::Dns, lookup.time, None, Dns::from(&*lookup.record));
                Self::Dns(Box::new(line))
            }
        }
    }
}

/// Whole numbers without a fraction, as people write them.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn number<S: Serializer>(n: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    /// Beyond it an `f64` no longer tells neighbouring whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if n.fract() == 0.0 && n.abs() <= EXACT {
        serializer.serialize_i64(*n as i64)
    } else {
        serializer.serialize_f64(*n)
    }
}
