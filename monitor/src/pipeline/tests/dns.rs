//! Names: lookups told, destinations named, and nobody else's word taken for it.

use super::*;
use crate::record::{App, EndReason, FlowDirection, NameSource};

/// A message about `A api.example` (RFC 1035 section 4.1): the question, or the answer 203.0.113.5.
fn message(id: u16, answer: bool) -> Vec<u8> {
    let words = [id, if answer { 0x8180 } else { 0x0100 }, 1, u16::from(answer), 0, 0];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.extend(b"\x03api\x07example\x00\x00\x01\x00\x01");
    if answer {
        bytes.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xcb\x00\x71\x05");
    }
    bytes
}

impl Socket {
    fn datagram(&mut self, bench: &mut Bench, direction: Direction, bytes: &[u8]) {
        let mut chunk = self.chunk(bench.now, direction, bytes, bytes.len());
        chunk.flags.datagram = true;
        bench.give(Event::Chunk(chunk));
    }
}

fn resolver() -> Socket {
    Socket::new(1, Role::Active, "10.0.0.1:50000", "10.0.0.53:53")
        .udp()
        .owned(9)
}

#[test]
fn a_lookup_is_told_and_names_the_destination() {
    let mut bench = Bench::new();
    bench.program(9, "/usr/bin/curl");
    let mut asker = resolver();
    asker.open(&mut bench);
    asker.datagram(&mut bench, Direction::Sent, &message(7, false));
    bench.wait(4);
    asker.datagram(&mut bench, Direction::Received, &message(7, true));
    let mut client = Socket::client(2, "203.0.113.5:443");
    client.open(&mut bench);
    bench.wait(200);
    bench.check_story(&["dns api.example", "Open 1", "Open 2"]);
    let dns = bench.dns()[0];
    assert_eq!((dns.latency_us, dns.rcode.as_deref()), (Some(4_000), Some("NOERROR")));
    assert_eq!(dns.answers, ["203.0.113.5"]);
    assert_eq!(
        dns.process
            .as_ref()
            .and_then(|p| p.program.as_ref())
            .map(|p| p.exe.as_str()),
        Some("/usr/bin/curl")
    );
    assert_eq!(bench.flows()[0].app, Some(App::Dns));
    assert_eq!(
        bench.flows()[1].remote_name,
        Some(("api.example".into(), NameSource::Dns))
    );
}

#[test]
fn an_answer_that_nobody_asked_for_names_nothing() {
    let mut bench = Bench::new();
    let mut asker = resolver();
    asker.open(&mut bench);
    asker.datagram(&mut bench, Direction::Received, &message(7, true));
    let mut client = Socket::client(2, "203.0.113.5:443");
    client.open(&mut bench);
    bench.wait(200);
    assert_eq!(bench.dns().len(), 1);
    assert!(bench.flows().iter().all(|flow| flow.remote_name.is_none()));
}

#[test]
fn silence_is_told_after_five_seconds() {
    let mut bench = Bench::new();
    let mut asker = resolver();
    asker.open(&mut bench);
    asker.datagram(&mut bench, Direction::Sent, &message(7, false));
    asker.datagram(&mut bench, Direction::Sent, b"no message");
    bench.wait(60_000);
    bench.check_story(&["Open 1", "dns api.example"]);
    let told = bench
        .out
        .records
        .iter()
        .find(|record| matches!(record.body, Body::Dns(_)))
        .unwrap();
    assert_eq!(told.time.since(START).as_secs(), 5);
    assert_eq!(bench.dns()[0].rcode, None);
    assert!(
        bench
            .pipeline
            .stats(bench.now)
            .left_out
            .contains(&("unreadable_dns", 1))
    );
}

#[test]
fn an_idle_flow_and_a_released_one() {
    let mut bench = Bench::new();
    for (cookie, idle_s, reason) in [(1, 30, EndReason::Idle), (2, 1, EndReason::Released)] {
        let mut asker = resolver();
        asker.snapshot.id.cookie = cookie;
        asker.open(&mut bench);
        asker.pass(bench.now, Direction::Sent, 40);
        bench.wait(idle_s * 1_000);
        asker.tell(&mut bench, FlowCause::Close);
        let close = *bench.flows().last().unwrap();
        assert_eq!((close.end_reason, close.counters.sent), (Some(reason), 40));
        assert_eq!((close.transport, close.coverage.reason), (Transport::Udp, None));
    }
}

#[test]
fn a_resolver_on_this_host_is_the_accepting_end() {
    let mut bench = Bench::new();
    let mut asker = Socket::new(1, Role::Active, "127.0.0.1:50000", "127.0.0.53:53")
        .udp()
        .owned(9);
    let mut server = Socket::new(2, Role::Passive, "127.0.0.53:53", "127.0.0.1:50000")
        .udp()
        .owned(5);
    asker.open(&mut bench);
    server.open(&mut bench);
    asker.datagram(&mut bench, Direction::Sent, &message(7, false));
    asker.datagram(&mut bench, Direction::Received, &message(7, true));
    asker.tell(&mut bench, FlowCause::Close);
    // The next one asks from the same port, while the resolver's flow is not idle yet.
    let mut again = Socket::new(3, Role::Active, "127.0.0.1:50000", "127.0.0.53:53")
        .udp()
        .owned(10);
    again.open(&mut bench);
    again.tell(&mut bench, FlowCause::Close);
    bench.wait(200);
    server.tell(&mut bench, FlowCause::Close);
    bench.check_story(&["Open 2", "dns api.example", "Close 2"]);
    for flow in bench.flows() {
        assert_eq!((flow.app, flow.direction), (Some(App::Dns), Some(FlowDirection::Local)));
        assert_eq!(pid_of(flow.process.as_ref()), Some(5));
    }
    assert_eq!(pid_of(bench.dns()[0].process.as_ref()), Some(9));
}

