//! One direction of a TCP connection, put back in order: bytes, and runs of bytes that were not copied.
//!
//! The capture copies the start of each turn, so a stream has holes on purpose. Three kinds are told apart:
//! *left out* (the capture says so: they never come, and are passed over at once), *missing* (segments out of order:
//! they may come, and are waited for), and *lost* (they were waited for in vain). Who reads the stream says with
//! [`Interest`] which bytes it needs and which it only counts, so that nothing is waited for without need.
//!
//! Overlaps are settled as in Linux (`tcp_data_queue`, `tcp_data_queue_ofo` and `tcp_ofo_queue` in `net/ipv4/tcp_input.c`):
//! what was delivered stays, and a segment that comes in order is read whole. Of those that wait, one whose bytes are
//! all there is dropped; one that covers others from their start replaces them; else the one that starts first gives the
//! bytes that two have. One that begins where another ends becomes one with it, so that the two are covered together or
//! not at all; in Linux that depends on the memory that the driver gave them, here it always is so. A test on the real
//! kernel compares what a socket reads with what comes out here. Bytes that come again with other content are told
//! ([`Stream::take_differing`]).

mod held;
mod piece;
mod recent;
#[cfg(test)]
mod tests;

pub use self::piece::{Absence, Data, Interest, Piece, Skip};

use std::time::Duration;

use bytes::Buf;

use self::held::Held;
use self::recent::Recent;
use crate::event::Chunk;
use crate::time::Timestamp;

/// How long a hole is waited for, before what is in it counts as lost. Segments overtake each other by less than a
/// round trip; retransmissions by more (RFC 6298 section 2.4 has 1 s as the least timeout, Linux 200 ms), but those
/// arrive before the peer answers, so a longer wait would only keep memory.
pub const REORDER_WAIT: Duration = Duration::from_millis(100);

/// Offset of the first byte that a stream delivers. Not 0, so that bytes which turn out to lie before it have an
/// offset too.
pub const START: u64 = 1 << 40;

/// A moment and how far the direction had come then.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    offset: u64,
    time: Timestamp,
}

impl Reached {
    fn raise(&mut self, offset: u64, time: Timestamp) {
        if offset > self.offset {
            *self = Self { offset, time };
        }
    }
}

/// One direction.
#[derive(Debug, Default)]
pub struct Stream {
    /// Next offset to deliver.
    next: u64,
    /// Turn of the last bytes delivered.
    turn: u32,
    /// Sequence number at [`START`].
    base_seq: u32,
    /// Sequence numbers have been given offsets.
    based: bool,
    /// It is known where the stream starts.
    started: bool,
    /// The latest segment was cut: no more of its turn is copied.
    stopped: bool,
    /// Up to here the capture says that it left the bytes out.
    left_until: u64,
    /// Highest end told by chunks of the other direction, and when the first of those passed that told it.
    answered: Reached,
    /// Highest end told by chunks of either direction: they come in order.
    seen: Reached,
    /// Highest end told by anyone; counters may run ahead of chunks.
    told: Reached,
    /// Segments after a hole.
    held: Held,
    /// What was delivered and not answered, where the capture shows repetitions.
    recent: Option<Box<Recent>>,
    /// The capture shows repetitions.
    with_repeats: bool,
    /// Bytes from here on came again with other content.
    differing: Option<u64>,
}

impl Stream {
    /// Says where the stream starts: the sequence number after the SYN. Only before the first chunk.
    pub fn anchor(&mut self, seq: u32) {
        if !self.based {
            self.base(seq);
            self.started = true;
        }
    }

    /// Next offset to deliver.
    pub const fn next_offset(&self) -> u64 {
        self.next
    }

