//! Indices of the per-CPU counter array `COUNTS`: what was left out, and why.

/// Open, owner, progress or process records that found the life-cycle ring full; the next record carries the counts.
pub const LIFECYCLE_RING_FULL: u32 = 0;
/// Chunks that found the payload ring full.
pub const PAYLOAD_RING_FULL: u32 = 1;
/// Close records kept in `CLOSED` since the ring was full: not lost.
pub const CLOSE_DEFERRED: u32 = 2;
/// Close records that neither ring nor `CLOSED` could take: bytes are in `TOTALS`, the single flow is not told.
pub const CLOSE_LOST: u32 = 3;
/// Connections without state since the kernel had no memory for it.
pub const STATE_FAILED: u32 = 4;
/// Turns not copied since they flipped faster than the duplex budget.
pub const TRUNCATED_DUPLEX: u32 = 5;
/// Turns longer than the snap, counted beyond it (by design).
pub const TRUNCATED_TURN: u32 = 6;
/// Datagrams of peers that found `UDP_FLOWS` full: not followed.
pub const UDP_FLOWS_FULL: u32 = 7;
/// Truncated turns whose end could not be noted since `TAILS` was full: told by the next turn or the close.
pub const TAILS_FULL: u32 = 8;
/// Packets whose headers could not be read.
pub const UNREADABLE_PACKET: u32 = 9;
/// Packets of sockets that are neither TCP nor UDP.
pub const OTHER_PROTOCOL: u32 = 10;
/// Payload that could not be copied out of the packet.
pub const COPY_FAILED: u32 = 11;
/// Payload that nobody had asked for (data before a socket, answers to nothing) beyond its rate.
pub const UNASKED: u32 = 12;
/// Segments of HTTP/2 with more frames than are followed: bytes are copied within the duplex budget until a segment begins
/// with a frame.
pub const TRUNCATED_FRAMES: u32 = 13;
/// Turns not copied since the monitor is over its CPU budget.
pub const OVER_BUDGET: u32 = 14;
/// Number of counters.
pub const COUNTS: u32 = 15;

/// Name of each counter, as it appears in `stats`.
pub const NAMES: [&str; COUNTS as usize] = [
    "lifecycle_ring_full",
    "payload_ring_full",
    "close_deferred",
    "close_lost",
    "state_failed",
    "truncated_duplex",
    "truncated_turn",
    "udp_flows_full",
    "tails_full",
    "unreadable_packet",
    "other_protocol",
    "copy_failed",
    "unasked",
    "truncated_frames",
    "over_budget",
];
