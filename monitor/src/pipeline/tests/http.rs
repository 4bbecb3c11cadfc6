//! Transactions and TLS: what flows carry, and what is asked of the capture for it.

use super::*;
use crate::record::{App, HttpRole, Incomplete, NameSource};

const KIB: usize = 1024;

#[test]
fn the_bytes_tell_the_role_where_nobody_else_does() {
    let mut bench = Bench::new();
    let mut found = Socket::new(1, Role::Unknown, "10.0.0.1:8080", "192.0.2.9:40000").owned(7);
    found.snapshot.flags.joined_late = true;
    found.tell(&mut bench, FlowCause::Found);
    found.exchange(&mut bench, 1);
    bench.check_story(&["Open 1", "http 200"]);
    let http = bench.http()[0];
    assert_eq!(http.role, HttpRole::Server);
    assert_eq!(http.server.map(|s| s.port()), Some(8080));
    let mut found = Socket::new(2, Role::Unknown, "10.0.0.1:40000", "203.0.113.5:80").owned(7);
    found.snapshot.flags.joined_late = true;
    found.tell(&mut bench, FlowCause::Found);
    found.say(&mut bench, &get("/"));
    found.hear(&mut bench, &ok(b"hi"));
    let http = bench.http()[1];
    assert_eq!((http.role, http.server.map(|s| s.port())), (HttpRole::Client, Some(80)));
    assert_eq!(http.server_name.as_deref(), Some("api.example"));
}

#[test]
fn a_connection_joined_in_a_body_is_read_from_the_next_request_on() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.snapshot.flags.joined_late = true;
    server.turns = [3, 2];
    server.last = Some(Direction::Sent);
    server.tell(&mut bench, FlowCause::Found);
    server.say(&mut bench, b"the rest of some body");
    server.exchange(&mut bench, 1);
    bench.check_story(&["Open 1", "http 200"]);
    assert_eq!(bench.http()[0].incomplete, None);
    server.close(&mut bench);
    let coverage = bench.flows()[1].coverage;
    assert_eq!(coverage.reason, Some(crate::record::CoverageReason::JoinedLate));
    assert_eq!(coverage.understood_bytes, (get("/").len() + ok(b"hi").len()) as u64);
}

#[test]
fn data_that_came_before_its_socket_is_the_first_of_it() {
    for netns in [1, 0] {
        let mut bench = Bench::new();
        let mut server = Socket::server(1);
        let chunk = server.chunk(bench.now, Direction::Received, &get("/early"), get("/early").len());
        bench.give(Event::Orphan(Box::new(crate::event::Orphan {
            tuple: server.snapshot.tuple.unwrap(),
            netns,
            chunk,
        })));
        server.open(&mut bench);
        server.read_by(&mut bench, 7);
        server.say(&mut bench, &ok(b"hi"));
        bench.check_story(&["Open 1", "http 200"]);
        assert_eq!(
            bench.http()[0].request.as_ref().map(|r| r.path.as_str()),
            Some("/early")
        );
    }
}

#[test]
fn data_whose_socket_never_comes_is_dropped_and_counted() {
    let mut bench = Bench::new();
    for port in 0..6_000u16 {
        let mut server = Socket::new(1, Role::Passive, "10.0.0.1:80", &format!("192.0.2.9:{port}"));
        let chunk = server.chunk(bench.now, Direction::Received, &[b'x'; 8 * KIB], 8 * KIB);
        bench.give(Event::Orphan(Box::new(crate::event::Orphan {
            tuple: server.snapshot.tuple.unwrap(),
            netns: 1,
            chunk,
        })));
    }
    let dropped = |bench: &Bench| {
        let stats = bench.pipeline.stats(bench.now);
        stats
            .left_out
            .iter()
            .find(|(cause, _)| *cause == "orphans_dropped")
            .map(|(_, count)| *count)
    };
    // 16 MiB stay.
    assert_eq!(dropped(&bench), Some(6_000 - 2 * 1_024));
    bench.wait(1_000);
    assert_eq!(dropped(&bench), Some(6_000));
}

#[test]
fn a_close_tells_what_is_unfinished() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    server.hear(&mut bench, &get("/slow"));
    server.snapshot.flags.rst_received = true;
    server.tell(&mut bench, FlowCause::Close);
    bench.check_story(&["Open 1", "http 0", "Close 1"]);
    assert_eq!(bench.http()[0].incomplete, Some(Incomplete::NoResponse));
    assert_eq!(bench.flows()[1].end_reason, Some(crate::record::EndReason::ResetRemote));
}

