//! What leaves the engine. These are the core's own types; their JSON shape is the sinks' affair.
//!
//! A field that is not known is `None` or empty, never a placeholder.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use compact_str::CompactString;

use crate::alert::Alert;
use crate::enrich::agents::AgentClass;
use crate::enrich::fingerprint::Fingerprint;
use crate::enrich::identity::Identity;
use crate::enrich::identity::login::LoginOutcome;
use crate::enrich::networks::Whereabouts;
use crate::event::{FlowId, Owner, Program};
use crate::flow::{FiveTuple, Transport};
use crate::incident::Incident;
use crate::protocol::taps::Link;
use crate::protocol::tls::ServerHello;
use crate::time::Timestamp;

/// One record, made at `time`.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When it was made, event time; never goes back within one output.
    pub time: Timestamp,
    /// What it says.
    pub body: Body,
}

/// Kinds of record.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A transaction ended or was cut off.
    Http(Arc<HttpRecord>),
    /// A flow opened, progressed or ended.
    Flow(Arc<FlowRecord>),
    /// A name was resolved.
    Dns(Arc<DnsRecord>),
    /// A `ClientHello` was seen.
    Tls(Arc<TlsRecord>),
    /// A detector raises, updates or resolves.
    Alert(Arc<Alert>),
    /// Alerts join into a story.
    Incident(Arc<Incident>),
    /// Ten seconds have passed, or the end has come.
    Stats(Arc<StatsRecord>),
}

/// A process as records show it; the pieces that are known.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessRef {
    /// Owner, learned in process context.
    pub owner: Owner,
    /// Its program, where the kernel's description of it arrived.
    pub program: Option<Arc<Program>>,
    /// Container id, from the cgroup path.
    pub container: Option<Arc<str>>,
}

/// HTTP role of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpRole {
    /// It answered.
    Server,
    /// It asked.
    Client,
}

/// HTTP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// Why a transaction is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Incomplete {
    /// The request's or response's header was longer than what is copied.
    HeaderTruncated,
    /// Bytes were lost between kernel and engine, or on the wire.
    Gap,
    /// The connection was reset or died before the response.
    NoResponse,
    /// The request was cut off by the end of the connection.
    RequestCut,
    /// The response was cut off by the end of the connection.
    ResponseCut,
    /// A response whose request was not seen.
    NoRequest,
    /// The monitor stopped, or the input ended, before the transaction did.
    StillOpen,
    /// Evicted to stay within a bound.
    Evicted,
    /// HTTP/2: the stream was reset before both messages were over.
    Reset,
    /// HTTP/2: the header refers to fields of headers that were not seen. What it refers to is absent.
    HeadersUnseen,
}

impl Incomplete {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::HeaderTruncated,
        Self::Gap,
        Self::NoResponse,
        Self::RequestCut,
        Self::ResponseCut,
        Self::NoRequest,
        Self::StillOpen,
        Self::Evicted,
        Self::Reset,
        Self::HeadersUnseen,
    ];

    /// Name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeaderTruncated => "header_truncated",
            Self::Gap => "gap",
            Self::NoResponse => "no_response",
            Self::RequestCut => "request_cut",
            Self::ResponseCut => "response_cut",
            Self::NoRequest => "no_request",
            Self::StillOpen => "still_open",
            Self::Evicted => "evicted",
            Self::Reset => "reset",
            Self::HeadersUnseen => "headers_unseen",
        }
    }
}

/// Request half of a transaction. Text is made printable and secrets are fingerprints already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Method as on the wire; empty where it is not known.
    pub method: CompactString,
    /// Request target as on the wire, secret parameters replaced by fingerprints; empty where it is not
    /// known.
    pub target: CompactString,
    /// Path of the target, without query; empty where it is not known.
    pub path: CompactString,
    /// `METHOD /path/{id}`, of requests to this host.
    pub endpoint: Option<Arc<str>>,
    /// Whether an OpenAPI document names it; absent where none is given.
    pub documented: Option<bool>,
    /// `Host`, or the authority of an absolute target.
    pub host: Option<CompactString>,
    /// `User-Agent`.
    pub user_agent: Option<CompactString>,
    /// What that says that it is.
    pub agent_class: Option<AgentClass>,
    /// `Content-Type`.
    pub content_type: Option<CompactString>,
    /// What an extended CONNECT asks for (RFC 8441): `websocket`.
    pub protocol: Option<CompactString>,
    /// Bytes from the first of the request line to the last of the empty line. HTTP/2: payload of the HEADERS and
    /// CONTINUATION frames, trailers too.
    pub header_bytes: u64,
    /// Bytes on the wire after the header, chunk framing included. HTTP/2: payload of the DATA frames.
    pub body_bytes: u64,
    /// Bytes of the body without chunk framing or padding, where every byte of framing was seen.
    pub decoded_bytes: Option<u64>,
}

