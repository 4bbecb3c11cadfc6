//! What credentials said when they came last, so that a fingerprint is made, and a token read, once for many requests.
//!
//! Two generations: what is asked for moves into the young one; when that is full it becomes the old one, which is
//! forgotten. Nothing is lost by forgetting but time.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Identity;

/// Credentials of a generation: two are 16,384, within 4 MB. As many clients as are busy at a time.
const GENERATION: usize = 8_192;

/// Identities by the tag of the credential that names them ([`crate::enrich::privacy::Privacy::tag`]): no secret is kept.
#[derive(Debug, Default)]
pub(super) struct Memo {
    young: FxHashMap<u128, Arc<[Identity]>>,
    old: FxHashMap<u128, Arc<[Identity]>>,
}

impl Memo {
    /// What the credential with this tag says.
    pub(super) fn get(&mut self, tag: u128) -> Option<Arc<[Identity]>> {
        if let Some(known) = self.young.get(&tag) {
            return Some(Arc::clone(known));
        }
        let known = self.old.remove(&tag)?;
        Some(self.put(tag, known))
    }

    /// Notes what it says, and gives it back.
    pub(super) fn put(&mut self, tag: u128, identities: Arc<[Identity]>) -> Arc<[Identity]> {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(tag, Arc::clone(&identities));
        identities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_in_use_and_is_bounded() {
        let mut memo = Memo::default();
        memo.put(0, Arc::default());
        for tag in 1..GENERATION as u128 * 5 {
            memo.put(tag, Arc::default());
            if tag % 1_000 == 0 {
                assert!(memo.get(0).is_some(), "{tag}");
            }
        }
        assert!(memo.young.len() + memo.old.len() <= 2 * GENERATION);
        assert!(memo.get(1).is_none());
    }
}
