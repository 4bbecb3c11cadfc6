//! Indices of the per-CPU counter array `COUNTS`: what was written, and what was not and why.

/// Records reserved in the life-cycle ring.
pub const LIFECYCLE_WRITTEN: u32 = 0;
/// Records reserved in the payload ring.
pub const PAYLOAD_WRITTEN: u32 = 1;
/// Open, owner, progress or process records that found the life-cycle ring full; the next record carries the counts.
pub const LIFECYCLE_RING_FULL: u32 = 2;
/// Chunks that found the payload ring full.
pub const PAYLOAD_RING_FULL: u32 = 3;
/// Close records kept in `CLOSED` since the ring was full: not lost.
pub const CLOSE_DEFERRED: u32 = 4;
/// Close records that neither ring nor `CLOSED` could take: bytes are in `TOTALS`, the single flow is not told.
pub const CLOSE_LOST: u32 = 5;
/// Connections without state since the kernel had no memory for it.
pub const STATE_FAILED: u32 = 6;
/// Turns not copied since they flipped faster than the duplex budget.
pub const TRUNCATED_DUPLEX: u32 = 7;
/// Turns longer than the snap, counted beyond it (by design).
pub const TRUNCATED_TURN: u32 = 8;
/// UDP peers beyond the first of a socket that found `UDP_PEERS` full: not followed.
pub const UDP_PEERS_FULL: u32 = 9;
/// Truncated turns whose end could not be noted since `TAILS` was full: told by the next turn or the close.
pub const TAILS_FULL: u32 = 10;
/// Packets whose headers could not be read.
pub const UNREADABLE_PACKET: u32 = 11;
/// Packets of sockets that are neither TCP nor UDP.
pub const OTHER_PROTOCOL: u32 = 12;
/// Payload that could not be copied out of the packet.
pub const COPY_FAILED: u32 = 13;
/// Number of counters.
pub const COUNTS: u32 = 14;

/// Name of each counter, as it appears in `stats`.
pub const NAMES: [&str; COUNTS as usize] = [
    "lifecycle_written",
    "payload_written",
    "lifecycle_ring_full",
    "payload_ring_full",
    "close_deferred",
    "close_lost",
    "state_failed",
    "truncated_duplex",
    "truncated_turn",
    "udp_peers_full",
    "tails_full",
    "unreadable_packet",
    "other_protocol",
    "copy_failed",
];
