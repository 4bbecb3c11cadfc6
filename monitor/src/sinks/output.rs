//! One output: an encoding at a place, with its own clock hand and its own tally.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::json::{RecordSet, RecordType, write_record};
use super::place::{Place, Torn};
use super::terminal::Terminal;
use super::{OutputSpec, Where};
use crate::record::{Body, Record};
use crate::time::Timestamp;

/// Alerts and incidents that wait for an output that cannot be written: as many as the desk keeps open by default, at some
/// kilobytes each.
const HELD_LINES: usize = 1_024;
/// What they may take together, bytes.
const HELD_BYTES: usize = 8 << 20;

/// How often an output that could not be written is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(1);

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
    waiting: AtomicU64,
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

    /// Alerts and incidents that are kept until it can be written again.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
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
    /// Lines that could not be written and wait, each record's by itself.
    held: VecDeque<Vec<u8>>,
    held_bytes: usize,
    /// Not to be tried before then.
    retry: Option<Instant>,
}

/// A record in the buffer.
struct Encoded {
    /// Where it ends.
    end: usize,
    /// It is worth waiting for.
    dear: bool,
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
            held: VecDeque::new(),
            held_bytes: 0,
            retry: None,
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

    /// Writes those of `records` that go here, whole lines only, after what waits. A failure is counted and warned of:
    /// alerts and incidents wait, as far as there is room, the rest is lost. Only a reader that has closed standard output
    /// is the caller's affair.
    pub fn write(&mut self, records: &[Record]) -> Result<(), ClosedByReader> {
        let due = self.retry.is_none_or(|at| at <= Instant::now());
        self.buffer.clear();
        let mut lost = 0;
        // Where the records in the buffer end, so that a failure knows which are in place.
        let mut encoded = Vec::new();
        for line in self.held.iter().filter(|_| due) {
            self.buffer.extend_from_slice(line);
            encoded.push(Encoded {
                end: self.buffer.len(),
                dear: true,
            });
        }
        for record in records.iter().filter(|r| self.types.contains(RecordType::of(&r.body))) {
            let dear = is_dear(&record.body);
            if !due && !dear {
                lost += 1;
                continue;
            }
            let time = record.time.max(self.latest);
            match self.encoder.encode(&mut self.buffer, record, time) {
                Ok(()) => {
                    self.latest = time;
                    encoded.push(Encoded {
                        end: self.buffer.len(),
                        dear,
                    });
                }
                Err(error) => {
                    warn!("{}: a record could not be written as JSON: {error}", self.name);
                    lost += 1;
                }
            }
        }
        self.tally.lost.fetch_add(lost, Ordering::Relaxed);
        if !due {
            self.hold(&encoded, 0);
            return Ok(());
        }
        if encoded.is_empty() {
            return Ok(());
        }
        let Err(Torn { kept, error }) = self.place.append(&self.buffer) else {
            self.held.clear();
            self.held_bytes = 0;
            self.retry = None;
            self.tally.waiting.store(0, Ordering::Relaxed);
            self.tally.written.fetch_add(encoded.len() as u64, Ordering::Relaxed);
            if self.tally.failing.swap(false, Ordering::Relaxed) {
                info!("{}: written again; {} records were lost", self.name, self.tally.lost());
            }
            return Ok(());
        };
        let written = encoded.partition_point(|record| record.end <= kept);
        self.held.clear();
        self.held_bytes = 0;
        self.hold(&encoded, written);
        self.retry = Some(Instant::now() + RETRY);
        self.tally.written.fetch_add(written as u64, Ordering::Relaxed);
        let first = !self.tally.failing.swap(true, Ordering::Relaxed);
        match self.name {
            // Whoever read has seen enough; that is no fault to warn of.
            Where::Stdout if error.kind() == io::ErrorKind::BrokenPipe => Err(ClosedByReader),
            Where::Stdout | Where::File(_) if first => {
                warn!(
                    "{}: cannot be written: {error}; until it can, up to {HELD_LINES} alerts and incidents wait and other \
                     records are lost",
                    self.name
                );
                Ok(())
            }
            Where::Stdout | Where::File(_) => Ok(()),
        }
    }

