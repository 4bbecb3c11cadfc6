//! One credential in two places, and people who move.

use super::*;
use crate::alert::{ActorKind, Severity};
use crate::enrich::networks::Whereabouts;
use crate::observation::made::{Made, World, request};

fn world() -> World<CredentialSharing> {
    World::new("", CredentialSharing::new)
}

fn place(asn: u32, country: &str, position: Option<(f64, f64)>) -> Arc<Whereabouts> {
    Arc::new(Whereabouts {
        country: Some(country.into()),
        position,
        asn: Some(asn),
        org: Some(format!("Org {asn}").into()),
        ..Whereabouts::default()
    })
}

fn uses(client: &str, kind: IdentityKind, id: &str) -> Made {
    request(client, "GET /orders", 200).who(kind, id, true)
}

const UTRECHT: Option<(f64, f64)> = Some((52.09, 5.12));
const SAO_PAULO: Option<(f64, f64)> = Some((-23.55, -46.63));

#[test]
fn a_key_in_two_parts_of_the_world_is_told_once() {
    for (home, away) in [(UTRECHT, SAO_PAULO), (None, None)] {
        let mut world = world();
        let (here, there) = (place(64_501, "NL", home), place(64_502, "BR", away));
        for n in 0..60 {
            world.sees(&uses("198.51.100.7", IdentityKind::Key, "key:1").at(&here));
            world.passes_secs(10);
            if n > 20 {
                world.sees(&uses("203.0.113.9", IdentityKind::Key, "key:1").at(&there));
            }
        }
        world.ends();
        let raised = world.raised();
        assert_eq!((raised.len(), raised[0].severity), (1, Severity::High), "{raised:#?}");
        let actor = raised[0].actor.as_ref().unwrap();
        assert_eq!((actor.kind, &*actor.id), (ActorKind::Key, "key:1"));
        assert!(raised[0].summary.contains("AS64502 (BR)"), "{}", raised[0].summary);
        assert!(raised[0].confidence <= 0.5);
    }
}

#[test]
fn a_stolen_token_beside_its_owner_is_told() {
    let mut world = world();
    let (here, there) = (place(64_501, "NL", UTRECHT), place(64_502, "BR", SAO_PAULO));
    for _ in 0..20 {
        world.sees(&uses("198.51.100.7", IdentityKind::Token, "token:1").at(&here));
        world.passes_secs(20);
        world.sees(&uses("203.0.113.9", IdentityKind::Token, "token:1").at(&there));
        world.passes_secs(20);
    }
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn a_key_from_many_networks_is_told() {
    let mut world = world();
    for n in 0..12 {
        let lines = place(64_600 + n, "NL", UTRECHT);
        world.sees(&uses(&format!("203.0.{n}.9"), IdentityKind::Key, "key:1").at(&lines));
        world.passes_secs(60);
    }
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::Medium), "{raised:#?}");
}

#[test]
fn a_key_by_turns_on_two_continents_is_told_within_the_day() {
    let mut world = world();
    let (here, there) = (place(64_501, "NL", UTRECHT), place(64_502, "BR", SAO_PAULO));
    for _ in 0..12 {
        world.sees(&uses("198.51.100.7", IdentityKind::Key, "key:1").at(&here));
        world.passes_secs(15 * 60);
        world.sees(&uses("203.0.113.9", IdentityKind::Key, "key:1").at(&there));
        world.passes_secs(15 * 60);
    }
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High), "{raised:#?}");
    assert_eq!(raised[0].evidence.window_s, 86_400);
}

// A phone abroad: at home by its carrier, in a hotel by its network, by turns.
#[test]
fn a_travellers_phone_is_silent() {
    let mut world = world();
    let (carrier, hotel) = (place(64_501, "BR", SAO_PAULO), place(64_502, "NL", UTRECHT));
    for _ in 0..4 {
        world.sees(&uses("198.51.100.7", IdentityKind::Token, "token:1").at(&carrier));
        world.passes_secs(5 * 60);
        world.sees(&uses("203.0.113.9", IdentityKind::Token, "token:1").at(&hotel));
        world.passes_secs(50 * 60);
    }
    world.is_silent();
}

