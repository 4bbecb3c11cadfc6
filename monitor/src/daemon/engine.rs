//! The engine's thread: drains the source into the core, tells whoever wants to know, and answers questions between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use tracing::{info, warn};

use super::followers::Followers;
use super::governor::Governor;
use super::history::History;
use super::source::{Drained, Source};
use super::vitals;
use crate::alert::Alert;
use crate::allow::{AllowRule, Origin, RuleError};
use crate::baseline::Row;
use crate::baseline::budget::Allotment;
use crate::baseline::knowledge::{Knowledge, Sought};
use crate::config::{Changes, Config};
use crate::control::shape::CpuBudget;
use crate::control::{Adopted, Ask, Listed, Recent, StatusAnswer, Told};
use crate::detectors::DetectorName;
use crate::enrich::reference::Reference;
use crate::event::Event;
use crate::expected::{EventError, ExpectedEvent};
use crate::incident::Incident;
use crate::pipeline::Output;
use crate::record::{Body, FlowRecord, Record, StatsRecord};
use crate::sinks::json::{RecordSet, RecordType};
use crate::sinks::{Outbox, OutputViews};
use crate::store::Summary;
use crate::time::Timestamp;
use crate::views::{Rows, View};

/// Sleep after a drain that gave something: what comes meanwhile waits in the ring, and 200 wake-ups a second cost
/// under one percent of a core.
const BUSY_SLEEP: Duration = Duration::from_millis(5);
/// Longest sleep, after drains that gave nothing: how late the first event of a quiet host is seen.
const IDLE_SLEEP: Duration = Duration::from_millis(40);
/// How long the last drains may take when new events keep coming.
const LAST_DRAIN: Duration = Duration::from_secs(1);

