//! One credential in too many hands.

use super::{CITIES, Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::phones;
use crate::scenarios::http::Request;
use crate::scenarios::places::{self, Use};
use crate::scenarios::service;
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        name: "key-in-many-networks",
        what: "a partner's key from fourteen networks of ten countries in two hours",
        detectors: &["credential_sharing"],
        may: &["unusual_origin"],
        worlds: &[],
        hours: 3,
        act: many,
    },
    Variant {
        name: "token-travels",
        what: "a customer's token in Berlin, and twenty minutes later in Tokyo",
        detectors: &["credential_sharing"],
        may: &["unusual_origin", "account_anomaly"],
        worlds: CITIES,
        hours: 2,
        act: travel,
    },
    Variant {
        name: "session-travels-unseen-city",
        what: "a session in Munich, and ten minutes later in São Paulo, back and forth for two hours",
        detectors: &["credential_sharing"],
        may: &["unusual_origin", "account_anomaly"],
        worlds: &[],
        hours: 3,
        act: session,
    },
    Variant {
        name: "key-in-two-hands",
        what: "a partner's key from its own network and from a rented machine on another continent, in turns, for six hours",
        detectors: &["credential_sharing"],
        may: &["unusual_origin"],
        worlds: &[],
        hours: 7,
        act: two_hands,
    },
];

fn many(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let (key, _, _) = chance.pick(&world.keys).clone();
    let networks = [
        "home-br", "home-in", "home-vn", "home-za", "home-tr", "home-jp", "home-au",
    ]
    .map(places::named);
    let networks: Vec<_> = networks
        .into_iter()
        .chain(places::used_for(Use::Hosting))
        .chain(["home-london", "home-warsaw", "home-paris"].map(places::named))
        .collect();
    for network in networks {
        let mut caller = world.caller(network.v4(chance.below(60_000)), &agents::library(0));
        caller.credential = vec![("X-Api-Key", key.clone())];
        for _ in 0..6 {
            let request = Request::get(service::ORDERS.path);
            world.ask(&caller, at + chance.below(2 * HOUR), service::ORDERS, request, chance);
        }
    }
    Marks {
        secrets: vec![key],
        ..Marks::default()
    }
}

fn travel(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let (account, here) = chance.pick(&world.phones).clone();
    let token = phones::token(&account, at, chance);
    let app = agents::app(22, chance);
    for (from, later) in [
        (here, 0),
        (places::named("home-jp").v4(chance.below(60_000)), 20 * MINUTE),
    ] {
        let mut caller = world.caller(from, &app);
        caller.credential = vec![("Authorization", format!("Bearer {token}"))];
        for number in 0..5 {
            let request = Request::get(service::ORDERS.path);
            world.ask(
                &caller,
                at + later + number * 9 * SECOND,
                service::ORDERS,
                request,
                chance,
            );
        }
    }
    Marks {
        accounts: vec![account],
        secrets: vec![token],
        ..Marks::default()
    }
}

fn session(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let account = chance.pick(&world.accounts).clone();
    let browser = agents::browser(chance);
    let ends = [
        places::named("home-munich").v4(chance.below(60_000)),
        places::named("home-br").v4(chance.below(60_000)),
    ];
    let first = world.caller(ends[0], &browser);
    let cookie = world.login(&first, at, &account, true, chance);
    let at = at + MINUTE;
    for round in 0..12 {
        let mut caller = world.caller(ends[round % 2], &browser);
        caller.credential = vec![("Cookie", format!("session={cookie}; theme=dark"))];
        for number in 0..4 {
            let request = Request::get(service::PROFILE.path);
            let at = at + round as u64 * 10 * MINUTE + number * 20 * SECOND;
            world.ask(&caller, at, service::PROFILE, request, chance);
        }
    }
    Marks {
        accounts: vec![account],
        secrets: vec![cookie],
        ..Marks::default()
    }
}

fn two_hands(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let (key, own, program) = chance.pick(&world.keys).clone();
    let other = places::named("hosting-sg").v4(chance.below(60_000));
    for round in 0..24 {
        let mut caller = world.caller(if round % 2 == 0 { own } else { other }, &agents::library(program));
        caller.credential = vec![("X-Api-Key", key.clone())];
        for page in 1..4 {
            let request = Request::get(format!("{}?page={page}&per_page=100", service::PRODUCTS.path));
            world.ask(
                &caller,
                at + round * 15 * MINUTE + page * SECOND,
                service::PRODUCTS,
                request,
                chance,
            );
        }
    }
    Marks {
        secrets: vec![key],
        ..Marks::default()
    }
}
