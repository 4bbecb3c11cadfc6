//! Scanners and rotating agents, and people who only look alike.

use std::time::Duration;

use super::*;
use crate::enrich::agents;
use crate::observation::made::{Made, World, request};

const WHO: &str = "198.51.100.7";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 \
                      Safari/605.1.15";

fn world() -> World<UserAgent> {
    World::new("[learning]\nperiod = \"0s\"\n", UserAgent::new)
}

fn chrome(version: u32) -> String {
    format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 \
         Safari/537.36"
    )
}

/// A request on connection `flow`, its fields in the order of that number.
fn asks(agent: &str, order: u8, flow: u64) -> Made {
    let mut made = request(WHO, "GET /orders", 200).agent(agent, order);
    made.0.flow.cookie = flow;
    made.0.request.as_mut().unwrap().agent_class = agents::class(agent);
    made
}

#[test]
fn a_scanner_is_one_alert_and_worse_where_it_succeeds() {
    let mut world = world();
    for n in 0..300 {
        let mut probe = asks("sqlmap/1.8#stable (https://sqlmap.org)", 1, n);
        probe.0.response.as_mut().unwrap().status = 404;
        world.sees(&probe);
        world.passes(Duration::from_millis(100));
    }
    world.ends();
    assert_eq!((world.raised().len(), world.raised()[0].severity), (1, Severity::Low));
    world.sees(&asks("sqlmap/1.8#stable (https://sqlmap.org)", 1, 1));
    world.ends();
    let raised = world.raised();
    assert_eq!(
        (raised.len(), raised[0].severity, raised[0].count),
        (1, Severity::Medium, 301)
    );
    assert_eq!(raised[0].actor.as_ref().map(|actor| &*actor.id), Some(WHO));
}

#[test]
fn a_program_under_many_names_is_told() {
    let mut world = world();
    for n in 0..40 {
        let agent = match n % 4 {
            0 => FIREFOX.to_owned(),
            1 => SAFARI.to_owned(),
            _ => chrome(120 + n),
        };
        world.sees(&asks(&agent, 1, n.into()));
        world.passes_secs(2);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert!(
        raised[0].summary.contains("one program under many names"),
        "{}",
        raised[0].summary
    );
}

#[test]
fn two_browsers_on_one_connection_are_one_program() {
    let mut world = world();
    for n in 0..3 {
        world.sees(&asks(&chrome(120 + n), 1, 9));
        world.sees(&asks(FIREFOX, 1, 9));
    }
    world.ends();
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn one_session_under_many_names_is_told() {
    let mut world = world();
    for n in 0..8 {
        world.sees(&asks(&chrome(120 + n), 1, n.into()).who(IdentityKind::Session, "session:1", true));
        world.passes_secs(5);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].evidence.threshold, Quantity::Number(5.0));
}

// An office: three kinds of browser, each with its own order of fields, and many versions of each.
#[test]
fn many_people_behind_one_address_are_silent() {
    let mut world = world();
    for n in 0..600u32 {
        let session = format!("session:{}", n % 90);
        let (agent, order) = match n % 3 {
            0 => (FIREFOX.replace("140", &(100 + n % 40).to_string()), 1),
            1 => (SAFARI.to_owned(), 2),
            _ => (chrome(100 + n % 30), 3),
        };
        world.sees(&asks(&agent, order, (n % 90).into()).who(IdentityKind::Session, &session, true));
        world.sees(&asks(
            &format!("ShopApp/{}.0 (Android 14)", n % 20),
            4,
            (1_000 + n % 90).into(),
        ));
        world.passes_secs(1);
    }
    world.is_silent();
}

#[test]
fn a_new_release_is_silent() {
    let mut world = world();
    for n in 0..200u32 {
        let agent = format!("shop-client/2.{} (linux)", u32::from(n > 100));
        world.sees(&asks(&agent, 1, 1).who(IdentityKind::Token, "token:1", true));
        world.passes_secs(1);
    }
    world.is_silent();
}

// A fleet behind one address shares a key.
#[test]
fn a_key_of_many_programs_is_silent() {
    let mut world = world();
    for n in 0..200u32 {
        let agent = format!("python-requests/2.{}", n % 9);
        world.sees(&asks(&agent, 1, n.into()).who(IdentityKind::Key, "key:1", true));
        world.passes_secs(1);
    }
    world.is_silent();
}

/// Two days of a shop: people with browsers of a few versions, and an office with forty of them behind one address.
fn days_of_people(world: &mut World<UserAgent>, days: u32) {
    for n in 0..days * 24 * 12 {
        let version = 130 + (n % 7) + n / 2_000;
        let home = format!("203.0.{}.{}", n % 3, n % 200);
        world.sees(&from(&home, &chrome(version), 3, n));
        let (agent, order) = if n % 3 == 0 {
            (FIREFOX.replace("140", &(130 + n % 11).to_string()), 1)
        } else {
            (chrome(130 + n % 9), 3)
        };
        world.sees(&from("192.0.2.99", &agent, order, n));
        world.passes_secs(300);
    }
}

fn from(client: &str, agent: &str, order: u8, flow: u32) -> Made {
    let mut made = asks(agent, order, flow.into());
    made.0.client.as_mut().unwrap().ip = client.parse().unwrap();
    made
}

fn learning() -> World<UserAgent> {
    World::new("[learning]\nperiod = \"2d\"\n", UserAgent::new)
}

// Each name with the order of fields that its browser has, and never two on one connection.
#[test]
fn a_long_list_of_browsers_is_told_fast_and_slow() {
    for pause in [15, 900] {
        let mut world = learning();
        days_of_people(&mut world, 3);
        for n in 0..40 {
            let (agent, order) = match n % 3 {
                0 => (FIREFOX.replace("140", &(70 + n).to_string()), 1),
                _ => (chrome(60 + n), 3),
            };
            world.sees(&from(WHO, &agent, order, n));
            world.passes_secs(pause);
        }
        world.ends();
        let raised = world.raised();
        assert_eq!(raised.len(), 1, "{pause}: {raised:#?}");
        assert_eq!(raised[0].title, format!("Browsers nobody else has: {WHO}"));
        assert!((raised[0].confidence - 0.7).abs() < 1e-6);
    }
}

// A new office whose people have what others have, and a few browsers of their own.
#[test]
fn a_new_office_is_silent() {
    let mut world = learning();
    days_of_people(&mut world, 3);
    for n in 0..400 {
        let (agent, order) = match n % 40 {
            0 => (SAFARI.replace("18.0", &format!("17.{}", n / 40 % 4)), 2),
            n if n % 3 == 0 => (FIREFOX.replace("140", &(130 + n % 11).to_string()), 1),
            n => (chrome(130 + n % 9), 3),
        };
        world.sees(&from(WHO, &agent, order, n));
        world.passes_secs(20);
    }
    world.is_silent();
}

// All browsers are updated on one day: who asks first shows a new one, and then it is known.
#[test]
fn a_day_of_updates_is_silent() {
    let mut world = learning();
    days_of_people(&mut world, 3);
    for n in 0..300 {
        let office = format!("192.0.2.{}", n % 5);
        world.sees(&from(&office, &chrome(140 + n % 9), 3, n));
        world.sees(&from(
            &office,
            &FIREFOX.replace("140", &(141 + n % 3).to_string()),
            1,
            n,
        ));
        world.passes_secs(60);
    }
    world.is_silent();
}
