//! What enters the engine: kernel records and captured packets, decoded, with event time.
//!
//! [`decode`] is the only place that knows the kernel's layouts. Everything after it sees these types.

pub mod decode;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashSet;

use crate::flow::{FiveTuple, Transport};
use crate::packet::PacketCounts;
use crate::time::Timestamp;

/// Names a flow: the kernel's socket cookie, and which connection on that socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId {
    /// Socket cookie, unique since boot.
    pub cookie: u64,
    /// 1 for the socket's first connection (or UDP peer), one more for each after it.
    pub generation: u32,
}

/// One thing that happened. Nearly all are chunks, by the hundred thousand a second, and thousands wait for each other
/// between the rings: what is larger is boxed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A flow opened, got an owner, moved bytes, ended.
    Flow(Box<FlowSnapshot>),
    /// A program that owns flows introduced itself.
    Process(Arc<Program>),
    /// Payload.
    Chunk(Chunk),
    /// Payload that came before its socket existed.
    Orphan(Box<Orphan>),
    /// How far a turn has come whose bytes are no longer copied.
    Tail(Tail),
    /// Cumulative counts of the capture: what was lost, by cause.
    Losses(Box<CaptureCounts>),
    /// Every flow that lives: others have ended without a word.
    Living(Living),
    /// The same of a capture that is read from packets.
    Packets(PacketCounts),
}

/// Why a [`FlowSnapshot`] was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowCause {
    /// The flow began.
    Open,
    /// It was already there when the monitor looked.
    Found,
    /// Its owner became known or changed.
    Owner,
    /// It goes on.
    Progress,
    /// A connection made here has completed its handshake.
    Established,
    /// It is over.
    Close,
}

/// Which end of a flow this socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It connected.
    Active,
    /// It was accepted.
    Passive,
    /// Not known.
    Unknown,
}

/// Direction of bytes as the socket sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Into this socket.
    Received,
    /// Out of this socket.
    Sent,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Received => Self::Sent,
            Self::Sent => Self::Received,
        }
    }
}

/// Everything known of a flow at one moment; counts are cumulative.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowSnapshot {
    /// Which flow.
    pub id: FlowId,
    /// When this was taken.
    pub time: Timestamp,
    /// Why.
    pub cause: FlowCause,
    /// The ends; absent when the connection never got as far as a local port.
    pub tuple: Option<FiveTuple>,
    /// Cookie of the network namespace, so that equal tuples of two namespaces are told apart.
    pub netns: u64,
    /// Which end this socket is.
    pub role: Role,
    /// When the flow began or was first seen.
    pub opened: Timestamp,
    /// Its latest owner.
    pub owner: Option<Owner>,
    /// Since when.
    pub owner_since: OwnerSince,
    /// The request that its thread had read last before it connected.
    pub parent: Option<Parent>,
    /// Cumulative counts.
    pub counters: Counters,
    /// Sequence numbers of the first bytes received and sent, where the handshake told them. The kernel's chunks come in
    /// order from the first on and need none.
    pub first_bytes: [Option<u32>; 2],
    /// Facts about its life.
    pub flags: FlowFlags,
    /// Last TCP state; 0 for UDP.
    pub tcp_state: u8,
    /// errno that ended it; 0 = none.
    pub error: u16,
    /// First sequence numbers of data sent and received, in the first snapshot of an established TCP connection: reversed
    /// they are those of its other end, whatever addresses that sees.
    pub first_seqs: Option<(u32, u32)>,
    /// Where the program meant to connect to, if this host's NAT made that another address.
    pub named: Option<SocketAddr>,
}

/// Since when a connection has its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerSince {
    /// Turn of the first request that it read.
    pub turn: u32,
    /// Owners until now, modulo 2^16.
    pub changes: u16,
}

/// Facts about the life of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowFlags {
    /// First seen in the middle.
    pub joined_late: bool,
    /// This side sent a FIN.
    pub fin_sent: bool,
    /// The other side's FIN was processed.
    pub fin_received: bool,
    /// This side's FIN was the first.
    pub fin_local_first: bool,
    /// This side sent a RST.
    pub rst_sent: bool,
    /// The other side sent a RST.
    pub rst_received: bool,
    /// The handshake was completed.
    pub established: bool,
    /// Nothing that is read: counted, not copied.
    pub opaque: bool,
    /// Some turns were not copied since they flipped too fast.
    pub truncated_duplex: bool,
    /// Some turn was not copied since the monitor was over its CPU budget.
    pub over_budget: bool,
    /// The other end is on this host; payload is copied there.
    pub local_peer: bool,
    /// NAT of this host lies between the socket and its packets.
    pub nat: bool,
}

/// Cumulative counts of a flow; see the contract's "Bytes".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes the application handed to the kernel (UDP: datagram payload sent).
    pub sent: u64,
    /// Bytes the application consumed (UDP: datagram payload that arrived).
    pub received: u64,
    /// Bytes the peer confirmed.
    pub acked: u64,
    /// Bytes that arrived and were never read.
    pub unread: u64,
    /// Segments or datagrams out.
    pub packets_sent: u64,
    /// Segments or datagrams in.
    pub packets_received: u64,
    /// Retransmitted segments.
    pub retransmits: u32,
    /// Smoothed round-trip time, microseconds; 0 = not known.
    pub rtt_us: u32,
    /// Where payload stands in each direction: sequence number after the last byte, and when it moved.
    pub sent_end: Option<(u32, Timestamp)>,
    /// Like `sent_end`.
    pub received_end: Option<(u32, Timestamp)>,
}

