//! One output: an encoding at a place, with its own clock hand and its own tally.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{info, warn};

use super::json::{RecordSet, RecordType, write_record};
use super::place::{Place, Torn};
use super::terminal::Terminal;
use super::{OutputSpec, Where};
use crate::record::Record;
use crate::time::Timestamp;

/// Turns a record into whole lines.
pub trait Encode: Send {
    /// Appends the record's lines to `out`, or nothing. `time` stands in for the record's own.
    fn encode(&mut self, out: &mut Vec<u8>, record: &Record, time: Timestamp) -> Result<(), serde_json::Error>;
}

/// JSON, one object a line.
#[derive(Debug)]
pub struct JsonLines {
    /// `host` of every record.
    pub host: Option<Arc<str>>,
}

impl Encode for JsonLines {
    fn encode(&mut self, out: &mut Vec<u8>, record: &Record, time: Timestamp) -> Result<(), serde_json::Error> {
        write_record(out, record, time, self.host.as_deref())
    }
}

/// What became of the records of one output; shared with whoever asks.
#[derive(Debug, Default)]
pub struct Tally {
    written: AtomicU64,
    lost: AtomicU64,
    failing: AtomicBool,
}

impl Tally {
    /// Records in place.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Records that could not be written.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether the latest write failed.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

/// What others may know of an output.
#[derive(Clone, Debug)]
pub struct OutputView {
    /// Where it goes.
    pub place: Where,
    /// What goes there.
    pub types: RecordSet,
    /// What became of it.
    pub tally: Arc<Tally>,
}

/// What others may know of all outputs; those change when the configuration does.
#[derive(Clone, Debug, Default)]
pub struct OutputViews(Arc<Mutex<Arc<[OutputView]>>>);

impl OutputViews {
    /// Of these.
    pub fn new(outputs: &[Output]) -> Self {
        let views = Self::default();
        views.set(outputs);
        views
    }

    /// From now on of these.
    pub fn set(&self, outputs: &[Output]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = outputs.iter().map(Output::view).collect();
    }

    /// As they are.
    pub fn get(&self) -> Arc<[OutputView]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An open output.
pub struct Output {
    encoder: Box<dyn Encode>,
    place: Place,
    name: Where,
    types: RecordSet,
    /// Time of the latest record: an output's time never goes back.
    latest: Timestamp,
    tally: Arc<Tally>,
    buffer: Vec<u8>,
}

impl Output {
    /// Opens it. Standard output that is a terminal gets readable lines, anything else JSON lines.
    pub fn open(spec: &OutputSpec, default_types: RecordSet, host: Option<Arc<str>>) -> io::Result<Self> {
        let encoder: Box<dyn Encode> = match &spec.place {
            Where::Stdout if io::IsTerminal::is_terminal(&io::stdout()) => Box::new(Terminal::for_stdout()),
            Where::Stdout | Where::File(_) => Box::new(JsonLines { host }),
        };
        Ok(Self {
            encoder,
            place: Place::open(&spec.place)?,
            name: spec.place.clone(),
            types: spec.types.unwrap_or(default_types),
            latest: Timestamp::ZERO,
            tally: Arc::default(),
            buffer: Vec::new(),
        })
    }

    /// What others may know of it.
    pub fn view(&self) -> OutputView {
        OutputView {
            place: self.name.clone(),
            types: self.types,
            tally: Arc::clone(&self.tally),
        }
    }

