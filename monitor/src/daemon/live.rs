//! The engine and the capture of a real host behind the shell's seams, with the store beside them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tracing::warn;

use super::engine::Core;
use super::source::{Drained, Source};
use crate::alert::Alert;
use crate::allow::{AllowRule, Origin, RuleError};
use crate::baseline::budget::Allotment;
use crate::baseline::knowledge::{Knowledge, Sought};
use crate::baseline::merge::merge;
use crate::baseline::{Change, Row};
use crate::capture::ebpf::Capture;
use crate::capture::facility::{Facility, FacilityState};
use crate::config::{Changes, Config};
use crate::control::{Adopted, Listed, shape};
use crate::detectors::DetectorName;
use crate::enrich::reference::Reference;
use crate::event::{Command, Event};
use crate::expected::{EventError, ExpectedEvent};
use crate::files::{self, Watch};
use crate::incident::Incident;
use crate::pipeline::{Output, Pipeline};
use crate::record::{FlowRecord, StatsRecord};
use crate::store::{Store, Summary, Unsaved};
use crate::time::Timestamp;
use crate::views::{Rows, View};

/// How often a newer edition of the files that the configuration names is asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What was learned is written this often; a crash costs no more than this.
const SAVE_EVERY: Duration = Duration::from_mins(1);

/// The engine with its memory on disk.
#[derive(Debug)]
pub struct Kept {
    /// What holds.
    config: Config,
    pipeline: Pipeline,
    store: Store,
    /// What a full disk did not take.
    unsaved: Unsaved,
    save_due: Timestamp,
    files: Watch,
    look_due: Timestamp,
}

impl Kept {
    /// An engine that remembers what `store` holds. Gives what the user should be told beside.
    pub fn open(config: &Config, store: Store, key: [u8; 32], now: Timestamp) -> Result<(Self, Vec<Arc<str>>)> {
        let mut notices = Vec::new();
        let mut pipeline = Pipeline::new(config, key);
        pipeline.keep_views();
        // Watched before they are read, so that no edition is missed.
        let files = Watch::start(config).context("cannot start the thread that watches files")?;
        pipeline.refer(files::read(config)?);
        for doc in crate::detectors::DOCS {
            pipeline.import_baseline(doc.name, store.baseline(doc.name)?, now);
        }
        for rule in store.rules(&mut notices)? {
            if let Err(error) = pipeline.allow_add(now, rule, &mut Output::default()) {
                notices.push(format!("a stored allow rule is not used: {error}").into());
            }
        }
        for event in store.events(&mut notices)? {
            if let Err(error) = pipeline.expect_add(now, event, &mut Output::default()) {
                notices.push(format!("a stored expected event is not used: {error}").into());
            }
        }
        Ok((
            Self {
                config: config.clone(),
                pipeline,
                store,
                unsaved: Unsaved::default(),
                save_due: now + SAVE_EVERY,
                files,
                look_due: now + LOOK_EVERY,
            },
            notices,
        ))
    }

    fn save(&mut self) {
        if let Err(error) = self.try_save() {
            let lost = match self.unsaved.lost() {
                0 => "it is kept until it can be".to_owned(),
                lost => format!("{lost} changes are lost, the others are kept until they can be"),
            };
            warn!("what was learned could not be written: {error:#}; {lost}");
        }
    }

    fn try_save(&mut self) -> Result<()> {
        let mut changes = self.pipeline.export_baseline();
        if !self.unsaved.is_empty() {
            self.unsaved.add(changes);
            changes = self.unsaved.take();
        }
        let saved = self.store.save_baseline(&changes);
        if saved.is_err() {
            self.unsaved.add(changes);
        }
        saved
    }

    /// Gives the detectors back what the store holds of theirs.
    fn remember(&mut self, names: &[&str], now: Timestamp) -> Result<()> {
        for name in names {
            self.pipeline.import_baseline(name, self.store.baseline(name)?, now);
        }
        Ok(())
    }
}

