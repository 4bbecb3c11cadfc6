//! Those who are refused and mean no harm: programs that wait as they are told, phones that change networks meanwhile, people
//! who try it with another browser.

use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, Hours, MILLI, MINUTE, SECOND};
use crate::scenarios::habits::{partners, phones};
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, error};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

/// All of them.
pub(super) fn live(world: &mut World) {
    patient(world);
    fleet(world);
    on_the_way(world);
    other_browser(world);
}

/// A program that asks too fast, is told so, and waits: 1 s, 2 s, 4 s. At the same address, under the same name.
fn patient(world: &mut World) {
    let mut chance = world.chance.fork("patient");
    for number in 0..world.kind.partners.min(4) {
        let from = places::named("cloud-eu").v4(8_000 + number);
        let key = partners::key(&mut chance);
        for day in 0..world.calendar.days {
            let mut at = world.calendar.day(day) + chance.below(20 * HOUR);
            let began = at;
            let mut caller = world.caller(from, &agents::library(number));
            caller.credential = vec![("X-Api-Key", key.clone())];
            for page in 0..chance.between(10, 30) {
                let request = Request::get(format!("{}?page={page}&per_page=100", service::PRODUCTS.path));
                let mut wait = SECOND;
                while chance.is(0.2) && wait < 60 * SECOND {
                    let refused = error(429, "slow down").with("Retry-After", "1");
                    world.tell(&caller, at, service::PRODUCTS, request.clone(), refused, &mut chance);
                    at += wait;
                    wait *= 2;
                }
                world.ask(&caller, at, service::PRODUCTS, request, &mut chance);
                at += 200 * MILLI + chance.below(SECOND);
            }
            let actors = Actors {
                addresses: vec![from],
                secrets: vec![key.clone()],
                ..Actors::default()
            };
            world.look_alike(
                "a client that waits and tries again",
                "attacker_response",
                actors,
                began,
                at,
            );
        }
    }
}

/// Machines of one customer with one key, each with its own limit: one is refused while the others go on.
fn fleet(world: &mut World) {
    let mut chance = world.chance.fork("fleet");
    if world.kind.partners < 3 {
        return;
    }
    let key = partners::key(&mut chance);
    let network = places::named("cloud-west");
    for host in 0..10 {
        let from = network.v4(8_500 + host);
        let mut at = world.calendar.start + chance.below(20 * MINUTE);
        while at < world.calendar.end() {
            let mut caller = world.caller(from, &agents::library(1));
            caller.credential = vec![("X-Api-Key", key.clone())];
            // It watches the prices of a few.
            let request = Request::get(service::PRODUCT.at(97 * chance.below(30)));
            if chance.is(0.05) {
                let refused = error(429, "slow down");
                world.tell(&caller, at, service::PRODUCT, request, refused, &mut chance);
                at += 5 * MINUTE;
            } else {
                world.ask(&caller, at, service::PRODUCT, request, &mut chance);
            }
            at += 12 * MINUTE + chance.below(16 * MINUTE);
        }
    }
    let actors = Actors {
        addresses: (0..10).map(|host| network.v4(8_500 + host)).collect(),
        secrets: vec![key],
        ..Actors::default()
    };
    let (from, until) = (world.calendar.start, world.calendar.end());
    world.look_alike(
        "one key on many hosts, some of them refused",
        "attacker_response",
        actors,
        from,
        until,
    );
}

/// A phone is refused and goes on from another network: somebody left the house.
fn on_the_way(world: &mut World) {
    let mut chance = world.chance.fork("on the way");
    let carriers = ["mobile-de", "mobile-fr", "mobile-us"].map(places::named);
    for number in 0..world.scaled(world.kind.phones / 6) {
        let account = format!("walker{number}");
        let app = agents::app(22, &mut chance);
        for day in 0..world.calendar.days {
            if !chance.is(0.4) {
                continue;
            }
            let mut at = world.calendar.moment(day, Hours::Daylight, &mut chance);
            let began = at;
            let token = phones::token(&account, at, &mut chance);
            let home = places::named("home-munich").v4(9_000 + number);
            let mut caller = world.caller(home, &app);
            caller.credential = vec![("Authorization", format!("Bearer {token}"))];
            let request = || Request::get(service::CART.path);
            world.ask(&caller, at, service::CART, request(), &mut chance);
            at += 2 * SECOND;
            let status = *chance.pick(&[403, 429]);
            world.tell(
                &caller,
                at,
                service::CART,
                request(),
                error(status, "not now"),
                &mut chance,
            );
            at += 3 * SECOND + chance.below(30 * SECOND);
            caller.from = chance.pick(&carriers).v4(chance.below(48));
            world.ask(&caller, at, service::CART, request(), &mut chance);
            let actors = Actors {
                addresses: vec![home, caller.from],
                accounts: vec![account.clone()],
                ..Actors::default()
            };
            world.look_alike("a phone that changes networks", "attacker_response", actors, began, at);
        }
    }
}

/// Somebody is not let in to a page, and tries with another browser.
fn other_browser(world: &mut World) {
    let mut chance = world.chance.fork("other browser");
    let homes = ["home-berlin", "home-warsaw", "home-london"].map(places::named);
    for number in 0..world.scaled(world.kind.people / 10) {
        let from = chance.pick(&homes).v4(9_500 + number);
        let browsers = [agents::browser(&mut chance), agents::browser(&mut chance)];
        let day = chance.below(world.calendar.days);
        let mut at = world.calendar.moment(day, Hours::Daylight, &mut chance);
        let began = at;
        for browser in [0, 0, 1, 0, 1] {
            let caller = world.caller(from, &browsers[browser]);
            let request = Request::get(service::REPORT.at(4_000 + number));
            world.tell(
                &caller,
                at,
                service::REPORT,
                request,
                error(403, "not yours"),
                &mut chance,
            );
            at += 10 * SECOND + chance.below(MINUTE);
        }
        let actors = Actors {
            addresses: vec![from],
            ..Actors::default()
        };
        world.look_alike("another browser", "attacker_response", actors, began, at);
    }
}
