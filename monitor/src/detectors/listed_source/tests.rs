//! Listed addresses, and those that only look like it.

use super::*;
use crate::enrich::identity::IdentityKind;
use crate::observation::made::{World, request};
use crate::sinks::json::examples;

fn world() -> World<ListedSource> {
    World::new("", ListedSource::new)
}

fn place(listed: bool) -> Arc<Whereabouts> {
    Arc::new(Whereabouts {
        country: Some("NL".into()),
        listed: listed.then(|| "bad.txt".into()),
        ..Whereabouts::default()
    })
}

fn flow(world: &World<ListedSource>, direction: FlowDirection, event: FlowEvent, listed: bool) -> Observation {
    let mut record = examples::flow();
    (record.direction, record.event, record.end_reason) = (Some(direction), event, None);
    record.remote_whereabouts = Some(place(listed));
    Observation::Flow(FlowObservation {
        time: world.now,
        record: Arc::new(record),
        destination: None,
    })
}

#[test]
fn a_listed_client_is_one_alert_that_grows_worse() {
    let mut world = world();
    let bad = place(true);
    for _ in 0..100 {
        world.sees(&request("198.51.100.7", "GET /admin", 404).at(&bad));
        world.passes_secs(1);
    }
    assert_eq!((world.raised().len(), world.raised()[0].severity), (1, Severity::Low));
    world.sees(&request("198.51.100.7", "GET /orders", 200).at(&bad));
    assert_eq!(world.raised()[0].severity, Severity::Medium);
    let key = request("198.51.100.7", "GET /orders", 200).who(IdentityKind::Key, "key:1", true);
    world.sees(&key.at(&bad));
    world.ends();
    let raised = world.raised();
    assert_eq!(
        (raised.len(), raised[0].severity, raised[0].count),
        (1, Severity::High, 102)
    );
    assert!(
        raised[0].summary.contains("was accepted as key:1"),
        "{}",
        raised[0].summary
    );
    assert!(raised[0].confidence <= 0.5);
}

#[test]
fn each_client_has_its_own() {
    let mut world = world();
    for n in 0..5 {
        world.sees(&request(&format!("198.51.100.{n}"), "GET /", 200).at(&place(true)));
    }
    assert_eq!(world.raised().len(), 5);
}

#[test]
fn what_comes_in_and_what_goes_out_are_told_apart() {
    let mut world = world();
    let inbound = flow(&world, FlowDirection::Inbound, FlowEvent::Open, true);
    world.observes(&inbound);
    let outbound = flow(&world, FlowDirection::Outbound, FlowEvent::Open, true);
    world.observes(&outbound);
    let later = flow(&world, FlowDirection::Outbound, FlowEvent::Update, true);
    world.observes(&later);
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 2, "{raised:#?}");
    assert_eq!(
        (raised[0].severity, raised[1].severity),
        (Severity::Low, Severity::High)
    );
    assert_eq!(raised[0].actor.as_ref().unwrap().kind, ActorKind::Ip);
    assert_eq!(raised[1].actor.as_ref().unwrap().kind, ActorKind::Process);
    assert_eq!((raised[1].count, raised[1].target.destination.is_some()), (1, true));
}

#[test]
fn our_own_networks_and_others_are_silent() {
    let mut world = world();
    world.sees(&request("10.0.0.5", "GET /", 200).at(&place(true)));
    world.sees(&request("127.0.0.1", "GET /", 200).at(&place(true)));
    for n in 0..200 {
        world.sees(&request(&format!("198.51.100.{n}"), "GET /", 200).at(&place(false)));
        world.sees(&request(&format!("198.51.100.{n}"), "GET /", 403));
    }
    let inbound = flow(&world, FlowDirection::Inbound, FlowEvent::Open, false);
    world.observes(&inbound);
    let local = flow(&world, FlowDirection::Local, FlowEvent::Open, true);
    world.observes(&local);
    world.is_silent();
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    let bad = place(true);
    for n in 0..20_000u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + n).to_string();
        world.sees(&request(&address, "GET /", 404).at(&bad));
    }
    assert!(world.detector.clients.len() <= MOST_ACTORS && world.detector.clients.evicted() > 3_000);
}
