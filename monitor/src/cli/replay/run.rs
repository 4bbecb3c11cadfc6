//! From the first packet to the last record.

use std::collections::VecDeque;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};

use super::hosts;
use super::progress::Progress;
use crate::capture::pcap::Merge;
use crate::config::Config;
use crate::packet::{Packet, Tracker};
use crate::pipeline::{Output as Step, Pipeline};
use crate::record::Record;
use crate::sinks::json::{RecordSet, RecordType};
use crate::sinks::{ClosedByReader, Output, OutputSpec};
use crate::time::Timestamp;

/// What fingerprints are made with unless another key is given: the same everywhere, so that the same capture gives the
/// same records. It hides nothing from somebody who can guess a secret.
const PUBLIC_KEY: [u8; 32] = *b"monitor replay: a public key 001";
/// Records that are written at a time.
const BATCH: usize = 512;

/// What was asked for.
pub(super) struct Run {
    pub(super) outputs: Vec<OutputSpec>,
    pub(super) records: RecordSet,
    pub(super) host_ips: Vec<IpAddr>,
    pub(super) key: Option<[u8; 32]>,
    pub(super) state: Option<PathBuf>,
    pub(super) size: u64,
}

impl Run {
    pub(super) fn run<R: Read>(self, config: &Config, merge: &mut Merge<R>) -> Result<()> {
        let host = config.host.name.as_deref();
        let mut sink = Sink::open(&self.outputs, self.records, host)?;
        let (hosts, packets) = hosts::choose(&self.host_ips, &config.host.addresses, merge);
        let first = packets.front().map(|packet| packet.time);
        let mut source = Packets { ahead: packets, merge };
        let start = first.or_else(|| source.peek()).unwrap_or_default();
        let (mut pipeline, state) = State::open(config, self.state.as_deref(), self.key, start)?;
        pipeline.tell_stats_at_the_end_only();
        pipeline.refer(crate::files::read(config)?);

        let mut tracker = Tracker::new(hosts);
        let mut progress = Progress::new(self.size);
        let (mut events, mut step) = (Vec::new(), Step::default());
        let (mut now, mut packets) = (Timestamp::ZERO, 0u64);
        while let Some(packet) = source.next() {
            now = tracker.packet(&packet, &mut events);
            for (time, event) in events.drain(..) {
                pipeline.handle(time, event, &mut step);
            }
            step.commands.clear();
            if step.records.len() >= BATCH && sink.write(&mut step.records)?.is_break() {
                return Ok(());
            }
            packets += 1;
            if packets.is_multiple_of(4_096) {
                progress.at(source.merge.bytes_read(), packets, "packets");
            }
        }
        drop(progress);
        tracker.finish(&mut events);
        for (time, event) in events.drain(..) {
            pipeline.handle(time, event, &mut step);
        }
        pipeline.finish(now, &mut step);
        let learning = pipeline.stats(now).learning;
        state.save(&mut pipeline)?;
        let _ = sink.write(&mut step.records)?;
        if learning > 0 {
            eprintln!(
                "monitor: {learning} subjects are still being learned ([learning] period): what is unusual for them is not \
                 told yet"
            );
        }
        Ok(())
    }
}

/// The packets that were looked at already, then the rest.
struct Packets<'a, R> {
    ahead: VecDeque<Packet>,
    merge: &'a mut Merge<R>,
}

impl<R: Read> Packets<'_, R> {
    fn next(&mut self) -> Option<Packet> {
        self.ahead.pop_front().or_else(|| self.merge.next())
    }

    /// Stamp of the first.
    fn peek(&mut self) -> Option<Timestamp> {
        let packet = self.merge.next()?;
        let time = packet.time;
        self.ahead.push_back(packet);
        Some(time)
    }
}

/// The outputs. Nothing is given up here: whoever reads slowly is waited for.
struct Sink {
    outputs: Vec<Output>,
    wanted: RecordSet,
}

