//! Too much, and much that is ordinary.

use super::*;
use crate::alert::{ActorKind, Severity};
use crate::enrich::identity::IdentityKind;
use crate::observation::made::{Made, World, request};

const KB: u64 = 1_000;
const MB: u64 = 1_000_000;
const GB: u64 = 1_000_000_000;

fn world() -> World<ResponseVolume> {
    World::new("", ResponseVolume::new)
}

fn response(client: &str, endpoint: &str, body: u64) -> Made {
    let mut made = request(client, endpoint, 200);
    made.0.response.as_mut().unwrap().body_bytes = body;
    made
}

fn with_key(key: &str, endpoint: &str, body: u64) -> Made {
    response("192.0.2.1", endpoint, body).who(IdentityKind::Key, key, true)
}

fn announces(world: &mut World<ResponseVolume>, made: Made, bytes: u64) {
    let mut made = made;
    made.0.start = world.now;
    made.0.response.as_mut().unwrap().announced_bytes = Some(bytes);
    world.observes(&Observation::Announced(Arc::new(made.0)));
}

/// An hour: pages for forty clients, a report for some, a batch.
fn an_hour(world: &mut World<ResponseVolume>, hour: u64) {
    for n in 0..40 {
        world.sees(&with_key("key:batch", "GET /changes", (10 + n) * KB));
    }
    for n in 0..20 {
        let client = format!("198.51.100.{}", (hour * 7 + n) % 40);
        world.sees(&response(&client, "GET /orders", 900 + 37 * n));
        world.sees(&response(&client, "GET /reports/{id}", (20 + n * n) * KB));
        world.passes_secs(90);
    }
    world.passes_secs(1_800);
}

/// So many days, with a backup at three by night.
fn lived(days: u64) -> World<ResponseVolume> {
    let mut world = world();
    for hour in 0..days * 24 {
        if hour % 24 == 3 {
            world.sees(&with_key("key:backup", "GET /export", 2 * GB + hour * MB));
        }
        an_hour(&mut world, hour);
    }
    world
}

#[test]
fn a_hundred_terabytes_are_told_though_nothing_is_known() {
    let mut world = world();
    world.sees(&response("192.0.2.1", "GET /export", 3 * GB));
    announces(&mut world, response("198.51.100.7", "GET /export", 0), 100_000 * GB);
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High));
    assert!(raised[0].title.contains("100 TB") && raised[0].confidence <= 0.5);
    assert_eq!(raised[0].actor.as_ref().unwrap().kind, ActorKind::Ip);
    assert_eq!(raised[0].target.endpoint.as_deref(), Some("GET /export"));
}

#[test]
fn two_gigabytes_of_orders_are_told_at_their_header() {
    let mut world = lived(8);
    for _ in 0..3 {
        announces(&mut world, with_key("key:1", "GET /orders", 0), 2 * GB);
        world.passes_secs(300);
    }
    // The backup announces as much every night.
    announces(&mut world, with_key("key:backup", "GET /export", 0), 2 * GB);
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!((raised[0].count, raised[0].severity), (3, Severity::High));
    assert!(
        raised[0].summary.contains("half of the responses have 1."),
        "{}",
        raised[0].summary
    );
}

#[test]
fn one_response_far_beyond_is_told_once_nobody_else_had_it() {
    let mut world = lived(8);
    world.sees(&response("198.51.100.7", "GET /orders", 30 * MB));
    world.passes_secs(240);
    assert!(world.raised().is_empty());
    world.passes_secs(120);
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::Medium), "{raised:#?}");
    assert_eq!(raised[0].evidence.observed, crate::alert::Quantity::Number(30e6));
}

#[test]
fn one_that_takes_everything_is_told_while_it_does() {
    let mut world = lived(8);
    for n in 0..1_500 {
        world.sees(&with_key("key:new", "GET /reports/{id}", (40 + n % 60) * KB));
        world.passes_secs(4);
        if n == 900 {
            assert_eq!(world.raised().len(), 1);
        }
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(&*raised[0].actor.as_ref().unwrap().id, "key:new");
}

#[test]
fn one_that_takes_a_little_for_days_is_told() {
    let mut world = lived(8);
    for hour in 0..6 * 24 {
        for _ in 0..12 {
            world.sees(&with_key("key:slow", "GET /reports/{id}", 100 * KB));
        }
        an_hour(&mut world, hour);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].evidence.window_s, 604_800);
}

