//! One program behind many addresses, and programs that say they are another.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::Request;
use crate::scenarios::places::{self, Use};
use crate::scenarios::service::{self, CATALOGUE};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 3] = [
    Variant {
        name: "fleet-fast",
        what: "one program nobody else has, behind two hundred addresses in an hour, as many browsers",
        detectors: &["client_fingerprint"],
        may: &["user_agent", "scraping", "request_rate"],
        worlds: &[],
        hours: 2,
        act: fast,
    },
    Variant {
        name: "fleet-slow",
        what: "the same behind sixty addresses in sixteen hours, one request each",
        detectors: &["client_fingerprint"],
        may: &["user_agent", "scraping"],
        worlds: &[],
        hours: 17,
        act: slow,
    },
    Variant {
        name: "says-it-is-chrome",
        what: "Python's requests from one address, by the name of Chrome, sixty times",
        detectors: &["client_fingerprint"],
        may: &["user_agent", "scraping"],
        worlds: &[],
        hours: 1,
        act: contradiction,
    },
];

fn fast(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    fleet(world, at, 200, 3, HOUR, chance)
}

fn slow(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    fleet(world, at, 60, 1, 16 * HOUR, chance)
}

fn fleet(world: &mut World, at: u64, addresses: u64, each: u64, within: u64, chance: &mut Chance) -> Marks {
    let networks: Vec<_> = places::used_for(Use::Home)
        .into_iter()
        .chain(places::used_for(Use::Hosting))
        .collect();
    for _ in 0..addresses {
        let from = chance.pick(&networks).v4(chance.below(60_000));
        let name = agents::browser_name(chance);
        let caller = world.caller(from, &agents::bot_as(&name));
        let mut at = at + chance.below(within);
        for _ in 0..each {
            let request = Request::get(service::PRODUCT.at(chance.below(CATALOGUE)));
            world.ask(&caller, at, service::PRODUCT, request, chance);
            at += SECOND + chance.below(30 * SECOND);
        }
    }
    Marks {
        endpoints: vec![service::PRODUCT.endpoint()],
        ..Marks::default()
    }
}

fn contradiction(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let name = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36";
    let caller = world.caller(
        places::named("hosting-nl").v4(41_000 + chance.below(9_000)),
        &agents::python_as(name),
    );
    for _ in 0..60 {
        let request = Request::get(service::PRODUCT.at(chance.below(CATALOGUE)));
        world.ask(&caller, at, service::PRODUCT, request, chance);
        at += 5 * SECOND + chance.below(MINUTE / 2);
    }
    Marks::default()
}
