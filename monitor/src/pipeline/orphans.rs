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
/// The socket follows within microseconds where it follows at all; a deferred accept waits no longer with data at hand.
const PATIENCE: Duration = Duration::from_secs(1);

type Key = (FiveTuple, u64);

/// The data that waits.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    waiting: FxHashMap<Key, Vec<Chunk>>,
    order: VecDeque<(Timestamp, Key)>,
}

impl Orphans {
    /// Keeps one; gives the number of chunks dropped for it.
    fn keep(&mut self, now: Timestamp, orphan: Orphan) -> u64 {
        let key = (orphan.tuple, orphan.netns);
        let chunks = self.waiting.entry(key).or_default();
        if chunks.is_empty() {
            self.order.push_back((now + PATIENCE, key));
        }
        if chunks.len() >= MAX_CHUNKS {
            return 1;
        }
        chunks.push(orphan.chunk);
        if self.order.len() > MAX_HANDSHAKES {
            self.drop_oldest()
        } else {
            0
        }
    }

    fn take(&mut self, tuple: FiveTuple, netns: u64) -> Vec<Chunk> {
        self.waiting.remove(&(tuple, netns)).unwrap_or_default()
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
        let oldest = self.order.pop_front().and_then(|(_, key)| self.waiting.remove(&key));
        oldest.map_or(0, |chunks| chunks.len() as u64)
    }
}

impl Pipeline {
    /// Takes payload in that came before its socket.
    pub(super) fn orphan(&mut self, orphan: Orphan, _out: &mut Output) {
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
