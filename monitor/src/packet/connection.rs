//! One TCP connection, from its packets.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::Events;
use super::half::{Half, signed};
use super::transport::Segment;
use crate::event::{Chunk, Counters, Direction, Event, FlowCause, FlowFlags, FlowId, FlowSnapshot, OwnerSince, Role};
use crate::flow::FiveTuple;
use crate::time::Timestamp;

/// A connection without a packet for this long is over: what RFC 5382 (REQ-5) has address translators wait.
const IDLE: Duration = Duration::from_mins(124);
/// The same for one that is not established yet, or that one end has closed.
const TRANSITORY: Duration = Duration::from_mins(4);
/// Both ends have closed: what is still under way comes within a round trip or two.
const LAST_PACKETS: Duration = Duration::from_secs(1);
/// One that has ended is remembered for this long, so that what straggles in makes no new one: Linux' `TIME_WAIT`
/// (`TCP_TIMEWAIT_LEN` in include/net/tcp.h).
const REMEMBERED: Duration = Duration::from_mins(1);
/// A long flow is told again when it has moved this much ...
const PROGRESS_BYTES: u64 = 1024 * 1024;
/// ... and this long has passed.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// One that moves less is told this often, as by the walk over all sockets on a live host.
const WALK_EVERY: Duration = Duration::from_secs(30);

// errno of Linux (include/uapi/asm-generic/errno.h), as the kernel would note them.
const RESET: u16 = 104;
const TIMED_OUT: u16 = 110;
const REFUSED: u16 = 111;

// TCP states of Linux (include/net/tcp_states.h).
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const FIN_WAIT: u8 = 4;
const CLOSED: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: FlowId,
    pub(super) tuple: FiveTuple,
    role: Role,
    /// Both ends are this host's.
    local: bool,
    opened: Timestamp,
    /// When its latest packet passed.
    latest: Timestamp,
    joined_late: bool,
    established: bool,
    sent: Half,
    received: Half,
    fin_local_first: bool,
    /// Who has reset it.
    reset: Option<Direction>,
    error: u16,
    /// The engine knows of it.
    told: bool,
    told_at: Timestamp,
    told_bytes: u64,
    ended: Option<Timestamp>,
    /// A SYN that does not belong to it: of a new connection, or forged. Whoever answers it knows.
    rival: Option<(Direction, u32, Timestamp)>,
    /// Payload has come with a SYN, until the answer says whether it was taken.
    has_early: bool,
    /// When the table looks at it next.
    pub(super) due: Timestamp,
}

/// What a segment was to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A part of it.
    Taken,
    /// The first of another connection between the same ends; a SYN of that may have passed before.
    Another(Option<(Direction, u32, Timestamp)>),
    /// None that counts.
    Stray,
    /// Its numbers lie outside of any window.
    OutOfWindow,
}

/// Payload of connections that the engine does not know of yet: data on a SYN (RFC 7413), until that is answered.
#[derive(Debug, Default)]
pub(super) struct Early {
    chunks: VecDeque<Chunk>,
}

/// Chunks that wait; whoever floods with such data pushes out the oldest.
const MAX_EARLY: usize = 1_024;

impl Early {
    fn keep(&mut self, mut chunk: Chunk) {
        // A copy: the packet is a slice of a large batch, which must not live as long as the wait.
        chunk.data = Bytes::copy_from_slice(&chunk.data);
        if self.chunks.len() >= MAX_EARLY {
            self.chunks.pop_front();
        }
        self.chunks.push_back(chunk);
    }

    fn take(&mut self, flow: FlowId) -> VecDeque<Chunk> {
        let (taken, left) = self.chunks.drain(..).partition(|chunk| chunk.flow == flow);
        self.chunks = left;
        taken
    }
}

/// How a connection is known when it is first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) id: FlowId,
    pub(super) tuple: FiveTuple,
    pub(super) role: Role,
    pub(super) local: bool,
    pub(super) joined_late: bool,
    pub(super) now: Timestamp,
}

