//! What an attacker can grow: each of these floods sends ever new things, and the engine's memory must stop growing, say what
//! it left out, and go on reading.
//!
//! `MONITOR_TEST_FLOOD=1000000 cargo test --release -p monitor --test hostile -- --nocapture` sends a million of each and
//! prints the figures; by default it is fewer, so that a debug build takes seconds.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use monitor::config::Config;
use monitor::event::{
    Chunk, ChunkFlags, Counters, Direction, Event, FlowCause, FlowFlags, FlowId, FlowSnapshot, Owner, OwnerSince, Role,
};
use monitor::flow::{FiveTuple, Transport};
use monitor::pipeline::{Output, Pipeline};
use monitor::record::Body;
use monitor::sinks::{Encode as _, JsonLines};
use monitor::time::Timestamp;

/// Counts what each thread has allocated: an engine lives on one.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends frees after its counter is gone: nobody asks for it then.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most that the second half of a flood may add to what the first half made.
const MORE: isize = 4 << 20;

fn times() -> u64 {
    let asked = std::env::var("MONITOR_TEST_FLOOD").ok();
    asked.map_or(20_000, |text| text.parse().expect("a number"))
}

/// An engine and its clock.
struct Bench {
    pipeline: Pipeline,
    out: Output,
    now: Timestamp,
    transactions: u64,
    alerts: u64,
    next_flow: u64,
}

impl Bench {
    fn new() -> Self {
        let config = "[clients]\ntrusted_proxies = [\"10.0.0.0/8\"]\n[learning]\nperiod = \"0s\"\n";
        let config = Config::parse(config, Path::new("flood.toml")).unwrap();
        let mut bench = Self {
            pipeline: Pipeline::new(&config, [7; 32]),
            out: Output::default(),
            now: Timestamp::from_secs(1_700_000_000),
            transactions: 0,
            alerts: 0,
            next_flow: 0,
        };
        bench.pipeline.handle_timeout(bench.now, &mut bench.out);
        bench
    }

    fn give(&mut self, event: Event) {
        self.pipeline.handle(self.now, event, &mut self.out);
        for record in self.out.records.drain(..) {
            match record.body {
                Body::Http(_) => self.transactions += 1,
                Body::Alert(_) => self.alerts += 1,
                Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Incident(_) | Body::Stats(_) => {}
            }
        }
        self.out.commands.clear();
    }

    fn left_out(&self, name: &str) -> u64 {
        let stats = self.pipeline.stats(self.now);
        stats
            .left_out
            .iter()
            .filter(|(of, _)| *of == name)
            .map(|(_, count)| count)
            .sum()
    }
}

/// A connection to this host from a client.
struct Connection {
    snapshot: FlowSnapshot,
    seq: [u32; 2],
    turns: [u32; 2],
    last: Option<Direction>,
}