/// Response half of a transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<CompactString>,
    /// Like the request's.
    pub header_bytes: u64,
    /// Like the request's.
    pub body_bytes: u64,
    /// Like the request's.
    pub decoded_bytes: Option<u64>,
    /// `Content-Length`, as announced.
    pub announced_bytes: Option<u64>,
}

/// A call of gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcCall {
    /// Service, with its package.
    pub service: String,
    /// Method.
    pub method: String,
    /// `grpc-status` of the trailers, or of a response that is nothing but trailers.
    pub status: Option<u16>,
}

impl GrpcCall {
    /// From a path, `/service/method` (gRPC's PROTOCOL-HTTP2); a prefix before them belongs to the service.
    pub fn new(path: &str, status: Option<u16>) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.rsplit_once('/')?;
        Some(Self {
            service: service.to_owned(),
            method: method.to_owned(),
            status,
        })
    }
}

/// Who asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Address.
    pub ip: IpAddr,
    /// Port, where it is known: proxies seldom tell it.
    pub port: Option<u16>,
    /// Trusted proxies between the client and this host, in the order in which the request passed them: the last one is
    /// the connection's peer.
    pub via: Vec<IpAddr>,
    /// Where it is.
    pub whereabouts: Option<Arc<Whereabouts>>,
}

impl From<SocketAddr> for Client {
    /// One that is at the other end itself.
    fn from(end: SocketAddr) -> Self {
        Self {
            ip: end.ip().to_canonical(),
            port: Some(end.port()),
            via: Vec::new(),
            whereabouts: None,
        }
    }
}

/// A transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRecord {
    /// First byte of the request (of the response, where the request was not seen).
    pub start: Timestamp,
    /// Flow it was on.
    pub flow: FlowId,
    /// Number of the request's turn on that flow, as a parent request names it.
    pub turn: u32,
    /// Whether this host served or asked.
    pub role: HttpRole,
    /// Version of the request.
    pub version: HttpVersion,
    /// Who asked, behind trusted proxies.
    pub client: Option<Client>,
    /// Who answered.
    pub server: Option<SocketAddr>,
    /// Name of the server where an outbound destination has one.
    pub server_name: Option<Arc<str>>,
    /// Process of this host that served (role server) or asked (role client).
    pub process: Option<ProcessRef>,
    /// The request; absent where only the response was seen. Boxed, since it is handed on from where it is read to here.
    pub request: Option<Box<Request>>,
    /// The response; absent where none came.
    pub response: Option<Response>,
    /// The call of gRPC that it is.
    pub grpc: Option<Box<GrpcCall>>,
    /// Last request byte seen to first response byte, microseconds.
    pub latency_us: Option<u64>,
    /// First byte of the request to the last byte of the transaction, microseconds.
    pub duration_us: u64,
    /// Who asked of this host, by what the request says.
    pub identity: Vec<Identity>,
    /// How it ended, if it was a login.
    pub login: Option<LoginOutcome>,
    /// What program the client is, by how it writes.
    pub fingerprint: Option<Fingerprint>,
    /// Names of what was odd on the wire.
    pub anomalies: Vec<&'static str>,
    /// How many of the first of them are of the request, or of the connection; the rest is of the response alone.
    pub request_anomalies: u8,
    /// Places that a request to this host names, itself left out. Told but for those that a hidden parameter names.
    pub links: Box<[Link]>,
    /// An expected event goes on there: what is usual is not learned from it. For detectors alone, not told.
    pub expected: bool,
    /// Whether a proxy on this host passed it on, that served it as well ([`crate::enrich::fronts`]).
    pub relayed: bool,
    /// Why it is not complete, if it is not.
    pub incomplete: Option<Incomplete>,
}

impl HttpRecord {
    /// When its last byte passed: about when it is observed.
    pub fn end(&self) -> Timestamp {
        self.start + std::time::Duration::from_micros(self.duration_us)
    }
}

