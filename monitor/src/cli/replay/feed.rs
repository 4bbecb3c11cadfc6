//! What other commands than `replay` read: captures, or lines that were recorded.

use std::collections::VecDeque;
use std::io::{Cursor, Read};
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use super::progress::Progress;
use super::{explain, hosts, name, one_stdin, open, whole};
use crate::capture::pcap::{Merge, Reader};
use crate::capture::recorded::Lines;
use crate::cli::failure::Failure;
use crate::event::Event;
use crate::packet::{Packet, Tracker};
use crate::pipeline::{Output, Pipeline};
use crate::record::Body;
use crate::sinks::json::RecordType;
use crate::time::Timestamp;

type Input = Box<dyn Read>;

/// What is read, from its beginning.
pub(in crate::cli) struct Feed {
    files: Vec<PathBuf>,
    size: u64,
    source: Source,
    /// What comes before or later is passed over.
    within: Range<Timestamp>,
}

enum Source {
    Captures {
        ahead: VecDeque<Packet>,
        merge: Box<Merge<Input>>,
        tracker: Box<Tracker>,
    },
    Lines(Lines<Input>),
}

/// One thing that an engine takes in.
#[derive(Clone)]
pub(in crate::cli) enum Happening {
    /// What a packet told.
    Event(Event),
    /// What was recorded.
    Record(Body),
    /// Nothing but the time.
    Time,
}

impl Happening {
    /// Shows it to an engine.
    pub(in crate::cli) fn show(self, now: Timestamp, pipeline: &mut Pipeline, out: &mut Output) {
        match self {
            Self::Event(event) => pipeline.handle(now, event, out),
            Self::Record(record) => pipeline.retell(now, record, out),
            Self::Time => pipeline.handle_timeout(now, out),
        }
    }
}

impl Feed {
    /// Opens the files, all captures or all recorded lines. `said` and `configured` are the addresses of the host that was
    /// captured.
    pub(in crate::cli) fn open(files: &[PathBuf], said: &[IpAddr], configured: &[IpAddr]) -> Result<Self, Failure> {
        one_stdin(files)?;
        let mut size = 0;
        let (mut captures, mut lines) = (Vec::new(), Vec::new());
        for file in files {
            let (mut input, bytes) = open(file)?;
            size += bytes.unwrap_or(0);
            let mut first = [0];
            let read = input
                .read(&mut first)
                .with_context(|| format!("cannot read {}", name(file)))?;
            let is_line = read > 0 && first == *b"{";
            let input: Input = Box::new(Cursor::new(first[..read].to_vec()).chain(input));
            if is_line {
                lines.push(input);
            } else {
                captures.push(Reader::new(input).map_err(|error| explain(file, error))?);
            }
        }
        let source = match (captures.is_empty(), lines.is_empty()) {
            (_, true) => {
                let mut merge = Box::new(Merge::new(captures));
                let (hosts, ahead) = hosts::choose(said, configured, &mut merge);
                Source::Captures {
                    ahead,
                    merge,
                    tracker: Box::new(Tracker::new(hosts)),
                }
            }
            (true, false) => Source::Lines(Lines::new(lines)),
            (false, false) => {
                return Err(Failure::Failed(anyhow!(
                    "captures and recorded lines are read apart: name files of one kind"
                )));
            }
        };
        Ok(Self {
            files: files.to_vec(),
            size,
            source,
            within: Timestamp::ZERO..Timestamp::from_nanos(u64::MAX),
        })
    }

    /// Whether these are lines: what led to them is not in them.
    pub(in crate::cli) fn is_lines(&self) -> bool {
        match self.source {
            Source::Captures { .. } => false,
            Source::Lines(_) => true,
        }
    }

    /// When it begins.
    #[cfg(feature = "live")]
    pub(in crate::cli) fn start(&mut self) -> Timestamp {
        let start = match &mut self.source {
            Source::Captures { ahead, merge, .. } => {
                if ahead.is_empty() {
                    ahead.extend(merge.next());
                }
                ahead.front().map(|packet| packet.time)
            }
            Source::Lines(lines) => lines.peek(),
        };
        start.unwrap_or_default()
    }

    /// Gives only what was within this time.
    #[cfg(feature = "live")]
    pub(in crate::cli) fn only(&mut self, within: Range<Timestamp>) {
        self.within = within;
    }

    /// Gives all of it. The time of the last.
    pub(in crate::cli) fn each(&mut self, mut give: impl FnMut(Timestamp, Happening)) -> Timestamp {
        let mut progress = Progress::new(self.size);
        let (mut now, mut count) = (Timestamp::ZERO, 0u64);
        match &mut self.source {
            Source::Captures { ahead, merge, tracker } => {
                let mut events = Vec::new();
                while let Some(packet) = ahead.pop_front().or_else(|| merge.next()) {
                    if !self.within.contains(&packet.time) {
                        continue;
                    }
                    now = tracker.packet(&packet, &mut events);
                    for (time, event) in events.drain(..) {
                        give(time, Happening::Event(event));
                    }
                    count += 1;
                    if count.is_multiple_of(4_096) {
                        progress.at(merge.bytes_read(), count, "packets");
                    }
                }
                tracker.finish(&mut events);
                for (time, event) in events.drain(..) {
                    give(time, Happening::Event(event));
                }
            }
            Source::Lines(lines) => {
                while let Some((time, body)) = lines.next() {
                    if !self.within.contains(&time) {
                        continue;
                    }
                    now = time;
                    give(time, body.map_or(Happening::Time, Happening::Record));
                    count += 1;
                    if count.is_multiple_of(4_096) {
                        progress.at(lines.bytes_read(), count, "lines");
                    }
                }
            }
        }
        now
    }

    /// What detectors are shown and the lines have none of.
    pub(in crate::cli) fn missing(&self) -> Vec<RecordType> {
        match &self.source {
            Source::Captures { .. } => Vec::new(),
            Source::Lines(lines) => [RecordType::Http, RecordType::Flow, RecordType::Dns]
                .into_iter()
                .filter(|kind| !lines.counts().contains_key(kind))
                .collect(),
        }
    }

    /// Whether everything could be read.
    pub(in crate::cli) fn whole(&self) -> Result<(), Failure> {
        match &self.source {
            Source::Captures { merge, .. } => whole(&self.files, merge.damage()),
            Source::Lines(lines) => whole(&self.files, lines.damage()),
        }
    }
}
