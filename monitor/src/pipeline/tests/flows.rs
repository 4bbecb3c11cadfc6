//! Flows of one socket: opened, owned, ended, and what becomes of lost records.

use super::*;
use crate::event::{CaptureCounts, Living};
use crate::flow::FlowTable;
use crate::record::{EndReason, FlowDirection};

#[test]
fn an_accepted_flow_is_told_when_its_owner_is_known() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1);
    server.open(&mut bench);
    bench.wait(5);
    server.read_by(&mut bench, 7);
    bench.wait(1_000);
    server.exchange(&mut bench, 3);
    server.close(&mut bench);
    bench.check_story(&["Open 1", "http 200", "Close 1"]);
    assert_eq!(bench.told_at(FlowEvent::Open), 5);
    let flows = bench.flows();
    let [open, close] = flows[..] else { panic!() };
    assert_eq!(open.direction, Some(FlowDirection::Inbound));
    assert_eq!(pid_of(open.process.as_ref()), Some(7));
    assert_eq!(close.end_reason, Some(EndReason::FinRemote));
    assert_eq!(close.duration.as_millis(), 1_008);
    assert_eq!(
        (close.counters.sent, close.counters.received),
        (ok(b"hi").len() as u64, get("/").len() as u64)
    );
    assert_eq!(
        close.coverage.understood_bytes,
        close.counters.sent + close.counters.received
    );
    assert_eq!(close.coverage.reason, None);
}

#[test]
fn an_owner_that_never_comes_is_waited_for_100_ms() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1);
    server.open(&mut bench);
    server.exchange(&mut bench, 3);
    bench.check_story(&[]);
    // Asked late: told at its own time all the same.
    bench.wait(500);
    bench.check_story(&["Open 1", "http 200"]);
    assert_eq!(bench.told_at(FlowEvent::Open), 100);
    // From then on nothing waits.
    server.exchange(&mut bench, 1);
    assert_eq!(bench.http().len(), 2);
    assert_eq!(pid_of(bench.http()[1].process.as_ref()), None);
    // A late owner is that of what comes after.
    server.read_by(&mut bench, 7);
    server.exchange(&mut bench, 1);
    assert_eq!(pid_of(bench.http()[2].process.as_ref()), Some(7));
    server.close(&mut bench);
    assert_eq!(pid_of(bench.flows()[1].process.as_ref()), Some(7));
    bench.check_story(&["Open 1", "http 200", "http 200", "http 200", "Close 1"]);
}

#[test]
fn transactions_wait_for_the_owner_in_order() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1);
    server.open(&mut bench);
    server.exchange(&mut bench, 1);
    server.exchange(&mut bench, 1);
    // The owner's own record is lost: the next one, whatever it is, brings it.
    server.snapshot.owner = Some(owner(7));
    server.tell(&mut bench, FlowCause::Progress);
    server.exchange(&mut bench, 1);
    assert_eq!(bench.story()[..4], ["Open 1", "http 200", "http 200", "Update 1"]);
    assert!(bench.http().iter().all(|http| pid_of(http.process.as_ref()) == Some(7)));
    assert!(bench.http().windows(2).all(|pair| pair[0].start < pair[1].start));
}

#[test]
fn the_first_owner_is_kept() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1);
    server.open(&mut bench);
    server.read_by(&mut bench, 7);
    server.read_by(&mut bench, 8);
    server.close(&mut bench);
    bench.check_story(&["Open 1", "Close 1"]);
    assert_eq!(pid_of(bench.flows()[1].process.as_ref()), Some(7));
}

#[test]
fn a_close_is_told_even_if_nothing_was_before() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.pass(START, Direction::Received, 10);
    server.close(&mut bench);
    bench.check_story(&["Open 1", "Close 1"]);
    assert_eq!(bench.flows()[1].counters.received, 10);
    // What straggles in afterwards makes no flow, and is counted.
    server.tell(&mut bench, FlowCause::Progress);
    server.hear(&mut bench, b"GET / HTTP/1.1\r\n\r\n");
    bench.wait(200);
    bench.finish();
    bench.check_story(&["Open 1", "Close 1"]);
    let lost = &bench.stats()[0].lost;
    assert!(lost.contains(&("after_close", 2)), "{lost:?}");
}

