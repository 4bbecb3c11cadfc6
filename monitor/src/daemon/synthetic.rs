//! A capture without a kernel, and a core that makes a transaction of each chunk: to test the shell around them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::bail;
use bytes::Bytes;

use super::{Core, Drained, Source};
use crate::alert::Alert;
use crate::allow::{AllowRule, Origin, RuleError, Rules};
use crate::baseline::Row;
use crate::baseline::budget::Allotment;
use crate::baseline::knowledge::{Knowledge, Sought, Value};
use crate::baseline::merge::merge;
use crate::config::{Changes, Config};
use crate::control::shape::Facility;
use crate::control::{Adopted, Listed};
use crate::detectors::DetectorName;
use crate::enrich::reference::Reference;
use crate::event::{Chunk, ChunkFlags, Command, Direction, Event};
use crate::expected::{EventError, ExpectedEvent};
use crate::incident::Incident;
use crate::pipeline::Output;
use crate::record::{Body, FlowRecord, Record, StatsRecord};
use crate::sinks::json::examples;
use crate::store::Summary;
use crate::time::Timestamp;
use crate::views::{Rows, View};

/// What the synthetic capture does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Events in each batch.
    pub(super) batch: usize,
    /// Whether there is always more.
    pub(super) endless: bool,
    /// Fails after so many batches.
    pub(super) fail_after: Option<usize>,
}

/// How often the synthetic core tells `stats`.
const STATS_EVERY: Duration = Duration::from_millis(20);

pub(super) struct SyntheticSource {
    load: Load,
    batches: usize,
}

impl SyntheticSource {
    pub(super) fn new(load: Load) -> Self {
        Self { load, batches: 0 }
    }
}

impl Source for SyntheticSource {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_nanos(u64::try_from(now.as_nanos()).unwrap())
    }

    fn drain(&mut self, mut each: impl FnMut(Timestamp, Event)) -> anyhow::Result<Drained> {
        self.batches += 1;
        if self.load.fail_after.is_some_and(|after| self.batches > after) {
            bail!("the ring is gone");
        }
        let now = self.now();
        for _ in 0..self.load.batch {
            each(now, chunk(now));
        }
        Ok(Drained {
            events: self.load.batch,
            more: self.load.endless,
        })
    }

    fn apply(&mut self, _: &[Command]) {}

    fn report(&self) -> Vec<Facility<'static>> {
        Vec::new()
    }
}

fn chunk(time: Timestamp) -> Event {
    Event::Chunk(Chunk {
        flow: examples::FLOW,
        time,
        direction: Direction::Received,
        seq: 0,
        segment_len: 5,
        turn: 1,
        data: Bytes::from_static(b"hello"),
        peer_end: None,
        flags: ChunkFlags::default(),
    })
}

#[derive(Default)]
pub(super) struct SyntheticCore {
    events: u64,
    stats_due: Option<Timestamp>,
    rules: Rules,
    baseline: BTreeMap<DetectorName, Vec<Row>>,
}

impl SyntheticCore {
    fn stats_record(&self) -> StatsRecord {
        StatsRecord {
            events_received: self.events,
            ..StatsRecord::default()
        }
    }
}

