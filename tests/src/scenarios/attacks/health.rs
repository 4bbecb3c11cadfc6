//! The service itself falls ill: errors, slowness, other answers, none, and connections that are held open.
//!
//! What is asked is asked by those who always ask; some of the answers are others.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::{Exchange, Request, Response};
use crate::scenarios::places;
use crate::scenarios::service::{self, PLACES, Place, error};
use crate::scenarios::world::{NAME, World};

/// Worlds in which enough is asked that an hour says something.
const BUSY: &[&str] = &["storefront", "phones", "balanced"];

pub(super) const ERRORS: [Variant; 4] = [
    Variant {
        name: "errors-of-an-endpoint",
        what: "for forty minutes six of ten requests for the cart or a product end with 500",
        detectors: &["error_surge"],
        may: &["latency_shift"],
        worlds: BUSY,
        hours: 1,
        act: errors,
    },
    Variant {
        name: "errors-everywhere",
        what: "everything answers 503, for half an hour",
        detectors: &["error_surge"],
        may: &["latency_shift", "request_rate"],
        worlds: BUSY,
        hours: 1,
        act: down,
    },
    Variant {
        name: "errors-few-and-long",
        what: "for ten hours one of six requests for products or one of them ends with 500",
        detectors: &["error_surge"],
        may: &["latency_shift"],
        worlds: BUSY,
        hours: 11,
        act: few,
    },
    Variant {
        name: "bad-requests",
        what: "one address tries 400 searches that are answered with 400, in half an hour",
        detectors: &["error_surge"],
        may: &["request_rate", "latency_shift"],
        worlds: &[],
        hours: 1,
        act: bad,
    },
];

pub(super) const SHIFTS: [Variant; 4] = [
    Variant {
        name: "slow-endpoint",
        what: "a product, ten milliseconds otherwise, takes three seconds, for two hours",
        detectors: &["latency_shift"],
        may: &["timeouts"],
        worlds: BUSY,
        hours: 3,
        act: slow,
    },
    Variant {
        name: "slow-everything",
        what: "everything takes forty times as long, for forty minutes",
        detectors: &["latency_shift"],
        may: &["timeouts"],
        worlds: BUSY,
        hours: 1,
        act: slow_all,
    },
    Variant {
        name: "slower-for-long",
        what: "products and searches take five times as long, for nine hours",
        detectors: &["latency_shift"],
        may: &[],
        worlds: BUSY,
        hours: 10,
        act: slower,
    },
    Variant {
        name: "other-answers",
        what: "lists of products become pages of HTML of eighty kilobytes, for three hours",
        detectors: &["latency_shift"],
        may: &["response_volume", "exfiltration"],
        worlds: BUSY,
        hours: 4,
        act: other,
    },
];

pub(super) const SILENCES: [Variant; 4] = [
    Variant {
        name: "held-open-one-address",
        what: "one address holds 300 connections with half a request for twenty minutes",
        detectors: &["timeouts"],
        may: &["request_anomaly", "request_rate"],
        worlds: super::DIRECT,
        hours: 1,
        act: held,
    },
    Variant {
        name: "held-open-many-addresses",
        what: "forty addresses hold ten such connections each, for an hour",
        detectors: &["timeouts"],
        may: &["request_anomaly", "request_rate"],
        worlds: super::DIRECT,
        hours: 2,
        act: held_many,
    },
    Variant {
        name: "held-open-for-long",
        what: "one address holds thirty such connections, each for five minutes, for six hours",
        detectors: &["timeouts"],
        may: &["request_anomaly", "request_rate"],
        worlds: super::DIRECT,
        hours: 7,
        act: held_long,
    },
    Variant {
        name: "no-answers",
        what: "half of what asks for products or one of them gets no answer and gives up, for forty minutes",
        detectors: &["timeouts"],
        may: &["error_surge", "latency_shift"],
        worlds: BUSY,
        hours: 1,
        act: silent,
    },
];

fn errors(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let places = [service::CART, service::PRODUCT];
    change(world, at, 40 * MINUTE, &places, chance, |exchange, chance| {
        if chance.is(0.6) {
            exchange.response = Some(error(500, "internal error"));
        }
    })
}

fn down(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    change(world, at, 30 * MINUTE, &PLACES, chance, |exchange, _| {
        exchange.response = Some(error(503, "unavailable"));
    })
}

fn few(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let places = [service::PRODUCTS, service::PRODUCT];
    change(world, at, 10 * HOUR, &places, chance, |exchange, chance| {
        if chance.is(1.0 / 6.0) {
            exchange.response = Some(error(500, "internal error"));
        }
    })
}

