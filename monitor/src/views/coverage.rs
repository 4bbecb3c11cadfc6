//! By service: how much of its traffic was understood, and why not the rest. So that "no alert" means something, and an
//! alert says what it rests on.

use std::collections::hash_map::Entry;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::alert::Sample;
use crate::baseline::program::{Subject, UNKNOWN};
use crate::baseline::recent::Recent;
use crate::record::{CoverageReason, FlowDirection, FlowEvent, FlowRecord, HttpRole, ProcessRef};
use crate::time::Timestamp;

/// Services kept; some 500 kB.
const MOST: usize = 4_096;

/// A program in one of its roles.
#[derive(Clone, Debug, PartialEq, Eq)]
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
pub struct Services(Recent<u64, Service>);

impl Default for Services {
    fn default() -> Self {
        Self(Recent::new(MOST, Duration::MAX))
    }
}

impl Services {
    /// A flow is told.
    pub fn see(&mut self, now: Timestamp, record: &FlowRecord) {
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
    pub fn rows<'a>(&self, live: impl IntoIterator<Item = &'a FlowRecord>) -> Vec<Service> {
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

    /// Services given up to stay within bounds.
    pub fn evicted(&self) -> u64 {
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
        Self {
            program: program(record.process.as_ref()),
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

/// Which service a record of evidence is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    program: Arc<str>,
    /// Port on which it is asked; absent for what it asks itself.
    port: Option<u16>,
}

impl Which {
    /// That of a flow or transaction.
    pub fn of(sample: &Sample) -> Option<Self> {
        match sample {
            Sample::Flow(record) => Some(Self {
                program: program(record.process.as_ref()),
                port: port(record),
            }),
            Sample::Http(record) => Some(Self {
                program: program(record.process.as_ref()),
                port: match record.role {
                    HttpRole::Server => Some(record.server?.port()),
                    HttpRole::Client => None,
                },
            }),
            Sample::Dns(_) => None,
        }
    }

    /// It among all: asked from outside and from this host together. None where nothing was counted yet.
    pub fn find(&self, all: &[Service]) -> Option<Service> {
        let mine = all
            .iter()
            .filter(|row| row.program == self.program && row.port == self.port);
        let sum = mine.cloned().reduce(|mut sum, row| {
            // The one that carries most says which way.
            sum.join(&row);
            sum
        })?;
        (sum.counted > 0).then_some(sum)
    }
}

impl Service {
    /// Share of its bytes that was understood, 0 to 1.
    pub fn share(&self) -> f32 {
        (self.understood as f64 / self.counted.max(1) as f64) as f32
    }

    /// Bytes that were not understood, by reason, without those of none.
    pub fn missed(&self) -> impl Iterator<Item = (CoverageReason, u64)> {
        CoverageReason::ALL
            .into_iter()
            .zip(self.missed)
            .filter(|(_, bytes)| *bytes > 0)
    }
}

fn program(process: Option<&ProcessRef>) -> Arc<str> {
    if process.is_some() {
        Subject::of(process).own
    } else {
        UNKNOWN.into()
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
