//! Who is refused and comes back as somebody else: with another address, another name, and goes on.

use std::net::IpAddr;

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::partners;
use crate::scenarios::http::{Exchange, Request};
use crate::scenarios::places::{self, Use};
use crate::scenarios::service::{self, CATALOGUE, error};
use crate::scenarios::world::{Caller, World};

const MAY: &[&str] = &[
    "auth_failures",
    "client_fingerprint",
    "credential_sharing",
    "enumeration",
    "error_surge",
    "request_rate",
    "scraping",
    "timeouts",
    "unknown_credential",
    "unusual_origin",
    "user_agent",
];

const fn variant(
    name: &'static str,
    what: &'static str,
    hours: u64,
    act: fn(&mut World, u64, &mut Chance) -> Marks,
) -> Variant {
    Variant {
        name,
        what,
        detectors: &["attacker_response"],
        may: MAY,
        worlds: &[],
        hours,
        act,
    }
}

pub(super) const VARIANTS: [Variant; 5] = [
    variant(
        "evades-by-address-fast",
        "a program reads products; after each 429 it goes on from another home within four seconds, thirty times in half an hour",
        1,
        by_address_fast,
    ),
    variant(
        "evades-by-address-slow",
        "a script that others use too, 403 now and then; within forty seconds it goes on from another home, 22 times in 16 hours",
        17,
        by_address_slow,
    ),
    variant(
        "evades-by-agent",
        "one address is refused and goes on with another agent a second or two later, sixteen times in twenty minutes",
        1,
        by_agent,
    ),
    variant(
        "evades-with-key",
        "a key that is told to slow down goes on from another address within seconds, 24 times in six hours",
        7,
        with_key,
    ),
    variant(
        "evades-silence",
        "a program gets no answers any more and goes on from another address, fourteen times in an hour",
        2,
        silence,
    ),
];

fn by_address_fast(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let homes = places::used_for(Use::Home);
    let agent = agents::bot_as(&agents::browser_name(chance));
    for _ in 0..30 {
        let caller = world.caller(chance.pick(&homes).v4(chance.below(60_000)), &agent);
        at = read(world, &caller, at, chance.between(14, 26), 2 * SECOND, chance);
        at = refused(world, &caller, at, 429, chance.between(1, 3), chance);
        at += SECOND + chance.below(3 * SECOND);
    }
    marks()
}

fn by_address_slow(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let homes = places::used_for(Use::Home);
    let agent = agents::library(0);
    for _ in 0..22 {
        let caller = world.caller(chance.pick(&homes).v4(chance.below(60_000)), &agent);
        at = read(world, &caller, at, chance.between(6, 14), 4 * MINUTE, chance);
        at = refused(world, &caller, at, 403, 2, chance);
        at += 5 * SECOND + chance.below(35 * SECOND);
    }
    marks()
}

fn by_agent(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-us").v4(chance.below(60_000));
    for number in 0..16 {
        // Versions that nobody has.
        let name = agents::browser_name(chance).replace("13", &format!("{}", 90 + number));
        let caller = world.caller(from, &agents::python_as(&name));
        at = read(world, &caller, at, chance.between(6, 10), 8 * SECOND, chance);
        at = refused(world, &caller, at, 403, chance.between(1, 2), chance);
        at += SECOND + chance.below(SECOND);
    }
    marks()
}

fn with_key(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let key = partners::key(chance);
    let networks = ["hosting-nl", "hosting-us"].map(places::named);
    for _ in 0..24 {
        let from: IpAddr = chance.pick(&networks).v4(chance.below(60_000));
        let mut caller = world.caller(from, &agents::library(1));
        caller.credential = vec![("X-Api-Key", key.clone())];
        at = read(world, &caller, at, chance.between(8, 20), 60 * SECOND, chance);
        at = refused(world, &caller, at, 429, chance.between(1, 3), chance);
        at += 2 * SECOND + chance.below(10 * SECOND);
    }
    Marks {
        secrets: vec![key],
        ..marks()
    }
}

fn silence(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let homes = places::used_for(Use::Home);
    let agent = agents::bot_as("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36");
    for _ in 0..14 {
        let caller = world.caller(chance.pick(&homes).v4(chance.below(60_000)), &agent);
        at = read(world, &caller, at, chance.between(10, 20), 12 * SECOND, chance);
        for _ in 0..3 {
            let request = product(chance);
            world.exchanges.push(Exchange {
                at,
                visit: caller.visit,
                from: caller.from,
                agent: std::sync::Arc::clone(&caller.agent),
                version: caller.version,
                request,
                raw: None,
                response: None,
                think: 4 * SECOND,
            });
            at += 6 * SECOND;
        }
        at += SECOND + chance.below(8 * SECOND);
    }
    marks()
}

/// Reads products, with this pause on average; gives when it goes on.
fn read(world: &mut World, caller: &Caller, mut at: u64, times: u64, pause: u64, chance: &mut Chance) -> u64 {
    for _ in 0..times {
        let request = product(chance);
        world.ask(caller, at, service::PRODUCT, request, chance);
        at += pause / 2 + chance.below(pause);
    }
    at
}

fn refused(world: &mut World, caller: &Caller, mut at: u64, status: u16, times: u64, chance: &mut Chance) -> u64 {
    for _ in 0..times {
        let request = product(chance);
        world.tell(caller, at, service::PRODUCT, request, error(status, "no"), chance);
        at += SECOND / 2 + chance.below(SECOND);
    }
    at
}

fn product(chance: &mut Chance) -> Request {
    Request::get(service::PRODUCT.at(chance.between(1, CATALOGUE)))
}

fn marks() -> Marks {
    Marks {
        endpoints: vec![service::PRODUCT.endpoint()],
        ..Marks::default()
    }
}
