//! Machines that ask by the clock: health checks, crawlers, webhooks of the payment provider.

use serde_json::json;

use super::outbound;
use crate::scenarios::agents;
use crate::scenarios::calendar::{Hours, MINUTE, SECOND};
use crate::scenarios::http::{Request, Response};
use crate::scenarios::places::{self, CRAWLER};
use crate::scenarios::service::{self, CATALOGUE, error};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::{World, address};

/// All of them.
pub(super) fn live(world: &mut World) {
    health(world);
    crawlers(world);
    webhooks(world);
}

/// Two balancers look whether we are well. They do every ten seconds; the sample has fewer.
fn health(world: &mut World) {
    let mut chance = world.chance.fork("health");
    let agent = agents::balancer();
    let every = (2.0 * MINUTE as f64 / world.scale.clamp(0.05, 1.0)) as u64;
    for balancer in ["10.0.0.5", "10.0.0.6"] {
        let mut at = world.calendar.start + chance.below(every);
        while at < world.calendar.end() {
            let caller = world.caller(address(balancer), &agent);
            let mut response = service::HEALTH.answer(&mut chance);
            response.body = crate::scenarios::http::Body::Bytes(b"{\"status\":\"up\"}".to_vec());
            let request = Request::get(service::HEALTH.path);
            world.tell(&caller, at, service::HEALTH, request, response, &mut chance);
            at += every + chance.below(SECOND);
        }
    }
}

/// A search engine's crawler: pages, products, and what has long been gone.
fn crawlers(world: &mut World) {
    let mut chance = world.chance.fork("crawlers");
    let (agent, network) = (agents::crawler(), places::named(CRAWLER));
    for day in 0..world.calendar.days {
        for _ in 0..chance.times(world.kind.crawls * world.scale) {
            let from = network.v4(700 + chance.below(12));
            let caller = world.caller(from, &agent);
            let mut at = world.calendar.moment(day, Hours::Always, &mut chance);
            let began = at;
            world.ask(
                &caller,
                at,
                service::ROBOTS,
                Request::get(service::ROBOTS.path),
                &mut chance,
            );
            if chance.is(0.3) {
                at += 2 * SECOND;
                world.ask(
                    &caller,
                    at,
                    service::SITEMAP,
                    Request::get(service::SITEMAP.path),
                    &mut chance,
                );
            }
            for _ in 0..chance.between(4, 18) {
                at += (chance.spread(6.0, 0.7) * SECOND as f64) as u64;
                if chance.is(0.14) {
                    let old = [
                        "/shop/old-page",
                        "/blog/2019/summer",
                        "/favicon.ico",
                        "/sitemap_index.xml",
                        "/en/contact.php",
                    ];
                    let request = Request::get(*chance.pick(&old));
                    world.tell(
                        &caller,
                        at,
                        service::HELP,
                        request,
                        error(404, "not found"),
                        &mut chance,
                    );
                } else if chance.is(0.6) {
                    let request = Request::get(service::PRODUCT.at(chance.below(CATALOGUE)));
                    if chance.is(0.2) {
                        world.tell(
                            &caller,
                            at,
                            service::PRODUCT,
                            request,
                            Response::new(304, 0),
                            &mut chance,
                        );
                    } else {
                        world.ask(&caller, at, service::PRODUCT, request, &mut chance);
                    }
                } else {
                    let page = *chance.pick(&["shipping", "returns", "payment", "about", "jobs"]);
                    world.ask(
                        &caller,
                        at,
                        service::HELP,
                        Request::get(service::HELP.at(page)),
                        &mut chance,
                    );
                }
            }
            let actors = || Actors {
                addresses: vec![from],
                ..Actors::default()
            };
            world.look_alike("a crawler", "user_agent", actors(), began, at);
            world.look_alike("a crawler", "scraping", actors(), began, at);
            world.look_alike("a crawler's few 404s", "shadow_endpoint", actors(), began, at);
        }
    }
}

/// The payment provider tells us of payments, names itself in it, and we ask it back.
fn webhooks(world: &mut World) {
    let mut chance = world.chance.fork("webhooks");
    let (agent, network) = (agents::webhooks(), places::named("saas"));
    for day in 0..world.calendar.days {
        for _ in 0..chance.times(26.0 * world.scale.max(0.2)) {
            let at = world.calendar.moment(day, Hours::Daylight, &mut chance);
            let from = network.v4(20 + chance.below(6));
            let caller = world.caller(from, &agent);
            let event = json!({
                "id": format!("evt_{}", chance.hex(16)),
                "type": "payment.succeeded",
                "receipt": format!("https://{}/v2/receipts/{}", outbound::PAYMENTS, chance.hex(16)),
            });
            let request =
                Request::post(service::HOOK.path, &event).with("X-Signature", format!("v1={}", chance.hex(64)));
            world.ask(&caller, at, service::HOOK, request, &mut chance);
            outbound::payment(world, at + SECOND / 12, &mut chance);
            let actors = Actors {
                addresses: vec![from],
                ..Actors::default()
            };
            world.look_alike(
                "a webhook of whom we ask back",
                "request_forgery",
                actors,
                at,
                at + 2 * SECOND,
            );
        }
    }
}
