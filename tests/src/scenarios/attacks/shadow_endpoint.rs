//! Endpoints that are there and in no document.

use super::{DOCUMENTED, Marks, Variant};
use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::phones;
use crate::scenarios::http::{Request, Response};
use crate::scenarios::places;
use crate::scenarios::service;
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 3] = [
    Variant {
        name: "shadow-debug",
        what: "forty requests to what a developer left there, answered",
        detectors: &["shadow_endpoint"],
        may: &[],
        worlds: DOCUMENTED,
        hours: 1,
        act: debug,
    },
    Variant {
        name: "shadow-old-version",
        what: "three requests to an old version of the API, which still answers, over five hours",
        detectors: &["shadow_endpoint"],
        may: &[],
        worlds: DOCUMENTED,
        hours: 6,
        act: old,
    },
    Variant {
        name: "shadow-method",
        what: "DELETE of a product, of which the document knows nothing, is answered",
        detectors: &["shadow_endpoint"],
        may: &["request_anomaly"],
        worlds: DOCUMENTED,
        hours: 1,
        act: method,
    },
];

fn debug(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let caller = world.caller(places::named("home-vn").v4(chance.below(60_000)), &agents::library(3));
    let paths = [
        "/debug/vars",
        "/debug/pprof/heap",
        "/api/v1/internal/users",
        "/actuator/env",
    ];
    for _ in 0..40 {
        let request = Request::get(*chance.pick(&paths));
        world.ask(&caller, at, service::REPORT, request, chance);
        at += SECOND + chance.below(8 * SECOND);
    }
    marks(&paths.map(|path| format!("GET {path}")))
}

fn old(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let account = "mallory.old55".to_owned();
    let token = phones::token(&account, at, chance);
    for number in 0..3 {
        let mut caller = world.caller(places::named("home-za").v4(900), &agents::library(1));
        caller.credential = vec![("Authorization", format!("Bearer {token}"))];
        let request = Request::get(format!("/api/v0/users/{}", 4_711 + number));
        world.ask(&caller, at + number * 2 * HOUR, service::PROFILE, request, chance);
    }
    Marks {
        accounts: vec![account],
        secrets: vec![token],
        ..marks(&["GET /api/v0/users/{id}".to_owned()])
    }
}

fn method(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let caller = world.caller(places::named("home-in").v4(chance.below(60_000)), &agents::library(0));
    let request = Request::new("DELETE", service::PRODUCT.at(991));
    world.tell(&caller, at, service::PRODUCT, request, Response::new(204, 0), chance);
    marks(&["DELETE /api/v1/products/{id}".to_owned()])
}

fn marks(endpoints: &[String]) -> Marks {
    Marks {
        endpoints: endpoints.to_vec(),
        ..Marks::default()
    }
}
