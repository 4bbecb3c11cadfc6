//! Which identities the server has accepted.
//!
//! Whoever asks can claim to be anyone; the server's answer tells. Two generations of a set: what is seen moves into the
//! young one, and when that is full it becomes the old one, whose members are forgotten.

use std::hash::BuildHasher as _;

use rustc_hash::{FxBuildHasher, FxHashSet};

use super::IdentityKind;

/// Identities of a generation: two are 131,072, within 4 MB.
const GENERATION: usize = 65_536;

/// Identities that were accepted, by hash: nobody gains by a collision with a name that could be claimed itself.
#[derive(Debug, Default)]
pub(super) struct Proven {
    young: FxHashSet<u64>,
    old: FxHashSet<u64>,
    evicted: u64,
}

impl Proven {
    /// An identity is seen, now `accepted` or not: whether it ever was.
    pub(super) fn see(&mut self, kind: IdentityKind, id: &str, accepted: bool) -> bool {
        let hash = FxBuildHasher.hash_one((kind, id));
        if self.young.contains(&hash) {
            return true;
        }
        if !accepted && !self.old.contains(&hash) {
            return false;
        }
        self.old.remove(&hash);
        if self.young.len() >= GENERATION {
            self.evicted += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash);
        true
    }

    /// Identities forgotten.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acceptance_proves_for_good() {
        let mut proven = Proven::default();
        assert!(!proven.see(IdentityKind::Account, "alice", false));
        assert!(proven.see(IdentityKind::Account, "alice", true));
        assert!(proven.see(IdentityKind::Account, "alice", false));
        assert!(!proven.see(IdentityKind::Key, "alice", false));
    }

    #[test]
    fn is_bounded_and_keeps_those_in_use() {
        let mut proven = Proven::default();
        proven.see(IdentityKind::Account, "alice", true);
        for n in 0..GENERATION * 4 {
            proven.see(IdentityKind::Account, &n.to_string(), true);
            if n % 1_000 == 0 {
                assert!(proven.see(IdentityKind::Account, "alice", false), "{n}");
            }
        }
        assert!(proven.young.len() + proven.old.len() <= 2 * GENERATION);
        assert!(proven.evicted() > GENERATION as u64);
        assert!(!proven.see(IdentityKind::Account, "0", false));
    }
}
