//! Replays the conversations in `tests/conversations` (its README has their format): each whole, byte by byte, at
//! random splits, out of order and with repetitions, from sequence numbers that wrap. Always the same transactions.
//!
//! `UPDATE_CONVERSATIONS=1` writes what came out as what is expected; read the difference before it is committed.

mod capture;
mod fixture;
mod replay;
mod show;

use std::path::{Path, PathBuf};

use fixture::Fixture;
use replay::{Manner, replay};

/// Replays with chance in them, of each fixture.
const SEEDS: u64 = 24;

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

#[test]
fn every_conversation_gives_what_it_says() {
    let update = std::env::var_os("UPDATE_CONVERSATIONS").is_some();
    let mut wrong = Vec::new();
    let paths = fixtures();
    assert!(paths.len() >= 30, "only {} fixtures found", paths.len());
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a fixture");
        let fixture = Fixture::parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let whole = replay(&fixture, Manner::Whole);
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
            let got = replay(&fixture, manner);
            if got != whole {
                wrong.push(format!("{}: {manner:?} gave\n{got}whole gave\n{whole}", path.display()));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
