//! The thread that owns the outputs, and the bounded queue in front of it.
//!
//! The engine never waits for a disk or a reader: when the queue is full, records are lost and counted. The many (one a
//! transaction, flow or name) are given up first, so that an alert still finds room behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::json::RecordType;
use super::output::{Output, RETRY};
use crate::confine::{Confinement, Role};
use crate::record::Record;

/// Records in the queue beyond which `http`, `flow`, `dns` and `tls` are lost: about a second of a busy host, some
/// 50 MB when every record is a transaction.
const BULK_ROOM: usize = 65_536;

/// Further room for alerts, incidents and stats.
const RESERVE: usize = 8_192;

/// How long the last records may take at shutdown before a stalled output is given up.
const LAST_WRITE: Duration = Duration::from_secs(5);

enum Job {
    Write(Vec<Record>),
    Reopen,
    Replace(Vec<Output>),
    Stop,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: AtomicUsize,
    lost: AtomicU64,
}

/// The engine's end of the queue.
#[derive(Clone, Debug)]
pub struct Outbox {
    jobs: Sender<Job>,
    queue: Arc<Queue>,
}

impl Outbox {
    /// Queues records; those that find no room are lost and counted.
    pub fn send(&self, mut records: Vec<Record>) {
        let waiting = self.queue.waiting.load(Ordering::Relaxed);
        if waiting + records.len() > BULK_ROOM {
            self.give_up(&mut records, waiting);
        }
        if records.is_empty() {
            return;
        }
        let n = records.len();
        self.queue.waiting.fetch_add(n, Ordering::Relaxed);
        if self.jobs.send(Job::Write(records)).is_err() {
            self.queue.lost.fetch_add(n as u64, Ordering::Relaxed);
        }
    }

    /// Opens every file anew.
    pub fn reopen(&self) {
        // Without a writer there is nothing to open.
        let _ = self.jobs.send(Job::Reopen);
    }

    /// From now on records go to these.
    pub fn replace(&self, outputs: Vec<Output>) {
        let _ = self.jobs.send(Job::Replace(outputs));
    }

    /// Records lost since the queue was full.
    pub fn lost(&self) -> u64 {
        self.queue.lost.load(Ordering::Relaxed)
    }

    fn give_up(&self, records: &mut Vec<Record>, waiting: usize) {
        let before = records.len();
        let mut bulk_room = BULK_ROOM.saturating_sub(waiting);
        let mut room = (BULK_ROOM + RESERVE).saturating_sub(waiting);
        records.retain(|record| {
            let bulk = RecordType::of(&record.body).is_bulk();
            let fits = room > 0 && (!bulk || bulk_room > 0);
            if fits {
                room -= 1;
                bulk_room = bulk_room.saturating_sub(1);
            }
            fits
        });
        self.queue
            .lost
            .fetch_add((before - records.len()) as u64, Ordering::Relaxed);
    }
}

/// The thread.
#[derive(Debug)]
pub struct Writer {
    outbox: Outbox,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts it, confined. `closed` is called once, when the reader of standard output has gone and no other output is
    /// left.
    pub fn start(
        outputs: Vec<Output>,
        confinement: Confinement,
        closed: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let queue = Arc::<Queue>::default();
        let outbox = Outbox {
            jobs,
            queue: Arc::clone(&queue),
        };
        let thread = thread::Builder::new()
            .name("monitor-writer".to_owned())
            .spawn(move || {
                confinement.enter(Role::Outputs);
                write_all(outputs, &inbox, &queue, closed);
            })?;
        Ok(Self { outbox, thread })
    }

    /// The engine's end.
    pub fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    /// Writes what is queued and ends. False when an output stalled and what was queued is given up.
    pub fn finish(self) -> bool {
        // If the thread has gone already there is nothing left to stop.
        let _ = self.outbox.jobs.send(Job::Stop);
        let until = Instant::now() + LAST_WRITE;
        while !self.thread.is_finished() {
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.thread.join().is_ok()
    }
}

fn write_all(mut outputs: Vec<Output>, inbox: &Receiver<Job>, queue: &Queue, closed: impl FnOnce()) {
    let mut closed = Some(closed);
    loop {
        let job = if outputs.iter().any(Output::holds) {
            match inbox.recv_timeout(RETRY) {
                Ok(job) => job,
                // What waits is tried with nothing behind it.
                Err(RecvTimeoutError::Timeout) => Job::Write(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => Job::Stop,
            }
        } else {
            inbox.recv().unwrap_or(Job::Stop)
        };
        match job {
            Job::Write(records) => {
                outputs.retain_mut(|output| output.write(&records).is_ok());
                queue.waiting.fetch_sub(records.len(), Ordering::Relaxed);
                if outputs.is_empty()
                    && let Some(closed) = closed.take()
                {
                    closed();
                }
            }
            Job::Reopen => outputs.iter_mut().for_each(Output::reopen),
            Job::Replace(others) => {
                outputs.iter_mut().for_each(Output::finish);
                outputs = others;
            }
            Job::Stop => {
                outputs.iter_mut().for_each(Output::finish);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Body;
    use crate::sinks::json::RecordSet;
    use crate::sinks::json::examples::{self, START};
    use crate::sinks::{OutputSpec, Where};

    fn http() -> Record {
        Record {
            time: START,
            body: Body::Http(examples::http().into()),
        }
    }

    fn alert() -> Record {
        Record {
            time: START,
            body: Body::Alert(examples::alert().into()),
        }
    }

    #[test]
    fn what_was_queued_is_written_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let spec = OutputSpec {
            types: None,
            place: Where::File(path.clone()),
        };
        let output = Output::open(&spec, RecordSet::of(&RecordType::ALL), None).unwrap();
        let writer = Writer::start(vec![output], Confinement::off(), || {}).unwrap();
        let outbox = writer.outbox();
        for _ in 0..100 {
            outbox.send(vec![http(), alert()]);
        }
        assert!(writer.finish());
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 200);
        assert_eq!(outbox.lost(), 0);
    }

    #[test]
    fn other_outputs_take_what_comes_after() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let spec = OutputSpec {
                types: None,
                place: Where::File(dir.path().join(name)),
            };
            Output::open(&spec, RecordSet::of(&RecordType::ALL), None).unwrap()
        };
        let writer = Writer::start(vec![open("a")], Confinement::off(), || {}).unwrap();
        let outbox = writer.outbox();
        outbox.send(vec![alert()]);
        outbox.replace(vec![open("b")]);
        outbox.send(vec![alert(), alert()]);
        assert!(writer.finish());
        let lines = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap().lines().count();
        assert_eq!((lines("a"), lines("b")), (1, 2));
    }

    #[test]
    fn the_many_yield_to_the_few_and_all_loss_is_counted() {
        let (jobs, inbox) = mpsc::channel();
        let outbox = Outbox {
            jobs,
            queue: Arc::default(),
        };
        outbox.send(vec![http(); BULK_ROOM - 1]);
        outbox.send(vec![alert(), http(), http(), alert()]);
        assert_eq!(outbox.lost(), 2);
        outbox.send(vec![alert(); RESERVE]);
        assert_eq!(outbox.lost(), 3);
        let queued: usize = inbox
            .try_iter()
            .map(|job| match job {
                Job::Write(records) => records.len(),
                Job::Reopen | Job::Replace(_) | Job::Stop => 0,
            })
            .sum();
        assert_eq!(queued, BULK_ROOM + RESERVE);
    }
}
