//! Responses that say at once that they are far too large.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::{partners, phones};
use crate::scenarios::http::{Request, Response};
use crate::scenarios::places;
use crate::scenarios::service::{self, Place};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 6] = [
    Variant {
        name: "announced-100-tb",
        what: "a response announces a hundred terabytes, of which two megabytes come",
        detectors: &["response_volume"],
        may: &["exfiltration"],
        worlds: &[],
        hours: 1,
        act: huge,
    },
    Variant {
        name: "announced-60-gb",
        what: "a list of products, some kilobytes otherwise, announces sixty gigabytes",
        detectors: &["response_volume"],
        may: &["exfiltration"],
        worlds: &[],
        hours: 1,
        act: large,
    },
    Variant {
        name: "announced-2-gb-thrice",
        what: "somebody's profile, some hundred bytes otherwise, announces two gigabytes three times",
        detectors: &["response_volume"],
        may: &["exfiltration"],
        worlds: &[],
        hours: 1,
        act: thrice,
    },
    Variant {
        name: "one-response-30-mb",
        what: "somebody's cart, some hundred bytes otherwise, is thirty megabytes, once",
        detectors: &["response_volume"],
        may: &[],
        worlds: &[],
        hours: 1,
        act: once,
    },
    Variant {
        name: "reports-in-bulk",
        what: "one account fetches 1,500 reports of usual size, 90 MB, in two hours",
        detectors: &["response_volume"],
        may: &["request_rate", "enumeration", "scraping"],
        worlds: &[],
        hours: 3,
        act: reports,
    },
    Variant {
        name: "orders-grown-slow",
        what: "one account's list of orders, a kilobyte otherwise, is two megabytes, forty times in twenty hours",
        detectors: &["response_volume"],
        may: &["request_rate"],
        worlds: &[],
        hours: 21,
        act: grown,
    },
];

fn once(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let caller = world.caller(places::named("home-in").v4(chance.below(60_000)), &agents::library(2));
    let request = Request::get(service::CART.path);
    world.tell(
        &caller,
        at,
        service::CART,
        request,
        Response::new(200, 30_000_000),
        chance,
    );
    marks(service::CART, Vec::new())
}

fn reports(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let account = "mallory.archive3";
    let token = phones::token(account, at, chance);
    let mut caller = world.caller(
        places::named("home-paris").v4(chance.below(60_000)),
        &agents::library(1),
    );
    caller.credential = vec![("Authorization", format!("Bearer {token}"))];
    for number in 0..1_500 {
        let request = Request::get(service::REPORT.at(40_000 + number));
        world.ask(&caller, at, service::REPORT, request, chance);
        at += 2 * SECOND + chance.below(5 * SECOND);
    }
    Marks {
        accounts: vec![account.to_owned()],
        ..marks(service::REPORT, vec![token])
    }
}

fn grown(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let account = "mallory.history5";
    let mut secrets = Vec::new();
    let from = places::named("home-za").v4(chance.below(60_000));
    for _ in 0..40 {
        let token = phones::token(account, at, chance);
        let mut caller = world.caller(from, &agents::library(1));
        caller.credential = vec![("Authorization", format!("Bearer {token}"))];
        let request = Request::get(service::ORDERS.path);
        let size = 1_500_000 + chance.below(1_000_000);
        world.tell(&caller, at, service::ORDERS, request, Response::new(200, size), chance);
        secrets.push(token);
        at += 20 * MINUTE + chance.below(20 * MINUTE);
    }
    Marks {
        accounts: vec![account.to_owned()],
        ..marks(service::ORDERS, secrets)
    }
}

fn huge(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let key = partners::key(chance);
    let mut caller = world.caller(
        places::named("hosting-ro").v4(chance.below(60_000)),
        &agents::library(0),
    );
    caller.credential = vec![("X-Api-Key", key.clone())];
    announce(world, &caller, at, service::EXPORT, 100_000_000_000_000, chance);
    marks(service::EXPORT, vec![key])
}

fn large(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let caller = world.caller(places::named("home-vn").v4(chance.below(60_000)), &agents::library(3));
    announce(world, &caller, at, service::PRODUCTS, 60_000_000_000, chance);
    marks(service::PRODUCTS, Vec::new())
}

fn thrice(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let account = "mallory.reader12";
    let token = phones::token(account, at, chance);
    let mut caller = world.caller(places::named("home-tr").v4(chance.below(60_000)), &agents::library(1));
    caller.credential = vec![("Authorization", format!("Bearer {token}"))];
    for number in 0..3 {
        announce(
            world,
            &caller,
            at + number * 5 * MINUTE,
            service::PROFILE,
            2_000_000_000,
            chance,
        );
    }
    Marks {
        accounts: vec![account.to_owned()],
        ..marks(service::PROFILE, vec![token])
    }
}

fn announce(
    world: &mut World,
    caller: &crate::scenarios::world::Caller,
    at: u64,
    place: Place,
    bytes: u64,
    chance: &mut Chance,
) {
    let mut response = Response::new(200, 2_000_000);
    response.announced = Some(bytes);
    world.tell(caller, at + SECOND, place, Request::get(place.path), response, chance);
}

fn marks(place: Place, secrets: Vec<String>) -> Marks {
    Marks {
        secrets,
        endpoints: vec![place.endpoint()],
        ..Marks::default()
    }
}
