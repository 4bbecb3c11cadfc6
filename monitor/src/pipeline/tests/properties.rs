//! What holds for any sequence of events whatever.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::event::{CaptureCounts, Orphan, OwnerSince, Parent, Tail};
use crate::flow::FlowTable;
use crate::record::EndReason;

/// Flows that the small engine holds.
const FEW: usize = 3;

/// An event some time after the one before (or before it).
#[derive(Clone, Debug)]
struct Step {
    /// Microseconds; those below 0 go back.
    after: i64,
    event: Event,
}

fn id() -> impl Strategy<Value = FlowId> {
    (1..7u64, 1..3u32).prop_map(|(cookie, generation)| FlowId { cookie, generation })
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Received), Just(Direction::Sent)]
}

/// Few ends, of which some are each other's, so that pairs are met.
fn tuple() -> impl Strategy<Value = FiveTuple> {
    let end = || {
        prop_oneof![
            Just("127.0.0.1:80"),
            Just("127.0.0.1:5000"),
            Just("10.1.0.2:80"),
            Just("10.1.0.1:5000"),
            Just("203.0.113.5:443"),
            Just("10.0.0.53:53"),
        ]
    };
    let transport = prop_oneof![3 => Just(Transport::Tcp), 1 => Just(Transport::Udp)];
    (transport, end(), end()).prop_map(|(transport, local, remote)| FiveTuple {
        transport,
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    })
}

/// A moment near the start, before or after.
fn moment() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000u64).prop_map(|us| Timestamp::from_micros(START.as_micros() - 1_000_000 + us))
}

fn snapshot() -> impl Strategy<Value = FlowSnapshot> {
    let cause = prop_oneof![
        4 => Just(FlowCause::Open),
        1 => Just(FlowCause::Found),
        2 => Just(FlowCause::Owner),
        2 => Just(FlowCause::Progress),
        1 => Just(FlowCause::Established),
        2 => Just(FlowCause::Close),
    ];
    let role = prop_oneof![Just(Role::Active), Just(Role::Passive), Just(Role::Unknown)];
    let parent = proptest::option::weighted(0.3, (id(), 0..3u32, 0..3u32));
    let end = || proptest::option::of((any::<u32>(), moment()));
    (
        (id(), cause, role, moment(), moment()),
        (proptest::option::weighted(0.8, tuple()), 0..3u64),
        (proptest::option::of(1..4u32), parent),
        (any::<u32>(), any::<u32>(), end(), end()),
        (
            any::<u16>(),
            any::<u8>(),
            prop_oneof![Just(0u16), Just(111), Just(110), any::<u16>()],
        ),
    )
        .prop_map(
            |((id, cause, role, time, opened), (tuple, netns), (pid, parent), counts, state)| {
                let flag = |bit: u32| state.0 & (1 << bit) != 0;
                FlowSnapshot {
                    id,
                    time,
                    cause,
                    tuple,
                    netns,
                    role,
                    opened,
                    owner: pid.map(owner),
                    owner_since: OwnerSince {
                        turn: u32::from(state.2 & 3),
                        changes: state.2 >> 2 & 3,
                    },
                    parent: parent.map(|(flow, turn, in_flight)| Parent { flow, turn, in_flight }),
                    counters: Counters {
                        sent: u64::from(counts.0),
                        received: u64::from(counts.1),
                        sent_end: counts.2,
                        received_end: counts.3,
                        ..Counters::default()
                    },
                    first_bytes: [None; 2],
                    flags: FlowFlags {
                        joined_late: flag(0),
                        fin_sent: flag(1),
                        fin_received: flag(2),
                        fin_local_first: flag(3),
                        rst_sent: flag(4),
                        rst_received: flag(5),
                        established: flag(6),
                        opaque: flag(7),
                        truncated_duplex: flag(8),
                        over_budget: flag(12),
                        local_peer: flag(9),
                        nat: flag(10),
                    },
                    tcp_state: state.1,
                    error: state.2,
                    first_seqs: (state.2 & 16 != 0).then_some((u32::from(state.2 & 1), u32::from(state.2 & 2) / 2)),
                    named: None,
                }
            },
        )
}

