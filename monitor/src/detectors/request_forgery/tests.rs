//! Forged requests, and calls that only look forged.

use super::*;
use crate::alert::Severity;
use crate::observation::made::{Made, World, outbound, request};
use crate::record::{FlowDirection, ParentRef};

const WHO: &str = "198.51.100.7";
const METADATA: &str = "169.254.169.254:80";

fn world() -> World<RequestForgery> {
    World::new("[learning]\nperiod = \"0s\"\n", RequestForgery::new)
}

/// A request that names `host` and takes a second.
fn naming(client: &str, host: &str, port: Option<u16>, named: Where) -> Made {
    let mut made = request(client, "GET /fetch", 200);
    made.0.duration_us = 1_000_000;
    let host = match host.parse() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(host.into()),
    };
    made.0.links = [Link { host, port, named }].into();
    made
}

/// During that request this host calls `remote`; the request's record comes after.
fn forged(world: &mut World<RequestForgery>, made: &Made, name: Option<&str>, remote: &str) {
    call(world, name, remote, |_| {});
    world.passes_secs(1);
    world.sees(made);
}

fn call(
    world: &mut World<RequestForgery>,
    name: Option<&str>,
    remote: &str,
    change: impl FnOnce(&mut crate::record::FlowRecord),
) {
    let cookie = world.now.as_nanos();
    let mut flow = outbound(world.now, cookie, name, remote);
    let mut record = (*flow.record).clone();
    change(&mut record);
    if record.direction != Some(FlowDirection::Outbound) {
        flow.destination = None;
    }
    flow.record = Arc::new(record);
    world.observes(&Observation::Flow(flow));
}

#[test]
fn the_metadata_service_is_critical_and_told_at_once() {
    let mut world = world();
    forged(
        &mut world,
        &naming(WHO, "169.254.169.254", None, Where::Target),
        None,
        METADATA,
    );
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let alert = raised[0];
    assert_eq!((alert.ioc, alert.severity), (Some(8), Severity::Critical));
    assert_eq!(alert.actor.as_ref().map(|actor| &*actor.id), Some(WHO));
    assert_eq!(alert.target.destination.as_deref(), Some("169.254.169.254"));
    assert_eq!(alert.target.endpoint.as_deref(), Some("GET /fetch"));
    assert_eq!(alert.target.process.as_deref(), Some("/usr/bin/app"));
    assert_eq!(alert.evidence.samples.len(), 2);
}

// It is metadata's also where the program had a reason to go there before.
#[test]
fn a_habit_does_not_excuse_being_told_to() {
    let mut world = world();
    for _ in 0..10 {
        call(&mut world, None, METADATA, |_| {});
        world.passes_secs(600);
    }
    world.ends();
    assert!(world.alerts().is_empty());
    forged(
        &mut world,
        &naming(WHO, "169.254.169.254", None, Where::Body),
        None,
        METADATA,
    );
    assert_eq!(world.raised()[0].severity, Severity::Critical);
}

#[test]
fn ports_inside_tried_one_by_one_are_one_alert() {
    let mut world = world();
    for n in 1..=60 {
        let remote = format!("10.0.0.{n}:8080");
        let host = format!("10.0.0.{n}");
        forged(
            &mut world,
            &naming(WHO, &host, Some(8080), Where::Target),
            None,
            &remote,
        );
    }
    world.ends();
    let raised = world.raised();
    // One with the first place, told at once; one for the many.
    assert!(raised.len() <= 2, "{raised:#?}");
    assert!(raised.iter().all(|alert| alert.severity == Severity::High));
    assert_eq!(raised.iter().map(|alert| alert.count).sum::<u64>(), 60);
}

