//! Who comes from where nobody comes, and who may.

use super::*;
use crate::alert::{ActorKind, Severity};
use crate::observation::made::{Made, World, login, request};

const CONFIGURATION: &str = "[learning]\nperiod = \"2d\"\n";

fn place(country: &str, asn: u32, kind: Option<NetworkKind>) -> Arc<Whereabouts> {
    Arc::new(Whereabouts {
        country: Some(country.into()),
        asn: Some(asn),
        org: Some(format!("Network {asn}").into()),
        kind,
        ..Whereabouts::default()
    })
}

/// Five days of people who log in, visitors without a name, and three keys; now and then somebody from far away.
fn world() -> World<UnusualOrigin> {
    let mut world = World::new(CONFIGURATION, UnusualOrigin::new);
    for n in 0..5 {
        day(&mut world, n);
    }
    world
}

fn day(world: &mut World<UnusualOrigin>, number: u32) {
    let homes = [
        place("DE", 64_496, None),
        place("FR", 64_500, None),
        place("GB", 64_501, None),
    ];
    for person in 0..60u32 {
        let home = &homes[(person % 3) as usize];
        world.sees(
            &login(
                &format!("192.0.{}.{person}", person % 3),
                &format!("user{person}"),
                true,
            )
            .at(home),
        );
        world.sees(&visitor(person * 7 + number, home));
        world.passes_secs(600);
    }
    let cloud = place("US", 64_508, Some(NetworkKind::Hosting));
    for key in 0..3 {
        world.sees(&with_key(key, &format!("203.0.113.{key}"), &cloud));
    }
    if number.is_multiple_of(2) {
        world.sees(&visitor(
            number,
            &place(["JP", "AU", "TR"][number as usize % 3], 65_000 + number, None),
        ));
    }
    world.passes_secs(86_400 - 36_000);
}

fn visitor(number: u32, place: &Arc<Whereabouts>) -> Made {
    let asn = place.asn.unwrap_or(0);
    request(
        &format!("{}.{}.{}.9", 11 + asn % 100, number / 250, number % 250),
        "GET /",
        200,
    )
    .at(place)
}

fn with_key(key: u32, client: &str, place: &Arc<Whereabouts>) -> Made {
    request(client, "GET /orders", 200)
        .who(IdentityKind::Key, &format!("key:{key}"), true)
        .at(place)
}

#[test]
fn days_as_usual_are_silent() {
    let mut world = world();
    for n in 5..14 {
        day(&mut world, n);
    }
    world.is_silent();
}

#[test]
fn an_account_from_where_nobody_comes_is_told_at_once() {
    let mut world = world();
    world.sees(&login("198.51.100.7", "user7", true).at(&place("VN", 65_542, None)));
    world.passes_secs(2);
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert_eq!(
        (actor.kind, &*actor.id, raised[0].severity),
        (ActorKind::Account, "user7", Severity::High)
    );
    assert!(
        raised[0].summary.contains("VN") && raised[0].summary.contains("FR"),
        "{}",
        raised[0].summary
    );
}

#[test]
fn a_key_in_another_country_is_told() {
    let mut world = world();
    world.sees(&with_key(1, "198.51.100.7", &place("ZA", 65_543, None)));
    world.passes_secs(2);
    assert_eq!(world.raised()[0].actor.as_ref().unwrap().kind, ActorKind::Key);
}

#[test]
fn an_account_that_is_new_or_on_holiday_is_silent() {
    let mut world = world();
    // A new account, from where nobody comes; a known one, where others are; one behind a new address of its network.
    world.sees(&login("198.51.100.7", "newcomer", true).at(&place("VN", 65_542, None)));
    world.sees(&login("198.51.100.8", "user7", true).at(&place("DE", 64_496, None)));
    world.sees(&login("198.51.100.9", "user9", true).at(&place("DE", 64_496, None)));
    // A wrong password from elsewhere is no use of an account.
    world.sees(&login("198.51.100.10", "user8", false).at(&place("VN", 65_542, None)));
    world.is_silent();
}

#[test]
fn a_crowd_of_new_countries_is_told_and_a_first_visitor_is_not() {
    let mut world = world();
    for n in 0..2 {
        world.sees(&visitor(n, &place("VN", 65_542, None)));
        world.passes_secs(60);
    }
    assert!(world.raised().is_empty(), "{:#?}", world.raised());
    for n in 0..60 {
        world.sees(&visitor(n, &place("VN", 65_542, None)));
        world.sees(&visitor(n, &place("ZA", 65_543, None)));
        world.passes_secs(60);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert!(
        &*actor.id == "VN" && raised[0].title.contains("from VN, ZA"),
        "{raised:#?}"
    );
}

#[test]
fn a_shift_to_rented_machines_is_told() {
    let mut world = world();
    // The networks are known: only how many come from them is new.
    let rented = place("US", 64_508, Some(NetworkKind::Hosting));
    for n in 0..150 {
        world.sees(&visitor(n, &rented));
        world.passes_secs(100);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Organization, "Network 64508"));
}

#[test]
fn nothing_is_said_while_it_learns() {
    let mut world = World::new(CONFIGURATION, UnusualOrigin::new);
    day(&mut world, 0);
    for n in 0..100 {
        world.sees(&visitor(n, &place("VN", 65_542, Some(NetworkKind::Hosting))));
        world.passes_secs(60);
    }
    world.is_silent();
}

#[test]
fn what_is_learned_is_kept_over_a_restart() {
    let mut world = world();
    let put = |change| match change {
        Change::Put(row) => Some(row),
        Change::Remove { .. } | Change::Clear => None,
    };
    let rows: Vec<Row> = world.detector.export_dirty().into_iter().filter_map(put).collect();
    let mut restarted = World::new(CONFIGURATION, UnusualOrigin::new);
    restarted.now = world.now;
    restarted.detector.import(rows, world.now);
    assert!((restarted.detector.clients.sum - world.detector.clients.sum).abs() < 1.0);
    day(&mut restarted, 5);
    assert!(restarted.raised().is_empty(), "{:#?}", restarted.raised());
    restarted.sees(&login("198.51.100.7", "user7", true).at(&place("VN", 65_542, None)));
    restarted.passes_secs(2);
    assert_eq!(restarted.raised().len(), 1);
}
