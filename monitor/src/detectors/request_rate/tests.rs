//! Floods, rises, and what looks like one.

use super::*;
use crate::alert::{ActorKind, Severity};
use crate::enrich::identity::IdentityKind;
use crate::observation::made::{World, request};

const DAY: u64 = 86_400;

fn world() -> World<RequestRate> {
    World::new("[learning]\nperiod = \"2d\"\n", RequestRate::new)
}

/// Requests a minute at this time of day: 2 by night, 20 by day.
fn usual(world: &World<RequestRate>) -> u64 {
    let hour = world.now.as_nanos() / 3_600_000_000_000 % 24;
    if (7..21).contains(&hour) { 20 } else { 2 }
}

/// A minute of ordinary life, `times` as much of it.
fn minute(world: &mut World<RequestRate>, times: u64, round: &mut u64) {
    life(world, times, round);
    world.passes_secs(60);
}

/// What a minute brings, of many clients; half of it to either endpoint.
fn life(world: &mut World<RequestRate>, times: u64, round: &mut u64) {
    let count = usual(world) * times;
    for n in 0..count {
        *round += 1;
        let client = format!("198.51.{}.{}", *round % 7, *round % 200);
        let endpoint = if n.is_multiple_of(2) { "GET /a" } else { "GET /b" };
        world.sees(&request(&client, endpoint, 200));
    }
}

fn told(world: &World<RequestRate>) -> Vec<String> {
    let of = |alert: &&crate::alert::Alert| format!("{:?} {}", alert.first_seen, alert.summary);
    world.raised().iter().map(of).collect()
}

fn days(world: &mut World<RequestRate>, days: u64, round: &mut u64) {
    for _ in 0..days * 1_440 {
        minute(world, 1, round);
    }
}

#[test]
fn ten_times_as_much_of_many_is_told_while_it_happens() {
    let mut world = world();
    let mut round = 0;
    days(&mut world, 4, &mut round);
    assert!(world.alerts().is_empty(), "{:#?}", told(&world));
    let begin = world.now;
    // Noon or night: 1,200 an hour become 12,000.
    while world.alerts().is_empty() && world.now < begin + LONG {
        minute(&mut world, 10, &mut round);
    }
    assert!(
        world.now < begin + Duration::from_mins(6),
        "{:?}",
        world.now.since(begin)
    );
    for _ in 0..20 {
        minute(&mut world, 10, &mut round);
    }
    let raised = world.raised();
    assert!(raised.len() <= 3, "{raised:#?}");
    for alert in raised {
        assert!(alert.actor.is_none(), "{alert:#?}");
        assert!(
            alert.confidence > 0.5 && alert.severity >= Severity::Medium,
            "{alert:#?}"
        );
    }
}

#[test]
fn one_who_floods_is_named_and_nobody_else() {
    let mut world = world();
    let mut round = 0;
    days(&mut world, 3, &mut round);
    for _ in 0..20 {
        for _ in 0..400 {
            let flood = request("203.0.113.9", "GET /a", 200).who(IdentityKind::Key, "key:9", true);
            world.sees(&flood);
        }
        minute(&mut world, 1, &mut round);
    }
    let raised = world.raised();
    let named: Vec<_> = raised.iter().filter(|alert| alert.actor.is_some()).collect();
    assert_eq!((raised.len(), named.len()), (1, 1), "{raised:#?}");
    let actor = named[0].actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Key, "key:9"));
    assert_eq!(named[0].target.endpoint.as_deref(), Some("GET /a"));
}

