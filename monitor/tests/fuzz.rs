//! The fuzz targets of `fuzz/`, in small: every seed, every find of old, and changes of both by a generator of fixed seed.
//!
//! `cargo xtask fuzz` lets libFuzzer change them, for as long as one likes.

#[path = "../../fuzz/src/lib.rs"]
#[expect(
    unreachable_pub,
    dead_code,
    reason = "the library of the targets, of which this uses a part"
)]
mod drivers;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Inputs of each target that are made by changing others.
const CHANGED: usize = 1_000;

#[track_caller]
fn check(target: &str, what: &str, input: &[u8]) {
    let (_, driver) = drivers::TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .unwrap_or_else(|| panic!("no target {target}"));
    if catch_unwind(|| driver(input)).is_err() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{target}-find"));
        let _ = std::fs::write(&path, input);
        panic!("{target}: {what} (the input is {})", path.display());
    }
}

fn run(target: &str) {
    let mut inputs = drivers::seeds::of(target);
    inputs.extend(finds(target));
    assert!(!inputs.is_empty(), "{target} has no seeds");
    for (name, input) in &inputs {
        check(target, name, input);
    }
    check(target, "nothing", &[]);
    let mut chance = Chance(0x5eed);
    for n in 0..CHANGED {
        let mut input = inputs[chance.below(inputs.len())].1.clone();
        for _ in 0..=chance.below(6) {
            let (_, other) = &inputs[chance.below(inputs.len())];
            chance.change(&mut input, other);
        }
        check(target, &format!("change {n}"), &input);
    }
}

/// Inputs that once broke something.
fn finds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/finds").join(target);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths
        .iter()
        .map(|path| (path.display().to_string(), std::fs::read(path).expect("a find")))
        .collect()
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_is_run() {
            let names: Vec<&str> = drivers::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

targets! { record pipeline pcap stream http1 http2 dns tls }

/// Writes the seeds where `MONITOR_FUZZ_SEEDS` says, for libFuzzer: a folder a target.
#[test]
fn seeds_are_written_where_asked() {
    let Some(folder) = std::env::var_os("MONITOR_FUZZ_SEEDS").map(PathBuf::from) else {
        return;
    };
    for (target, _) in drivers::TARGETS {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder).expect("a folder for seeds");
        for (name, input) in drivers::seeds::of(target) {
            std::fs::write(folder.join(name), input).expect("a seed is written");
        }
    }
}

/// Numbers that look random and are the same every time (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// One change: a byte, a number, a piece taken out, said again, or from elsewhere.
    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        /// Bytes that mean something to one protocol or another.
        const TELLING: &[u8] = b"\0\x01\x7f\x80\xc0\xff\r\n :;,0123456789abcdefx\t\"";
        let at = self.below(input.len());
        let end = (at + 1 + self.below(24)).min(input.len());
        match self.below(8) {
            0 => {
                if let Some(b) = input.get_mut(at) {
                    *b ^= 1 << self.below(8);
                }
            }
            1 => {
                if let Some(b) = input.get_mut(at) {
                    *b = TELLING[self.below(TELLING.len())];
                }
            }
            2 => input.insert(at, TELLING[self.below(TELLING.len())]),
            3 => drop(input.drain(at..end)),
            4 => {
                let piece = input[at..end].to_vec();
                let to = self.below(input.len());
                input.splice(to..to, piece);
            }
            5 => {
                let from = self.below(other.len());
                let piece = &other[from..(from + self.below(80)).min(other.len())];
                input.splice(at..at, piece.iter().copied());
            }
            6 => {
                let number = self.next().to_le_bytes();
                let count = 1 << self.below(3);
                for (b, new) in input[at..].iter_mut().zip(&number[..count]) {
                    *b = *new;
                }
            }
            _ => input.truncate(at),
        }
    }
}