fn over_tcp(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

#[test]
fn a_lookup_over_tcp_names_the_destination() {
    let mut bench = Bench::new();
    let mut asker = Socket::client(1, "10.0.0.53:53");
    asker.open(&mut bench);
    asker.say(&mut bench, &over_tcp(&message(7, false)));
    bench.wait(4);
    let answer = over_tcp(&message(7, true));
    asker.hear(&mut bench, &answer[..20]);
    asker.hear(&mut bench, &answer[20..]);
    let mut client = Socket::client(2, "203.0.113.5:443");
    client.open(&mut bench);
    bench.wait(200);
    bench.check_story(&["dns api.example", "Open 1", "Open 2"]);
    assert_eq!(bench.dns()[0].latency_us, Some(4_000));
    assert_eq!(bench.flows()[0].app, Some(App::Dns));
    assert_eq!(
        bench.flows()[1].remote_name,
        Some(("api.example".into(), NameSource::Dns))
    );
}

#[test]
fn over_tcp_the_asker_is_told_though_the_resolver_is_listened_to() {
    let mut bench = Bench::new();
    let mut asker = Socket::new(1, Role::Active, "127.0.0.1:50000", "127.0.0.53:53").owned(9);
    let mut server = Socket::new(2, Role::Passive, "127.0.0.53:53", "127.0.0.1:50000").owned(5);
    asker.open(&mut bench);
    server.open(&mut bench);
    server.hear(&mut bench, &over_tcp(&message(7, false)));
    server.say(&mut bench, &over_tcp(&message(7, true)));
    assert_eq!(pid_of(bench.dns()[0].process.as_ref()), Some(9));
    assert_eq!(bench.dns()[0].flow.cookie, 2);
}

#[test]
fn a_resolver_that_is_asked_from_elsewhere_resolves_nothing_for_this_host() {
    let mut bench = Bench::new();
    let mut server = Socket::new(2, Role::Passive, "10.0.0.1:53", "192.0.2.9:50000").owned(5);
    server.open(&mut bench);
    server.hear(&mut bench, &over_tcp(&message(7, false)));
    server.say(&mut bench, &over_tcp(&message(7, true)));
    let mut by_udp = Socket::new(3, Role::Passive, "10.0.0.1:53", "192.0.2.9:50000").udp();
    by_udp.open(&mut bench);
    by_udp.datagram(&mut bench, Direction::Received, &message(8, false));
    bench.wait(10_000);
    bench.finish();
    assert_eq!(bench.dns().len(), 0);
    let closed = bench.flows().into_iter().filter(|flow| flow.event == FlowEvent::Close);
    assert!(closed.map(|flow| flow.app).eq([Some(App::Dns); 2]));
}

#[test]
fn datagrams_are_told_by_what_they_say_where_the_port_does_not() {
    for (port, told) in [(1053, 1), (5355, 0), (5353, 0)] {
        let mut bench = Bench::new();
        let mut asker = Socket::new(1, Role::Active, "10.0.0.1:50000", &format!("10.0.0.53:{port}")).udp();
        asker.open(&mut bench);
        asker.datagram(&mut bench, Direction::Sent, b"something else altogether, on any port");
        asker.datagram(&mut bench, Direction::Sent, &message(7, false));
        asker.datagram(&mut bench, Direction::Received, &message(7, true));
        asker.tell(&mut bench, FlowCause::Close);
        assert_eq!(bench.dns().len(), told, "port {port}");
        assert_eq!(bench.flows()[0].app, (told == 1).then_some(App::Dns));
        assert!(
            bench
                .pipeline
                .stats(bench.now)
                .left_out
                .contains(&("unreadable_dns", 0))
        );
    }
}

/// A question for the TXT records of a name.
fn question(id: u16, name: &str) -> Vec<u8> {
    let words = [id, 0x0100, 1, 0, 0, 0];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend(b"\x00\x00\x10\x00\x01");
    bytes
}

#[test]
fn data_in_names_is_told() {
    let mut bench = Bench::new();
    bench.program(9, "/tmp/x");
    let mut asker = resolver();
    asker.open(&mut bench);
    for n in 0..200u16 {
        let data = u128::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let name = format!("{data:032x}.t.example.net");
        asker.datagram(&mut bench, Direction::Sent, &question(n, &name));
        bench.wait(500);
    }
    bench.wait(10_000);
    bench.finish();
    let alerts = bench.alerts();
    let tunnel = alerts.iter().rfind(|alert| alert.detector == "dns_tunnel").unwrap();
    assert_eq!(tunnel.target.destination.as_deref(), Some("example.net"));
    assert_eq!(tunnel.actor.as_ref().map(|actor| &*actor.id), Some("/tmp/x"));
}
