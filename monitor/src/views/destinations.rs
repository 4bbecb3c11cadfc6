//! By program and destination: what left this host, and where to.

use std::sync::Arc;
use std::time::Duration;

use crate::baseline::program::Subject;
use crate::baseline::recent::Recent;
use crate::enrich::networks::Whereabouts;
use crate::observation::FlowObservation;
use crate::record::FlowEvent;
use crate::time::Timestamp;

/// Pairs of program and destination kept, some 5 MB.
const MOST: usize = 16_384;

/// What is known of a pair.
#[derive(Clone, Debug, Default)]
pub struct Destination {
    /// Flows, those that live too.
    pub flows: u64,
    /// Of which live.
    pub open: u64,
    /// Bytes that the program sent.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
    /// Where the latest flow went, as far as that is known.
    pub whereabouts: Option<Arc<Whereabouts>>,
    /// First and last seen.
    pub first_seen: Timestamp,
    /// See `first_seen`.
    pub last_seen: Timestamp,
}

/// Program, destination (name, else network) and port.
pub type Pair = (Arc<str>, Arc<str>, u16);

/// All of them: flows that have ended.
#[derive(Debug)]
pub(super) struct Destinations(Recent<Pair, Destination>);

impl Default for Destinations {
    fn default() -> Self {
        Self(Recent::new(MOST, Duration::MAX))
    }
}

impl Destinations {
    pub(super) fn see(&mut self, flow: &FlowObservation) {
        if flow.record.event != FlowEvent::Close {
            return;
        }
        if let Some(pair) = pair(flow) {
            let known = self
                .0
                .see_or_make(flow.time, &pair, Destination::default, |known| known.flows);
            known.add(flow);
        }
    }

    /// Those that have ended, and those that live.
    pub(super) fn rows(&self, live: &[FlowObservation]) -> Vec<(Pair, Destination)> {
        let mut rows: rustc_hash::FxHashMap<Pair, Destination> =
            self.0.iter().map(|(pair, row)| (pair.clone(), row.clone())).collect();
        for flow in live {
            if let Some(pair) = pair(flow) {
                let row = rows.entry(pair).or_default();
                row.add(flow);
                row.open += 1;
            }
        }
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by(|(a, x), (b, y)| y.sent.cmp(&x.sent).then_with(|| a.cmp(b)));
        rows
    }

    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}

impl Destination {
    fn add(&mut self, flow: &FlowObservation) {
        let record = &flow.record;
        if self.flows == 0 || record.start < self.first_seen {
            self.first_seen = record.start;
        }
        self.last_seen = self.last_seen.max(flow.time);
        self.flows += 1;
        self.sent += record.counters.sent;
        self.received += record.counters.received;
        if record.remote_whereabouts.is_some() {
            self.whereabouts.clone_from(&record.remote_whereabouts);
        }
    }
}

fn pair(flow: &FlowObservation) -> Option<Pair> {
    let destination = flow.destination.as_ref()?;
    let name = destination
        .name
        .clone()
        .unwrap_or_else(|| destination.network.to_string().into());
    Some((Subject::of(flow.record.process.as_ref()).own, name, destination.port))
}
