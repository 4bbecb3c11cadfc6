//! Contradictions and crowds, and what only looks like one.

use std::time::Duration;

use super::*;
use crate::alert::{ActorKind, Quantity, Severity};
use crate::enrich::agents;
use crate::observation::made::{Made, World, login, request};
use crate::protocol::taps::FieldOrder;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn world() -> World<ClientFingerprint> {
    World::new("[learning]\nperiod = \"0s\"\n", ClientFingerprint::new)
}

fn written(mut made: Made, agent: &str, fields: &[&str]) -> Made {
    made = made.agent(agent, 0);
    made.0.request.as_mut().unwrap().agent_class = agents::class(agent);
    let mut order = FieldOrder::default();
    for field in fields {
        order.add(field.as_bytes());
    }
    if let Some(fingerprint) = &mut made.0.fingerprint {
        fingerprint.order = order;
    }
    made
}

#[test]
fn a_library_that_says_it_is_a_browser_is_told_once() {
    let mut world = world();
    let fields = [
        "Host",
        "User-Agent",
        "Accept-Encoding",
        "Accept",
        "Connection",
        "Cookie",
    ];
    for _ in 0..30 {
        world.sees(&written(request("198.51.100.7", "GET /orders", 200), FIREFOX, &fields));
        world.passes_secs(3);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].title, "No browser but Python's requests: 198.51.100.7");
    assert_eq!((raised[0].severity, raised[0].count), (Severity::Low, 30));
}

#[test]
fn honest_clients_are_silent() {
    let mut world = world();
    let browser = [
        "Host",
        "User-Agent",
        "Accept",
        "Accept-Language",
        "Accept-Encoding",
        "Connection",
    ];
    for n in 0..300 {
        let client = format!("198.51.100.{}", n % 200);
        world.sees(&written(request(&client, "GET /", 200), FIREFOX, &browser));
        world.sees(&written(
            request(&client, "GET /", 200),
            "curl/8.1",
            &["Host", "User-Agent", "Accept"],
        ));
        world.sees(&written(
            request(&client, "GET /", 404),
            "shop/1",
            &["Host", "User-Agent"],
        ));
        world.passes_secs(2);
    }
    world.is_silent();
}

/// Everyone else: one in fifty mistypes.
fn people(world: &mut World<ClientFingerprint>, n: u32) {
    let client = format!("203.0.113.{}", n % 250);
    let fields = ["Host", "User-Agent", "Accept", "Accept-Language"];
    world.sees(&written(
        login(&client, &format!("user{n}"), !n.is_multiple_of(50)),
        FIREFOX,
        &fields,
    ));
}

#[test]
fn one_program_behind_many_refused_addresses_is_told() {
    let mut world = world();
    for n in 0..400 {
        people(&mut world, n);
        let client = format!("198.51.{}.{}", 100 + n / 250, n % 250);
        world.sees(&written(login(&client, "alice", false), "tool", &["Host", "Accept"]));
        world.passes_secs(1);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert_eq!(actor.kind, ActorKind::Fingerprint);
    assert_eq!(raised[0].severity, Severity::Medium);
    let (Quantity::Number(observed), Quantity::Number(line)) =
        (&raised[0].evidence.observed, &raised[0].evidence.threshold)
    else {
        panic!("{:?}", raised[0].evidence);
    };
    assert!(observed >= line && *line > 5.0, "{observed} {line}");
}

// The backend of the logins is down: everybody is refused, and most are the app.
#[test]
fn a_fault_that_refuses_everybody_is_silent() {
    let mut world = world();
    for n in 0..600u32 {
        let fails = n > 300;
        let client = format!("203.0.113.{}", n % 250);
        let (agent, fields): (&str, &[&str]) = match n % 5 {
            0 => (FIREFOX, &["Host", "User-Agent", "Accept", "Accept-Language"]),
            1 => ("curl/8", &["Host", "User-Agent", "Accept"]),
            _ => ("ShopApp/3.1", &["Host", "User-Agent", "X-App"]),
        };
        world.sees(&written(login(&client, &format!("user{n}"), !fails), agent, fields));
        world.passes(Duration::from_millis(900));
    }
    world.is_silent();
}

// The same where there is no other client to compare with.
#[test]
fn a_fault_of_the_only_client_is_silent() {
    let mut world = world();
    for n in 0..1_200u32 {
        let client = format!("203.0.{}.{}", 113 + n / 250, n % 250);
        let made = login(&client, &format!("user{n}"), n < 800);
        world.sees(&written(made, "ShopApp/3.1", &["Host", "User-Agent", "X-App"]));
        world.passes(Duration::from_millis(900));
    }
    world.is_silent();
}

// A new version of the app appears at many addresses at once, and gets in.
#[test]
fn a_new_release_is_silent() {
    let mut world = world();
    for n in 0..500 {
        people(&mut world, n);
        let client = format!("198.51.{}.{}", 100 + n / 250, n % 250);
        world.sees(&written(
            login(&client, &format!("u{n}"), !n.is_multiple_of(40)),
            "ShopApp/4.0",
            &["Host", "X-New"],
        ));
        world.passes_secs(1);
    }
    world.is_silent();
}

const NAMES: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    FIREFOX,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
];

