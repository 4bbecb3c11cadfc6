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