#[test]
fn transactions_that_wait_for_an_owner_come_before_the_close() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1);
    server.open(&mut bench);
    server.exchange(&mut bench, 1);
    server.hear(&mut bench, &get("/slow"));
    server.close(&mut bench);
    bench.check_story(&["Open 1", "http 200", "http 0", "Close 1"]);
    bench.wait(1_000);
    assert_eq!(bench.story().len(), 4);
}

#[test]
fn a_long_download_ends_by_its_tail() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    server.hear(&mut bench, &get("/big"));
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    server.say_of(&mut bench, head, head.len() + 1_000);
    assert_eq!(bench.out.commands, [Command::WatchTail(server.snapshot.id)]);
    bench.wait(300);
    server.pass(bench.now, Direction::Sent, 999_000);
    bench.give(Event::Tail(crate::event::Tail {
        flow: server.snapshot.id,
        direction: Direction::Sent,
        end_seq: server.seq[1],
        time: bench.now,
    }));
    bench.check_story(&["Open 1", "http 200"]);
    let http = bench.http()[0];
    assert_eq!((http.incomplete, http.duration_us), (None, 300_000));
    assert_eq!(http.response.as_ref().map(|r| r.body_bytes), Some(1_000_000));
    assert_eq!(bench.out.commands[1..], [Command::ForgetTail(server.snapshot.id)]);
}

#[test]
fn counters_of_the_close_end_a_download_too() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    server.hear(&mut bench, &get("/big"));
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    server.say_of(&mut bench, head, head.len() + 1_000);
    server.pass(bench.now, Direction::Sent, 999_000);
    server.close(&mut bench);
    bench.check_story(&["Open 1", "http 200", "Close 1"]);
    assert_eq!(bench.http()[0].incomplete, None);
    assert_eq!(bench.flows()[1].coverage.reason, None);
}

#[test]
fn headers_that_do_not_fit_double_what_is_copied() {
    let mut bench = Bench::new();
    let long = [b"GET / HTTP/1.1\r\nCookie: ".to_vec(), vec![b'c'; 80 * KIB]].concat();
    let truncated = |bench: &mut Bench, cookie: u64, snap: usize| {
        let mut server = Socket::server(cookie).owned(7);
        server.open(bench);
        server.hear_of(bench, &long[..snap], snap + 500);
        server.say(bench, &ok(b"hi"));
    };
    // Two at once, both copied by the old measure, are one reason.
    truncated(&mut bench, 1, 8 * KIB);
    truncated(&mut bench, 2, 8 * KIB);
    assert_eq!(bench.http()[0].incomplete, Some(Incomplete::HeaderTruncated));
    for (cookie, snap) in [(3, 16), (4, 32), (5, 64), (6, 64)] {
        bench.wait(1_000);
        truncated(&mut bench, cookie, snap * KIB - 1);
    }
    let raises: Vec<&Command> = bench.out.commands.iter().collect();
    let raise = |kib: usize| Command::RaiseSnap {
        port: 80,
        snap: (kib * KIB) as u32,
    };
    assert_eq!(raises, [&raise(16), &raise(32), &raise(64)]);
    assert_eq!(bench.http().len(), 6);
}

#[test]
fn responses_that_do_not_fit_raise_nothing() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    server.hear(&mut bench, &get("/"));
    server.say_of(&mut bench, b"HTTP/1.1 200 OK\r\nSet-Cookie: c", 9_000);
    server.close(&mut bench);
    assert_eq!(
        count(&bench.out.commands, |c| matches!(c, Command::RaiseSnap { .. })),
        0
    );
}

#[test]
fn secrets_are_in_no_record() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    let target = "http://joe:hunter2@api.example/reset;token=hunter2?password=hunter2&page=2";
    server.hear(&mut bench, format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
    // A connection that it caused names it while it is under way, and after.
    let mut client = Socket::client(2, "203.0.113.5:443");
    client.snapshot.parent = Some(crate::event::Parent {
        flow: server.snapshot.id,
        turn: 1,
        in_flight: 1,
    });
    client.open(&mut bench);
    server.say(&mut bench, &ok(b"hi"));
    client.close(&mut bench);
    bench.finish();
    let request = bench.http()[0].request.clone().unwrap();
    assert!(request.target.contains("page=2"), "{}", request.target);
    assert_eq!(request.host.as_deref(), Some("api.example"));
    let all = format!("{:?}", bench.out.records);
    assert!(all.contains("/reset") && !all.contains("hunter2"), "{all}");
}

/// A `ClientHello` for `api.example` (RFC 8446 section 4.1.2).
fn client_hello() -> Vec<u8> {
    let with_length = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let name = with_length(&[&[0][..], &with_length(b"api.example")].concat());
    let extensions = with_length(&[&[0, 0][..], &with_length(&name)].concat());
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 0x01, 1, 0], &extensions].concat();
    let message = [&[1, 0][..], &with_length(&body)].concat();
    [&[22, 3, 1][..], &with_length(&message)].concat()
}

