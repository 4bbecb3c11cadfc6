//! Much is carried out of the host, at once, in pieces, by many ways, or a little at a time.

use super::{Marks, Variant};
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::chance::Chance;
use crate::scenarios::habits::outbound;
use crate::scenarios::places;
use crate::scenarios::wire::outbound::{Outbound, What};
use crate::scenarios::wire::tls::{GO, OPENSSL};
use crate::scenarios::world::World;

/// A megabyte.
const MB: u64 = 1_000_000;

pub(super) const VARIANTS: [Variant; 7] = [
    Variant {
        name: "upload-at-once",
        what: "400 MB to a name that was never reached, in one connection of a few seconds",
        detectors: &["exfiltration"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 1,
        act: at_once,
    },
    Variant {
        name: "upload-of-hours",
        what: "500 MB to an address without a name, in one connection that lasts four hours",
        detectors: &["exfiltration"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 5,
        act: of_hours,
    },
    Variant {
        name: "upload-in-pieces",
        what: "100 MB to one name in 400 connections, in an hour",
        detectors: &["exfiltration"],
        may: &["unknown_destination", "beaconing"],
        worlds: &[],
        hours: 2,
        act: in_pieces,
    },
    Variant {
        name: "upload-many-places",
        what: "150 MB to thirty addresses of several networks, a part to each, in three hours",
        detectors: &["exfiltration"],
        may: &["unknown_destination"],
        worlds: &[],
        hours: 4,
        act: many_places,
    },
    Variant {
        name: "upload-dripping",
        what: "3 MB to an address without a name every twenty minutes or so, for twenty hours",
        detectors: &["exfiltration"],
        may: &["unknown_destination", "beaconing"],
        worlds: &[],
        hours: 21,
        act: dripping,
    },
    Variant {
        name: "upload-for-days",
        what: "2 MB to a name that was never reached every hour or so, for forty hours",
        detectors: &["exfiltration"],
        may: &["unknown_destination", "beaconing"],
        worlds: &[],
        hours: 41,
        act: for_days,
    },
    Variant {
        name: "upload-to-our-storage",
        what: "900 MB by day to the object storage that a backup of some ten megabytes goes to by night",
        detectors: &["exfiltration"],
        may: &[],
        worlds: &[],
        hours: 1,
        act: known_place,
    },
];

fn at_once(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let name = "drop.paper-lantern.example";
    let to = places::named("hosting-sg").v4(chance.below(60_000));
    let what = What::Tls {
        to: (to, 443).into(),
        name: name.to_owned(),
        stack: GO,
        up: 400 * MB,
        down: 2_000,
    };
    world.reach(at, name, &[to], what);
    marks(name)
}

fn of_hours(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    let to = places::named("hosting-us").v4(chance.below(60_000));
    world.outbound.push(Outbound {
        at,
        what: What::Upload {
            to: (to, 8443).into(),
            begin: b"SSH-2.0-libssh2_1.11.0\r\n",
            up: 500 * MB,
            lasts: 4 * HOUR,
        },
    });
    Marks::default()
}

fn in_pieces(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let name = "img.nine-willows.example";
    let to = places::named("hosting-ro").v4(chance.below(60_000));
    for _ in 0..400 {
        let what = What::Tls {
            to: (to, 443).into(),
            name: name.to_owned(),
            stack: OPENSSL,
            up: 200_000 + chance.below(100_000),
            down: 300,
        };
        world.reach(at, name, &[to], what);
        at += 4 * SECOND + chance.below(10 * SECOND);
    }
    marks(name)
}

fn many_places(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let networks = ["hosting-nl", "hosting-ro", "hosting-us", "hosting-sg", "home-vn"];
    for number in 0..30u64 {
        // Each in another /24.
        let to = places::named(networks[number as usize % networks.len()]).v4(257 * number + chance.below(200));
        push(world, at, to, 4 * MB + chance.below(2 * MB));
        at += 4 * MINUTE + chance.below(4 * MINUTE);
    }
    Marks::default()
}

fn dripping(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let to = places::named("hosting-nl").v4(chance.below(60_000));
    let until = at + 20 * HOUR;
    while at < until {
        push(world, at, to, 2 * MB + chance.below(2 * MB));
        at += 10 * MINUTE + chance.below(20 * MINUTE);
    }
    Marks::default()
}

fn for_days(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    let name = "sync.grey-heron.example";
    let to = places::named("hosting-us").v4(chance.below(60_000));
    let until = at + 40 * HOUR;
    while at < until {
        let what = What::Tls {
            to: (to, 443).into(),
            name: name.to_owned(),
            stack: GO,
            up: MB + chance.below(2 * MB),
            down: 500,
        };
        world.reach(at, name, &[to], what);
        at += 30 * MINUTE + chance.below(HOUR);
    }
    marks(name)
}

fn known_place(world: &mut World, at: u64, chance: &mut Chance) -> Marks {
    outbound::store(world, at, 900 * MB, chance);
    marks(outbound::STORAGE)
}

fn push(world: &mut World, at: u64, to: std::net::IpAddr, up: u64) {
    world.outbound.push(Outbound {
        at,
        what: What::Tls {
            to: (to, 443).into(),
            name: String::new(),
            stack: GO,
            up,
            down: 400,
        },
    });
}

fn marks(name: &str) -> Marks {
    Marks {
        destinations: vec![name.to_owned()],
        ..Marks::default()
    }
}
