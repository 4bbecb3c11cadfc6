//! Who reads a lot and may: a partner that looks through its products by night, a customer who cannot decide, a company's
//! bookkeeper at the end of the month.

use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, Hours, MILLI, MINUTE, SECOND, is_weekend};
use crate::scenarios::habits::{partners, people};
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, CATALOGUE};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

/// All of them.
pub(super) fn live(world: &mut World) {
    nightly(world);
    undecided(world);
    bookkeeper(world);
}

/// Every night at the same hour some hundred and fifty products, one after the other: those whose price may have changed.
fn nightly(world: &mut World) {
    let mut chance = world.chance.fork("nightly");
    if world.kind.partners == 0 {
        return;
    }
    let (key, from) = (partners::key(&mut chance), places::named("cloud-eu").v4(720));
    let (hour, first) = (chance.below(5 * HOUR), chance.below(CATALOGUE));
    for day in 0..world.calendar.days {
        let mut caller = world.caller(from, &agents::library(1));
        caller.credential = vec![("X-Api-Key", key.clone())];
        let mut at = world.calendar.day(day) + hour + chance.below(2 * MINUTE);
        let began = at;
        for number in 0..120 + chance.below(60) {
            let product = (first + number) % CATALOGUE;
            let request = Request::get(service::PRODUCT.at(product));
            world.ask(&caller, at, service::PRODUCT, request, &mut chance);
            at += (chance.spread(700.0, 0.5) * MILLI as f64) as u64;
        }
        let actors = || Actors {
            addresses: vec![from],
            secrets: vec![key.clone()],
            ..Actors::default()
        };
        world.look_alike("a partner's batch every night", "enumeration", actors(), began, at);
        world.look_alike("a partner's batch every night", "scraping", actors(), began, at);
    }
}

/// On some evenings somebody looks at sixty products and buys none.
fn undecided(world: &mut World) {
    let mut chance = world.chance.fork("undecided");
    if world.kind.people == 0 {
        return;
    }
    let network = places::named("home-berlin");
    for day in 0..world.calendar.days {
        if !chance.is(0.4) {
            continue;
        }
        let account = people::name(8_000 + day, &mut chance);
        let mut at = world.calendar.moment(day, Hours::Daylight, &mut chance);
        let began = at;
        let browser = agents::browser(&mut chance);
        let mut caller = world.caller(network.v4(chance.below(60_000)), &browser);
        let session = world.login(&caller, at, &account, true, &mut chance);
        caller.credential = vec![("Cookie", format!("session={session}; theme=dark"))];
        for _ in 0..chance.between(30, 70) {
            at += 5 * SECOND + (chance.spread(14.0, 0.7) * SECOND as f64) as u64;
            let request = Request::get(service::PRODUCT.at(chance.below(CATALOGUE)));
            world.ask(&caller, at, service::PRODUCT, request, &mut chance);
        }
        let actors = || Actors {
            addresses: vec![caller.from],
            accounts: vec![account.clone()],
            secrets: vec![session.clone()],
            ..Actors::default()
        };
        world.look_alike("a customer who cannot decide", "enumeration", actors(), began, at);
        world.look_alike("a customer who cannot decide", "scraping", actors(), began, at);
    }
}

/// Now and then all orders of the weeks before, one by one.
fn bookkeeper(world: &mut World) {
    let mut chance = world.chance.fork("bookkeeper");
    if world.kind.employees == 0 {
        return;
    }
    let from = places::named("office-acme").v4(1);
    let browser = agents::browser(&mut chance);
    for day in 0..world.calendar.days {
        if is_weekend(world.calendar.day(day)) || !chance.is(0.3) {
            continue;
        }
        let mut at = world.calendar.moment(day, Hours::Office, &mut chance);
        let began = at;
        let mut caller = world.caller(from, &browser);
        let session = world.login(&caller, at, "books.acme", true, &mut chance);
        caller.credential = vec![("Cookie", format!("session={session}; theme=dark"))];
        let first = 100_000 + chance.below(70_000);
        for number in 0..chance.between(8, 24) {
            at += 6 * SECOND + (chance.spread(15.0, 0.8) * SECOND as f64) as u64;
            let request = Request::get(service::ORDER.at(first + 17 * number));
            world.ask(&caller, at, service::ORDER, request, &mut chance);
        }
        let actors = Actors {
            addresses: vec![from],
            accounts: vec!["books.acme".to_owned()],
            secrets: vec![session],
            ..Actors::default()
        };
        world.look_alike("a bookkeeper at the end of the month", "enumeration", actors, began, at);
    }
}