impl Connection {
    /// One that is seen for the first time.
    pub(super) fn new(beginning: Beginning) -> Self {
        let Beginning {
            id,
            tuple,
            role,
            local,
            joined_late,
            now,
        } = beginning;
        Self {
            id,
            tuple,
            role,
            local,
            opened: now,
            latest: now,
            joined_late,
            established: joined_late,
            sent: Half::default(),
            received: Half::default(),
            fin_local_first: false,
            reset: None,
            error: 0,
            told: false,
            told_at: now,
            told_bytes: 0,
            ended: None,
            rival: None,
            has_early: false,
            due: now,
        }
    }

    /// Notes that a SYN passed before.
    pub(super) fn opened_by(&mut self, (direction, isn, at): (Direction, u32, Timestamp)) {
        let half = self.half(direction);
        half.seen = true;
        half.packets += 1;
        half.open(isn, at);
        self.opened = at;
    }

    /// Takes a segment.
    pub(super) fn segment(
        &mut self,
        now: Timestamp,
        direction: Direction,
        segment: &Segment<'_>,
        base: &Bytes,
        early: &mut Early,
        out: &mut Events,
    ) -> Step {
        if self.ended.is_some() {
            return self.after_end(direction, segment);
        }
        let was_established = self.established;
        let step = if segment.rst {
            self.rst(now, direction, segment)
        } else if segment.syn {
            self.syn(now, direction, segment)
        } else {
            self.ordinary(now, direction, segment)
        };
        match step {
            Step::Taken => {}
            Step::Another(_) | Step::Stray | Step::OutOfWindow => return step,
        }
        self.latest = now;
        let half = self.half(direction);
        half.seen = true;
        half.packets += 1;
        if !self.told && (self.established || self.role == Role::Active) {
            self.told = true;
            let cause = if self.joined_late {
                FlowCause::Found
            } else {
                FlowCause::Open
            };
            out.push((now, Event::Flow(Box::new(self.snapshot(cause, now)))));
        } else if self.told && self.established && !was_established && self.role == Role::Active {
            out.push((now, Event::Flow(Box::new(self.snapshot(FlowCause::Established, now)))));
        }
        self.settle_early(now, early, out);
        if segment.rst {
            self.end(now, out);
            return step;
        }
        let first = segment.seq.wrapping_add(u32::from(segment.syn));
        let mut in_window = true;
        if segment.len > 0 && !self.half(direction).is_keep_alive(first, segment.len) {
            in_window = self.payload(now, direction, (first, segment), base, early, out);
        }
        if segment.fin && self.half(direction).finish(first.wrapping_add(segment.len), now) {
            self.fin_local_first |= direction == Direction::Sent && self.received.fin.is_none();
        }
        if self.sent.is_finished() && self.received.is_finished() {
            self.end(now, out);
        } else {
            self.progress(now, out);
        }
        if in_window { Step::Taken } else { Step::OutOfWindow }
    }

