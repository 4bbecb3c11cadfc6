//! Credentials that nobody has: invented keys and tokens, from one place or from everywhere.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::{partners, people, phones};
use crate::scenarios::http::Request;
use crate::scenarios::places::{self, Use};
use crate::scenarios::service::{self, error};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        name: "keys-invented",
        what: "one address tries two hundred and fifty keys that nobody has, within an hour",
        detectors: &["unknown_credential"],
        may: &["auth_failures", "error_surge"],
        worlds: &[],
        hours: 2,
        act: keys,
    },
    Variant {
        name: "keys-invented-slow",
        what: "twenty neighbouring addresses try ninety keys in fifteen hours",
        detectors: &["unknown_credential"],
        may: &["auth_failures", "error_surge"],
        worlds: &[],
        hours: 16,
        act: slow,
    },
    Variant {
        name: "tokens-forged",
        what: "one address shows a hundred and fifty tokens, each for another user, in three hours",
        detectors: &["unknown_credential"],
        may: &["auth_failures", "error_surge"],
        worlds: &[],
        hours: 4,
        act: tokens,
    },
    Variant {
        name: "keys-from-everywhere",
        what: "three hundred addresses try a key each at one endpoint, in four hours",
        detectors: &["unknown_credential"],
        may: &["auth_failures", "error_surge", "unusual_origin"],
        worlds: &[],
        hours: 5,
        act: everywhere,
    },
];

/// A key that nobody has is tried and refused.
fn try_key(world: &mut World, from: std::net::IpAddr, at: u64, chance: &mut Chance) -> String {
    let key = partners::key(chance);
    let mut caller = world.caller(from, &agents::library(2));
    caller.credential = vec![("X-Api-Key", key.clone())];
    let request = Request::get(service::ORDERS.path);
    world.tell(&caller, at, service::ORDERS, request, error(401, "unknown key"), chance);
    key
}

fn keys(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-us").v4(chance.below(60_000));
    let secrets = (0..250)
        .map(|_| {
            let later = chance.below(HOUR);
            try_key(world, from, at + later, chance)
        })
        .collect();
    marks(secrets, Vec::new())
}

fn slow(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    // Neighbours: numbers of the model are spread over the block, so these are written out.
    let secrets = (0..90u64)
        .map(|number| {
            let from = format!("128.199.77.{}", 10 + number % 20).parse().expect("an address");
            let later = number * 10 * MINUTE + chance.below(5 * MINUTE);
            try_key(world, from, at + later, chance)
        })
        .collect();
    marks(secrets, Vec::new())
}

fn tokens(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("home-vn").v4(chance.below(60_000));
    let (mut secrets, mut accounts) = (Vec::new(), Vec::new());
    for number in 0..150 {
        let account = people::name(70_000 + number, chance);
        let now = at + number * 70 * (MINUTE / 60) + chance.below(MINUTE);
        let token = phones::token(&account, now, chance);
        let mut caller = world.caller(from, &agents::library(0));
        caller.credential = vec![("Authorization", format!("Bearer {token}"))];
        let request = Request::get(service::PROFILE.path);
        world.tell(
            &caller,
            now,
            service::PROFILE,
            request,
            error(401, "bad signature"),
            chance,
        );
        secrets.push(token);
        accounts.push(account);
    }
    Marks {
        endpoints: vec![service::PROFILE.endpoint()],
        ..marks(secrets, accounts)
    }
}

fn everywhere(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let networks: Vec<_> = places::used_for(Use::Home)
        .into_iter()
        .chain(places::used_for(Use::Hosting))
        .collect();
    let secrets = (0..300)
        .map(|_| {
            let from = chance.pick(&networks).v4(chance.below(60_000));
            let later = chance.below(4 * HOUR);
            try_key(world, from, at + later, chance)
        })
        .collect();
    marks(secrets, Vec::new())
}

fn marks(secrets: Vec<String>, accounts: Vec<String>) -> Marks {
    Marks {
        accounts,
        secrets,
        endpoints: vec![service::ORDERS.endpoint()],
        ..Marks::default()
    }
}
