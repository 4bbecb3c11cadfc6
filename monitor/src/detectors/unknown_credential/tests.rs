//! Keys that are invented, and clients that only look so.

use super::*;
use crate::alert::{ActorKind, Severity};
use crate::observation::made::{Made, World, request};

fn world() -> World<UnknownCredential> {
    let mut world = World::new("[learning]\nperiod = \"1d\"\n", UnknownCredential::new);
    for day in 0..3 {
        for n in 0..40 {
            world.sees(&key(&format!("192.0.2.{n}"), &format!("key:good{n}"), true));
            // Somebody mistypes.
            if n % 20 == day {
                world.sees(&key(&format!("192.0.2.{n}"), &format!("key:slip{n}"), false));
            }
            world.passes_secs(2_000);
        }
    }
    world
}

fn key(client: &str, id: &str, good: bool) -> Made {
    request(client, "GET /orders", if good { 200 } else { 401 }).who(IdentityKind::Key, id, good)
}

#[test]
fn invented_keys_of_one_source_are_one_alert_while_it_lasts() {
    let mut world = world();
    for n in 0..250 {
        world.sees(&key("198.51.100.7", &format!("key:{n}"), false));
        world.passes_secs(10);
        if n == 40 {
            assert_eq!(world.raised().len(), 1);
        }
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!((raised[0].count, raised[0].severity), (250, Severity::High));
    assert_eq!(&*raised[0].actor.as_ref().unwrap().id, "198.51.100.7");
}

#[test]
fn neighbours_that_share_the_work_are_a_network() {
    let mut world = world();
    for n in 0..60 {
        world.sees(&key(&format!("203.0.113.{}", n % 20), &format!("key:{n}"), false));
        world.passes_secs(600);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(&*raised[0].actor.as_ref().unwrap().id, "203.0.113.0/24");
}

#[test]
fn names_in_forged_tokens_count() {
    let mut world = world();
    for n in 0..60 {
        let made = request("198.51.100.7", "GET /orders", 401)
            .who(IdentityKind::Token, &format!("token:{n}"), false)
            .who(IdentityKind::Account, &format!("user{n}"), false);
        world.sees(&made);
        world.passes_secs(60);
    }
    assert_eq!(world.raised()[0].actor.as_ref().unwrap().kind, ActorKind::Ip);
}

#[test]
fn one_from_each_of_everywhere_is_told_of_the_endpoint() {
    let mut world = world();
    for n in 0..200u32 {
        world.sees(&key(&format!("{}.{n}.3.4", 11 + n % 90), &format!("key:{n}"), false));
        world.passes_secs(70);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(
        (raised[0].actor.is_none(), raised[0].target.endpoint.as_deref()),
        (true, Some("GET /orders"))
    );
}

// The account is known: only its token is new and no longer good.
#[test]
fn tokens_that_expire_and_are_minted_anew_are_silent() {
    let mut world = world();
    for n in 0..400 {
        let stale =
            request("198.51.100.7", "GET /orders", 401).who(IdentityKind::Token, &format!("token:old{n}"), false);
        // Of half of them the account is known by its name.
        let stale = if n % 2 == 0 {
            stale.who(IdentityKind::Account, "alice", true)
        } else {
            stale
        };
        world.sees(&stale);
        world.passes_secs(1);
        let fresh =
            request("198.51.100.7", "GET /orders", 200).who(IdentityKind::Token, &format!("token:new{n}"), true);
        world.sees(&fresh);
        world.passes_secs(200);
    }
    world.is_silent();
}

#[test]
fn one_wrong_key_a_thousand_times_is_silent() {
    let mut world = world();
    for _ in 0..1_000 {
        world.sees(&key("198.51.100.7", "key:wrong", false));
        world.passes_secs(5);
    }
    world.is_silent();
}

#[test]
fn one_good_token_makes_up_for_one_guess_alone() {
    let mut world = world();
    for n in 0..60 {
        world.sees(&key("198.51.100.7", &format!("key:{n}"), false));
        world.sees(&key("198.51.100.7", "key:mine", true));
        world.passes_secs(10);
    }
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn what_days_have_is_kept_over_a_restart() {
    let mut world = world();
    let put = |change| match change {
        Change::Put(row) => Some(row),
        Change::Remove { .. } | Change::Clear => None,
    };
    let rows: Vec<Row> = world.detector.export_dirty().into_iter().filter_map(put).collect();
    let endpoint: Arc<str> = "GET /orders".into();
    let mut restarted = World::new("[learning]\nperiod = \"1d\"\n", UnknownCredential::new);
    restarted.detector.import(rows, world.now);
    assert!(restarted.detector.beginning.is_over(world.now));
    let line = |world: &mut World<UnknownCredential>| world.detector.days.line(&endpoint, false).0;
    assert_eq!(line(&mut restarted), line(&mut world));
    assert_ne!(line(&mut restarted), Days::new(1e-8).line(&endpoint, false).0);
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..20_000u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + n * 300).to_string();
        let endpoint = format!("GET /{n}");
        world.sees(&request(&address, &endpoint, 401).who(IdentityKind::Key, &format!("key:{n}"), false));
    }
    assert!(world.detector.sources.len() <= MOST_SOURCES && world.detector.endpoints.len() <= MOST_ENDPOINTS);
    assert!(world.detector.left_out()[..3].iter().all(|(_, count)| *count > 0));
}
