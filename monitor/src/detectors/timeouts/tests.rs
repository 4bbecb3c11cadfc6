//! What is held and what is silent, and what only takes its time.

use super::*;
use crate::alert::ActorKind;
use crate::event::FlowId;
use crate::observation::made::{World, outbound, request};
use crate::record::FlowRecord;

fn world() -> World<Timeouts> {
    World::new("[learning]\nperiod = \"2d\"\n", Timeouts::new)
}

/// A connection from `client` on which so many bytes came, the last of them `late` seconds after it was opened.
fn inbound(
    world: &mut World<Timeouts>,
    cookie: u64,
    client: &str,
    event: FlowEvent,
    late: u64,
    [received, sent]: [u64; 2],
) {
    let now = world.now;
    let mut made = outbound(now, cookie, None, &format!("{client}:50000"));
    let start = now.saturating_sub(Duration::from_secs(late));
    let record = FlowRecord {
        start,
        event,
        direction: Some(FlowDirection::Inbound),
        ..(*made.record).clone()
    };
    let mut record = record;
    record.counters.received = received;
    record.counters.sent = sent;
    record.counters.received_end = Some((1, now));
    made.record = Arc::new(record);
    made.destination = None;
    world.observes(&Observation::Flow(made));
}

fn holds(world: &mut World<Timeouts>, count: u64, client: impl Fn(u64) -> String) {
    for minute in 1..4u64 {
        for cookie in 0..count {
            inbound(
                world,
                1_000 + cookie,
                &client(cookie),
                FlowEvent::Update,
                minute * 60,
                [80 * minute, 0],
            );
        }
        world.passes_secs(60);
    }
}

#[test]
fn one_who_holds_many_is_named_while_it_does() {
    let mut world = world();
    holds(&mut world, 300, |_| "203.0.113.9".to_owned());
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Ip, "203.0.113.9"));
    assert!(raised[0].confidence <= 0.5, "still learning");
}

#[test]
fn many_who_hold_few_each_are_told_without_a_name() {
    let mut world = world();
    holds(&mut world, 400, |n| format!("203.0.113.{}", n % 40));
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert!(raised[0].actor.is_none() && raised[0].title.starts_with("many clients"));
}

#[test]
fn answers_uploads_and_ends_are_none_of_it() {
    let mut world = world();
    for round in 0..60u64 {
        for n in 0..50 {
            let cookie = round * 100 + n;
            // Quick requests, uploads, slow answers to whole requests, and a few bad lines that come and go.
            inbound(
                &mut world,
                10_000 + cookie,
                "198.51.100.1",
                FlowEvent::Update,
                3,
                [300, 0],
            );
            inbound(
                &mut world,
                20_000 + cookie,
                "198.51.100.2",
                FlowEvent::Update,
                90,
                [9_000_000, 0],
            );
            inbound(
                &mut world,
                30_000 + cookie,
                "198.51.100.3",
                FlowEvent::Update,
                90,
                [300, 5_000],
            );
            inbound(
                &mut world,
                40_000 + cookie,
                "198.51.100.4",
                FlowEvent::Update,
                30,
                [300, 0],
            );
            inbound(
                &mut world,
                40_000 + cookie,
                "198.51.100.4",
                FlowEvent::Close,
                40,
                [300, 200],
            );
        }
        world.passes_secs(60);
    }
    world.is_silent();
}

#[test]
fn what_is_held_and_then_answered_does_not_count() {
    let mut world = world();
    for cookie in 0..500u64 {
        inbound(&mut world, cookie, "198.51.100.4", FlowEvent::Update, 30, [300, 0]);
        let mut answered = request("198.51.100.4", "POST /a", 200);
        answered.0.flow = FlowId { cookie, generation: 2 };
        world.sees(&answered);
    }
    world.is_silent();
}

/// Minutes with ten requests each, of which so many get no answer.
fn minutes(world: &mut World<Timeouts>, count: u64, silent: impl Fn(u64) -> u64) {
    for minute in 0..count {
        for n in 0..10 {
            let mut made = request(&format!("198.51.100.{}", (minute * 7 + n) % 200), "GET /a", 200);
            if n < silent(minute) {
                made.0.response = None;
                made.0.incomplete = Some(Incomplete::NoResponse);
            }
            world.sees(&made);
        }
        world.passes_secs(60);
    }
}

#[test]
fn requests_without_answers_are_told_while_they_last() {
    let mut world = world();
    minutes(&mut world, 3 * 1_440, |minute| u64::from(minute.is_multiple_of(30)));
    assert!(world.alerts().is_empty(), "{:#?}", world.alerts());
    minutes(&mut world, 20, |_| 5);
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].target.endpoint.as_deref(), Some("GET /a"));
    assert!(raised[0].actor.is_none() && raised[0].confidence > 0.5);
}

// A request every other minute: half of forty minutes' get no answer.
#[test]
fn where_few_ask_it_is_told_as_well_and_one_who_gives_up_is_not() {
    let few = |world: &mut World<Timeouts>, count: u32, client: &dyn Fn(u32) -> u32, silent: &dyn Fn(u32) -> bool| {
        for n in 0..count {
            let mut made = request(&format!("198.51.100.{}", client(n) % 200), "GET /a", 200);
            if silent(n) {
                made.0.response = None;
                made.0.incomplete = Some(Incomplete::NoResponse);
            }
            world.sees(&made);
            world.passes_secs(120);
        }
    };
    let mut attacked = world();
    few(&mut attacked, 3 * 720, &|n| n * 7, &|n| n % 200 == 9);
    few(&mut attacked, 20, &|n| n * 7, &|n| n % 2 == 0);
    assert_eq!(attacked.raised().len(), 1);
    let mut world = world();
    few(&mut world, 3 * 720, &|n| n * 7, &|n| n % 200 == 9);
    few(&mut world, 60, &|n| if n % 2 == 0 { 3 } else { n * 7 }, &|n| n % 2 == 0);
    few(&mut world, 90, &|n| n * 7, &|_| false);
    world.is_silent();
}

#[test]
fn a_restart_and_clients_that_always_give_up_are_silent() {
    let mut world = world();
    minutes(&mut world, 3 * 1_440, |minute| match minute % 600 {
        0 | 1 => 10,
        n => u64::from(n.is_multiple_of(5)),
    });
    world.is_silent();
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for cookie in 0..20_000u64 {
        let client = std::net::Ipv4Addr::from_bits(0x0b00_0000 + cookie as u32).to_string();
        inbound(&mut world, cookie, &client, FlowEvent::Update, 30, [300, 0]);
        world.sees(&request(&client, &format!("GET /{cookie}"), 200));
    }
    let left_out = world.detector.left_out();
    assert!(left_out.iter().all(|(_, count)| *count > 3_000), "{left_out:?}");
    let rows = world.detector.export_dirty();
    assert_eq!(rows.len(), 1, "nothing but when it began");
}

#[test]
fn it_comes_back_from_the_store() {
    let mut world = world();
    minutes(&mut world, 3 * 1_440, |minute| 2 + minute % 2);
    let put = |change| match change {
        Change::Put(row) => Some(row),
        Change::Remove { .. } | Change::Clear => None,
    };
    let rows: Vec<Row> = world.detector.export_dirty().into_iter().filter_map(put).collect();
    assert!(rows.iter().any(|row| &*row.subject == held::SUBJECT) && rows.iter().any(|row| &*row.subject == "GET /a"));
    let mut restarted = self::world();
    restarted.now = world.now;
    restarted.detector.import(rows, world.now);
    minutes(&mut restarted, 120, |minute| 2 + minute % 2);
    restarted.is_silent();
}
