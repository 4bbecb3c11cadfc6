//! Peaks that come every day: half an hour in the evening in which many look for what is cheap today.

use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, CATALOGUE};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

/// At the same time every day; a few come late, and no day is as the other.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("peaks");
    let homes = ["home-berlin", "home-munich", "home-paris", "home-warsaw"].map(places::named);
    let hour = chance.between(16, 21);
    for day in 0..world.calendar.days {
        let begin = world.calendar.day(day) + hour * HOUR;
        let share = chance.spread(0.5, 0.2);
        let visitors = chance.times((world.kind.people + world.kind.phones) as f64 * world.scale * share);
        let mut addresses = Vec::new();
        for _ in 0..visitors {
            let browser = agents::browser(&mut chance);
            let caller = world.caller(chance.pick(&homes).v4(chance.below(60_000)), &browser);
            addresses.push(caller.from);
            let mut at = begin + (chance.wait(8.0) * MINUTE as f64) as u64;
            let list = Request::get(format!("{}?sort=price", service::PRODUCTS.path));
            world.ask(&caller, at, service::PRODUCTS, list, &mut chance);
            for _ in 0..chance.between(1, 5) {
                at += 2 * SECOND + chance.below(30 * SECOND);
                let product = Request::get(service::PRODUCT.at(chance.between(1, CATALOGUE)));
                world.ask(&caller, at, service::PRODUCT, product, &mut chance);
            }
        }
        let actors = Actors {
            addresses,
            ..Actors::default()
        };
        world.look_alike("a peak of every evening", "request_rate", actors, begin, begin + HOUR);
    }
}
