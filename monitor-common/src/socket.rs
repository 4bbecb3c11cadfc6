//! State of a socket in kernel storage, and the maps beside it.

use crate::record::{Address, Owner, Parent, Tuple};

/// [`SocketState::class`]: nothing sent or received yet.
pub const CLASS_NEW: u8 = 0;
/// Could be HTTP.
pub const CLASS_HTTP: u8 = 1;
/// TLS: the first turn each way, then counted.
pub const CLASS_TLS: u8 = 2;
/// DNS.
pub const CLASS_DNS: u8 = 3;
/// HTTP/2: copied by its frames.
pub const CLASS_HTTP2: u8 = 4;
/// Nothing that is read: counted, never copied. Classes below this one are copied, those above are not even counted.
pub const CLASS_OPAQUE: u8 = 5;
/// Out of scope by configuration: not counted, not reported.
pub const CLASS_IGNORED: u8 = 6;

/// Bit of [`Half::left_out`]: for the duplex budget.
pub const LEFT_OUT_DUPLEX: u8 = 1;
/// Bit of [`Half::left_out`]: since the monitor was over its CPU budget.
pub const LEFT_OUT_BUDGET: u8 = 2;

/// One direction of a socket; written by that direction's hook alone, read by both.
///
/// The first 64 bytes are what an ordinary segment needs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Half {
    /// Payload bytes seen, duplicates not counted.
    pub bytes: u64,
    /// When payload last moved, `CLOCK_MONOTONIC` nanoseconds.
    pub last_ns: u64,
    /// `bytes` at the last progress record.
    pub reported_bytes: u64,
    /// Sequence number after the highest payload byte seen.
    pub max_end_seq: u32,
    /// Sequence number after the last byte copied.
    pub cap_end_seq: u32,
    /// Bytes that may still be copied in this turn.
    pub budget: u32,
    /// Turns so far.
    pub turn: u32,
    /// The other direction's `max_end_seq` when this one last moved: differs once the turn has changed.
    pub seen_peer_end: u32,
    /// Tokens of the duplex budget, bytes; below zero it owes.
    pub tokens: i32,
    /// A range jumped over by a segment that came early.
    pub hole_start: u32,
    /// End of that range; equal to `hole_start` when there is none.
    pub hole_end: u32,
    /// 1 once `max_end_seq` is known.
    pub started: u8,
    /// 1 while the turn's end is kept in `TAILS`, 2 once nobody wants it.
    pub tail: u8,
    /// 1 while what is copied of this turn takes from the duplex budget; of HTTP/2, unless the frame before was of headers.
    pub pays: u8,
    /// 1 once a RST passed in this direction. Here and not in the socket's flags, which other hooks write.
    pub rst: u8,
    /// Why turns were left out: [`LEFT_OUT_DUPLEX`], [`LEFT_OUT_BUDGET`].
    pub left_out: u8,
    /// HTTP/2: 1 while it is not known where the next frame begins.
    pub lost: u8,
    /// HTTP/2: bytes of the next frame's header that have passed, where a segment ended within it.
    pub head_have: u8,
    /// HTTP/2: 1 when the duplex budget did not allow to copy all that is wanted of the current segment.
    pub cut: u8,
    /// When tokens were last added to the duplex budget.
    pub refill_ns: u64,
    /// HTTP/2: the first of those bytes: length and kind.
    pub head: [u8; 4],
    /// HTTP/2: bytes of the current segment that were gone through.
    pub walked: u32,
    /// HTTP/2: bytes of the current frame's payload that have not passed.
    pub frame_left: u32,
    /// HTTP/2: how many of those, from the first on, are copied.
    pub frame_copy: u32,
}
const _: () = assert!(size_of::<Half>() == 88 && core::mem::offset_of!(Half, refill_ns) == 64);

