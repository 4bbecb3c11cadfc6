//! Records in the two rings. A record starts with [`Header`]; `kind` says which struct it opens.

/// [`Header::kind`]: a [`FlowRecord`], in the life-cycle ring.
pub const KIND_FLOW: u8 = 1;
/// [`Header::kind`]: a [`ProcessRecord`], in the life-cycle ring.
pub const KIND_PROCESS: u8 = 2;
/// [`Header::kind`]: a [`ChunkRecord`] and its bytes, in the payload ring.
pub const KIND_CHUNK: u8 = 3;
/// [`Header::kind`]: an [`OrphanRecord`] and its bytes, in the payload ring.
pub const KIND_ORPHAN: u8 = 4;

/// [`Header::cause`] of a [`FlowRecord`]: first packet sent, or connection accepted by the kernel.
pub const CAUSE_OPEN: u8 = 1;
/// The owner became known or changed.
pub const CAUSE_OWNER: u8 = 2;
/// A mebibyte and a second have passed, or the iterator came by.
pub const CAUSE_PROGRESS: u8 = 3;
/// The socket is gone (or, for UDP, released or idle).
pub const CAUSE_CLOSE: u8 = 4;
/// The connection existed before the monitor looked.
pub const CAUSE_FOUND: u8 = 5;
/// A connection made here has completed its handshake.
pub const CAUSE_ESTABLISHED: u8 = 6;

/// Received by this socket (`cgroup_skb/ingress`).
pub const RECEIVED: u8 = 0;
/// Sent by this socket (`cgroup_skb/egress`).
pub const SENT: u8 = 1;

/// [`Tuple::role`]: not known (the connection is older than the monitor and no listener fits).
pub const ROLE_UNKNOWN: u8 = 0;
/// This socket connected.
pub const ROLE_ACTIVE: u8 = 1;
/// This socket was accepted.
pub const ROLE_PASSIVE: u8 = 2;

/// [`FlowRecord::flags`]: first seen in the middle; counters start at the first sight.
pub const FLOW_JOINED_LATE: u32 = 1 << 0;
/// This side sent a FIN.
pub const FLOW_FIN_SENT: u32 = 1 << 1;
/// The other side's FIN was processed.
pub const FLOW_FIN_RECEIVED: u32 = 1 << 2;
/// This side sent a RST.
pub const FLOW_RST_SENT: u32 = 1 << 3;
/// The other side sent a RST.
pub const FLOW_RST_RECEIVED: u32 = 1 << 4;
/// The first FIN was this side's (meaningful with a FIN flag).
pub const FLOW_FIN_LOCAL_FIRST: u32 = 1 << 5;
/// The connection reached ESTABLISHED.
pub const FLOW_ESTABLISHED: u32 = 1 << 6;
/// Its payload is no longer copied: it can not be a protocol that is read.
pub const FLOW_OPAQUE: u32 = 1 << 7;
/// Some turn was not copied since it flipped faster than the duplex budget allows.
pub const FLOW_TRUNCATED_DUPLEX: u32 = 1 << 8;
/// The remote end is a socket of this host, known at connect: payload is copied there, not here.
pub const FLOW_LOCAL_PEER: u32 = 1 << 9;
/// The record was kept in `CLOSED` since the ring was full.
pub const FLOW_FROM_CLOSED_MAP: u32 = 1 << 10;
/// The addresses of its packets are not those of its socket: NAT of this host lies between.
pub const FLOW_NAT: u32 = 1 << 11;

/// Some turn was not copied since the monitor was over its CPU budget.
pub const FLOW_OVER_BUDGET: u32 = 1 << 12;

/// [`ChunkRecord::flags`]: bytes between the previous chunk and this one were left out on purpose.
pub const CHUNK_AFTER_SKIP: u8 = 1 << 0;
/// The segment begins after the highest byte seen: the bytes between may still come, late.
pub const CHUNK_AFTER_HOLE: u8 = 1 << 1;
/// The segment fills (part of) a hole, or repeats bytes.
pub const CHUNK_LATE: u8 = 1 << 2;
/// The segment went on: `segment_len` bytes were new, `captured` of them are here.
pub const CHUNK_TRUNCATED: u8 = 1 << 3;
/// First chunk of a turn.
pub const CHUNK_TURN_START: u8 = 1 << 4;
/// A UDP datagram; `seq` has no meaning.
pub const CHUNK_DATAGRAM: u8 = 1 << 5;
/// The first byte is the first of a frame of HTTP/2: by the lengths of the frames before it, the first of which was
/// known by the preface or, after a loss, by its looks.
pub const CHUNK_FRAME_START: u8 = 1 << 6;

