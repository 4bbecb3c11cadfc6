//! Uploads that nobody ordered, and those that somebody did.

use super::*;
use crate::alert::Severity;
use crate::baseline::Change;
use crate::enrich::identity::IdentityKind;
use crate::observation::made::{World, outbound, request};
use crate::record::{Coverage, FlowDirection, ParentRef};

const MB: u64 = 1_000_000;
const KNOWN: &str = "backup.storage.example";

fn world() -> World<Exfiltration> {
    World::new("", Exfiltration::new)
}

/// A world that has lived for so many days with a nightly backup and telemetry; it is midnight.
fn lived(days: u64) -> World<Exfiltration> {
    let mut world = world();
    for day in 0..days {
        a_day(&mut world, day, 300 * MB + day * 6 * MB, 3);
    }
    world
}

/// A day, with a backup at this hour.
fn a_day(world: &mut World<Exfiltration>, day: u64, backup: u64, at: u64) {
    for hour in 0..24 {
        let number = day * 100 + hour;
        if hour == at {
            // Over rotating addresses, in parts.
            for part in 0..4 {
                let to = format!("198.51.{}.{}:443", number % 100, 10 + part);
                uploads(world, 1_000 + number * 10 + part, Some(KNOWN), &to, backup / 4, 5);
            }
        }
        uploads(
            world,
            900_000 + number,
            Some("in.telemetry.example"),
            "203.0.113.80:443",
            40_000,
            1,
        );
        world.passes_secs(3_600 - 5 * if hour == at { 4 } else { 0 } - 1);
    }
}

/// One flow that sends so much in so many seconds.
fn uploads(world: &mut World<Exfiltration>, cookie: u64, name: Option<&str>, to: &str, bytes: u64, secs: u64) {
    for second in 0..=secs {
        let event = match second {
            0 => FlowEvent::Open,
            n if n == secs => FlowEvent::Close,
            _ => FlowEvent::Update,
        };
        shows(world, cookie, name, to, bytes * second / secs, event, None);
        if second < secs {
            world.passes_secs(1);
        }
    }
}

fn shows(
    world: &mut World<Exfiltration>,
    cookie: u64,
    name: Option<&str>,
    to: &str,
    sent: u64,
    event: FlowEvent,
    parent: Option<ParentRef>,
) {
    let mut flow = outbound(world.now, cookie, name, to);
    let mut record = (*flow.record).clone();
    record.event = event;
    record.counters.sent = sent;
    record.parent = parent;
    flow.record = Arc::new(record);
    world.observes(&Observation::Flow(flow));
}

#[test]
fn an_upload_to_a_new_destination_is_told_while_it_lasts() {
    let mut world = lived(8);
    for second in 0..10 {
        let event = if second == 0 {
            FlowEvent::Open
        } else {
            FlowEvent::Update
        };
        shows(&mut world, 7, None, "192.0.2.200:443", second * 9 * MB, event, None);
        assert_eq!(world.raised().len(), usize::from(second > 2), "after {second} s");
        world.passes_secs(1);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High), "{raised:#?}");
    let alert = raised[0];
    assert_eq!(alert.target.destination.as_deref(), Some("192.0.2.200"));
    assert_eq!(alert.actor.as_ref().map(|actor| &*actor.id), Some("/usr/bin/app"));
    assert!(
        alert
            .summary
            .starts_with("app (pid 0, uid 0) sent 81 MB to 192.0.2.200:443 within a day, never seen before"),
        "{}",
        alert.summary
    );
}

