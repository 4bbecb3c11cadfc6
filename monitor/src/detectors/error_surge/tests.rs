//! Outages, and what is none.

use super::*;
use crate::alert::Severity;
use crate::observation::made::{World, request};

fn world() -> World<ErrorSurge> {
    World::new("[learning]\nperiod = \"2d\"\n", ErrorSurge::new)
}

/// Minutes in which two endpoints are asked ten times each; the status says which.
fn minutes(world: &mut World<ErrorSurge>, count: u64, status: impl Fn(u64, &str) -> u16) {
    for n in 0..count * 10 {
        for endpoint in ["GET /a", "GET /b"] {
            let client = format!("198.51.100.{}", n * 7 % 200);
            world.sees(&request(&client, endpoint, status(n, endpoint)));
        }
        world.passes_secs(6);
    }
}

/// Three days in which one of 200 requests fails by the server, and one of fifty asks for what is not there.
fn learned() -> World<ErrorSurge> {
    let mut world = world();
    minutes(&mut world, 3 * 1_440, ordinary);
    world
}

fn ordinary(n: u64, _: &str) -> u16 {
    match n {
        n if n % 200 == 7 => 500,
        n if n % 50 == 3 => 404,
        _ => 200,
    }
}

#[track_caller]
fn check(world: &World<ErrorSurge>, titles: &[&str]) {
    let raised = world.raised();
    let found: Vec<&str> = raised
        .iter()
        .map(|alert| alert.title.split(" answers").next().unwrap())
        .collect();
    assert_eq!(found, titles, "{raised:#?}");
}

#[test]
fn an_endpoint_that_fails_is_told_while_it_does() {
    let mut world = learned();
    check(&world, &[]);
    minutes(&mut world, 8, |n, endpoint| {
        if endpoint == "GET /a" && n % 10 < 6 { 500 } else { 200 }
    });
    check(&world, &["GET /a"]);
    let alert = &world.raised()[0];
    assert!(alert.confidence > 0.5 && alert.actor.is_none(), "{alert:#?}");
    assert!(alert.summary.contains("where 0.5 % are usual"), "{}", alert.summary);
}

#[test]
fn an_outage_is_one_alert_of_the_host() {
    let mut world = learned();
    minutes(&mut world, 30, |_, _| 503);
    check(&world, &["this host"]);
    assert_eq!(world.raised()[0].severity, Severity::High);
}

#[test]
fn few_errors_are_told_when_they_last() {
    let mut world = learned();
    minutes(&mut world, 300, |n, endpoint| {
        if endpoint == "GET /b" && n.is_multiple_of(20) {
            500
        } else {
            ordinary(n, endpoint)
        }
    });
    check(&world, &["GET /b"]);
}

#[test]
fn a_deploy_of_a_minute_is_silent_every_day() {
    let mut world = learned();
    for _ in 0..4 {
        minutes(&mut world, 1, |_, _| 502);
        // Tries that are repeated come into another minute.
        minutes(&mut world, 1, |n, _| if n.is_multiple_of(3) { 503 } else { 200 });
        minutes(&mut world, 400, ordinary);
    }
    world.is_silent();
}

#[test]
fn a_crawler_and_a_broken_client_are_told_apart() {
    let mut world = learned();
    for _ in 0..60 {
        world.sees(&request("203.0.113.7", "GET /gone", 404));
        minutes(&mut world, 1, |_, _| 200);
    }
    check(&world, &[]);
    for _ in 0..30 {
        for _ in 0..20 {
            world.sees(&request("203.0.113.9", "GET /search", 400));
        }
        minutes(&mut world, 1, |_, _| 200);
    }
    check(&world, &["GET /search"]);
    let alert = &world.raised()[0];
    assert_eq!(&*alert.actor.as_ref().unwrap().id, "203.0.113.9");
    assert_eq!(alert.severity, Severity::Low);
}

#[test]
fn an_endpoint_that_always_fails_is_ordinary() {
    let mut world = world();
    minutes(
        &mut world,
        3 * 1_440,
        |n, _| if n.is_multiple_of(3) { 404 } else { 200 },
    );
    let before = world.raised().len();
    minutes(&mut world, 1_440, |n, _| if n.is_multiple_of(3) { 404 } else { 200 });
    assert_eq!(world.raised().len(), before);
}

#[test]
fn while_learning_it_is_less_sure() {
    let mut world = world();
    minutes(&mut world, 120, ordinary);
    minutes(&mut world, 20, |_, _| 500);
    assert!(!world.raised().is_empty() && world.raised().iter().all(|alert| alert.confidence <= 0.5));
}

#[test]
fn it_comes_back_from_the_store() {
    let mut world = world();
    let often = |n: u64, _: &str| if n.is_multiple_of(10) { 500 } else { 200 };
    minutes(&mut world, 3 * 1_440, often);
    let rows = world.detector.export_dirty();
    assert!(world.detector.export_dirty().is_empty());
    let mut restarted = self::world();
    restarted.now = world.now;
    let rows = rows.into_iter().filter_map(|change| match change {
        Change::Put(row) => Some(row),
        Change::Remove { .. } | Change::Clear => None,
    });
    restarted.detector.import(rows.collect(), world.now);
    minutes(&mut restarted, 120, often);
    restarted.is_silent();
}

/// Hours in which one endpoint is asked every other minute; who asks, and the status.
fn sparse(world: &mut World<ErrorSurge>, minutes: u64, client: impl Fn(u64) -> u64, status: impl Fn(u64) -> u16) {
    for n in 0..minutes / 2 {
        let client = format!("198.51.100.{}", client(n) % 200);
        world.sees(&request(&client, "GET /a", status(n)));
        world.passes_secs(120);
    }
}

/// Three days of it, with an error now and then and a deploy every six hours.
fn learned_sparse() -> World<ErrorSurge> {
    let mut world = world();
    sparse(
        &mut world,
        3 * 1_440,
        |n| n * 7,
        |n| if n % 180 < 2 || n % 301 == 7 { 503 } else { 200 },
    );
    check(&world, &[]);
    world
}

#[test]
fn where_few_ask_forty_minutes_of_errors_are_told() {
    let mut world = learned_sparse();
    sparse(&mut world, 40, |n| n * 7, |n| if n % 5 < 3 { 500 } else { 200 });
    check(&world, &["GET /a"]);
    let alert = world.alerts()[0];
    assert!((16 * 60..=46 * 60).contains(&alert.evidence.window_s), "{alert:#?}");
}

// A page that is broken, and one who opens it again and again; a deploy that takes two minutes and a half.
#[test]
fn where_few_ask_one_who_tries_again_and_a_deploy_are_silent() {
    let mut world = learned_sparse();
    sparse(
        &mut world,
        120,
        |n| if n % 2 == 0 { 3 } else { n * 7 },
        |n| if n % 2 == 0 { 500 } else { 200 },
    );
    sparse(&mut world, 420, |n| n * 7, |_| 200);
    for n in 0..25u32 {
        world.sees(&request(&format!("198.51.100.{n}"), "GET /a", 503));
        world.passes_secs(6);
    }
    sparse(&mut world, 300, |n| n * 7, |_| 200);
    check(&world, &[]);
}
