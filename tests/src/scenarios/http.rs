//! Requests and responses, before they are bytes.

use std::net::IpAddr;
use std::sync::Arc;

use super::agents::Agent;
use super::calendar::MILLI;

/// Which HTTP they speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A connection for each request.
    Http10,
    /// Connections that are kept.
    Http11,
    /// Streams, without TLS and by prior knowledge (RFC 9113 section 3.3).
    Http2,
}

/// A body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many of no meaning.
    Filler(u64),
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method.
    pub method: &'static str,
    /// Target.
    pub target: String,
    /// Fields beyond those that every request of the client has.
    pub fields: Vec<(&'static str, String)>,
    /// Body, with its content type among the fields.
    pub body: Body,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Fields beyond the usual ones.
    pub fields: Vec<(&'static str, String)>,
    /// Body.
    pub body: Body,
    /// Length that its header says, where the body never comes that far.
    pub announced: Option<u64>,
}

/// A request of somebody, and what came of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When the request begins, nanoseconds since 1970.
    pub at: u64,
    /// Requests of one visit share connections.
    pub visit: u64,
    /// Who asks.
    pub from: IpAddr,
    /// With which program.
    pub agent: Arc<Agent>,
    /// In which HTTP.
    pub version: Version,
    /// The request.
    pub request: Request,
    /// The bytes of the request, where they are written by hand.
    pub raw: Option<Vec<u8>>,
    /// The response; without one the client is reset.
    pub response: Option<Response>,
    /// How long the server takes, nanoseconds.
    pub think: u64,
}

impl Request {
    /// With neither fields nor body.
    pub fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            fields: Vec::new(),
            body: Body::Bytes(Vec::new()),
        }
    }

    /// GET.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// POST of JSON.
    pub fn post(target: impl Into<String>, json: &serde_json::Value) -> Self {
        Self::new("POST", target).json(json)
    }

    /// With this body.
    #[must_use]
    pub fn json(mut self, json: &serde_json::Value) -> Self {
        self.fields.push(("Content-Type", "application/json".to_owned()));
        self.body = Body::Bytes(json.to_string().into_bytes());
        self
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

impl Response {
    /// With so many bytes of JSON.
    pub fn new(status: u16, size: u64) -> Self {
        Self {
            status,
            fields: vec![("Content-Type", "application/json".to_owned())],
            body: Body::Filler(size),
            announced: None,
        }
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

impl Body {
    /// Its length.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Filler(len) => *len,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that must be as they are, and how many of no meaning follow.
    pub fn parts(&self) -> (&[u8], u64) {
        match self {
            Self::Bytes(bytes) => (bytes, 0),
            Self::Filler(len) => (&[], *len),
        }
    }
}

impl Exchange {
    /// How long the way to this client and back is, nanoseconds: the same for all its packets.
    pub fn rtt(&self) -> u64 {
        let hash = match self.from {
            IpAddr::V4(address) => u64::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address) as u64 ^ (u128::from(address) >> 64) as u64,
        };
        (8 + hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 90) * MILLI
    }
}