// Home, mobile, office, and a VPN for a while; a token each morning.
#[test]
fn someone_who_changes_networks_is_silent() {
    let mut world = world();
    let places = [
        ("198.51.100.7", place(64_501, "NL", UTRECHT)),
        ("203.0.113.9", place(64_502, "NL", Some((51.9, 4.5)))),
        ("192.0.2.77", place(64_503, "NL", Some((52.4, 4.9)))),
        ("203.0.113.200", place(64_504, "US", Some((40.7, -74.0)))),
    ];
    for day in 0..30 {
        for n in 0..200 {
            let (client, place) = &places[match n {
                0..60 => 0,
                60..100 => n % 2,
                100..140 => 2,
                140..150 => 3,
                _ => n % 2 + 1,
            }];
            world.sees(&uses(client, IdentityKind::Token, &format!("token:{day}")).at(place));
            world.passes_secs(60);
        }
        world.passes(Duration::from_hours(20));
    }
    world.is_silent();
}

#[test]
fn one_organizations_hosts_everywhere_are_silent() {
    let mut world = world();
    for n in 0..500u32 {
        let position = Some((f64::from(n % 7) * 20.0 - 60.0, f64::from(n % 11) * 30.0 - 160.0));
        let region = place(64_501, ["US", "JP", "BR", "DE"][n as usize % 4], position);
        world.sees(&uses(&format!("203.0.{}.9", n % 200), IdentityKind::Key, "key:1").at(&region));
        world.passes_secs(1);
    }
    world.is_silent();
}

#[test]
fn a_client_with_both_families_is_silent() {
    let mut world = world();
    for n in 0..500 {
        let client = if n % 2 == 0 { "198.51.100.7" } else { "2001:db8::7" };
        world.sees(&uses(client, IdentityKind::Key, "key:1"));
        world.passes_secs(1);
    }
    world.is_silent();
}

#[test]
fn the_key_of_an_application_is_silent() {
    let mut world = world();
    for n in 0..2_000u32 {
        let lines = place(64_600 + n % 50, ["NL", "US", "BR"][n as usize % 3], None);
        let made = uses(&format!("203.0.{}.9", n % 250), IdentityKind::Key, "key:app");
        world.sees(
            &made
                .who(IdentityKind::Session, &format!("session:{}", n % 300), true)
                .at(&lines),
        );
        world.passes_secs(1);
    }
    world.is_silent();
    assert_eq!(world.detector.application_keys, 1);
}

#[test]
fn what_is_refused_tells_nothing_and_neither_do_our_own_networks() {
    let mut world = world();
    for n in 0..200 {
        let mut guess = uses(&format!("203.{n}.113.9"), IdentityKind::Key, "key:1");
        guess.0.response.as_mut().unwrap().status = 401;
        world.sees(&guess);
        world.sees(&uses(&format!("10.{n}.0.1"), IdentityKind::Key, "key:2"));
    }
    world.is_silent();
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..70_000u32 {
        world.sees(&uses("198.51.100.7", IdentityKind::Token, &format!("token:{n}")));
    }
    assert!(world.detector.credentials.len() <= MOST_CREDENTIALS && world.detector.credentials.evicted() > 4_000);
    let mut hopping = world;
    for n in 0..500 {
        hopping.sees(&uses(
            &format!("{}.{}.0.9", 11 + n / 250, n % 250),
            IdentityKind::Session,
            "session:1",
        ));
    }
    let used = hopping.detector.credentials.get(&Arc::from("session:1")).unwrap();
    assert!(used.places.len() <= MOST_PLACES);
}

/// A world that has learned from customers in three countries; a third of them with a VPN at a rented machine in another.
fn learned() -> World<CredentialSharing> {
    let mut world = World::new("[learning]\nperiod = \"1d\"", CredentialSharing::new);
    let homes = [
        place(64_501, "NL", UTRECHT),
        place(64_511, "DE", Some((52.5, 13.4))),
        place(64_521, "US", Some((40.7, -74.0))),
    ];
    let vpn = rented();
    for n in 0..200u32 {
        let (client, id) = (format!("198.51.100.{n}"), format!("token:{n}"));
        for turn in 0..if n % 3 == 0 { 9 } else { 1 } {
            let (client, place) = if turn % 2 == 0 {
                (client.as_str(), &homes[n as usize % 3])
            } else {
                ("203.0.113.200", &vpn)
            };
            world.sees(&uses(client, IdentityKind::Token, &id).at(place));
            world.passes_secs(60);
        }
        world.passes_secs(600);
    }
    world.is_silent();
    world
}

fn rented() -> Arc<Whereabouts> {
    let mut place = place(65_536, "RO", Some((44.4, 26.1))).as_ref().clone();
    place.kind = Some(NetworkKind::Hosting);
    Arc::new(place)
}

