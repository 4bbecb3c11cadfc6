//! Those who evade, and those who wait, walk and try another browser.

use super::*;
use crate::alert::{Quantity, Severity};
use crate::enrich::identity::IdentityKind;
use crate::observation::made::{Made, World, request};
use crate::record::Incomplete;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn world() -> World<AttackerResponse> {
    World::new("[learning]\nperiod = \"0s\"", AttackerResponse::new)
}

fn asks(client: &str, status: u16) -> Made {
    request(client, "GET /products/{id}", status).agent(BROWSER, 7)
}

/// Works at an address until it is refused, and then for so many seconds does nothing.
fn round(world: &mut World<AttackerResponse>, status: u16, pause: u64, made: impl Fn(u16) -> Made) {
    for _ in 0..10 {
        world.sees(&made(200));
        world.passes_secs(2);
    }
    world.sees(&made(status));
    world.passes_secs(pause);
}

#[test]
fn a_program_that_goes_on_from_the_next_address_is_told_with_its_reaction() {
    let mut world = world();
    for n in 0..12 {
        round(&mut world, 429, 3, |status| asks(&format!("198.51.100.{n}"), status));
    }
    let early = world.raised().len();
    for n in 12..30 {
        round(&mut world, 429, 3, |status| asks(&format!("198.51.100.{n}"), status));
    }
    world.ends();
    let raised = world.raised();
    assert_eq!((early, raised.len()), (1, 1), "while it goes on, once: {raised:#?}");
    let alert = raised[0];
    assert_eq!(alert.actor.as_ref().unwrap().kind, ActorKind::Fingerprint);
    assert_eq!((alert.severity, alert.evidence.unit), (Severity::High, Some("s")));
    let Quantity::Number(median) = alert.evidence.observed else {
        panic!("{:?}", alert.evidence.observed)
    };
    assert!((2.9..3.1).contains(&median), "{median}");
    assert_eq!(alert.count, 29);
    assert_eq!(alert.target.endpoint.as_deref(), Some("GET /products/{id}"));
}

#[test]
fn one_change_an_hour_is_told() {
    let mut world = world();
    for n in 0..20 {
        round(&mut world, 403, 20, |status| asks(&format!("198.51.{n}.7"), status));
        for _ in 0..12 {
            world.passes_secs(240);
            world.sees(&asks(&format!("198.51.{}.7", n + 1), 200));
        }
    }
    assert_eq!(world.raised().len(), 1, "{:#?}", world.raised());
}

#[test]
fn one_address_under_one_name_after_the_other_is_told() {
    let mut world = world();
    for n in 0..16u8 {
        round(&mut world, 403, 1, |status| {
            request("198.51.100.7", "GET /a", status).agent(&format!("Browser/{n}"), n)
        });
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(&*raised[0].actor.as_ref().unwrap().id, "198.51.100.7");
}

#[test]
fn a_key_that_moves_when_it_is_told_to_slow_down_is_told() {
    let mut world = world();
    for n in 0..20u8 {
        round(&mut world, 429, 8, |status| {
            request(&format!("203.0.113.{n}"), "GET /a", status)
                .agent("Go-http-client/1.1", n)
                .who(IdentityKind::Key, "key:1", true)
        });
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].actor.as_ref().unwrap().kind, ActorKind::Key);
}