#[test]
fn a_client_far_beyond_its_own_is_told() {
    let mut world = world();
    let mut round = 0;
    // A busy partner, and one that asks thirty times an hour.
    let partners = |world: &mut World<RequestRate>, minute: u64, times: u64| {
        for _ in 0..8 {
            world.sees(&request("192.0.2.1", "GET /a", 200).who(IdentityKind::Key, "key:busy", true));
        }
        for _ in 0..times * u64::from(minute.is_multiple_of(2)) {
            world.sees(&request("192.0.2.2", "GET /b", 200).who(IdentityKind::Key, "key:small", true));
        }
    };
    for n in 0..4 * 1_440 {
        partners(&mut world, n, 1);
        minute(&mut world, 1, &mut round);
    }
    assert!(world.alerts().is_empty(), "{:#?}", told(&world));
    for n in 0..120 {
        partners(&mut world, n, 8);
        minute(&mut world, 1, &mut round);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(&*raised[0].actor.as_ref().unwrap().id, "key:small");
    assert!(
        raised[0].summary.contains("this one usually sends 30"),
        "{}",
        raised[0].summary
    );
}

#[test]
fn twice_as_much_is_told_when_it_lasts() {
    let mut world = world();
    let mut round = 0;
    days(&mut world, 4, &mut round);
    for _ in 0..8 * 60 {
        minute(&mut world, 2, &mut round);
    }
    let raised = world.raised();
    assert!(!raised.is_empty());
    assert!(
        raised.iter().all(|alert| alert.title.contains("more than usual for")),
        "{raised:#?}"
    );
}

#[test]
fn a_peak_of_every_day_is_silent() {
    let mut world = world();
    let mut round = 0;
    for n in 0..6 * 1_440 {
        let times = if n % 1_440 / 30 == 20 { 12 } else { 1 };
        // New on the first day, it may be told; then it is known.
        if n == 2 * 1_440 {
            assert!(world.raised().iter().all(|alert| alert.confidence <= 0.5));
        }
        let before = world.raised().len();
        minute(&mut world, times, &mut round);
        assert!(n < 2 * 1_440 || world.raised().len() == before, "{:#?}", world.raised());
    }
}

#[test]
fn probes_and_one_busy_visit_are_silent() {
    let mut world = world();
    let mut round = 0;
    days(&mut world, 3, &mut round);
    // A new balancer asks every second; somebody looks at two hundred things.
    for n in 0..120 {
        for second in 0..60u64 {
            world.sees(&request("10.0.0.5", "GET /healthz", 200));
            if n < 10 && second.is_multiple_of(3) {
                world.sees(&request("198.51.100.99", "GET /b", 200));
            }
            world.passes_secs(1);
        }
        life(&mut world, 1, &mut round);
    }
    world.is_silent();
}

// A flood all through the first day is not what is usual on the third.
#[test]
fn an_attack_while_learning_does_not_become_normal() {
    let mut world = world();
    let mut round = 0;
    days(&mut world, 1, &mut round);
    for _ in 0..600 {
        minute(&mut world, 10, &mut round);
    }
    days(&mut world, 3, &mut round);
    let before = world.raised().len();
    for _ in 0..30 {
        minute(&mut world, 10, &mut round);
    }
    assert!(world.raised().len() > before, "{:#?}", world.raised());
}

#[test]
fn it_comes_back_from_the_store() {
    let mut world = world();
    let mut round = 0;
    days(&mut world, 3, &mut round);
    let mut rows: Vec<Row> = Vec::new();
    for change in world.detector.export_dirty() {
        if let Change::Put(row) = change {
            rows.push(row);
        }
    }
    assert!(world.detector.export_dirty().is_empty());
    let mut restarted = self::world();
    restarted.now = world.now;
    restarted.detector.import(rows, world.now);
    for _ in 0..15 {
        minute(&mut restarted, 10, &mut round);
    }
    let raised = restarted.raised();
    assert!(!raised.is_empty() && raised[0].confidence > 0.5, "{raised:#?}");
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..20_000u32 {
        let client = std::net::Ipv4Addr::from_bits(0x0b00_0000 + n).to_string();
        world.sees(&request(&client, &format!("GET /{n}"), 200));
    }
    let detector = &world.detector;
    assert!(detector.endpoints.len() <= MOST_ENDPOINTS && detector.askers.len() <= MOST_ASKERS);
    assert!(detector.left_out().iter().any(|(_, count)| *count > 10_000));
    assert!(world.now < Timestamp::from_secs(1_800_000_000 + DAY));
}
