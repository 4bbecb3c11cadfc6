//! The engine under simulated time: sockets that tell of themselves as the kernel does, and what comes out.

mod alerts;
mod dns;
mod enrichment;
mod flows;
mod http;
mod local;
mod parents;
mod properties;
mod requests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Output, Pipeline};
use crate::alert::Alert;
use crate::config::Config;
use crate::event::{
    Chunk, ChunkFlags, Command, Counters, Direction, Event, FlowCause, FlowFlags, FlowId, FlowSnapshot, Owner,
    OwnerSince, Program, ProgramId, Role,
};
use crate::flow::{FiveTuple, Transport};
use crate::record::{Body, DnsRecord, FlowEvent, FlowRecord, HttpRecord, Record, StatsRecord, TlsRecord};
use crate::time::Timestamp;

/// When every test begins.
const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// An engine, the time, and all that it gave.
struct Bench {
    pipeline: Pipeline,
    now: Timestamp,
    out: Output,
}

impl Bench {
    fn new() -> Self {
        Self::with(&Config::default())
    }

    fn with(config: &Config) -> Self {
        let mut bench = Self {
            pipeline: Pipeline::new(config, [7; 32]),
            now: START,
            out: Output::default(),
        };
        // The daemon asks at once: time begins here.
        assert!(bench.pipeline.poll_timeout().is_some_and(|due| due <= START));
        bench.pipeline.handle_timeout(START, &mut bench.out);
        bench
    }

    fn give(&mut self, event: Event) {
        self.pipeline.handle(self.now, event, &mut self.out);
    }

    /// Time passes, and the engine is asked about it once.
    fn wait(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
        self.pipeline.handle_timeout(self.now, &mut self.out);
    }

    fn finish(&mut self) {
        self.pipeline.finish(self.now, &mut self.out);
    }

    /// The kernel introduces a program.
    fn program(&mut self, pid: u32, exe: &str) {
        self.give(Event::Process(Arc::new(Program {
            id: owner(pid).program,
            exe: exe.to_owned(),
            name: exe.rsplit('/').next().unwrap_or_default().to_owned(),
            cgroup: "/".to_owned(),
            ..Program::default()
        })));
    }

    fn records<T>(&self, pick: impl Fn(&Body) -> Option<&Arc<T>>) -> Vec<&T> {
        self.out
            .records
            .iter()
            .filter_map(|record| pick(&record.body).map(AsRef::as_ref))
            .collect()
    }

    fn flows(&self) -> Vec<&FlowRecord> {
        self.records(|body| if let Body::Flow(flow) = body { Some(flow) } else { None })
    }

    fn http(&self) -> Vec<&HttpRecord> {
        self.records(|body| if let Body::Http(http) = body { Some(http) } else { None })
    }

    fn dns(&self) -> Vec<&DnsRecord> {
        self.records(|body| if let Body::Dns(dns) = body { Some(dns) } else { None })
    }

    fn tls(&self) -> Vec<&TlsRecord> {
        self.records(|body| if let Body::Tls(tls) = body { Some(tls) } else { None })
    }

    fn alerts(&self) -> Vec<&Alert> {
        self.records(|body| {
            if let Body::Alert(alert) = body {
                Some(alert)
            } else {
                None
            }
        })
    }

    fn stats(&self) -> Vec<&StatsRecord> {
        self.records(|body| {
            if let Body::Stats(stats) = body {
                Some(stats)
            } else {
                None
            }
        })
    }

    /// What was told, in order: flows by their event, `http` by its status.
    fn story(&self) -> Vec<String> {
        let tell = |record: &Record| match &record.body {
            Body::Flow(flow) => Some(format!("{:?} {}", flow.event, flow.flow.cookie)),
            Body::Http(http) => Some(format!("http {}", http.response.as_ref().map_or(0, |r| r.status))),
            Body::Dns(dns) => Some(format!("dns {}", dns.name)),
            Body::Tls(_) => Some("tls".to_owned()),
            Body::Alert(alert) => Some(format!("alert {:?}", alert.state)),
            Body::Incident(_) | Body::Stats(_) => None,
        };
        self.out.records.iter().filter_map(tell).collect()
    }

    #[track_caller]
    fn check_story(&self, expected: &[&str]) {
        assert_eq!(self.story(), expected);
    }

    /// Milliseconds after the start of the one flow record of this kind.
    fn told_at(&self, event: FlowEvent) -> u128 {
        let is = |record: &&Record| matches!(&record.body, Body::Flow(flow) if flow.event == event);
        let told: Vec<&Record> = self.out.records.iter().filter(is).collect();
        assert_eq!(told.len(), 1, "{event:?}");
        told[0].time.since(START).as_millis()
    }
}

/// A socket, as the kernel would tell of it.
struct Socket {
    snapshot: FlowSnapshot,
    /// Sequence numbers to come: received, sent.
    seq: [u32; 2],
    turns: [u32; 2],
    last: Option<Direction>,
}

impl Socket {
    fn new(cookie: u64, role: Role, local: &str, remote: &str) -> Self {
        let end = |text: &str| text.parse::<SocketAddr>().unwrap();
        Self {
            snapshot: FlowSnapshot {
                id: FlowId { cookie, generation: 1 },
                time: START,
                cause: FlowCause::Open,
                tuple: Some(FiveTuple {
                    transport: Transport::Tcp,
                    local: end(local),
                    remote: end(remote),
                }),
                netns: 1,
                role,
                opened: START,
                owner: None,
                owner_since: OwnerSince::default(),
                parent: None,
                counters: Counters::default(),
                first_bytes: [None; 2],
                flags: FlowFlags {
                    established: true,
                    ..FlowFlags::default()
                },
                tcp_state: 1,
                error: 0,
                first_seqs: None,
                named: None,
            },
            seq: [1_000, 5_000],
            turns: [0, 0],
            last: None,
        }
    }