#[test]
fn payload_whose_open_record_was_lost_is_read() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1);
    server.exchange(&mut bench, 2);
    bench.wait(150);
    bench.check_story(&["Open 1", "http 200"]);
    assert!(bench.flows()[0].tuple.is_none());
    server.snapshot.owner = Some(owner(7));
    server.close(&mut bench);
    let flows = bench.flows();
    assert_eq!((flows.len(), flows[1].event), (2, FlowEvent::Close));
    assert_eq!(flows[1].tuple, server.snapshot.tuple);
}

#[test]
fn a_lost_close_leaves_the_flow_open() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    bench.wait(3_600_000);
    bench.finish();
    bench.check_story(&["Open 1", "Close 1"]);
    assert_eq!(bench.flows()[1].end_reason, Some(EndReason::StillOpen));
    assert_eq!(bench.flows()[1].duration.as_secs(), 3_600);
}

/// What a walk over the sockets of namespace 1 found, which began now.
fn walked(bench: &Bench, cookies: &[u64]) -> Living {
    let mut living = Living::new(Transport::Tcp);
    living.began = bench.now;
    living.namespaces.insert(1);
    living
        .flows
        .extend(cookies.iter().map(|&cookie| FlowId { cookie, generation: 1 }));
    living
}

fn lost_closes(bench: &mut Bench, number: u64) {
    let mut counts = CaptureCounts::default();
    counts.by_cause[monitor_common::loss::CLOSE_LOST as usize] = number;
    bench.give(Event::Losses(Box::new(counts)));
}

#[test]
fn a_walk_ends_flows_whose_close_was_lost() {
    let mut bench = Bench::new();
    for cookie in 1..=3 {
        Socket::server(cookie).owned(7).open(&mut bench);
    }
    bench.wait(1_000);
    lost_closes(&mut bench, 1);
    let living = walked(&bench, &[1]);
    // One that opens while the walk goes on is not met for that.
    bench.wait(5);
    Socket::server(4).owned(7).open(&mut bench);
    bench.give(Event::Living(living));
    assert_eq!(bench.story()[3..], ["Open 4", "Close 2"]);
    assert_eq!(bench.flows().last().unwrap().end_reason, Some(EndReason::Vanished));
    // No more than were lost: flow 3 may be closed and still held.
    let living = walked(&bench, &[1, 4]);
    bench.give(Event::Living(living));
    assert_eq!(bench.story().len(), 5);
    lost_closes(&mut bench, 2);
    let living = walked(&bench, &[1, 4]);
    bench.give(Event::Living(living));
    assert_eq!(bench.story()[5..], ["Close 3"]);
}

#[test]
fn a_walk_says_nothing_of_namespaces_it_was_not_in_nor_of_other_transports() {
    let mut bench = Bench::new();
    let mut elsewhere = Socket::server(1).owned(7);
    elsewhere.snapshot.netns = 2;
    elsewhere.open(&mut bench);
    Socket::server(2).udp().owned(7).open(&mut bench);
    bench.wait(1_000);
    lost_closes(&mut bench, 9);
    let living = walked(&bench, &[]);
    bench.give(Event::Living(living));
    assert_eq!(bench.story().len(), 2);
    let mut living = Living::new(Transport::Udp);
    living.began = bench.now;
    bench.give(Event::Living(living));
    assert_eq!(bench.story()[2..], ["Close 2"]);
}

#[test]
fn progress_is_told_once_the_flow_is() {
    let mut bench = Bench::new();
    let mut client = Socket::client(1, "203.0.113.5:443");
    client.open(&mut bench);
    client.tell(&mut bench, FlowCause::Progress);
    bench.check_story(&[]);
    bench.wait(100);
    client.pass(bench.now, Direction::Sent, 5_000);
    client.tell(&mut bench, FlowCause::Progress);
    bench.check_story(&["Open 1", "Update 1"]);
    assert_eq!(bench.flows()[1].counters.sent, 5_000);
    assert_eq!(bench.flows()[1].direction, Some(FlowDirection::Outbound));
}

