//! By service: how much of its traffic was understood, and why not the rest. So that "no alert" means something.

use std::collections::hash_map::Entry;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::baseline::program::{Subject, UNKNOWN};
use crate::baseline::recent::Recent;
use crate::record::{CoverageReason, FlowDirection, FlowEvent, FlowRecord};
use crate::time::Timestamp;

/// Services kept; some 500 kB.
const MOST: usize = 4_096;

/// A program in one of its roles.
#[derive(Clone, Debug)]
pub struct Service {
    /// The program, with its container: [`UNKNOWN`] where that is not known.
    pub program: Arc<str>,
    /// Which way its connections were opened; absent where that is not known.
    pub direction: Option<FlowDirection>,
    /// Port on which it is asked; absent for what it asks itself.
    pub port: Option<u16>,
    /// Connections, those that live too.
    pub connections: u64,
    /// Payload bytes that the kernel counted.
    pub counted: u64,
    /// Bytes of messages that were read.
    pub understood: u64,
    /// Bytes that were not, by the reason of their connection.
    pub missed: [u64; CoverageReason::ALL.len()],
}

/// What a row shows of a service: program, direction and port.
type Shown = (Arc<str>, Option<FlowDirection>, Option<u16>);

/// All of them: connections that have ended.
#[derive(Debug)]
pub(super) struct Services(Recent<u64, Service>);

impl Default for Services {
    fn default() -> Self {
        Self(Recent::new(MOST, Duration::MAX))
    }
}

impl Services {
    pub(super) fn see(&mut self, now: Timestamp, record: &FlowRecord) {
        if record.event == FlowEvent::Close {
            let known = self.0.see_or_make(
                now,
                &key(record),
                || Service::of(record),
                // What carries most tells most.
                |known| known.counted,
            );
            known.add(record);
        }
    }

    /// With connections that live.
    pub(super) fn rows<'a>(&self, live: impl IntoIterator<Item = &'a FlowRecord>) -> Vec<Service> {
        // By what a row shows: an executable's versions, whose paths differ, are one program.
        let mut rows: FxHashMap<Shown, Service> = FxHashMap::default();
        let live = live.into_iter().map(|record| {
            let mut service = Service::of(record);
            service.add(record);
            service
        });
        for service in self.0.iter().map(|(_, row)| row.clone()).chain(live) {
            let shown = (Arc::clone(&service.program), service.direction, service.port);
            match rows.entry(shown) {
                Entry::Vacant(new) => {
                    new.insert(service);
                }
                Entry::Occupied(mut known) => known.get_mut().join(&service),
            }
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        rows.sort_by(|a, b| {
            let by_name = || (&a.program, a.port).cmp(&(&b.program, b.port));
            b.counted.cmp(&a.counted).then_with(by_name)
        });
        rows
    }

    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}

impl Service {
    fn join(&mut self, other: &Self) {
        self.connections += other.connections;
        self.counted = self.counted.saturating_add(other.counted);
        self.understood = self.understood.saturating_add(other.understood);
        for (missed, more) in self.missed.iter_mut().zip(other.missed) {
            *missed = missed.saturating_add(more);
        }
    }

    fn of(record: &FlowRecord) -> Self {
        let program = if record.process.is_some() {
            Subject::of(record.process.as_ref()).own
        } else {
            UNKNOWN.into()
        };
        Self {
            program,
            direction: record.direction,
            port: port(record),
            connections: 0,
            counted: 0,
            understood: 0,
            missed: Default::default(),
        }
    }

    fn add(&mut self, record: &FlowRecord) {
        let counted = record.counters.sent.saturating_add(record.counters.received);
        let understood = record.coverage.understood_bytes.min(counted);
        self.connections += 1;
        self.counted = self.counted.saturating_add(counted);
        self.understood = self.understood.saturating_add(understood);
        if let Some(reason) = record.coverage.reason {
            let missed = &mut self.missed[reason as usize];
            *missed = missed.saturating_add(counted - understood);
        }
    }
}

fn port(record: &FlowRecord) -> Option<u16> {
    match record.direction {
        Some(FlowDirection::Inbound | FlowDirection::Local) => record.tuple.map(|tuple| tuple.local.port()),
        Some(FlowDirection::Outbound) | None => None,
    }
}

/// Program, direction and port as a number: no text is made for a service that is known.
fn key(record: &FlowRecord) -> u64 {
    let process = record.process.as_ref();
    let program = process.and_then(|process| process.program.as_ref());
    FxBuildHasher.hash_one((
        program.map(|program| (&program.exe, &program.name)),
        process.and_then(|process| process.container.as_deref()),
        record.direction,
        port(record),
    ))
}