#[test]
fn an_identity_that_was_never_accepted_is_not_named() {
    let mut made = response("198.51.100.7", "GET /export", GB).who(IdentityKind::Account, "alice", false);
    assert!(matches!(Recipient::of(&made.0), Some(Recipient::Client(..))));
    made = made.who(IdentityKind::Token, "token:1", true);
    assert!(matches!(
        Recipient::of(&made.0),
        Some(Recipient::Identity(IdentityKind::Token, _))
    ));
}

#[test]
fn a_large_download_that_every_client_makes_is_silent() {
    let mut world = lived(8);
    for n in 0..100 {
        let client = format!("198.51.100.{n}");
        world.sees(&response(&client, "GET /shop.apk", 60 * MB));
        world.passes_secs(600);
    }
    world.is_silent();
}

// Where gigabytes are what is to be had, only the first few are told.
#[test]
fn what_others_are_given_too_is_ordinary() {
    let mut world = world();
    for n in 0..20 {
        let made = response(&format!("198.51.100.{n}"), "GET /dataset", 0);
        announces(&mut world, made, 2_000 * GB);
        world.passes_secs(60);
    }
    assert_eq!(world.raised().len(), OTHERS);
    assert_eq!(world.detector.common, 17);
}

#[test]
fn backups_batches_and_pages_are_silent() {
    let mut world = lived(8);
    for hour in 8 * 24..30 * 24 {
        // It grows, and now and then it is late.
        if hour % 24 == 3 + u64::from(hour % 5 == 2) {
            world.sees(&with_key("key:backup", "GET /export", 2 * GB + hour * 5 * MB));
        }
        an_hour(&mut world, hour);
    }
    world.is_silent();
}

#[test]
fn an_attack_while_it_learns_is_not_learned() {
    let mut world = world();
    for hour in 0..8 * 24 {
        if hour == 50 {
            for _ in 0..30 {
                world.sees(&response("203.0.113.66", "GET /orders", 400 * MB));
                world.passes_secs(1);
            }
        }
        an_hour(&mut world, hour);
    }
    assert!(world.raised().is_empty());
    announces(&mut world, response("203.0.113.66", "GET /orders", 0), 2 * GB);
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn what_was_learned_outlives_a_restart() {
    let mut old = lived(8);
    let rows = |world: &mut World<ResponseVolume>| -> Vec<Row> {
        let changes = world.detector.export_dirty().into_iter();
        let row = |change| match change {
            Change::Put(row) => row,
            Change::Remove { .. } | Change::Clear => panic!("{change:?}"),
        };
        changes.map(row).collect()
    };
    let kept = rows(&mut old);
    assert!(rows(&mut old).is_empty());
    let mut new = world();
    new.now = old.now;
    let now = new.now;
    new.detector.import(kept, now);
    announces(&mut new, with_key("key:backup", "GET /export", 0), 2 * GB);
    new.passes_secs(3 * 3_600);
    new.sees(&with_key("key:backup", "GET /export", 2 * GB));
    new.passes_secs(600);
    assert!(new.raised().is_empty(), "{:#?}", new.raised());
    announces(&mut new, response("203.0.113.66", "GET /orders", 0), 2 * GB);
    assert_eq!(new.raised().len(), 1);
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..10_000u32 {
        let client = std::net::Ipv4Addr::from_bits(0x0b00_0000 + n).to_string();
        world.sees(&response(&client, &format!("GET /{n}"), 8 * MB));
    }
    let detector = &world.detector;
    assert!(detector.recipients.len() <= MOST_RECIPIENTS && detector.endpoints.len() <= MOST_ENDPOINTS);
    assert!(detector.recipients.evicted() > 5_000 && detector.held.len() <= MOST_HELD);
}
