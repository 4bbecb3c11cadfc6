//! Tools of attackers, and agents that change all the time.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::partners;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, CATALOGUE, error};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        name: "scanner-loud",
        what: "sqlmap, by its own name, a hundred requests",
        detectors: &["user_agent"],
        may: &["request_anomaly", "error_surge"],
        worlds: &[],
        hours: 1,
        act: sqlmap,
    },
    Variant {
        name: "scanner-quiet",
        what: "nuclei asks for two pages",
        detectors: &["user_agent"],
        may: &["shadow_endpoint"],
        worlds: &[],
        hours: 1,
        act: nuclei,
    },
    Variant {
        name: "agents-rotate-fast",
        what: "one address asks a hundred and twenty times in half an hour, as sixty browsers",
        detectors: &["user_agent"],
        may: &["client_fingerprint", "scraping"],
        worlds: &[],
        hours: 1,
        act: fast,
    },
    Variant {
        name: "agents-rotate-slow",
        what: "one key from one address asks every quarter of an hour for ten hours, as another browser each time",
        detectors: &["user_agent"],
        may: &["client_fingerprint", "scraping"],
        worlds: &[],
        hours: 11,
        act: slow,
    },
];

fn sqlmap(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let name = "sqlmap/1.8.4#stable (https://sqlmap.org)";
    let caller = world.caller(
        places::named("hosting-ro").v4(chance.below(60_000)),
        &agents::bot_as(name),
    );
    for number in 0..100 {
        let target = format!("{}?q=1%27%20AND%20{number}%3D{number}--%20", service::SEARCH.path);
        if chance.is(0.3) {
            world.tell(
                &caller,
                at,
                service::SEARCH,
                Request::get(target),
                error(500, "sql"),
                chance,
            );
        } else {
            world.ask(&caller, at, service::SEARCH, Request::get(target), chance);
        }
        at += SECOND / 2 + chance.below(SECOND);
    }
    Marks {
        agents: vec![name.to_owned()],
        endpoints: vec![service::SEARCH.endpoint()],
        ..Marks::default()
    }
}

fn nuclei(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let name = "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)";
    let caller = world.caller(
        places::named("hosting-sg").v4(chance.below(60_000)),
        &agents::bot_as(name),
    );
    for (number, target) in ["/.git/config", "/"].into_iter().enumerate() {
        let at = at + number as u64 * 20 * SECOND;
        if number == 0 {
            world.tell(
                &caller,
                at,
                service::HOME,
                Request::get(target),
                error(404, "not found"),
                chance,
            );
        } else {
            world.ask(&caller, at, service::HOME, Request::get(target), chance);
        }
    }
    Marks {
        agents: vec![name.to_owned()],
        ..Marks::default()
    }
}

fn fast(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-us").v4(chance.below(60_000));
    rotate(world, at, from, Vec::new(), (120, 15 * SECOND), 60, chance)
}

fn slow(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("home-br").v4(chance.below(60_000));
    let key = partners::key(chance);
    rotate(world, at, from, vec![key], (40, 15 * MINUTE), 40, chance)
}

fn rotate(
    world: &mut World,
    mut at: u64,
    from: std::net::IpAddr,
    secrets: Vec<String>,
    (times, every): (u64, u64),
    names: u64,
    chance: &mut Chance,
) -> Marks {
    // More versions and systems than people have.
    let names: Vec<String> = (0..names)
        .map(|_| {
            let name = agents::browser_name(chance);
            let version = chance.between(70, 139);
            [136, 137, 138, 139].iter().fold(name, |name, real| {
                name.replace(&format!("{real}.0"), &format!("{version}.0"))
            })
        })
        .collect();
    for _ in 0..times {
        let mut caller = world.caller(from, &agents::named(chance.pick(&names).as_str()));
        caller.credential = secrets.iter().map(|key| ("X-Api-Key", key.clone())).collect();
        let request = Request::get(service::PRODUCT.at(chance.below(CATALOGUE)));
        world.ask(&caller, at, service::PRODUCT, request, chance);
        at += every / 2 + chance.below(every);
    }
    // The names themselves are those of browsers that others have.
    Marks {
        secrets,
        ..Marks::default()
    }
}
