//! The way from a connect to an alert, and how a person ends it.

use super::*;
use crate::alert::AlertState;
use crate::allow::AllowRule;
use crate::config::Config;
use crate::record::CoverageReason;

fn judges_at_once() -> Bench {
    let mut config = Config::default();
    config.learning.period = "0s".parse().unwrap();
    let mut bench = Bench::with(&config);
    bench.program(9, "/usr/bin/curl");
    bench
}

/// A connection from curl that lives for a second.
fn connect(bench: &mut Bench, cookie: u64, remote: &str) {
    let mut client = Socket::client(cookie, remote);
    client.open(bench);
    bench.wait(1_000);
    client.pass(bench.now, Direction::Sent, 5_000);
    client.close(bench);
}

#[test]
fn a_new_destination_raises_an_alert_until_it_is_allowed() {
    let mut bench = judges_at_once();
    (1..6).for_each(|cookie| connect(&mut bench, cookie, "198.51.100.1:443"));
    let before = bench.alerts().len();
    connect(&mut bench, 10, "203.0.113.5:443");
    let alerts = bench.alerts();
    assert_eq!(alerts.len(), before + 1, "{alerts:#?}");
    let alert = alerts[before].clone();
    assert_eq!(
        (alert.state, alert.detector, alert.ioc),
        (AlertState::New, "unknown_destination", Some(8))
    );
    assert_eq!(alert.target.destination.as_deref(), Some("203.0.113.5"));
    assert!(alert.summary.contains("curl"), "{}", alert.summary);
    assert!(bench.pipeline.open_alerts().any(|open| open.id == alert.id));

    let rule = AllowRule {
        destination: Some("203.0.113.0/24".parse().unwrap()),
        comment: "the new provider".to_owned(),
        ..AllowRule::default()
    };
    let (id, ended) = bench.pipeline.allow_add(bench.now, rule, &mut bench.out).unwrap();
    assert_eq!(ended, 1);
    let resolved = *bench.alerts().last().unwrap();
    assert_eq!((resolved.state, &resolved.id), (AlertState::Resolved, &alert.id));
    assert!(
        resolved
            .resolved_by
            .as_deref()
            .is_some_and(|by| by.contains("the new provider"))
    );
    let told = bench.alerts().len();
    connect(&mut bench, 11, "203.0.113.9:443");
    assert_eq!(bench.alerts().len(), told);
    assert_eq!(bench.pipeline.allow_list().count(), 1);
    // Taken back, the next new place is told of again.
    assert!(bench.pipeline.allow_remove(&id).is_ok());
    connect(&mut bench, 12, "192.0.2.77:443");
    assert_eq!(bench.alerts().len(), told + 1);
}

#[test]
fn a_connection_from_one_end_here_to_the_other_raises_nothing() {
    let mut bench = judges_at_once();
    (1..6).for_each(|cookie| connect(&mut bench, cookie, "198.51.100.1:443"));
    let told = bench.alerts().len();
    let mut client = Socket::new(20, Role::Active, "10.1.0.1:5000", "10.1.0.2:80").owned(9);
    let mut server = Socket::new(21, Role::Passive, "10.1.0.2:80", "10.1.0.1:5000").owned(7);
    client.open(&mut bench);
    server.open(&mut bench);
    bench.wait(5_000);
    client.close(&mut bench);
    server.close(&mut bench);
    bench.wait(5_000);
    assert_eq!(bench.alerts().len(), told);
}

