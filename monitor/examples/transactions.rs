//! What a transaction costs the engine, from the chunks of a kept connection to its record:
//! `cargo run --release -p monitor --no-default-features --example transactions`.
//!
//! Three requests: as a health check sends them, as a browser behind a proxy does, and as an API client with a token.
//! The median of several rounds is told; the machine's other work shows in the spread. With the name of one of them only
//! that is sent, and with a number that many rounds: what a profiler wants.

use std::time::{Duration, Instant};

use bytes::Bytes;
use monitor::config::Config;
use monitor::event::{
    Chunk, ChunkFlags, Counters, Direction, Event, FlowCause, FlowFlags, FlowId, FlowSnapshot, Owner, OwnerSince, Role,
};
use monitor::flow::{FiveTuple, Transport};
use monitor::pipeline::{Output, Pipeline};
use monitor::time::Timestamp;

const TRANSACTIONS: u32 = 200_000;
const ROUNDS: usize = 7;

const BARE: &str = "GET /orders/42 HTTP/1.1\r\nHost: api.example\r\nUser-Agent: wrk\r\n\r\n";
const BROWSER: &str = "GET /orders/42?page=3 HTTP/1.1\r\nHost: api.example\r\nX-Forwarded-For: 203.0.113.9\r\n\
    Connection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: application/json, text/plain, */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Referer: https://shop.example/\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-site\r\n\r\n";
const TOKEN: &str = "GET /orders/42 HTTP/1.1\r\nHost: api.example\r\nUser-Agent: python-requests/2.32\r\n\
    Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\nAuthorization: Bearer \
    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
    SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c\r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n\
    {\"order\":42,\"total\":\"10.00\"}";

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn round(request: &'static str) -> Duration {
    let mut pipeline = Pipeline::new(&Config::default(), [7; 32]);
    let mut out = Output::default();
    let mut now = Timestamp::from_secs(1_700_000_000);
    let flow = FlowId {
        cookie: 1,
        generation: 1,
    };
    pipeline.handle(now, Event::Flow(Box::new(open(flow, now))), &mut out);
    let mut seq = [1_000u32, 5_000];
    let began = Instant::now();
    for turn in 1..=TRANSACTIONS {
        for (at, direction, text) in [(0, Direction::Received, request), (1, Direction::Sent, RESPONSE)] {
            now = now + Duration::from_micros(50);
            let chunk = Chunk {
                flow,
                time: now,
                direction,
                seq: seq[at],
                segment_len: text.len() as u32,
                turn,
                data: Bytes::from_static(text.as_bytes()),
                peer_end: (turn > 1 || at == 1).then_some((seq[1 - at], now)),
                flags: ChunkFlags {
                    turn_start: true,
                    ..ChunkFlags::default()
                },
            };
            seq[at] = seq[at].wrapping_add(text.len() as u32);
            pipeline.handle(now, Event::Chunk(chunk), &mut out);
        }
        out.records.clear();
    }
    let took = began.elapsed();
    assert_eq!(pipeline.stats(now).transactions, u64::from(TRANSACTIONS));
    took / TRANSACTIONS
}

fn open(id: FlowId, now: Timestamp) -> FlowSnapshot {
    FlowSnapshot {
        id,
        time: now,
        cause: FlowCause::Open,
        tuple: Some(FiveTuple {
            transport: Transport::Tcp,
            local: ([10, 0, 0, 1], 80).into(),
            remote: ([192, 0, 2, 9], 40_000).into(),
        }),
        netns: 1,
        role: Role::Passive,
        opened: now,
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
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next();
    let rounds = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROUNDS)
        .max(1);
    for (name, request) in [("bare", BARE), ("browser", BROWSER), ("token", TOKEN)] {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let mut took: Vec<u128> = (0..rounds).map(|_| round(request).as_nanos()).collect();
        took.sort_unstable();
        println!(
            "{name}: {} ns a transaction (median of {rounds}; {} to {})",
            took[rounds / 2],
            took[0],
            took[rounds - 1]
        );
    }
}