#[test]
fn an_evicted_flow_is_told_and_may_come_back() {
    let mut bench = Bench::new();
    bench.pipeline.flows = FlowTable::new(1);
    let (mut first, mut second) = (Socket::server(1).owned(7), Socket::server(2).owned(7));
    first.open(&mut bench);
    first.hear(&mut bench, &get("/slow"));
    second.open(&mut bench);
    bench.check_story(&["Open 1", "http 0", "Close 1", "Open 2"]);
    assert_eq!(bench.flows()[1].end_reason, Some(EndReason::Evicted));
    assert_eq!(bench.http()[0].incomplete, Some(crate::record::Incomplete::Evicted));
    // It lives on in the kernel, whose counts are whole.
    first.pass(bench.now, Direction::Sent, 900);
    first.close(&mut bench);
    assert_eq!(bench.story()[4..], ["Close 2", "Open 1", "Close 1"]);
    assert_eq!(bench.flows().last().unwrap().counters.sent, 900);
    bench.finish();
    assert_eq!(bench.stats()[0].flows_evicted, 2);
    assert_eq!(
        bench.stats()[0].lost.iter().find(|(cause, _)| *cause == "after_close"),
        Some(&("after_close", 0))
    );
}

#[test]
fn a_flow_that_is_new_is_never_the_one_to_go() {
    let mut bench = Bench::new();
    bench.pipeline.flows = FlowTable::new(1);
    Socket::server(1).open(&mut bench);
    Socket::server(2).exchange(&mut bench, 1);
    bench.wait(200);
    bench.check_story(&["Open 1", "Close 1", "Open 2", "http 200"]);
}

#[test]
fn finish_tells_all_as_open() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    server.hear(&mut bench, &get("/"));
    Socket::client(2, "203.0.113.5:443").open(&mut bench);
    bench.finish();
    bench.check_story(&["Open 1", "http 0", "Close 1", "Open 2", "Close 2"]);
    assert_eq!(bench.http()[0].incomplete, Some(crate::record::Incomplete::StillOpen));
    assert!(
        bench
            .flows()
            .iter()
            .filter(|flow| flow.event == FlowEvent::Close)
            .all(|flow| flow.end_reason == Some(EndReason::StillOpen))
    );
    assert_eq!(bench.stats().len(), 1);
    assert!(bench.pipeline.held.is_empty() && bench.pipeline.flows.is_empty());
}

#[test]
fn stats_come_every_ten_seconds_also_where_nothing_happens() {
    let mut bench = Bench::new();
    (0..35).for_each(|_| bench.wait(1_000));
    let times: Vec<u64> = bench
        .out
        .records
        .iter()
        .map(|r| r.time.since(START).as_secs())
        .collect();
    assert_eq!(times, [10, 20, 30]);
    // Asked once about half a minute: as if asked each second. Of a year: its first minute, and its end.
    bench.wait(30_000);
    assert_eq!(bench.stats().len(), 6);
    bench.wait(365 * 24 * 3_600_000);
    assert_eq!(bench.stats().len(), 6 + 6 + 1);
}

#[test]
fn stats_count_a_connection_once() {
    let mut bench = Bench::new();
    let mut server = Socket::new(1, Role::Passive, "127.0.0.1:80", "127.0.0.1:5000").owned(7);
    let mut client = Socket::new(2, Role::Active, "127.0.0.1:5000", "127.0.0.1:80").owned(9);
    client.snapshot.flags.local_peer = true;
    client.open(&mut bench);
    server.open(&mut bench);
    server.exchange(&mut bench, 1);
    let live = bench.pipeline.stats(bench.now);
    assert_eq!((live.flows_active, live.flows_total, live.events_received), (1, 1, 4));
    client.pass(bench.now, Direction::Sent, 55);
    client.close(&mut bench);
    server.close(&mut bench);
    let ended = bench.pipeline.stats(bench.now);
    assert_eq!((ended.flows_active, ended.flows_total, ended.transactions), (0, 1, 1));
    assert_eq!(ended.bytes_counted, (get("/").len() + ok(b"hi").len()) as u64);
    assert_eq!(ended.bytes_understood, ended.bytes_counted);
}
