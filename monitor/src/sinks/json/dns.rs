//! `dns`: a name resolved by this host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{FlowName, Process, Text};
use crate::record::DnsRecord;

/// A name was asked for, and answered or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Dns")]
pub struct Dns<'a> {
    /// Flow of the asker's socket.
    pub flow: FlowName,
    /// Owner of that socket; may be a local resolver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process<'a>>,
    /// What was asked.
    pub question: Question<'a>,
    /// Response code (`NOERROR`, `NXDOMAIN`, …); absent when no answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rcode: Option<Text<'a>>,
    /// Answers: addresses and names.
    pub answers: Vec<Text<'a>>,
    /// There are more answers: the server cut the message (TC), or not all of it was copied. Absent where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Query to response, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Question<'a> {
    /// Name, without the final dot.
    pub name: Text<'a>,
    /// Type (`A`, `AAAA`, …).
    #[serde(rename = "type")]
    pub qtype: Text<'a>,
}

impl<'a> From<&'a DnsRecord> for Dns<'a> {
    fn from(record: &'a DnsRecord) -> Self {
        Self {
            flow: FlowName(record.flow),
            process: record.process.as_ref().map(Process::from),
            question: Question {
                name: Text::Borrowed(&record.name),
                qtype: Text::Borrowed(&record.qtype),
            },
            rcode: record.rcode.as_deref().map(Text::Borrowed),
            answers: record.answers.iter().map(|a| Text::Borrowed(a.as_str())).collect(),
            truncated: record.truncated,
            latency_us: record.latency_us,
        }
    }
}
