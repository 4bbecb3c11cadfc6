//! Connections with both ends on this host: told once, from the accepting end.

use super::*;
use crate::record::{EndReason, FlowDirection, HttpRole};

fn pair(server: &str, client: &str) -> (Socket, Socket) {
    (
        Socket::new(1, Role::Passive, server, client),
        Socket::new(2, Role::Active, client, server).owned(9),
    )
}

#[track_caller]
fn check_told_by_the_server(bench: &Bench) {
    bench.check_story(&["Open 1", "http 200", "Close 1"]);
    for flow in bench.flows() {
        assert_eq!(flow.direction, Some(FlowDirection::Local));
        assert_eq!(pid_of(flow.process.as_ref()), Some(7));
        assert_eq!(pid_of(flow.peer_process.as_ref()), Some(9));
        assert_eq!(flow.tuple.unwrap().local.port(), 80);
    }
    assert_eq!(bench.http()[0].role, HttpRole::Server);
}

#[test]
fn over_loopback() {
    let mut bench = Bench::new();
    let (mut server, mut client) = pair("127.0.0.1:80", "127.0.0.1:5000");
    client.snapshot.flags.local_peer = true;
    client.open(&mut bench);
    server.open(&mut bench);
    server.hear(&mut bench, &get("/"));
    server.read_by(&mut bench, 7);
    server.say(&mut bench, &ok(b"hi"));
    // The end that closes first is gone when the other one's story ends.
    client.close(&mut bench);
    bench.wait(50);
    server.close(&mut bench);
    check_told_by_the_server(&bench);
    assert_eq!(bench.out.commands, []);
}

#[test]
fn over_veth_before_the_kernel_knows() {
    let mut bench = Bench::new();
    let (mut server, mut client) = pair("10.1.0.2:80", "10.1.0.1:5000");
    server.snapshot.netns = 2;
    client.open(&mut bench);
    server.open(&mut bench);
    // Both ends are copied for now.
    client.say(&mut bench, &get("/"));
    server.hear(&mut bench, &get("/"));
    server.read_by(&mut bench, 7);
    server.say(&mut bench, &ok(b"hi"));
    client.hear(&mut bench, &ok(b"hi"));
    server.close(&mut bench);
    client.close(&mut bench);
    bench.wait(500);
    check_told_by_the_server(&bench);
    assert_eq!(
        bench.out.commands,
        [
            Command::CountOnly(client.snapshot.id),
            Command::LocalDestination {
                netns: client.snapshot.netns,
                address: "10.1.0.2:80".parse().unwrap()
            }
        ]
    );
}

#[test]
fn loopback_of_another_namespace_is_another_host() {
    let mut bench = Bench::new();
    let (mut server, mut client) = pair("127.0.0.1:80", "127.0.0.1:5000");
    server.snapshot.netns = 2;
    client.open(&mut bench);
    server.open(&mut bench);
    bench.finish();
    bench.check_story(&["Open 2", "Close 2", "Open 1", "Close 1"]);
}

#[test]
fn who_was_told_first_goes_on_speaking() {
    let mut bench = Bench::new();
    let (mut server, mut client) = pair("10.1.0.2:80", "10.1.0.1:5000");
    client.open(&mut bench);
    bench.wait(2_000);
    // A deferred accept: there is no socket before the first bytes.
    client.say(&mut bench, &get("/"));
    server.open(&mut bench);
    server.read_by(&mut bench, 7);
    client.hear(&mut bench, &ok(b"hi"));
    client.close(&mut bench);
    server.close(&mut bench);
    bench.wait(500);
    bench.check_story(&["Open 2", "http 200", "Close 2"]);
    let close = bench.flows()[1];
    assert_eq!(close.direction, Some(FlowDirection::Local));
    assert_eq!(close.tuple.unwrap().local.port(), 80);
    assert_eq!(
        (pid_of(close.process.as_ref()), pid_of(close.peer_process.as_ref())),
        (Some(7), Some(9))
    );
    // As of the accepting end.
    assert_eq!(close.counters.received, get("/").len() as u64);
}

/// Nobody tells of the accepting end: what the connecting one knows is told as the accepting one would have it.
#[test]
fn told_by_the_connecting_end_alone() {
    let mut bench = Bench::new();
    let (_, mut client) = pair("127.0.0.1:81", "127.0.0.1:5000");
    client.snapshot.flags.local_peer = true;
    client.open(&mut bench);
    client.exchange(&mut bench, 5);
    client.snapshot.flags.fin_local_first = true;
    client.close(&mut bench);
    // The accepting end may still come, out of the map of closes that is drained every second.
    bench.wait(1_400);
    bench.check_story(&[]);
    bench.wait(200);
    bench.check_story(&["Open 2", "Close 2"]);
    let close = bench.flows()[1];
    assert_eq!(close.end_reason, Some(EndReason::FinRemote));
    assert_eq!(close.counters.received, get("/").len() as u64);
    // What the accepting end confirmed, read and sent again, the connecting one does not know.
    assert!(close.counted_remotely);
}

