//! A capture through our engine, in this process: what it gives, and whether it comes to an end.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use monitor::capture::pcap::{NoCapture, Reader};
use monitor::config::Config;
use monitor::enrich::privacy::Query;
use monitor::event::FlowId;
use monitor::flow::Transport;
use monitor::packet::hosts::{Guess, Hosts};
use monitor::packet::{Packet, Tracker};
use monitor::pipeline::{Output, Pipeline};
use monitor::record::{Body, DnsRecord, FlowRecord, HttpRecord, Record, TlsRecord};
use monitor::time::Timestamp;

use super::report::{Corpus, Verdict};

/// For one file; the largest takes a hundredth of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What our engine gave.
#[derive(Debug, Default)]
pub struct Seen {
    /// Transactions, in order.
    pub http: Vec<Arc<HttpRecord>>,
    /// Flows as they were last told.
    pub flows: BTreeMap<FlowId, Arc<FlowRecord>>,
    /// Names asked for.
    pub dns: Vec<Arc<DnsRecord>>,
    /// Hellos.
    pub tls: Vec<Arc<TlsRecord>>,
}

/// How it went.
#[derive(Debug)]
pub enum Outcome {
    /// To the end.
    Seen(Seen),
    /// It is none that is read, for this reason.
    NoCapture(String),
    /// It did not end in time.
    Hangs,
    /// It ended in a panic.
    Panics,
}

/// Bytes of a flow, by the direction in which they went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// From the first end to the second.
    pub there: u64,
    /// And back.
    pub back: u64,
}

impl Bytes {
    /// There and back.
    pub fn into_pair(self) -> (u64, u64) {
        (self.there, self.back)
    }
}

impl Seen {
    /// Bytes of the flows between two ends, over all of them.
    pub fn bytes(&self, transport: Transport, from: SocketAddr, to: SocketAddr) -> Vec<Bytes> {
        let of = |flow: &Arc<FlowRecord>| {
            let tuple = flow.tuple.filter(|tuple| tuple.transport == transport)?;
            let counters = &flow.counters;
            if (tuple.local, tuple.remote) == (from, to) {
                return Some(Bytes {
                    there: counters.sent,
                    back: counters.received,
                });
            }
            ((tuple.remote, tuple.local) == (from, to)).then_some(Bytes {
                there: counters.received,
                back: counters.sent,
            })
        };
        self.flows.values().filter_map(of).collect()
    }
}

/// Runs a capture on a thread of its own.
pub fn run(path: &Path) -> Outcome {
    let (tell, told) = channel();
    let file = path.to_path_buf();
    let thread = std::thread::spawn(move || {
        let _ = tell.send(replay(&file));
    });
    match told.recv_timeout(PATIENCE) {
        Ok(Ok(seen)) => Outcome::Seen(seen),
        Ok(Err(why)) => Outcome::NoCapture(why),
        Err(RecvTimeoutError::Timeout) => Outcome::Hangs,
        Err(RecvTimeoutError::Disconnected) => {
            let _ = thread.join();
            Outcome::Panics
        }
    }
}

/// Each capture, and whether it came to an end.
pub fn all(paths: &[PathBuf], folder: &Path) -> (Corpus, BTreeMap<PathBuf, Seen>) {
    let mut corpus = Corpus::new("captures", None);
    let mut all = BTreeMap::new();
    for path in paths {
        let name = path.strip_prefix(folder).unwrap_or(path);
        let verdict = match run(path) {
            Outcome::Seen(seen) => {
                all.insert(name.to_path_buf(), seen);
                Verdict::Agree
            }
            Outcome::NoCapture(why) => Verdict::Differ(why),
            Outcome::Hangs => Verdict::Differ("does not end in time".to_owned()),
            Outcome::Panics => Verdict::Differ("panics".to_owned()),
        };
        corpus.add(name.display().to_string(), verdict);
    }
    (corpus, all)
}

fn replay(path: &Path) -> Result<Seen, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader = Reader::new(file).map_err(|error: NoCapture| error.to_string())?;
    let (mut packets, mut guess) = (Vec::new(), Guess::default());
    loop {
        match reader.packet() {
            Ok(Some(packet)) => {
                guess.look(&packet);
                packets.push(packet);
            }
            Ok(None) => break,
            // What can be read is: a damaged record is passed over, and after a cut one there is none.
            Err(_) => {}
        }
    }
    let hosts = Hosts::new(guess.found().into_iter().map(|found| found.address));
    let mut seen = through(packets.iter(), hosts);
    // Names are told where they are asked for. A capture of a resolver is looked at from the other end as well.
    let from_outside = through(packets.iter(), Hosts::default());
    if from_outside.dns.len() > seen.dns.len() {
        seen.dns = from_outside.dns;
    }
    Ok(seen)
}

fn through<'a>(packets: impl Iterator<Item = &'a Packet>, hosts: Hosts) -> Seen {
    let mut config = Config::default();
    // Targets as on the wire, to be compared.
    config.privacy.query = Query::None;
    let mut pipeline = Pipeline::new(&config, [0; 32]);
    pipeline.tell_stats_at_the_end_only();
    let mut tracker = Tracker::new(hosts);
    let (mut events, mut out) = (Vec::new(), Output::default());
    let mut now = Timestamp::ZERO;
    for packet in packets {
        now = tracker.packet(packet, &mut events);
        for (time, event) in events.drain(..) {
            pipeline.handle(time, event, &mut out);
        }
    }
    tracker.finish(&mut events);
    for (time, event) in events.drain(..) {
        pipeline.handle(time, event, &mut out);
    }
    pipeline.finish(now, &mut out);
    gather(out.records)
}

fn gather(records: Vec<Record>) -> Seen {
    let mut seen = Seen::default();
    for record in records {
        match record.body {
            Body::Http(http) => seen.http.push(http),
            Body::Flow(flow) => {
                seen.flows.insert(flow.flow, flow);
            }
            Body::Dns(dns) => seen.dns.push(dns),
            Body::Tls(tls) => seen.tls.push(tls),
            Body::Alert(_) | Body::Incident(_) | Body::Stats(_) => {}
        }
    }
    seen
}
