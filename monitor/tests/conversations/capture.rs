//! What the kernel makes of segments: flags, turns, the other direction's end. Without its limits of size, which
//! fixtures state as gaps.

use bytes::Bytes;
use monitor::event::{Chunk, ChunkFlags, Direction, FlowId};
use monitor::time::Timestamp;

/// One direction as `monitor_common::Half` keeps it.
#[derive(Clone, Copy, Default)]
struct Half {
    /// Sequence number after the highest byte.
    max_end: u32,
    /// Sequence number after the last byte copied.
    cap_end: u32,
    last: Option<Timestamp>,
    turn: u32,
    seen_peer_end: u32,
}

/// Both directions.
pub(crate) struct Capture {
    halves: [Half; 2],
}

/// A segment on the wire; `copied` of its bytes may be fewer than it has.
#[derive(Clone)]
pub(crate) struct Segment {
    pub direction: Direction,
    pub seq: u32,
    pub copied: Vec<u8>,
    pub len: u32,
}

impl Capture {
    /// Connections whose first bytes have these sequence numbers.
    pub(crate) fn new(received: u32, sent: u32) -> Self {
        let half = |seq| Half {
            max_end: seq,
            cap_end: seq,
            ..Half::default()
        };
        Self {
            halves: [half(received), half(sent)],
        }
    }

    /// What is told of a segment; nothing where none of it is copied.
    pub(crate) fn segment(&mut self, segment: Segment, time: Timestamp) -> Option<Chunk> {
        let peer = self.halves[index(segment.direction.reverse())];
        let half = &mut self.halves[index(segment.direction)];
        let end = segment.seq.wrapping_add(segment.len);
        let mut flags = ChunkFlags {
            with_repeats: true,
            ..ChunkFlags::default()
        };
        let ahead = segment.seq.wrapping_sub(half.max_end).cast_signed();
        if end.wrapping_sub(half.max_end).cast_signed() <= 0 {
            flags.late = true;
        } else {
            flags.after_hole = ahead > 0;
            flags.after_skip =
                ahead <= 0 && half.cap_end != segment.seq && half.cap_end.wrapping_sub(segment.seq).cast_signed() < 0;
            half.max_end = end;
            half.last = Some(time);
            if half.turn == 0 || half.seen_peer_end != peer.max_end {
                half.turn += 1;
                half.seen_peer_end = peer.max_end;
                flags.turn_start = true;
            }
            if !segment.copied.is_empty() {
                half.cap_end = segment.seq.wrapping_add(segment.copied.len() as u32);
            }
        }
        (!segment.copied.is_empty()).then(|| Chunk {
            flow: FlowId::default(),
            time,
            direction: segment.direction,
            seq: segment.seq,
            segment_len: segment.len,
            turn: half.turn,
            data: Bytes::from(segment.copied),
            peer_end: peer.last.map(|last| (peer.max_end, last)),
            flags,
        })
    }

    /// Bytes before the next segment were left out. That is not told where this segment comes before others.
    pub(crate) fn is_after_skip(&self, direction: Direction) -> bool {
        let half = self.halves[index(direction)];
        half.cap_end != half.max_end
    }

    /// How far a direction has come, and when it moved.
    pub(crate) fn reached(&self, direction: Direction) -> Option<(u32, Timestamp)> {
        let half = self.halves[index(direction)];
        half.last.map(|last| (half.max_end, last))
    }
}

fn index(direction: Direction) -> usize {
    match direction {
        Direction::Received => 0,
        Direction::Sent => 1,
    }
}
