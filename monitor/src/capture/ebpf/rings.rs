//! The two rings, read in batches and merged by time.
//!
//! A record may be read only when no earlier one can still come from the other ring: those stamped before the pass began
//! have been written by then (but for one that an interrupt held up between its stamp and its place in the ring, which
//! comes a little out of order), later ones wait for the next pass.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use bytes::{Bytes, BytesMut};

use super::Drained;
use crate::event::Event;
use crate::event::decode::{self, Clock};
use crate::time::Timestamp;

/// Records read from a ring in one pass: bounds the time until queries are answered.
const BATCH: usize = 4_096;
/// Payload is copied out of the ring into blocks of this size: one allocation for many chunks, and a chunk that is
/// held keeps no more than this alive.
const BLOCK_BYTES: usize = 32 * 1024;

/// Both rings.
pub(super) struct Rings {
    lifecycle: Queue,
    payload: Queue,
    block: BytesMut,
    undecodable: u64,
}

struct Queue {
    ring: RingBuf<MapData>,
    waiting: VecDeque<(u64, Event)>,
}

impl Rings {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self> {
        let mut queue = |name: &str| -> Result<Queue> {
            let map = ebpf.take_map(name).with_context(|| format!("no map {name}"))?;
            Ok(Queue {
                ring: RingBuf::try_from(map)?,
                waiting: VecDeque::new(),
            })
        };
        Ok(Self {
            lifecycle: queue("LIFECYCLE")?,
            payload: queue("PAYLOAD")?,
            block: BytesMut::with_capacity(BLOCK_BYTES),
            undecodable: 0,
        })
    }

    /// Records that could not be read, since the start.
    pub(super) fn undecodable(&self) -> u64 {
        self.undecodable
    }

    pub(super) fn drain(&mut self, clock: Clock, now_ns: u64, each: &mut impl FnMut(Timestamp, Event)) -> Drained {
        // Payload first: whatever its flows were told of before is then in the other ring for certain.
        let payload_until = self.payload.read(clock, now_ns, &mut self.block, &mut self.undecodable);
        let lifecycle_until = self
            .lifecycle
            .read(clock, now_ns, &mut self.block, &mut self.undecodable);
        let until = payload_until.min(lifecycle_until);
        let mut events = 0;
        while let Some((stamp, event)) = next(&mut self.lifecycle.waiting, &mut self.payload.waiting, until) {
            each(clock.at(stamp), event);
            events += 1;
        }
        Drained {
            events,
            more: until < now_ns,
        }
    }
}

/// The earliest of both, if it is not after `until`; on a tie the life cycle's.
fn next(
    lifecycle: &mut VecDeque<(u64, Event)>,
    payload: &mut VecDeque<(u64, Event)>,
    until: u64,
) -> Option<(u64, Event)> {
    let first = |queue: &VecDeque<(u64, Event)>| queue.front().map_or(u64::MAX, |(stamp, _)| *stamp);
    let (a, b) = (first(lifecycle), first(payload));
    if a.min(b) > until {
        return None;
    }
    if a <= b {
        lifecycle.pop_front()
    } else {
        payload.pop_front()
    }
}

impl Queue {
    /// Reads up to a batch; returns the stamp up to which everything of this ring has been read.
    fn read(&mut self, clock: Clock, now_ns: u64, block: &mut BytesMut, undecodable: &mut u64) -> u64 {
        let mut last = 0;
        for _ in 0..BATCH {
            let Some(item) = self.ring.next() else { return now_ns };
            let stamp = decode::stamp(&item).unwrap_or(last);
            match decode::record(&item, clock, |payload| copy(block, payload)) {
                Ok(event) => {
                    self.waiting.push_back((stamp, event));
                    last = stamp;
                }
                Err(_) => *undecodable += 1,
            }
        }
        last
    }
}

fn copy(block: &mut BytesMut, payload: &[u8]) -> Bytes {
    if block.capacity() - block.len() < payload.len() {
        *block = BytesMut::with_capacity(BLOCK_BYTES.max(payload.len()));
    }
    block.extend_from_slice(payload);
    block.split().freeze()
}