impl Core for Kept {
    fn handle(&mut self, now: Timestamp, event: Event, out: &mut Output) {
        self.pipeline.handle(now, event, out);
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let own = self.save_due.min(self.look_due);
        Some(self.pipeline.poll_timeout().map_or(own, |due| due.min(own)))
    }

    fn handle_timeout(&mut self, now: Timestamp, out: &mut Output) {
        self.pipeline.handle_timeout(now, out);
        if self.save_due <= now {
            self.save_due = now + SAVE_EVERY;
            self.save();
        }
        if self.look_due <= now {
            self.look_due = now + LOOK_EVERY;
            if let Some(reference) = self.files.take() {
                self.pipeline.refer(reference);
            }
        }
    }

    fn finish(&mut self, now: Timestamp, out: &mut Output) {
        self.pipeline.finish(now, out);
        self.save();
    }

    fn stats(&self, now: Timestamp) -> StatsRecord {
        self.pipeline.stats(now)
    }

    fn allotments(&self) -> Vec<Allotment> {
        self.pipeline.allotments().to_vec()
    }

    fn flows(&self, now: Timestamp) -> Vec<Arc<FlowRecord>> {
        self.pipeline.flows(now)
    }

    fn view(&self, now: Timestamp, view: View) -> Option<Rows> {
        self.pipeline.view(now, view)
    }

    fn open_alerts(&self) -> Vec<Arc<Alert>> {
        self.pipeline.open_alerts().cloned().collect()
    }

    fn incidents(&self) -> Vec<Arc<Incident>> {
        self.pipeline.incidents().collect()
    }

    fn allow_list(&self) -> Vec<(String, Origin, AllowRule)> {
        self.pipeline
            .allow_list()
            .map(|(id, origin, rule)| (id.to_owned(), origin, rule.clone()))
            .collect()
    }

    fn allow_add(&mut self, now: Timestamp, rule: AllowRule, out: &mut Output) -> Result<(String, usize), RuleError> {
        let (id, ended) = self.pipeline.allow_add(now, rule.clone(), out)?;
        if let Err(error) = self.store.save_rule(&rule) {
            warn!("an allow rule holds until the daemon stops, since it could not be written: {error:#}");
        }
        Ok((id, ended))
    }

    fn allow_remove(&mut self, id: &str) -> Result<AllowRule, RuleError> {
        let rule = self.pipeline.allow_remove(id)?;
        if let Err(error) = self.store.remove_rule(id) {
            warn!("an allow rule will be back at the next start, since its removal could not be written: {error:#}");
        }
        Ok(rule)
    }

    fn baselines(&mut self) -> Result<Vec<Summary>> {
        self.try_save()?;
        self.store.summaries()
    }

