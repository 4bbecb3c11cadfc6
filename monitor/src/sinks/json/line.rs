//! One line: what every record has, and the body of its type.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::dns::Dns;
use super::escape::append_line;
use super::flow::Flow;
use super::http::Http;
use super::incident::Incident;
use super::kind::RecordType;
use super::stats::Stats;
use super::tls::Tls;
use super::value::{Text, Time};
use crate::record::{Body, Record};
use crate::time::Timestamp;

/// A record as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line<'a, T> {
    /// Type of the record.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// When the record was made, in event time; never goes back within one output.
    pub time: Time,
    /// Name of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Text<'a>>,
    /// The rest.
    #[serde(flatten)]
    pub body: T,
}

impl<'a, T> Line<'a, T> {
    /// A line of this type.
    pub fn new(kind: RecordType, time: Timestamp, host: Option<&'a str>, body: T) -> Self {
        Self {
            kind,
            time: Time(time),
            host: host.map(Text::Borrowed),
            body,
        }
    }
}

/// Appends the record's line, with its newline, to `out`; leaves `out` as it was on an error.
///
/// `time` stands in for the record's own, since an output's time never goes back.
pub fn write_record(
    out: &mut Vec<u8>,
    record: &Record,
    time: Timestamp,
    host: Option<&str>,
) -> Result<(), serde_json::Error> {
    let kind = RecordType::of(&record.body);
    match &record.body {
        Body::Http(body) => append_line(out, &Line::new(kind, time, host, Http::from(&**body))),
        Body::Flow(body) => append_line(out, &Line::new(kind, time, host, Flow::from(&**body))),
        Body::Dns(body) => append_line(out, &Line::new(kind, time, host, Dns::from(&**body))),
        Body::Tls(body) => append_line(out, &Line::new(kind, time, host, Tls::from(&**body))),
        Body::Alert(body) => append_line(out, &Line::new(kind, time, host, Alert::from(&**body))),
        Body::Incident(body) => append_line(out, &Line::new(kind, time, host, Incident::from(&**body))),
        Body::Stats(body) => append_line(out, &Line::new(kind, time, host, Stats::from(&**body))),
    }
}