/// The engine as the shell sees it; [`crate::pipeline`] says what each means.
pub trait Core {
    /// Takes an event in.
    fn handle(&mut self, now: Timestamp, event: Event, out: &mut Output);
    /// When [`Self::handle_timeout`] is wanted.
    fn poll_timeout(&self) -> Option<Timestamp>;
    /// Time has come to `now`.
    fn handle_timeout(&mut self, now: Timestamp, out: &mut Output);
    /// The input is over.
    fn finish(&mut self, now: Timestamp, out: &mut Output);
    /// What a `stats` record would say.
    fn stats(&self, now: Timestamp) -> StatsRecord;
    /// How the false-alarm budget is divided.
    fn allotments(&self) -> Vec<Allotment>;
    /// The flows that live, as an update would tell them.
    fn flows(&self, now: Timestamp) -> Vec<Arc<FlowRecord>>;
    /// The rows of a view.
    fn view(&self, now: Timestamp, view: View) -> Option<Rows>;
    /// The alerts that are open, as they stand.
    fn open_alerts(&self) -> Vec<Arc<Alert>>;
    /// The incidents that go on, as they stand.
    fn incidents(&self) -> Vec<Arc<Incident>>;
    /// The allow rules in force.
    fn allow_list(&self) -> Vec<(String, Origin, AllowRule)>;
    /// Adds a rule and ends the open alerts that it covers; gives its id and their number.
    fn allow_add(&mut self, now: Timestamp, rule: AllowRule, out: &mut Output) -> Result<(String, usize), RuleError>;
    /// Removes a rule that was added at run time.
    fn allow_remove(&mut self, id: &str) -> Result<AllowRule, RuleError>;
    /// What is kept of each detector's baseline.
    fn baselines(&mut self) -> Result<Vec<Summary>>;
    /// A detector's baseline.
    fn baseline(&mut self, detector: DetectorName) -> Result<Vec<Row>>;
    /// What detectors know of a subject.
    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<(&'static str, Knowledge)>;
    /// Gives a detector another baseline.
    fn replace_baseline(&mut self, now: Timestamp, detector: DetectorName, rows: Vec<Row>) -> Result<()>;
    /// Forgets what was first seen from `from` until before `until`; without either, all of it. Gives the number of rows.
    fn forget_baseline(
        &mut self,
        now: Timestamp,
        detector: Option<DetectorName>,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<usize>;
    /// Gives a detector what was learned elsewhere, beside what it has. Gives the number of rows that it has then.
    fn merge_baseline(&mut self, now: Timestamp, detector: DetectorName, rows: Vec<Row>) -> Result<usize>;
    /// All was well from `from` until before `until`: what detectors told of then is ordinary. Gives the number of such things
    /// by detector, and of open alerts that ended.
    fn adopt(&mut self, now: Timestamp, from: Timestamp, until: Timestamp, out: &mut Output) -> Result<Adopted>;
    /// Takes over another configuration, as far as it can while it runs. Says what is different.
    fn reload(&mut self, now: Timestamp, config: Config, reference: Reference, out: &mut Output) -> Result<Changes>;
    /// The events that are expected.
    fn expect_list(&self) -> Vec<Listed>;
    /// Adds an event and ends the open alerts that it covers; gives its id and their number.
    fn expect_add(
        &mut self,
        now: Timestamp,
        event: ExpectedEvent,
        out: &mut Output,
    ) -> Result<(String, usize), EventError>;
    /// Removes an event that was added at run time.
    fn expect_remove(&mut self, id: &str) -> Result<ExpectedEvent, EventError>;
}

/// Where the engine's thread tells what it made.
#[derive(Debug)]
pub(super) struct Ends {
    /// To the writer.
    pub(super) outbox: Outbox,
    /// Types that any output takes.
    pub(super) wanted: RecordSet,
    /// What became of the outputs, for `stats`.
    pub(super) outputs: OutputViews,
    /// Questions.
    pub(super) inbox: Receiver<Ask>,
    /// Set when it is to end.
    pub(super) stop: Arc<AtomicBool>,
    /// Percent of the host's CPU time that may be spent.
    pub(super) cpu_percent: f64,
}

/// Core, source and ends, on one thread.
pub(super) struct Engine<C, S> {
    core: C,
    source: S,
    ends: Ends,
    followers: Followers,
    history: History,
    governor: Governor,
    began: Instant,
    out: Output,
    /// Event time; never goes back.
    now: Timestamp,
}

impl<C: Core, S: Source> Engine<C, S> {
    pub(super) fn new(core: C, source: S, ends: Ends) -> Self {
        let now = source.now();
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            governor: Governor::new(ends.cpu_percent, cpus),
            began: Instant::now(),
            core,
            source,
            ends,
            followers: Followers::default(),
            history: History::default(),
            out: Output::default(),
            now,
        }
    }

    /// Runs until it is told to stop; then closes the books.
    pub(super) fn run(mut self) -> Result<()> {
        // On a host where nothing happens no event would start the core's clock.
        self.core.handle_timeout(self.now, &mut self.out);
        let mut sleep = BUSY_SLEEP;
        while !self.ends.stop.load(Ordering::Relaxed) {
            let drained = self.turn()?;
            sleep = match drained {
                Drained { more: true, .. } => Duration::ZERO,
                Drained { events: 1.., .. } => BUSY_SLEEP,
                Drained { .. } => (sleep * 2).clamp(BUSY_SLEEP, IDLE_SLEEP),
            };
            self.answer(sleep);
            self.govern();
        }
        self.source.take_stock();
        let until = Instant::now() + LAST_DRAIN;
        while self.turn()?.more && Instant::now() < until {}
        self.now = self.now.max(self.source.now());
        self.core.finish(self.now, &mut self.out);
        self.publish();
        Ok(())
    }

    /// One batch of events, and what is due.
    fn turn(&mut self) -> Result<Drained> {
        // Read before the drain: if that leaves nothing behind, no event before this moment is still to come, and
        // timeouts up to it may be told.
        let before = self.source.now();
        let (core, out) = (&mut self.core, &mut self.out);
        let mut latest = self.now;
        let drained = self
            .source
            .drain(|time, event| {
                latest = latest.max(time);
                core.handle(time, event, out);
            })
            .context("the capture failed")?;
        self.now = if drained.more { latest } else { latest.max(before) };
        if self.core.poll_timeout().is_some_and(|due| due <= self.now) {
            self.core.handle_timeout(self.now, &mut self.out);
        }
        self.publish();
        Ok(drained)
    }

    /// Reads less where the budget is used up, and more where it is not.
    fn govern(&mut self) {
        let read_all = self.governor.reads_all();
        let Some(verdict) = self.governor.step(self.began.elapsed(), vitals::cpu_time()) else {
            return;
        };
        self.source.leave_out(verdict.left_out);
        if read_all {
            warn!(
                "the CPU budget is used up ({:.1} times): of some connections nothing but bytes, ends and owners is told \
                 until it is not; `left_out.over_budget` counts their turns, `[budget] cpu_percent` moves the line",
                verdict.of_budget
            );
        } else if self.governor.reads_all() {
            info!("within the CPU budget: every connection is read again");
        }
    }

    /// Tells what the core gave.
    fn publish(&mut self) {
        if !self.out.commands.is_empty() {
            self.source.apply(&self.out.commands);
            self.out.commands.clear();
        }
        if self.out.records.is_empty() {
            return;
        }
        let mut records = std::mem::take(&mut self.out.records);
        for record in &mut records {
            if let Body::Stats(stats) = &mut record.body {
                self.add_own_figures(Arc::make_mut(stats));
            }
            self.history.keep(record);
            self.followers.tell(record);
        }
        records.retain(|record| self.ends.wanted.contains(RecordType::of(&record.body)));
        if records.is_empty() {
            // Room for the next batch.
            self.out.records = records;
        } else {
            self.ends.outbox.send(records);
        }
    }

    /// Answers what was asked; waits for questions for as long as there is nothing else to do.
    fn answer(&mut self, sleep: Duration) {
        let mut next = if sleep.is_zero() {
            self.ends.inbox.try_recv().ok()
        } else {
            match self.ends.inbox.recv_timeout(sleep) {
                Ok(ask) => Some(ask),
                Err(RecvTimeoutError::Timeout) => None,
                // Nobody can ask any more, which is no reason to spin.
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(sleep);
                    None
                }
            }
        };
        while let Some(ask) = next {
            self.answer_one(ask);
            next = self.ends.inbox.try_recv().ok();
        }
    }

