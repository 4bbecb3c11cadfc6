//! Something on the host reaches where it never went.

use super::{Marks, Variant};
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::files::LISTED_DOMAIN;
use crate::scenarios::places;
use crate::scenarios::wire::outbound::{Outbound, What};
use crate::scenarios::wire::tls::{GO, OPENSSL};
use crate::scenarios::world::World;

pub(super) const VARIANTS: [Variant; 7] = [
    Variant {
        name: "new-destination-named",
        what: "one TLS connection to a name that was never reached",
        detectors: &["unknown_destination"],
        may: &[],
        worlds: &[],
        hours: 1,
        act: named,
    },
    Variant {
        name: "new-destination-address",
        what: "thirty connections to an address without a name, in an hour",
        detectors: &["unknown_destination"],
        may: &["beaconing"],
        worlds: &[],
        hours: 2,
        act: unnamed,
    },
    Variant {
        name: "listed-destination",
        what: "a connection to a domain that a threat list names",
        detectors: &["unknown_destination"],
        may: &["listed_source"],
        worlds: &[],
        hours: 1,
        act: listed,
    },
    Variant {
        name: "beacon-regular",
        what: "a call-back to one name every ten minutes for a day",
        detectors: &["beaconing"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 22,
        act: regular,
    },
    Variant {
        name: "beacon-jittered",
        what: "the same with a third of chance in its period",
        detectors: &["beaconing"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 22,
        act: jittered,
    },
    Variant {
        name: "beacon-hourly",
        what: "a call-back to one name every hour, with a fifth of chance, for forty hours",
        detectors: &["beaconing"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 41,
        act: hourly,
    },
    Variant {
        name: "beacon-fast-address",
        what: "a call-back to an address without a name every half minute, with a third of chance, for two hours",
        detectors: &["beaconing"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 3,
        act: fast,
    },
];

fn hourly(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let mut now = at;
    while now < at + 40 * HOUR {
        reach(world, now, "cdn.soft-ember.example", 900, chance);
        now += 54 * MINUTE + chance.below(12 * MINUTE);
    }
    marks("cdn.soft-ember.example")
}

fn fast(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let to = places::named("hosting-sg").v4(chance.below(60_000));
    let mut now = at;
    while now < at + 2 * HOUR {
        world.outbound.push(Outbound {
            at: now,
            what: What::Tls {
                to: (to, 8_080).into(),
                name: String::new(),
                stack: GO,
                up: 250,
                down: 120,
            },
        });
        now += 25 * SECOND + chance.below(10 * SECOND);
    }
    Marks::default()
}

fn named(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    reach(world, at, "sync.quiet-harbor.example", 48_000, chance);
    marks("sync.quiet-harbor.example")
}

fn listed(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    reach(world, at, LISTED_DOMAIN, 3_000, chance);
    marks(LISTED_DOMAIN)
}

fn unnamed(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let to = places::named("hosting-ro").v4(chance.below(60_000));
    for _ in 0..30 {
        world.outbound.push(Outbound {
            at,
            what: What::Tls {
                to: (to, 4443).into(),
                name: String::new(),
                stack: GO,
                up: 2_000,
                down: 500,
            },
        });
        at += MINUTE + chance.below(2 * MINUTE);
    }
    Marks::default()
}

fn regular(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    beacon(world, at, 0, chance)
}

fn jittered(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    beacon(world, at, 10 * MINUTE / 3, chance)
}

fn beacon(world: &mut World, at: u64, jitter: u64, chance: &mut Chance) -> Marks {
    let mut now = at;
    while now < at + 21 * HOUR {
        reach(world, now, "status.tiny-relay.example", 300, chance);
        now += 10 * MINUTE - jitter / 2 + chance.below(jitter + 1);
    }
    marks("status.tiny-relay.example")
}

fn reach(world: &mut World, at: u64, name: &str, up: u64, chance: &mut Chance) {
    // The same address for the same name.
    let number = name.bytes().map(u64::from).sum::<u64>() * 11 + chance.below(2);
    let to = places::named("hosting-ro").v4(number);
    let what = What::Tls {
        to: (to, 443).into(),
        name: name.to_owned(),
        stack: OPENSSL,
        up,
        down: 700,
    };
    world.reach(at, name, &[to], what);
}

fn marks(name: &str) -> Marks {
    Marks {
        destinations: vec![name.to_owned()],
        ..Marks::default()
    }
}