/// What every record starts with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// One of the `KIND_` constants.
    pub kind: u8,
    /// One of the `CAUSE_` constants for flows, else 0.
    pub cause: u8,
    /// CPU that wrote the record.
    pub cpu: u16,
    /// Bytes of the record that hold meaning, header included; the reservation may be larger.
    pub length: u32,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub time_ns: u64,
    /// Socket cookie (0 in a [`ProcessRecord`] and an [`OrphanRecord`]).
    pub cookie: u64,
    /// One cookie can be several connections: 1 for the first, one more for each after it; for UDP each peer of a
    /// socket has its own.
    pub generation: u32,
    /// Always 0.
    pub reserved: u32,
}
const _: () = assert!(size_of::<Header>() == 32);

/// An IPv6 address, or an IPv4 one mapped into IPv6 (RFC 4291 section 2.5.5.2): 16 bytes in network order, held as two words
/// so that copies of it are aligned.
pub type Address = [u64; 2];

/// Both ends of a flow as this socket sees them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// Network namespace cookie (`net.net_cookie`).
    pub netns: u64,
    /// This end.
    pub local: Address,
    /// The other end.
    pub remote: Address,
    /// Host byte order.
    pub local_port: u16,
    /// Host byte order.
    pub remote_port: u16,
    /// IP protocol number: 6 or 17.
    pub protocol: u8,
    /// One of the `ROLE_` constants.
    pub role: u8,
    /// 1 when the fields above are filled; a socket has no local port before its first packet.
    pub known: u8,
    /// Always 0.
    pub reserved: u8,
}
const _: () = assert!(size_of::<Tuple>() == 48);

/// The process that holds a socket, learned in its own context.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// `task_struct.start_time` of the thread group's leader, nanoseconds of `CLOCK_MONOTONIC`; with `pid` and `exec_id`
    /// it names one program of one process, for ever.
    pub start_time_ns: u64,
    /// Id of its cgroup in the v2 hierarchy.
    pub cgroup: u64,
    /// Thread group id in the initial pid namespace; 0 = not known.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// Effective user id in the initial user namespace.
    pub uid: u32,
    /// `task_struct.self_exec_id`: grows with each exec.
    pub exec_id: u32,
}
const _: () = assert!(size_of::<Owner>() == 32);

/// The request that the connecting thread had read last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// The server socket it was read from; 0 = none.
    pub cookie: u64,
    /// That socket's generation.
    pub generation: u32,
    /// [`ChunkRecord::turn`] of the request on that socket.
    pub turn: u32,
    /// Requests that the thread had read and not begun to answer, that one included.
    pub in_flight: u32,
    /// Always 0.
    pub reserved: u32,
}
const _: () = assert!(size_of::<Parent>() == 24);

/// Cumulative counts of one flow since its start, or since first sight.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes that the application handed to the kernel (TCP), payload bytes of datagrams sent (UDP).
    pub sent: u64,
    /// Bytes that the application consumed (TCP), payload bytes of datagrams seen (UDP).
    pub received: u64,
    /// Bytes that the peer confirmed (TCP).
    pub acked: u64,
    /// Bytes that arrived and were never read (TCP).
    pub unread: u64,
    /// Segments (TCP, `segs_out`: acknowledgements too) or datagrams.
    pub packets_sent: u64,
    /// Like `packets_sent`.
    pub packets_received: u64,
    /// When payload was last sent, `CLOCK_MONOTONIC` nanoseconds; 0 = never.
    pub sent_last_ns: u64,
    /// Like `sent_last_ns`.
    pub received_last_ns: u64,
    /// Sequence number after the last payload byte sent (TCP).
    pub sent_end_seq: u32,
    /// Sequence number after the last payload byte that arrived (TCP).
    pub received_end_seq: u32,
    /// `tcp_sock.total_retrans`.
    pub retransmits: u32,
    /// Smoothed round-trip time, microseconds (`srtt_us` is kept times eight by the kernel; this is not).
    pub rtt_us: u32,
}
const _: () = assert!(size_of::<Counters>() == 80);