fn bad(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let caller = world.caller(places::named("home-tr").v4(chance.below(60_000)), &agents::library(2));
    for number in 0..400 {
        let target = format!("{}?q=a&sort=%2b{number}", service::SEARCH.path);
        let request = Request::get(target);
        let refusal = error(400, "no such order of results");
        world.tell(&caller, at, service::SEARCH, request, refusal, chance);
        at += 2 * SECOND + chance.below(5 * SECOND);
    }
    Marks {
        endpoints: vec![service::SEARCH.endpoint()],
        ..Marks::default()
    }
}

fn slow(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    change(world, at, 2 * HOUR, &[service::PRODUCT], chance, |exchange, chance| {
        exchange.think = 2 * SECOND + chance.below(2 * SECOND);
    })
}

fn slow_all(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    change(world, at, 40 * MINUTE, &PLACES, chance, |exchange, _| {
        exchange.think *= 40;
    })
}

fn slower(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let places = [service::PRODUCTS, service::PRODUCT, service::SEARCH];
    change(world, at, 9 * HOUR, &places, chance, |exchange, _| {
        exchange.think *= 5;
    })
}

fn other(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    change(world, at, 3 * HOUR, &[service::PRODUCTS], chance, |exchange, chance| {
        let mut response = Response::new(200, 60_000 + chance.below(40_000));
        response.fields = vec![("Content-Type", "text/html".to_owned())];
        exchange.response = Some(response);
    })
}

fn silent(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let places = [service::PRODUCTS, service::PRODUCT];
    change(world, at, 40 * MINUTE, &places, chance, |exchange, chance| {
        if chance.is(0.5) {
            exchange.response = None;
            exchange.think = 10 * SECOND;
        }
    })
}

fn held(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-ro").v4(chance.below(60_000));
    for _ in 0..300 {
        half(world, from, at + chance.below(MINUTE), 20 * MINUTE, chance);
    }
    held_marks(world, at, 21 * MINUTE)
}

fn held_many(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let homes = ["home-br", "home-in", "home-vn"].map(places::named);
    for _ in 0..40 {
        let from = chance.pick(&homes).v4(chance.below(60_000));
        for _ in 0..10 {
            half(world, from, at + chance.below(5 * MINUTE), HOUR, chance);
        }
    }
    held_marks(world, at, HOUR + 5 * MINUTE)
}

fn held_long(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-sg").v4(chance.below(60_000));
    for round in 0..72 {
        for _ in 0..30 {
            half(
                world,
                from,
                at + round * 5 * MINUTE + chance.below(20 * SECOND),
                5 * MINUTE,
                chance,
            );
        }
    }
    held_marks(world, at, 6 * HOUR)
}

/// What is held are connections to the host itself, for the start page as far as it shows.
fn held_marks(world: &World, at: u64, length: u64) -> Marks {
    let front = world.front();
    Marks {
        endpoints: vec![service::HOME.endpoint()],
        destinations: vec![front.v4.ip().to_string(), front.v6.ip().to_string()],
        span: Some((at, at + length)),
        ..Marks::default()
    }
}

/// A connection on which a request begins and does not end.
fn half(world: &mut World, from: IpAddr, at: u64, hold: u64, chance: &mut Chance) {
    let caller = world.caller(from, &agents::library(0));
    let mut head = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n");
    for number in 0..hold / (15 * SECOND) {
        // Writing to a String does not fail.
        let _ = write!(head, "X-{number}: {}\r\n", chance.below(5_000));
    }
    world.hold(&caller, at, head.into_bytes(), hold);
}

/// Changes what comes of the requests of some places in a time, and marks it.
fn change(
    world: &mut World,
    at: u64,
    length: u64,
    places: &[Place],
    chance: &mut Chance,
    with: impl Fn(&mut Exchange, &mut Chance),
) -> Marks {
    let mut changed = Vec::new();
    for exchange in &mut world.exchanges {
        let asked = |place: &&Place| {
            let path = exchange.request.target.split('?').next().unwrap_or_default();
            exchange.request.method == place.method && fits(place.path, path)
        };
        let here = (at..at + length).contains(&exchange.at) && exchange.raw.is_none();
        let Some(place) = places.iter().find(asked).filter(|_| here) else {
            continue;
        };
        with(exchange, chance);
        changed.push((place.endpoint(), exchange.from));
    }
    let mut endpoints: Vec<String> = changed.iter().map(|(endpoint, _)| endpoint.clone()).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    Marks {
        endpoints,
        addresses: changed.into_iter().map(|(_, from)| from).collect(),
        span: Some((at, at + length)),
        ..Marks::default()
    }
}

/// Whether a path is that of a place, whatever stands for what is in braces.
fn fits(place: &str, path: &str) -> bool {
    match place.split_once('{') {
        None => place == path,
        Some((before, _)) => path
            .strip_prefix(before)
            .is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
    }
}
