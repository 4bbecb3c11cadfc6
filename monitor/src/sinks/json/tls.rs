//! `tls`: a `ClientHello`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flow::Direction;
use super::value::{FlowName, Text};
use crate::record::TlsRecord;

/// A `ClientHello` was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Tls")]
pub struct Tls<'a> {
    /// Flow.
    pub flow: FlowName,
    /// Which way the flow was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Name asked for (RFC 6066 section 3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<Text<'a>>,
    /// Protocols offered (RFC 7301).
    pub alpn: Vec<Text<'a>>,
    /// Highest version offered.
    pub version: Text<'a>,
}

impl<'a> From<&'a TlsRecord> for Tls<'a> {
    fn from(record: &'a TlsRecord) -> Self {
        Self {
            flow: FlowName(record.flow),
            direction: record.direction.map(Direction::from),
            server_name: record.server_name.as_deref().map(Text::Borrowed),
            alpn: record.alpn.iter().map(|a| Text::Borrowed(a.as_str())).collect(),
            version: Text::Borrowed(record.version),
        }
    }
}
