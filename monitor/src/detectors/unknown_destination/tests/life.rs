//! How judgement, cases and memory come and go.

use super::*;
use crate::alert::AlertState;
use crate::allow::AllowRule;

#[test]
fn no_period_judges_at_once() {
    let mut world = World::new("[learning]\nperiod = \"0s\"\n");
    for name in ["a.example.com", "b.example.com", "a.example.com"] {
        world.happens(&flow(CURL, name, "203.0.113.5:443"));
    }
    world.passes(Duration::from_mins(1));
    let alerts = world.alerts();
    let told: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.target.destination.as_deref(), alert.count))
        .collect();
    assert_eq!(told, [(Some("a.example.com"), 2), (Some("b.example.com"), 1)]);
    assert!(alerts[0].confidence <= 0.5, "there is no history to be sure by");
}

#[test]
fn a_name_is_waited_for() {
    let mut world = World::that_learned(&habits());
    let named = flow(CURL, "api3.example3.com", "198.51.100.7:443");
    let cookie = world.opens(&Flow {
        name: None,
        ..named.clone()
    });
    world.passes(Duration::from_secs(2));
    world.is_silent();
    world.observes(cookie, FlowEvent::Update, &named);
    world.passes(Duration::from_mins(1));
    world.is_silent();
    // One whose name never comes is judged after three seconds, without any further record of it.
    world.opens(&flow(CURL, "", "198.51.200.7:443"));
    world.passes(Duration::from_secs(2));
    world.is_silent();
    world.passes(Duration::from_secs(2));
    let alert = world.only_alert();
    assert_eq!(alert.target.destination.as_deref(), Some("198.51.200.7"));
}

#[test]
fn the_end_of_the_input_judges_what_waits() {
    let mut world = World::that_learned(&habits());
    world.opens(&flow(CURL, "", "198.51.100.7:443"));
    world.is_silent();
    let mut findings = Vec::new();
    world.detector.finish(world.now, &mut findings);
    assert_eq!(findings.len(), 1);
}

#[test]
fn a_destination_that_nobody_objected_to_is_adopted() {
    let mut world = World::that_learned(&habits());
    let new = flow(CURL, "new.example.net", "198.51.100.7:443");
    for _ in 0..23 {
        world.happens(&new);
        world.passes(Duration::from_hours(1));
    }
    let counts: Vec<u64> = world.desk.open().map(|alert| alert.count).collect();
    assert_eq!(counts, [23]);
    for _ in 0..10 {
        world.passes(Duration::from_hours(1));
        world.happens(&new);
    }
    let alert = world.only_alert();
    let ended = (alert.state, alert.resolved_by.as_deref());
    assert_eq!(ended, (AlertState::Resolved, Some("quiet for 7200 s")));
}

#[test]
fn a_destination_of_a_good_day_is_ordinary_at_once() {
    let mut world = World::that_learned(&habits());
    let (good, bad) = (
        flow(CURL, "new.example.net", "198.51.100.7:443"),
        flow(CURL, "bad.example.org", "198.51.101.7:443"),
    );
    let began = world.now;
    world.happens(&good);
    world.passes(Duration::from_mins(5));
    let ended = world.now;
    world.happens(&bad);
    assert_eq!(world.desk.open().count(), 2);
    assert_eq!(world.detector.adopt(began, ended), 1, "what came later is not");
    let over = world.desk.apply_good_time(world.now, began, ended, &mut world.records);
    assert_eq!(over, 1);
    world.happens(&good);
    let open: Vec<_> = world
        .desk
        .open()
        .map(|alert| alert.target.destination.clone())
        .collect();
    assert_eq!(open, [Some("bad.example.org".into())]);
    assert_eq!(world.detector.adopt(began, ended), 0, "once");
}

// A connection that lives through the adoption is adopted with its destination.
#[test]
fn adoption_ends_the_case_of_a_living_flow() {
    let mut world = World::that_learned(&habits());
    let stream = |sent| Flow {
        sent,
        ..flow(CURL, "new.example.net", "198.51.100.7:443")
    };
    let cookie = world.opens(&stream(0));
    for hour in 1..40 {
        world.passes(Duration::from_hours(1));
        world.observes(cookie, FlowEvent::Update, &stream(hour * 1_000));
    }
    assert_eq!(world.only_alert().state, AlertState::Resolved);
}

#[test]
fn what_was_not_reached_for_long_is_new_again() {
    let daily = flow(CURL, "daily.example.org", "198.51.100.5:443");
    let old = flow(CURL, "old.example.com", "203.0.113.5:443");
    let mut world = World::that_learned(&[old.clone(), daily.clone()]);
    for _ in 0..91 {
        world.happens(&daily);
        world.passes(DAY);
    }
    world.is_silent();
    world.happens(&old);
    world.only_alert();
}

#[test]
fn a_restart_forgets_nothing() {
    let mut old = World::that_learned(&habits());
    old.happens(&flow(CURL, "told.example.net", "198.51.100.7:443"));
    let put = |change| match change {
        Change::Put(row) => Some(row),
        Change::Remove { .. } | Change::Clear => None,
    };
    let rows = old.detector.export_dirty().into_iter().filter_map(put).collect();
    let mut new = World::new("");
    new.now = old.now;
    new.detector.import(rows, new.now);
    for flow in habits() {
        new.happens(&flow);
    }
    new.is_silent();
    // What an alert told of before the restart is not normal after it.
    new.happens(&flow(CURL, "told.example.net", "198.51.100.7:443"));
    let alert = new.only_alert();
    assert_eq!(alert.target.destination.as_deref(), Some("told.example.net"));
}

#[test]
fn a_rule_silences_it_and_without_the_rule_it_is_a_new_occurrence() {
    let mut world = World::that_learned(&habits());
    let new = flow(CURL, "new.example.net", "198.51.100.7:443");
    world.happens(&new);
    let first = world.only_alert();
    let rule = AllowRule {
        destination: Some("*.example.net".parse().unwrap()),
        ..AllowRule::default()
    };
    let id = world.rules.add(rule.clone()).unwrap();
    assert_eq!(world.desk.apply_rule(world.now, &rule, &mut world.records), 1);
    world.passes(Duration::from_mins(5));
    world.happens(&new);
    assert_eq!(world.only_alert().resolved_by, Some(format!("allowed by {id}")));
    world.rules.remove(&id).unwrap();
    world.passes(Duration::from_mins(5));
    world.happens(&new);
    let alerts = world.alerts();
    assert_eq!(alerts.len(), 2);
    assert!(alerts[1].first_seen > first.first_seen);
}

#[test]
fn a_flood_is_bounded() {
    let mut world = World::new("[learning]\nperiod = \"0s\"\n");
    let exe = |n: u8| &*Box::leak(format!("/opt/{}/x", char::from(b'A' + n)).into_boxed_str());
    let exes: Vec<&'static str> = (0..26).map(exe).collect();
    for n in 0..80_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        // Never closed, never named.
        world.opens(&flow(
            exes[n as usize % exes.len()],
            "",
            &format!("198.{a}.{b}.{c}:443"),
        ));
        if n % 1_000 == 0 {
            world.passes(Duration::from_secs(4));
        }
    }
    assert!(world.detector.flows.len() <= MOST_FLOWS);
    assert!(world.detector.waiting.len() <= MOST_FLOWS);
    assert!(world.detector.cases.len() <= MOST_CASES);
    // Each program its own, its ten destinations', and one for the many.
    assert!(world.desk.open().count() <= 26 * (MOST_ALONE + 2));
    assert!(world.detector.untracked > 0);
}
