//! Segments that came before what lies in front of them. Small: nothing is allocated while a stream is in order.

use bytes::Bytes;

use super::Data;
use crate::time::Timestamp;

/// Most bytes a direction holds, so that 100,000 hostile flows stay within what a flow table may use.
pub(super) const MAX_HELD_BYTES: usize = 64 * 1024;
/// Most segments a direction holds: 64 KiB in segments of the least MSS that Linux takes (RFC 9293 section 3.7.1 has
/// 536 as the default; a peer may send less, which is where this bound matters).
pub(super) const MAX_HELD_SEGMENTS: usize = 512;

/// Segments in order of offset; may overlap.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Freed when nothing is held, so that an idle stream is small.
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    data: Data,
    /// Offset after the last byte of the segment, copied or not.
    end: u64,
    /// What lies between the segment before and this one was left out.
    after_skip: bool,
}

impl Held {
    /// Takes a segment in. One whose bytes are all held already adds nothing; one that covers held segments takes their
    /// place, as in Linux' `tcp_data_queue_ofo`.
    pub(super) fn insert(&mut self, mut data: Data, mut end: u64, mut after_skip: bool) {
        let (start, stop) = (data.offset, data_end(&data));
        let at = self.segments.partition_point(|s| s.data.offset < start);
        let covers = |s: &Segment| s.data.offset <= start && stop <= data_end(&s.data);
        let near = at.saturating_sub(1)..(at + 1).min(self.segments.len());
        if let Some(held) = self.segments[near].iter_mut().find(|s| covers(s)) {
            held.end = held.end.max(end);
            return;
        }
        let covered = self.segments[at..]
            .iter()
            .take_while(|s| data_end(&s.data) <= stop)
            .count();
        for held in self.segments.drain(at..at + covered) {
            end = end.max(held.end);
            if held.data.offset == start {
                after_skip |= held.after_skip;
                data.turn_start |= held.data.turn_start;
            }
        }
        // A copy: the chunk may be a slice of a large batch, which must not live as long as the hole.
        data.bytes = Bytes::copy_from_slice(&data.bytes);
        self.segments.insert(at, Segment { data, end, after_skip });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub(super) fn first_start(&self) -> Option<u64> {
        self.first().map(|s| s.data.offset)
    }

    pub(super) fn first_time(&self) -> Option<Timestamp> {
        self.first().map(|s| s.data.time)
    }

    pub(super) fn first_after_skip(&self) -> bool {
        self.first().is_some_and(|s| s.after_skip)
    }

    /// The first segment and the offset of its end.
    pub(super) fn take_first(&mut self) -> Option<(Data, u64)> {
        if self.segments.is_empty() {
            return None;
        }
        let first = self.segments.remove(0);
        if self.segments.is_empty() {
            self.segments = Vec::new();
        }
        Some((first.data, first.end))
    }

    /// Drops segments that hold nothing after `offset`.
    pub(super) fn drop_before(&mut self, offset: u64) {
        while self.first().is_some_and(|s| s.end <= offset) {
            self.take_first();
        }
    }

    pub(super) fn is_over_bound(&self) -> bool {
        self.segments.len() > MAX_HELD_SEGMENTS
            || self.segments.iter().map(|s| s.data.bytes.len()).sum::<usize>() > MAX_HELD_BYTES
    }

    fn first(&self) -> Option<&Segment> {
        self.segments.first()
    }
}

/// Offset after the last byte of `data`.
fn data_end(data: &Data) -> u64 {
    data.offset + data.bytes.len() as u64
}
