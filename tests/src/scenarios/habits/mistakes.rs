//! Credentials that are wrong by mistake: a key with a letter too many, a key that was replaced and is still used somewhere.

use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::habits::partners;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, error};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

/// Somebody sets a program up, with a wrong key at first: it is tried some times, then another one, then it is right.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("mistakes");
    if world.kind.partners == 0 {
        return;
    }
    let network = places::named("hosting-nl");
    for day in 0..world.calendar.days {
        if !chance.is(0.35) {
            continue;
        }
        let from = network.v4(2_000 + day);
        let right = partners::key(&mut chance);
        let keys = [format!("{right}x"), partners::key(&mut chance), right];
        let mut at = world.calendar.day(day) + 9 * HOUR + chance.below(7 * HOUR);
        let began = at;
        for (number, key) in keys.iter().enumerate() {
            let mut caller = world.caller(from, &agents::library(2));
            caller.credential = vec![("X-Api-Key", key.clone())];
            for _ in 0..chance.between(1, 4) {
                let request = Request::get(service::PRODUCTS.path);
                if number < 2 {
                    let refused = error(401, "unknown key");
                    world.tell(&caller, at, service::PRODUCTS, request, refused, &mut chance);
                } else {
                    world.ask(&caller, at, service::PRODUCTS, request, &mut chance);
                }
                at += 5 * SECOND + chance.below(MINUTE);
            }
        }
        let actors = || Actors {
            addresses: vec![from],
            secrets: keys.to_vec(),
            ..Actors::default()
        };
        world.look_alike("a key that was mistyped", "unknown_credential", actors(), began, at);
        world.look_alike("a key that was mistyped", "auth_failures", actors(), began, at);
    }
}
