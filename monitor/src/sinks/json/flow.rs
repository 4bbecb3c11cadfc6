//! `flow`: a connection at one moment.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{End, FlowName, Process, Text, Time, hundredths};
use super::whereabouts::Whereabouts;
use crate::flow::Transport;
use crate::record::{self, EndReason, FlowDirection, FlowEvent, FlowRecord, ParentRef};

/// A connection opens, progresses, ends. Byte and packet counts are cumulative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Flow")]
pub struct Flow<'a> {
    /// When it began or was first seen.
    pub start: Time,
    /// Which.
    pub flow: FlowName,
    /// Why this record was made.
    pub event: Event,
    /// Which way it was opened; absent where not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Application protocol, told from the bytes: `http1`, `http2`, `websocket`, `tls`, `dns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<Text<'a>>,
    /// This end; of a local flow the accepting one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<End>,
    /// The other end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote<'a>>,
    /// Community ID version 1, seed 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community_id: Option<String>,
    /// Process that holds the local end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process<'a>>,
    /// Process that has read from the local end last, where that is another one than `process`, which was the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_process: Option<Process<'a>>,
    /// Process at the other end, where that is on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_process: Option<Process<'a>>,
    /// True where NAT of this host lies between the ends, as far as it is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nat: bool,
    /// Where the program meant to connect to, where NAT made that another address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested: Option<End>,
    /// The flow at the other end, where that is on this host and NAT makes it look like another connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat_flow: Option<FlowName>,
    /// TCP: bytes the application handed to the kernel. UDP: payload bytes of the datagrams sent.
    pub bytes_sent: u64,
    /// TCP: bytes the application consumed. UDP: payload bytes of the datagrams that arrived.
    pub bytes_received: u64,
    /// When payload arrived last; absent where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_received: Option<Time>,
    /// TCP: bytes the peer confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_acked: Option<u64>,
    /// TCP: bytes that arrived and were never read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_unread: Option<u64>,
    /// Segments or datagrams out.
    pub packets_sent: u64,
    /// Segments or datagrams in.
    pub packets_received: u64,
    /// TCP: segments sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retransmits: Option<u32>,
    /// TCP: smoothed round-trip time, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u32>,
    /// Start to this record, milliseconds.
    pub duration_ms: u64,
    /// TCP state while it lives (`established`, `syn_sent`, …; `open` for UDP); in the last record `closed`, or `open`
    /// if the monitor stopped before the flow did.
    pub state: Text<'a>,
    /// How it ended: `fin_local`, `fin_remote`, `reset_local`, `reset_remote`, `timeout`, `refused`, `connect_failed`,
    /// `released`, `idle`, `evicted`, `vanished`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<Text<'a>>,
    /// First seen in the middle; counts are from then on.
    pub joined_late: bool,
    /// Request that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent<'a>>,
    /// Bytes understood, and why not more.
    pub coverage: Coverage<'a>,
}

/// Why a flow record was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It opened.
    Open,
    /// It goes on.
    Update,
    /// It ended.
    Close,
}

/// Which way a flow was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To this host.
    Inbound,
    /// From this host.
    Outbound,
    /// Both ends are on this host.
    Local,
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// The other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remote<'a> {
    /// Address; IPv4-mapped addresses are shown as IPv4.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    /// Where the name came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_source: Option<NameSource>,
    /// Where it is.
    #[serde(flatten)]
    pub whereabouts: Whereabouts<'a>,
}

/// Where a name came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameSource {
    /// A DNS answer seen on this host.
    Dns,
    /// The TLS server name.
    Sni,
    /// The HTTP `Host`.
    Host,
}

/// The request behind an outbound flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parent<'a> {
    /// Flow that the request came on.
    pub flow: FlowName,
    /// Its turn there.
    pub turn: u32,
    /// `METHOD path`, where still known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Text<'a>>,
    /// Who asked, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// Requests that the thread had open.
    pub in_flight: u32,
    /// How sure that is, 0 to 1.
    pub confidence: f32,
}

/// Bytes understood against bytes counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FlowCoverage")]
pub struct Coverage<'a> {
    /// Payload bytes of messages that were read, bodies stepped over by length included.
    pub understood_bytes: u64,
    /// Why not all: `encrypted`, `unsupported`, `joined_late`, `lost`, `truncated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
}

