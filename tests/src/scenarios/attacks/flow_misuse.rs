//! Steps of a purchase left out, or done as no person does them.

use super::{Marks, Variant};
use crate::scenarios::agents::{self, Agent};
use crate::scenarios::calendar::{HOUR, MILLI, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::buyers::{self, Steps};
use crate::scenarios::habits::people;
use crate::scenarios::http::Request;
use crate::scenarios::places::{self, Network};
use crate::scenarios::service;
use crate::scenarios::world::{Caller, World};

/// Worlds in which enough is bought for an order to be known.
const WORLDS: &[&str] = &["storefront", "offices", "phones", "balanced"];
const MAY: &[&str] = &[
    "account_anomaly",
    "client_fingerprint",
    "request_rate",
    "scraping",
    "unusual_origin",
];

const fn variant(
    name: &'static str,
    what: &'static str,
    hours: u64,
    act: fn(&mut World, u64, &mut Chance) -> Marks,
) -> Variant {
    Variant {
        name,
        what,
        detectors: &["flow_misuse"],
        may: MAY,
        worlds: WORLDS,
        hours,
        act,
    }
}

pub(super) const VARIANTS: [Variant; 4] = [
    variant(
        "till-skipped-fast",
        "a program logs in and pays forty times in a quarter of an hour, without cart or till",
        1,
        skipped_fast,
    ),
    variant(
        "till-skipped-slow",
        "an account logs in, and pays without cart or till, every hour and a quarter, sixteen times",
        22,
        skipped_slow,
    ),
    variant(
        "till-by-machine",
        "a program goes through all the steps with a tenth of a second between them, thirty times in an hour",
        2,
        by_machine,
    ),
    variant(
        "till-skipped-by-many",
        "25 accounts behind one address log in, each pays once without cart or till, in two hours",
        3,
        by_many,
    ),
];

fn skipped_fast(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let account = people::name(50_000, chance);
    let (caller, session) = enter(
        world,
        &mut at,
        places::named("hosting-nl"),
        &account,
        &agents::library(0),
        chance,
    );
    for _ in 0..40 {
        let request = buyers::pay(chance);
        world.ask(&caller, at, service::PAY, request, chance);
        at += 15 * SECOND + chance.below(15 * SECOND);
    }
    marks(vec![account], vec![session])
}

fn skipped_slow(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let account = people::name(50_001, chance);
    let browser = agents::browser(chance);
    let network = places::named("home-warsaw");
    let line = chance.below(60_000);
    let mut sessions = Vec::new();
    for number in 0..16 {
        let mut now = at + number * 75 * MINUTE + chance.below(20 * MINUTE);
        let mut caller = world.caller(network.v4(line), &browser);
        world.ask(&caller, now, service::HOME, Request::get("/"), chance);
        now += 5 * SECOND;
        let session = world.login(&caller, now, &account, true, chance);
        now += 4 * SECOND + chance.below(10 * SECOND);
        caller.credential = vec![("Cookie", format!("session={session}; theme=dark"))];
        let request = buyers::pay(chance);
        world.ask(&caller, now, service::PAY, request, chance);
        sessions.push(session);
    }
    marks(vec![account], sessions)
}

fn by_machine(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let account = people::name(50_002, chance);
    let browser = agents::browser(chance);
    let (caller, session) = enter(world, &mut at, places::named("hosting-us"), &account, &browser, chance);
    for _ in 0..30 {
        let steps = Steps {
            pause: 100 * MILLI,
            sigma: 0.2,
        };
        // Each takes up to a quarter of a second to be answered, and the next comes at once.
        at = buyers::buy(world, &caller, at, 0, steps, chance) + MINUTE + chance.below(2 * MINUTE);
    }
    marks(vec![account], vec![session])
}

fn by_many(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let (mut accounts, mut sessions) = (Vec::new(), Vec::new());
    let from = places::named("hosting-ro");
    let line = chance.below(60_000);
    for number in 0..25 {
        let account = people::name(51_000 + number, chance);
        let mut now = at + number * (2 * HOUR / 25) + chance.below(MINUTE);
        let mut caller = world.caller(from.v4(line), &agents::library(2));
        let session = world.login(&caller, now, &account, true, chance);
        now += SECOND + chance.below(3 * SECOND);
        caller.credential = vec![("Cookie", format!("session={session}"))];
        let request = buyers::pay(chance);
        world.ask(&caller, now, service::PAY, request, chance);
        accounts.push(account);
        sessions.push(session);
    }
    marks(accounts, sessions)
}

fn enter(
    world: &mut World,
    at: &mut u64,
    network: &Network,
    account: &str,
    agent: &std::sync::Arc<Agent>,
    chance: &mut Chance,
) -> (Caller, String) {
    let mut caller = world.caller(network.v4(chance.below(60_000)), agent);
    let session = world.login(&caller, *at, account, true, chance);
    caller.credential = vec![("Cookie", format!("session={session}; theme=dark"))];
    *at += 4 * SECOND;
    (caller, session)
}

fn marks(accounts: Vec<String>, secrets: Vec<String>) -> Marks {
    Marks {
        accounts,
        secrets,
        endpoints: vec![service::PAY.endpoint()],
        ..Marks::default()
    }
}