fn chunk() -> impl Strategy<Value = Chunk> {
    let bytes = prop_oneof![
        4 => Just(get("/a?token=x")),
        4 => Just(ok(b"hi")),
        1 => Just(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe".to_vec()),
        1 => Just(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec()),
        1 => Just(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00".to_vec()),
        2 => proptest::collection::vec(any::<u8>(), 0..40),
    ];
    // Sequence numbers close to each other, also around the wrap.
    let seq = prop_oneof![(0..300u32).prop_map(|n| n.wrapping_sub(100)), any::<u32>()];
    (
        (id(), moment(), direction(), seq),
        (prop_oneof![4 => Just(0u32), 1 => 0..100_000u32], 0..4u32, any::<u8>()),
        (bytes, proptest::option::of((0..300u32, moment()))),
    )
        .prop_map(
            |((flow, time, direction, seq), (uncopied, turn, flags), (bytes, peer_end))| Chunk {
                flow,
                time,
                direction,
                seq,
                segment_len: bytes.len() as u32 + uncopied,
                turn,
                data: bytes.into(),
                peer_end,
                flags: ChunkFlags {
                    after_skip: flags & 0b11 == 0b1,
                    after_hole: flags & 0b1100 == 0b100,
                    late: flags & 0b11_0000 == 0b1_0000,
                    turn_start: flags & 0b100_0000 != 0,
                    with_repeats: flags & 1 == 0,
                    frame_start: flags & 0b110 == 0b110,
                    datagram: flags & 0b1_1111 == 0b1_1111,
                },
            },
        )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => snapshot().prop_map(|snapshot| Event::Flow(Box::new(snapshot))),
        6 => chunk().prop_map(Event::Chunk),
        1 => (tuple(), 0..3u64, chunk()).prop_map(|(tuple, netns, chunk)| Event::Orphan(Box::new(Orphan { tuple, netns, chunk }))),
        1 => (id(), direction(), any::<u32>(), moment())
            .prop_map(|(flow, direction, end_seq, time)| Event::Tail(Tail { flow, direction, end_seq, time })),
        1 => (1..4u32).prop_map(|pid| Event::Process(Arc::new(Program {
            id: owner(pid).program,
            exe: format!("/bin/{pid}"),
            ..Program::default()
        }))),
        1 => any::<u64>().prop_map(|undecodable| Event::Losses(Box::new(CaptureCounts {
            undecodable,
            ..CaptureCounts::default()
        }))),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let after = prop_oneof![
        8 => 0..30_000i64,
        2 => 0..3_000_000i64,
        1 => -200_000..0i64,
        1 => 0..100_000_000_000i64,
    ];
    let step = (after, event()).prop_map(|(after, event)| Step { after, event });
    proptest::collection::vec(step, 0..80)
}

/// An engine that judges at once and holds `most` flows.
fn engine(most: usize) -> Bench {
    let mut config = Config::default();
    config.learning.period = "0s".parse().unwrap();
    let mut bench = Bench::with(&config);
    bench.pipeline.flows = FlowTable::new(most);
    bench
}

/// Runs all; `ask_every` = after that many events the engine is asked whether it wants a timeout, as a driver would.
fn run(steps: &[Step], most: usize, ask_every: usize) -> Bench {
    let mut bench = engine(most);
    for (n, step) in steps.iter().enumerate() {
        let us = bench.now.as_micros().saturating_add_signed(step.after);
        bench.now = Timestamp::from_micros(us);
        bench.give(step.event.clone());
        if n % ask_every == 0 && bench.pipeline.poll_timeout().is_some_and(|due| due <= bench.now) {
            bench.wait(0);
        }
    }
    let latest = bench.pipeline.now;
    bench.now = bench.now.max(latest);
    bench.finish();
    bench
}

/// Each flow is opened, goes on, is closed, in this order; a flow that was evicted may be opened again.
fn check_lives(bench: &Bench) -> Result<(), TestCaseError> {
    let mut open: BTreeMap<FlowId, bool> = BTreeMap::new();
    for flow in bench.flows() {
        let state = open.get(&flow.flow).copied();
        match flow.event {
            FlowEvent::Open => prop_assert_eq!(state, None, "opened twice: {:?}", flow),
            FlowEvent::Update => prop_assert_eq!(state, Some(true), "update: {:?}", flow),
            FlowEvent::Close => prop_assert_eq!(state, Some(true), "close: {:?}", flow),
        }
        prop_assert_eq!(flow.end_reason.is_some(), flow.event == FlowEvent::Close);
        match flow.end_reason {
            Some(EndReason::Evicted) => open.remove(&flow.flow),
            _ => open.insert(flow.flow, flow.event != FlowEvent::Close),
        };
    }
    prop_assert!(open.values().all(|open| !open), "not closed: {:?}", open);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_records_are_in_order(steps in steps(), few in any::<bool>()) {
        let most = if few { FEW } else { 1_000 };
        let bench = run(&steps, most, 1);
        prop_assert!(bench.out.records.is_sorted_by_key(|record| record.time));
        check_lives(&bench)?;
        // The same again, and asked seldom: the records depend on the events alone.
        let again = run(&steps, most, usize::MAX);
        prop_assert_eq!(&bench.out.records, &again.out.records);
        prop_assert_eq!(&bench.out.commands, &again.out.commands);
        // Nothing is kept that nobody needs.
        prop_assert!(bench.pipeline.flows.is_empty());
        prop_assert!(bench.pipeline.reordering.is_empty() && bench.pipeline.held.is_empty());
        for request in bench.http().iter().filter_map(|http| http.request.as_ref()) {
            prop_assert!(!request.target.contains("token=x") && !request.path.contains("token=x"), "{request:?}");
        }
    }

    #[test]
    fn all_bytes_are_in_close_records(flows in proptest::collection::vec(
        (any::<bool>(), proptest::collection::vec((0..5_000u64, 0..5_000u64, 0..200u64), 1..6), any::<bool>()),
        1..12,
    )) {
        let mut bench = engine(1_000);
        let mut fed = (0, 0);
        for (n, (client, moves, closes)) in flows.iter().enumerate() {
            let cookie = n as u64 + 1;
            let mut socket = if *client { Socket::client(cookie, "203.0.113.5:443") } else { Socket::server(cookie) };
            if let Some(tuple) = &mut socket.snapshot.tuple {
                tuple.local.set_port(1_000 + n as u16);
            }
            socket.open(&mut bench);
            for (sent, received, ms) in moves {
                socket.pass(bench.now, Direction::Sent, *sent as usize);
                socket.pass(bench.now, Direction::Received, *received as usize);
                bench.wait(*ms);
                socket.tell(&mut bench, FlowCause::Progress);
            }
            if *closes {
                socket.close(&mut bench);
            }
            fed = (fed.0 + socket.snapshot.counters.sent, fed.1 + socket.snapshot.counters.received);
        }
        bench.finish();
        let records = bench.flows();
        let closed: Vec<_> = records.iter().filter(|flow| flow.event == FlowEvent::Close).collect();
        prop_assert_eq!(closed.len(), flows.len());
        let told = closed.iter().fold((0, 0), |(sent, received), flow| {
            (sent + flow.counters.sent, received + flow.counters.received)
        });
        prop_assert_eq!(told, fed);
        let stats = bench.stats();
        prop_assert_eq!(stats[stats.len() - 1].bytes_counted, fed.0 + fed.1);
    }
}
