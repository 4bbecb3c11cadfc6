//! Numbers that are counted up, and clients that only look so.

use std::time::Duration;

use super::*;
use crate::alert::{ActorKind, Severity};
use crate::observation::made::{Made, World, request};

const ORDERS: &str = "GET /orders/{id}";

fn world() -> World<Enumeration> {
    let mut world = World::new("[learning]\nperiod = \"2d\"\n", Enumeration::new);
    for _ in 0..3 {
        day(&mut world);
    }
    world
}

/// `who` asks for an order.
fn order(client: &str, who: Option<&str>, number: u32, status: u16) -> Made {
    let mut made = request(client, ORDERS, status);
    if let Some(request) = &mut made.0.request {
        request.path = format!("/orders/{number}").into();
    }
    match who {
        Some(who) => made.who(IdentityKind::Account, who, true),
        None => made,
    }
}

/// A day of forty people with some orders each, and of a partner that reads 150 of them.
fn day(world: &mut World<Enumeration>) {
    for person in 0..40u32 {
        for number in 0..=person % 6 {
            let client = format!("192.0.2.{person}");
            world.sees(&order(
                &client,
                Some(&format!("user{person}")),
                person * 10 + number,
                200,
            ));
            world.passes_secs(60);
        }
    }
    for number in 0..150 {
        let mut made = order("203.0.113.9", None, 5_000 + number, 200);
        made = made.who(IdentityKind::Key, "key:partner", true);
        world.sees(&made);
        world.passes_secs(1);
    }
    world.passes(Duration::from_hours(19));
}

#[test]
fn numbers_counted_up_are_told_while_it_happens() {
    let mut world = world();
    for number in 0..1_000 {
        world.sees(&order("198.51.100.7", Some("mallory"), 100_000 + number, 200));
        world.passes_secs(3);
        if number == 300 {
            assert_eq!(world.raised().len(), 1, "it is told in its course");
        }
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Account, "mallory"));
    assert_eq!(raised[0].target.endpoint.as_deref(), Some(ORDERS));
    // Some of the first fell into the hour before.
    assert!(
        raised[0].severity == Severity::High && (900..=1_000).contains(&raised[0].count),
        "{raised:#?}"
    );
}

#[test]
fn low_and_slow_and_refused_is_told_of_its_address() {
    let mut world = world();
    for number in 0..300 {
        world.sees(&order(
            "198.51.100.7",
            None,
            7 * number,
            if number % 3 == 0 { 403 } else { 404 },
        ));
        world.passes_secs(200);
    }
    world.ends();
    let raised = world.raised();
    assert!(!raised.is_empty());
    assert!(
        raised
            .iter()
            .all(|alert| &*alert.actor.as_ref().unwrap().id == "198.51.100.7")
    );
    assert_eq!(raised[0].severity, Severity::Medium);
}

#[test]
fn many_accounts_of_one_address_are_that_address() {
    let mut world = world();
    for number in 0..600 {
        let who = format!("puppet{}", number / 20);
        world.sees(&order("198.51.100.7", Some(&who), 100_000 + number, 200));
        world.passes_secs(10);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(&*raised[0].actor.as_ref().unwrap().id, "198.51.100.7");
    assert!(raised[0].summary.contains("identities"), "{}", raised[0].summary);
}

#[test]
fn one_thing_that_many_ask_for_is_told() {
    let mut world = world();
    for number in 0..60 {
        let client = format!("198.51.{number}.7");
        world.sees(&order(&client, Some(&format!("curious{number}")), 4_711, 200));
        world.passes_secs(300);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert!(raised[0].actor.is_none() && raised[0].title.contains("/orders/4711"));
}

#[test]
fn a_name_in_a_refused_token_is_not_blamed() {
    let mut world = world();
    for number in 0..300 {
        world.sees(&order("198.51.100.7", Some("user7"), number, 401));
        world.passes_secs(1);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1);
    assert_eq!(raised[0].actor.as_ref().unwrap().kind, ActorKind::Ip);
}

#[test]
fn the_batch_that_is_known_is_silent() {
    let mut world = world();
    for _ in 0..5 {
        day(&mut world);
    }
    world.is_silent();
}

#[test]
fn pages_are_one_thing() {
    let mut world = world();
    for page in 0..2_000 {
        let mut made = request("198.51.100.7", "GET /orders", 200);
        made.0.request.as_mut().unwrap().target = format!("/orders?page={page}").into();
        world.sees(&made.who(IdentityKind::Key, "key:1", true));
        world.passes_secs(1);
    }
    world.is_silent();
}

#[test]
fn an_office_behind_one_address_is_silent() {
    let mut world = world();
    for person in 0..120u32 {
        for number in 0..=person % 6 {
            let who = format!("employee{person}");
            world.sees(&order("198.51.100.7", Some(&who), 9_000 + person * 10 + number, 200));
            world.passes_secs(20);
        }
    }
    world.is_silent();
}

// A product is not private: everybody looks at the same ones.
#[test]
fn what_everybody_asks_for_is_silent() {
    let mut world = World::new("[learning]\nperiod = \"2d\"\n", Enumeration::new);
    for round in 0..5u32 {
        for person in 0..200u32 {
            let mut made = request(&format!("192.0.2.{person}"), "GET /products/{id}", 200);
            made.0.request.as_mut().unwrap().path = format!("/products/{}", person % (7 + round)).into();
            world.sees(&made);
            world.passes_secs(400);
        }
    }
    world.is_silent();
}

#[test]
fn what_is_learned_is_kept_over_a_restart() {
    let mut world = world();
    let rows: Vec<Row> = world
        .detector
        .export_dirty()
        .into_iter()
        .filter_map(|change| match change {
            Change::Put(row) => Some(row),
            Change::Remove { .. } | Change::Clear => None,
        })
        .collect();
    let mut restarted = World::new("[learning]\nperiod = \"2d\"\n", Enumeration::new);
    restarted.now = world.now;
    restarted.detector.import(rows, world.now);
    day(&mut restarted);
    assert!(restarted.raised().is_empty());
    for number in 0..200 {
        restarted.sees(&order("198.51.100.7", Some("mallory"), 100_000 + number, 200));
        restarted.passes_secs(3);
    }
    assert_eq!(restarted.raised().len(), 1);
    assert!(restarted.raised()[0].confidence > 0.5);
}