#[test]
fn the_request_that_caused_it_is_named() {
    let mut world = lived(8);
    let mut asked = request("203.0.113.9", "POST /import", 200).who(IdentityKind::Key, "key:3fa9", true);
    asked.0.flow.cookie = 77;
    let mut process = outbound(world.now, 1, None, "192.0.2.1:1")
        .record
        .process
        .clone()
        .unwrap();
    process.owner.program.pid = 812;
    asked.0.process = Some(process);
    let mut inbound = (*outbound(world.now, 77, None, "203.0.113.9:5000").record).clone();
    inbound.direction = Some(FlowDirection::Inbound);
    inbound.event = FlowEvent::Close;
    inbound.counters.received = 1_000;
    inbound.tuple.as_mut().unwrap().local.set_port(80);
    inbound.coverage = Coverage {
        understood_bytes: 970,
        reason: None,
    };
    let time = world.now;
    world.observes(&Observation::Flow(FlowObservation {
        time,
        record: Arc::new(inbound),
        destination: None,
    }));
    // The turn that the made world gives the next transaction.
    let parent = ParentRef {
        flow: asked.0.flow,
        turn: 1,
        request: Some("POST /import".into()),
        client: "203.0.113.9".parse().ok(),
        in_flight: 1,
        confidence: 1.0,
    };
    let show = |world: &mut World<Exfiltration>, sent, event| {
        shows(world, 8, None, "192.0.2.200:443", sent, event, Some(parent.clone()));
    };
    show(&mut world, 0, FlowEvent::Open);
    world.passes_secs(1);
    show(&mut world, 41 * MB, FlowEvent::Update);
    let told = world.raised()[0].summary.clone();
    assert!(
        told.starts_with("POST /import from 203.0.113.9, served by pid 0, caused 41 MB to"),
        "{told}"
    );
    show(&mut world, 41 * MB, FlowEvent::Close);
    world.passes_secs(1);
    world.sees(&asked);
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(
        raised[0].summary,
        "POST /import with key:3fa9 from 203.0.113.9, served by pid 812, caused 41 MB to 192.0.2.200:443 within a day, never \
         seen before from /usr/bin/app; bytes exact, 97 % of this service seen"
    );
    assert_eq!(raised[0].evidence.samples.len(), 2);
}

#[test]
fn many_connections_are_one_upload() {
    let mut world = lived(8);
    for n in 0..300 {
        uploads(
            &mut world,
            5_000_000 + n,
            Some("x.drop.example"),
            "192.0.2.200:443",
            MB / 5,
            1,
        );
        world.passes_secs(20);
    }
    world.ends();
    assert_eq!(world.raised().len(), 1, "{:#?}", world.raised());
}

#[test]
fn what_drips_for_days_is_told() {
    let mut world = lived(8);
    // Below the line of a day.
    for n in 0..6 * 24 {
        uploads(&mut world, 5_000_000 + n, None, "192.0.2.200:443", MB / 2, 1);
        world.passes_secs(3_599);
        if n == 100 {
            assert!(world.raised().is_empty(), "{:#?}", world.raised());
        }
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].evidence.window_s, 604_800);
}

#[test]
fn parts_to_many_new_destinations_are_summed() {
    let mut world = lived(8);
    for n in 0..30 {
        let to = format!("100.{n}.7.7:443");
        uploads(&mut world, 5_000_000 + n, None, &to.replace("100.", "52."), 3 * MB, 2);
        world.passes_secs(300);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High), "{raised:#?}");
    assert!(raised[0].title.ends_with("new destinations"), "{}", raised[0].title);
    // What was new while the host was learned has no part in it.
    let target = raised[0].target.destination.as_deref().unwrap();
    assert!(
        target.starts_with("52.") && !raised[0].summary.contains(KNOWN),
        "{}",
        raised[0].summary
    );
}

#[test]
fn far_more_than_ever_to_a_known_destination_is_told() {
    let mut world = lived(8);
    uploads(&mut world, 5_000_000, Some(KNOWN), "198.51.7.7:443", 9_000 * MB, 60);
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert!(
        raised[0].severity >= Severity::Medium && raised[0].summary.contains("the most that"),
        "{}",
        raised[0].summary
    );
}

#[test]
fn while_nothing_is_known_only_what_is_enormous_is_told() {
    let mut world = world();
    uploads(&mut world, 1, None, "192.0.2.200:443", 9_000 * MB, 60);
    assert!(world.raised().is_empty());
    uploads(&mut world, 2, None, "192.0.2.200:443", 2_000 * MB, 60);
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1);
    assert!(raised[0].confidence <= 0.5 && raised[0].severity == Severity::Medium);
}

