//! Clients that are odd and mean no harm: another age's, too strict, too chatty.

use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, Hours, SECOND};
use crate::scenarios::http::{Request, Response, Version};
use crate::scenarios::places;
use crate::scenarios::service;
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

/// All of them.
pub(super) fn live(world: &mut World) {
    tills(world);
    preflights(world);
    scripts(world);
    proxied(world);
}

/// Tills in HTTP/1.0, with names in capitals.
fn tills(world: &mut World) {
    let mut chance = world.chance.fork("tills");
    let (agent, network) = (agents::old(), places::named("office-borealis"));
    for till in 0..world.scaled(4) {
        let from = network.v4(900 + till);
        let credential = format!("sk_live_{}", chance.hex(24));
        let mut at = world.calendar.start + chance.below(HOUR);
        while at < world.calendar.end() {
            let mut caller = world.caller(from, &agent);
            caller.version = if world.kind.balanced {
                Version::Http11
            } else {
                Version::Http10
            };
            caller.credential = vec![("X-API-KEY", credential.clone())];
            let request = Request::get(format!("{}?page=1", service::PRODUCTS.path));
            world.ask(&caller, at, service::PRODUCTS, request, &mut chance);
            at += HOUR + chance.below(600 * SECOND);
        }
        let actors = Actors {
            addresses: vec![from],
            ..Actors::default()
        };
        let (from, until) = (world.calendar.start, world.calendar.end());
        world.look_alike("an old-fashioned client", "request_anomaly", actors, from, until);
    }
}

/// A browser on another site asks whether it may.
fn preflights(world: &mut World) {
    let mut chance = world.chance.fork("preflights");
    let network = places::named("home-london");
    for day in 0..world.calendar.days {
        for _ in 0..chance.times(6.0 * world.scale) {
            let at = world.calendar.moment(day, Hours::Daylight, &mut chance);
            let browser = agents::browser(&mut chance);
            let caller = world.caller(network.v4(chance.below(60_000)), &browser);
            let request = Request::new("OPTIONS", service::CART.path)
                .with("Origin", "https://partner.example")
                .with("Access-Control-Request-Method", "POST");
            world.tell(&caller, at, service::CART, request, Response::new(204, 0), &mut chance);
            let request = Request::get(service::CART.path).with("Origin", "https://partner.example");
            world.ask(&caller, at + SECOND / 5, service::CART, request, &mut chance);
        }
    }
}

/// Somebody's script: HEAD, conditional requests, dots in names, a parameter that is far too long.
fn scripts(world: &mut World) {
    let mut chance = world.chance.fork("scripts");
    let (agent, network) = (agents::library(3), places::named("home-warsaw"));
    let from = network.v4(77);
    for day in 0..world.calendar.days {
        let at = world.calendar.moment(day, Hours::Daylight, &mut chance);
        let caller = world.caller(from, &agent);
        let long = chance.text("abcdefghijklmnop", 1_200);
        let requests = [
            (service::PRODUCTS, Request::new("HEAD", service::PRODUCTS.path)),
            (service::HELP, Request::get(service::HELP.at("faq..v2"))),
            (service::HELP, Request::get(service::HELP.at("..well-known.html"))),
            (
                service::SEARCH,
                Request::get(format!("{}?q={long}", service::SEARCH.path)),
            ),
            (
                service::PRODUCTS,
                Request::get("/api/v1/products?fields=id,name&filter[price]=10..20"),
            ),
            (
                service::PRODUCT,
                Request::get("/api/v1/products/12").with("If-None-Match", "\"abc\""),
            ),
        ];
        for (number, (place, request)) in requests.into_iter().enumerate() {
            world.ask(&caller, at + number as u64 * SECOND, place, request, &mut chance);
        }
    }
    let actors = Actors {
        addresses: vec![from],
        ..Actors::default()
    };
    let (from, until) = (world.calendar.start, world.calendar.end());
    world.look_alike("dots in names", "request_anomaly", actors, from, until);
}

/// A company's proxy adds a header about itself, and another says that a bad address asks: nobody has to believe it.
fn proxied(world: &mut World) {
    let mut chance = world.chance.fork("proxied");
    let network = places::named("home-paris");
    for day in 0..world.calendar.days {
        if !chance.is(0.5) {
            continue;
        }
        let at = world.calendar.moment(day, Hours::Office, &mut chance);
        let browser = agents::browser(&mut chance);
        let caller = world.caller(network.v4(chance.below(60_000)), &browser);
        let inside = format!("192.168.1.{}", chance.between(2, 250));
        let said = if chance.is(0.5) {
            inside
        } else {
            crate::scenarios::files::LISTED.to_owned()
        };
        let request = Request::get(service::HOME.path).with("X-Forwarded-For", said);
        world.ask(&caller, at, service::HOME, request, &mut chance);
        let actors = Actors {
            addresses: vec![caller.from],
            ..Actors::default()
        };
        world.look_alike(
            "a header that names a bad address",
            "listed_source",
            actors,
            at,
            at + SECOND,
        );
    }
}
