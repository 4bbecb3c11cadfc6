//! Those who leave steps out or hurry, and those who come back in the middle.

use super::*;
use crate::alert::{ActorKind, Quantity};
use crate::observation::made::{Made, World, login, request};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const FLOW: [&str; 4] = ["POST /cart", "POST /till", "PUT /till/address", "POST /till/pay"];

fn world() -> World<FlowMisuse> {
    World::new("[learning]\nperiod = \"1d\"", FlowMisuse::new)
}

fn asks(client: &str, endpoint: &str, session: &str) -> Made {
    request(client, endpoint, 200)
        .agent(BROWSER, 1)
        .who(IdentityKind::Session, session, true)
}

fn enters(world: &mut World<FlowMisuse>, client: &str, account: &str) {
    world.sees(&request(client, "GET /", 200).agent(BROWSER, 1));
    world.passes_secs(4);
    world.sees(&login(client, account, true).agent(BROWSER, 1));
    world.passes_secs(5);
}

/// The steps from this one on.
fn buys(world: &mut World<FlowMisuse>, client: &str, session: &str, first: usize, pause_ms: u64) {
    for endpoint in &FLOW[first..] {
        world.sees(&asks(client, endpoint, session));
        world.passes(Duration::from_millis(pause_ms));
    }
}

/// So many purchases of so many people, some of which begin in the middle; each takes ten minutes.
fn people(world: &mut World<FlowMisuse>, purchases: u32) {
    for n in 0..purchases {
        let person = n % 40;
        let (client, session) = (format!("198.51.100.{person}"), format!("session:{}", world.now));
        enters(world, &client, &format!("user{person}"));
        // Most look around and leave.
        for looking in 0..2 {
            let (client, session) = (format!("198.51.101.{}", n % 90), format!("session:{looking}.{n}"));
            enters(world, &client, &format!("looker{}", n % 90));
            world.sees(&asks(&client, "GET /products/{id}", &session));
        }
        if n % 3 == 0 {
            world.sees(&asks(&client, "GET /products/{id}", &session));
            world.passes_secs(9);
        }
        let first = match n % 50 {
            7 | 32 => 2,
            19 => 3,
            _ => 0,
        };
        buys(world, &client, &session, first, 3_000 + 700 * u64::from(n % 13));
        if n % 10 == 3 {
            buys(world, &client, &session, 0, 5_000);
        }
        world.passes_secs(540);
    }
}

fn learned() -> World<FlowMisuse> {
    let mut world = world();
    people(&mut world, 300);
    world
}

#[test]
fn a_till_that_is_skipped_is_told() {
    let mut world = learned();
    enters(&mut world, "203.0.113.5", "mallory");
    for _ in 0..40 {
        world.sees(&asks("203.0.113.5", "POST /till/pay", "session:x"));
        world.passes_secs(20);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let alert = raised[0];
    let actor = alert.actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Session, "session:x"));
    assert_eq!(alert.target.endpoint.as_deref(), Some("POST /till/pay"));
    assert!(alert.title.ends_with(" before POST /till/pay"), "{}", alert.title);
    assert!(matches!(alert.evidence.observed, Quantity::Number(odd) if odd > 12.0));
}

