//! One direction of a TCP connection, by sequence numbers: how far it has come, in which turn, what was repeated.

use crate::event::ChunkFlags;
use crate::time::Timestamp;

/// How far ahead of what was seen a segment may lie: the largest window (RFC 7323 section 2.3).
const MAX_WINDOW: i32 = 1 << 30;

/// One direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Half {
    /// Sequence number of its SYN, where that was seen.
    pub(super) isn: Option<u32>,
    /// A packet of it was seen.
    pub(super) seen: bool,
    /// It is known where it begins, or where it was when it was first seen.
    started: bool,
    /// Sequence number after the last payload byte.
    pub(super) max_end: u32,
    /// Payload bytes before that.
    pub(super) total: u64,
    /// When `max_end` moved.
    pub(super) last: Option<Timestamp>,
    /// Number of the latest turn, from 1.
    pub(super) turn: u32,
    /// Where the other direction stood when that began.
    peer_end: u32,
    /// Sequence number of the FIN.
    pub(super) fin: Option<u32>,
    /// Highest number that the other end has confirmed.
    pub(super) acked: Option<u32>,
    /// The latest run of bytes that was passed over.
    hole: Option<(u32, u32)>,
    pub(super) packets: u64,
    pub(super) retransmits: u32,
    /// Smoothed round-trip time, microseconds (RFC 6298 section 2), as far as this end can tell it.
    pub(super) rtt_us: Option<u32>,
    /// A segment whose confirmation is timed: the number after it, and when it passed.
    timed: Option<(u32, Timestamp)>,
}

/// What payload is to those who read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) turn: u32,
    pub(super) flags: ChunkFlags,
}

impl Half {
    /// Its SYN has passed.
    pub(super) fn open(&mut self, isn: u32, now: Timestamp) {
        self.isn = Some(isn);
        self.begin(isn.wrapping_add(1));
        self.timed = Some((isn.wrapping_add(1), now));
    }

    /// Its SYN has passed again.
    pub(super) fn open_again(&mut self) {
        self.retransmits += 1;
        // Which of them is answered cannot be told (Karn's algorithm, RFC 6298 section 3).
        self.timed = None;
    }

    /// Nothing is known of it before `seq`.
    pub(super) fn begin(&mut self, seq: u32) {
        if !self.started {
            self.started = true;
            self.max_end = seq;
        }
    }

    /// Payload of `len` bytes passes. Nothing where it lies outside of any window.
    pub(super) fn payload(&mut self, seq: u32, len: u32, now: Timestamp, peer_end: u32) -> Option<Place> {
        let end = seq.wrapping_add(len);
        let ahead = signed(seq, self.max_end);
        if !(-MAX_WINDOW..MAX_WINDOW).contains(&ahead) || self.fin.is_some_and(|fin| signed(end, fin) > 0) {
            return None;
        }
        let mut flags = ChunkFlags {
            with_repeats: true,
            ..ChunkFlags::default()
        };
        let new = signed(end, self.max_end);
        if new <= 0 {
            flags.late = true;
            self.repeated(seq, end);
        } else {
            flags.after_hole = ahead > 0;
            if ahead > 0 {
                self.hole = Some((self.max_end, seq));
            }
            self.reach(end, now);
            if self.turn == 0 || self.peer_end != peer_end {
                self.turn += 1;
                self.peer_end = peer_end;
                flags.turn_start = true;
            }
            self.timed.get_or_insert((end, now));
        }
        Some(Place { turn: self.turn, flags })
    }

    /// Whether payload goes beyond what was seen.
    pub(super) fn payload_is_new(&self, seq: u32, len: u32) -> bool {
        let new = signed(seq.wrapping_add(len), self.max_end);
        (1..MAX_WINDOW).contains(&new)
    }

    /// Whether this is a byte that was sent before, to see whether the other end is there (RFC 9293 section 3.8.4). Its
    /// content is nobody's.
    pub(super) fn is_keep_alive(&self, seq: u32, len: u32) -> bool {
        len <= 1 && self.started && self.turn > 0 && self.hole.is_none() && seq == self.max_end.wrapping_sub(1)
    }

    /// Its FIN passes.
    pub(super) fn finish(&mut self, seq: u32, now: Timestamp) -> bool {
        let ahead = signed(seq, self.max_end);
        if self.fin.is_some() || !(0..MAX_WINDOW).contains(&ahead) {
            return false;
        }
        if ahead > 0 {
            self.hole = Some((self.max_end, seq));
            self.reach(seq, now);
        }
        self.fin = Some(seq);
        true
    }

    /// The other end confirms what is before `ack`.
    pub(super) fn confirm(&mut self, ack: u32, now: Timestamp) {
        self.begin(ack);
        if !self.seen && signed(ack, self.max_end) > 1 && signed(ack, self.max_end) < MAX_WINDOW {
            // Of a direction that the capture lacks this is all there is to know. A single number may be a FIN.
            self.reach(ack, now);
        }
        if self.acked.is_none_or(|acked| signed(ack, acked) > 0) {
            self.acked = Some(ack);
        }
        if let Some((end, sent)) = self.timed
            && signed(ack, end) >= 0
        {
            self.timed = None;
            let sample = u32::try_from(now.since(sent).as_micros()).unwrap_or(u32::MAX);
            self.rtt_us = Some(self.rtt_us.map_or(sample, |smooth| smooth - smooth / 8 + sample / 8));
        }
    }

    /// Bytes that the other end has confirmed.
    pub(super) fn confirmed(&self) -> u64 {
        self.acked.map_or(0, |acked| {
            let behind = signed(self.max_end, acked).max(0);
            self.total.saturating_sub(u64::from(behind.unsigned_abs()))
        })
    }

    /// Whether the other end has confirmed its FIN.
    pub(super) fn is_finished(&self) -> bool {
        let confirmed = |fin: u32| self.acked.is_some_and(|acked| signed(acked, fin) > 0);
        self.fin.is_some_and(confirmed)
    }

    /// Whether a reset with this number comes from this end: the receiver takes the next it expects (RFC 9293 section
    /// 3.10.7.4), which is between what it has confirmed and what it was sent. A little more is let pass, since the
    /// capture may lack the last segments.
    pub(super) fn may_reset(&self, seq: u32) -> bool {
        const SLACK: i32 = 65_535;
        let least = self.acked.map_or(0, |acked| signed(acked, self.max_end).min(0));
        !self.started || (least..=SLACK).contains(&signed(seq, self.max_end))
    }

    fn reach(&mut self, end: u32, now: Timestamp) {
        self.total += u64::from(signed(end, self.max_end).max(0).unsigned_abs());
        self.max_end = end;
        self.last = Some(now);
    }

    fn repeated(&mut self, seq: u32, end: u32) {
        if let Some((from, to)) = self.hole
            && signed(end, from) > 0
            && signed(to, seq) > 0
        {
            // It was overtaken, and is no repetition.
            if signed(seq, from) <= 0 && signed(end, to) >= 0 {
                self.hole = None;
            } else if signed(seq, from) <= 0 {
                self.hole = Some((end, to));
            } else {
                self.hole = Some((from, seq));
            }
            return;
        }
        self.retransmits += 1;
        self.timed = None;
    }
}

/// How far `a` is ahead of `b` (RFC 9293 section 3.4).
pub(super) const fn signed(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}