/// The accepting end's open was lost, and its close comes after the connecting one has ended, or before it.
#[test]
fn ends_whose_records_come_late_are_one_flow() {
    for accepting_first in [false, true] {
        let mut bench = Bench::new();
        let (mut server, mut client) = pair("127.0.0.1:80", "127.0.0.1:5000");
        client.snapshot.flags.local_peer = true;
        client.snapshot.opened = bench.now;
        server.snapshot.opened = bench.now;
        server.snapshot.owner = Some(owner(7));
        bench.wait(5);
        let ends = if accepting_first {
            [&mut server, &mut client]
        } else {
            [&mut client, &mut server]
        };
        for end in ends {
            end.close(&mut bench);
            bench.wait(700);
        }
        bench.wait(3_000);
        bench.check_story(&["Open 1", "Close 1"]);
        assert_eq!(bench.flows()[1].direction, Some(FlowDirection::Local));
        assert_eq!(bench.pipeline.stats(bench.now).flows_total, 1);
    }
}

/// The same ports come again at once: the later connection's accepting end is not that of the earlier.
#[test]
fn a_late_end_is_of_its_own_connection() {
    let mut bench = Bench::new();
    let (_, mut client) = pair("127.0.0.1:80", "127.0.0.1:5000");
    client.snapshot.flags.local_peer = true;
    client.open(&mut bench);
    bench.wait(5);
    client.close(&mut bench);
    bench.wait(5);
    let (server, _) = pair("127.0.0.1:80", "127.0.0.1:5000");
    let mut server = server.owned(7);
    server.open(&mut bench);
    server.close(&mut bench);
    bench.wait(3_000);
    let mut story = bench.story();
    story.sort_unstable();
    assert_eq!(story, ["Close 1", "Close 2", "Open 1", "Open 2"]);
}

#[test]
fn a_refused_connect_to_loopback_is_told() {
    let mut bench = Bench::new();
    let (_, mut client) = pair("127.0.0.1:81", "127.0.0.1:5000");
    client.snapshot.flags = FlowFlags {
        local_peer: true,
        rst_received: true,
        ..FlowFlags::default()
    };
    client.snapshot.error = 111;
    client.open(&mut bench);
    client.tell(&mut bench, FlowCause::Close);
    bench.wait(500);
    bench.check_story(&["Open 2", "Close 2"]);
    let close = bench.flows()[1];
    assert_eq!(close.end_reason, Some(EndReason::Refused));
    assert_eq!(close.direction, Some(FlowDirection::Local));
    assert_eq!(close.tuple.unwrap().local.port(), 81);
    assert_eq!(
        (pid_of(close.process.as_ref()), pid_of(close.peer_process.as_ref())),
        (None, Some(9))
    );
    assert_eq!(bench.pipeline.stats(bench.now).flows_total, 1);
}

#[test]
fn an_address_that_moved_away_is_told_as_outbound() {
    let mut bench = Bench::new();
    let mut client = Socket::client(2, "10.1.0.2:80");
    client.snapshot.flags.local_peer = true;
    client.open(&mut bench);
    bench.wait(5_000);
    bench.check_story(&[]);
    client.pass(bench.now, Direction::Received, 2_000_000);
    client.tell(&mut bench, FlowCause::Progress);
    client.close(&mut bench);
    bench.check_story(&["Open 2", "Close 2"]);
    assert!(
        bench
            .flows()
            .iter()
            .all(|flow| flow.direction == Some(FlowDirection::Outbound))
    );
    assert!(bench.flows().iter().all(|flow| flow.tuple == client.snapshot.tuple));
    assert_eq!(bench.flows()[1].counters.received, 2_000_000);
}

#[test]
fn equal_ports_of_a_later_connection_are_no_pair_with_the_earlier() {
    let mut bench = Bench::new();
    let (mut server, mut client) = pair("127.0.0.1:80", "127.0.0.1:5000");
    client.snapshot.flags.local_peer = true;
    client.open(&mut bench);
    server.open(&mut bench);
    server.read_by(&mut bench, 7);
    client.close(&mut bench);
    // The server's close is not there yet when the ports are used again.
    let (mut server2, mut client2) = pair("127.0.0.1:80", "127.0.0.1:5000");
    (server2.snapshot.id.cookie, client2.snapshot.id.cookie) = (11, 12);
    client2.snapshot.owner = Some(owner(19));
    client2.snapshot.flags.local_peer = true;
    client2.open(&mut bench);
    server2.open(&mut bench);
    server2.read_by(&mut bench, 7);
    server.close(&mut bench);
    client2.close(&mut bench);
    server2.close(&mut bench);
    bench.check_story(&["Open 1", "Open 11", "Close 1", "Close 11"]);
    let peers: Vec<_> = bench
        .flows()
        .iter()
        .map(|flow| pid_of(flow.peer_process.as_ref()))
        .collect();
    assert_eq!(peers, [Some(9), Some(19), Some(9), Some(19)]);
}

