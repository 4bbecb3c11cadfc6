//! Guessing: many refusals.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::{partners, phones};
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, error};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        name: "password-guessing-fast",
        what: "one address tries three hundred passwords of one account in ten minutes",
        detectors: &["auth_failures"],
        may: &["credential_stuffing", "error_surge"],
        worlds: &[],
        hours: 1,
        act: fast,
    },
    Variant {
        name: "password-guessing-slow",
        what: "one address tries a password of one account every four minutes for twelve hours",
        detectors: &["auth_failures"],
        may: &["credential_stuffing", "error_surge"],
        worlds: &[],
        hours: 13,
        act: slow,
    },
    Variant {
        name: "forbidden-pages",
        what: "a customer's token asks for every page of the staff's and is refused, a hundred and twenty times",
        detectors: &["auth_failures"],
        may: &["error_surge", "enumeration", "request_rate"],
        worlds: &[],
        hours: 1,
        act: forbidden,
    },
    Variant {
        name: "keys-tried",
        what: "eight addresses try keys that nobody has, four hundred in an hour",
        detectors: &["auth_failures"],
        may: &["unknown_credential", "error_surge", "credential_stuffing"],
        worlds: &[],
        hours: 1,
        act: keys,
    },
];

fn fast(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    guess(world, at, 300, 2 * SECOND, chance)
}

fn slow(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    guess(world, at, 180, 4 * MINUTE, chance)
}

fn guess(world: &mut World, mut at: u64, times: u64, every: u64, chance: &mut Chance) -> Marks {
    let account = chance.pick(&world.accounts).clone();
    let from = places::named("hosting-ro").v4(chance.below(60_000));
    let caller = world.caller(from, &agents::library(0));
    for _ in 0..times {
        world.login(&caller, at, &account, false, chance);
        at += every / 2 + chance.below(every);
    }
    Marks {
        accounts: vec![account],
        endpoints: vec![service::LOGIN.endpoint()],
        ..Marks::default()
    }
}

fn forbidden(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let account = "mallory.customer77".to_owned();
    let token = phones::token(&account, at, chance);
    let mut caller = world.caller(places::named("home-br").v4(chance.below(60_000)), &agents::library(1));
    caller.credential = vec![("Authorization", format!("Bearer {token}"))];
    // The token itself is good.
    world.ask(
        &caller,
        at,
        service::PROFILE,
        Request::get(service::PROFILE.path),
        chance,
    );
    let pages = [
        "users", "roles", "keys", "billing", "audit", "settings", "exports", "hooks",
    ];
    for _ in 0..120 {
        at += 6 * SECOND + chance.below(8 * SECOND);
        let request = Request::get(service::ADMIN.at(chance.pick(&pages)));
        world.tell(&caller, at, service::ADMIN, request, error(403, "staff only"), chance);
    }
    Marks {
        accounts: vec![account],
        secrets: vec![token],
        endpoints: vec![service::ADMIN.endpoint()],
        ..Marks::default()
    }
}

fn keys(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let network = places::named("hosting-sg");
    let mut secrets = Vec::new();
    for number in 0..8 {
        let mut caller = world.caller(network.v4(3_000 + number), &agents::library(0));
        for _ in 0..50 {
            let key = partners::key(chance);
            caller.credential = vec![("X-Api-Key", key.clone())];
            secrets.push(key);
            let request = Request::get(service::ORDERS.path);
            world.tell(
                &caller,
                at + chance.below(HOUR),
                service::ORDERS,
                request,
                error(401, "unknown key"),
                chance,
            );
        }
    }
    Marks {
        secrets,
        endpoints: vec![service::ORDERS.endpoint()],
        ..Marks::default()
    }
}
