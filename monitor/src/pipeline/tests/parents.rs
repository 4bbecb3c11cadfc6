//! The request behind a connection.

use super::*;
use crate::event::Parent;
use crate::record::ParentRef;

struct Scene {
    bench: Bench,
    server: Socket,
    client: Socket,
}

/// A server socket that has been asked for `target`, and a connection made for it among `in_flight`.
fn scene(target: &str, in_flight: u32) -> Scene {
    scene_in(Bench::new(), target, in_flight)
}

fn scene_in(mut bench: Bench, target: &str, in_flight: u32) -> Scene {
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    server.hear(&mut bench, &get(target));
    let mut client = Socket::client(2, "203.0.113.5:443");
    client.snapshot.parent = Some(Parent {
        flow: server.snapshot.id,
        turn: 1,
        in_flight,
    });
    client.open(&mut bench);
    Scene { bench, server, client }
}

fn parents(bench: &Bench) -> Vec<ParentRef> {
    let flows = bench.flows();
    flows.into_iter().filter_map(|flow| flow.parent.clone()).collect()
}

#[test]
fn a_request_under_way_is_named_and_stays_named() {
    let Scene {
        mut bench,
        mut server,
        mut client,
    } = scene("/pay?order=5", 4);
    server.say(&mut bench, &ok(b"hi"));
    // Another request on the same connection, before the flow is told.
    server.exchange(&mut bench, 1);
    server.close(&mut bench);
    bench.wait(200);
    client.close(&mut bench);
    let parents = parents(&bench);
    assert_eq!(parents.len(), 2);
    for parent in parents {
        assert_eq!((parent.flow, parent.turn, parent.in_flight), (server.snapshot.id, 1, 4));
        assert_eq!(parent.request.as_deref(), Some("GET /pay"));
        assert!((parent.confidence - 0.25).abs() < 1e-6);
    }
}

#[test]
fn a_request_that_was_answered_is_known_while_it_is_the_latest() {
    let mut bench = Bench::new();
    let mut server = Socket::server(1).owned(7);
    server.open(&mut bench);
    server.exchange(&mut bench, 1);
    let mut client = Socket::client(2, "203.0.113.5:443");
    client.snapshot.parent = Some(Parent {
        flow: server.snapshot.id,
        turn: 1,
        in_flight: 1,
    });
    client.open(&mut bench);
    client.close(&mut bench);
    assert!(
        parents(&bench)
            .iter()
            .all(|parent| parent.request.as_deref() == Some("GET /"))
    );
    assert!(parents(&bench).iter().all(|parent| parent.confidence > 0.99));
}

#[track_caller]
fn check_confidence(target: &str, expected: f32) {
    let mut bench = Bench::new();
    let remote = "203.0.113.5".parse().unwrap();
    bench
        .pipeline
        .names
        .learn(START, (1, None), remote, &"api.example".into(), 60);
    let Scene {
        mut bench,
        mut server,
        mut client,
    } = scene_in(bench, target, 10);
    server.say(&mut bench, &ok(b"hi"));
    bench.wait(200);
    client.close(&mut bench);
    let parents = parents(&bench);
    assert_eq!(parents.len(), 2);
    // Also after it was answered.
    assert!(
        parents.iter().all(|parent| (parent.confidence - expected).abs() < 1e-6),
        "{target}: {parents:?}"
    );
}

#[test]
fn a_request_that_names_the_destination_is_its_cause() {
    check_confidence("/fetch?url=https://203.0.113.5/", 0.95);
    check_confidence("/fetch?url=https://API.example:443/", 0.95);
    check_confidence("/fetch?url=https://203.0.113.55/", 0.1);
    check_confidence("/fetch?url=https://api.example.org/", 0.1);
    check_confidence("/fetch?url=my-api.example", 0.1);
}

#[test]
fn a_local_connection_is_told_with_the_cause_of_its_connecting_end() {
    let Scene {
        mut bench, mut server, ..
    } = scene("/", 1);
    let mut client = Socket::new(4, Role::Active, "127.0.0.1:5000", "127.0.0.1:6379").owned(7);
    let mut store = Socket::new(5, Role::Passive, "127.0.0.1:6379", "127.0.0.1:5000").owned(8);
    client.snapshot.flags.local_peer = true;
    client.snapshot.parent = Some(Parent {
        flow: server.snapshot.id,
        turn: 1,
        in_flight: 1,
    });
    client.open(&mut bench);
    store.open(&mut bench);
    client.close(&mut bench);
    server.say(&mut bench, &ok(b"hi"));
    store.close(&mut bench);
    let flows = bench.flows();
    let told: Vec<_> = flows.iter().filter(|flow| flow.flow == store.snapshot.id).collect();
    assert_eq!(told.len(), 2);
    for flow in told {
        let parent = flow.parent.as_ref().unwrap();
        assert_eq!(parent.request.as_deref(), Some("GET /"));
    }
}

#[test]
fn a_parent_that_was_never_seen_has_no_name() {
    let mut bench = Bench::new();
    let mut client = Socket::client(2, "203.0.113.5:443");
    let flow = FlowId {
        cookie: 99,
        generation: 1,
    };
    client.snapshot.parent = Some(Parent {
        flow,
        turn: 3,
        in_flight: 0,
    });
    client.open(&mut bench);
    client.close(&mut bench);
    let parents = parents(&bench);
    assert_eq!((parents[0].flow, &parents[0].request), (flow, &None));
    assert!((parents[0].confidence - 1.0).abs() < 1e-6);
}
