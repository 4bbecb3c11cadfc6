//! `http`: a transaction.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{End, FlowName, Process, Text, Time};
use super::whereabouts::Whereabouts;
use crate::enrich::identity::{self, IdentitySource};
use crate::protocol::taps::{self, Host, Links, Where};
use crate::record::{self, HttpRecord, HttpRole, HttpVersion};

/// A transaction ended, or was cut off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Http")]
pub struct Http<'a> {
    /// First byte of the request (of the response, where the request was not seen).
    pub start: Time,
    /// Flow it was on.
    pub flow: FlowName,
    /// Number of the request's turn on that flow, as `parent` of a flow names it.
    pub turn: u32,
    /// Whether this host answered (`server`) or asked (`client`).
    pub role: Role,
    /// HTTP version of the request.
    pub version: Version,
    /// Who asked, behind trusted proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client<'a>>,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server<'a>>,
    /// Process of this host that answered or asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process<'a>>,
    /// The request; absent where only the response was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request<'a>>,
    /// The response; absent where none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response<'a>>,
    /// The call of gRPC that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Grpc<'a>>,
    /// Last request byte seen to first response byte, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// First byte of the request to the last of the transaction, microseconds.
    pub duration_us: u64,
    /// Who asked of this host, by what the request says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<Identity<'a>>,
    /// How it ended, if it was a login: `success`, `failure`, `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Text<'a>>,
    /// What program the client is, by version, order and letter case of its header fields: `h1:60f9771c7e29b3ea`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Names of what was odd on the wire.
    pub anomalies: Vec<Text<'a>>,
    /// How many of the first of them are of the request, or of its connection; absent where all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_anomalies: Option<u8>,
    /// Places that a request to this host names, itself and what a hidden parameter names left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link<'a>>,
    /// There, and true, where a proxy on this host passed it on that is told to have served it as well: one request, of which
    /// detectors and views are shown the proxy's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relayed: bool,
    /// Whether it came out of an encrypted connection.
    pub encrypted: bool,
    /// Whether all of it was seen; if not, `incomplete` says why.
    pub complete: bool,
    /// Why it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<Text<'a>>,
}

/// Role of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It answered.
    Server,
    /// It asked.
    Client,
}

/// HTTP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Version {
    /// HTTP/1.0.
    #[serde(rename = "1.0")]
    Http10,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Client<'a> {
    /// Address; IPv4-mapped addresses are shown as IPv4.
    pub ip: IpAddr,
    /// Port; absent where a proxy did not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Trusted proxies between the client and this host, in the order in which the request passed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<IpAddr>,
    /// Where it is.
    #[serde(flatten)]
    pub whereabouts: Whereabouts<'a>,
}

impl fmt::Display for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

impl<'a> From<&'a record::Client> for Client<'a> {
    fn from(client: &'a record::Client) -> Self {
        Self {
            ip: client.ip,
            port: client.port,
            via: client.via.clone(),
            whereabouts: client.whereabouts.as_deref().map(Whereabouts::from).unwrap_or_default(),
        }
    }
}

/// Who asks, or says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity<'a> {
    /// `key`, `token`, `account` or `session`.
    pub kind: Text<'a>,
    /// A fingerprint (`key:3fa9c1d2`); of an account its name.
    pub id: Text<'a>,
    /// Where it was found: `header`, `query`, `bearer`, `jwt`, `basic`, `authorization`, `cookie`, `gateway`, `login`.
    pub source: Text<'a>,
    /// False for a claim of a JWT: the monitor does not check signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// True where it was never seen on a request that this host answered with success.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
}

impl<'a> From<&'a identity::Identity> for Identity<'a> {
    fn from(identity: &'a identity::Identity) -> Self {
        Self {
            kind: Text::Borrowed(identity.kind.name()),
            id: Text::Borrowed(&identity.id),
            source: Text::Borrowed(identity.source.name()),
            verified: (identity.source == IdentitySource::Jwt).then_some(false),
            unproven: identity.unproven,
        }
    }
}

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Server<'a> {
    /// Address and port.
    #[serde(flatten)]
    pub end: End,
    /// Name, where an outbound destination has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
}

/// The request half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request<'a> {
    /// Method as on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Text<'a>>,
    /// Target as on the wire, secret parameters replaced by fingerprints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Text<'a>>,
    /// Path of the target, without query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text<'a>>,
    /// `METHOD /path/{id}`: what of this host's APIs it is for, by an OpenAPI document, else as learned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Text<'a>>,
    /// Whether an OpenAPI document names the endpoint; absent where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documented: Option<bool>,
    /// `Host`, or the authority of an absolute target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Text<'a>>,
    /// `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Text<'a>>,
    /// What that says that it is: `browser`, `mobile_app`, `library`, `crawler`, `scanner`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_class: Option<Text<'a>>,
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Text<'a>>,
    /// What an extended CONNECT asks for (RFC 8441).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Text<'a>>,
    /// Bytes from the first of the request line to the last of the empty line. HTTP/2: payload of the HEADERS and
    /// CONTINUATION frames, trailers too.
    pub header_bytes: u64,
    /// Bytes on the wire after the header, chunk framing included. HTTP/2: payload of the DATA frames.
    pub body_bytes: u64,
    /// Bytes of the body without chunk framing or padding, where every byte of framing was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded_bytes: Option<u64>,
}

