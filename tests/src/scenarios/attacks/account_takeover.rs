//! From a list of leaked passwords to everything that an account can see: steps that belong together.

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::people;
use crate::scenarios::http::{Request, Response};
use crate::scenarios::places::{self, Use};
use crate::scenarios::service::{self, Place};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 2] = [
    Variant {
        name: "take-over-one-source",
        what: "one address tries 260 names in a quarter of an hour, gets into an account, and half an hour later takes what \
               it never asked for, 120 MB in an hour",
        detectors: &["credential_stuffing"],
        may: MAY,
        worlds: &[],
        hours: 4,
        act: one_source,
    },
    Variant {
        name: "take-over-by-botnet",
        what: "ninety addresses try five names each in two hours; two hours after it is found, the account is used from a \
               rented machine, which takes 200 MB in two hours",
        detectors: &["credential_stuffing"],
        may: MAY,
        worlds: &[],
        hours: 8,
        act: botnet,
    },
];

const MAY: &[&str] = &[
    "account_anomaly",
    "auth_failures",
    "client_fingerprint",
    "credential_sharing",
    "enumeration",
    "error_surge",
    "exfiltration",
    "flow_misuse",
    "request_rate",
    "response_volume",
    "scraping",
    "unknown_credential",
    "unusual_origin",
];

/// Places that somebody who shops never asks for, and that the account may.
const NEVER_ASKED: [Place; 2] = [service::REPORT, service::EXPORT];

fn marks(accounts: Vec<String>, session: String) -> Marks {
    let endpoints = [service::LOGIN].iter().chain(&NEVER_ASKED).map(Place::endpoint);
    Marks {
        accounts,
        secrets: vec![session],
        endpoints: endpoints.collect(),
        ..Marks::default()
    }
}

fn one_source(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-us").v4(chance.below(60_000));
    let victim = chance.pick(&world.accounts).clone();
    let mut caller = world.caller(from, &agents::library(1));
    let mut accounts = vec![victim.clone()];
    for _ in 0..260 {
        let name = people::name(20_000 + chance.below(70_000), chance);
        world.login(&caller, at, &name, false, chance);
        accounts.push(name);
        at += 2 * SECOND + chance.below(3 * SECOND);
    }
    let session = world.login(&caller, at, &victim, true, chance);
    caller.credential = vec![("Cookie", format!("session={session}; theme=dark"))];
    take(world, &caller, at + 30 * MINUTE, HOUR, 120, chance);
    marks(accounts, session)
}

fn botnet(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let homes = places::used_for(Use::Home);
    let agent = agents::bot_as(&agents::browser_name(chance));
    let victim = chance.pick(&world.accounts).clone();
    let mut accounts = vec![victim.clone()];
    for number in 0..90 {
        let from = chance.pick(&homes).v4(chance.below(60_000));
        for _ in 0..5 {
            let caller = world.caller(from, &agent);
            let name = people::name(20_000 + chance.below(70_000), chance);
            world.login(&caller, at + chance.below(2 * HOUR), &name, false, chance);
            accounts.push(name);
        }
        if number == 60 {
            let caller = world.caller(from, &agent);
            world.login(&caller, at + HOUR + chance.below(HOUR), &victim, true, chance);
        }
    }
    let machine = places::named("hosting-nl").v4(chance.below(60_000));
    let mut caller = world.caller(machine, &agents::library(0));
    let at = at + 4 * HOUR;
    let session = world.login(&caller, at, &victim, true, chance);
    caller.credential = vec![("Cookie", format!("session={session}; theme=dark"))];
    take(world, &caller, at + MINUTE, 2 * HOUR, 200, chance);
    marks(accounts, session)
}

/// Looks around, then takes so many megabytes within this time.
fn take(
    world: &mut World,
    caller: &crate::scenarios::world::Caller,
    mut at: u64,
    within: u64,
    megabytes: u64,
    chance: &mut Chance,
) {
    for number in 0..40 {
        let request = Request::get(service::REPORT.at(70_000 + number));
        world.ask(caller, at, service::REPORT, request, chance);
        at += 2 * SECOND + chance.below(4 * SECOND);
    }
    let parts = 8;
    for part in 0..parts {
        let request = Request::get(format!("{}?part={part}", service::EXPORT.path));
        let response = Response::new(200, megabytes * 1_000_000 / parts);
        world.tell(caller, at, service::EXPORT, request, response, chance);
        at += within / parts / 2 + chance.below(within / parts / 2);
    }
}