    /// When nothing more is waited for, if nothing more comes.
    pub(super) fn deadline(&self) -> Timestamp {
        if let Some(ended) = self.ended {
            return ended + REMEMBERED;
        }
        self.latest
            + match (self.sent.fin, self.received.fin) {
                (Some(_), Some(_)) => LAST_PACKETS,
                (None, None) if self.established => IDLE,
                (Some(_) | None, Some(_) | None) => TRANSITORY,
            }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// It has been silent until its deadline, or another has taken its place.
    pub(super) fn give_up(&mut self, now: Timestamp, out: &mut Events) {
        if self.ended.is_none() {
            if self.sent.fin.is_none() && self.received.fin.is_none() {
                self.error = TIMED_OUT;
            }
            self.end(now, out);
        }
    }

    /// The input is over: the engine is to know the last counts.
    pub(super) fn take_stock(&self, now: Timestamp, out: &mut Events) {
        if self.told && self.ended.is_none() {
            out.push((now, Event::Flow(Box::new(self.snapshot(FlowCause::Found, now)))));
        }
    }

    fn half(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }

    fn syn(&mut self, now: Timestamp, direction: Direction, segment: &Segment<'_>) -> Step {
        let seq = segment.seq;
        let (established, rival) = (self.established, self.rival);
        let other = self.half(direction.reverse()).isn;
        let half = self.half(direction);
        if half.isn == Some(seq) {
            half.open_again();
            return Step::Taken;
        }
        let opens = half.isn.is_none() && !half.seen && !established;
        let Some(ack) = segment.ack else {
            // The first, or that of two which open at once (RFC 9293 figure 7).
            if opens {
                self.half(direction).open(seq, now);
                return Step::Taken;
            }
            self.rival = Some((direction, seq, now));
            return Step::Stray;
        };
        if let Some(rival) = rival
            && rival.0 == direction.reverse()
            && ack == rival.1.wrapping_add(1)
        {
            return Step::Another(Some(rival));
        }
        let answers = other.is_none_or(|isn| ack == isn.wrapping_add(1));
        if !opens || !answers {
            return Step::OutOfWindow;
        }
        self.half(direction).open(seq, now);
        self.half(direction.reverse()).confirm(ack, now);
        Step::Taken
    }

    fn rst(&mut self, now: Timestamp, direction: Direction, segment: &Segment<'_>) -> Step {
        let other = self.half(direction.reverse()).isn;
        let half = self.half(direction);
        let refuses = |isn: u32| segment.ack == Some(isn.wrapping_add(1));
        // Before the handshake is through, it is what it confirms that counts (RFC 9293 section 3.10.7.3).
        let valid = half.may_reset(segment.seq) || (!half.seen && other.is_some_and(refuses));
        if !valid {
            return Step::OutOfWindow;
        }
        if let Some(ack) = segment.ack.filter(|_| self.established) {
            self.half(direction.reverse()).confirm(ack, now);
        }
        self.reset = Some(direction);
        if direction == Direction::Received {
            self.error = if self.established { RESET } else { REFUSED };
        }
        Step::Taken
    }

    fn ordinary(&mut self, now: Timestamp, direction: Direction, segment: &Segment<'_>) -> Step {
        if let Some(rival) = self.rival
            && rival.0 == direction
            && segment.ack.is_some()
            && segment.seq == rival.1.wrapping_add(1)
        {
            // Of the answer nothing was captured.
            return Step::Another(Some(rival));
        }
        self.half(direction).begin(segment.seq);
        if let Some(ack) = segment.ack {
            self.half(direction.reverse()).confirm(ack, now);
            self.established = true;
        }
        Step::Taken
    }

    fn after_end(&mut self, direction: Direction, segment: &Segment<'_>) -> Step {
        let half = self.half(direction);
        if segment.syn {
            let repeats = half.isn == Some(segment.seq);
            return if repeats { Step::Stray } else { Step::Another(None) };
        }
        let is_new = segment.len > 0 && half.payload_is_new(segment.seq, segment.len);
        if is_new && !segment.rst && self.reset == Some(direction) {
            // Whoever resets a connection says nothing more on it: the reset was not its own.
            return Step::Another(None);
        }
        Step::Stray
    }

    fn payload(
        &mut self,
        now: Timestamp,
        direction: Direction,
        (seq, segment): (u32, &Segment<'_>),
        base: &Bytes,
        early: &mut Early,
        out: &mut Events,
    ) -> bool {
        let peer = self.half(direction.reverse());
        let (max_end, last) = (peer.max_end, peer.last);
        let Some(place) = self.half(direction).payload(seq, segment.len, now, max_end) else {
            return false;
        };
        let chunk = Chunk {
            flow: self.id,
            time: now,
            direction,
            seq,
            segment_len: segment.len,
            turn: place.turn,
            data: base.slice_ref(segment.payload),
            peer_end: last.map(|last| (max_end, last)),
            flags: place.flags,
        };
        if self.told && self.established {
            out.push((now, Event::Chunk(chunk)));
        } else {
            early.keep(chunk);
            self.has_early = true;
        }
        true
    }

    /// What came with a SYN is read if the other end took it, as with TCP Fast Open (RFC 7413 section 2). Else it comes
    /// again.
    fn settle_early(&mut self, now: Timestamp, early: &mut Early, out: &mut Events) {
        if !self.told || !std::mem::take(&mut self.has_early) {
            return;
        }
        for chunk in early.take(self.id) {
            let end = chunk.seq.wrapping_add(chunk.segment_len);
            match self.half(chunk.direction).acked {
                None => {
                    early.keep(chunk);
                    self.has_early = true;
                }
                Some(acked) if signed(acked, end) >= 0 => out.push((now, Event::Chunk(chunk))),
                Some(_) => {}
            }
        }
    }

    fn progress(&mut self, now: Timestamp, out: &mut Events) {
        let passed = now.since(self.told_at);
        if !self.told || passed < PROGRESS_EVERY {
            return;
        }
        let moved = self.sent.total + self.received.total - self.told_bytes;
        if moved >= PROGRESS_BYTES || (moved > 0 && passed >= WALK_EVERY) {
            self.told_at = now;
            self.told_bytes += moved;
            out.push((now, Event::Flow(Box::new(self.snapshot(FlowCause::Progress, now)))));
        }
    }

    fn end(&mut self, now: Timestamp, out: &mut Events) {
        self.ended = Some(now);
        if self.told {
            out.push((now, Event::Flow(Box::new(self.snapshot(FlowCause::Close, self.latest)))));
        }
    }

    fn snapshot(&self, cause: FlowCause, time: Timestamp) -> FlowSnapshot {
        let end = |half: &Half| half.last.map(|last| (half.max_end, last));
        FlowSnapshot {
            id: self.id,
            time,
            cause,
            tuple: Some(self.tuple),
            netns: 0,
            role: self.role,
            opened: self.opened,
            owner: None,
            owner_since: OwnerSince::default(),
            parent: None,
            counters: Counters {
                sent: self.sent.total,
                received: self.received.total,
                acked: self.sent.confirmed(),
                unread: 0,
                packets_sent: self.sent.packets,
                packets_received: self.received.packets,
                retransmits: self.sent.retransmits,
                rtt_us: self.sent.rtt_us.unwrap_or(0),
                sent_end: end(&self.sent),
                received_end: end(&self.received),
            },
            first_bytes: [&self.received, &self.sent].map(|half| half.isn.map(|isn| isn.wrapping_add(1))),
            flags: FlowFlags {
                joined_late: self.joined_late,
                fin_sent: self.sent.fin.is_some(),
                fin_received: self.received.fin.is_some(),
                fin_local_first: self.fin_local_first,
                rst_sent: self.reset == Some(Direction::Sent),
                rst_received: self.reset == Some(Direction::Received),
                established: self.established,
                opaque: false,
                truncated_duplex: false,
                over_budget: false,
                local_peer: self.local,
                nat: false,
            },
            tcp_state: self.state(),
            error: self.error,
            first_seqs: None,
            named: None,
        }
    }

    fn state(&self) -> u8 {
        match (self.ended, self.sent.fin, self.received.fin) {
            (Some(_), ..) => CLOSED,
            (None, Some(_), Some(_)) => LAST_ACK,
            (None, Some(_), None) => FIN_WAIT,
            (None, None, Some(_)) => CLOSE_WAIT,
            (None, None, None) if self.established => ESTABLISHED,
            (None, None, None) if self.role == Role::Active => SYN_SENT,
            (None, None, None) => SYN_RECV,
        }
    }
}
