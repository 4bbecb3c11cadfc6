//! How many different things were lately seen: exact while they are few, an estimate beyond.
//!
//! Wegman's adaptive sampling (Flajolet, On adaptive sampling, Computing 43, 1990): hashes are kept as long as there is
//! room; then only those that begin with one more zero bit, which are half of them, and each stands for twice as many. With
//! room for `N` the estimate is off by about 1.2 / sqrt(N) (one standard deviation). Members leave when they were not seen
//! for the window.
//!
//! The hash is not keyed: who chooses his names by their hashes can make the estimate wrong, not the exact count below `N`.

use std::hash::{BuildHasher as _, Hash};
use std::time::Duration;

use rustc_hash::FxBuildHasher;

use crate::time::Timestamp;

/// How many different things there are. 16 bytes a member once it holds some.
#[derive(Clone, Debug, Default)]
pub struct Distinct<const N: usize>(Sampled<N, ()>);

impl<const N: usize> Distinct<N> {
    /// Takes a sight in, and lets go of what was not seen for `window` if there is no room. Whether it is new here.
    pub fn see(&mut self, now: Timestamp, window: Duration, what: &(impl Hash + ?Sized)) -> bool {
        self.0.see_new(now, window, what).1
    }

    /// Lets go of what was not seen for `window`.
    pub fn forget(&mut self, now: Timestamp, window: Duration) {
        self.0.forget(now, window);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.stands_for(self.0.members.len())
    }

    /// Whether [`Self::count`] is the exact number.
    pub fn is_exact(&self) -> bool {
        self.0.is_exact()
    }
}

/// Things with a mark each: all of them up to `N`, a fair sample beyond. 16 bytes and the mark for each member.
#[derive(Clone, Debug, Default)]
pub struct Sampled<const N: usize, M> {
    /// By hash: when seen last, and the mark.
    members: Vec<(u64, Timestamp, M)>,
    /// Leading zero bits of the hashes that are kept.
    level: u8,
}

impl<const N: usize, M: Default> Sampled<N, M> {
    /// Takes a sight in, and lets go of what was not seen for `window` if there is no room. The mark, if it is in the sample.
    pub fn see(&mut self, now: Timestamp, window: Duration, what: &(impl Hash + ?Sized)) -> Option<&mut M> {
        self.see_new(now, window, what).0
    }

    /// The mark, if it is in the sample.
    pub fn get(&self, what: &(impl Hash + ?Sized)) -> Option<&M> {
        let hash = hash_of(what);
        self.members
            .iter()
            .find(|(known, ..)| *known == hash)
            .map(|(.., mark)| mark)
    }

    /// Lets go of what was not seen for `window`.
    pub fn forget(&mut self, now: Timestamp, window: Duration) {
        self.members.retain(|(_, last, _)| *last + window > now);
        // Fewer than a quarter of the room: the next ones are counted more closely.
        while self.level > 0 && self.members.len() < N / 4 {
            self.level -= 1;
        }
    }

    /// The marks of the sample.
    pub fn marks(&self) -> impl Iterator<Item = &M> {
        self.members.iter().map(|(.., mark)| mark)
    }

    /// How many of all there are for so many of the sample.
    pub fn stands_for(&self, members: usize) -> u64 {
        (members as u64) << self.level
    }

    /// Whether the sample is all there is.
    pub fn is_exact(&self) -> bool {
        self.level == 0
    }

    fn see_new(&mut self, now: Timestamp, window: Duration, what: &(impl Hash + ?Sized)) -> (Option<&mut M>, bool) {
        let hash = hash_of(what);
        if let Some(at) = self.members.iter().position(|(known, ..)| *known == hash) {
            let (_, last, mark) = &mut self.members[at];
            *last = now.max(*last);
            return (Some(mark), false);
        }
        if hash.leading_zeros() < u32::from(self.level) {
            return (None, false);
        }
        if self.members.len() >= N {
            self.forget(now, window);
        }
        while self.members.len() >= N && self.level < 63 {
            self.level += 1;
            self.members
                .retain(|(hash, ..)| hash.leading_zeros() >= u32::from(self.level));
        }
        if hash.leading_zeros() < u32::from(self.level) {
            return (None, true);
        }
        self.members.push((hash, now, M::default()));
        (self.members.last_mut().map(|(.., mark)| mark), true)
    }
}

/// Fx leaves its best bits on top, and those decide: mixed once more.
fn hash_of(what: &(impl Hash + ?Sized)) -> u64 {
    mixed(FxBuildHasher.hash_one(what))
}

/// Spreads a hash over all its bits (the finalizer of `MurmurHash3`, public domain).
fn mixed(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn few_are_counted_exactly() {
        let mut names = Distinct::<64>::default();
        for n in 0..64 {
            assert!(names.see(at(0), HOUR, &format!("user{n}")));
            assert!(!names.see(at(1), HOUR, &format!("user{n}")));
        }
        assert_eq!((names.count(), names.is_exact()), (64, true));
    }

    #[test]
    fn many_are_estimated_in_the_same_room() {
        for total in [1_000u64, 20_000, 1_000_000] {
            let mut names = Distinct::<64>::default();
            for n in 0..total {
                names.see(at(0), HOUR, &n);
            }
            let off = names.count() as f64 / total as f64;
            // Four standard deviations of 15 %.
            assert!((0.4..1.6).contains(&off), "{total}: {}", names.count());
            assert!(names.0.members.len() <= 64 && !names.is_exact());
        }
    }

    #[test]
    fn a_sample_is_fair() {
        let mut accounts = Sampled::<128, bool>::default();
        for n in 0..10_000u32 {
            if let Some(let_in) = accounts.see(at(0), HOUR, &n) {
                *let_in = n % 4 == 0;
            }
        }
        let let_in = accounts.marks().filter(|mark| **mark).count() as f64 / accounts.marks().count() as f64;
        // A quarter, within four standard deviations of a sample of 64 at least.
        assert!((0.03..0.47).contains(&let_in), "{let_in}");
        assert!(accounts.marks().count() <= 128 && !accounts.is_exact());
    }

    #[test]
    fn who_was_not_seen_for_the_window_leaves() {
        let mut names = Distinct::<8>::default();
        names.see(at(0), HOUR, "alice");
        names.see(at(3_000), HOUR, "bob");
        names.forget(at(3_600), HOUR);
        assert_eq!(names.count(), 1);
        (0..1_000).for_each(|n| {
            names.see(at(4_000), HOUR, &n);
        });
        assert!(!names.is_exact());
        names.forget(at(10_000), HOUR);
        assert_eq!((names.count(), names.is_exact()), (0, true));
    }
}
