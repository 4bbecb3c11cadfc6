//! One UDP flow: the datagrams between two ends.

use std::time::Duration;

use bytes::Bytes;

use super::Events;
use super::transport::UdpDatagram;
use crate::event::{
    Chunk, ChunkFlags, Counters, Direction, Event, FlowCause, FlowFlags, FlowId, FlowSnapshot, OwnerSince, Role,
};
use crate::flow::FiveTuple;
use crate::time::Timestamp;

/// A flow without a datagram for this long is over, as on a live host.
const IDLE: Duration = Duration::from_secs(30);
/// One that moves is told again this often, as by the sweep on a live host.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// DNS (RFC 1035 section 4.2).
pub(super) const DNS_PORT: u16 = 53;

/// Datagrams of a flow on another port that are looked at, in case it is DNS all the same.
const FIRST: u64 = 8;

/// One flow.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) id: FlowId,
    tuple: FiveTuple,
    role: Role,
    local: bool,
    opened: Timestamp,
    latest: Timestamp,
    told_at: Timestamp,
    counters: Counters,
    pub(super) due: Timestamp,
}

impl Datagrams {
    pub(super) fn new(id: FlowId, tuple: FiveTuple, role: Role, local: bool, now: Timestamp) -> Self {
        Self {
            id,
            tuple,
            role,
            local,
            opened: now,
            latest: now,
            told_at: now,
            counters: Counters::default(),
            due: now,
        }
    }

    /// Which end is told of as local.
    pub(super) fn tuple(&self) -> FiveTuple {
        self.tuple
    }

    /// Takes a datagram.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        direction: Direction,
        datagram: &UdpDatagram<'_>,
        base: &Bytes,
        out: &mut Events,
    ) {
        let counters = &mut self.counters;
        let first = counters.packets_sent + counters.packets_received == 0;
        let (bytes, packets, end) = match direction {
            Direction::Sent => (&mut counters.sent, &mut counters.packets_sent, &mut counters.sent_end),
            Direction::Received => (
                &mut counters.received,
                &mut counters.packets_received,
                &mut counters.received_end,
            ),
        };
        *bytes += u64::from(datagram.len);
        *packets += 1;
        *end = Some((0, now));
        self.latest = now;
        if first {
            out.push((now, Event::Flow(Box::new(self.snapshot(FlowCause::Open, now)))));
        } else if now.since(self.told_at) >= PROGRESS_EVERY {
            self.told_at = now;
            out.push((now, Event::Flow(Box::new(self.snapshot(FlowCause::Progress, now)))));
        }
        let by_port = [self.tuple.remote, self.tuple.local]
            .iter()
            .any(|end| end.port() == DNS_PORT);
        let packets = self.counters.packets_sent + self.counters.packets_received;
        if datagram.len > 0 && (by_port || packets <= FIRST) {
            out.push((
                now,
                Event::Chunk(self.chunk(now, direction, datagram.len, base.slice_ref(datagram.payload))),
            ));
        }
    }

    pub(super) fn deadline(&self) -> Timestamp {
        self.latest + IDLE
    }

    /// It has been silent until its deadline.
    pub(super) fn give_up(&self, now: Timestamp, out: &mut Events) {
        out.push((now, Event::Flow(Box::new(self.snapshot(FlowCause::Close, now)))));
    }

    /// The input is over: the engine is to know the last counts.
    pub(super) fn take_stock(&self, now: Timestamp, out: &mut Events) {
        out.push((now, Event::Flow(Box::new(self.snapshot(FlowCause::Found, now)))));
    }

    fn chunk(&self, now: Timestamp, direction: Direction, len: u32, data: Bytes) -> Chunk {
        Chunk {
            flow: self.id,
            time: now,
            direction,
            seq: 0,
            segment_len: len,
            turn: 0,
            data,
            peer_end: None,
            flags: ChunkFlags {
                datagram: true,
                ..ChunkFlags::default()
            },
        }
    }

    fn snapshot(&self, cause: FlowCause, time: Timestamp) -> FlowSnapshot {
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
            counters: self.counters,
            first_bytes: [None; 2],
            flags: FlowFlags {
                // Of an asker that would say: the other end tells of it.
                local_peer: self.local && self.role != Role::Active,
                ..FlowFlags::default()
            },
            tcp_state: 0,
            error: 0,
            first_seqs: None,
            named: None,
        }
    }
}
