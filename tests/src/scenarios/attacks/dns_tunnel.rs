//! Bytes carried away in names.

use super::{Marks, Variant};
use crate::scenarios::calendar::SECOND;
use crate::scenarios::chance::Chance;
use crate::scenarios::wire::dns::{Answer, Kind};
use crate::scenarios::wire::outbound::{Outbound, What};
use crate::scenarios::world::{World, address};

pub(super) const VARIANTS: [Variant; 3] = [
    Variant {
        name: "tunnel-fast",
        what: "two thousand TXT questions in ten minutes, two labels of base32 each, answered with as much",
        detectors: &["dns_tunnel"],
        may: &["exfiltration"],
        worlds: &[],
        hours: 1,
        act: fast,
    },
    Variant {
        name: "tunnel-slow",
        what: "an A question with thirty characters of base32 every forty seconds for ten hours",
        detectors: &["dns_tunnel"],
        may: &["exfiltration", "beaconing"],
        worlds: &[],
        hours: 11,
        act: slow,
    },
    Variant {
        name: "tunnel-file",
        what: "a file of eight kilobytes in hexadecimal, names that are not there, in a quarter of an hour",
        detectors: &["dns_tunnel"],
        may: &["exfiltration"],
        worlds: &[],
        hours: 1,
        act: file,
    },
];

const BASE32: &str = "abcdefghijklmnopqrstuvwxyz234567";

fn fast(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    for number in 0..2_000 {
        let name = format!(
            "{}.{}.{number:x}.t.news-feed-17.example",
            chance.text(BASE32, 60),
            chance.text(BASE32, 52)
        );
        ask(world, at, name, Kind::Txt, Answer::Text(chance.text(BASE32, 180)));
        at += SECOND / 5 + chance.below(SECOND / 5);
    }
    marks("news-feed-17.example")
}

fn slow(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    for _ in 0..900 {
        let name = format!("{}.ns1.weather-widgets.example", chance.text(BASE32, 30));
        ask(
            world,
            at,
            name,
            Kind::A,
            Answer::Addresses(vec![address("198.51.100.4")]),
        );
        at += 30 * SECOND + chance.below(20 * SECOND);
    }
    marks("weather-widgets.example")
}

fn file(world: &mut World, mut at: u64, chance: &mut Chance) -> Marks {
    for number in 0..280 {
        let name = format!("{number:03}.{}.x.static-assets-3.example", chance.hex(58));
        ask(world, at, name, Kind::A, Answer::Nothing);
        at += 2 * SECOND + chance.below(2 * SECOND);
    }
    marks("static-assets-3.example")
}

fn ask(world: &mut World, at: u64, name: String, kind: Kind, answer: Answer) {
    world.outbound.push(Outbound {
        at,
        what: What::Lookup { name, kind, answer },
    });
}

fn marks(name: &str) -> Marks {
    Marks {
        destinations: vec![name.to_owned()],
        ..Marks::default()
    }
}
