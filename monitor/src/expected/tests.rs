//! What an event covers, and what it must not. Times are seconds; the event is from 10,000 to 20,000.

use std::sync::Arc;

use super::*;
use crate::alert::{Actor, ActorKind};
use crate::alerts::Desk;
use crate::allow::Rules;
use crate::config::{Bounds, Config};
use crate::finding::tests::finding;
use crate::observation::made;
use crate::record::Body;

const DURING: u64 = 15_000;

fn moment(secs: u64) -> Moment {
    Moment(Timestamp::from_secs(secs))
}

fn event(endpoint: Option<&str>, path: Option<&str>) -> ExpectedEvent {
    ExpectedEvent {
        from: moment(10_000),
        until: moment(20_000),
        endpoint: endpoint.map(|text| text.parse().unwrap()),
        path: path.map(|text| text.parse().unwrap()),
        comment: "promotion".to_owned(),
    }
}

/// A finding of this detector at this time, about an endpoint, or about what its sample asks for.
fn found(detector: &str, at: u64, endpoint: Option<&str>, sample: &str) -> Finding {
    let mut finding = finding("", at);
    finding.detector = crate::detectors::doc(detector).unwrap();
    finding.actor = Some(Actor {
        kind: ActorKind::Ip,
        id: "203.0.113.5".into(),
    });
    finding.target = Target {
        endpoint: endpoint.map(Into::into),
        ..Target::default()
    };
    finding.evidence.samples = vec![Sample::Http(Arc::new(made::request("203.0.113.5", sample, 200).0))];
    finding
}

#[track_caller]
fn check(event: &ExpectedEvent, finding: &Finding, expected: bool) {
    let mut rules = Rules::default();
    rules.expected.add(event.clone()).unwrap();
    assert_eq!(
        rules.expected.find(finding).is_some(),
        expected,
        "{event:?} {finding:?}"
    );
    let mut records = Vec::new();
    let mut desk = Desk::new(&Bounds::default());
    desk.file(finding.last_seen, finding.clone(), None, &rules, &mut records);
    assert_eq!(
        (records.is_empty(), desk.counts().expected),
        (expected, u64::from(expected))
    );
    // An alert that is open is covered alike.
    desk = Desk::new(&Bounds::default());
    desk.file(
        finding.last_seen,
        finding.clone(),
        None,
        &Rules::default(),
        &mut records,
    );
    let ended = desk.apply_event(finding.last_seen, event, &mut records);
    assert_eq!(ended, usize::from(expected));
}

#[test]
fn what_is_unusual_during_the_event_is_expected() {
    let all = event(None, None);
    for at in [10_000, DURING, 19_999] {
        check(
            &all,
            &found("auth_failures", at, Some("POST /login"), "POST /login"),
            true,
        );
    }
    for at in [9_999, 20_000] {
        check(
            &all,
            &found("auth_failures", at, Some("POST /login"), "POST /login"),
            false,
        );
    }
}

#[test]
fn what_goes_by_lists_and_rules_is_not() {
    let all = event(None, None);
    for detector in [
        "listed_source",
        "request_anomaly",
        "user_agent",
        "credential_stuffing",
        "dns_tunnel",
    ] {
        check(
            &all,
            &found(detector, DURING, Some("POST /login"), "POST /login"),
            false,
        );
    }
}

#[test]
fn it_covers_its_endpoint_alone() {
    let orders = event(Some("POST /orders*"), None);
    check(
        &orders,
        &found("auth_failures", DURING, Some("POST /orders"), "GET /a"),
        true,
    );
    check(
        &orders,
        &found("auth_failures", DURING, Some("GET /orders"), "POST /orders"),
        false,
    );
    // An alert about somebody says no endpoint: what they asked for does.
    check(&orders, &found("auth_failures", DURING, None, "POST /orders"), true);
    check(&orders, &found("auth_failures", DURING, None, "POST /login"), false);
    let path = event(None, Some("/orders/*"));
    check(
        &path,
        &found("auth_failures", DURING, Some("GET /orders/{id}"), "GET /a"),
        true,
    );
    check(
        &path,
        &found("auth_failures", DURING, Some("GET /login"), "GET /a"),
        false,
    );
    // A connection out of this host has none.
    check(&orders, &finding("evil.example", DURING), false);
    check(&event(None, None), &finding("evil.example", DURING), true);
}