    /// Takes a chunk. Gives it back as the next piece where it is; holds it where something before it is missing.
    /// Then [`Self::next`] has the rest.
    pub fn offer(&mut self, chunk: Chunk, peer: Option<u64>) -> Option<Data> {
        let expected_hole = chunk.flags.after_hole || chunk.flags.late;
        self.with_repeats = chunk.flags.with_repeats;
        if !self.based {
            self.base(chunk.seq);
        }
        if !self.started && !expected_hole && self.held.is_empty() {
            self.started = true;
            self.next = self.offset(chunk.seq);
        }
        let start = self.offset(chunk.seq);
        let end = start + u64::from(chunk.segment_len).max(chunk.data.len() as u64);
        if end > self.seen.offset {
            self.stopped = chunk.segment_len as usize > chunk.data.len();
        }
        let skipped_to_here = chunk.flags.after_skip && !chunk.flags.after_hole;
        if skipped_to_here && self.held.is_empty() && start > self.next {
            self.left_until = self.left_until.max(start);
        }
        let mut data = Data {
            offset: start,
            bytes: chunk.data,
            time: chunk.time,
            turn: chunk.turn,
            // A segment that fills a hole may be the first of a turn whose second was seen first.
            turn_start: chunk.flags.turn_start || chunk.flags.late,
            frame_start: chunk.flags.frame_start,
            peer,
        };
        if self.started && start <= self.next {
            self.compare(&data);
            let fresh = trim(&mut data, self.next);
            self.reached(end, data.time);
            if end > self.next {
                self.left_until = self.left_until.max(end);
            }
            if fresh {
                self.deliver(&mut data);
                return Some(data);
            }
            return None;
        }
        self.reached(end, data.time);
        if self.held.insert(data, end, skipped_to_here) {
            self.differing.get_or_insert(start);
        }
        None
    }

    /// Where bytes came again with other content, once.
    pub fn take_differing(&mut self) -> Option<u64> {
        self.differing.take()
    }

    /// Bytes held until those before them come.
    pub fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Whether anything is known of it.
    pub const fn has_begun(&self) -> bool {
        self.based
    }

    /// The other direction's chunk, at `now`, showed that this one had reached `seq` at `time`. Gives the offset.
    pub fn note_peer(&mut self, seq: u32, time: Timestamp, now: Timestamp) -> u64 {
        if !self.based {
            self.base(seq);
            self.started = true;
        } else if !self.started {
            // It was answered, so all that was in flight before has come.
            self.start_at_first_held();
        }
        let offset = self.offset(seq);
        self.answered.raise(offset, now);
        if self.recent.as_ref().is_some_and(|recent| recent.end() <= offset) {
            self.recent = None;
        }
        self.reached(offset, time);
        offset
    }

    /// Counters say that this direction had reached `seq` at `time`. They may run ahead of chunks.
    pub fn note_end(&mut self, seq: u32, time: Timestamp) {
        if self.started {
            let offset = self.ahead(seq);
            self.told.raise(offset, time);
        }
    }

    /// The next piece that needs no waiting.
    pub fn next(&mut self, interest: Interest) -> Option<Piece> {
        if !self.started {
            return None;
        }
        let first = loop {
            self.held.drop_before(self.next);
            match self.held.first_start() {
                Some(start) if start <= self.next => {
                    if let Some(data) = self.take_held() {
                        return Some(Piece::Data(data));
                    }
                }
                first => break first,
            }
        };
        let bound = first.unwrap_or(u64::MAX);
        if first.is_some() && self.held.first_after_skip() {
            self.left_until = self.left_until.max(bound);
        }
        let mut until = self.left_until.min(bound);
        until = until.max(interest.count_to.min(bound).min(self.told.offset));
        if until > self.next {
            return Some(Piece::Skip(self.skip_to(until, Absence::LeftOut)));
        }
        let passed = self.answered.offset.min(bound);
        if interest.peer_settles && passed > self.next {
            let expected = self.stopped && first.is_none();
            let why = if expected { Absence::LeftOut } else { Absence::Passed };
            return Some(Piece::Skip(self.skip_to(passed, why)));
        }
        None
    }

    /// When [`Self::give_up`] is due.
    pub fn deadline(&self) -> Option<Timestamp> {
        let waiting = self.started && self.answered.offset > self.next;
        let since = self.held.first_time().or(waiting.then_some(self.answered.time));
        since.map(|since| since + REORDER_WAIT)
    }

