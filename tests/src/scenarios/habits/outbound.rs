//! What the host reaches of its own accord: names with addresses that rotate, updates, backups, lists in DNS.

use std::net::IpAddr;

use crate::scenarios::calendar::{HOUR, Hours, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::places;
use crate::scenarios::truth::Actors;
use crate::scenarios::wire::dns::{Answer, Kind};
use crate::scenarios::wire::outbound::{Outbound, What};
use crate::scenarios::wire::tls::{GO, OPENSSL};
use crate::scenarios::world::{World, address};

/// The payment provider's API.
pub const PAYMENTS: &str = "api.ledgerpay.example";
/// Where pictures are.
pub const PICTURES: &str = "images.edgeline.example";
/// Object storage: another address every time.
pub const STORAGE: &str = "shop-media.storage.cumulus.example";
/// Packages.
const MIRROR: &str = "deb.mirror.example";
/// Where figures about ourselves go.
const TELEMETRY: &str = "intake.telemetry.example";
/// Our mail provider.
const MAIL: &str = "api.mailer.example";
/// Where logs are kept.
const LOGS: &str = "in.logs.keeper.example";
/// Where another agent reports, that we live and little else.
const HEARTBEAT: &str = "beat.telemetry.example";

/// All days.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("outbound");
    every(world, TELEMETRY, 30 * MINUTE, &mut chance);
    every(world, STORAGE, 40 * MINUTE, &mut chance);
    every(world, PICTURES, 45 * MINUTE, &mut chance);
    every(world, PAYMENTS, HOUR, &mut chance);
    every(world, MAIL, 2 * HOUR, &mut chance);
    nights(world, &mut chance);
    lists(world, &mut chance);
    database(world, &mut chance);
    logs(world, &mut world.chance.fork("logs"));
    letters(world, &mut world.chance.fork("letters"));
    clocks(world, &mut world.chance.fork("clocks"));
}

/// So many bytes are put into the storage.
pub fn store(world: &mut World, at: u64, bytes: u64, chance: &mut Chance) {
    send(world, at, STORAGE, &two("cloud-eu", 1_000, 6_000, chance), bytes);
}

/// A payment is made, or asked about.
pub(super) fn payment(world: &mut World, at: u64, chance: &mut Chance) {
    reach(world, at, PAYMENTS, chance);
}

/// A picture is fetched.
pub(super) fn picture(world: &mut World, at: u64, chance: &mut Chance) {
    reach(world, at, PICTURES, chance);
}

fn reach(world: &mut World, at: u64, name: &str, chance: &mut Chance) {
    let (addresses, up, down) = match name {
        PAYMENTS => (two("saas", 1, 4, chance), 1_200.0, 2_400.0),
        PICTURES => (two("cdn", 40, 400, chance), 500.0, 30_000.0),
        STORAGE => (two("cloud-eu", 1_000, 6_000, chance), 9_000.0, 4_000.0),
        MIRROR => (two("mirror", 9, 3, chance), 900.0, 400_000.0),
        TELEMETRY => (two("cloud-west", 900, 60, chance), 4_000.0, 400.0),
        HEARTBEAT => (two("cloud-west", 900, 60, chance), 350.0, 200.0),
        _ => (two("cloud-west", 2_000, 8, chance), 2_000.0, 600.0),
    };
    let to = *chance.pick(&addresses);
    // IPv4 addresses alone are used; IPv6 is asked for, and there is none.
    let what = What::Tls {
        to: (to, 443).into(),
        name: name.to_owned(),
        stack: if matches!(name, STORAGE | TELEMETRY | HEARTBEAT) {
            GO
        } else {
            OPENSSL
        },
        up: chance.spread(up, 0.5) as u64,
        down: chance.spread(down, 0.6) as u64,
    };
    world.reach(at, name, &addresses, what);
}

/// Two of the addresses that a name has.
fn two(network: &str, first: u64, of: u64, chance: &mut Chance) -> Vec<IpAddr> {
    let network = places::named(network);
    (0..2).map(|_| network.v4(first + chance.below(of))).collect()
}

/// About every so often, more by day.
fn every(world: &mut World, name: &str, mean: u64, chance: &mut Chance) {
    let mut at = world.calendar.start + chance.below(mean);
    while at < world.calendar.end() {
        reach(world, at, name, chance);
        at += (chance.wait(mean as f64) as u64).max(SECOND);
    }
}

/// At night packages are updated, and a backup goes to the storage.
fn nights(world: &mut World, chance: &mut Chance) {
    for day in 0..world.calendar.days {
        let at = world.calendar.day(day) + 3 * HOUR + chance.below(20 * MINUTE);
        for number in 0..chance.between(2, 6) {
            reach(world, at + number * 3 * SECOND, MIRROR, chance);
        }
        // It grows, and one night the job before it takes longer.
        let late = if day == world.calendar.days * 2 / 3 {
            70 * MINUTE
        } else {
            0
        };
        let bytes = chance.spread(12e6, 0.1) * 1.03f64.powi(day as i32);
        store(world, world.calendar.day(day) + 4 * HOUR + late, bytes as u64, chance);
    }
    let (from, until) = (world.calendar.start, world.calendar.end());
    world.look_alike(
        "a backup to the storage every night",
        "exfiltration",
        Actors::default(),
        from,
        until,
    );
    for name in ["names whose addresses rotate", "updates of packages at night"] {
        world.look_alike(name, "unknown_destination", Actors::default(), from, until);
    }
}