/// TCP counters as the kernel keeps them, at one moment.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpCounters {
    /// `tcp_sock.bytes_acked`: counts SYN (active side) and FIN.
    pub bytes_acked: u64,
    /// `tcp_sock.bytes_received`: counts a FIN.
    pub bytes_received: u64,
    /// `tcp_sock.write_seq`.
    pub write_seq: u32,
    /// `tcp_sock.snd_una`.
    pub snd_una: u32,
    /// `tcp_sock.rcv_nxt`.
    pub rcv_nxt: u32,
    /// `tcp_sock.copied_seq`.
    pub copied_seq: u32,
    /// `tcp_sock.segs_out`.
    pub segs_out: u32,
    /// `tcp_sock.segs_in`.
    pub segs_in: u32,
    /// `tcp_sock.total_retrans`.
    pub total_retrans: u32,
    /// `tcp_sock.srtt_us`, times eight.
    pub srtt_us: u32,
}
const _: () = assert!(size_of::<TcpCounters>() == 48);

/// All that the kernel programs keep of one socket; freed with it.
///
/// The two directions of a connection are often at work on two CPUs, so what one of them writes with every message must not
/// lie beside what the other reads. The kernel puts the value 8 bytes into a cache line (`struct
/// bpf_local_storage_data`, `include/linux/bpf_local_storage.h`): first what is read with every segment and hardly
/// ever written, then what is received, at the beginning of a line, then what is sent, and what who reads and answers writes,
/// which is the same CPU mostly. With the 72 bytes before it this fills a slab of 512 bytes: one more, and each socket would
/// take a kibibyte.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketState {
    /// Socket cookie.
    pub cookie: u64,
    /// Number of the connection on this socket, from 1.
    pub generation: u32,
    /// `FLOW_` bits.
    pub flags: u32,
    /// Policy epoch last looked up.
    pub policy_epoch: u32,
    /// `CLASS_`.
    pub class: u8,
    /// 1 once an open record was written.
    pub opened: u8,
    /// 1 while the close record of this generation is yet to be written.
    pub live: u8,
    /// 1 while a record is due: it found the ring full, or waits for the next request.
    pub untold: u8,
    /// 1 while the request at hand is not copied since the monitor is over its CPU budget: nor is what answers it.
    pub passed_over: u8,
    /// 1 once `saved` is filled.
    pub saved_valid: u8,
    /// Last TCP state seen before CLOSE.
    pub state: u8,
    /// Always 0.
    pub reserved: u8,
    /// `sk_err` at →CLOSE.
    pub error: u16,
    /// Turns that looked like no protocol that is read.
    pub misses: u16,
    /// Latest owner.
    pub owner: Owner,
    /// The ends (for UDP: the first peer).
    pub tuple: Tuple,
    /// When a progress record was last written.
    pub reported_ns: u64,
    /// [`crate::RECEIVED`] and [`crate::SENT`].
    pub half: [Half; 2],
    /// Turn of the request last read by a process (passive sockets).
    pub read_turn: u32,
    /// Thread that read it; its count of requests in flight is to be taken down by the response.
    pub reader_tid: u32,
    /// Turn of the first request that `owner` read.
    pub owner_turn: u32,
    /// Owners so far, modulo 2^16.
    pub owner_changes: u16,
    /// Always 0.
    pub reserved_too: u16,
    /// When the flow began, or was first seen.
    pub opened_ns: u64,
    /// The request behind a connect.
    pub parent: Parent,
    /// Counters at →CLOSE: a disconnect zeroes the socket's.
    pub saved: TcpCounters,
    /// Counters at first sight of a connection older than the monitor.
    pub base: TcpCounters,
}
const _: () = assert!(size_of::<SocketState>() == 512 - 72);
const _: () = assert!((core::mem::offset_of!(SocketState, half) + 8).is_multiple_of(64));

/// Key of `CLOSED`, `POLICIES` and `TAILS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// Socket cookie.
    pub cookie: u64,
    /// Generation.
    pub generation: u32,
    /// Direction in `TAILS`, else 0.
    pub direction: u32,
}
const _: () = assert!(size_of::<FlowKey>() == 16);

/// Key of `UDP_FLOWS`: one peer of a UDP socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UdpKey {
    /// Socket cookie.
    pub cookie: u64,
    /// Peer address, as [`Tuple::remote`].
    pub remote: Address,
    /// Peer port, host byte order.
    pub remote_port: u16,
    /// Always 0.
    pub reserved: [u16; 3],
}
const _: () = assert!(size_of::<UdpKey>() == 32);