#[test]
fn a_service_on_the_loopback_is_inside() {
    let mut world = world();
    call(&mut world, None, "10.0.0.1:40000", |record| {
        record.direction = Some(FlowDirection::Local);
        let tuple = record.tuple.as_mut().unwrap();
        tuple.local = "127.0.0.1:6379".parse().unwrap();
        record.peer_process = record.process.take();
    });
    world.passes_secs(1);
    world.sees(&naming(WHO, "localhost", Some(6379), Where::Target));
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High));
    assert_eq!(raised[0].target.process.as_deref(), Some("/usr/bin/app"));
}

#[test]
fn a_place_outside_is_told_when_nobody_else_names_it() {
    let mut world = world();
    let made = naming(WHO, "evil.example.net", None, Where::Body);
    forged(&mut world, &made, Some("evil.example.net"), "203.0.113.66:443");
    assert!(world.alerts().is_empty());
    world.passes_secs(65);
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::Medium));
}

// A job that is done after the answer.
#[test]
fn what_is_called_soon_after_counts_and_later_not() {
    let mut world = world();
    world.sees(&naming(WHO, "10.0.0.5", None, Where::Body));
    world.passes_secs(20);
    call(&mut world, None, "10.0.0.5:80", |_| {});
    assert_eq!(world.raised().len(), 1);
    world.sees(&naming(WHO, "10.0.0.6", None, Where::Body));
    world.passes_secs(40);
    call(&mut world, None, "10.0.0.6:80", |_| {});
    world.ends();
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn the_kernels_word_decides() {
    let parent = |turn, in_flight| ParentRef {
        flow: crate::event::FlowId {
            cookie: 1,
            generation: 1,
        },
        turn,
        request: None,
        client: None,
        in_flight,
        confidence: 1.0,
    };
    for (turn, in_flight, confidence) in [(1, 1, Some(0.95)), (7, 1, None), (7, 5, Some(0.7))] {
        let mut world = world();
        call(&mut world, None, "10.0.0.5:80", |record| {
            record.parent = Some(parent(turn, in_flight));
        });
        world.passes_secs(1);
        world.sees(&naming(WHO, "10.0.0.5", None, Where::Target));
        let raised = world.raised();
        assert_eq!(
            raised.first().map(|alert| alert.confidence),
            confidence,
            "{turn} {in_flight}"
        );
    }
}

#[test]
fn metadata_during_a_request_is_told_unless_it_is_a_habit() {
    let during = |record: &mut crate::record::FlowRecord| {
        record.parent = Some(ParentRef {
            flow: record.flow,
            turn: 1,
            request: Some("GET /redirect".into()),
            client: None,
            in_flight: 1,
            confidence: 1.0,
        });
    };
    let mut world = world();
    call(&mut world, None, METADATA, during);
    world.passes_secs(65);
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High));
    assert!((raised[0].confidence - 0.5).abs() < 1e-6);
    let mut habit = World::new("[learning]\nperiod = \"0s\"\n", RequestForgery::new);
    call(&mut habit, None, METADATA, |_| {});
    habit.passes_secs(3_600);
    call(&mut habit, None, METADATA, during);
    habit.is_silent();
}

// Every request names the same partner; connections to it come and go.
#[test]
fn a_partner_that_every_request_names_is_silent() {
    let mut world = world();
    for n in 0..100 {
        let client = format!("203.0.113.{}", n % 40);
        let made = naming(&client, "api.partner.example", None, Where::Body);
        forged(&mut world, &made, Some("api.partner.example"), "198.51.100.80:443");
        world.passes_secs(3);
    }
    world.is_silent();
}