#[test]
fn one_an_hour_is_told_by_its_account() {
    let mut world = learned();
    for _ in 0..18 {
        let paid =
            request("203.0.113.5", "POST /till/pay", 200)
                .agent(BROWSER, 1)
                .who(IdentityKind::Account, "mallory", true);
        world.sees(&paid);
        people(&mut world, 6);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(&*raised[0].actor.as_ref().unwrap().id, "mallory");
}

#[test]
fn many_accounts_of_one_address_are_told_by_it() {
    let mut world = learned();
    for n in 0..25 {
        enters(&mut world, "203.0.113.5", &format!("mule{n}"));
        world.sees(&asks("203.0.113.5", "POST /till/pay", &format!("session:mule{n}")));
        world.passes_secs(240);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(&*raised[0].actor.as_ref().unwrap().id, "203.0.113.5");
}

#[test]
fn the_pace_of_a_machine_is_told() {
    let mut world = learned();
    enters(&mut world, "203.0.113.5", "mallory");
    for _ in 0..30 {
        buys(&mut world, "203.0.113.5", "session:x", 0, 90);
        world.passes_secs(100);
    }
    let raised = world.raised();
    assert!(!raised.is_empty() && raised.len() <= 3, "{raised:#?}");
    assert!(
        raised.iter().all(|alert| alert.title.contains("like a machine")),
        "{raised:#?}"
    );
}

#[test]
fn people_are_silent() {
    let mut world = learned();
    people(&mut world, 900);
    world.is_silent();
}

// A bookmark of the till, each time.
#[test]
fn who_comes_back_in_the_middle_is_silent() {
    let mut world = learned();
    for n in 0..6 {
        buys(&mut world, "203.0.113.5", &format!("session:old{}", n / 4), 3, 8_000);
        people(&mut world, 12);
    }
    world.is_silent();
}

#[test]
fn a_program_with_a_key_has_an_order_of_its_own() {
    let mut world = world();
    for n in 0..300u32 {
        people(&mut world, 1);
        for _ in 0..3 {
            let paid =
                request("192.0.2.77", "POST /till/pay", 200).who(IdentityKind::Key, &format!("key:{}", n % 20), true);
            world.sees(&paid);
        }
    }
    world.is_silent();
}

#[test]
fn nothing_is_told_in_the_first_days() {
    let mut world = world();
    people(&mut world, 100);
    for _ in 0..40 {
        world.sees(&asks("203.0.113.5", "POST /till/pay", "session:x"));
        world.passes_secs(20);
    }
    assert!(world.detector.learning(world.now) > 0);
    world.is_silent();
}

// One who floods while all is learned does not make it usual.
#[test]
fn an_attack_while_learning_teaches_little() {
    let mut world = world();
    for _ in 0..15 {
        for _ in 0..200 {
            world.sees(&asks("203.0.113.5", "POST /till/pay", "session:x"));
        }
        people(&mut world, 20);
    }
    for _ in 0..40 {
        world.sees(&asks("203.0.113.9", "POST /till/pay", "session:y"));
        world.passes_secs(20);
    }
    assert!(!world.raised().is_empty());
}

#[test]
fn what_is_learned_is_kept_over_a_restart() {
    let mut before = learned();
    let rows = before
        .detector
        .export_dirty()
        .into_iter()
        .filter_map(|change| match change {
            Change::Put(row) => Some(row),
            Change::Remove { .. } | Change::Clear => None,
        })
        .collect();
    assert!(before.detector.export_dirty().is_empty());
    let mut after = world();
    after.now = before.now;
    after.detector.import(rows, after.now);
    for _ in 0..40 {
        after.sees(&asks("203.0.113.5", "POST /till/pay", "session:x"));
        after.passes_secs(20);
    }
    assert_eq!(after.raised().len(), 1);
}

#[test]
fn memory_is_bounded() {
    let mut world = learned();
    for n in 0..20_000u32 {
        let client = std::net::Ipv4Addr::from_bits(0x0b00_0000 + n * 300).to_string();
        world.sees(&asks(&client, "POST /till/pay", &format!("session:{n}")));
        world.sees(&asks(&client, &format!("GET /{n}"), "session:a"));
    }
    let detector = &world.detector;
    assert!(detector.visits.len() <= MOST_VISITS && detector.tallies.len() <= MOST_TALLIES);
    assert!(
        detector.left_out().iter().all(|(_, count)| *count > 0),
        "{:?}",
        detector.left_out()
    );
}

// A phone that logged in days ago: it shows its token, and never the login that nearly all others begin with.
#[test]
fn a_token_that_is_kept_for_days_needs_no_login() {
    let mut world = learned();
    for n in 0..30 {
        let looks = request("203.0.113.7", "GET /products/{id}", 200).agent(BROWSER, 1).who(
            IdentityKind::Token,
            "token:kept",
            true,
        );
        world.sees(&looks);
        world.passes_secs(3_600 + n);
    }
    world.is_silent();
    // Without one the step that is missing is the login.
    for _ in 0..40 {
        world.sees(&request("203.0.113.8", "GET /products/{id}", 200).agent(BROWSER, 1));
        world.passes_secs(30 * 60 + 1);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert!(raised[0].title.contains("POST /login"), "{}", raised[0].title);
}