/// Two days of people, each engine with its order of fields.
fn days_of_browsers(world: &mut World<ClientFingerprint>) {
    for n in 0..2 * 24 * 20u32 {
        let client = format!("203.0.{}.{}", 100 + n % 4, n % 250);
        let (name, fields): (&str, &[&str]) = match n % 4 {
            1 => (NAMES[1], &["Host", "User-Agent", "Accept", "Accept-Language"]),
            3 => (NAMES[3], &["Host", "Accept", "Accept-Language", "User-Agent"]),
            n => (NAMES[n as usize], &["Host", "Connection", "User-Agent", "Accept"]),
        };
        world.sees(&written(request(&client, "GET /products", 200), name, fields));
        world.passes_secs(180);
    }
}

fn taught() -> World<ClientFingerprint> {
    let mut world = World::new("[learning]\nperiod = \"1d\"\n", ClientFingerprint::new);
    days_of_browsers(&mut world);
    world
}

#[test]
fn one_program_behind_many_addresses_as_many_browsers_is_told_fast_and_slow() {
    for pause in [18, 960] {
        let mut world = taught();
        for n in 0..60u32 {
            let client = format!("198.51.{}.{}", n % 7, n);
            let fields = ["User-Agent", "Accept", "Cache-Control", "Host", "Connection", "DNT"];
            let name = NAMES[n as usize % 4];
            world.sees(&written(request(&client, "GET /products/7", 200), name, &fields));
            world.passes_secs(pause);
        }
        world.ends();
        let raised = world.raised();
        assert_eq!(raised.len(), 1, "{raised:#?}");
        assert_eq!(raised[0].actor.as_ref().unwrap().kind, ActorKind::Fingerprint);
        assert!(raised[0].title.contains("as many browsers"), "{}", raised[0].title);
    }
}

// A new release of a browser writes its fields in a new order, at many addresses at once, and says who it is.
#[test]
fn a_new_release_of_a_browser_is_silent() {
    let mut world = taught();
    for n in 0..300u32 {
        let client = format!("198.51.{}.{}", n % 7, n % 250);
        let fields = ["Host", "Connection", "sec-ch-ua", "User-Agent", "Accept"];
        world.sees(&written(
            request(&client, "GET /products/7", 200),
            &NAMES[0].replace("138", "141"),
            &fields,
        ));
        world.passes_secs(20);
    }
    world.is_silent();
}

// A proxy is put before the host: everybody who was here comes with its order.
#[test]
fn a_new_proxy_is_silent() {
    let mut world = taught();
    for n in 0..900u32 {
        let client = format!("203.0.{}.{}", 100 + n % 4, n % 250);
        let fields = ["Host", "Accept", "User-Agent", "X-Amzn-Trace-Id"];
        world.sees(&written(
            request(&client, "GET /products/7", 200),
            NAMES[n as usize % 4],
            &fields,
        ));
        world.passes_secs(20);
    }
    world.is_silent();
}
