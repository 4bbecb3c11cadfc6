//! A promotion: for three hours ten times as many come as ever. Whoever is told beforehand expects it.

use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, CATALOGUE};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

/// How long it lasts, nanoseconds.
pub const LASTS: u64 = 3 * HOUR;

/// Announced: the configuration says when.
pub(super) fn live(world: &mut World) {
    if !world.kind.promoted {
        return;
    }
    let mut chance = world.chance.fork("promotion");
    let day = world.calendar.days - 2;
    let at = world.calendar.day(day) + 17 * HOUR + chance.below(HOUR);
    // With time for those who come early and stay late.
    world.expected.push((at - HOUR / 4, at + LASTS + HOUR));
    let visitors = 10 * world.scaled(world.kind.people);
    let addresses = crowd(world, at, visitors, &mut chance);
    let actors = Actors {
        addresses,
        ..Actors::default()
    };
    world.look_alike(
        "a promotion that was announced",
        "request_rate",
        actors,
        at,
        at + LASTS + HOUR,
    );
}

/// So many visitors within the time; gives where they are.
pub fn crowd(world: &mut World, from: u64, visitors: u64, chance: &mut Chance) -> Vec<std::net::IpAddr> {
    let homes = ["home-berlin", "home-munich", "home-paris", "home-london"].map(places::named);
    let mut addresses = Vec::new();
    for _ in 0..visitors {
        let browser = agents::browser(chance);
        let caller = world.caller(chance.pick(&homes).v4(chance.below(60_000)), &browser);
        addresses.push(caller.from);
        let mut at = from + chance.below(LASTS - 10 * MINUTE);
        world.ask(&caller, at, service::HOME, Request::get("/"), chance);
        for _ in 0..chance.between(2, 9) {
            at += 2 * SECOND + chance.below(40 * SECOND);
            let product = Request::get(service::PRODUCT.at(chance.between(1, CATALOGUE)));
            world.ask(&caller, at, service::PRODUCT, product, chance);
        }
    }
    addresses
}
