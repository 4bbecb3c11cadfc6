//! Different things counted in a few words, without their times: linear counting (Whang, Vander-Zanden and Taylor, A
//! linear-time probabilistic counting algorithm for database applications, ACM TODS 15, 1990).
//!
//! Each thing sets the bit of its hash; from the share of bits that are not set follows how many things there were. With
//! `m` bits it is off by a few percent up to about `2 m`, and full at `m ln m`.

use std::hash::{BuildHasher as _, Hash};

use rustc_hash::FxBuildHasher;

/// A set of `W` times 64 bits.
#[derive(Clone, Copy, Debug)]
pub struct Bits<const W: usize> {
    words: [u64; W],
    ones: u32,
}

impl<const W: usize> Default for Bits<W> {
    fn default() -> Self {
        Self { words: [0; W], ones: 0 }
    }
}

impl<const W: usize> Bits<W> {
    const ALL: u32 = 64 * W as u32;

    /// Takes a thing in, by its hash ([`hash`]); whether its bit is new.
    #[inline]
    pub fn add(&mut self, hash: u64) -> bool {
        let bit = (hash >> 32) as u32 % Self::ALL;
        let word = &mut self.words[(bit / 64) as usize % W];
        let mask = 1 << (bit % 64);
        if *word & mask != 0 {
            return false;
        }
        *word |= mask;
        self.ones += 1;
        true
    }

    /// Bits that are set: what a line is compared with.
    #[inline]
    pub fn ones(&self) -> u32 {
        self.ones
    }

    /// How many things there were, as far as can be told.
    pub fn count(&self) -> u32 {
        let all = f64::from(Self::ALL);
        let free = f64::from(Self::ALL - self.ones).max(0.5);
        whole((all * (all / free).ln()).round())
    }

    /// Bits that so many things set; more than there are where that cannot be told any more.
    pub fn ones_of(count: u32) -> u32 {
        let all = f64::from(Self::ALL);
        if f64::from(count) > all * all.ln() {
            return u32::MAX;
        }
        whole((all * (1.0 - (-f64::from(count) / all).exp())).ceil()).max(1)
    }
}

/// A number that is not negative, as one without fractions.
#[expect(
    clippy::cast_sign_loss,
    reason = "casts of floats saturate, and what is below 0 is 0"
)]
pub fn whole(number: f64) -> u32 {
    number as u32
}

/// The hash of a thing, spread over all its bits (the finalizer of `MurmurHash3`, public domain).
#[inline]
pub fn hash(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hash = FxBuildHasher.hash_one(what);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<const W: usize>(things: u32) {
        let mut bits = Bits::<W>::default();
        for thing in 0..things {
            bits.add(hash(&format!("/orders/{}", 100_000 + thing)));
            assert!(!bits.add(hash(&format!("/orders/{}", 100_000 + thing))));
        }
        let off = f64::from(bits.count()) / f64::from(things);
        assert!((0.8..1.2).contains(&off), "{things}: {}", bits.count());
        let ones = f64::from(Bits::<W>::ones_of(things)) / f64::from(bits.ones());
        assert!((0.9..1.1).contains(&ones), "{things}: {ones}");
    }

    #[test]
    fn many_are_counted_in_a_few_words() {
        check::<1>(20);
        check::<8>(50);
        check::<8>(500);
        check::<16>(200);
        check::<16>(3_000);
    }

    #[test]
    fn one_is_one_and_too_many_are_no_line() {
        let mut bits = Bits::<16>::default();
        assert_eq!(bits.count(), 0);
        bits.add(hash("a"));
        assert_eq!((bits.count(), bits.ones(), Bits::<16>::ones_of(1)), (1, 1, 1));
        assert_eq!(Bits::<16>::ones_of(1_000_000), u32::MAX);
        assert_eq!((whole(-3.0), whole(f64::NAN), whole(7.9)), (0, 0, 7));
    }
}
