//! All that there is to read, read by one: everywhere in the shop, or with one session from a new address each time.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, CATALOGUE, error};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 2] = [
    Variant {
        name: "scraping-everything",
        what: "a program reads products, reports and pages of help, fifteen hundred in three hours, some long gone",
        detectors: &["scraping"],
        may: &["request_rate", "enumeration", "error_surge", "unusual_origin"],
        worlds: &[],
        hours: 4,
        act: everything,
    },
    Variant {
        name: "scraping-with-one-session",
        what: "one session reads twelve hundred products in eight hours, from another home each time",
        detectors: &["scraping"],
        may: &["enumeration", "credential_sharing", "unusual_origin", "account_anomaly"],
        worlds: &[],
        hours: 9,
        act: one_session,
    },
];

fn everything(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-nl").v4(50_000 + chance.below(900));
    let caller = world.caller(from, &agents::library(0));
    for number in 0..1_500 {
        at += 2 * SECOND + chance.below(10 * SECOND);
        match number % 10 {
            0 => world.ask(
                &caller,
                at,
                service::REPORT,
                Request::get(service::REPORT.at(number / 10)),
                chance,
            ),
            1 => {
                let request = Request::get(service::HELP.at(format!("topic-{number}")));
                world.tell(&caller, at, service::HELP, request, error(404, "not found"), chance);
            }
            _ => world.ask(
                &caller,
                at,
                service::PRODUCT,
                Request::get(service::PRODUCT.at(number)),
                chance,
            ),
        }
    }
    Marks {
        endpoints: vec![service::PRODUCT.endpoint(), service::REPORT.endpoint()],
        ..Marks::default()
    }
}

fn one_session(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let cookie = chance.hex(32);
    let browser = agents::browser(chance);
    let homes = ["home-br", "home-in", "home-vn", "home-za"].map(places::named);
    for number in 0..1_200 {
        let from = chance.pick(&homes).v4(chance.below(200));
        let mut caller = world.caller(from, &browser);
        caller.credential = vec![("Cookie", format!("session={cookie}; theme=dark"))];
        let now = at + number * 24 * SECOND + chance.below(20 * SECOND);
        let request = Request::get(service::PRODUCT.at((7 * number) % CATALOGUE));
        world.ask(&caller, now, service::PRODUCT, request, chance);
    }
    const { assert!(1_200 * 24 * SECOND <= 8 * HOUR) };
    Marks {
        secrets: vec![cookie],
        endpoints: vec![service::PRODUCT.endpoint()],
        ..Marks::default()
    }
}