/// Lists that are asked by DNS: whether an address sends spam, and what an address is called; and the CDN's names.
fn lists(world: &mut World, chance: &mut Chance) {
    for day in 0..world.calendar.days {
        for _ in 0..chance.times(70.0 * world.scale.max(0.3)) {
            let at = world.calendar.moment(day, Hours::Daylight, chance);
            let [a, b, c, d] = [(); 4].map(|()| chance.between(1, 254));
            let (name, kind, answer) = match chance.below(4) {
                0 | 1 => {
                    let listed = chance.is(0.1);
                    let answer = Answer::Addresses(vec![address("127.0.0.2")]);
                    let name = format!("{d}.{c}.{b}.{a}.zen.blocklist.example");
                    (name, Kind::A, if listed { answer } else { Answer::Nothing })
                }
                2 => {
                    let name = format!("{d}.{c}.{b}.{a}.in-addr.arpa");
                    (
                        name,
                        Kind::Ptr,
                        Answer::Name(format!("host-{a}-{b}-{c}-{d}.provider.example")),
                    )
                }
                _ => {
                    let name = format!(
                        "d{}.edge.cdnfront.example",
                        chance.text("0123456789abcdefghijklmnop", 13)
                    );
                    (name, Kind::A, Answer::Addresses(two("cdn", 40, 400, chance)))
                }
            };
            world.outbound.push(Outbound {
                at,
                what: What::Lookup { name, kind, answer },
            });
        }
    }
    let (from, until) = (world.calendar.start, world.calendar.end());
    for name in ["a blocklist that is asked by DNS", "hashed names of a CDN"] {
        world.look_alike(name, "dns_tunnel", Actors::default(), from, until);
    }
}

/// The database, in a protocol that is none of ours.
fn database(world: &mut World, chance: &mut Chance) {
    let mut at = world.calendar.start + chance.below(HOUR);
    while at < world.calendar.end() {
        world.outbound.push(Outbound {
            at,
            what: What::Other {
                to: (address("10.0.0.20"), 5432).into(),
                // Version 3.0 of PostgreSQL's protocol, and a user.
                begin: b"\0\0\0\x13\0\x03\0\0user\0shop\0\0",
                down: chance.spread(8_000.0, 1.0) as u64,
            },
        });
        at += (chance.wait(90.0) * MINUTE as f64) as u64;
    }
}

/// What was logged, every quarter of an hour: more by day.
fn logs(world: &mut World, chance: &mut Chance) {
    let mut at = world.calendar.start + chance.below(15 * MINUTE);
    while at < world.calendar.end() {
        let hour = (at / HOUR) % 24;
        let median = if (8..23).contains(&hour) { 160_000.0 } else { 25_000.0 };
        let bytes = chance.spread(median, 0.5);
        send(world, at, LOGS, &two("cloud-west", 5_000, 900, chance), bytes as u64);
        at += 15 * MINUTE;
    }
    let (from, until) = (world.calendar.start, world.calendar.end());
    for of in ["exfiltration", "beaconing"] {
        world.look_alike("logs that are shipped", of, Actors::default(), from, until);
    }
}

/// Mail with something attached, now and then.
fn letters(world: &mut World, chance: &mut Chance) {
    for day in 0..world.calendar.days {
        for _ in 0..chance.times(2.0) {
            let at = world.calendar.moment(day, Hours::Office, chance);
            let bytes = chance.tail(300_000.0, 1.1, 7e6);
            send(world, at, MAIL, &two("cloud-west", 2_000, 8, chance), bytes as u64);
            world.look_alike(
                "mail with attachments",
                "exfiltration",
                Actors::default(),
                at,
                at + MINUTE,
            );
        }
    }
}

/// What goes by the clock: a heartbeat, the provider's health, the time, and whether there are new packages.
fn clocks(world: &mut World, chance: &mut Chance) {
    let (start, end) = (world.calendar.start, world.calendar.end());
    for (name, every, slack) in [
        (HEARTBEAT, 5 * MINUTE, SECOND),
        (PAYMENTS, 10 * MINUTE, 2 * SECOND),
        (MIRROR, 6 * HOUR, MINUTE),
    ] {
        let mut at = start + chance.below(every);
        while at < end {
            reach(world, at + chance.below(slack), name, chance);
            at += every;
        }
        world.look_alike("what goes by the clock", "beaconing", Actors::default(), start, end);
    }
    let server = places::named("mirror").v4(77);
    let mut at = start + chance.below(HOUR);
    while at < end {
        world.outbound.push(Outbound {
            at,
            what: What::Time {
                to: (server, 123).into(),
            },
        });
        // The longest interval that clients poll at by default, two to the tenth seconds.
        at += 1_024 * SECOND + chance.below(SECOND);
    }
    world.look_alike("the time that is asked for", "beaconing", Actors::default(), start, end);
}

/// So many bytes are sent to a name.
fn send(world: &mut World, at: u64, name: &str, addresses: &[IpAddr], up: u64) {
    let what = What::Tls {
        to: (addresses[0], 443).into(),
        name: name.to_owned(),
        stack: GO,
        up,
        down: 5_000,
    };
    world.reach(at, name, addresses, what);
}
