//! Things of others, asked for one by one: with an identity or none, with many, refused or not; and one thing that many
//! ask for.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::phones;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, error};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        name: "orders-guessed",
        what: "a customer guesses three hundred numbers of orders in three hours and gets none",
        detectors: &["enumeration"],
        may: &["scraping", "error_surge", "auth_failures", "unusual_origin"],
        worlds: &[],
        hours: 4,
        act: guessed,
    },
    Variant {
        name: "reports-without-login",
        what: "an address that says nothing of who it is reads a report every two minutes for eight hours",
        detectors: &["enumeration"],
        may: &["scraping", "unusual_origin"],
        worlds: &[],
        hours: 9,
        act: reports,
    },
    Variant {
        name: "orders-by-thirty-accounts",
        what: "one address asks with thirty accounts for fifteen orders each",
        detectors: &["enumeration"],
        may: &["scraping", "request_rate", "unusual_origin", "account_anomaly"],
        worlds: &[],
        hours: 3,
        act: accounts,
    },
    Variant {
        name: "order-passed-around",
        what: "sixty accounts, each at an address of its own, ask for one and the same order within eight hours",
        detectors: &["enumeration"],
        may: &[],
        worlds: &[],
        hours: 9,
        act: passed_around,
    },
];

fn guessed(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let account = chance.pick(&world.accounts).clone();
    let from = places::named("home-tr").v4(chance.below(60_000));
    let mut caller = world.caller(from, &agents::browser(chance));
    let cookie = world.login(&caller, at, &account, true, chance);
    caller.credential = vec![("Cookie", format!("session={cookie}; theme=dark"))];
    for _ in 0..300 {
        at += 12 * SECOND + chance.below(48 * SECOND);
        caller.visit = world.visit();
        let request = Request::get(service::ORDER.at(chance.between(100_000, 990_000)));
        let refused = if chance.is(0.7) {
            error(404, "no such order")
        } else {
            error(403, "not yours")
        };
        world.tell(&caller, at, service::ORDER, request, refused, chance);
    }
    Marks {
        accounts: vec![account],
        secrets: vec![cookie],
        endpoints: vec![service::ORDER.endpoint()],
        ..Marks::default()
    }
}

fn reports(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-us").v4(chance.below(60_000));
    let mut caller = world.caller(from, &agents::library(2));
    for number in 0..240 {
        at += 80 * SECOND + chance.below(80 * SECOND);
        caller.visit = world.visit();
        let request = Request::get(service::REPORT.at(1_000 + number));
        world.ask(&caller, at, service::REPORT, request, chance);
    }
    Marks {
        endpoints: vec![service::REPORT.endpoint()],
        ..Marks::default()
    }
}

fn accounts(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-ro").v4(chance.below(60_000));
    let (mut accounts, mut secrets) = (Vec::new(), Vec::new());
    for number in 0..30 {
        let account = format!("puppet.mallory{number}");
        let mut now = at + number * 3 * MINUTE + chance.below(2 * MINUTE);
        let token = phones::token(&account, now, chance);
        let mut caller = world.caller(from, &agents::app(22, chance));
        caller.credential = vec![("Authorization", format!("Bearer {token}"))];
        for _ in 0..15 {
            now += SECOND + chance.below(20 * SECOND);
            let request = Request::get(service::ORDER.at(chance.between(100_000, 180_000)));
            world.ask(&caller, now, service::ORDER, request, chance);
        }
        accounts.push(account);
        secrets.push(token);
    }
    Marks {
        accounts,
        secrets,
        endpoints: vec![service::ORDER.endpoint()],
        ..Marks::default()
    }
}

fn passed_around(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let (mut accounts, mut secrets) = (Vec::new(), Vec::new());
    let homes = [
        "home-berlin",
        "home-paris",
        "home-london",
        "home-munich-2",
        "home-new-york",
    ]
    .map(places::named);
    for number in 0..60 {
        let account = format!("curious.reader{number}");
        let now = at + chance.below(8 * HOUR);
        let token = phones::token(&account, now, chance);
        let from = chance.pick(&homes).v4(chance.below(60_000));
        let mut caller = world.caller(from, &agents::app(22, chance));
        caller.credential = vec![("Authorization", format!("Bearer {token}"))];
        let request = Request::get(service::ORDER.at(123_456));
        world.ask(&caller, now, service::ORDER, request, chance);
        accounts.push(account);
        secrets.push(token);
    }
    Marks {
        accounts,
        secrets,
        endpoints: vec![service::ORDER.endpoint()],
        ..Marks::default()
    }
}