#[test]
fn what_began_before_it_is_not_of_it_and_windows_reach_beyond_its_end() {
    let all = event(None, None);
    let mut before = found("auth_failures", DURING, None, "GET /a");
    before.first_seen = Timestamp::from_secs(9_000);
    check(&all, &before, false);
    before.evidence.window_s = 1_200;
    check(&all, &before, true);
    let mut after = found("auth_failures", 20_500, None, "GET /a");
    check(&all, &after, false);
    after.evidence.window_s = 600;
    check(&all, &after, true);
    // A day's window does not make the day after expected.
    let mut later = found("auth_failures", 20_000 + 3_600, None, "GET /a");
    later.evidence.window_s = 86_400;
    check(&all, &later, false);
}

#[test]
fn an_alert_that_it_ends_says_so() {
    let mut desk = Desk::new(&Bounds::default());
    let mut records = Vec::new();
    desk.file(
        Timestamp::from_secs(DURING),
        finding("a.example", DURING),
        None,
        &Rules::default(),
        &mut records,
    );
    let event = event(None, None);
    assert_eq!(
        desk.apply_event(Timestamp::from_secs(DURING + 5), &event, &mut records),
        1
    );
    let ended = records.iter().rev().find_map(|record| match &record.body {
        Body::Alert(alert) => alert.resolved_by.clone(),
        _ => None,
    });
    assert_eq!(ended, Some(format!("expected by {}: promotion", event.id())));
    assert_eq!(desk.incidents().count(), 0, "its incident is over, too");
}

#[test]
fn events_are_added_and_removed_like_rules() {
    let mut events = Events::default();
    events.set_config(vec![event(None, Some("/a"))]);
    let id = events.add(event(None, None)).unwrap();
    assert_eq!(events.add(event(None, None)), Ok(id.clone()));
    assert_eq!(events.list().count(), 2);
    let of_config = event(None, Some("/a"));
    assert_eq!(
        events.add(of_config.clone()),
        Err(EventError::FromConfig(of_config.id()))
    );
    assert!(events.remove(&of_config.id()).is_err());
    assert_eq!(events.remove(&id), Ok(event(None, None)));
    assert_eq!(events.remove(&id), Err(EventError::Unknown(id)));
    let never = ExpectedEvent {
        until: moment(10_000),
        ..event(None, None)
    };
    assert_eq!(events.add(never), Err(EventError::NeverIs));
    events.set_config(Vec::new());
    assert_eq!(events.list().count(), 0);
}

#[test]
fn nothing_is_learned_from_what_is_expected() {
    let mut events = Events::default();
    assert!(!events.is_on(Timestamp::from_secs(DURING), Some("GET /a")));
    events.set_config(vec![event(Some("POST /orders"), None)]);
    let on = |at, endpoint| events.is_on(Timestamp::from_secs(at), endpoint);
    assert!(on(DURING, Some("POST /orders")));
    assert!(!on(DURING, Some("GET /orders")) && !on(DURING, None) && !on(20_000, Some("POST /orders")));
}

#[test]
fn an_event_of_the_configuration_is_checked() {
    let parse = |text: &str| Config::parse(text, std::path::Path::new("m.toml"));
    let config = parse("[[expected]]\nfrom = \"2026-11-27\"\nuntil = \"2026-11-28\"\nendpoint = \"POST /orders\"\n");
    assert_eq!(config.unwrap().expected.len(), 1);
    for (text, said) in [
        (
            "[[expected]]\nfrom = \"2026-11-28\"\nuntil = \"2026-11-27\"\n",
            "is over before it begins",
        ),
        ("[[expected]]\nfrom = \"2026-11-28\"\n", "missing field `until`"),
        (
            "[[expected]]\nform = \"2026-11-28\"\n",
            "m.toml:2: unknown key `form`; did you mean `from`?",
        ),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

// Each must have been thought of.
#[test]
fn every_detector_goes_by_habit_or_by_rule() {
    const BY_RULE: &[&str] = &[
        "attacker_response",
        "beaconing",
        "client_fingerprint",
        "credential_sharing",
        "credential_stuffing",
        "dns_tunnel",
        "listed_source",
        "log_pattern",
        "request_anomaly",
        "request_forgery",
        "unknown_credential",
        "user_agent",
    ];
    for doc in crate::detectors::DOCS {
        assert_ne!(by_habit(doc.name), BY_RULE.contains(&doc.name), "{}", doc.name);
    }
}
