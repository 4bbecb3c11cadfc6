//! Replays the conversations in `tests/conversations` (its README has their format): each whole, byte by byte, at
//! random splits, out of order and with repetitions, from sequence numbers that wrap. Always the same transactions.
//!
//! `UPDATE_CONVERSATIONS=1` writes what came out as what is expected; read the difference before it is committed.

mod capture;
mod fixture;
mod packets;
mod replay;
mod show;

use std::path::{Path, PathBuf};

use fixture::Fixture;
use monitor::protocol::conversation::Message;
use replay::{Manner, replay};

/// Replays with chance in them, of each fixture.
const SEEDS: u64 = 24;

/// Fixtures that packets do not give alike, and why.
const NOT_ON_THE_WIRE: [(&str, &str); 2] = [
    ("request-cut", "that an end fell silent is no packet"),
    (
        "http2-lost-header-block",
        "the kernel has counted what a ring loses, a capture has not: the hole shows when what follows it comes",
    ),
];

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conversations");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    paths.sort();
    paths
}

/// The names in the table of `docs/records.md`, so that none is without a page, a rule and a case.
#[test]
fn every_anomaly_has_a_conversation() {
    let page = include_str!("../../../docs/records.md");
    let table = page.split_once("### Anomalies").expect("the section").1;
    let names: Vec<&str> = table
        .lines()
        .skip_while(|line| !line.starts_with("| ---"))
        .skip(1)
        .map_while(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    assert!(names.len() >= 30, "only {names:?} found");
    let texts: Vec<String> = fixtures()
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a fixture"))
        .collect();
    let told = |name: &&str| {
        let lines = texts.iter().flat_map(|text| text.lines());
        let mut lists = lines.filter_map(|line| Some(line.split_once(" anomalies=")?.1.split(',')));
        lists.any(|mut list| list.any(|told| told == *name))
    };
    let missing: Vec<&&str> = names.iter().filter(|name| !told(name)).collect();
    assert!(missing.is_empty(), "no conversation has {missing:?}");
}

#[test]
fn every_conversation_gives_what_it_says() {
    let update = std::env::var_os("UPDATE_CONVERSATIONS").is_some();
    let mut wrong = Vec::new();
    let paths = fixtures();
    assert!(paths.len() >= 30, "only {} fixtures found", paths.len());
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a fixture");
        let fixture = Fixture::parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let whole = replay(&fixture, Manner::Whole).text;
        if whole != fixture.expected {
            if update {
                std::fs::write(&path, Fixture::with_expected(&text, &whole)).expect("the fixture is writable");
            } else {
                wrong.push(format!(
                    "{}: expected\n{}got\n{whole}",
                    path.display(),
                    fixture.expected
                ));
            }
        }
        let others = std::iter::once(Manner::Bytewise)
            .chain((0..SEEDS).flat_map(|seed| [Manner::Split(seed), Manner::Shuffled(seed)]));
        for manner in others {
            let got = replay(&fixture, manner).text;
            if got != whole {
                wrong.push(format!("{}: {manner:?} gave\n{got}whole gave\n{whole}", path.display()));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Through packets and the whole engine comes what the conversation gave, in any segmentation, order and repetition.
#[test]
fn packets_give_what_conversations_give() {
    let mut wrong = Vec::new();
    for path in fixtures() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if NOT_ON_THE_WIRE.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a fixture");
        let fixture = Fixture::parse(&text).expect("a fixture that is read");
        let manners = [Manner::Whole, Manner::Bytewise]
            .into_iter()
            .chain((0..4).flat_map(|seed| [Manner::Split(seed), Manner::Shuffled(seed)]));
        for manner in manners {
            let replayed = replay(&fixture, manner);
            let http = |message: &Message| {
                if let Message::Http(transaction) = message {
                    Some(packets::expected(transaction))
                } else {
                    None
                }
            };
            let expected: String = replayed.messages.iter().filter_map(http).collect();
            let got = packets::transactions(&fixture, &replayed.wire);
            if got != expected {
                wrong.push(format!(
                    "{name}: {manner:?} gave\n{got}and as a conversation\n{expected}"
                ));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
