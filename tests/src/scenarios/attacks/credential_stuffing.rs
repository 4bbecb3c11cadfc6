//! Names and passwords that leaked elsewhere, tried here.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::people;
use crate::scenarios::places::{self, Use};
use crate::scenarios::service;
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        name: "stuffing-one-source",
        what: "one address tries four hundred names in fifteen minutes; one in a hundred works",
        detectors: &["credential_stuffing"],
        may: &["auth_failures", "error_surge", "unknown_credential", "request_rate"],
        worlds: &[],
        hours: 1,
        act: one_source,
    },
    Variant {
        name: "stuffing-botnet",
        what: "a hundred and fifty addresses of many networks try four names each in two hours, with one program",
        detectors: &["credential_stuffing"],
        may: &[
            "auth_failures",
            "error_surge",
            "unknown_credential",
            "client_fingerprint",
            "request_rate",
        ],
        worlds: &[],
        hours: 3,
        act: botnet,
    },
    Variant {
        name: "spraying-slow",
        what: "one address tries one password on a hundred and twenty names in twenty hours",
        detectors: &["credential_stuffing"],
        may: &["auth_failures", "error_surge", "unknown_credential"],
        worlds: &[],
        hours: 21,
        act: spray,
    },
    Variant {
        name: "one-account-from-many",
        what: "eighty addresses try one account, three times each, in three hours",
        detectors: &["credential_stuffing"],
        may: &["auth_failures", "error_surge", "client_fingerprint"],
        worlds: &[],
        hours: 4,
        act: one_account,
    },
];

/// A name from a list: some are customers'.
fn leaked(world: &World, chance: &mut Chance) -> String {
    if chance.is(0.08) {
        chance.pick(&world.accounts).clone()
    } else {
        people::name(20_000 + chance.below(70_000), chance)
    }
}

fn marks(accounts: Vec<String>) -> Marks {
    Marks {
        accounts,
        endpoints: vec![service::LOGIN.endpoint()],
        ..Marks::default()
    }
}

fn one_source(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-us").v4(chance.below(60_000));
    let caller = world.caller(from, &agents::library(1));
    let mut accounts = Vec::new();
    for _ in 0..400 {
        let account = leaked(world, chance);
        let works = chance.is(0.01);
        world.login(&caller, at, &account, works, chance);
        accounts.push(account);
        at += SECOND + chance.below(5 * SECOND / 2);
    }
    marks(accounts)
}

fn botnet(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let homes = places::used_for(Use::Home);
    let agent = agents::bot_as(&agents::browser_name(chance));
    let mut accounts = Vec::new();
    for _ in 0..150 {
        let from = chance.pick(&homes).v4(chance.below(60_000));
        for _ in 0..4 {
            let caller = world.caller(from, &agent);
            let account = leaked(world, chance);
            let works = chance.is(0.008);
            world.login(&caller, at + chance.below(2 * HOUR), &account, works, chance);
            accounts.push(account);
        }
    }
    marks(accounts)
}

fn spray(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-nl").v4(9_000 + chance.below(9_000));
    let agent = agents::browser(chance);
    let mut accounts = Vec::new();
    for _ in 0..120 {
        let caller = world.caller(from, &agent);
        let account = leaked(world, chance);
        world.login(&caller, at, &account, false, chance);
        accounts.push(account);
        at += 5 * MINUTE + chance.below(10 * MINUTE);
    }
    marks(accounts)
}

fn one_account(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let networks: Vec<_> = places::used_for(Use::Home)
        .into_iter()
        .chain(places::used_for(Use::Hosting))
        .collect();
    let account = chance.pick(&world.accounts).clone();
    let agent = agents::library(0);
    for _ in 0..80 {
        let from = chance.pick(&networks).v4(chance.below(60_000));
        for _ in 0..3 {
            let caller = world.caller(from, &agent);
            world.login(&caller, at + chance.below(3 * HOUR), &account, false, chance);
        }
    }
    marks(vec![account])
}
