//! Surges, and what looks like one.

use super::*;
use crate::alert::{ActorKind, Severity};
use crate::observation::made::{Made, World, login, request};

fn world() -> World<AuthFailures> {
    World::new("", AuthFailures::new)
}

fn token(client: &str, id: &str, status: u16, proven: bool) -> Made {
    request(client, "GET /orders", status).who(IdentityKind::Token, id, proven)
}

#[test]
fn guessing_the_password_of_an_account_is_told_once_and_its_success_is_worse() {
    let mut world = world();
    for n in 0..120 {
        world.sees(&login("198.51.100.7", "alice", false));
        world.passes_secs(2);
        let raised = world.raised();
        assert!(raised.len() <= 1 && (n > 40 || raised.is_empty()), "{n}: {raised:#?}");
    }
    let first = world.raised()[0].clone();
    assert_eq!(first.severity, Severity::Medium);
    assert!(first.confidence <= 0.5);
    let actor = first.actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Ip, "198.51.100.7"));
    assert_eq!(first.target.endpoint.as_deref(), Some("POST /login"));
    world.sees(&login("198.51.100.7", "alice", true));
    world.ends();
    let raised = world.raised();
    assert_eq!(
        (raised.len(), raised[0].severity, raised[0].count),
        (1, Severity::High, 120)
    );
    assert!(
        raised[0].summary.contains("alice, which had failed, was let in"),
        "{}",
        raised[0].summary
    );
}

// A guess every four minutes.
#[test]
fn slow_guessing_is_told_within_hours() {
    let mut world = world();
    for _ in 0..90 {
        world.sees(&login("2001:db8::7", "admin", false));
        world.passes_secs(240);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].evidence.window_s, 6 * 3_600);
}

#[test]
fn unknown_tokens_and_doors_tried_one_by_one_are_told() {
    let mut tokens = world();
    for n in 0..60 {
        tokens.sees(&token("198.51.100.7", &format!("token:{n}"), 401, false));
        tokens.passes_secs(1);
    }
    assert_eq!(tokens.raised().len(), 1);

    // Without credentials, at one endpoint after the other.
    let mut doors = world();
    for n in 0..60 {
        doors.sees(&request("198.51.100.7", &format!("GET /admin/{n}"), 403));
        doors.passes_secs(1);
    }
    assert_eq!(doors.raised().len(), 1);
    assert_eq!(doors.raised()[0].target.endpoint, None);
}

#[test]
fn one_account_from_many_sources_is_the_account_under_attack() {
    let mut world = world();
    world.sees(&login("192.0.2.1", "alice", true));
    for n in 0..60 {
        let mut guess = login(&format!("203.0.113.{n}"), "alice", false);
        guess.0.identity[0].unproven = false;
        world.sees(&guess);
        world.passes_secs(60);
    }
    let raised = world.raised();
    let accounts: Vec<_> = raised
        .iter()
        .filter(|alert| alert.title.contains("for alice"))
        .collect();
    assert_eq!(accounts.len(), 1, "{raised:#?}");
    assert_eq!(accounts[0].actor.as_ref().unwrap().kind, ActorKind::Account);
}

// Names that nobody ever was let in with are not blamed.
#[test]
fn an_unproven_account_is_not_blamed() {
    let mut world = world();
    for n in 0..60 {
        world.sees(&login(&format!("203.0.113.{n}"), "nobody", false));
        world.passes_secs(5);
    }
    let raised = world.raised();
    assert!(!raised.is_empty());
    assert!(
        raised
            .iter()
            .all(|alert| alert.actor.is_none() && alert.target.endpoint.is_some()),
        "{raised:#?}"
    );
}

#[test]
fn someone_who_mistypes_is_silent() {
    let mut world = world();
    for day in 0..20 {
        for _ in 0..6 + day {
            world.sees(&login("198.51.100.7", "alice", false));
            world.passes_secs(8);
        }
        world.sees(&login("198.51.100.7", "alice", true));
        world.passes(Duration::from_hours(24));
    }
    world.is_silent();
}

// Every hour a few requests learn that the token has expired, then it is renewed.
#[test]
fn a_client_that_refreshes_its_token_is_silent() {
    let mut world = world();
    for hour in 0..200 {
        for _ in 0..3 {
            world.sees(&token("198.51.100.7", &format!("token:{hour}"), 401, hour > 0));
        }
        world.sees(&request("198.51.100.7", "POST /token", 200));
        for _ in 0..5 {
            world.sees(&token("198.51.100.7", &format!("token:{}", hour + 1), 200, true));
            world.passes_secs(10);
        }
        world.passes_secs(600);
    }
    world.is_silent();
}

// Each request is tried with the old token first.
#[test]
fn a_client_that_always_tries_the_old_token_first_is_silent() {
    let mut world = world();
    for n in 0..2_000 {
        world.sees(&token("198.51.100.7", &format!("token:{n}"), 401, true));
        world.sees(&token("198.51.100.7", &format!("token:{}", n + 1), 200, true));
        world.passes_secs(2);
    }
    world.is_silent();
}

#[test]
fn health_checks_without_credentials_are_silent() {
    let mut world = world();
    for _ in 0..20_000 {
        world.sees(&request("10.0.0.5", "GET /health", 401));
        world.sees(&request("198.51.100.7", "GET /", 403));
        world.passes_secs(2);
    }
    world.is_silent();
}

// At nine o'clock 200 people behind one address log in; some mistype.
#[test]
fn an_office_in_the_morning_is_silent() {
    let mut world = world();
    for person in 0..200u32 {
        for _ in 0..(person % 7 == 0) as u32 * (1 + person % 3) {
            world.sees(&login("198.51.100.7", &format!("user{person}"), false));
            world.passes_secs(4);
        }
        world.sees(&login("198.51.100.7", &format!("user{person}"), true));
        world.passes_secs(5);
    }
    world.is_silent();
}

#[test]
fn a_key_that_was_revoked_is_a_low_matter() {
    let mut world = world();
    for _ in 0..300 {
        let poll = request("198.51.100.7", "GET /orders", 401).who(IdentityKind::Key, "key:1", true);
        world.sees(&poll);
        world.passes_secs(10);
    }
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::Low), "{raised:#?}");
}

#[test]
fn memory_is_bounded_and_guessing_stays_in_sight() {
    let mut world = world();
    for n in 0..40_000u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).to_string();
        world.sees(&login(&address, &format!("user{n}"), false));
        if n % 400 == 0 {
            world.sees(&login("198.51.100.7", "alice", false));
        }
    }
    assert!(world.detector.sources.len() <= MOST_SOURCES);
    let left_out = world.detector.left_out();
    assert!(
        left_out
            .iter()
            .any(|(cause, count)| *cause == "failing_sources_evicted" && *count > 20_000)
    );
    assert!(world.raised().iter().any(|alert| alert.title.contains("198.51.100.7")));
}