#[test]
fn a_backup_that_grows_is_late_and_is_repeated_is_silent() {
    let mut world = lived(8);
    for day in 8..40 {
        let (late, times) = (u64::from(day % 9 == 4), 1 + u64::from(day % 11 == 5));
        a_day(&mut world, day, times * (300 + 10 * day) * MB, 3 + late);
    }
    world.is_silent();
}

#[test]
fn what_is_done_once_a_week_is_silent() {
    let mut world = world();
    for day in 0..36 {
        let bytes = if day % 7 == 6 { 5_000 * MB } else { 100 * MB };
        a_day(&mut world, day, bytes, 3);
    }
    world.is_silent();
}

// A new third party, a small release that is pushed, names below one domain, addresses that rotate.
#[test]
fn little_things_that_are_new_are_silent() {
    let mut world = lived(8);
    for n in 0..48 {
        let name = format!("shard{n}.metrics.example");
        uploads(
            &mut world,
            5_000_000 + n,
            Some(&name),
            &format!("192.0.2.{n}:443"),
            300_000,
            2,
        );
        uploads(&mut world, 6_000_000 + n, None, "10.20.30.40:5432", 900 * MB, 2);
        world.passes_secs(1_800);
    }
    world.is_silent();
}

#[test]
fn what_this_host_answers_is_no_upload() {
    let mut world = lived(8);
    for n in 0..50 {
        let mut record = (*outbound(world.now, n, None, "203.0.113.9:5000").record).clone();
        record.direction = Some(FlowDirection::Inbound);
        record.counters.sent = 900 * MB;
        record.event = if n % 2 == 0 {
            FlowEvent::Update
        } else {
            FlowEvent::Close
        };
        let time = world.now;
        world.observes(&Observation::Flow(FlowObservation {
            time,
            record: Arc::new(record),
            destination: None,
        }));
        world.passes_secs(60);
    }
    world.is_silent();
}

#[test]
fn what_nobody_stopped_becomes_ordinary() {
    let mut world = lived(8);
    for day in 0..5 {
        uploads(
            &mut world,
            5_000_000 + day,
            Some("new.vault.example"),
            "192.0.2.200:443",
            400 * MB,
            60,
        );
        world.passes_secs(86_340);
    }
    world.ends();
    assert_eq!(world.raised().len(), 1, "{:#?}", world.raised());
}

#[test]
fn what_was_learned_outlives_a_restart() {
    let mut old = lived(8);
    let rows: Vec<Row> = old
        .detector
        .export_dirty()
        .into_iter()
        .map(|change| match change {
            Change::Put(row) => row,
            Change::Remove { .. } | Change::Clear => panic!("{change:?}"),
        })
        .collect();
    assert!(old.detector.export_dirty().is_empty());
    let mut new = world();
    new.now = old.now;
    let now = new.now;
    new.detector.import(rows, now);
    a_day(&mut new, 8, 350 * MB, 3);
    assert!(new.raised().is_empty(), "{:#?}", new.raised());
    uploads(&mut new, 5_000_000, None, "192.0.2.200:443", 41 * MB, 2);
    assert_eq!(new.raised().len(), 1);
}

#[test]
fn memory_is_bounded() {
    let mut world = lived(8);
    for n in 0..3_000u64 {
        let to = format!("52.{}.{}.7:443", n / 200, n % 200);
        uploads(&mut world, 5_000_000 + n, None, &to, 2_000, 1);
    }
    assert!(world.detector.pairs.len() <= MOST_PAIRS && world.detector.pairs.evicted() > 1_000);
    let kept = |(key, _): &(&Key, &Pair)| &*key.1 == "storage.example";
    assert!(
        world.detector.pairs.iter().any(|pair| kept(&pair)),
        "what carries much stays"
    );
    assert!(world.detector.flows.is_empty());
}