    /// Who has stopped waiting gets no answer, which is nobody's fault: failures to reply are passed over.
    fn answer_one(&mut self, ask: Ask) {
        self.now = self.now.max(self.source.now());
        let now = self.now;
        match ask {
            Ask::Status(reply) => {
                let mut stats = self.core.stats(now);
                self.add_own_figures(&mut stats);
                let capture = self.source.report();
                let budget = self.core.allotments();
                let _ = reply.send(StatusAnswer {
                    now,
                    stats,
                    capture,
                    budget,
                    cpu_budget: CpuBudget {
                        percent: self.ends.cpu_percent,
                        read_percent: self.governor.read_percent(),
                    },
                    expected: self.core.expect_list(),
                });
            }
            Ask::Flows { follow, reply } => {
                let mut flows = self.core.flows(now);
                flows.sort_by_key(|flow| flow.start);
                let records = flows.into_iter().map(|flow| Record {
                    time: now,
                    body: Body::Flow(flow),
                });
                let _ = reply.send(Recent {
                    now,
                    records: records.collect(),
                    live: follow.then(|| self.followers.join(RecordType::Flow)),
                });
            }
            Ask::Recent { kind, follow, reply } => {
                let records = match kind {
                    RecordType::Http => self.history.requests(),
                    RecordType::Alert => self.alerts(),
                    RecordType::Incident => self.incidents(),
                    // Not kept.
                    RecordType::Flow | RecordType::Dns | RecordType::Tls | RecordType::File | RecordType::Stats => {
                        Vec::new()
                    }
                };
                let live = follow.then(|| self.followers.join(kind));
                let _ = reply.send(Recent { now, records, live });
            }
            Ask::View { view, reply } => {
                let _ = reply.send(self.core.view(now, view));
            }
            Ask::Alert { id, reply } => {
                let found = self.history.alert(&id, &self.core.open_alerts());
                let _ = reply.send((now, found));
            }
            Ask::Incident { id, reply } => {
                let _ = reply.send((now, self.told(&id)));
            }
            Ask::AllowList(reply) => {
                let _ = reply.send(self.core.allow_list());
            }
            Ask::AllowAdd { rule, reply } => {
                let added = self.core.allow_add(now, *rule, &mut self.out);
                self.publish();
                let _ = reply.send(added);
            }
            Ask::AllowRemove { id, reply } => {
                let _ = reply.send(self.core.allow_remove(&id));
            }
            Ask::BaselineSummaries(reply) => {
                let _ = reply.send(self.core.baselines().map_err(said));
            }
            Ask::Baseline { detector, reply } => {
                let _ = reply.send(self.core.baseline(detector).map_err(said));
            }
            Ask::Known { subject, reply } => {
                let _ = reply.send(self.core.known(now, &subject));
            }
            Ask::BaselineReplace { detector, rows, reply } => {
                let _ = reply.send(self.core.replace_baseline(now, detector, rows).map_err(said));
            }
            Ask::BaselineForget {
                detector,
                from,
                until,
                reply,
            } => {
                let _ = reply.send(self.core.forget_baseline(now, detector, from, until).map_err(said));
            }
            Ask::BaselineMerge { detector, rows, reply } => {
                let _ = reply.send(self.core.merge_baseline(now, detector, rows).map_err(said));
            }
            Ask::BaselineAdopt { from, until, reply } => {
                let adopted = self.core.adopt(now, from, until, &mut self.out);
                self.publish();
                let _ = reply.send(adopted.map_err(said));
            }
            Ask::Reload {
                config,
                reference,
                reply,
            } => {
                let changes = self.core.reload(now, *config, reference, &mut self.out);
                self.publish();
                let _ = reply.send(changes.map_err(said));
            }
            Ask::ExpectList(reply) => {
                let _ = reply.send(self.core.expect_list());
            }
            Ask::ExpectAdd { event, reply } => {
                let added = self.core.expect_add(now, *event, &mut self.out);
                self.publish();
                let _ = reply.send(added);
            }
            Ask::ExpectRemove { id, reply } => {
                let _ = reply.send(self.core.expect_remove(&id));
            }
        }
    }

