//! Segments that came before what lies in front of them. Small: nothing is allocated while a stream is in order.

use bytes::Bytes;

use super::Data;
use crate::time::Timestamp;

/// Most bytes a direction holds, so that 100,000 hostile flows stay within what a flow table may use.
pub(super) const MAX_HELD_BYTES: usize = 64 * 1024;
/// Most segments a direction holds: 64 KiB in segments of the least MSS that Linux takes (RFC 9293 section 3.7.1 has
/// 536 as the default; a peer may send less, which is where this bound matters).
pub(super) const MAX_HELD_SEGMENTS: usize = 512;

/// Segments that wait, as Linux has them in its out-of-order queue: *blocks* of which both starts and ends grow, each
/// made of segments that followed each other.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// In order of blocks. Freed when nothing is held, so that an idle stream is small.
    segments: Vec<Segment>,
    /// Bytes of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Segment {
    data: Data,
    /// Offset after the last byte of the segment, copied or not.
    end: u64,
    /// What lies between the segment before and this one was left out.
    after_skip: bool,
    /// It came when the one before it was there, and begins where that ends: the two are one block.
    joined: bool,
}

impl Held {
    /// Takes a segment in; true if bytes of it that are held already have other content.
    ///
    /// One whose bytes are all held adds nothing; one that covers blocks from their start takes their place; else the
    /// bytes that two have are those of the block that starts first (`tcp_data_queue_ofo`, `tcp_ooo_try_coalesce`).
    pub(super) fn insert(&mut self, mut data: Data, mut end: u64, mut after_skip: bool) -> bool {
        let (start, stop) = (data.offset, data_end(&data));
        let differs = self.segments.iter().any(|held| differ(&held.data, &data));
        // The last block that starts no later.
        let heads = |s: &Segment| s.joined || s.data.offset <= start;
        let mut at = self.segments.iter().take_while(|s| heads(s)).count();
        let mut joined = false;
        if let Some(last) = at.checked_sub(1) {
            let head = (0..=last).rev().find(|i| !self.segments[*i].joined).unwrap_or(0);
            let (from, until) = (self.segments[head].data.offset, data_end(&self.segments[last].data));
            if stop <= until {
                let held = &mut self.segments[last].end;
                *held = end.max(*held);
                return differs;
            }
            if from == start {
                at = head;
            }
            joined = until == start && self.segments[last].end == until;
        }
        if !joined {
            let mut covered = at;
            while let Some(after) = self.block_after(covered).filter(|(_, end)| *end <= stop) {
                covered = after.0;
            }
            for held in self.segments.drain(at..covered) {
                self.bytes -= held.data.bytes.len();
                end = end.max(held.end);
                if held.data.offset == start {
                    after_skip |= held.after_skip;
                    data.turn_start |= held.data.turn_start;
                }
            }
        }
        self.bytes += data.bytes.len();
        // A copy: the chunk may be a slice of a large batch, which must not live as long as the hole.
        data.bytes = Bytes::copy_from_slice(&data.bytes);
        let segment = Segment {
            data,
            end,
            after_skip,
            joined,
        };
        self.segments.insert(at, segment);
        differs
    }

    /// Of the block that begins at an index: the index after it, and the offset of its end.
    fn block_after(&self, head: usize) -> Option<(usize, u64)> {
        let len = 1 + self.segments.get(head + 1..)?.iter().take_while(|s| s.joined).count();
        Some((head + len, data_end(&self.segments[head + len - 1].data)))
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
        self.bytes -= first.data.bytes.len();
        match self.segments.first_mut() {
            Some(next) => next.joined = false,
            None => self.segments = Vec::new(),
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
        self.segments.len() > MAX_HELD_SEGMENTS || self.bytes > MAX_HELD_BYTES
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn first(&self) -> Option<&Segment> {
        self.segments.first()
    }
}

/// Offset after the last byte of `data`.
fn data_end(data: &Data) -> u64 {
    data.offset + data.bytes.len() as u64
}

/// Whether two runs of bytes have other content where they overlap.
fn differ(a: &Data, b: &Data) -> bool {
    differ_at(a.offset, &a.bytes, b.offset, &b.bytes)
}

/// The same, of bytes at offsets.
pub(super) fn differ_at(a_at: u64, a: &[u8], b_at: u64, b: &[u8]) -> bool {
    let start = a_at.max(b_at);
    let end = (a_at + a.len() as u64).min(b_at + b.len() as u64);
    start < end
        && a[(start - a_at) as usize..(end - a_at) as usize] != b[(start - b_at) as usize..(end - b_at) as usize]
}
