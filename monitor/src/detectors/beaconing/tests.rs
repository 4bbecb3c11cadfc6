//! Call-backs, and what goes by the clock for a reason.

use super::*;
use crate::event::Program;
use crate::observation::made::{World, outbound};

const MIN: u64 = 60;
const HOUR: u64 = 3_600;

fn world() -> World<Beaconing> {
    World::new("", Beaconing::new)
}

/// A call that lasts a second.
fn calls(world: &mut World<Beaconing>, exe: &str, name: Option<&str>, to: &str, sent: u64) {
    let mut flow = outbound(world.now, 1, name, to);
    let mut record = (*flow.record).clone();
    world.passes_secs(1);
    record.event = FlowEvent::Close;
    record.counters.sent = sent;
    if let Some(process) = &mut record.process {
        process.program = Some(Arc::new(Program {
            exe: exe.to_owned(),
            ..Program::default()
        }));
    }
    flow.time = world.now;
    flow.record = Arc::new(record);
    world.observes(&Observation::Flow(flow));
}

fn app(world: &mut World<Beaconing>, name: &str) {
    calls(world, "/usr/bin/app", Some(name), "198.51.100.7:443", 300);
}

/// A host that has been watched for eight days.
fn lived() -> World<Beaconing> {
    let mut world = world();
    for _ in 0..8 * 24 {
        app(&mut world, "in.telemetry.example");
        app(&mut world, "deb.mirror.example");
        world.passes_secs(HOUR - 2);
    }
    world
}

/// Numbers that look random, below `bound`.
fn chance(n: u64, bound: u64) -> u64 {
    (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) % bound.max(1)
}

#[track_caller]
fn check_beacon(period: u64, jitter: u64, times: u64) {
    let mut world = lived();
    for n in 0..times {
        app(&mut world, "status.tiny-relay.example");
        world.passes_secs(period - jitter / 2 + chance(n, jitter) - 1);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{period} s with {jitter}: {raised:#?}");
    let alert = raised[0];
    assert_eq!(alert.target.destination.as_deref(), Some("status.tiny-relay.example"));
    assert_eq!(alert.actor.as_ref().map(|actor| &*actor.id), Some("/usr/bin/app"));
    assert_eq!((alert.ioc, alert.severity), (Some(8), Severity::Medium));
    assert!(alert.summary.contains("300 bytes sent each time"), "{}", alert.summary);
}

#[test]
fn call_backs_are_told_with_chance_in_them_too() {
    check_beacon(30, 0, 20);
    check_beacon(10 * MIN, 10 * MIN / 3, 60);
    check_beacon(10 * MIN, 20 * MIN / 3, 60);
    check_beacon(HOUR, HOUR / 5, 40);
    check_beacon(6 * HOUR, HOUR, 24);
}

#[test]
fn it_is_told_after_seventeen_calls() {
    let mut world = lived();
    for n in 1..=20 {
        app(&mut world, "status.tiny-relay.example");
        world.passes_secs(MIN - 1);
        assert_eq!(world.raised().len(), usize::from(n >= 17), "{n}");
    }
}

#[test]
fn an_address_without_a_name_weighs_more() {
    let mut world = lived();
    for n in 0..20 {
        calls(
            &mut world,
            "/usr/bin/app",
            None,
            "203.0.113.9:4443",
            100 + 900 * (n % 5),
        );
        world.passes_secs(5 * MIN);
    }
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High));
    assert!((raised[0].confidence - 0.7).abs() < 1e-6);
}

#[test]
fn while_learning_only_what_nobody_installed_is_told() {
    let mut world = world();
    for _ in 0..40 {
        app(&mut world, "in.telemetry.example");
        calls(
            &mut world,
            "/tmp/.x/kworker",
            Some("a.example.net"),
            "203.0.113.9:443",
            90,
        );
        world.passes_secs(MIN - 2);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(
        raised[0].actor.as_ref().map(|actor| &*actor.id),
        Some("/tmp/.x/kworker")
    );
    assert!(raised[0].confidence <= 0.5);
}

// Telemetry by the clock, at another address and below the same domain; the resolver; the database; people.
#[test]
fn what_is_known_inside_or_irregular_is_silent() {
    let mut world = lived();
    for n in 0..300 {
        app(
            &mut world,
            if n % 2 == 0 {
                "in.telemetry.example"
            } else {
                "eu3.telemetry.example"
            },
        );
        calls(
            &mut world,
            "/usr/bin/app",
            Some("db.corp.example"),
            "10.0.0.20:5432",
            90,
        );
        calls(&mut world, "/usr/bin/app", None, "203.0.113.53:53", 40);
        world.passes_secs(4 * MIN);
        // A new partner, by the payments that people make.
        if chance(n, 3) == 0 {
            app(&mut world, "api.newpay.example");
        }
        if n % 50 < 6 {
            app(&mut world, "api.bursts.example");
        }
    }
    world.is_silent();
}

#[test]
fn what_nobody_stopped_becomes_known() {
    let mut world = lived();
    for _ in 0..3 * 24 * 6 {
        app(&mut world, "new.agent.example");
        world.passes_secs(10 * MIN - 1);
    }
    world.ends();
    assert_eq!(world.raised().len(), 1);
    assert!(world.detector.pairs.is_empty());
}

#[test]
fn what_is_known_outlives_a_restart() {
    let mut old = lived();
    let rows: Vec<Row> = old
        .detector
        .export_dirty()
        .into_iter()
        .filter_map(|change| match change {
            Change::Put(row) => Some(row),
            Change::Remove { .. } | Change::Clear => None,
        })
        .collect();
    let mut new = world();
    new.now = old.now;
    let now = new.now;
    new.detector.import(rows, now);
    for _ in 0..30 {
        app(&mut new, "in.telemetry.example");
        app(&mut new, "status.tiny-relay.example");
        new.passes_secs(MIN);
    }
    new.ends();
    let raised = new.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert!(raised[0].confidence > 0.5);
}

#[test]
fn memory_is_bounded() {
    let mut world = lived();
    for n in 0..2_000u64 {
        let to = format!("52.{}.{}.7:443", n / 200, n % 200);
        calls(&mut world, "/usr/bin/app", None, &to, 10);
    }
    assert!(world.detector.pairs.len() <= MOST_PAIRS && world.detector.pairs.evicted() > 500);
}