impl Core for SyntheticCore {
    fn handle(&mut self, now: Timestamp, event: Event, out: &mut Output) {
        if let Event::Chunk(_) = event {
            self.events += 1;
            let body = Body::Http(Arc::new(examples::http()));
            out.records.push(Record { time: now, body });
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.stats_due
    }

    fn handle_timeout(&mut self, now: Timestamp, out: &mut Output) {
        if self.stats_due.replace(now + STATS_EVERY).is_none() {
            return;
        }
        let body = Body::Stats(Arc::new(self.stats_record()));
        out.records.push(Record { time: now, body });
    }

    fn finish(&mut self, now: Timestamp, out: &mut Output) {
        let body = Body::Alert(Arc::new(examples::alert()));
        out.records.push(Record { time: now, body });
        let body = Body::Stats(Arc::new(self.stats_record()));
        out.records.push(Record { time: now, body });
    }

    fn stats(&self, _: Timestamp) -> StatsRecord {
        self.stats_record()
    }

    fn allotments(&self) -> Vec<Allotment> {
        Vec::new()
    }

    fn flows(&self, _: Timestamp) -> Vec<Arc<FlowRecord>> {
        vec![Arc::new(examples::flow())]
    }

    fn view(&self, _: Timestamp, _: View) -> Option<Rows> {
        None
    }

    fn open_alerts(&self) -> Vec<Arc<Alert>> {
        vec![Arc::new(examples::alert())]
    }

    fn incidents(&self) -> Vec<Arc<Incident>> {
        vec![Arc::new(examples::incident())]
    }

    fn allow_list(&self) -> Vec<(String, Origin, AllowRule)> {
        self.rules
            .list()
            .map(|(id, origin, rule)| (id.to_owned(), origin, rule.clone()))
            .collect()
    }

    fn allow_add(&mut self, _: Timestamp, rule: AllowRule, _: &mut Output) -> Result<(String, usize), RuleError> {
        self.rules.add(rule).map(|id| (id, 0))
    }

    fn allow_remove(&mut self, id: &str) -> Result<AllowRule, RuleError> {
        self.rules.remove(id)
    }

    fn baselines(&mut self) -> anyhow::Result<Vec<Summary>> {
        Ok(self
            .baseline
            .iter()
            .map(|(detector, rows)| Summary {
                detector: detector.as_str().to_owned(),
                subjects: 1,
                rows: rows.len() as u64,
                first: Timestamp::ZERO,
                last: Timestamp::ZERO,
            })
            .collect())
    }

    fn baseline(&mut self, detector: DetectorName) -> anyhow::Result<Vec<Row>> {
        Ok(self.baseline.get(&detector).cloned().unwrap_or_default())
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<(&'static str, Knowledge)> {
        let is_learned = subject.is("GET /learned");
        let known = Knowledge::since(now, false).and("requests", Value::Number(7.0));
        is_learned.then_some(("request_rate", known)).into_iter().collect()
    }

    fn replace_baseline(&mut self, _: Timestamp, detector: DetectorName, rows: Vec<Row>) -> anyhow::Result<()> {
        self.baseline.insert(detector, rows);
        Ok(())
    }

    fn merge_baseline(&mut self, now: Timestamp, detector: DetectorName, rows: Vec<Row>) -> anyhow::Result<usize> {
        let merged = merge(self.baseline(detector)?, rows);
        let count = merged.len();
        self.replace_baseline(now, detector, merged)?;
        Ok(count)
    }

    fn adopt(&mut self, _: Timestamp, _: Timestamp, _: Timestamp, _: &mut Output) -> anyhow::Result<Adopted> {
        Ok(Adopted::default())
    }

    fn forget_baseline(
        &mut self,
        _: Timestamp,
        detector: Option<DetectorName>,
        _: Option<Timestamp>,
        _: Option<Timestamp>,
    ) -> anyhow::Result<usize> {
        let forgotten = detector.and_then(|detector| self.baseline.remove(&detector));
        Ok(forgotten.map_or(0, |rows| rows.len()))
    }

    fn reload(&mut self, _: Timestamp, config: Config, _: Reference, _: &mut Output) -> anyhow::Result<Changes> {
        self.rules.set_config(&config);
        Ok(Config::default().changes(&config))
    }

    fn expect_list(&self) -> Vec<Listed> {
        let listed = |(id, origin, event): (&str, Origin, &ExpectedEvent)| Listed {
            id: id.to_owned(),
            origin,
            event: event.clone(),
            covered: 0,
        };
        self.rules.expected.list().map(listed).collect()
    }

    fn expect_add(
        &mut self,
        _: Timestamp,
        event: ExpectedEvent,
        _: &mut Output,
    ) -> Result<(String, usize), EventError> {
        self.rules.expected.add(event).map(|id| (id, 0))
    }

    fn expect_remove(&mut self, id: &str) -> Result<ExpectedEvent, EventError> {
        self.rules.expected.remove(id)
    }
}
