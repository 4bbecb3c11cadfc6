//! Who reads everything, and who reads a lot.

use std::time::Duration;

use super::*;
use crate::alert::ActorKind;
use crate::enrich::identity::IdentityKind;
use crate::observation::made::{Made, World, request};

fn page(client: &str, number: u32) -> Made {
    let mut made = request(client, "GET /products/{id}", 200);
    if let Some(request) = &mut made.0.request {
        request.path = format!("/products/{number}").into();
    }
    made
}

/// After three days of people who read some pages.
fn world() -> World<Scraping> {
    let mut world = World::new("[learning]\nperiod = \"2d\"\n", Scraping::new);
    for _ in 0..3 {
        day(&mut world);
    }
    world
}

fn day(world: &mut World<Scraping>) {
    for person in 0..50u32 {
        for number in 0..2 + person % 12 {
            world.sees(&page(&format!("192.0.2.{person}"), person * 7 + number));
            world.passes_secs(30);
        }
    }
    // A crawler from one of its many addresses.
    let place = std::sync::Arc::new(crate::enrich::networks::Whereabouts {
        asn: Some(64_500),
        ..Default::default()
    });
    let address = format!("203.0.113.{}", world.now.as_nanos() / 86_400_000_000_000 % 200);
    for number in 0..180 {
        let mut made = page(&address, 1_000 + number).agent("ExampleBot/1.0", 1).at(&place);
        made.0.request.as_mut().unwrap().agent_class = Some(AgentClass::Crawler);
        world.sees(&made);
        world.passes_secs(10);
    }
    world.passes(Duration::from_hours(20));
}

#[test]
fn all_of_a_catalogue_is_told_while_it_is_read() {
    let mut world = world();
    for number in 0..1_500 {
        world.sees(&page("198.51.100.7", number).agent("python-requests/2.31", 2));
        world.passes_secs(2);
        if number == 250 {
            assert_eq!(world.raised().len(), 1);
        }
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(
        (raised[0].actor.as_ref().unwrap().kind, raised[0].count),
        (ActorKind::Ip, 1_500)
    );
    assert!(raised[0].summary.contains("python-requests"), "{}", raised[0].summary);
}

#[test]
fn slowly_and_from_everywhere_with_one_session_is_that_session() {
    let mut world = world();
    for number in 0..500 {
        let client = format!("198.51.{}.7", number % 200);
        world.sees(&page(&client, number).who(IdentityKind::Session, "session:1", true));
        world.passes_secs(90);
    }
    world.ends();
    let raised = world.raised();
    assert!(!raised.is_empty());
    assert!(
        raised
            .iter()
            .all(|alert| &*alert.actor.as_ref().unwrap().id == "session:1"),
        "{raised:#?}"
    );
}

#[test]
fn people_and_the_crawler_that_is_known_are_silent() {
    let mut world = world();
    for _ in 0..4 {
        day(&mut world);
    }
    world.is_silent();
}

#[test]
fn pages_of_a_list_are_one_path() {
    let mut world = world();
    for number in 0..3_000 {
        let mut made = request("198.51.100.7", "GET /products", 200);
        made.0.request.as_mut().unwrap().target = format!("/products?page={number}").into();
        world.sees(&made);
        world.passes_secs(1);
    }
    world.is_silent();
}

#[test]
fn who_changes_what_was_read_is_silent() {
    let mut world = world();
    for number in 0..600 {
        world.sees(&page("198.51.100.7", number));
        if number % 10 == 0 {
            world.sees(&request("198.51.100.7", "PUT /products/{id}", 200));
        }
        world.passes_secs(2);
    }
    world.is_silent();
}

#[test]
fn in_the_first_days_much_is_borne_and_nothing_said_for_sure() {
    let mut world = World::new("[learning]\nperiod = \"2d\"\n", Scraping::new);
    for number in 0..300 {
        world.sees(&page("198.51.100.7", number));
    }
    world.passes_secs(10);
    assert!(world.raised().is_empty());
    for number in 0..700 {
        world.sees(&page("198.51.100.7", number));
    }
    world.passes_secs(10);
    assert!((world.raised()[0].confidence - 0.5).abs() < 1e-6);
}