    /// Whether more is held than a stream may hold.
    pub fn is_over_bound(&self) -> bool {
        self.held.is_over_bound()
    }

    /// Waits no longer: passes over the hole, where there is one.
    pub fn give_up(&mut self) -> Option<Skip> {
        if !self.started {
            self.start_at_first_held();
            return None;
        }
        let until = self.held.first_start().unwrap_or(self.answered.offset);
        (until > self.next).then(|| self.skip_to(until, Absence::Lost))
    }

    /// At the end: what counters told of and no chunk brought.
    pub fn give_up_rest(&mut self) -> Option<Skip> {
        let until = self.told.offset;
        (self.started && self.held.is_empty() && until > self.next).then(|| self.skip_to(until, Absence::LeftOut))
    }

    fn base(&mut self, seq: u32) {
        self.base_seq = seq;
        self.based = true;
        self.next = START;
        self.left_until = START;
        self.seen.offset = START;
        self.told.offset = START;
    }

    fn start_at_first_held(&mut self) {
        if let Some(start) = self.held.first_start() {
            self.started = true;
            self.next = start;
            self.left_until = start;
        }
    }

    /// Offset of `seq`: the one nearest to the highest end known (RFC 9293 section 3.4: arithmetic modulo 2^32).
    fn offset(&self, seq: u32) -> u64 {
        let near = self.told.offset;
        let distance = seq.wrapping_sub(self.seq_at(near)).cast_signed();
        near.saturating_add_signed(i64::from(distance))
    }

    /// Offset of `seq`, which is an end told by a counter: those go forward, and by more than half the circle where a
    /// fast flow reports once a second; only a little behind is taken as behind.
    fn ahead(&self, seq: u32) -> u64 {
        const BEHIND: u32 = 1 << 28;
        let near = self.told.offset;
        let forward = seq.wrapping_sub(self.seq_at(near));
        if forward > u32::MAX - BEHIND {
            near
        } else {
            near + u64::from(forward)
        }
    }

    fn seq_at(&self, offset: u64) -> u32 {
        self.base_seq.wrapping_add(offset.wrapping_sub(START) as u32)
    }

    fn reached(&mut self, offset: u64, time: Timestamp) {
        self.seen.raise(offset, time);
        self.told.raise(offset, time);
    }

    fn take_held(&mut self) -> Option<Data> {
        let (mut data, end) = self.held.take_first()?;
        let fresh = trim(&mut data, self.next);
        self.left_until = self.left_until.max(end);
        if fresh {
            self.deliver(&mut data);
            return Some(data);
        }
        None
    }

    /// Compares what comes again with what was delivered.
    fn compare(&mut self, data: &Data) {
        let behind = self.next - data.offset;
        // A keep-alive probe has a byte of no meaning, or none (RFC 9293 section 3.8.4).
        let probe = behind == 1 && data.bytes.len() == 1;
        if behind > 0 && !probe && self.recent.as_ref().is_some_and(|recent| recent.differs(data)) {
            self.differing.get_or_insert(data.offset);
        }
    }

    fn deliver(&mut self, data: &mut Data) {
        if self.with_repeats {
            self.recent.get_or_insert_default().add(data);
        }
        data.turn_start &= data.turn != self.turn;
        self.turn = data.turn;
        self.next = data.offset + data.bytes.len() as u64;
    }

    fn skip_to(&mut self, until: u64, why: Absence) -> Skip {
        let offset = self.next;
        let time = if let Some(first) = self.held.first_time() {
            first
        } else if until <= self.seen.offset {
            self.seen.time
        } else {
            self.told.time
        };
        self.next = until;
        Skip {
            offset,
            len: until - offset,
            time,
            why,
        }
    }
}

/// Drops what lies before `next`; false when nothing is left.
fn trim(data: &mut Data, next: u64) -> bool {
    let behind = next.saturating_sub(data.offset);
    if behind > 0 {
        if behind >= data.bytes.len() as u64 {
            return false;
        }
        data.bytes.advance(behind as usize);
        data.offset = next;
        data.frame_start = false;
    }
    !data.bytes.is_empty()
}
