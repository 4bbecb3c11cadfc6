//! People with browsers: they log in, mistype, look around, sometimes buy.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::json;

use crate::scenarios::agents::{self, Agent};
use crate::scenarios::calendar::{Hours, MILLI, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::Request;
use crate::scenarios::places::{self, Network};
use crate::scenarios::service::{self, CATALOGUE, error};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::{Caller, World};

/// Somebody with a browser.
#[derive(Debug)]
pub struct Person {
    /// Name of the account.
    pub account: String,
    /// Visits on a working day.
    pub visits: f64,
    /// How many of the logins go wrong at first.
    pub clumsy: f64,
    /// The browser.
    pub browser: Arc<Agent>,
    /// The day on which it is updated.
    pub update: u64,
}

const FIRST: [&str; 24] = [
    "anna", "ben", "carla", "david", "elif", "felix", "greta", "hassan", "ines", "jonas", "katja", "lukas", "mia",
    "noah", "olga", "paul", "rosa", "stefan", "tarek", "ute", "vera", "wim", "yara", "zoe",
];
const LAST: [&str; 24] = [
    "adler", "bauer", "costa", "diaz", "ernst", "fuchs", "gomez", "huber", "ivanov", "jansen", "keller", "lang",
    "meyer", "novak", "otto", "petit", "roth", "sander", "turan", "ullrich", "vogt", "weber", "yilmaz", "zimmer",
];

/// A name that somebody has; numbers make it their own.
pub fn name(number: u64, chance: &mut Chance) -> String {
    format!("{}.{}{number}", chance.pick(&FIRST), chance.pick(&LAST))
}

impl Person {
    /// Number so and so. Few visit often: the tail is heavy.
    pub fn new(number: u64, days: u64, chance: &mut Chance) -> Self {
        Self {
            account: name(number, chance),
            visits: chance.tail(0.22, 1.25, 7.0),
            clumsy: chance.spread(0.05, 0.8).min(0.5),
            browser: agents::browser(chance),
            update: chance.below(2 * days),
        }
    }

    /// The browser as it is on this day.
    pub fn browser_on(&self, day: u64) -> Arc<Agent> {
        if day >= self.update {
            agents::updated(&self.browser)
        } else {
            Arc::clone(&self.browser)
        }
    }
}

/// Everybody at home.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("people");
    let homes = places::NETWORKS[..10]
        .iter()
        .filter(|network| network.usage == places::Use::Home);
    let homes: Vec<&'static Network> = homes.collect();
    let (calendar, dual) = (world.calendar, world.kind.dual_stack);
    for number in 0..world.scaled(world.kind.people) {
        let person = Person::new(number, calendar.days, &mut chance);
        world.accounts.push(person.account.clone());
        let home = *chance.pick(&homes);
        let six = dual && chance.is(0.6);
        let mut line = chance.below(60_000);
        for day in 0..calendar.days {
            // A provider gives a new address now and then.
            if chance.is(0.12) {
                line = chance.below(60_000);
            }
            let host = chance.number();
            for _ in 0..chance.times(person.visits * calendar.share(day, Hours::Daylight)) {
                let at = calendar.moment(day, Hours::Daylight, &mut chance);
                let from = if six && chance.is(0.6) {
                    home.v6(line, host)
                } else {
                    home.v4(line)
                };
                visit(world, &person, from, &person.browser_on(day), at, &mut chance);
            }
        }
    }
    traveller(world, &mut chance);
}

/// One visit.
pub(super) fn visit(
    world: &mut World,
    person: &Person,
    from: IpAddr,
    browser: &Arc<Agent>,
    mut at: u64,
    chance: &mut Chance,
) {
    let mut caller = world.caller(from, browser);
    let think = |chance: &mut Chance| (chance.spread(7.0, 0.9) * SECOND as f64) as u64;
    world.ask(&caller, at, service::HOME, Request::get("/"), chance);
    at += think(chance);
    if chance.is(person.clumsy) {
        let began = at;
        // Most see it at once; some have forgotten it altogether.
        let wrong = if chance.is(0.15) {
            chance.between(4, 6)
        } else {
            chance.between(1, 2)
        };
        for _ in 0..wrong {
            world.login(&caller, at, &person.account, false, chance);
            at += think(chance);
        }
        if wrong > 3 {
            let request = Request::post(service::RESET.path, &json!({ "username": person.account }));
            world.ask(&caller, at, service::RESET, request, chance);
            at += 2 * MINUTE + think(chance);
        }
        let actors = Actors {
            addresses: vec![from],
            accounts: vec![person.account.clone()],
            ..Actors::default()
        };
        world.look_alike("a mistyped password", "auth_failures", actors, began, at);
    }
    let session = world.login(&caller, at, &person.account, true, chance);
    caller.credential = vec![("Cookie", format!("session={session}; theme=dark"))];
    at += think(chance);
    for _ in 0..=steps(chance) {
        step(world, &caller, at, chance);
        at += think(chance);
    }
}