impl<'a> From<&'a FlowRecord> for Flow<'a> {
    fn from(record: &'a FlowRecord) -> Self {
        let c = &record.counters;
        let tcp = match record.transport {
            Transport::Tcp => true,
            Transport::Udp => false,
        };
        let known = tcp && !record.counted_remotely;
        Self {
            start: Time(record.start),
            flow: FlowName(record.flow),
            event: match record.event {
                FlowEvent::Open => Event::Open,
                FlowEvent::Update => Event::Update,
                FlowEvent::Close => Event::Close,
            },
            direction: record.direction.map(Direction::from),
            protocol: if tcp { Protocol::Tcp } else { Protocol::Udp },
            app: record.app.map(|app| Text::Borrowed(app.name())),
            local: record.tuple.map(|t| t.local.into()),
            remote: remote(record),
            community_id: record.tuple.map(|t| t.community_id()),
            process: record.process.as_ref().map(Process::from),
            last_process: record.last_process.as_ref().map(Process::from),
            peer_process: record.peer_process.as_ref().map(Process::from),
            nat: record.nat.is_some(),
            requested: record.nat.and_then(|nat| nat.named).map(End::from),
            nat_flow: record.nat.and_then(|nat| nat.other).map(FlowName),
            bytes_sent: c.sent,
            bytes_received: c.received,
            last_received: c.received_end.map(|(_, at)| Time(at)),
            bytes_acked: known.then_some(c.acked),
            bytes_unread: known.then_some(c.unread),
            packets_sent: c.packets_sent,
            packets_received: c.packets_received,
            retransmits: known.then_some(c.retransmits),
            rtt_us: (tcp && c.rtt_us > 0).then_some(c.rtt_us),
            duration_ms: u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
            state: Text::Borrowed(state(record)),
            end_reason: record.end_reason.and_then(end_reason).map(Text::Borrowed),
            joined_late: record.joined_late,
            parent: record.parent.as_ref().map(Parent::from),
            coverage: Coverage {
                understood_bytes: record.coverage.understood_bytes,
                reason: record.coverage.reason.map(|why| Text::Borrowed(why.name())),
            },
        }
    }
}

impl From<FlowDirection> for Direction {
    fn from(direction: FlowDirection) -> Self {
        match direction {
            FlowDirection::Inbound => Self::Inbound,
            FlowDirection::Outbound => Self::Outbound,
            FlowDirection::Local => Self::Local,
        }
    }
}

impl<'a> From<&'a ParentRef> for Parent<'a> {
    fn from(parent: &'a ParentRef) -> Self {
        Self {
            flow: FlowName(parent.flow),
            turn: parent.turn,
            request: parent.request.as_deref().map(Text::Borrowed),
            client: parent.client,
            in_flight: parent.in_flight,
            confidence: hundredths(parent.confidence),
        }
    }
}

fn remote(record: &FlowRecord) -> Option<Remote<'_>> {
    let address = record.tuple?.remote;
    let (name, source) = record
        .remote_name
        .as_ref()
        .map(|(name, source)| (&**name, *source))
        .unzip();
    Some(Remote {
        ip: address.ip(),
        port: address.port(),
        name: name.map(Text::Borrowed),
        name_source: source.map(|source| match source {
            record::NameSource::Dns => NameSource::Dns,
            record::NameSource::Sni => NameSource::Sni,
            record::NameSource::Host => NameSource::Host,
        }),
        whereabouts: record
            .remote_whereabouts
            .as_deref()
            .map(Whereabouts::from)
            .unwrap_or_default(),
    })
}

fn state(record: &FlowRecord) -> &'static str {
    match (record.event, record.end_reason) {
        // The monitor let go of it; the flow itself goes on.
        (FlowEvent::Close, Some(EndReason::StillOpen | EndReason::Evicted)) => "open",
        (FlowEvent::Close, _) => "closed",
        (FlowEvent::Open | FlowEvent::Update, _) => tcp_state(record.tcp_state),
    }
}

/// The number of a state that [`tcp_state`] names; 0 of what has ended, or is no TCP.
pub(super) fn state_number(name: &str) -> u8 {
    (1..=12)
        .find(|number| tcp_state(*number) == name && *number != 7)
        .unwrap_or(0)
}

/// Names of `include/net/tcp_states.h`.
const fn tcp_state(number: u8) -> &'static str {
    match number {
        1 => "established",
        2 => "syn_sent",
        3 => "syn_recv",
        4 => "fin_wait1",
        5 => "fin_wait2",
        6 => "time_wait",
        7 => "closed",
        8 => "close_wait",
        9 => "last_ack",
        10 => "listen",
        11 => "closing",
        12 => "new_syn_recv",
        _ => "open",
    }
}

pub(super) const fn end_reason(reason: EndReason) -> Option<&'static str> {
    match reason {
        EndReason::FinLocal => Some("fin_local"),
        EndReason::FinRemote => Some("fin_remote"),
        EndReason::ResetLocal => Some("reset_local"),
        EndReason::ResetRemote => Some("reset_remote"),
        EndReason::Timeout => Some("timeout"),
        EndReason::Refused => Some("refused"),
        EndReason::ConnectFailed => Some("connect_failed"),
        EndReason::Released => Some("released"),
        EndReason::Idle => Some("idle"),
        EndReason::Evicted => Some("evicted"),
        EndReason::Vanished => Some("vanished"),
        // It has not ended: `state` says `open`.
        EndReason::StillOpen => None,
    }
}
