//! When it matters: an attack that is there from the beginning, one that begins slowly, and a rush that nobody announced.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::{people, promotion};
use crate::scenarios::places::{self, Use};
use crate::scenarios::service;
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 3] = [
    Variant {
        name: "stuffing-since-the-beginning",
        what: "a program tries thirty names an hour from hired homes, all through the days that teach and on",
        detectors: &["credential_stuffing"],
        may: &["auth_failures", "client_fingerprint", "error_surge", "unusual_origin"],
        worlds: &[],
        hours: 10,
        act: since_the_beginning,
    },
    Variant {
        name: "guessing-slow-start",
        what: "one address guesses passwords of one account, twice an hour at first, and every four hours twice as often",
        detectors: &["auth_failures"],
        may: &["credential_stuffing", "error_surge", "unusual_origin"],
        worlds: &[],
        hours: 24,
        act: slow_start,
    },
    Variant {
        name: "promotion-not-announced",
        what: "ten times as many visitors as ever for three hours, and nobody has said that they would come",
        detectors: &["request_rate"],
        may: &["latency_shift"],
        worlds: &["storefront", "balanced"],
        hours: 4,
        act: not_announced,
    },
];

fn since_the_beginning(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let homes = places::used_for(Use::Home);
    let agent = agents::bot_as(&agents::browser_name(chance));
    let mut now = world.calendar.start + 2 * HOUR;
    let mut accounts = Vec::new();
    while now < at + 10 * HOUR {
        let caller = world.caller(chance.pick(&homes).v4(chance.below(60_000)), &agent);
        let name = people::name(20_000 + chance.below(70_000), chance);
        world.login(&caller, now, &name, false, chance);
        accounts.push(name);
        now += MINUTE + chance.below(2 * MINUTE);
    }
    marks(accounts)
}

fn slow_start(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let victim = chance.pick(&world.accounts).clone();
    let from = places::named("hosting-sg").v4(chance.below(60_000));
    let mut now = at;
    while now < at + 24 * HOUR {
        let caller = world.caller(from, &agents::library(2));
        world.login(&caller, now, &victim, false, chance);
        let pause = (30 * MINUTE) >> ((now - at) / (4 * HOUR));
        now += pause / 2 + chance.below(pause.max(SECOND));
    }
    marks(vec![victim])
}

fn not_announced(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let visitors = 10 * world.scaled(world.kind.people);
    promotion::crowd(world, at, visitors, chance);
    Marks {
        endpoints: vec![service::HOME.endpoint(), service::PRODUCT.endpoint()],
        ..Marks::default()
    }
}

fn marks(accounts: Vec<String>) -> Marks {
    Marks {
        accounts,
        endpoints: vec![service::LOGIN.endpoint()],
        ..Marks::default()
    }
}
