//! `tls`: a `ClientHello`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flow::Direction;
use super::value::{FlowName, Text};
use crate::protocol::tls::ServerHello;
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
    /// JA4 fingerprint of the client; absent where its hello was not seen whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ja4: Option<Text<'a>>,
    /// The hello has another, encrypted one in it, or GREASE in its place, which looks the same (RFC 9849): `server_name`
    /// is the outer one. Absent where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ech: bool,
    /// The end of the hello was not seen, and what is absent may be in there. Absent where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// What the server chose; absent where its hello was not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negotiated: Option<Negotiated<'a>>,
}

/// What the server chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Negotiated<'a> {
    /// Version.
    pub version: Text<'a>,
    /// Cipher suite by its IANA name, else `0xNNNN`.
    pub cipher: Text<'a>,
    /// Protocol; up to TLS 1.2 alone, since it is encrypted later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Text<'a>>,
    /// The server asked for another hello first (`HelloRetryRequest`). Absent where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
}

impl<'a> From<&'a ServerHello> for Negotiated<'a> {
    fn from(hello: &'a ServerHello) -> Self {
        Self {
            version: Text::Borrowed(hello.version),
            cipher: Text::Borrowed(&hello.cipher),
            alpn: hello.alpn.as_deref().map(Text::Borrowed),
            retry: hello.retry,
        }
    }
}

impl<'a> From<&'a TlsRecord> for Tls<'a> {
    fn from(record: &'a TlsRecord) -> Self {
        Self {
            flow: FlowName(record.flow),
            direction: record.direction.map(Direction::from),
            server_name: record.server_name.as_deref().map(Text::Borrowed),
            alpn: record.alpn.iter().map(|a| Text::Borrowed(a.as_str())).collect(),
            version: Text::Borrowed(record.version),
            ja4: record.ja4.as_deref().map(Text::Borrowed),
            ech: record.ech,
            truncated: record.truncated,
            negotiated: record.negotiated.as_ref().map(Negotiated::from),
        }
    }
}