/// A call of gRPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grpc<'a> {
    /// Service, with its package.
    pub service: Text<'a>,
    /// Method.
    pub method: Text<'a>,
    /// `grpc-status`; absent where none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl<'a> From<&'a record::GrpcCall> for Grpc<'a> {
    fn from(call: &'a record::GrpcCall) -> Self {
        Self {
            service: Text::Borrowed(&call.service),
            method: Text::Borrowed(&call.method),
            status: call.status,
        }
    }
}

/// A place that a request names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link<'a> {
    /// Its host: a name, or an address in its usual form however it was written.
    pub host: Text<'a>,
    /// Its port, where it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where it is named.
    #[serde(rename = "in")]
    pub named: Part,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The target.
    Target,
    /// A header field.
    Header,
    /// `Referer`.
    Referer,
    /// The body.
    Body,
}

/// The places that may be told. Of the target those that it names as it is told: the others are in what is hidden.
fn links(record: &HttpRecord) -> Vec<Link<'_>> {
    if record.links.is_empty() {
        return Vec::new();
    }
    let mut shown = Links::default();
    if let Some(request) = &record.request {
        shown.target(&request.target);
    }
    let is_shown = |link: &&taps::Link| link.named != Where::Target || shown.has(&link.host, link.port);
    record.links.iter().filter(is_shown).map(Link::from).collect()
}

impl<'a> From<&'a taps::Link> for Link<'a> {
    fn from(link: &'a taps::Link) -> Self {
        Self {
            host: match &link.host {
                Host::Name(name) => Text::Borrowed(name),
                Host::Address(address) => Text::Owned(address.to_string()),
            },
            port: link.port,
            named: match link.named {
                Where::Target => Part::Target,
                Where::Header => Part::Header,
                Where::Referer => Part::Referer,
                Where::Body => Part::Body,
            },
        }
    }
}

/// What is empty is not known.
fn known(text: &str) -> Option<Text<'_>> {
    (!text.is_empty()).then_some(Text::Borrowed(text))
}

/// The response half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Response<'a> {
    /// Status code.
    pub status: u16,
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Text<'a>>,
    /// Bytes of status line and header; HTTP/2 as in the request.
    pub header_bytes: u64,
    /// Bytes on the wire after the header, chunk framing included. HTTP/2: payload of the DATA frames.
    pub body_bytes: u64,
    /// Bytes of the body without chunk framing or padding, where every byte of framing was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded_bytes: Option<u64>,
    /// `Content-Length` as announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced_bytes: Option<u64>,
}

impl<'a> From<&'a HttpRecord> for Http<'a> {
    fn from(record: &'a HttpRecord) -> Self {
        Self {
            start: Time(record.start),
            flow: FlowName(record.flow),
            turn: record.turn,
            role: match record.role {
                HttpRole::Server => Role::Server,
                HttpRole::Client => Role::Client,
            },
            version: match record.version {
                HttpVersion::Http10 => Version::Http10,
                HttpVersion::Http11 => Version::Http11,
                HttpVersion::Http2 => Version::Http2,
            },
            client: record.client.as_ref().map(Client::from),
            server: record.server.map(|server| Server {
                end: server.into(),
                name: record.server_name.as_deref().map(Text::Borrowed),
            }),
            process: record.process.as_ref().map(Process::from),
            request: record.request.as_deref().map(Request::from),
            response: record.response.as_ref().map(Response::from),
            grpc: record.grpc.as_deref().map(Grpc::from),
            latency_us: record.latency_us,
            duration_us: record.duration_us,
            identity: record.identity.iter().map(Identity::from).collect(),
            login: record.login.map(|outcome| Text::Borrowed(outcome.name())),
            fingerprint: record.fingerprint.map(|fingerprint| fingerprint.to_string()),
            anomalies: record.anomalies.iter().copied().map(Text::Borrowed).collect(),
            request_anomalies: (usize::from(record.request_anomalies) < record.anomalies.len())
                .then_some(record.request_anomalies),
            links: links(record),
            relayed: record.relayed,
            encrypted: false,
            complete: record.incomplete.is_none(),
            incomplete: record.incomplete.map(|why| Text::Borrowed(why.name())),
        }
    }
}

impl<'a> From<&'a record::Request> for Request<'a> {
    fn from(request: &'a record::Request) -> Self {
        Self {
            method: known(&request.method),
            target: known(&request.target),
            path: known(&request.path),
            endpoint: request.endpoint.as_deref().map(Text::Borrowed),
            documented: request.documented,
            host: request.host.as_deref().map(Text::Borrowed),
            user_agent: request.user_agent.as_deref().map(Text::Borrowed),
            agent_class: request.agent_class.map(|class| Text::Borrowed(class.name())),
            content_type: request.content_type.as_deref().map(Text::Borrowed),
            protocol: request.protocol.as_deref().map(Text::Borrowed),
            header_bytes: request.header_bytes,
            body_bytes: request.body_bytes,
            decoded_bytes: request.decoded_bytes,
        }
    }
}

impl<'a> From<&'a record::Response> for Response<'a> {
    fn from(response: &'a record::Response) -> Self {
        Self {
            status: response.status,
            content_type: response.content_type.as_deref().map(Text::Borrowed),
            header_bytes: response.header_bytes,
            body_bytes: response.body_bytes,
            decoded_bytes: response.decoded_bytes,
            announced_bytes: response.announced_bytes,
        }
    }
}