/// Datagrams of one direction of a UDP flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpHalf {
    /// Payload bytes.
    pub bytes: u64,
    /// Datagrams.
    pub packets: u64,
    /// When the last one passed, `CLOCK_MONOTONIC` nanoseconds.
    pub last_ns: u64,
}
const _: () = assert!(size_of::<UdpHalf>() == 24);

/// Value of `UDP_FLOWS`; taken out by the daemon when idle, by the kernel when the socket is released.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct UdpFlow {
    /// The ends.
    pub tuple: Tuple,
    /// The socket's latest owner.
    pub owner: Owner,
    /// The request behind it.
    pub parent: Parent,
    /// [`crate::RECEIVED`] and [`crate::SENT`].
    pub half: [UdpHalf; 2],
    /// When it began.
    pub opened_ns: u64,
    /// When a progress record was last written.
    pub reported_ns: u64,
    /// Bytes both ways at that time.
    pub reported_bytes: u64,
    /// Number of the peer on its socket, from 1.
    pub generation: u32,
    /// `FLOW_` bits.
    pub flags: u32,
}
const _: () = assert!(size_of::<UdpFlow>() == 48 + 32 + 24 + 48 + 32);

/// Value of `TAILS` (key [`FlowKey`]): how far a truncated turn has come.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// When payload last moved in that direction.
    pub last_ns: u64,
    /// Sequence number after the highest payload byte.
    pub end_seq: u32,
    /// Direction.
    pub direction: u32,
}
const _: () = assert!(size_of::<Tail>() == 16);

/// Key of `TOTALS`: where the bytes of flows went whose close record was lost.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TotalKey {
    /// Thread group id; 0 = not known.
    pub pid: u32,
    /// Always 0.
    pub reserved: u32,
    /// The remote address' network: /24 of IPv4 (mapped), /48 of IPv6, the rest zero.
    pub remote: Address,
}
const _: () = assert!(size_of::<TotalKey>() == 24);

/// Value of `TOTALS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Flows.
    pub flows: u64,
    /// Sum of [`crate::Counters::sent`].
    pub sent: u64,
    /// Sum of [`crate::Counters::received`].
    pub received: u64,
}
const _: () = assert!(size_of::<Total>() == 24);

/// Entry of `CURRENT_REQUESTS`, an array indexed by the low 16 bits of the thread id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CurrentRequest {
    /// Server socket.
    pub cookie: u64,
    /// When it was read; a thread that started later is another one with the same id.
    pub read_ns: u64,
    /// Thread id, to tell two that share the slot.
    pub tid: u32,
    /// Generation of the socket.
    pub generation: u32,
    /// Turn of the request.
    pub turn: u32,
    /// Requests read and not begun to be answered.
    pub in_flight: i32,
}
const _: () = assert!(size_of::<CurrentRequest>() == 32);

/// Budget of one CPU for payload that anyone may send unasked.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// When tokens were last added, `CLOCK_MONOTONIC` nanoseconds.
    pub refill_ns: u64,
    /// Bytes.
    pub tokens: i64,
}
const _: () = assert!(size_of::<Bucket>() == 16);

/// Value of `POLICIES` (key [`FlowKey`]): what the engine wants copied of a flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `CLASS_` to set, 0 = leave.
    pub class: u8,
    /// Always 0.
    pub reserved: [u8; 7],
}
const _: () = assert!(size_of::<Policy>() == 8);

/// Key of `LISTENERS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListenerKey {
    /// Network namespace cookie.
    pub netns: u64,
    /// Port, host byte order.
    pub port: u16,
    /// Always 0.
    pub reserved: [u16; 3],
}
const _: () = assert!(size_of::<ListenerKey>() == 16);

/// Key of `LOCAL_DESTINATIONS`: an address and port known to be served on this host.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DestinationKey {
    /// Network namespace that connects: the same address may be elsewhere for another.
    pub netns: u64,
    /// As [`Tuple::remote`].
    pub remote: Address,
    /// Host byte order.
    pub remote_port: u16,
    /// Always 0.
    pub reserved: [u16; 3],
}
const _: () = assert!(size_of::<DestinationKey>() == 32);
