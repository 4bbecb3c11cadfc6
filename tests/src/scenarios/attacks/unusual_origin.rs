//! From where nobody comes: an account, a key, a crowd; and a day on which half of the clients are rented machines.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::phones;
use crate::scenarios::http::Request;
use crate::scenarios::places::{self, Use};
use crate::scenarios::service;
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        name: "account-from-elsewhere",
        what: "a customer's account is used for twenty minutes from a country that nobody comes from",
        detectors: &["unusual_origin"],
        may: &["credential_sharing", "account_anomaly"],
        worlds: &[],
        hours: 1,
        act: account,
    },
    Variant {
        name: "key-from-elsewhere",
        what: "a partner's key is used eight times in ten hours from a country that nobody comes from",
        detectors: &["unusual_origin"],
        may: &["credential_sharing"],
        worlds: &[],
        hours: 11,
        act: key,
    },
    Variant {
        name: "crowd-from-elsewhere",
        what: "ninety addresses of three countries that nobody comes from, in three hours",
        detectors: &["unusual_origin"],
        may: &["request_rate"],
        worlds: &[],
        hours: 4,
        act: crowd,
    },
    Variant {
        name: "rented-machines",
        what: "two hundred and fifty rented machines look at a few pages each, in eight hours",
        detectors: &["unusual_origin"],
        may: &["request_rate"],
        worlds: &[],
        hours: 9,
        act: machines,
    },
];

fn account(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    // Somebody who is there every day, unless nobody is.
    let (account, _) = chance.pick(&world.phones).clone();
    let token = phones::token(&account, at, chance);
    let mut caller = world.caller(
        places::named("home-vn").v4(chance.below(60_000)),
        &agents::app(22, chance),
    );
    caller.credential = vec![("Authorization", format!("Bearer {token}"))];
    for number in 0..20 {
        let now = at + number * MINUTE + chance.below(40 * SECOND);
        world.ask(
            &caller,
            now,
            service::ORDERS,
            Request::get(service::ORDERS.path),
            chance,
        );
    }
    Marks {
        accounts: vec![account],
        secrets: vec![token],
        ..Marks::default()
    }
}

fn key(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let (key, _, program) = chance.pick(&world.keys).clone();
    for number in 0..8 {
        let from = places::named("home-za").v4(chance.below(60_000));
        let mut caller = world.caller(from, &agents::library(program));
        caller.credential = vec![("X-Api-Key", key.clone())];
        let now = at + number * 75 * MINUTE + chance.below(20 * MINUTE);
        world.ask(
            &caller,
            now,
            service::ORDERS,
            Request::get(service::ORDERS.path),
            chance,
        );
    }
    Marks {
        secrets: vec![key],
        ..Marks::default()
    }
}

fn crowd(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    for name in ["home-vn", "home-in", "home-br"] {
        for _ in 0..30 {
            let from = places::named(name).v4(chance.below(60_000));
            look(world, from, at + chance.below(3 * HOUR), chance);
        }
    }
    looked_at()
}

fn machines(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let hosting = places::used_for(Use::Hosting);
    for _ in 0..250 {
        let from = chance.pick(&hosting).v4(chance.below(60_000));
        look(world, from, at + chance.below(8 * HOUR), chance);
    }
    looked_at()
}

/// What all of them ask for.
fn looked_at() -> Marks {
    Marks {
        endpoints: vec![service::HOME.endpoint(), service::PRODUCT.endpoint()],
        ..Marks::default()
    }
}

/// Somebody without a name looks at a few products.
fn look(world: &mut World, from: std::net::IpAddr, mut at: u64, chance: &mut Chance) {
    let browser = agents::browser(chance);
    let caller = world.caller(from, &browser);
    world.ask(&caller, at, service::HOME, Request::get("/"), chance);
    for _ in 0..chance.between(1, 4) {
        at += 3 * SECOND + chance.below(20 * SECOND);
        let request = Request::get(service::PRODUCT.at(chance.below(service::CATALOGUE)));
        world.ask(&caller, at, service::PRODUCT, request, chance);
    }
}