/// Which way a flow was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowDirection {
    /// To this host.
    Inbound,
    /// From this host.
    Outbound,
    /// Both ends are on this host.
    Local,
}

/// Why a flow record is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEvent {
    /// It opened.
    Open,
    /// It goes on.
    Update,
    /// It ended.
    Close,
}

/// Application protocol of a flow, told from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum App {
    /// HTTP/1.x.
    Http1,
    /// HTTP/2.
    Http2,
    /// WebSocket after its handshake.
    Websocket,
    /// TLS.
    Tls,
    /// DNS.
    Dns,
}

impl App {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Http1, Self::Http2, Self::Websocket, Self::Tls, Self::Dns];

    /// Name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::Websocket => "websocket",
            Self::Tls => "tls",
            Self::Dns => "dns",
        }
    }
}

/// Where a destination's name came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    /// A DNS answer seen on this host.
    Dns,
    /// The TLS server name.
    Sni,
    /// The HTTP `Host`.
    Host,
}

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// This side closed first.
    FinLocal,
    /// The other side closed first.
    FinRemote,
    /// This side reset it.
    ResetLocal,
    /// The other side reset it.
    ResetRemote,
    /// The peer did not answer any more.
    Timeout,
    /// The connect was refused.
    Refused,
    /// The connect failed for another reason (unreachable, interrupted).
    ConnectFailed,
    /// A UDP socket was closed.
    Released,
    /// A UDP flow was idle.
    Idle,
    /// It was open when the monitor stopped or the input ended.
    StillOpen,
    /// The flow table was full.
    Evicted,
    /// Its close was not seen: a reconciliation found it gone.
    Vanished,
}

impl EndReason {
    /// The same, as the other end has it.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::FinLocal => Self::FinRemote,
            Self::FinRemote => Self::FinLocal,
            Self::ResetLocal => Self::ResetRemote,
            Self::ResetRemote => Self::ResetLocal,
            Self::Timeout
            | Self::Refused
            | Self::ConnectFailed
            | Self::Released
            | Self::Idle
            | Self::StillOpen
            | Self::Evicted
            | Self::Vanished => self,
        }
    }
}

/// A flow at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRecord {
    /// When it began or was first seen.
    pub start: Timestamp,
    /// Which.
    pub flow: FlowId,
    /// Why this record.
    pub event: FlowEvent,
    /// Which way it was opened; absent where not known.
    pub direction: Option<FlowDirection>,
    /// Transport.
    pub transport: Transport,
    /// Application protocol, once known.
    pub app: Option<App>,
    /// The ends; for a local flow `local` is the accepting one.
    pub tuple: Option<FiveTuple>,
    /// Name of the remote end.
    pub remote_name: Option<(Arc<str>, NameSource)>,
    /// Where the remote end is, and whether its address or name is on a threat list.
    pub remote_whereabouts: Option<Arc<Whereabouts>>,
    /// Process that holds (first held) the local end.
    pub process: Option<ProcessRef>,
    /// Process that has read from the local end last, where that is another one.
    pub last_process: Option<ProcessRef>,
    /// Process at the other end, where that is on this host.
    pub peer_process: Option<ProcessRef>,
    /// NAT between the ends, as far as it is known.
    pub nat: Option<Nat>,
    /// Counts as of the local end.
    pub counters: crate::event::Counters,
    /// They were counted at the remote one: what the local one alone knows is not known.
    pub counted_remotely: bool,
    /// Start to this record.
    pub duration: std::time::Duration,
    /// How it ended, once it has.
    pub end_reason: Option<EndReason>,
    /// TCP state number of the kernel, 0 for UDP.
    pub tcp_state: u8,
    /// First seen in the middle.
    pub joined_late: bool,
    /// Request that caused it.
    pub parent: Option<ParentRef>,
    /// Bytes understood, and why not more.
    pub coverage: Coverage,
}

/// What is known of NAT between the ends of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// Where the program meant to connect to, where that is another address than that of its packets.
    pub named: Option<SocketAddr>,
    /// The flow at the other end, where that is on this host and NAT made it another one.
    pub other: Option<FlowId>,
}

