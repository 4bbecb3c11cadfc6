//! Payload that came before its socket existed: kept for the moment until the accepted socket is told of.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::{Output, Pipeline};
use crate::event::{Chunk, FlowId, Orphan, Role};
use crate::flow::FiveTuple;
use crate::time::Timestamp;

/// Handshakes that data waits for; an attacker may send data that no handshake follows.
const MAX_HANDSHAKES: usize = 4_096;
/// Chunks of one: a client repeats what is not acknowledged.
const MAX_CHUNKS: usize = 8;
/// Bytes of all: a request or two of each handshake, while an attacker's are many times as long.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The socket follows within microseconds where it follows at all; a deferred accept waits no longer with data at hand.
const PATIENCE: Duration = Duration::from_secs(1);

type Key = (FiveTuple, u64);

/// The data that waits.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    waiting: FxHashMap<Key, Waiting>,
    /// An entry whose data was taken is stale.
    order: VecDeque<(Timestamp, Key)>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    due: Timestamp,
    chunks: Vec<Chunk>,
}

impl Orphans {
    /// Keeps one; gives the number of chunks dropped for it.
    fn keep(&mut self, now: Timestamp, orphan: Orphan) -> u64 {
        let key = (orphan.tuple, orphan.netns);
        let due = now + PATIENCE;
        let order = &mut self.order;
        let waiting = self.waiting.entry(key).or_insert_with(|| {
            order.push_back((due, key));
            Waiting {
                due,
                chunks: Vec::new(),
            }
        });
        if waiting.chunks.len() >= MAX_CHUNKS {
            return 1;
        }
        self.bytes += orphan.chunk.data.len();
        waiting.chunks.push(orphan.chunk);
        let mut dropped = 0;
        while self.order.len() > MAX_HANDSHAKES || self.bytes > MAX_BYTES {
            dropped += self.drop_oldest();
        }
        dropped
    }

    /// What came for these ends. Data that met a request socket does not know its namespace: then it has 0.
    fn take(&mut self, tuple: FiveTuple, netns: u64) -> Vec<Chunk> {
        let found = self
            .waiting
            .remove(&(tuple, netns))
            .or_else(|| self.waiting.remove(&(tuple, 0)));
        let chunks = found.map(|waiting| waiting.chunks).unwrap_or_default();
        self.bytes -= bytes(&chunks);
        chunks
    }

    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.order.front().map(|(due, _)| *due)
    }

    /// Drops what nobody came for; gives the number of chunks.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) -> u64 {
        let mut dropped = 0;
        while self.order.front().is_some_and(|(due, _)| *due <= now) {
            dropped += self.drop_oldest();
        }
        dropped
    }

    fn drop_oldest(&mut self) -> u64 {
        let Some((due, key)) = self.order.pop_front() else {
            return 0;
        };
        if self.waiting.get(&key).is_none_or(|waiting| waiting.due != due) {
            return 0;
        }
        let chunks = self.waiting.remove(&key).map(|w| w.chunks).unwrap_or_default();
        self.bytes -= bytes(&chunks);
        chunks.len() as u64
    }
}

fn bytes(chunks: &[Chunk]) -> usize {
    chunks.iter().map(|chunk| chunk.data.len()).sum()
}

impl Pipeline {
    /// Takes payload in that came before its socket.
    pub(super) fn orphan(&mut self, orphan: Orphan) {
        self.counts.orphans_dropped += self.orphans.keep(self.now, orphan);
    }

    /// Gives a new flow what came before it.
    pub(super) fn adopt_orphans(&mut self, id: FlowId, out: &mut Output) {
        let Some(flow) = self
            .flows
            .get(id)
            .filter(|flow| flow.role == Role::Passive && !flow.told_open)
        else {
            return;
        };
        let Some(tuple) = flow.tuple else { return };
        for chunk in self.orphans.take(tuple, flow.netns) {
            let chunk = Chunk { flow: id, ..chunk };
            self.converse(id, out, |conversation, messages| conversation.chunk(chunk, messages));
        }
    }
}
