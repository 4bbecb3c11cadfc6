//! Well-formed requests of a good customer, far too many or of the wrong things.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::phones;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, CATALOGUE};
use crate::scenarios::world::{Caller, World};

pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        name: "orders-of-others",
        what: "one token asks for a thousand orders by their numbers, one after the other",
        detectors: &["enumeration"],
        may: &["request_rate", "scraping"],
        worlds: &[],
        hours: 1,
        act: orders,
    },
    Variant {
        name: "orders-of-others-slow",
        what: "the same for four hundred orders in twelve hours",
        detectors: &["enumeration"],
        may: &["scraping"],
        worlds: &[],
        hours: 13,
        act: orders_slow,
    },
    Variant {
        name: "scraping-fast",
        what: "one address reads two thousand products in an hour",
        detectors: &["scraping"],
        may: &["request_rate", "enumeration"],
        worlds: &[],
        hours: 1,
        act: scrape,
    },
    Variant {
        name: "scraping-slow",
        what: "one address reads a product every minute for eighteen hours",
        detectors: &["scraping"],
        may: &["request_rate", "enumeration"],
        worlds: &[],
        hours: 19,
        act: scrape_slow,
    },
];

fn orders(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    enumerate(world, at, 1_000, HOUR / 1_100, chance)
}

fn orders_slow(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    enumerate(world, at, 400, 108 * SECOND, chance)
}

fn enumerate(world: &mut World, mut at: u64, times: u64, every: u64, chance: &mut Chance) -> Marks {
    let account = "mallory.curious8".to_owned();
    let token = phones::token(&account, at, chance);
    let mut caller = world.caller(places::named("home-warsaw").v4(31_000), &agents::app(22, chance));
    caller.credential = vec![("Authorization", format!("Bearer {token}"))];
    let first = 100_000 + chance.below(50_000);
    for number in 0..times {
        caller.visit = visit(world, &caller, every);
        world.ask(
            &caller,
            at,
            service::ORDER,
            Request::get(service::ORDER.at(first + number)),
            chance,
        );
        at += every / 2 + chance.below(every);
    }
    Marks {
        accounts: vec![account],
        secrets: vec![token],
        endpoints: vec![service::ORDER.endpoint()],
        ..Marks::default()
    }
}

/// Slow ones come again over another connection.
fn visit(world: &mut World, caller: &Caller, every: u64) -> u64 {
    if every > 30 * SECOND {
        world.visit()
    } else {
        caller.visit
    }
}

fn scrape(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    read(world, at, 2_000, HOUR / 2_100, chance)
}

fn scrape_slow(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    read(world, at, 1_080, 60 * SECOND, chance)
}

fn read(world: &mut World, mut at: u64, times: u64, every: u64, chance: &mut Chance) -> Marks {
    let browser = agents::browser(chance);
    let mut caller = world.caller(places::named("home-london").v4(47_000 + chance.below(900)), &browser);
    for number in 0..times {
        caller.visit = visit(world, &caller, every);
        world.ask(
            &caller,
            at,
            service::PRODUCT,
            Request::get(service::PRODUCT.at(number % CATALOGUE)),
            chance,
        );
        at += every / 2 + chance.below(every);
    }
    Marks {
        endpoints: vec![service::PRODUCT.endpoint()],
        ..Marks::default()
    }
}