/// The request behind an outbound flow.
#[derive(Clone, Debug, PartialEq)]
pub struct ParentRef {
    /// Server-side flow.
    pub flow: FlowId,
    /// Turn of the request on it.
    pub turn: u32,
    /// `METHOD path` of it, where the engine still knows.
    pub request: Option<Arc<str>>,
    /// Who asked it, where the engine knows.
    pub client: Option<IpAddr>,
    /// Requests that the thread had open.
    pub in_flight: u32,
    /// 1 / in flight, raised where the destination's name appears in the request.
    pub confidence: f32,
}

/// Bytes understood against bytes counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Payload bytes that belong to messages the engine read (headers, and bodies stepped over by length).
    pub understood_bytes: u64,
    /// Why not all of them.
    pub reason: Option<CoverageReason>,
}

/// Why bytes were not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CoverageReason {
    /// TLS.
    Encrypted,
    /// A protocol that is not read.
    Unsupported,
    /// Seen from the middle.
    JoinedLate,
    /// Records were lost.
    Lost,
    /// A turn was longer than what is copied, or flipped too fast.
    Truncated,
    /// Some turn was not copied, to stay within the CPU budget.
    OverBudget,
}

impl CoverageReason {
    /// All there are, in order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Encrypted,
        Self::Unsupported,
        Self::JoinedLate,
        Self::Lost,
        Self::Truncated,
        Self::OverBudget,
    ];

    /// Name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Unsupported => "unsupported",
            Self::JoinedLate => "joined_late",
            Self::Lost => "lost",
            Self::Truncated => "truncated",
            Self::OverBudget => "over_budget",
        }
    }
}

/// A resolved name.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsRecord {
    /// Flow of the asker's socket.
    pub flow: FlowId,
    /// Owner of that socket; may be a local resolver.
    pub process: Option<ProcessRef>,
    /// Name asked for, without the final dot.
    pub name: Arc<str>,
    /// Type asked for (`A`, `AAAA`, …).
    pub qtype: String,
    /// Response code (`NOERROR`, `NXDOMAIN`, …); absent when no answer came.
    pub rcode: Option<String>,
    /// Answers as text: addresses, names.
    pub answers: Vec<String>,
    /// There are more: the server cut the message (and may be asked again over TCP), or not all of it was copied.
    pub truncated: bool,
    /// Query to response.
    pub latency_us: Option<u64>,
}

/// A TLS `ClientHello`.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsRecord {
    /// Flow.
    pub flow: FlowId,
    /// Which way the flow was opened.
    pub direction: Option<FlowDirection>,
    /// `server_name` extension (RFC 6066 section 3).
    pub server_name: Option<Arc<str>>,
    /// ALPN protocols offered (RFC 7301).
    pub alpn: Vec<String>,
    /// Highest version offered.
    pub version: &'static str,
    /// JA4 of the client, where its hello was seen whole.
    pub ja4: Option<String>,
    /// The hello has another, encrypted one in it, or pretends to (RFC 9849): the server name is the outer one.
    pub ech: bool,
    /// The end of the hello was not seen.
    pub truncated: bool,
    /// What the server chose, where its hello was seen.
    pub negotiated: Option<ServerHello>,
}

/// The monitor's own figures. Counts are since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatsRecord {
    /// Records read from the kernel (or packets from a file).
    pub events_received: u64,
    /// Payload bytes among them.
    pub bytes_copied: u64,
    /// What was lost, by cause; causes with 0 are left out by the sink.
    pub lost: Vec<(&'static str, u64)>,
    /// What was left out by design or bound, by cause (truncated turns, opaque flows, evictions).
    pub left_out: Vec<(&'static str, u64)>,
    /// Flows alive.
    pub flows_active: u64,
    /// Flows seen.
    pub flows_total: u64,
    /// Flows evicted to stay within the bound.
    pub flows_evicted: u64,
    /// Transactions told.
    pub transactions: u64,
    /// Of which incomplete.
    pub incomplete: u64,
    /// Payload bytes the kernel counted on ended and open flows.
    pub bytes_counted: u64,
    /// Payload bytes understood.
    pub bytes_understood: u64,
    /// Alerts raised.
    pub alerts: u64,
    /// Incidents that they are.
    pub incidents: u64,
    /// Subjects (programs) still learning what is normal.
    pub learning: u64,
    /// CPU time of the daemon, milliseconds; live only.
    pub cpu_ms: Option<u64>,
    /// Resident memory, bytes; live only.
    pub rss_bytes: Option<u64>,
}
