//! Offices: many people, each with a browser of their own, behind one address.

use super::people::{Person, visit};
use crate::scenarios::calendar::{HOUR, Hours, MINUTE, is_weekend};
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service;
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

/// They come on working days, all at about nine.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("companies");
    let calendar = world.calendar;
    if world.kind.employees == 0 {
        return;
    }
    for (office, name) in ["office-acme", "office-borealis"].into_iter().enumerate() {
        let network = places::named(name);
        let outside = network.v4(1 + office as u64);
        let people: Vec<Person> = (0..=world.scaled(world.kind.employees) / 2)
            .map(|number| Person::new(2_000 + 1_000 * office as u64 + number, calendar.days, &mut chance))
            .collect();
        world
            .accounts
            .extend(people.iter().map(|person| person.account.clone()));
        for day in 0..calendar.days {
            if is_weekend(calendar.day(day)) {
                continue;
            }
            let morning = calendar.day(day) + 8 * HOUR + 40 * MINUTE;
            for person in &people {
                let browser = person.browser_on(day);
                // Most start the day with it; then now and then.
                if chance.is(0.7) {
                    let at = morning + (chance.spread(25.0, 0.6) * MINUTE as f64) as u64;
                    visit(world, person, outside, &browser, at, &mut chance);
                }
                for _ in 0..chance.times(person.visits * 0.5) {
                    let at = calendar.moment(day, Hours::Office, &mut chance);
                    visit(world, person, outside, &browser, at, &mut chance);
                }
                if chance.is(0.08) {
                    let at = calendar.moment(day, Hours::Office, &mut chance);
                    let mut caller = world.caller(outside, &browser);
                    caller.credential = vec![("Cookie", format!("session={}", chance.hex(32)))];
                    let request = Request::get(service::REPORT.at(chance.below(400)));
                    world.ask(&caller, at, service::REPORT, request, &mut chance);
                }
            }
            let actors = || Actors {
                addresses: vec![outside],
                ..Actors::default()
            };
            let (from, until) = (morning, morning + 3 * HOUR);
            world.look_alike("an office in the morning", "credential_stuffing", actors(), from, until);
            world.look_alike("many browsers behind one address", "user_agent", actors(), from, until);
        }
    }
}
