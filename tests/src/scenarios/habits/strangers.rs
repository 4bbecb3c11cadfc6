//! Who comes from where few come from: a visitor from a small country now and then, an employee at another address of the
//! company's network, somebody on holiday.

use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, Hours, SECOND};
use crate::scenarios::habits::people::{Person, visit};
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service;
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

/// All of them.
pub(super) fn live(world: &mut World) {
    visitors(world);
    elsewhere_in_the_office(world);
    holiday(world);
}

/// Every few days somebody looks in from a country from which nobody, or hardly anybody, has come.
fn visitors(world: &mut World) {
    let mut chance = world.chance.fork("visitors");
    if world.kind.people == 0 {
        return;
    }
    let far = ["home-tr", "home-jp", "home-au"].map(places::named);
    for day in 0..world.calendar.days {
        if !chance.is(0.35) {
            continue;
        }
        let from = chance.pick(&far).v4(chance.below(60_000));
        let mut at = world.calendar.moment(day, Hours::Daylight, &mut chance);
        let began = at;
        let browser = agents::browser(&mut chance);
        let caller = world.caller(from, &browser);
        world.ask(&caller, at, service::HOME, Request::get("/"), &mut chance);
        for _ in 0..chance.between(1, 6) {
            at += 4 * SECOND + chance.below(30 * SECOND);
            let request = Request::get(service::PRODUCT.at(chance.below(service::CATALOGUE)));
            world.ask(&caller, at, service::PRODUCT, request, &mut chance);
        }
        let actors = Actors {
            addresses: vec![from],
            ..Actors::default()
        };
        world.look_alike(
            "the first visitor of a small country",
            "unusual_origin",
            actors,
            began,
            at,
        );
    }
}

/// An employee, on some days behind an address that the company never used here.
fn elsewhere_in_the_office(world: &mut World) {
    let mut chance = world.chance.fork("another door");
    if world.kind.employees == 0 {
        return;
    }
    let (network, calendar) = (places::named("office-borealis"), world.calendar);
    let person = Person::new(9_100, calendar.days, &mut chance);
    for day in 0..calendar.days {
        let from = if chance.is(0.3) {
            network.v4(5_000 + day)
        } else {
            network.v4(2)
        };
        let at = calendar.moment(day, Hours::Office, &mut chance);
        visit(world, &person, from, &person.browser_on(day), at, &mut chance);
        let actors = Actors {
            addresses: vec![from],
            accounts: vec![person.account.clone()],
            ..Actors::default()
        };
        world.look_alike(
            "an employee behind a new address",
            "unusual_origin",
            actors,
            at,
            at + HOUR,
        );
    }
}

/// Somebody who logs in every day spends the last days in a country from which others come.
fn holiday(world: &mut World) {
    let mut chance = world.chance.fork("holiday");
    let calendar = world.calendar;
    if world.kind.people == 0 || calendar.days < 3 {
        return;
    }
    let person = Person::new(9_200, calendar.days, &mut chance);
    let (home, away) = (places::named("home-munich"), places::named("home-paris"));
    let (line, hotel) = (chance.below(60_000), chance.below(60_000));
    for day in 0..calendar.days {
        let from = if day + 2 < calendar.days {
            home.v4(line)
        } else {
            away.v4(hotel)
        };
        let at = calendar.moment(day, Hours::Daylight, &mut chance);
        visit(world, &person, from, &person.browser_on(day), at, &mut chance);
        let actors = Actors {
            addresses: vec![from],
            accounts: vec![person.account.clone()],
            ..Actors::default()
        };
        world.look_alike("somebody on holiday", "unusual_origin", actors, at, at + HOUR);
    }
}