#[test]
fn a_client_hello_names_where_an_outbound_flow_goes() {
    let mut bench = Bench::new();
    let mut client = Socket::client(1, "203.0.113.5:443");
    client.open(&mut bench);
    client.say(&mut bench, &client_hello());
    bench.wait(200);
    // It is refused.
    client.hear(&mut bench, b"\x15\x03\x03\x00\x02\x02\x28");
    client.close(&mut bench);
    bench.check_story(&["Open 1", "tls", "Close 1"]);
    for flow in bench.flows() {
        assert_eq!(flow.remote_name, Some(("api.example".into(), NameSource::Sni)));
        assert_eq!(flow.app, Some(App::Tls));
    }
    assert_eq!(bench.tls()[0].server_name.as_deref(), Some("api.example"));
    assert_eq!(
        count(&bench.out.commands, |c| *c == Command::CountOnly(client.snapshot.id)),
        1
    );
}

#[test]
fn a_client_hello_to_this_host_does_not_name_the_client() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    server.hear(&mut bench, &client_hello());
    // The server does not answer.
    bench.wait(3_000);
    assert_eq!(bench.tls()[0].server_name.as_deref(), Some("api.example"));
    assert!(
        bench
            .pipeline
            .flows(bench.now)
            .iter()
            .all(|flow| flow.remote_name.is_none())
    );
    server.close(&mut bench);
    assert!(bench.flows().iter().all(|flow| flow.remote_name.is_none()));
}

#[test]
fn bytes_that_are_lost_are_waited_for_100_ms() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    server.hear(&mut bench, &get("/"));
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n";
    server.say(&mut bench, head);
    // The end of the header is lost; the body comes.
    server.pass(bench.now, Direction::Sent, 2);
    let mut late = server.chunk(bench.now, Direction::Sent, b"body", 4);
    late.flags.after_hole = true;
    bench.give(Event::Chunk(late));
    assert!(bench.http().is_empty());
    bench.wait(99);
    assert!(bench.http().is_empty());
    bench.wait(1);
    server.close(&mut bench);
    assert_eq!(bench.http()[0].incomplete, Some(Incomplete::Gap));
    assert!(bench.pipeline.reordering.is_empty());
}

#[test]
fn headers_without_end_are_bounded_over_all_flows() {
    let mut bench = Bench::new();
    let piece = format!("GET /slow HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(60 * KIB));
    let mut sockets: Vec<Socket> = (1..=1_200).map(|cookie| Socket::server(cookie).owned(7)).collect();
    for socket in &mut sockets {
        socket.open(&mut bench);
        socket.hear(&mut bench, piece.as_bytes());
    }
    // The ones that began first were given up; the latest goes on.
    let last = sockets.last_mut().unwrap();
    last.hear(&mut bench, b"\r\n\r\n");
    last.say(&mut bench, &ok(b"hi"));
    let first = &mut sockets[0];
    first.hear(&mut bench, b"\r\n\r\n");
    first.say(&mut bench, &ok(b"hi"));
    let told: Vec<_> = bench
        .http()
        .iter()
        .map(|http| (http.flow.cookie, http.incomplete))
        .collect();
    assert_eq!(told, [(1_200, None), (1, Some(Incomplete::Evicted))]);
    bench.finish();
    let stats = bench.stats();
    let (_, given_up) = stats
        .last()
        .unwrap()
        .left_out
        .iter()
        .find(|(cause, _)| *cause == "waits_evicted")
        .unwrap();
    let held = super::super::holdings::MAX_HELD_BYTES / piece.len();
    assert_eq!(*given_up, 1_200 - held as u64);
}

#[test]
fn each_request_is_of_the_process_that_read_it() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1);
    server.open(&mut bench);
    for (turn, pid) in (1..).zip([7, 8, 7]) {
        server.hear(&mut bench, &get("/"));
        server.snapshot.owner_since = OwnerSince {
            turn,
            changes: turn as u16,
        };
        server.read_by(&mut bench, pid);
        server.say(&mut bench, &ok(b"hi"));
    }
    server.close(&mut bench);
    let served: Vec<_> = bench.http().iter().map(|http| pid_of(http.process.as_ref())).collect();
    assert_eq!(served, [Some(7), Some(8), Some(7)]);
    let close = bench.flows()[1];
    assert_eq!(
        (pid_of(close.process.as_ref()), pid_of(close.last_process.as_ref())),
        (Some(7), None)
    );
}
