//! Phones with the shop's app: tokens that expire, networks that change, a release that everybody gets.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, Hours, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::Request;
use crate::scenarios::places::{self, Network, Use};
use crate::scenarios::service::{self, CATALOGUE, error};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::{Caller, World};

/// How long a token holds, nanoseconds.
const TOKEN: u64 = HOUR;
/// Addresses that a carrier has for all its customers of a region.
const POOL: u64 = 48;

/// A token for an account, of no meaning but its form (RFC 7519).
pub fn token(account: &str, at: u64, chance: &mut Chance) -> String {
    let expires = (at + TOKEN) / SECOND;
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let head = part(json!({ "alg": "HS256", "typ": "JWT" }).to_string());
    let claims = part(json!({ "sub": account, "exp": expires }).to_string());
    format!("{head}.{claims}.{}", part(chance.hex(32)))
}

/// Everybody with a phone.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("phones");
    let calendar = world.calendar;
    let carriers = places::used_for(Use::Mobile);
    let homes: Vec<&'static Network> = places::NETWORKS[..10]
        .iter()
        .filter(|at| at.usage == Use::Home)
        .collect();
    // The app's new release is out on this day, and each phone has it a day or two later.
    let release = calendar.days / 2;
    for number in 0..world.scaled(world.kind.phones) {
        let account = super::people::name(5_000 + number, &mut chance);
        let visits = chance.tail(0.5, 1.2, 9.0);
        let (home, carrier) = (*chance.pick(&homes), *chance.pick(&carriers));
        let wifi = chance.below(60_000);
        world.phones.push((account.clone(), carrier.v4(number % POOL)));
        let updated = release + chance.times(0.9);
        let mut phone = chance.fork(&account);
        let apps = [agents::app(21, &mut phone.clone()), agents::app(22, &mut phone)];
        let mut held: Option<(String, u64)> = None;
        for day in 0..calendar.days {
            if day == updated {
                download(world, home.v4(wifi), day, &mut chance);
            }
            let mut moments: Vec<u64> = (0..chance.times(visits * calendar.share(day, Hours::Daylight)))
                .map(|_| calendar.moment(day, Hours::Daylight, &mut chance))
                .collect();
            moments.sort_unstable();
            for mut at in moments {
                let mut from = place(world, home, carrier, wifi, &mut chance);
                let app = &apps[usize::from(day >= updated)];
                let mut caller = world.caller(from, app);
                let began = at;
                for number in 0..=chance.times(3.0) {
                    // On the way out of the door the network changes.
                    if number > 0 && chance.is(0.05) {
                        let before = from;
                        from = place(world, home, carrier, wifi, &mut chance);
                        caller.from = from;
                        note(world, &account, [before, from], (began, at));
                    }
                    at = fresh(world, &mut caller, &account, &mut held, at, &mut chance);
                    ask(world, &caller, at, &mut chance);
                    at += (chance.spread(4.0, 0.9) * SECOND as f64) as u64;
                }
            }
        }
    }
}

/// Where a phone is: on its carrier's network or at home.
fn place(world: &World, home: &Network, carrier: &Network, wifi: u64, chance: &mut Chance) -> IpAddr {
    let six = world.kind.dual_stack && chance.is(0.5);
    match (chance.is(0.55), six) {
        (true, true) => carrier.v6(chance.below(60_000), chance.number()),
        (true, false) => carrier.v4(chance.below(POOL)),
        (false, true) => home.v6(wifi, 1 + chance.below(3)),
        (false, false) => home.v4(wifi),
    }
}

fn note(world: &mut World, account: &str, addresses: [IpAddr; 2], (from, until): (u64, u64)) {
    let actors = Actors {
        addresses: addresses.to_vec(),
        accounts: vec![account.to_owned()],
        ..Actors::default()
    };
    world.look_alike(
        "a phone that changes networks",
        "credential_sharing",
        actors,
        from,
        until,
    );
}

/// A token that holds: where it has expired, the app learns so from a refusal and gets a new one.
fn fresh(
    world: &mut World,
    caller: &mut Caller,
    account: &str,
    held: &mut Option<(String, u64)>,
    mut at: u64,
    chance: &mut Chance,
) -> u64 {
    if let Some((token, until)) = held
        && *until > at
    {
        caller.credential = vec![("Authorization", format!("Bearer {token}"))];
        return at;
    }
    let began = at;
    let stale = held
        .take()
        .map_or_else(|| self::token(account, at - 5 * HOUR, chance), |(token, _)| token);
    caller.credential = vec![("Authorization", format!("Bearer {stale}"))];
    let request = Request::get(service::PROFILE.path);
    world.tell(
        caller,
        at,
        service::PROFILE,
        request,
        error(401, "token expired"),
        chance,
    );
    at += SECOND / 4;
    caller.credential.clear();
    let request = Request::post(
        service::REFRESH.path,
        &json!({ "grant_type": "refresh_token", "refresh_token": chance.hex(40) }),
    );
    world.ask(caller, at, service::REFRESH, request, chance);
    at += SECOND / 3;
    let token = self::token(account, at, chance);
    caller.credential = vec![("Authorization", format!("Bearer {token}"))];
    world.ask(
        caller,
        at,
        service::PROFILE,
        Request::get(service::PROFILE.path),
        chance,
    );
    *held = Some((token, at + TOKEN));
    let actors = Actors {
        addresses: vec![caller.from],
        accounts: vec![account.to_owned()],
        ..Actors::default()
    };
    world.look_alike("a token that has expired", "auth_failures", actors, began, at);
    at + SECOND / 2
}

fn ask(world: &mut World, caller: &Caller, at: u64, chance: &mut Chance) {
    match chance.below(10) {
        0..3 => {
            let request = Request::get(format!("{}?page=1&per_page=20", service::PRODUCTS.path));
            world.ask(caller, at, service::PRODUCTS, request, chance);
        }
        3..7 => {
            let product = chance.tail(1.0, 0.6, CATALOGUE as f64) as u64;
            world.ask(
                caller,
                at,
                service::PRODUCT,
                Request::get(service::PRODUCT.at(product)),
                chance,
            );
        }
        7 => world.ask(caller, at, service::CART, Request::get(service::CART.path), chance),
        8 => world.ask(caller, at, service::ORDERS, Request::get(service::ORDERS.path), chance),
        _ => {
            let request = Request::post(
                service::ADD.path,
                &json!({ "product": chance.below(CATALOGUE), "count": 1 }),
            );
            world.ask(caller, at, service::ADD, request, chance);
        }
    }
}

/// The release itself, large, for everybody.
fn download(world: &mut World, from: IpAddr, day: u64, chance: &mut Chance) {
    // Few are in the sample: each is nine megabytes.
    if !chance.is(0.12) {
        return;
    }
    let at = world.calendar.moment(day, Hours::Daylight, chance);
    let caller = world.caller(from, &agents::app(21, chance));
    world.ask(
        &caller,
        at,
        service::DOWNLOAD,
        Request::get(service::DOWNLOAD.at("shop-5.22.0.apk")),
        chance,
    );
    let actors = Actors {
        addresses: vec![from],
        ..Actors::default()
    };
    world.look_alike(
        "a download that everybody makes",
        "response_volume",
        actors,
        at,
        at + HOUR,
    );
}