// Basic authentication with one name after the other, on one connection.
#[test]
fn passwords_tried_for_many_names_raise_an_alert_of_each_detector() {
    let mut bench = Bench::new();
    let mut server = Socket::server(30);
    server.open(&mut bench);
    for n in 0..60 {
        let credentials = base64(&format!("user{n}:secret"));
        let request =
            format!("GET /orders HTTP/1.1\r\nHost: api.example\r\nAuthorization: Basic {credentials}\r\n\r\n");
        server.hear(&mut bench, request.as_bytes());
        bench.wait(5);
        server.say(&mut bench, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        bench.wait(500);
    }
    bench.finish();
    let alerts = bench.alerts();
    let raised: Vec<_> = alerts.iter().filter(|alert| alert.state == AlertState::New).collect();
    let detectors: Vec<_> = raised.iter().map(|alert| alert.detector).collect();
    let expected = ["credential_stuffing", "unknown_credential", "auth_failures"];
    assert_eq!(detectors, expected, "{alerts:#?}");
    let raised = &raised[2..];
    assert_eq!(raised[0].actor.as_ref().map(|actor| &*actor.id), Some("192.0.2.9"));
    assert_eq!(raised[0].target.endpoint.as_deref(), Some("GET /*"));
    let last = alerts.iter().rfind(|alert| alert.id == raised[0].id);
    assert_eq!(last.map(|alert| alert.count), Some(60));
}

// The header of the response is enough.
#[test]
fn a_response_that_announces_too_much_is_told_while_it_begins() {
    let mut bench = Bench::new();
    let mut server = Socket::server(31);
    server.open(&mut bench);
    server.read_by(&mut bench, 7);
    server.hear(&mut bench, &get("/export"));
    server.say(
        &mut bench,
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000000\r\n\r\n0123",
    );
    let alerts = bench.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    let alert = alerts[0];
    assert_eq!((alert.detector, alert.state), ("response_volume", AlertState::New));
    assert_eq!(alert.actor.as_ref().map(|actor| &*actor.id), Some("192.0.2.9"));
    assert_eq!(alert.target.endpoint.as_deref(), Some("GET /export"));
    assert!(bench.http().is_empty(), "the transaction goes on");
    // The answer to HEAD announces what GET would give.
    let mut other = Socket::server(32);
    other.open(&mut bench);
    other.hear(&mut bench, b"HEAD /export HTTP/1.1\r\nHost: api.example\r\n\r\n");
    other.say(
        &mut bench,
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000000\r\n\r\n",
    );
    assert_eq!(bench.alerts().len(), 1);
}

// One network after the other.
#[test]
fn a_key_used_from_many_networks_raises_an_alert() {
    let mut bench = Bench::new();
    for n in 0..12u64 {
        let remote = format!("203.{n}.113.9:40000");
        let mut server = Socket::new(40 + n, Role::Passive, "10.0.0.1:80", &remote).owned(7);
        server.open(&mut bench);
        server.hear(
            &mut bench,
            b"GET /orders HTTP/1.1\r\nHost: api.example\r\nX-Api-Key: k-1\r\n\r\n",
        );
        server.say(&mut bench, &ok(b"hi"));
        bench.wait(5_000);
    }
    let alerts = bench.alerts();
    let sharing: Vec<_> = alerts
        .iter()
        .filter(|alert| alert.detector == "credential_sharing")
        .collect();
    assert!(!sharing.is_empty(), "{alerts:#?}");
    assert!(
        sharing[0]
            .actor
            .as_ref()
            .is_some_and(|actor| actor.id.starts_with("key:"))
    );
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// nginx on port 443: so many requests in clear, then connections of TLS that nobody reads, then a scanner.
#[test]
fn an_alert_says_how_much_of_its_service_was_seen() {
    let mut bench = judges_at_once();
    bench.program(7, "/usr/sbin/nginx");
    let at_443 = |cookie: u64| {
        let remote = format!("192.0.2.9:{}", 40_000 + cookie);
        Socket::new(cookie, Role::Passive, "10.0.0.1:443", &remote).owned(7)
    };
    let mut clear = 0;
    for cookie in 1..4 {
        let mut server = at_443(cookie);
        server.open(&mut bench);
        server.exchange(&mut bench, 5);
        server.close(&mut bench);
        clear += server.snapshot.counters.received + server.snapshot.counters.sent;
    }
    let mut encrypted = 0;
    for cookie in 4..6 {
        let mut server = at_443(cookie);
        server.open(&mut bench);
        server.hear_of(&mut bench, &[0x16, 3, 1, 0, 1, 0], 500);
        server.pass(bench.now, Direction::Sent, 9_500);
        // One of them lives on.
        if cookie == 4 {
            server.close(&mut bench);
        } else {
            server.tell(&mut bench, FlowCause::Progress);
        }
        encrypted += 10_000;
    }
    let mut scanner = at_443(10);
    scanner.open(&mut bench);
    scanner.hear(
        &mut bench,
        b"GET /a HTTP/1.1\r\nHost: api.example\r\nUser-Agent: sqlmap/1.8\r\n\r\n",
    );
    scanner.say(&mut bench, &ok(b"hi"));
    scanner.tell(&mut bench, FlowCause::Progress);
    bench.wait(5_000);
    clear += scanner.snapshot.counters.received + scanner.snapshot.counters.sent;
    let alerts = bench.alerts();
    let alert = alerts.iter().find(|alert| alert.detector == "user_agent").unwrap();
    let service = alert.service.as_deref().unwrap();
    assert_eq!((&*service.program, service.port), ("/usr/sbin/nginx", Some(443)));
    assert_eq!(
        (service.counted, service.understood),
        (clear + encrypted, clear),
        "{service:?}"
    );
    assert_eq!(service.missed[CoverageReason::Encrypted as usize], encrypted);
    let share = clear as f32 / (clear + encrypted) as f32;
    assert!(
        alert.coverage.is_some_and(|told| (told - share).abs() < 1e-6),
        "{:?}",
        alert.coverage
    );
    let incidents = bench.records(|body| {
        if let Body::Incident(told) = body {
            Some(told)
        } else {
            None
        }
    });
    assert_eq!(incidents[0].services.first().map(AsRef::as_ref), Some(service));
}