#[test]
fn one_journey_to_where_nobody_is_is_told() {
    let (here, there) = (place(64_501, "NL", UTRECHT), place(64_502, "BR", SAO_PAULO));
    let visits = |world: &mut World<CredentialSharing>, away: &Arc<Whereabouts>| {
        world.sees(&uses("198.51.100.7", IdentityKind::Token, "token:x").at(&here));
        world.passes_secs(20 * 60);
        for _ in 0..5 {
            world.sees(&uses("203.0.113.9", IdentityKind::Token, "token:x").at(away));
            world.passes_secs(9);
        }
        world.ends();
    };
    let mut robbed = learned();
    visits(&mut robbed, &there);
    let raised = robbed.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High), "{raised:#?}");
    assert!(raised[0].summary.contains("nobody comes from"), "{}", raised[0].summary);
    // Where others live, through a rented machine, and while it learns.
    for away in [place(64_522, "US", Some((40.7, -74.0))), rented()] {
        let mut calm = learned();
        visits(&mut calm, &away);
        calm.is_silent();
    }
    let mut young = World::new("[learning]\nperiod = \"1d\"", CredentialSharing::new);
    visits(&mut young, &there);
    young.is_silent();
}

#[test]
fn a_session_to_and_fro_on_a_way_of_its_own_is_told_and_a_way_of_many_is_not() {
    let (here, there) = (place(64_501, "NL", UTRECHT), place(64_522, "US", Some((40.7, -74.0))));
    let goes = |world: &mut World<CredentialSharing>, session: &str, turns: u32| {
        for turn in 0..turns {
            let (client, place) = if turn % 2 == 0 {
                ("198.51.100.7", &here)
            } else {
                ("203.0.113.9", &there)
            };
            world.sees(&uses(client, IdentityKind::Session, session).at(place));
            world.passes_secs(600);
        }
    };
    let mut shared = learned();
    goes(&mut shared, "session:1", 12);
    shared.ends();
    let raised = shared.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High), "{raised:#?}");
    assert!(raised[0].summary.contains("to and fro"), "{}", raised[0].summary);
    // A carrier that takes its customers' traffic home: three phones showed so.
    let mut roaming = learned();
    for n in 0..3 {
        goes(&mut roaming, &format!("session:{n}"), 3);
    }
    goes(&mut roaming, "session:4", 12);
    roaming.is_silent();
}

#[test]
fn what_led_to_an_alert_that_is_over_leads_to_no_other() {
    let mut world = world();
    let (here, there) = (place(64_501, "NL", UTRECHT), place(64_502, "BR", SAO_PAULO));
    for _ in 0..10 {
        world.sees(&uses("198.51.100.7", IdentityKind::Key, "key:1").at(&here));
        world.passes_secs(300);
        world.sees(&uses("203.0.113.9", IdentityKind::Key, "key:1").at(&there));
        world.passes_secs(300);
    }
    // Afterwards its owner alone, on hosts in two places.
    let second = place(64_501, "US", Some((40.7, -74.0)));
    for _ in 0..30 {
        world.sees(&uses("198.51.100.7", IdentityKind::Key, "key:1").at(&here));
        world.passes_secs(600);
        world.sees(&uses("192.0.2.9", IdentityKind::Key, "key:1").at(&second));
        world.passes_secs(600);
    }
    world.ends();
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn what_is_learned_is_kept() {
    let mut world = learned();
    let rows = |changes: Vec<Change>| {
        let row = |change| match change {
            Change::Put(row) => Some(row),
            Change::Remove { .. } | Change::Clear => None,
        };
        changes.into_iter().filter_map(row).collect::<Vec<Row>>()
    };
    let kept = rows(world.detector.export_dirty());
    assert!(rows(world.detector.export_dirty()).is_empty(), "nothing has changed");
    let now = world.now;
    let mut again = CredentialSharing::new(&Config::default());
    again.import(kept, now);
    let (a, b) = (&world.detector.ways, &again.ways);
    assert!((a.first_of_country() - b.first_of_country()).abs() < 1e-9);
    assert!(
        (a.a_week(now, Who::Machines, Lone::default()) - b.a_week(now, Who::Machines, Lone::default())).abs() < 1e-6
    );
    assert_eq!(
        a.line(now, Who::People, Lone::default(), 0.01),
        b.line(now, Who::People, Lone::default(), 0.01)
    );
}
