//! Requests that must be told, and those that must not.

use std::time::Duration;

use super::*;
use crate::alert::ActorKind;
use crate::observation::made::{Made, World, request};

const SCANNER: &str = "198.51.100.7";

fn world() -> World<RequestAnomaly> {
    World::new("[learning]\nperiod = \"0s\"\n", RequestAnomaly::new)
}

fn odd(client: &str, anomalies: &[&'static str], status: u16) -> Made {
    let mut made = request(client, "POST /orders", status);
    made.0.anomalies = anomalies.to_vec();
    made.0.request_anomalies = u8::try_from(anomalies.len()).unwrap();
    made
}

fn get(client: &str, target: &str, status: u16) -> Made {
    let mut made = request(client, "GET /*", status);
    let request = made.0.request.as_mut().unwrap();
    request.target = target.into();
    request.path = target.split('?').next().unwrap().into();
    made
}

#[test]
fn smuggling_is_told_at_once_and_once() {
    let mut world = world();
    for n in 0..50 {
        world.sees(&odd(SCANNER, &["both_lengths", "bare_lf"], 200));
        assert_eq!(world.raised().len(), 1, "{n}");
        world.passes(Duration::from_millis(200));
    }
    world.ends();
    let alert = world.raised()[0].clone();
    assert_eq!((alert.severity, alert.count), (Severity::High, 50));
    assert!((alert.confidence - 0.9).abs() < 1e-6);
    let actor = alert.actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Ip, SCANNER));
    assert_eq!(alert.target.endpoint.as_deref(), Some("POST /orders"));
    assert_eq!(
        alert.evidence.observed,
        Quantity::List(vec!["bare_lf".to_owned(), "both_lengths".to_owned()])
    );
    assert_eq!(alert.evidence.samples.len(), 5);
}

#[test]
fn malformed_requests_weigh_by_their_answer() {
    for (status, severity) in [(200, Severity::Medium), (500, Severity::Medium), (400, Severity::Low)] {
        let mut world = world();
        world.sees(&odd(SCANNER, &["bare_cr"], status));
        assert!(world.alerts().is_empty(), "it waits for more");
        world.passes_secs(2);
        assert_eq!(world.raised()[0].severity, severity, "{status}");
    }
}

#[test]
fn a_scanner_that_looks_for_files_is_one_alert() {
    let mut world = world();
    for n in 0..200 {
        let target = format!("/p{}/..%2f..%2f..%2fetc/passwd", n % 7);
        world.sees(&get(SCANNER, &target, 404));
        world.sees(&get(SCANNER, "/index.php?page=../../../../etc/passwd", 404));
        world.passes(Duration::from_millis(50));
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].severity, Severity::Medium, "many, all refused");
    assert_eq!(raised[0].title, format!("Path traversal tried by {SCANNER}"));
    assert_eq!(raised[0].count, 400);
}

#[test]
fn a_file_that_was_given_is_worse_than_one_that_was_not() {
    let mut refused = world();
    refused.sees(&get(SCANNER, "/static/%2e%2e/%2e%2e/etc/passwd", 403));
    refused.ends();
    assert_eq!(refused.raised()[0].severity, Severity::Low);
    let mut given = world();
    given.sees(&get(SCANNER, "/static/%2e%2e/%2e%2e/etc/passwd", 200));
    assert_eq!(given.raised()[0].severity, Severity::High);
}

#[test]
fn confidence_is_less_in_the_first_days() {
    let mut world = World::new("", RequestAnomaly::new);
    world.sees(&odd(SCANNER, &["both_lengths"], 200));
    assert!((world.raised()[0].confidence - 0.5).abs() < 1e-6);
    world.passes(Duration::from_hours(8 * 24));
    world.sees(&odd(SCANNER, &["both_lengths"], 200));
    assert!((world.raised()[1].confidence - 0.9).abs() < 1e-6);
}

#[test]
fn a_long_header_is_told() {
    let mut world = world();
    let mut long = request(SCANNER, "GET /", 431);
    long.0.request.as_mut().unwrap().header_bytes = 33_000;
    world.sees(&long);
    world.ends();
    assert_eq!(world.raised()[0].severity, Severity::Low);
}

#[test]
fn old_and_careless_clients_are_silent() {
    let mut world = world();
    for n in 0..500 {
        let client = format!("203.0.113.{}", n % 200);
        let mut old = odd(&client, &["bare_lf", "obs_fold", "missing_host"], 200);
        old.0.version = crate::record::HttpVersion::Http10;
        world.sees(&old);
        world.sees(&odd(
            &client,
            &["unusual_body", "non_ascii_target", "repeated_length"],
            200,
        ));
        world.sees(&get(&client, "/compare/v1..v2", 200));
        world.sees(&get(&client, "/@scope%2fpackage/-/package-1.0.tgz", 200));
        world.sees(&get(&client, "/css/../img/logo.png?v=1..2", 200));
        world.sees(&get(&client, "/static../x", 404));
        world.passes_secs(5);
    }
    world.is_silent();
}

// A server that writes odd responses is no attack of its clients.
#[test]
fn what_the_server_writes_is_not_the_clients() {
    let mut world = world();
    let mut made = odd(SCANNER, &["bare_lf", "both_lengths", "control_bytes"], 200);
    made.0.request_anomalies = 1;
    world.sees(&made);
    // Asked by this host, of others.
    let mut ours = odd(SCANNER, &["both_lengths"], 200);
    ours.0.role = HttpRole::Client;
    world.sees(&ours);
    world.is_silent();
}

// After a hole the reader may be out of step.
#[test]
fn what_was_not_seen_whole_is_judged_by_its_framing_alone() {
    let mut world = world();
    let mut cut = odd(SCANNER, &["bad_chunk", "stray_bytes"], 200);
    cut.0.incomplete = Some(Incomplete::Gap);
    world.sees(&cut);
    world.ends();
    assert!(world.alerts().is_empty());
    let mut desync = odd(SCANNER, &["both_lengths"], 200);
    desync.0.incomplete = Some(Incomplete::Gap);
    world.sees(&desync);
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn what_is_ordinary_here_can_be_said() {
    let configuration = "[detectors.request_anomaly]\nordinary = [\"odd_chunk_size\"]\n";
    let mut world = World::new(configuration, RequestAnomaly::new);
    world.sees(&odd(SCANNER, &["odd_chunk_size"], 200));
    world.is_silent();
}