    /// Keeps of the records after the first `written` those that are dear, the earliest first; the rest is lost.
    fn hold(&mut self, encoded: &[Encoded], written: usize) {
        let mut lost = 0;
        let mut start = written
            .checked_sub(1)
            .and_then(|last| encoded.get(last))
            .map_or(0, |last| last.end);
        for record in encoded.iter().skip(written) {
            let line = self.buffer.get(start..record.end).unwrap_or_default();
            start = record.end;
            if record.dear && self.held.len() < HELD_LINES && self.held_bytes + line.len() <= HELD_BYTES {
                self.held_bytes += line.len();
                self.held.push_back(line.to_owned());
            } else {
                lost += 1;
            }
        }
        self.tally.waiting.store(self.held.len() as u64, Ordering::Relaxed);
        self.tally.lost.fetch_add(lost, Ordering::Relaxed);
    }

    /// Whether something waits that [`Self::write`], even of nothing, would try again.
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Tries what waits for the last time.
    pub fn finish(&mut self) {
        if self.holds() {
            self.reopen();
        }
        // Nobody is there any more who could act on a reader that has gone.
        let _ = self.write(&[]);
        let lost = self.held.len() as u64;
        if lost > 0 {
            self.tally.lost.fetch_add(lost, Ordering::Relaxed);
            warn!("{}: {lost} alerts and incidents that waited for it are lost", self.name);
        }
    }

    /// Opens a file anew.
    pub fn reopen(&mut self) {
        self.retry = None;
        if let Err(error) = self.place.reopen() {
            warn!(
                "{}: cannot be opened again: {error}; until it can, up to {HELD_LINES} alerts and incidents wait and other \
                 records are lost",
                self.name
            );
            self.tally.failing.store(true, Ordering::Relaxed);
        }
    }
}

/// What a person waits for. The rest is of the moment, or there is more of it.
fn is_dear(body: &Body) -> bool {
    match body {
        Body::Alert(_) | Body::Incident(_) => true,
        Body::Http(_) | Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Stats(_) => false,
    }
}

/// Whoever read standard output has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedByReader;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
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

    fn alert(n: usize) -> Record {
        let mut alert = examples::alert();
        alert.summary = format!("the {n}th");
        Record {
            time: START,
            body: Body::Alert(alert.into()),
        }
    }

    #[test]
    fn alerts_wait_for_an_output_that_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("log");
        std::fs::create_dir(&sub).unwrap();
        let path = sub.join("out.jsonl");
        let mut output = open(&path, "alert,stats");
        std::fs::remove_dir_all(&sub).unwrap();
        output.write(&[stats(START), alert(0), stats(START)]).unwrap();
        assert_eq!((output.tally.lost(), output.tally.waiting()), (2, 1));
        let many: Vec<Record> = (1..HELD_LINES + 3).map(alert).collect();
        output.write(&many).unwrap();
        assert_eq!((output.tally.lost(), output.tally.waiting()), (5, HELD_LINES as u64));
        assert!(output.holds());

        std::fs::create_dir(&sub).unwrap();
        output.reopen();
        output.write(&[]).unwrap();
        assert!(!output.holds());
        output.write(&[stats(START)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), HELD_LINES + 1);
        assert_eq!(lines[0]["summary"], "the 0th", "what came first is kept");
        assert_eq!(lines[HELD_LINES]["type"], "stats");
        assert_eq!(
            (output.tally.written(), output.tally.lost()),
            (HELD_LINES as u64 + 1, 5)
        );
        assert_eq!((output.tally.waiting(), output.tally.is_failing()), (0, false));
    }

    #[test]
    fn what_still_waits_at_the_end_is_lost_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("log");
        std::fs::create_dir(&sub).unwrap();
        let mut output = open(&sub.join("out.jsonl"), "alert");
        std::fs::remove_dir_all(&sub).unwrap();
        output.write(&[alert(1), alert(2)]).unwrap();
        output.finish();
        assert_eq!((output.tally.written(), output.tally.lost()), (0, 2));
    }

    #[test]
    fn an_output_that_cannot_be_opened_is_told_at_the_start() {
        let spec = "/nonexistent/dir/out.jsonl".parse().unwrap();
        assert!(Output::open(&spec, RecordSet::DEFAULT, None).is_err());
    }
}
