//! The requests behind flows: who asked for what, where the kernel recorded that a flow was opened while one was served.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::event::FlowId;
use crate::record::{FlowDirection, FlowEvent, FlowRecord, HttpRecord, HttpRole, ParentRef};
use crate::time::Timestamp;

/// Latest requests that are kept, each in the place that its numbers give: a flow is told 100 ms after it opened, in which a
/// busy host serves some hundred.
const RECENT: usize = 512;
/// Requests that are waited for.
const MOST_AWAITED: usize = 4_096;
/// How long. A request that takes longer is told without who asked.
const WAIT: Duration = Duration::from_hours(1);
/// Services whose coverage is kept.
const MOST_SERVICES: usize = 1_024;

/// A request, as a parent names it.
pub(super) type Asked = (FlowId, u32);

/// What is known of requests to this host.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Nothing is kept on a host where no flow has a parent (replayed captures know none).
    recent: Option<Box<[Option<Arc<HttpRecord>>; RECENT]>>,
    awaited: FxHashMap<Asked, Awaited>,
    /// By port: payload bytes that were understood, and counted.
    services: FxHashMap<u16, (u64, u64)>,
    pub(super) left_out: u64,
}

#[derive(Debug)]
struct Awaited {
    since: Timestamp,
    record: Option<Arc<HttpRecord>>,
    /// An alert has named it without knowing who asked.
    told: bool,
}

/// What names a parent.
pub(super) fn asked(parent: &ParentRef) -> Asked {
    (parent.flow, parent.turn)
}

impl Requests {
    /// A transaction is over. Whether an alert waits for it.
    #[inline]
    pub(super) fn see(&mut self, record: &Arc<HttpRecord>) -> bool {
        let Some(recent) = self.recent.as_deref_mut().filter(|_| record.role == HttpRole::Server) else {
            return false;
        };
        let key = (record.flow, record.turn);
        recent[place(key)] = Some(Arc::clone(record));
        if self.awaited.is_empty() {
            return false;
        }
        let Some(awaited) = self.awaited.get_mut(&key) else {
            return false;
        };
        awaited.record = Some(Arc::clone(record));
        awaited.told
    }

    /// A flow was opened while this one was served.
    pub(super) fn want(&mut self, now: Timestamp, parent: &ParentRef) {
        let key = asked(parent);
        let recent = self.recent.get_or_insert_with(|| Box::new([const { None }; RECENT]));
        let served = |record: &&Arc<HttpRecord>| (record.flow, record.turn) == key;
        let record = recent[place(key)].as_ref().filter(served).cloned();
        let is_full = self.awaited.len() >= MOST_AWAITED;
        match self.awaited.entry(key) {
            Entry::Occupied(_) => {}
            Entry::Vacant(_) if is_full => self.left_out += 1,
            Entry::Vacant(new) => {
                new.insert(Awaited {
                    since: now,
                    record,
                    told: false,
                });
            }
        }
    }

    /// The request, if it is over and was seen; it is about to be told of.
    pub(super) fn tell(&mut self, parent: &ParentRef) -> Option<Arc<HttpRecord>> {
        let awaited = self.awaited.get_mut(&asked(parent))?;
        awaited.told = awaited.record.is_none();
        awaited.record.clone()
    }

    /// A flow to this host: what was understood of the service.
    pub(super) fn see_flow(&mut self, record: &FlowRecord) {
        let Some(tuple) = record
            .tuple
            .filter(|_| record.direction == Some(FlowDirection::Inbound))
        else {
            return;
        };
        if record.event != FlowEvent::Close {
            return;
        }
        let port = tuple.local.port();
        if self.services.len() >= MOST_SERVICES && !self.services.contains_key(&port) {
            return;
        }
        let (understood, counted) = self.services.entry(port).or_default();
        *understood = understood.saturating_add(record.coverage.understood_bytes);
        *counted = counted
            .saturating_add(record.counters.sent)
            .saturating_add(record.counters.received);
    }

    /// Which share of what this service exchanged was understood.
    pub(super) fn coverage(&self, request: &HttpRecord) -> Option<f64> {
        let (understood, counted) = self.services.get(&request.server?.port())?;
        (*counted > 0).then(|| (*understood as f64 / *counted as f64).min(1.0))
    }

    /// Lets go of what took too long.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.awaited.retain(|_, awaited| awaited.since + WAIT > now);
    }
}

fn place((flow, turn): Asked) -> usize {
    let number = flow
        .cookie
        .wrapping_add(u64::from(turn))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (number >> 32) as usize % RECENT
}
