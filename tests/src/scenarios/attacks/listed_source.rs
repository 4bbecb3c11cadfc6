//! Sources that a threat list names.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::files::LISTED;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service;
use crate::scenarios::world::{World, address};

pub(super) const VARIANTS: [Variant; 3] = [
    Variant {
        name: "listed-loud",
        what: "a listed address reads two hundred products in five minutes",
        detectors: &["listed_source"],
        may: &[],
        worlds: &[],
        hours: 1,
        act: loud,
    },
    Variant {
        name: "listed-network-quiet",
        what: "an address of a listed network asks three times in six hours, and is answered",
        detectors: &["listed_source"],
        may: &[],
        worlds: &[],
        hours: 7,
        act: network,
    },
    Variant {
        name: "listed-ipv6-once",
        what: "an address of a listed IPv6 network asks once",
        detectors: &["listed_source"],
        may: &[],
        worlds: &["storefront", "offices", "phones", "balanced"],
        hours: 1,
        act: once,
    },
];

fn loud(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let caller = world.caller(address(LISTED), &agents::library(3));
    for _ in 0..200 {
        let product = chance.below(service::CATALOGUE);
        world.ask(
            &caller,
            at,
            service::PRODUCT,
            Request::get(service::PRODUCT.at(product)),
            chance,
        );
        at += 5 * MINUTE / 200;
    }
    Marks::default()
}

fn network(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    for _ in 0..3 {
        let browser = agents::named(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
        );
        let caller = world.caller(address("23.95.200.21"), &browser);
        world.ask(&caller, at, service::HOME, Request::get("/"), chance);
        at += 3 * HOUR - chance.below(30 * MINUTE);
    }
    Marks::default()
}

fn once(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    // The network has a place as well.
    debug_assert!(places::of(address("3fff:14:bad::7")).is_some());
    let caller = world.caller(address("3fff:14:bad::7"), &agents::library(0));
    world.ask(
        &caller,
        at + SECOND,
        service::PRODUCTS,
        Request::get(service::PRODUCTS.path),
        chance,
    );
    Marks::default()
}
