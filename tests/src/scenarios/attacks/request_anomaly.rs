//! Requests that no decent client writes.

use super::{DIRECT, Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, error};
use crate::scenarios::world::{NAME, World};

pub(super) const VARIANTS: [Variant; 5] = [
    Variant {
        name: "smuggling-both-lengths",
        what: "twenty requests with both Content-Length and Transfer-Encoding, and another request inside",
        detectors: &["request_anomaly"],
        may: &["shadow_endpoint"],
        worlds: DIRECT,
        hours: 1,
        act: both,
    },
    Variant {
        name: "smuggling-obfuscated-once",
        what: "one request whose Transfer-Encoding is written so that one reader sees it and another does not",
        detectors: &["request_anomaly"],
        may: &["shadow_endpoint"],
        worlds: DIRECT,
        hours: 1,
        act: obfuscated,
    },
    Variant {
        name: "traversal-many",
        what: "sixty ways to write ../../etc/passwd, all refused",
        detectors: &["request_anomaly"],
        may: &["shadow_endpoint", "error_surge"],
        worlds: &[],
        hours: 1,
        act: traversal,
    },
    Variant {
        name: "traversal-answered",
        what: "two encoded traversals, answered with 200",
        detectors: &["request_anomaly"],
        may: &["shadow_endpoint"],
        worlds: &[],
        hours: 1,
        act: answered,
    },
    Variant {
        name: "two-lengths",
        what: "three requests with two lengths that differ",
        detectors: &["request_anomaly"],
        may: &["shadow_endpoint"],
        worlds: DIRECT,
        hours: 1,
        act: two_lengths,
    },
];

fn both(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-us").v4(chance.below(60_000));
    let inner = "GET /api/v1/admin/users HTTP/1.1\r\nX: y";
    for _ in 0..20 {
        let body = format!("0\r\n\r\n{inner}");
        let head = "Content-Type: application/json\r\nTransfer-Encoding: chunked";
        raw(world, from, at, head, &body);
        at += 10 * SECOND + chance.below(20 * SECOND);
    }
    marks()
}

fn obfuscated(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("home-in").v4(chance.below(60_000));
    raw(
        world,
        from,
        at,
        "Transfer-Encoding: xchunked\r\nTransfer-Encoding : chunked",
        "0\r\n\r\n",
    );
    marks()
}

fn two_lengths(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let from = places::named("hosting-sg").v4(chance.below(60_000));
    for number in 0..3 {
        raw(
            world,
            from,
            at + number * MINUTE,
            "Content-Length: 44",
            "{\"product\":1}",
        );
    }
    marks()
}

/// A POST with these fields; its length comes after them.
fn raw(world: &mut World, from: std::net::IpAddr, at: u64, fields: &str, body: &str) {
    let caller = world.caller(from, &agents::library(3));
    let bytes = format!(
        "POST {} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: curl/8.7.1\r\n{fields}\r\nContent-Length: {}\r\n\r\n{body}",
        service::ADD.path,
        body.len()
    );
    world.tell_raw(&caller, at, bytes.into_bytes(), error(400, "bad request"));
}

fn traversal(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let caller = world.caller(
        places::named("hosting-nl").v4(20_000 + chance.below(20_000)),
        &agents::library(0),
    );
    let dots = [
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..%252f",
        "..\\",
        "..%5c",
        "....//",
        "..;/",
    ];
    let ends = [
        "etc/passwd",
        "etc/shadow",
        "windows/win.ini",
        "proc/self/environ",
        ".env",
    ];
    for _ in 0..60 {
        let dots = chance.pick(&dots).repeat(chance.between(3, 8) as usize);
        let target = match chance.below(3) {
            0 => format!("/help/{dots}{}", chance.pick(&ends)),
            1 => format!("/downloads/{dots}{}", chance.pick(&ends)),
            _ => format!("{}?file={dots}{}", service::PREVIEW.path, chance.pick(&ends)),
        };
        let status = *chance.pick(&[400, 404, 404, 403]);
        world.tell(
            &caller,
            at,
            service::HELP,
            Request::get(target),
            error(status, "no"),
            chance,
        );
        at += SECOND + chance.below(4 * SECOND);
    }
    marks()
}

fn answered(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let caller = world.caller(places::named("home-za").v4(chance.below(60_000)), &agents::library(3));
    for (number, target) in [
        "/downloads/..%2f..%2f..%2fetc%2fpasswd",
        "/downloads/%2e%2e/%2e%2e/%2e%2e/app/.env",
    ]
    .into_iter()
    .enumerate()
    {
        world.ask(
            &caller,
            at + number as u64 * MINUTE,
            service::PROFILE,
            Request::get(target),
            chance,
        );
    }
    marks()
}

fn marks() -> Marks {
    Marks {
        endpoints: vec![
            service::ADD.endpoint(),
            service::HELP.endpoint(),
            service::DOWNLOAD.endpoint(),
        ],
        ..Marks::default()
    }
}
