//! Accounts in other hands: at another hour, with another program, for other things than ever.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::phones;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, Place};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 3] = [
    Variant {
        name: "taken-over-at-night",
        what: "a clerk's account at three in the morning, with a program, for what the clerk never asked",
        detectors: &["account_anomaly"],
        may: &["unusual_origin", "credential_sharing", "enumeration", "shadow_endpoint"],
        worlds: &[],
        hours: 28,
        act: at_night,
    },
    Variant {
        name: "taken-over-slowly",
        what: "the same, some requests an hour from midnight to six",
        detectors: &["account_anomaly"],
        may: &["unusual_origin", "credential_sharing", "enumeration", "shadow_endpoint"],
        worlds: &[],
        hours: 31,
        act: slowly,
    },
    Variant {
        name: "taken-over-by-day",
        what: "a clerk's account by day, with a program, in another network, for all that there is",
        detectors: &["account_anomaly"],
        may: &["unusual_origin", "credential_sharing", "enumeration", "shadow_endpoint"],
        worlds: &[],
        hours: 36,
        act: by_day,
    },
];

/// What a thief looks for, and a clerk does not ask.
const WANTED: [(Place, &str); 6] = [
    (service::PROFILE, ""),
    (service::ORDERS, ""),
    (service::ORDER, "123001"),
    (service::EXPORT, ""),
    (service::REPORT, "17"),
    (service::ADMIN, "users"),
];

fn at_night(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let night = (at / DAY + 1) * DAY + 3 * HOUR;
    steal(world, night, 40 * SECOND, 24, chance)
}

fn slowly(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let night = (at / DAY + 1) * DAY + 10 * MINUTE;
    steal(world, night, 18 * MINUTE, 19, chance)
}

fn by_day(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let noon = (at / DAY + 1) * DAY + 11 * HOUR;
    steal(world, noon, 30 * SECOND, 40, chance)
}

fn steal(world: &mut World, mut at: u64, every: u64, times: u64, chance: &mut Chance) -> Marks {
    let account = chance.pick(&world.clerks).clone();
    let from = places::named("hosting-nl").v4(chance.below(60_000));
    let mut secrets = Vec::new();
    let mut caller = world.caller(from, &agents::library(0));
    for number in 0..times {
        if number % 8 == 0 {
            let token = phones::token(&account, at, chance);
            caller.credential = vec![("Authorization", format!("Bearer {token}"))];
            caller.visit = world.visit();
            secrets.push(token);
        }
        let (place, id) = WANTED[number as usize % WANTED.len()];
        if place == service::EXPORT {
            // All there is is large: a page of it will do.
            let request = Request::get(service::SEARCH.path);
            world.ask(&caller, at, service::SEARCH, request, chance);
        } else {
            world.ask(&caller, at, place, Request::get(place.at(id)), chance);
        }
        at += every / 2 + chance.below(every);
    }
    Marks {
        accounts: vec![account],
        secrets,
        ..Marks::default()
    }
}
