//! Far more requests than there ever are: of one, of many, of a key, or a little more for long.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::phones;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, CATALOGUE, Place};
use crate::scenarios::world::{Caller, World};

pub(super) const VARIANTS: [Variant; 5] = [
    Variant {
        name: "flood-one-address",
        what: "one address searches 6,000 times in twenty minutes",
        detectors: &["request_rate"],
        may: &["scraping", "enumeration", "latency_shift"],
        worlds: &[],
        hours: 1,
        act: one,
    },
    Variant {
        name: "flood-many-addresses",
        what: "300 addresses ask for 10,000 pages of products within an hour, none of them often",
        detectors: &["request_rate"],
        may: &["scraping", "client_fingerprint", "latency_shift"],
        worlds: &[],
        hours: 2,
        act: many,
    },
    Variant {
        name: "key-runs-away",
        what: "a partner's key, used by its own program, asks for 3,000 pages in two hours",
        detectors: &["request_rate"],
        may: &["scraping", "credential_sharing", "exfiltration"],
        worlds: &["storefront", "offices", "partners", "balanced"],
        hours: 3,
        act: key,
    },
    Variant {
        name: "release-gone-mad",
        what: "forty phones with a broken release ask for the cart every five seconds, for half an hour",
        detectors: &["request_rate"],
        may: &["latency_shift"],
        worlds: &[],
        hours: 1,
        act: phones_mad,
    },
    Variant {
        name: "rise-slow",
        what: "over ten hours 120 addresses ask for one product after the other, 9,000 in all, at an even pace",
        detectors: &["request_rate"],
        may: &["scraping", "enumeration", "client_fingerprint", "latency_shift"],
        worlds: &[],
        hours: 11,
        act: rise,
    },
];

fn one(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let caller = world.caller(
        places::named("hosting-nl").v4(chance.below(60_000)),
        &agents::library(3),
    );
    for _ in 0..6_000 {
        let word = chance.text("abcdefghijklmnoprstuw", 5);
        let request = Request::get(format!("{}?q={word}", service::SEARCH.path));
        world.ask(&caller, at, service::SEARCH, request, chance);
        at += SECOND / 10 + chance.below(SECOND / 5);
    }
    marks(service::SEARCH)
}

fn many(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let callers = crowd(world, 300, chance);
    for number in 0..10_000 {
        let caller = &callers[number % callers.len()];
        let request = Request::get(format!("{}?page={}", service::PRODUCTS.path, chance.between(1, 30)));
        world.ask(caller, at + chance.below(HOUR), service::PRODUCTS, request, chance);
    }
    marks(service::PRODUCTS)
}

fn key(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let (key, from, program) = world
        .keys
        .last()
        .cloned()
        .unwrap_or_else(|| (String::new(), places::named("cloud-west").v4(9), 0));
    let mut caller = world.caller(from, &agents::library(program));
    caller.credential = vec![("X-Api-Key", key.clone())];
    for number in 0..3_000 {
        let request = Request::get(format!("{}?page={}", service::PRODUCTS.path, number % 400));
        world.ask(&caller, at, service::PRODUCTS, request, chance);
        at += SECOND + chance.below(3 * SECOND);
    }
    Marks {
        secrets: vec![key],
        ..marks(service::PRODUCTS)
    }
}

fn phones_mad(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let mut accounts = Vec::new();
    let mut secrets = Vec::new();
    let network = places::named("mobile-de");
    for number in 0..40 {
        let account = format!("mad.phone{number}");
        let token = phones::token(&account, at, chance);
        let mut caller = world.caller(network.v4(5_000 + number), &agents::app(23, chance));
        caller.credential = vec![("Authorization", format!("Bearer {token}"))];
        let mut now = at + chance.below(2 * MINUTE);
        while now < at + 30 * MINUTE {
            world.ask(&caller, now, service::CART, Request::get(service::CART.path), chance);
            now += 5 * SECOND;
        }
        accounts.push(account);
        secrets.push(token);
    }
    Marks {
        accounts,
        secrets,
        ..marks(service::CART)
    }
}

fn rise(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let callers = crowd(world, 120, chance);
    for number in 0..9_000 {
        let caller = &callers[number % callers.len()];
        let request = Request::get(service::PRODUCT.at(chance.between(1, CATALOGUE)));
        world.ask(caller, at + chance.below(10 * HOUR), service::PRODUCT, request, chance);
    }
    marks(service::PRODUCT)
}

/// So many browsers at homes all over.
fn crowd(world: &mut World, count: u64, chance: &mut Chance) -> Vec<Caller> {
    let homes = ["home-br", "home-in", "home-vn", "home-tr", "home-za"].map(places::named);
    (0..count)
        .map(|_| {
            let from = chance.pick(&homes).v4(chance.below(60_000));
            let browser = agents::browser(chance);
            world.caller(from, &browser)
        })
        .collect()
}

fn marks(place: Place) -> Marks {
    Marks {
        endpoints: vec![place.endpoint()],
        ..Marks::default()
    }
}