/// One thing that people do next.
pub(super) fn step(world: &mut World, caller: &Caller, at: u64, chance: &mut Chance) {
    // A few products are what most look at.
    let product = (chance.tail(1.0, 0.6, CATALOGUE as f64)) as u64;
    match chance.below(100) {
        0..22 => {
            let page = 1 + chance.times(0.6);
            let request = Request::get(format!("{}?page={page}&per_page=20", service::PRODUCTS.path));
            world.ask(caller, at, service::PRODUCTS, request, chance);
        }
        22..58 => {
            // Some are gone: a link in an old mail.
            if chance.is(0.02) {
                let gone = CATALOGUE + chance.below(900);
                let request = Request::get(service::PRODUCT.at(gone));
                world.tell(
                    caller,
                    at,
                    service::PRODUCT,
                    request,
                    error(404, "no such product"),
                    chance,
                );
            } else {
                world.ask(
                    caller,
                    at,
                    service::PRODUCT,
                    Request::get(service::PRODUCT.at(product)),
                    chance,
                );
            }
        }
        58..70 => {
            let words = [
                "lamp",
                "blue+chair",
                "wait..+what",
                "desk%20%26%20shelf",
                "caf%C3%A9",
                "50%25+off",
                "select+wine",
            ];
            let request = Request::get(format!("{}?q={}", service::SEARCH.path, chance.pick(&words)));
            world.ask(caller, at, service::SEARCH, request, chance);
        }
        70..78 => world.ask(caller, at, service::CART, Request::get(service::CART.path), chance),
        78..85 => {
            let request = Request::post(service::ADD.path, &json!({ "product": product, "count": 1 }));
            world.ask(caller, at, service::ADD, request, chance);
        }
        85..89 => {
            let request = Request::post(service::BUY.path, &json!({ "cart": chance.uuid(), "pay": "card" }));
            world.ask(caller, at, service::BUY, request, chance);
            super::outbound::payment(world, at + 20 * MILLI, chance);
            if chance.is(0.4) {
                paid(
                    world,
                    caller,
                    at + (chance.spread(40.0, 0.5) * SECOND as f64) as u64,
                    chance,
                );
            }
        }
        89..93 => world.ask(caller, at, service::ORDERS, Request::get(service::ORDERS.path), chance),
        93..96 => {
            let request = Request::get(service::ORDER.at(100_000 + chance.below(80_000)));
            world.ask(caller, at, service::ORDER, request, chance);
        }
        96..98 => world.ask(
            caller,
            at,
            service::PROFILE,
            Request::get(service::PROFILE.path),
            chance,
        ),
        98 => {
            let request = Request::new("PUT", service::CHANGE.path).json(&json!({ "phone": "0301234567" }));
            world.ask(caller, at, service::CHANGE, request, chance);
        }
        _ => avatar(world, caller, at, chance),
    }
}

/// Somebody names a picture on the CDN from which the host fetches pictures all day long, and it fetches this one, too.
fn avatar(world: &mut World, caller: &Caller, at: u64, chance: &mut Chance) {
    let url = format!("https://{}/avatars/{}.png", super::outbound::PICTURES, chance.hex(20));
    world.ask(
        caller,
        at,
        service::AVATAR,
        Request::post(service::AVATAR.path, &json!({ "url": url })),
        chance,
    );
    super::outbound::picture(world, at + 40 * MILLI, chance);
    let actors = Actors {
        addresses: vec![caller.from],
        ..Actors::default()
    };
    let until = at + SECOND;
    world.look_alike(
        "a picture on the CDN that is used all day",
        "request_forgery",
        actors,
        at,
        until,
    );
}

/// Somebody comes back from the payment provider's page, which the browser says, and the host asks the provider how it went.
fn paid(world: &mut World, caller: &Caller, at: u64, chance: &mut Chance) {
    let page = format!("https://{}/v2/checkout/{}", super::outbound::PAYMENTS, chance.hex(16));
    let request = Request::get(service::ORDER.at(100_000 + chance.below(80_000))).with("Referer", page);
    world.ask(caller, at, service::ORDER, request, chance);
    super::outbound::payment(world, at + 20 * MILLI, chance);
    let actors = Actors {
        addresses: vec![caller.from],
        ..Actors::default()
    };
    let until = at + SECOND;
    world.look_alike("back from the payment provider", "request_forgery", actors, at, until);
}

/// Somebody is at home, flies for nine hours, and logs in over there.
fn traveller(world: &mut World, chance: &mut Chance) {
    let calendar = world.calendar;
    if world.kind.people == 0 || calendar.days < 2 {
        return;
    }
    let person = Person::new(9_001, calendar.days, chance);
    let (home, away) = (places::named("home-berlin"), places::named("home-new-york"));
    let day = calendar.days - 2;
    let leaves = calendar.day(day) + 7 * 60 * MINUTE + chance.below(60 * MINUTE);
    let arrives = leaves + 12 * 60 * MINUTE;
    let (there, here) = (away.v4(chance.below(60_000)), home.v4(chance.below(60_000)));
    for (from, at) in [(here, leaves), (there, arrives), (there, arrives + 90 * MINUTE)] {
        visit(world, &person, from, &person.browser_on(day), at, chance);
    }
    let actors = Actors {
        addresses: vec![here, there],
        accounts: vec![person.account],
        ..Actors::default()
    };
    world.look_alike("a flight", "credential_sharing", actors, leaves, arrives + 120 * MINUTE);
}

/// How much they do on one visit: mostly little, sometimes a lot.
fn steps(chance: &mut Chance) -> u64 {
    let mean = chance.spread(4.0, 0.6);
    chance.times(mean).min(40)
}