impl Connection {
    fn open(bench: &mut Bench, from: IpAddr) -> Self {
        bench.next_flow += 1;
        let connection = Self {
            snapshot: FlowSnapshot {
                id: FlowId {
                    cookie: bench.next_flow,
                    generation: 1,
                },
                time: bench.now,
                cause: FlowCause::Open,
                tuple: Some(FiveTuple {
                    transport: Transport::Tcp,
                    local: ([10, 0, 0, 1], 80).into(),
                    remote: SocketAddr::new(from, 40_000),
                }),
                netns: 1,
                role: Role::Passive,
                opened: bench.now,
                owner: Some(Owner::default()),
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
            seq: [1, 1],
            turns: [0, 0],
            last: None,
        };
        bench.give(Event::Flow(Box::new(connection.snapshot.clone())));
        connection
    }

    fn close(mut self, bench: &mut Bench) {
        self.snapshot.cause = FlowCause::Close;
        self.snapshot.time = bench.now;
        (self.snapshot.flags.fin_sent, self.snapshot.flags.fin_received) = (true, true);
        bench.give(Event::Flow(Box::new(self.snapshot)));
    }

    fn pass(&mut self, bench: &mut Bench, direction: Direction, bytes: &[u8]) {
        let at = usize::from(direction == Direction::Sent);
        let seq = self.seq[at];
        self.seq[at] = seq.wrapping_add(bytes.len() as u32);
        self.pass_at(bench, direction, seq, bytes);
    }

    fn pass_at(&mut self, bench: &mut Bench, direction: Direction, seq: u32, bytes: &[u8]) {
        bench.now = bench.now + Duration::from_micros(500);
        let at = usize::from(direction == Direction::Sent);
        let turn_start = self.last.replace(direction) != Some(direction);
        self.turns[at] += u32::from(turn_start);
        let chunk = Chunk {
            flow: self.snapshot.id,
            time: bench.now,
            direction,
            seq,
            segment_len: bytes.len() as u32,
            turn: self.turns[at],
            data: Bytes::copy_from_slice(bytes),
            peer_end: (turn_start && at == 1).then_some((self.seq[0], bench.now)),
            flags: ChunkFlags {
                turn_start,
                ..ChunkFlags::default()
            },
        };
        bench.give(Event::Chunk(chunk));
    }

    fn ask(&mut self, bench: &mut Bench, request: &str, response: &str) {
        self.pass(bench, Direction::Received, request.as_bytes());
        self.pass(bench, Direction::Sent, response.as_bytes());
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn client(number: u64) -> IpAddr {
    Ipv4Addr::from_bits(0xC633_6400 ^ (number as u32).wrapping_mul(0x9E37_79B1)).into()
}

/// Sends a flood of so many steps; the engine must not take more than `most_mib` for it, however long it is: half as much again
/// as 200,000 steps took when this was written.
#[track_caller]
fn flood(name: &str, most_mib: isize, steps: u64, mut step: impl FnMut(&mut Bench, u64)) -> Bench {
    let before = LIVE.get();
    let mut bench = Bench::new();
    let taken = |_: &Bench| LIVE.get() - before;
    let mut highest = [0; 2];
    for number in 0..steps {
        step(&mut bench, number);
        let half = usize::from(number >= steps / 2);
        highest[half] = highest[half].max(taken(&bench));
    }
    let [first, second] = highest;
    println!(
        "{name}: {steps} steps, {} transactions, {} alerts, {} KiB at most in the first half, {} in the second",
        bench.transactions,
        bench.alerts,
        first >> 10,
        second >> 10
    );
    let most = most_mib << 20;
    assert!(first.max(second) < most, "{name}: {} KiB", first.max(second) >> 10);
    // What is kept by the hundred thousand has not come to its bound in a short run.
    if steps >= 500_000 {
        assert!(
            second < first + MORE,
            "{name}: {} KiB, then {} KiB",
            first >> 10,
            second >> 10
        );
    }
    bench
}

/// Each step asks something else on one kept connection.
#[track_caller]
fn requests(name: &str, most_mib: isize, request: impl Fn(u64) -> String, response: &'static str) -> Bench {
    let mut connection = None;
    let steps = times();
    let bench = flood(name, most_mib, steps, |bench, number| {
        let connection = connection.get_or_insert_with(|| Connection::open(bench, client(0)));
        connection.ask(bench, &request(number), response);
    });
    assert_eq!(bench.transactions, steps, "{name}: each is read");
    bench
}

#[test]
fn ever_new_paths() {
    requests(
        "paths",
        5,
        |n| format!("GET /w{n:x}/v{n:x}/u HTTP/1.1\r\nHost: h\r\n\r\n"),
        OK,
    );
}

#[test]
fn ever_new_paths_that_are_not_there() {
    const MISSING: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    requests(
        "missing paths",
        2,
        |n| format!("GET /w{n:x}/v HTTP/1.1\r\nHost: h\r\n\r\n"),
        MISSING,
    );
}

#[test]
fn ever_new_parameters() {
    requests(
        "parameters",
        2,
        |n| format!("GET /a?p{n}={n} HTTP/1.1\r\nHost: h\r\n\r\n"),
        OK,
    );
}

#[test]
fn ever_new_field_names() {
    requests(
        "field names",
        8,
        |n| format!("GET /a HTTP/1.1\r\nHost: h\r\nX-{n}: {n}\r\n\r\n"),
        OK,
    );
}

#[test]
fn ever_new_methods() {
    requests("methods", 15, |n| format!("M{n} /a HTTP/1.1\r\nHost: h\r\n\r\n"), OK);
}

#[test]
fn ever_new_hosts() {
    requests(
        "hosts",
        2,
        |n| format!("GET /a HTTP/1.1\r\nHost: h{n}.example\r\n\r\n"),
        OK,
    );
}

#[test]
fn ever_new_agents() {
    requests(
        "agents",
        3,
        |n| format!("GET /a HTTP/1.1\r\nHost: h\r\nUser-Agent: a{n}/1\r\n\r\n"),
        OK,
    );
}

#[test]
fn ever_new_identities() {
    let request = |n| format!("GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t{n:016x}\r\n\r\n");
    let bench = requests("identities", 69, request, OK);
    if times() >= 500_000 {
        assert!(bench.left_out("identities_evicted") > 0, "what is forgotten is counted");
    }
}

#[test]
fn ever_new_accounts_that_fail() {
    const REFUSED: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let request = |n| {
        let body = format!("{{\"username\":\"u{n}\",\"password\":\"p\"}}");
        let head = "POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length:";
        format!("{head} {}\r\n\r\n{body}", body.len())
    };
    let bench = requests("accounts", 19, request, REFUSED);
    assert!(bench.alerts > 0, "it is an attack, and told");
}

#[test]
fn ever_new_sources() {
    let steps = times();
    let bench = flood("sources", 30, steps, |bench, number| {
        let mut connection = Connection::open(bench, client(number));
        connection.ask(bench, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", OK);
        connection.close(bench);
    });
    assert_eq!(bench.transactions, steps);
}

#[test]
fn ever_new_sources_behind_a_proxy() {
    let mut connection = None;
    let steps = times();
    let bench = flood("forwarded sources", 29, steps, |bench, number| {
        let connection = connection.get_or_insert_with(|| Connection::open(bench, [10, 0, 0, 2].into()));
        let (from, hop) = (client(number), client(number + 1));
        let request = format!("GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {hop}, {from}\r\n\r\n");
        connection.ask(bench, &request, OK);
    });
    assert_eq!(bench.transactions, steps);
}

#[test]
fn requests_that_never_end() {
    // Slow loris: as many connections as a server holds, a field now and then, none whole.
    let mut connections: Vec<Connection> = Vec::new();
    let steps = times();
    let bench = flood("slow requests", 96, steps, |bench, number| {
        if connections.len() < 10_000 {
            let mut connection = Connection::open(bench, client(number % 100));
            connection.pass(bench, Direction::Received, b"POST /a HTTP/1.1\r\nHost: h\r\n");
            connections.push(connection);
        } else {
            let which = (number % 10_000) as usize;
            connections[which].pass(bench, Direction::Received, format!("X-a: {:x<500}\r\n", "").as_bytes());
        }
    });
    assert!(bench.transactions < 10_000, "none is whole");
}

#[test]
fn bytes_out_of_order() {
    // Each segment leaves a hole before it.
    let mut connections: Vec<Connection> = Vec::new();
    let mut bench = flood("holes", 3, times(), |bench, number| {
        if connections.len() < 10 {
            let mut connection = Connection::open(bench, client(number));
            connection.pass(bench, Direction::Received, b"POST /a HTTP/1.1\r\n");
            connections.push(connection);
        } else {
            let which = (number % 10) as usize;
            let seq = 1_000 + (number as u32).wrapping_mul(2_654_435_761) % 500_000;
            connections[which].pass_at(bench, Direction::Received, seq, &[b'x'; 1_400]);
        }
    });
    for connection in connections {
        connection.close(&mut bench);
    }
    assert!(bench.left_out("holes_evicted") > 0, "what is given up is counted");
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `GET`, `http`, `/` of the static table, and a host (RFC 7541 appendix A).
const FIELDS: &[u8] = b"\x82\x86\x84\x41\x01h";

fn http2(bench: &mut Bench) -> Connection {
    let mut connection = Connection::open(bench, client(0));
    connection.pass(bench, Direction::Received, &[PREFACE, &frame(4, 0, 0, &[])].concat());
    connection.pass(bench, Direction::Sent, &frame(4, 0, 0, &[]));
    connection
}

#[test]
fn streams_that_are_reset_at_once() {
    // CVE-2023-44487.
    let mut connection = None;
    let steps = times();
    let bench = flood("rapid resets", 2, steps, |bench, number| {
        let connection = connection.get_or_insert_with(|| http2(bench));
        let stream = (number * 2 + 1) as u32;
        let (ask, reset) = (frame(1, 5, stream, FIELDS), frame(3, 0, stream, &[0, 0, 0, 8]));
        connection.pass(bench, Direction::Received, &[ask, reset].concat());
    });
    assert_eq!(bench.transactions, steps, "each was asked for");
}

#[test]
fn streams_that_are_never_answered() {
    let mut connection = None;
    flood("open streams", 2, times(), |bench, number| {
        let connection = connection.get_or_insert_with(|| http2(bench));
        connection.pass(
            bench,
            Direction::Received,
            &frame(1, 5, (number * 2 + 1) as u32, FIELDS),
        );
    });
}

#[test]
fn a_header_that_goes_on_and_on() {
    // CVE-2024-27316 and its like: CONTINUATION without end.
    let mut connection = None;
    flood("continuations", 2, times(), |bench, number| {
        let connection = connection.get_or_insert_with(|| {
            let mut connection = http2(bench);
            connection.pass(bench, Direction::Received, &frame(1, 1, 1, FIELDS));
            connection
        });
        let field = format!("\0\x08x{:07}\x08{:08}", number % 10_000_000, number % 100_000_000);
        connection.pass(bench, Direction::Received, &frame(9, 0, 1, field.as_bytes()));
    });
}

#[test]
fn fields_that_unpack_to_much_more() {
    // CVE-2016-6581: a large field is put into the table once, and named a thousand times in each header.
    let mut connection = None;
    flood("hpack bombs", 2, times() / 20, |bench, number| {
        let connection = connection.get_or_insert_with(|| {
            let mut connection = http2(bench);
            // A literal with indexing, its value 3,000 bytes long (RFC 7541 sections 6.2.1 and 5.1).
            let mut block = FIELDS.to_vec();
            block.extend(b"\x40\x01x\x7f\xb9\x16");
            block.extend([b'v'; 3_000]);
            connection.pass(bench, Direction::Received, &frame(1, 5, 1, &block));
            connection
        });
        let mut block = FIELDS.to_vec();
        block.extend([0xbe; 1_000]);
        connection.pass(
            bench,
            Direction::Received,
            &frame(1, 5, (number * 2 + 3) as u32, &block),
        );
    });
}

#[test]
fn hostile_text_is_told_as_text() {
    let mut bench = Bench::new();
    let connection = Connection::open(&mut bench, client(0));
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\u{9b}31m\u{0}";
    let request = [
        format!("GET /{evil}?{evil} HTTP/1.1\r\nHost: {evil}\r\nUser-Agent: {evil}\r\nContent-Type: {evil}\r\n")
            .as_bytes(),
        b"X-Api-Key: \xff\xfe\x1b[31m\r\nCookie: session=\x1b[2J\xc0\xaf\r\nX-Forwarded-For: \x1b[1m\r\n",
        b"Authorization: Basic G1sySjob\r\n\r\n",
    ]
    .concat();
    for (direction, bytes) in [
        (Direction::Received, &request[..]),
        (Direction::Sent, b"HTTP/1.1 302 \x1b[2J\r\nLocation: /\x1b[2J\xff\r\nContent-Type: \x9b\xc2\x9b\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let seq = connection.seq[usize::from(direction == Direction::Sent)];
        bench.now = bench.now + Duration::from_millis(1);
        let chunk = Chunk {
            flow: connection.snapshot.id,
            time: bench.now,
            direction,
            seq,
            segment_len: bytes.len() as u32,
            turn: 1,
            data: Bytes::copy_from_slice(bytes),
            peer_end: None,
            flags: ChunkFlags {
                turn_start: true,
                ..ChunkFlags::default()
            },
        };
        bench.pipeline.handle(bench.now, Event::Chunk(chunk), &mut bench.out);
    }
    bench.pipeline.finish(bench.now, &mut bench.out);
    let mut encode = JsonLines { host: None };
    let mut told = Vec::new();
    for record in &bench.out.records {
        encode.encode(&mut told, record, record.time).unwrap();
    }
    let told = String::from_utf8(told).unwrap().replace('\n', "");
    assert!(told.contains("\\\\x1b]0;owned"), "{told}");
    let is_dangerous = |c: &char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}');
    assert_eq!(told.chars().find(is_dangerous), None, "{told}");
    assert!(
        !told.contains("\\u001b") && !told.contains("\\u009b"),
        "JSON's own escapes come back to life in a reader"
    );
}