impl Sink {
    fn open(specs: &[OutputSpec], records: RecordSet, host: Option<&str>) -> Result<Self> {
        let open = |spec: &OutputSpec| {
            Output::open(spec, records, host.map(Into::into))
                .with_context(|| format!("cannot open the output {}: name another with --output", spec.place))
        };
        let outputs = specs.iter().map(open).collect::<Result<Vec<_>>>()?;
        let wanted = outputs
            .iter()
            .fold(RecordSet::default(), |set, output| set.union(output.view().types));
        Ok(Self { outputs, wanted })
    }

    /// Writes the records and forgets them. Breaks when nobody reads any more.
    fn write(&mut self, records: &mut Vec<Record>) -> Result<std::ops::ControlFlow<()>> {
        records.retain(|record| self.wanted.contains(RecordType::of(&record.body)));
        if !records.is_empty() {
            self.outputs.retain_mut(|output| match output.write(records) {
                Ok(()) => true,
                Err(ClosedByReader) => false,
            });
            for output in &self.outputs {
                let view = output.view();
                if view.tally.is_failing() || view.tally.lost() > 0 {
                    return Err(anyhow!(
                        "{} cannot be written: see whether its disk is full",
                        view.place
                    ));
                }
            }
            records.clear();
        }
        Ok(if self.outputs.is_empty() {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        })
    }
}

/// What outlives a replay, where that was asked for.
struct State {
    #[cfg(feature = "live")]
    store: Option<crate::store::Store>,
}

#[cfg(feature = "live")]
impl State {
    fn open(
        config: &Config,
        directory: Option<&std::path::Path>,
        key: Option<[u8; 32]>,
        start: Timestamp,
    ) -> Result<(Pipeline, Self)> {
        let Some(directory) = directory else {
            return Ok((Pipeline::new(config, key_or_public(key)), Self { store: None }));
        };
        let opened = crate::store::Store::open(directory)?;
        let mut notices = opened.notices;
        let mut pipeline = Pipeline::new(config, key.unwrap_or(opened.key));
        for doc in crate::detectors::DOCS {
            pipeline.import_baseline(doc.name, opened.store.baseline(doc.name)?, start);
        }
        for rule in opened.store.rules(&mut notices)? {
            if let Err(error) = pipeline.allow_add(start, rule, &mut Step::default()) {
                notices.push(format!("a stored allow rule is not used: {error}").into());
            }
        }
        for event in opened.store.events(&mut notices)? {
            if let Err(error) = pipeline.expect_add(start, event, &mut Step::default()) {
                notices.push(format!("a stored expected event is not used: {error}").into());
            }
        }
        for notice in notices {
            eprintln!("monitor: {notice}");
        }
        Ok((
            pipeline,
            Self {
                store: Some(opened.store),
            },
        ))
    }

    fn save(mut self, pipeline: &mut Pipeline) -> Result<()> {
        match &mut self.store {
            None => Ok(()),
            Some(store) => store
                .save_baseline(&pipeline.export_baseline())
                .context("what was learned is not kept"),
        }
    }
}

#[cfg(not(feature = "live"))]
impl State {
    fn open(
        config: &Config,
        directory: Option<&std::path::Path>,
        key: Option<[u8; 32]>,
        _: Timestamp,
    ) -> Result<(Pipeline, Self)> {
        match directory {
            None => Ok((Pipeline::new(config, key_or_public(key)), Self {})),
            Some(_) => Err(anyhow!(
                "--state: this monitor was built to replay only, without the store; one with the feature `live` has it"
            )),
        }
    }

    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with a store")]
    fn save(self, _: &mut Pipeline) -> Result<()> {
        Ok(())
    }
}

pub(in crate::cli) fn key_or_public(key: Option<[u8; 32]>) -> [u8; 32] {
    key.unwrap_or_else(|| {
        eprintln!("monitor: fingerprints are made with a key that everybody knows; --identity-key names another");
        PUBLIC_KEY
    })
}