#[test]
fn silence_is_a_block_from_the_third_time_on() {
    let mut world = world();
    for n in 0..16 {
        let client = format!("198.51.100.{n}");
        round(&mut world, 200, 2, |status| asks(&client, status));
        for _ in 0..3 {
            let mut silent = asks(&client, 200);
            silent.0.response = None;
            silent.0.incomplete = Some(Incomplete::NoResponse);
            world.sees(&silent);
            world.passes_secs(4);
        }
    }
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn who_waits_and_comes_back_is_silent() {
    let mut world = world();
    for n in 0..200u32 {
        // Two programs alike, each with its limit: one asks while the other waits.
        let client = |which: u32| format!("198.51.100.{which}");
        world.sees(&asks(&client(n % 2), 200));
        world.passes_secs(5);
        world.sees(&asks(&client(n % 2), 429));
        world.passes_secs(30);
        world.sees(&asks(&client(2 + n % 2), 200));
        world.passes_secs(30);
        world.sees(&asks(&client(n % 2), 200));
        world.passes_secs(120);
    }
    world.is_silent();
}

// Each is refused once and comes back from another network; the app is everybody's.
#[test]
fn phones_that_change_networks_are_silent() {
    let mut world = world();
    for n in 0..400u32 {
        let account = format!("walker{}", n % 80);
        let at = |client: String, status| asks(&client, status).who(IdentityKind::Account, &account, true);
        world.sees(&at(format!("10.{}.{}.1", n % 7, n % 250), 403));
        world.passes_secs(10);
        world.sees(&at(format!("11.{}.{}.1", n % 11, n % 240), 200));
        world.passes_secs(15);
        for other in 0..4 {
            world.sees(&asks(&format!("12.{other}.{}.9", n % 251), 200));
            world.passes_secs(30);
        }
    }
    world.is_silent();
}

// Nobody else has the app, and everybody leaves the house.
#[test]
fn phones_of_a_small_app_are_silent() {
    let mut world = world();
    for n in 0..60u32 {
        let account = format!("walker{n}");
        let at = |client: String, status| asks(&client, status).who(IdentityKind::Account, &account, true);
        for status in [200, 403] {
            world.sees(&at(format!("10.{n}.7.1"), status));
            world.passes_secs(12);
        }
        world.sees(&at(format!("11.{n}.9.1"), 200));
        world.passes_secs(1_500);
    }
    world.is_silent();
}

#[test]
fn somebody_who_tries_another_browser_is_silent() {
    let mut world = world();
    for n in 0..5u8 {
        world.sees(&request("198.51.100.7", "GET /a", 403).agent(&format!("Browser/{n}"), n));
        world.passes_secs(20);
    }
    world.is_silent();
}

#[test]
fn a_key_on_many_hosts_some_of_them_refused_is_silent() {
    let mut world = world();
    for n in 0..3_000u32 {
        let host = n.wrapping_mul(2_654_435_761) >> 16;
        let status = if n % 17 == 0 { 429 } else { 200 };
        world.sees(&asks(&format!("203.0.113.{}", host % 20), status).who(IdentityKind::Key, "key:1", true));
        world.passes_secs(40);
    }
    world.is_silent();
}

// Everybody is refused for a while.
#[test]
fn a_wrong_rule_that_refuses_everybody_is_silent() {
    let mut world = world();
    for n in 0..2_000u32 {
        let status = if (600..1_200).contains(&n) { 403 } else { 200 };
        let client = format!("10.{}.{}.1", n % 13, n.wrapping_mul(7_919) % 251);
        world.sees(&asks(&client, status));
        world.passes_secs(3);
    }
    world.is_silent();
}

#[test]
fn a_restart_forgets_nothing_that_counts() {
    let mut before = world();
    for n in 0..6 {
        round(&mut before, 429, 3, |status| asks(&format!("198.51.100.{n}"), status));
    }
    assert!(before.raised().is_empty());
    let rows = before
        .detector
        .export_dirty()
        .into_iter()
        .filter_map(|change| match change {
            Change::Put(row) => Some(row),
            Change::Remove { .. } | Change::Clear => None,
        })
        .collect();
    let mut after = world();
    after.now = before.now;
    after.detector.import(rows, after.now);
    for n in 6..14 {
        round(&mut after, 429, 3, |status| asks(&format!("198.51.100.{n}"), status));
    }
    assert_eq!(after.raised().len(), 1, "seven changes more would not do alone");
    let told = &after.raised()[0].summary;
    assert!(told.contains("10 times"), "{told}");
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..10_000u32 {
        let client = std::net::Ipv4Addr::from_bits(0x0b00_0000 + n * 300).to_string();
        let made = request(&client, "GET /a", 403).agent("a", (n % 256) as u8);
        let mut made = made.who(IdentityKind::Key, &format!("key:{n}"), true);
        let mut order = crate::protocol::taps::FieldOrder::default();
        order.add(&n.to_le_bytes());
        made.0.fingerprint.as_mut().unwrap().order = order;
        world.sees(&made);
    }
    let detector = &world.detector;
    assert!(detector.identities.len() <= MOST_IDENTITIES && detector.sources.len() <= MOST_SOURCES);
    assert!(detector.programs.len() <= MOST_PROGRAMS);
    assert!(
        detector.left_out().iter().all(|(_, count)| *count > 0),
        "{:?}",
        detector.left_out()
    );
}
