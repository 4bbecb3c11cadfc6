//! Too much, and much that is ordinary.

use super::*;
use crate::observation::made::{Made, World, request};

const GB: u64 = 1_000_000_000;

fn world() -> World<ResponseVolume> {
    World::new("", ResponseVolume::new)
}

fn response(client: &str, endpoint: &str, body: u64) -> Made {
    let mut made = request(client, endpoint, 200);
    made.0.response.as_mut().unwrap().body_bytes = body;
    made
}

fn announces(world: &mut World<ResponseVolume>, client: &str, endpoint: &str, bytes: u64) {
    let mut made = request(client, endpoint, 200);
    made.0.start = world.now;
    made.0.response.as_mut().unwrap().announced_bytes = Some(bytes);
    world.observes(&Observation::Announced(Arc::new(made.0)));
}

#[test]
fn a_hundred_terabytes_are_told_when_they_are_announced() {
    let mut world = world();
    world.sees(&response("192.0.2.1", "GET /export", 3 * GB));
    announces(&mut world, "198.51.100.7", "GET /export", 100_000 * GB);
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High));
    assert!(raised[0].title.contains("100.0 TB"), "{}", raised[0].title);
    assert!(
        raised[0].summary.contains("the largest so far was 3.0 GB"),
        "{}",
        raised[0].summary
    );
    assert_eq!(raised[0].actor.as_ref().unwrap().kind, ActorKind::Ip);
    assert_eq!(raised[0].target.endpoint.as_deref(), Some("GET /export"));
}

#[test]
fn an_identity_that_takes_everything_is_told_once() {
    let mut world = world();
    for _ in 0..600 {
        let page = response("198.51.100.7", "GET /export", 2 * GB).who(IdentityKind::Key, "key:1", true);
        world.sees(&page);
        world.passes_secs(60);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Key, "key:1"));
}

#[test]
fn an_identity_that_was_never_accepted_is_not_named() {
    let mut made = response("198.51.100.7", "GET /export", GB).who(IdentityKind::Account, "alice", false);
    assert!(matches!(recipient(&made.0), Some(Recipient::Client(..))));
    made = made.who(IdentityKind::Token, "token:1", true);
    assert!(matches!(
        recipient(&made.0),
        Some(Recipient::Identity(IdentityKind::Token, _))
    ));
}

#[test]
fn a_large_download_that_every_client_makes_is_silent() {
    let mut world = world();
    for n in 0..100 {
        let client = format!("198.51.100.{n}");
        announces(&mut world, &client, "GET /image.iso", 5 * GB);
        world.sees(&response(&client, "GET /image.iso", 5 * GB));
        world.passes_secs(600);
    }
    world.is_silent();
}

// Where terabytes are what is to be had, only the first few are told.
#[test]
fn what_others_are_given_too_is_ordinary() {
    let mut world = world();
    for n in 0..20 {
        announces(&mut world, &format!("198.51.100.{n}"), "GET /dataset", 2_000 * GB);
        world.passes_secs(60);
    }
    assert_eq!(world.raised().len(), OTHERS);
    assert_eq!(world.detector.common, 17);
}

#[test]
fn a_nightly_backup_is_silent() {
    let mut world = world();
    for _ in 0..30 {
        for _ in 0..40 {
            let part = response("192.0.2.1", "GET /backup", 10 * GB).who(IdentityKind::Key, "key:backup", true);
            world.sees(&part);
            world.passes_secs(120);
        }
        world.passes(Duration::from_hours(24) - Duration::from_mins(80));
    }
    world.is_silent();
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..10_000u32 {
        let client = std::net::Ipv4Addr::from_bits(0x0b00_0000 + n).to_string();
        world.sees(&response(&client, &format!("GET /{n}"), SMALL));
    }
    assert!(world.detector.recipients.len() <= MOST_RECIPIENTS && world.detector.endpoints.len() <= MOST_ENDPOINTS);
    assert!(world.detector.recipients.evicted() > 5_000);
}