    /// Writes those of `records` that go here, whole lines only. A failure is counted and warned of; only a reader that
    /// has closed standard output is the caller's affair.
    pub fn write(&mut self, records: &[Record]) -> Result<(), ClosedByReader> {
        self.buffer.clear();
        let (mut encoded, mut unencodable) = (0, 0);
        // Ends of the records in the buffer, so that a failure knows how many are in place.
        let mut ends = Vec::new();
        for record in records.iter().filter(|r| self.types.contains(RecordType::of(&r.body))) {
            let time = record.time.max(self.latest);
            match self.encoder.encode(&mut self.buffer, record, time) {
                Ok(()) => {
                    self.latest = time;
                    encoded += 1;
                    ends.push(self.buffer.len());
                }
                Err(error) => {
                    warn!("{}: a record could not be written as JSON: {error}", self.name);
                    unencodable += 1;
                }
            }
        }
        self.tally.lost.fetch_add(unencodable, Ordering::Relaxed);
        if encoded == 0 {
            return Ok(());
        }
        match self.place.append(&self.buffer) {
            Ok(()) => {
                self.tally.written.fetch_add(encoded, Ordering::Relaxed);
                if self.tally.failing.swap(false, Ordering::Relaxed) {
                    info!("{}: written again; {} records were lost", self.name, self.tally.lost());
                }
                Ok(())
            }
            Err(Torn { kept, error }) => {
                let written = ends.partition_point(|end| *end <= kept) as u64;
                self.tally.written.fetch_add(written, Ordering::Relaxed);
                self.tally.lost.fetch_add(encoded - written, Ordering::Relaxed);
                let first = !self.tally.failing.swap(true, Ordering::Relaxed);
                match self.name {
                    // Whoever read has seen enough; that is no fault to warn of.
                    Where::Stdout if error.kind() == io::ErrorKind::BrokenPipe => Err(ClosedByReader),
                    Where::Stdout | Where::File(_) if first => {
                        warn!(
                            "{}: cannot be written: {error}; records are lost until it can",
                            self.name
                        );
                        Ok(())
                    }
                    Where::Stdout | Where::File(_) => Ok(()),
                }
            }
        }
    }

    /// Opens a file anew.
    pub fn reopen(&mut self) {
        if let Err(error) = self.place.reopen() {
            warn!(
                "{}: cannot be opened again: {error}; records are lost until it can",
                self.name
            );
            self.tally.failing.store(true, Ordering::Relaxed);
        }
    }
}

/// Whoever read standard output has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedByReader;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::Body;
    use crate::sinks::json::examples::{self, START};

    fn open(path: &std::path::Path, types: &str) -> Output {
        let spec = OutputSpec {
            types: Some(types.parse().unwrap()),
            place: Where::File(path.to_owned()),
        };
        Output::open(&spec, RecordSet::DEFAULT, Some(Arc::from("api-1"))).unwrap()
    }

    fn stats(time: Timestamp) -> Record {
        Record {
            time,
            body: Body::Stats(examples::stats().into()),
        }
    }

    #[test]
    fn only_its_types_are_written_and_time_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let mut output = open(&path, "stats,alert");
        let later = START + Duration::from_secs(7);
        output.write(&[stats(later)]).unwrap();
        output.write(&examples::every()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(
            lines.iter().map(|l| l["type"].as_str().unwrap()).collect::<Vec<_>>(),
            ["stats", "alert", "alert", "stats", "stats"]
        );
        assert!(
            lines
                .iter()
                .all(|l| l["time"] == later.to_string() && l["host"] == "api-1")
        );
        assert_eq!(output.tally.written(), 5);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_what_follows_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("log");
        std::fs::create_dir(&sub).unwrap();
        let path = sub.join("out.jsonl");
        let mut output = open(&path, "stats");
        std::fs::remove_dir_all(&sub).unwrap();
        output.write(&[stats(START), stats(START)]).unwrap();
        assert_eq!((output.tally.written(), output.tally.lost()), (0, 2));
        assert!(output.tally.is_failing());

        std::fs::create_dir(&sub).unwrap();
        output.reopen();
        output.write(&[stats(START)]).unwrap();
        assert_eq!((output.tally.written(), output.tally.lost()), (1, 2));
        assert!(!output.tally.is_failing());
    }

    #[test]
    fn an_output_that_cannot_be_opened_is_told_at_the_start() {
        let spec = "/nonexistent/dir/out.jsonl".parse().unwrap();
        assert!(Output::open(&spec, RecordSet::DEFAULT, None).is_err());
    }
}