/// The process that holds a socket: (pid, start time, exec count) names one program run for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProgramId {
    /// Thread group id on the host.
    pub pid: u32,
    /// Times the process has called exec.
    pub exec_id: u32,
    /// Start of the process, nanoseconds since boot.
    pub start_ns: u64,
}

/// Owner of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Program.
    pub program: ProgramId,
    /// Thread.
    pub tid: u32,
    /// User at that moment.
    pub uid: u32,
    /// cgroup at that moment.
    pub cgroup: u64,
}

/// A program, as the kernel described it while it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its name for ever.
    pub id: ProgramId,
    /// Pid inside its own pid namespace.
    pub namespace_pid: u32,
    /// Parent's pid on the host.
    pub parent_pid: u32,
    /// User.
    pub uid: u32,
    /// `comm`: up to 15 bytes, made printable.
    pub name: String,
    /// Executable's path, made printable; empty when not known (a kernel thread).
    pub exe: String,
    /// cgroup path below the v2 root, `/` first.
    pub cgroup: String,
}

/// Parent request of a flow as the kernel noted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Server-side flow that the thread had read from.
    pub flow: FlowId,
    /// Turn of the request on it.
    pub turn: u32,
    /// Requests that thread had read and not begun to answer.
    pub in_flight: u32,
}

/// The start of one segment's new payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Which flow.
    pub flow: FlowId,
    /// When it passed.
    pub time: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// Sequence number of the first byte (TCP); no meaning for datagrams.
    pub seq: u32,
    /// New payload bytes in the segment; `data` may hold fewer.
    pub segment_len: u32,
    /// Number of the turn, from 1.
    pub turn: u32,
    /// The bytes.
    pub data: Bytes,
    /// Where the other direction stood, and when it had moved last.
    pub peer_end: Option<(u32, Timestamp)>,
    /// How it relates to the bytes before it.
    pub flags: ChunkFlags,
}

/// How a chunk relates to the bytes before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkFlags {
    /// Bytes before it were left out on purpose and will not come.
    pub after_skip: bool,
    /// Bytes before it have not arrived yet; they may, late.
    pub after_hole: bool,
    /// It fills a hole or repeats bytes.
    pub late: bool,
    /// First of its turn.
    pub turn_start: bool,
    /// The capture shows what is sent again as well, so that it can be compared. The kernel's does not.
    pub with_repeats: bool,
    /// A datagram.
    pub datagram: bool,
    /// The first byte is that of a frame of HTTP/2.
    pub frame_start: bool,
}

/// Payload that arrived before its socket existed.
#[derive(Clone, Debug, PartialEq)]
pub struct Orphan {
    /// The ends as the accepted socket will see them.
    pub tuple: FiveTuple,
    /// Network namespace cookie.
    pub netns: u64,
    /// The payload; its `flow` has no meaning.
    pub chunk: Chunk,
}

/// How far a truncated turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Which flow.
    pub flow: FlowId,
    /// Which way.
    pub direction: Direction,
    /// Sequence number after the last payload byte.
    pub end_seq: u32,
    /// When it moved.
    pub time: Timestamp,
}

/// What a walk over all flows in the kernel found, for those whose close record was lost. It comes after every record
/// that was written before the walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Living {
    /// Flows of this transport.
    pub transport: Transport,
    /// When the walk began: it says nothing of what came later.
    pub began: Timestamp,
    /// Cookies of the network namespaces that were walked to their end (TCP); flows of UDP are walked all together.
    pub namespaces: BTreeSet<u64>,
    /// Those that live.
    pub flows: FxHashSet<FlowId>,
}

impl Living {
    /// Of a walk that has met nothing yet.
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            began: Timestamp::ZERO,
            namespaces: BTreeSet::new(),
            flows: FxHashSet::default(),
        }
    }

    /// Whether the walk would have met a flow of `transport` in `netns`.
    pub fn covers(&self, transport: Transport, netns: u64) -> bool {
        transport == self.transport
            && match transport {
                Transport::Tcp => self.namespaces.contains(&netns),
                Transport::Udp => true,
            }
    }
}

/// Cumulative counts of the capture, in the order of `monitor_common::loss`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureCounts {
    /// One number a cause.
    pub by_cause: [u64; monitor_common::loss::COUNTS as usize],
    /// Records that the decoder could not read.
    pub undecodable: u64,
    /// Bytes sent by flows whose close was lost.
    pub untold_sent: u64,
    /// Bytes received by them.
    pub untold_received: u64,
}

/// What the engine asks of the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Count this flow, copy no more of it.
    CountOnly(FlowId),
    /// Say when this flow's truncated turn reaches its end: [`Event::Tail`] is wanted for it.
    WatchTail(FlowId),
    /// No more tails for this flow.
    ForgetTail(FlowId),
    /// Copy this many bytes of each request to a service on this port.
    RaiseSnap {
        /// Local port of the service.
        port: u16,
        /// Bytes.
        snap: u32,
    },
    /// This address and port is a socket of this host.
    LocalDestination {
        /// Network namespace that connects to it.
        netns: u64,
        /// Where.
        address: SocketAddr,
    },
}