/// All that is known of a flow, whole in every record, so that a lost one costs nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowRecord {
    /// `kind` [`KIND_FLOW`], `cause` why the record was written.
    pub header: Header,
    /// The ends.
    pub tuple: Tuple,
    /// The latest owner.
    pub owner: Owner,
    /// The request that caused it, for connections made here.
    pub parent: Parent,
    /// The counts.
    pub counters: Counters,
    /// When the flow began, or was first seen; `CLOCK_MONOTONIC` nanoseconds.
    pub opened_ns: u64,
    /// `FLOW_` bits.
    pub flags: u32,
    /// `sk->sk_err` at the end: an errno, or 0.
    pub error: u16,
    /// TCP state (`include/net/tcp_states.h`) before the end.
    pub state: u8,
    /// Always 0.
    pub reserved: u8,
    /// The remote address that the socket has, where `flags` holds [`FLOW_NAT`]: the one that the program named.
    pub named: Address,
    /// The first sequence number of data sent, in the first record of an established TCP connection, else 0. With the
    /// next field it is the same at both ends, whatever NAT made of the addresses between.
    pub first_seq_sent: u32,
    /// The first sequence number of data received, likewise.
    pub first_seq_received: u32,
    /// Turn of the first request that `owner` read; those before had other owners.
    pub owner_turn: u32,
    /// The port of `named`, host byte order.
    pub named_port: u16,
    /// How many owners there were until now, modulo 2^16: shows a reader that it missed one.
    pub owner_changes: u16,
}
const _: () = assert!(size_of::<FlowRecord>() == 264);

/// Components of an executable's path that are kept, from the leaf; a crossing of mounts takes one too.
pub const PATH_COMPONENTS: usize = 16;
/// Bytes of each, NUL included; longer names are cut.
pub const PATH_NAME_BYTES: usize = 64;
/// Components of a cgroup's path that are kept, from the leaf.
pub const CGROUP_COMPONENTS: usize = 8;
/// Bytes of each, NUL included: a container's scope name has a digest of 64 in it.
pub const CGROUP_NAME_BYTES: usize = 96;

/// A program of a process, written once before the first flow it owns.
///
/// Paths are walked from leaf to root: one slot a component, NUL-terminated, empty where there is none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ProcessRecord {
    /// `kind` [`KIND_PROCESS`].
    pub header: Header,
    /// Whom this describes.
    pub owner: Owner,
    /// Its pid in its own pid namespace.
    pub namespace_pid: u32,
    /// The parent's thread group id on the host.
    pub parent_pid: u32,
    /// `task_struct.comm`, NUL-terminated.
    pub comm: [u8; 16],
    /// Executable, leaf first.
    pub path: [[u8; PATH_NAME_BYTES]; PATH_COMPONENTS],
    /// cgroup, leaf first.
    pub cgroup: [[u8; CGROUP_NAME_BYTES]; CGROUP_COMPONENTS],
}
const _: () = assert!(size_of::<ProcessRecord>() == 32 + 32 + 8 + 16 + 1024 + 768);

/// One entry of what a walk over sockets gives: a connection that lives, or the end of a network namespace's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Socket cookie; 0 at the end.
    pub cookie: u64,
    /// Network namespace cookie.
    pub netns: u64,
    /// Number of the connection on that socket.
    pub generation: u32,
    /// Always 0.
    pub reserved: u32,
}
const _: () = assert!(size_of::<Walked>() == 24);

/// The start of a segment's new payload; `captured` bytes follow the struct.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkRecord {
    /// `kind` [`KIND_CHUNK`]; `time_ns` is when the segment passed the hook.
    pub header: Header,
    /// Sequence number of the first byte.
    pub seq: u32,
    /// New payload bytes in the segment.
    pub segment_len: u32,
    /// Number of this direction's turn, from 1.
    pub turn: u32,
    /// Bytes that follow.
    pub captured: u16,
    /// [`RECEIVED`] or [`SENT`].
    pub direction: u8,
    /// `CHUNK_` bits.
    pub flags: u8,
    /// Highest sequence number after payload of the other direction at that time, if `peer_last_ns` is not 0.
    pub peer_end_seq: u32,
    /// Always 0.
    pub reserved: u32,
    /// When the other direction last moved payload, `CLOCK_MONOTONIC` nanoseconds; 0 = never.
    pub peer_last_ns: u64,
}
const _: () = assert!(size_of::<ChunkRecord>() == 64);

/// Payload that arrived before its socket existed (data on the SYN or on the handshake's last ACK, deferred accept);
/// `chunk.captured` bytes follow. Joined to the accepted socket by the tuple.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrphanRecord {
    /// Like a chunk, with cookie 0.
    pub chunk: ChunkRecord,
    /// The ends as the socket to come will see them.
    pub tuple: Tuple,
}
const _: () = assert!(size_of::<OrphanRecord>() == 112);