    fn baseline(&mut self, detector: DetectorName) -> Result<Vec<Row>> {
        self.try_save()?;
        self.store.baseline(detector.as_str())
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<(&'static str, Knowledge)> {
        self.pipeline.known(now, subject)
    }

    fn replace_baseline(&mut self, now: Timestamp, detector: DetectorName, rows: Vec<Row>) -> Result<()> {
        let name = detector.as_str();
        let changes = std::iter::once(Change::Clear).chain(rows.into_iter().map(Change::Put));
        self.try_save()?;
        self.store.save_baseline(&[(name, changes.collect())])?;
        self.pipeline.begin_anew(&self.config, &[name]);
        self.remember(&[name], now)
    }

    fn forget_baseline(
        &mut self,
        now: Timestamp,
        detector: Option<DetectorName>,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<usize> {
        self.try_save()?;
        let one = detector.map(DetectorName::as_str);
        let removed = self.store.forget_baseline(one, from, until)?;
        let names: Vec<&str> = match one {
            Some(name) => vec![name],
            None => crate::detectors::DOCS.iter().map(|doc| doc.name).collect(),
        };
        self.pipeline.begin_anew(&self.config, &names);
        self.remember(&names, now)?;
        Ok(removed)
    }

    fn merge_baseline(&mut self, now: Timestamp, detector: DetectorName, rows: Vec<Row>) -> Result<usize> {
        let merged = merge(self.baseline(detector)?, rows);
        let count = merged.len();
        self.replace_baseline(now, detector, merged)?;
        Ok(count)
    }

    fn adopt(&mut self, now: Timestamp, from: Timestamp, until: Timestamp, out: &mut Output) -> Result<Adopted> {
        let (detectors, alerts) = self.pipeline.adopt(now, from, until, out);
        self.try_save()?;
        Ok(Adopted { detectors, alerts })
    }

    fn reload(&mut self, now: Timestamp, config: Config, reference: Reference, out: &mut Output) -> Result<Changes> {
        let changes = self.config.changes(&config);
        let config = self.config.after(config);
        // All that can fail comes first.
        let files = Watch::start(&config).context("cannot start the thread that watches files")?;
        if !changes.detectors.is_empty() {
            self.try_save()
                .context("what was learned could not be written, and would be lost")?;
        }
        self.pipeline.reconfigure(now, &config, &changes, out);
        self.remember(&changes.detectors, now)?;
        self.pipeline.refer(reference);
        self.files = files;
        self.config = config;
        Ok(changes)
    }

    fn expect_list(&self) -> Vec<Listed> {
        let listed = |(id, origin, event, covered): (&str, Origin, &ExpectedEvent, u64)| Listed {
            id: id.to_owned(),
            origin,
            event: event.clone(),
            covered,
        };
        self.pipeline.expected_list().map(listed).collect()
    }

    fn expect_add(
        &mut self,
        now: Timestamp,
        event: ExpectedEvent,
        out: &mut Output,
    ) -> Result<(String, usize), EventError> {
        let (id, ended) = self.pipeline.expect_add(now, event.clone(), out)?;
        if let Err(error) = self.store.save_event(&event) {
            warn!("an expected event holds until the daemon stops, since it could not be written: {error:#}");
        }
        Ok((id, ended))
    }

    fn expect_remove(&mut self, id: &str) -> Result<ExpectedEvent, EventError> {
        let event = self.pipeline.expect_remove(id)?;
        if let Err(error) = self.store.remove_event(id) {
            warn!(
                "an expected event will be back at the next start, since its removal could not be written: {error:#}"
            );
        }
        Ok(event)
    }
}

impl Source for Capture {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn drain(&mut self, each: impl FnMut(Timestamp, Event)) -> Result<Drained> {
        let drained = Self::drain(self, each)?;
        Ok(Drained {
            events: drained.events,
            more: drained.more,
        })
    }

    fn take_stock(&mut self) {
        Self::take_stock(self);
    }

    fn apply(&mut self, commands: &[Command]) {
        Self::apply(self, commands);
    }

    fn leave_out(&mut self, share: u32) {
        Self::leave_out(self, share);
    }

    fn report(&self) -> Vec<shape::Facility<'static>> {
        self.facilities().iter().map(facility_shape).collect()
    }
}

/// A facility as the control socket tells it.
pub fn facility_shape(facility: &Facility) -> shape::Facility<'static> {
    let (state, lost, mend) = match &facility.state {
        FacilityState::Ok => (shape::FacilityState::Ok, None, None),
        FacilityState::Degraded { lost, mend } => (shape::FacilityState::Degraded, Some(lost), Some(mend)),
        FacilityState::Missing { mend } => (shape::FacilityState::Missing, None, Some(mend)),
    };
    shape::Facility {
        name: facility.name.into(),
        purpose: facility.purpose.into(),
        state,
        lost: lost.cloned().map(Into::into),
        mend: mend.cloned().map(Into::into),
        detail: Some(facility.detail.clone())
            .filter(|detail| !detail.is_empty())
            .map(Into::into),
    }
}
