//! People who buy, step by step: something into the cart, the till, an address, the payment. Some come back in the middle of
//! it, some are quick, some stop.

use serde_json::json;

use super::people::Person;
use crate::scenarios::calendar::{HOUR, Hours, MILLI, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, CATALOGUE, Place, error};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::{Caller, World};

/// Purchases a day, of those who could make one.
const A_DAY: f64 = 0.3;

/// How somebody goes through the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// Half of the pauses between two steps are shorter, nanoseconds.
    pub pause: u64,
    /// How far they spread.
    pub sigma: f64,
}

/// Everybody who buys.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("buyers");
    let (calendar, kind) = (world.calendar, world.kind);
    let buyers = world.scaled(kind.people + kind.employees + kind.phones);
    let homes = ["home-berlin", "home-munich-2", "home-paris", "home-london", "mobile-de"].map(places::named);
    for number in 0..buyers {
        let person = Person::new(30_000 + number, calendar.days, &mut chance);
        let from = chance.pick(&homes).v4(20_000 + number);
        let mut session: Option<String> = None;
        for day in 0..calendar.days {
            for _ in 0..chance.times(A_DAY * calendar.share(day, Hours::Daylight)) {
                let mut at = calendar.moment(day, Hours::Daylight, &mut chance);
                let mut caller = world.caller(from, &person.browser_on(day));
                // Whoever stayed logged in opens the cart or the till that was left open, or a bookmark.
                let is_back = chance.is(0.12);
                if let Some(session) = session.as_ref().filter(|_| is_back) {
                    caller.credential = vec![("Cookie", format!("session={session}; theme=dark"))];
                    let first = *chance.pick(&[0, 2, 2, 3, 4]);
                    let began = at;
                    at = buy(world, &caller, at, first, steps(&mut chance), &mut chance);
                    note(
                        world,
                        &person.account,
                        &caller,
                        "a flow that is taken up in the middle",
                        began,
                        at,
                    );
                    continue;
                }
                world.ask(&caller, at, service::HOME, Request::get("/"), &mut chance);
                at += think(&mut chance);
                let new = world.login(&caller, at, &person.account, true, &mut chance);
                caller.credential = vec![("Cookie", format!("session={new}; theme=dark"))];
                session = Some(new);
                at += think(&mut chance);
                for _ in 0..=chance.times(2.0) {
                    let product = chance.tail(1.0, 0.6, CATALOGUE as f64) as u64;
                    let request = Request::get(service::PRODUCT.at(product));
                    world.ask(&caller, at, service::PRODUCT, request, &mut chance);
                    at += think(&mut chance);
                }
                let began = at;
                let is_quick = chance.is(0.05);
                let steps = if is_quick {
                    // All is filled in already, and the buttons are known.
                    Steps {
                        pause: 1_100 * MILLI,
                        sigma: 0.3,
                    }
                } else {
                    steps(&mut chance)
                };
                at = buy(world, &caller, at, 0, steps, &mut chance);
                if chance.is(0.08) {
                    // Something was forgotten.
                    at = buy(world, &caller, at + MINUTE, 0, steps, &mut chance);
                }
                if is_quick {
                    note(
                        world,
                        &person.account,
                        &caller,
                        "somebody who knows the buttons",
                        began,
                        at,
                    );
                }
            }
        }
    }
}

fn note(world: &mut World, account: &str, caller: &Caller, what: &'static str, from: u64, until: u64) {
    let actors = Actors {
        addresses: vec![caller.from],
        accounts: vec![account.to_owned()],
        ..Actors::default()
    };
    world.look_alike(what, "flow_misuse", actors, from, until);
}

/// The steps of a purchase from this one on; gives when it is over.
pub fn buy(world: &mut World, caller: &Caller, mut at: u64, first: u64, steps: Steps, chance: &mut Chance) -> u64 {
    for number in first..5 {
        // Some think better of it.
        if number > 1 && steps.pause > SECOND && chance.is(0.04) {
            return at;
        }
        let (place, request) = step(number, chance);
        // Cards are refused at times, and tried again.
        if place == service::PAY && steps.pause > SECOND && chance.is(0.06) {
            world.tell(caller, at, place, request.clone(), error(402, "card declined"), chance);
            at += 15 * SECOND + think(chance);
        }
        world.ask(caller, at, place, request, chance);
        at += chance.spread(steps.pause as f64, steps.sigma) as u64;
    }
    at
}

fn step(number: u64, chance: &mut Chance) -> (Place, Request) {
    match number {
        0 => {
            let request = Request::post(
                service::ADD.path,
                &json!({ "product": chance.below(CATALOGUE), "count": 1 }),
            );
            (service::ADD, request)
        }
        1 => (service::CART, Request::get(service::CART.path)),
        2 => {
            let request = Request::post(service::CHECKOUT.path, &json!({ "cart": chance.uuid() }));
            (service::CHECKOUT, request)
        }
        3 => {
            let request = Request::new("PUT", service::ADDRESS.path).json(&json!({ "street": "Am Markt 1" }));
            (service::ADDRESS, request)
        }
        _ => (service::PAY, pay(chance)),
    }
}

/// What pays.
pub fn pay(chance: &mut Chance) -> Request {
    Request::post(service::PAY.path, &json!({ "order": chance.uuid(), "pay": "card" }))
}

fn steps(chance: &mut Chance) -> Steps {
    Steps {
        pause: (chance.spread(14.0, 0.5) * SECOND as f64) as u64,
        sigma: 0.7,
    }
}

fn think(chance: &mut Chance) -> u64 {
    ((chance.spread(7.0, 0.9) * SECOND as f64) as u64).min(HOUR / 4)
}