#[test]
fn both_ends_found_late_are_one_flow() {
    let mut bench = Bench::new();
    let (mut server, mut client) = pair("127.0.0.1:80", "127.0.0.1:5000");
    client.snapshot.role = Role::Unknown;
    for end in [&mut client, &mut server] {
        end.snapshot.flags.joined_late = true;
        end.tell(&mut bench, FlowCause::Found);
    }
    bench.wait(100);
    client.close(&mut bench);
    server.close(&mut bench);
    bench.check_story(&["Open 1", "Close 1"]);
    assert!(bench.flows()[1].joined_late);
    assert_eq!(bench.flows()[1].direction, Some(FlowDirection::Local));
}

#[test]
fn a_handshake_that_takes_long_is_waited_for() {
    let mut bench = Bench::new();
    let (mut server, mut client) = pair("10.1.0.2:80", "10.1.0.1:5000");
    client.snapshot.flags.established = false;
    client.open(&mut bench);
    // The first SYN was lost.
    bench.wait(1_000);
    bench.check_story(&[]);
    client.snapshot.flags.established = true;
    client.tell(&mut bench, FlowCause::Established);
    client.say(&mut bench, &get("/"));
    bench.wait(900);
    bench.check_story(&[]);
    server.open(&mut bench);
    server.hear(&mut bench, &get("/"));
    server.read_by(&mut bench, 7);
    server.say(&mut bench, &ok(b"hi"));
    client.close(&mut bench);
    server.close(&mut bench);
    check_told_by_the_server(&bench);
}

#[test]
fn a_handshake_is_not_waited_for_without_end() {
    let mut bench = Bench::new();
    let mut client = Socket::client(2, "203.0.113.7:443");
    client.snapshot.flags.established = false;
    client.open(&mut bench);
    bench.wait(7_999);
    bench.check_story(&[]);
    bench.wait(1);
    bench.check_story(&["Open 2"]);
}

#[test]
fn after_a_long_handshake_to_elsewhere_as_long_again() {
    let mut bench = Bench::new();
    let mut client = Socket::client(2, "203.0.113.7:443");
    client.snapshot.flags.established = false;
    client.open(&mut bench);
    bench.wait(200);
    client.snapshot.flags.established = true;
    client.tell(&mut bench, FlowCause::Established);
    bench.wait(199);
    bench.check_story(&[]);
    bench.wait(1);
    bench.check_story(&["Open 2"]);
    assert_eq!(bench.told_at(crate::record::FlowEvent::Open), 400);
}

#[test]
fn ends_that_nat_hides_are_two_flows_that_name_each_other() {
    use FlowDirection::{Inbound, Outbound};
    let mut bench = Bench::new();
    let mut client = Socket::client(2, "10.1.0.1:8080");
    let mut server = Socket::new(1, Role::Passive, "10.2.0.2:80", "10.2.0.1:61000");
    client.open(&mut bench);
    client.snapshot.first_seqs = Some((500, 900));
    client.tell(&mut bench, FlowCause::Established);
    server.snapshot.first_seqs = Some((900, 500));
    server.open(&mut bench);
    server.read_by(&mut bench, 7);
    bench.wait(200);
    // Another that has one number alike is nobody's other end.
    let mut other = Socket::new(3, Role::Passive, "10.2.0.2:80", "10.2.0.1:61001");
    other.snapshot.first_seqs = Some((900, 501));
    other.open(&mut bench);
    other.read_by(&mut bench, 7);
    client.close(&mut bench);
    server.close(&mut bench);
    other.close(&mut bench);
    let ends: Vec<_> = bench
        .flows()
        .iter()
        .map(|flow| {
            let other = flow.nat.and_then(|nat| nat.other).map(|other| other.cookie);
            (flow.flow.cookie, flow.direction.unwrap(), other)
        })
        .collect();
    assert_eq!(
        ends,
        [
            (1, Inbound, Some(2)),
            (2, Outbound, Some(1)),
            (3, Inbound, None),
            (2, Outbound, Some(1)),
            (1, Inbound, Some(2)),
            (3, Inbound, None),
        ]
    );
}

#[test]
fn where_nat_of_this_host_leads_back_here_the_ends_are_one_flow() {
    let mut bench = Bench::new();
    let (mut server, mut client) = pair("127.0.0.1:80", "127.0.0.1:5000");
    client.snapshot.flags.local_peer = true;
    client.snapshot.flags.nat = true;
    client.snapshot.named = Some("203.0.113.7:443".parse().unwrap());
    client.open(&mut bench);
    server.open(&mut bench);
    server.hear(&mut bench, &get("/"));
    server.read_by(&mut bench, 7);
    server.say(&mut bench, &ok(b"hi"));
    client.close(&mut bench);
    server.close(&mut bench);
    check_told_by_the_server(&bench);
    for flow in bench.flows() {
        assert_eq!(flow.nat.unwrap().named, client.snapshot.named);
    }
}