    /// Accepted on port 80 of this host.
    fn server(cookie: u64) -> Self {
        Self::new(cookie, Role::Passive, "10.0.0.1:80", "192.0.2.9:40000")
    }

    /// Connected to somewhere else.
    fn client(cookie: u64, remote: &str) -> Self {
        Self::new(cookie, Role::Active, "10.0.0.1:40001", remote).owned(9)
    }

    fn udp(mut self) -> Self {
        if let Some(tuple) = &mut self.snapshot.tuple {
            tuple.transport = Transport::Udp;
        }
        self.snapshot.flags = FlowFlags::default();
        self
    }

    fn owned(mut self, pid: u32) -> Self {
        self.snapshot.owner = Some(owner(pid));
        self
    }

    fn tell(&mut self, bench: &mut Bench, cause: FlowCause) {
        if cause == FlowCause::Open || cause == FlowCause::Found {
            self.snapshot.opened = bench.now;
        }
        self.snapshot.time = bench.now;
        self.snapshot.cause = cause;
        bench.give(Event::Flow(Box::new(self.snapshot.clone())));
    }

    fn open(&mut self, bench: &mut Bench) {
        self.tell(bench, FlowCause::Open);
    }

    /// A process reads from it.
    fn read_by(&mut self, bench: &mut Bench, pid: u32) {
        self.snapshot.owner = Some(owner(pid));
        self.tell(bench, FlowCause::Owner);
    }

    /// Both sides are done; the other one first.
    fn close(&mut self, bench: &mut Bench) {
        let flags = &mut self.snapshot.flags;
        (flags.fin_sent, flags.fin_received) = (true, true);
        self.tell(bench, FlowCause::Close);
    }

    fn hear(&mut self, bench: &mut Bench, bytes: &[u8]) {
        self.hear_of(bench, bytes, bytes.len());
    }

    fn say(&mut self, bench: &mut Bench, bytes: &[u8]) {
        self.say_of(bench, bytes, bytes.len());
    }

    /// Receives a segment of `len` bytes of which these are copied.
    fn hear_of(&mut self, bench: &mut Bench, bytes: &[u8], len: usize) {
        let chunk = self.chunk(bench.now, Direction::Received, bytes, len);
        bench.give(Event::Chunk(chunk));
    }

    /// Likewise, sends.
    fn say_of(&mut self, bench: &mut Bench, bytes: &[u8], len: usize) {
        let chunk = self.chunk(bench.now, Direction::Sent, bytes, len);
        bench.give(Event::Chunk(chunk));
    }

    /// Bytes pass that nobody copies.
    fn pass(&mut self, now: Timestamp, direction: Direction, len: usize) {
        let at = usize::from(direction == Direction::Sent);
        self.seq[at] = self.seq[at].wrapping_add(len as u32);
        let end = Some((self.seq[at], now));
        let counters = &mut self.snapshot.counters;
        match direction {
            Direction::Received => (counters.received, counters.received_end) = (counters.received + len as u64, end),
            Direction::Sent => (counters.sent, counters.sent_end) = (counters.sent + len as u64, end),
        }
    }

    fn chunk(&mut self, time: Timestamp, direction: Direction, bytes: &[u8], len: usize) -> Chunk {
        let at = usize::from(direction == Direction::Sent);
        let turn_start = self.last.replace(direction) != Some(direction);
        self.turns[at] += u32::from(turn_start);
        let peer_end = match direction {
            Direction::Received => self.snapshot.counters.sent_end,
            Direction::Sent => self.snapshot.counters.received_end,
        };
        let seq = self.seq[at];
        self.pass(time, direction, len);
        Chunk {
            flow: self.snapshot.id,
            time,
            direction,
            seq,
            segment_len: len as u32,
            turn: self.turns[at],
            data: Bytes::copy_from_slice(bytes),
            peer_end,
            flags: ChunkFlags {
                turn_start,
                ..ChunkFlags::default()
            },
        }
    }

    /// One request and its answer, `ms` later.
    fn exchange(&mut self, bench: &mut Bench, ms: u64) {
        let (request, response) = (get("/"), ok(b"hi"));
        let client = self.snapshot.role == Role::Active;
        if client {
            self.say(bench, &request);
        } else {
            self.hear(bench, &request);
        }
        bench.wait(ms);
        if client {
            self.hear(bench, &response);
        } else {
            self.say(bench, &response);
        }
    }
}

fn owner(pid: u32) -> Owner {
    Owner {
        program: ProgramId {
            pid,
            exec_id: 1,
            start_ns: u64::from(pid),
        },
        tid: pid,
        uid: 1_000,
        cgroup: 1,
    }
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: api.example\r\n\r\n").into_bytes()
}

fn ok(body: &[u8]) -> Vec<u8> {
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response
}

fn pid_of(process: Option<&crate::record::ProcessRef>) -> Option<u32> {
    process.map(|process| process.owner.program.pid)
}

fn count(commands: &[Command], is: impl Fn(&Command) -> bool) -> usize {
    commands.iter().filter(|command| is(command)).count()
}
