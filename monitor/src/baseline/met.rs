//! What this host has met before (agents, sources, by their hashes), in two sets of fixed size: Bloom filters (B. H. Bloom,
//! Space/time trade-offs in hash coding with allowable errors, CACM 13, 1970), cut into blocks so that one thing is in one
//! block.
//!
//! When the younger set is a third full it becomes the older one, and what the older one knew is forgotten unless it was met
//! since: after about 140,000 things. Of what is new one in fourteen at most is taken for known.

use super::{Change, Row};
use crate::time::Timestamp;

/// Blocks, and their words of 64 bits: 128 KiB a set.
const BLOCKS: usize = 64;
const WORDS: usize = 256;
/// Bits of a set that may be set.
const MOST_ONES: u32 = (BLOCKS * WORDS * 64 / 3) as u32;

/// Both sets.
#[derive(Debug)]
pub struct Met {
    /// How its rows are called, before the number of the block.
    name: &'static str,
    young: Vec<u64>,
    old: Vec<u64>,
    ones: u32,
    /// Blocks that have changed, a bit each.
    dirty: u64,
}

impl Met {
    /// One that has met nothing. Its rows are called by `name` and a number.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            young: vec![0; BLOCKS * WORDS],
            old: vec![0; BLOCKS * WORDS],
            ones: 0,
            dirty: 0,
        }
    }

    /// Whether something of this hash was met lately. One that only the older set knows is not.
    pub fn has(&self, hash: u64) -> bool {
        places(hash).all(|(word, bit)| self.young[word] & bit != 0)
    }

    /// Takes it in; whether it is new.
    pub fn add(&mut self, hash: u64) -> bool {
        let is_new = !self.has(hash) && !places(hash).all(|(word, bit)| self.old[word] & bit != 0);
        for (word, bit) in places(hash) {
            let here = &mut self.young[word];
            self.ones += u32::from(*here & bit == 0);
            *here |= bit;
        }
        self.dirty |= 1 << block(hash);
        if self.ones > MOST_ONES {
            self.old = std::mem::replace(&mut self.young, vec![0; BLOCKS * WORDS]);
            (self.ones, self.dirty) = (0, u64::MAX);
        }
        is_new
    }

    /// Rows of what has changed: both sets of a block, without the words that are 0.
    pub fn export(&mut self) -> Vec<Change> {
        let dirty = std::mem::take(&mut self.dirty);
        let changed = (0..BLOCKS).filter(|block| dirty >> block & 1 == 1);
        changed
            .map(|block| {
                let mut detail = Vec::new();
                for set in [&self.young, &self.old] {
                    let words = &set[block * WORDS..(block + 1) * WORDS];
                    let used = || words.iter().enumerate().filter(|(_, word)| **word != 0);
                    detail.extend((used().count() as u16).to_be_bytes());
                    for (at, word) in used() {
                        detail.push(at as u8);
                        detail.extend(word.to_be_bytes());
                    }
                }
                Change::Put(Row::of(format!("{} {block}", self.name), Timestamp::ZERO, detail))
            })
            .collect()
    }

    /// Takes back a row.
    pub fn restore(&mut self, name: &str, detail: &[u8]) {
        let block = name
            .strip_prefix(self.name)
            .and_then(|number| number.trim_start().parse::<usize>().ok());
        let Some(block) = block.filter(|block| *block < BLOCKS) else {
            return;
        };
        let mut rest = detail;
        for set in [&mut self.young, &mut self.old] {
            let Some((count, words)) = rest.split_first_chunk::<2>() else {
                return;
            };
            let size = usize::from(u16::from_be_bytes(*count)) * 9;
            let Some((words, after)) = words.split_at_checked(size) else {
                return;
            };
            for word in words.chunks_exact(9) {
                if let Some((at, bits)) = word.split_first()
                    && let Ok(bits) = bits.try_into()
                {
                    set[block * WORDS + usize::from(*at)] |= u64::from_be_bytes(bits);
                }
            }
            rest = after;
        }
        self.ones = self.young.iter().map(|word| word.count_ones()).sum();
    }
}

fn block(hash: u64) -> usize {
    (hash >> 58) as usize
}

/// Where its three bits are.
fn places(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    let first = block(hash) * WORDS;
    [0, 14, 28].into_iter().map(move |shift| {
        let at = (hash >> shift) as usize % (WORDS * 64);
        (first + at / 64, 1 << (at % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::bits::hash;

    #[test]
    fn what_is_met_is_known_and_hardly_anything_else() {
        let mut met = Met::new("(met)");
        let news = (0..20_000u32).filter(|n| met.add(hash(n))).count();
        assert!(news > 19_500, "{news}");
        assert!((0..20_000u32).all(|n| met.has(hash(&n)) && !met.add(hash(&n))));
        let mistaken = (20_000..40_000u32).filter(|n| met.has(hash(n))).count();
        assert!(mistaken < 400, "{mistaken}");
    }

    #[test]
    fn without_end_the_latest_are_known() {
        let mut met = Met::new("(met)");
        (0..1_000_000u32).for_each(|n| {
            met.add(hash(&n));
        });
        assert!((999_000..1_000_000u32).all(|n| !met.add(hash(&n))));
        let news = (0..1_000u32).filter(|n| met.add(hash(n))).count();
        assert!(news > 500, "{news}");
    }

    #[test]
    fn a_broken_row_does_no_harm() {
        let mut met = Met::new("(met)");
        for detail in [&[][..], &[0], &[0xff, 0xff, 1], &[0, 1, 3]] {
            met.restore("(met) 3", detail);
        }
        met.restore("(met) 64", &[0, 0, 0, 0]);
        met.restore("else", &[0, 0, 0, 0]);
        assert!(met.add(hash("a")));
    }
}
