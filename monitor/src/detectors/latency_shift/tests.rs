//! Endpoints that change, and those that are as they always were.

use super::*;
use crate::alert::Severity;
use crate::observation::made::{Made, World, request};

fn world() -> World<LatencyShift> {
    World::new("[learning]\nperiod = \"2d\"\n", LatencyShift::new)
}

fn answer(n: u64, endpoint: &str, ms: u64, size: u64, media: &str) -> Made {
    let mut made = request(&format!("198.51.100.{}", n * 7 % 200), endpoint, 200);
    // Some take half as long again.
    made.0.latency_us = Some(ms * 1_000 + n * 37 % 5 * ms * 100);
    made.0.duration_us = made.0.latency_us.unwrap();
    let response = made.0.response.as_mut().unwrap();
    response.body_bytes = size + n * 13 % 7 * size / 10;
    response.content_type = Some(media.into());
    made
}

/// Minutes with three requests each for a quick endpoint and a slow one.
fn minutes(world: &mut World<LatencyShift>, count: u64, ms: impl Fn(u64, &str) -> u64) {
    for n in 0..count * 3 {
        for endpoint in ["GET /quick", "GET /slow"] {
            world.sees(&answer(n, endpoint, ms(n, endpoint), 2_000, "application/json"));
        }
        world.passes_secs(20);
    }
}

/// One of a hundred takes thirty times as long.
fn ordinary(n: u64, endpoint: &str) -> u64 {
    let usual = if endpoint == "GET /slow" { 3_000 } else { 10 };
    if n % 100 == 41 { usual * 30 } else { usual }
}

fn learned() -> World<LatencyShift> {
    let mut world = world();
    minutes(&mut world, 3 * 1_440, ordinary);
    assert!(world.alerts().is_empty(), "{:#?}", world.alerts());
    world
}

#[test]
fn milliseconds_that_become_seconds_are_told() {
    let mut world = learned();
    minutes(&mut world, 15, |n, endpoint| {
        if endpoint == "GET /quick" {
            2_000
        } else {
            ordinary(n, endpoint)
        }
    });
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].target.endpoint.as_deref(), Some("GET /quick"));
    assert_eq!(raised[0].severity, Severity::High);
    assert!(
        raised[0].summary.contains("half take 10 ms") || raised[0].summary.contains("half take 11 ms"),
        "{}",
        raised[0].summary
    );
}

#[test]
fn slowness_everywhere_is_one_alert() {
    let mut world = learned();
    minutes(&mut world, 40, |n, endpoint| ordinary(n, endpoint) * 20);
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert!(raised[0].target.endpoint.is_none(), "{raised:#?}");
}

#[test]
fn a_restart_and_an_endpoint_that_was_always_slow_are_silent() {
    let mut world = learned();
    for _ in 0..5 {
        minutes(&mut world, 2, |n, endpoint| ordinary(n, endpoint) * 50);
        minutes(&mut world, 200, ordinary);
    }
    world.is_silent();
}

#[test]
fn one_client_with_heavy_questions_is_silent() {
    let mut world = learned();
    for n in 0..60 {
        let mut heavy = answer(n, "GET /quick", 900, 90_000, "application/json");
        heavy.0.client.as_mut().unwrap().ip = "203.0.113.5".parse().unwrap();
        world.sees(&heavy);
        minutes(&mut world, 1, ordinary);
    }
    world.is_silent();
}

#[test]
fn other_sizes_and_types_are_told() {
    for (size, media) in [(2_000, "text/html"), (300_000, "application/json")] {
        let mut world = learned();
        for n in 0..60 {
            for endpoint in ["GET /quick", "GET /slow"] {
                let (size, media) = if endpoint == "GET /quick" {
                    (size, media)
                } else {
                    (2_000, "application/json")
                };
                world.sees(&answer(n, endpoint, ordinary(0, endpoint), size, media));
            }
            world.passes_secs(20);
        }
        let raised = world.raised();
        assert_eq!(raised.len(), 1, "{raised:#?}");
        assert_eq!(raised[0].title, "GET /quick answers with something else");
    }
}

#[test]
fn a_client_that_has_it_already_is_ordinary() {
    let mut world = learned();
    for n in 0..200 {
        let mut cached = answer(n, "GET /quick", 5, 0, "application/json");
        let response = cached.0.response.as_mut().unwrap();
        (response.status, response.content_type) = (304, Some("application/json".into()));
        let mut fetched = answer(n, "GET /quick", 10, 2_100, "application/json; charset=utf-8");
        fetched.0.response.as_mut().unwrap().body_bytes += 100;
        world.sees(&cached);
        world.sees(&fetched);
        world.passes_secs(20);
    }
    world.is_silent();
}

#[test]
fn it_comes_back_from_the_store() {
    let mut world = learned();
    let put = |change| match change {
        Change::Put(row) => Some(row),
        Change::Remove { .. } | Change::Clear => None,
    };
    let rows: Vec<Row> = world.detector.export_dirty().into_iter().filter_map(put).collect();
    assert!(world.detector.export_dirty().is_empty());
    let mut restarted = self::world();
    restarted.now = world.now;
    restarted.detector.import(rows, world.now);
    minutes(&mut restarted, 30, ordinary);
    assert!(restarted.alerts().is_empty());
    minutes(&mut restarted, 15, |n, endpoint| {
        if endpoint == "GET /quick" {
            2_000
        } else {
            ordinary(n, endpoint)
        }
    });
    assert_eq!(restarted.raised().len(), 1);
    assert!(restarted.raised()[0].confidence > 0.5);
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..5_000 {
        world.sees(&answer(n, &format!("GET /{n}"), 10, 1 << (n % 40), "text/plain"));
    }
    assert!(world.detector.endpoints.len() <= MOST_ENDPOINTS);
    assert_eq!(world.detector.left_out()[0].1, 5_000 - MOST_ENDPOINTS as u64);
}

/// Hours in which the quick one is asked every third minute.
fn sparse(world: &mut World<LatencyShift>, minutes: u64, client: impl Fn(u64) -> u64, ms: impl Fn(u64) -> u64) {
    for n in 0..minutes / 3 {
        world.sees(&answer(client(n), "GET /quick", ms(n), 2_000, "application/json"));
        world.passes_secs(180);
    }
}

#[test]
fn where_few_ask_two_hours_of_slowness_are_told() {
    let mut world = world();
    sparse(&mut world, 4 * 1_440, |n| n, |n| ordinary(n, "GET /quick"));
    assert!(world.alerts().is_empty(), "{:#?}", world.alerts());
    sparse(&mut world, 120, |n| n, |_| 3_000);
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert!(
        world.alerts()[0].evidence.window_s < 2 * 3_600,
        "{:#?}",
        world.alerts()[0]
    );
}

// A few slow ones at night, all of one who asks for much; and single ones of others.
#[test]
fn where_few_ask_one_who_asks_for_much_is_silent() {
    let mut world = world();
    sparse(&mut world, 4 * 1_440, |n| n, |n| ordinary(n, "GET /quick"));
    sparse(
        &mut world,
        240,
        |n| if n % 3 == 0 { 5 } else { n },
        |n| if n % 3 == 0 { 2_000 } else { ordinary(n, "GET /quick") },
    );
    assert!(world.alerts().is_empty(), "{:#?}", world.alerts());
}