#[test]
fn an_endpoint_made_for_fetching_is_silent_but_for_places_inside() {
    let mut world = world();
    for n in 0..60 {
        let host = format!("hooks.customer{n}.example");
        let made = naming(&format!("203.0.113.{n}"), &host, None, Where::Body);
        forged(&mut world, &made, Some(&host), &format!("198.51.100.{n}:443"));
        world.passes_secs(5);
    }
    world.ends();
    assert!(world.alerts().is_empty(), "{:#?}", world.alerts());
    forged(
        &mut world,
        &naming(WHO, "10.0.0.5", None, Where::Body),
        None,
        "10.0.0.5:80",
    );
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn an_upstream_that_is_called_anyway_is_silent() {
    let mut world = world();
    for _ in 0..5 {
        call(&mut world, Some("db.internal.example"), "10.0.0.9:5432", |_| {});
        call(&mut world, Some("cdn.example"), "203.0.113.9:443", |_| {});
        world.passes_secs(120);
    }
    for (name, remote) in [
        ("db.internal.example", "10.0.0.9:5432"),
        ("cdn.example", "203.0.113.9:443"),
    ] {
        forged(&mut world, &naming(WHO, name, None, Where::Target), Some(name), remote);
    }
    world.is_silent();
}

#[test]
fn an_expected_destination_is_silent() {
    let configuration =
        "[learning]\nperiod = \"0s\"\n[[allow]]\ndetector = \"request_forgery\"\ndestination = \"*.example\"\n";
    let mut world = World::new(configuration, RequestForgery::new);
    let made = naming(WHO, "hooks.receiver.example", None, Where::Body);
    forged(&mut world, &made, Some("hooks.receiver.example"), "203.0.113.66:443");
    world.is_silent();
}

// A redirect to a page of a site that this host also calls, much later or never.
#[test]
fn names_alone_are_silent() {
    let mut world = world();
    for n in 0..50 {
        world.sees(&naming(WHO, &format!("www.site{n}.example"), None, Where::Target));
        call(&mut world, Some("other.example"), "203.0.113.5:443", |_| {});
        world.passes_secs(10);
    }
    world.is_silent();
}

// A page as where a visitor comes from, which the host then opens; and pages of sites that visitors do come from.
#[test]
fn a_page_that_the_host_opens_is_told_and_pages_of_visitors_are_not() {
    let mut world = world();
    for n in 0..40 {
        let visitor = format!("203.0.113.{n}");
        world.sees(&naming(
            &visitor,
            &format!("blog{}.example", n % 9),
            None,
            Where::Referer,
        ));
        call(&mut world, Some("api.partner.example"), "198.51.100.80:443", |_| {});
        world.sees(&naming(&visitor, "wiki.internal.example", None, Where::Referer));
        call(&mut world, Some("wiki.internal.example"), "10.0.0.8:443", |_| {});
        world.passes_secs(20);
    }
    assert!(world.alerts().is_empty(), "{:#?}", world.alerts());
    let made = naming(WHO, "cb.interact.example", None, Where::Referer);
    forged(&mut world, &made, Some("cb.interact.example"), "198.51.100.99:443");
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert!((raised[0].confidence - 0.6).abs() < 1e-6 && raised[0].summary.contains("Referer"));
}

// Who has paid comes back from the provider's page, and the provider is asked whether it is so; it is asked otherwise, too.
#[test]
fn a_provider_whose_pages_send_visitors_is_silent() {
    let mut world = world();
    call(&mut world, Some("api.pay.example"), "198.51.100.80:443", |_| {});
    for n in 0..200 {
        world.passes_secs(2_400);
        let made = naming(&format!("203.0.113.{n}"), "api.pay.example", None, Where::Referer);
        forged(&mut world, &made, Some("api.pay.example"), "198.51.100.80:443");
    }
    world.is_silent();
}

// Pages do not push out what names places on purpose.
#[test]
fn many_pages_leave_room_for_what_is_named() {
    let mut world = world();
    let evil = naming(WHO, "10.0.0.5", None, Where::Target);
    world.sees(&evil);
    for n in 0..5_000u32 {
        world.sees(&naming(
            "203.0.113.9",
            &format!("blog{}.example", n % 9),
            None,
            Where::Referer,
        ));
    }
    call(&mut world, None, "10.0.0.5:80", |_| {});
    assert_eq!(world.raised().len(), 1);
    assert!(world.detector.left_out()[0].1 > 4_000);
}
