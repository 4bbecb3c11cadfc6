//! What an ordinary transaction costs each detector:
//! `cargo run --release -p monitor --no-default-features --example detectors`.
//!
//! The transactions come out of the engine itself: 256 clients, some with tokens, some without, all answered with 200, after
//! one of sixteen has failed a login so that no detector's memory is empty. Each detector runs alone; what is told is the
//! median of several rounds, less that of a round with no detector.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use monitor::config::Config;
use monitor::detectors::{DOCS, Registry};
use monitor::event::{
    Chunk, ChunkFlags, Counters, Direction, Event, FlowCause, FlowFlags, FlowId, FlowSnapshot, Owner, OwnerSince, Role,
};
use monitor::flow::{FiveTuple, Transport};
use monitor::observation::Observation;
use monitor::pipeline::{Output, Pipeline};
use monitor::record::{Body, HttpRecord};
use monitor::time::Timestamp;

const CLIENTS: u8 = 255;
const LAPS: usize = 2_000;
const ROUNDS: usize = 7;
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// What a client says, and is answered.
fn conversation(client: u8) -> Vec<(String, &'static str)> {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let mut said = Vec::new();
    if client.is_multiple_of(16) {
        // Basic, `alice:wrong`.
        let failing = "GET /orders HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWxpY2U6d3Jvbmc=\r\n\r\n";
        said.push((failing.to_owned(), refused));
    }
    let credential = if client.is_multiple_of(2) {
        format!("Authorization: Bearer token-{client}\r\n")
    } else {
        String::new()
    };
    let request = format!("GET /orders/{client} HTTP/1.1\r\nHost: h\r\nUser-Agent: app/1\r\n{credential}\r\n");
    said.push((request, ok));
    said
}

/// The transactions, as detectors see them.
fn transactions() -> Vec<Arc<HttpRecord>> {
    let mut pipeline = Pipeline::new(&Config::default(), [7; 32]);
    let mut out = Output::default();
    for client in 0..CLIENTS {
        let flow = FlowId {
            cookie: u64::from(client) + 1,
            generation: 1,
        };
        pipeline.handle(NOW, Event::Flow(Box::new(open(flow, client))), &mut out);
        let mut seq = [1_000u32, 5_000];
        for (turn, (request, response)) in (1..).zip(conversation(client)) {
            for (at, direction, text) in [
                (0, Direction::Received, request),
                (1, Direction::Sent, response.to_owned()),
            ] {
                let chunk = Chunk {
                    flow,
                    time: NOW,
                    direction,
                    seq: seq[at],
                    segment_len: text.len() as u32,
                    turn,
                    data: Bytes::from(text.clone()),
                    peer_end: (turn > 1 || at == 1).then_some((seq[1 - at], NOW)),
                    flags: ChunkFlags {
                        turn_start: true,
                        ..ChunkFlags::default()
                    },
                };
                seq[at] = seq[at].wrapping_add(text.len() as u32);
                pipeline.handle(NOW, Event::Chunk(chunk), &mut out);
            }
        }
    }
    let http = out.records.into_iter().filter_map(|record| match record.body {
        Body::Http(http) => Some(http),
        Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Alert(_) | Body::Incident(_) | Body::Stats(_) => None,
    });
    http.collect()
}

fn open(id: FlowId, client: u8) -> FlowSnapshot {
    FlowSnapshot {
        id,
        time: NOW,
        cause: FlowCause::Open,
        tuple: Some(FiveTuple {
            transport: Transport::Tcp,
            local: ([10, 0, 0, 1], 80).into(),
            remote: ([198, 51, 100, client], 40_000).into(),
        }),
        netns: 1,
        role: Role::Passive,
        opened: NOW,
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

/// Nanoseconds for an ordinary transaction with these detectors alone.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn cost(names: &[&str], all: &[Observation], ordinary: &[Observation]) -> f64 {
    let off = DOCS.iter().filter(|doc| !names.contains(&doc.name));
    let text = off.fold(String::new(), |text, doc| {
        text + "[detectors." + doc.name + "]\nenabled = false\n"
    });
    let config = Config::parse(&text, std::path::Path::new("monitor.toml")).unwrap_or_default();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let mut registry = Registry::new(&config);
            let mut findings = Vec::new();
            for seen in all {
                registry.observe(NOW, seen, &mut findings);
            }
            let began = Instant::now();
            for _ in 0..LAPS {
                for seen in ordinary {
                    registry.observe(NOW, seen, &mut findings);
                }
            }
            began.elapsed().as_nanos() as f64 / (LAPS * ordinary.len()) as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let http = transactions();
    let shown = |http: &Arc<HttpRecord>| Observation::Transaction(Arc::clone(http));
    let all: Vec<Observation> = http.iter().map(shown).collect();
    let is_ok = |http: &&Arc<HttpRecord>| http.response.as_ref().is_some_and(|response| response.status == 200);
    let ordinary: Vec<Observation> = http.iter().filter(is_ok).map(shown).collect();
    let nothing = cost(&[], &all, &ordinary);
    println!("{} transactions; none: {nothing:.1} ns", ordinary.len());
    for doc in DOCS {
        println!("{}: {:.1} ns", doc.name, cost(&[doc.name], &all, &ordinary) - nothing);
    }
    let names: Vec<&str> = DOCS.iter().map(|doc| doc.name).collect();
    println!("all: {:.1} ns", cost(&names, &all, &ordinary) - nothing);
}
