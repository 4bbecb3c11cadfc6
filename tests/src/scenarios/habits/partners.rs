//! Programs of partners, with a key each: pages, batches, uploads, and a backup at night.

use std::net::IpAddr;

use serde_json::json;

use crate::scenarios::agents;
use crate::scenarios::calendar::{DAY, HOUR, MILLI, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::http::{Body, Request, Response, Version};
use crate::scenarios::places::{self, Network, Use};
use crate::scenarios::service::{self, CATALOGUE};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::{Caller, World};

/// Hosts of the largest partner that share its key.
const HOSTS: u64 = 24;

/// A key as the shop gives them.
pub fn key(chance: &mut Chance) -> String {
    format!("sk_live_{}", chance.hex(24))
}

/// All partners.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("partners");
    let networks: Vec<&'static Network> = places::used_for(Use::Cloud)
        .into_iter()
        .chain(places::used_for(Use::Office))
        .chain([places::named("hosting-nl")])
        .collect();
    // Two at least where there are several: the first has a fleet, the second speaks HTTP/2.
    let count = world.scaled(world.kind.partners).max(world.kind.partners.min(2));
    for number in 0..count {
        let key = key(&mut chance);
        let network = networks[number as usize % networks.len()];
        // The first has a fleet, in two places of one organization.
        let addresses: Vec<IpAddr> = if number == 0 {
            let (west, east) = (places::named("cloud-west"), places::named("cloud-eu"));
            (0..HOSTS)
                .map(|host| {
                    if host % 2 == 0 {
                        west.v4(200 + host)
                    } else {
                        east.v4(300 + host)
                    }
                })
                .collect()
        } else {
            (0..chance.between(1, 3))
                .map(|host| network.v4(400 + 10 * number + host))
                .collect()
        };
        if number == 0 {
            let actors = Actors {
                addresses: addresses.clone(),
                secrets: vec![key.clone()],
                ..Actors::default()
            };
            let (from, until) = (world.calendar.start, world.calendar.end());
            world.look_alike(
                "one key on many hosts of one organization",
                "credential_sharing",
                actors,
                from,
                until,
            );
        }
        let two = number % 4 == 1 && !world.kind.balanced;
        let partner = Partner {
            key,
            addresses,
            library: number,
            version: if two { Version::Http2 } else { Version::Http11 },
        };
        world.keys.push((partner.key.clone(), partner.addresses[0], number));
        partner.synchronize(world, &mut chance);
        partner.batch(world, &mut chance);
        if number.is_multiple_of(3) {
            partner.backup(world, &mut chance);
        }
    }
}

struct Partner {
    key: String,
    addresses: Vec<IpAddr>,
    library: u64,
    version: Version,
}

impl Partner {
    fn caller(&self, world: &mut World, chance: &mut Chance) -> Caller {
        let from = *chance.pick(&self.addresses);
        let mut caller = world.caller(from, &agents::library(self.library));
        caller.version = self.version;
        caller.credential = vec![("X-Api-Key", self.key.clone())];
        caller
    }

    /// Every hour or two, as a clock says: some pages, one after the other.
    fn synchronize(&self, world: &mut World, chance: &mut Chance) {
        let every = *chance.pick(&[HOUR, HOUR, 2 * HOUR, 4 * HOUR]);
        let offset = chance.below(every);
        let most = chance.between(3, 14);
        let mut at = world.calendar.start + offset;
        while at < world.calendar.end() {
            let caller = self.caller(world, chance);
            let mut now = at + chance.below(20 * SECOND);
            let pages = 1 + chance.below(most);
            let (began, from) = (now, caller.from);
            let mut tries = 0;
            let mut page = 1;
            while page <= pages {
                let request = Request::get(format!(
                    "{}?page={page}&per_page=100&sort=changed",
                    service::PRODUCTS.path
                ));
                // It fails now and then, and is tried again: after 1 s, 2 s, 4 s.
                if chance.is(0.004) && tries < 4 {
                    let refused = service::error(503, "busy").with("Retry-After", "1");
                    world.tell(&caller, now, service::PRODUCTS, request, refused, chance);
                    now += SECOND << tries;
                    tries += 1;
                    continue;
                }
                world.ask(&caller, now, service::PRODUCTS, request, chance);
                now += (chance.spread(350.0, 0.5) * MILLI as f64) as u64;
                (page, tries) = (page + 1, 0);
            }
            let actors = Actors {
                addresses: vec![from],
                secrets: vec![self.key.clone()],
                ..Actors::default()
            };
            world.look_alike("a client that turns pages", "scraping", actors, began, now);
            at += every;
        }
    }

    /// Once a day, at the same hour: prices or orders, many at a time.
    fn batch(&self, world: &mut World, chance: &mut Chance) {
        let hour = chance.below(DAY);
        for day in 0..world.calendar.days {
            let caller = self.caller(world, chance);
            let mut at = world.calendar.day(day) + hour + chance.below(3 * MINUTE);
            let first = chance.below(CATALOGUE);
            let mean = chance.spread(25.0, 0.7);
            for number in 0..world.scaled(chance.times(mean).min(200)) {
                if self.library.is_multiple_of(2) {
                    let product = (first + number) % CATALOGUE;
                    let request =
                        Request::new("PUT", service::PRICE.at(product)).json(&json!({ "price": chance.below(9_000) }));
                    world.ask(&caller, at, service::PRICE, request, chance);
                } else {
                    let request = Request::post(
                        service::BUY.path,
                        &json!({ "reference": chance.uuid(), "lines": [first] }),
                    );
                    world.ask(&caller, at, service::BUY, request, chance);
                }
                at += (chance.spread(500.0, 0.6) * MILLI as f64) as u64;
            }
            if chance.is(0.3) {
                let mut request = Request::new("POST", service::UPLOAD.path).with("Content-Type", "text/csv");
                request.body = Body::Filler(chance.spread(60_000.0, 0.8) as u64);
                world.ask(&caller, at + MINUTE, service::UPLOAD, request, chance);
            }
        }
    }

    /// Everything, at half past two, every night.
    fn backup(&self, world: &mut World, chance: &mut Chance) {
        for day in 0..world.calendar.days {
            let caller = self.caller(world, chance);
            let at = world.calendar.day(day) + 2 * HOUR + 30 * MINUTE + chance.below(2 * MINUTE);
            let response: Response = service::EXPORT.answer(chance);
            world.tell(
                &caller,
                at,
                service::EXPORT,
                Request::get(service::EXPORT.path),
                response,
                chance,
            );
            let actors = Actors {
                addresses: vec![caller.from],
                secrets: vec![self.key.clone()],
                ..Actors::default()
            };
            world.look_alike("a backup every night", "response_volume", actors, at, at + HOUR);
        }
    }
}