    /// The resolved alerts as they were told, then the open ones as they stand.
    fn alerts(&self) -> Vec<Record> {
        let mut open = self.core.open_alerts();
        open.sort_by_key(|alert| alert.last_seen);
        let mut records = self.history.resolved();
        records.extend(open.into_iter().map(|alert| Record {
            time: self.now,
            body: Body::Alert(alert),
        }));
        records
    }

    /// The resolved incidents as they were told, then those that go on as they stand.
    fn incidents(&self) -> Vec<Record> {
        let mut open = self.core.incidents();
        open.sort_by_key(|incident| incident.last_seen);
        let mut records = self.history.ended();
        records.extend(open.into_iter().map(|incident| Record {
            time: self.now,
            body: Body::Incident(incident),
        }));
        records
    }

    fn told(&self, id: &str) -> Option<Told> {
        let incident = self.history.incident(id, &self.core.incidents())?;
        let resolved = self.history.resolved();
        let resolved = resolved.iter().filter_map(|record| match &record.body {
            Body::Alert(alert) => Some(Arc::clone(alert)),
            Body::Http(_) | Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Incident(_) | Body::Stats(_) => None,
        });
        let mut alerts: Vec<_> = self.core.open_alerts().into_iter().chain(resolved).collect();
        alerts.retain(|alert| incident.alerts.contains(&alert.id));
        alerts.sort_by_key(|alert| (alert.first_seen, Arc::clone(&alert.id)));
        Some(Told { incident, alerts })
    }

    fn add_own_figures(&self, stats: &mut StatsRecord) {
        stats.cpu_ms = Some(vitals::cpu_ms());
        stats.rss_bytes = vitals::rss_bytes();
        let unwritten = self.ends.outputs.get().iter().map(|output| output.tally.lost()).sum();
        stats.left_out.push(("history_full_second", self.history.passed_over()));
        stats.lost.push(("output_queue_full", self.ends.outbox.lost()));
        stats.lost.push(("output_unwritable", unwritten));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn said(error: anyhow::Error) -> String {
    format!("{error:#}")
}
