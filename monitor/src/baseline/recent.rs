//! What was lately seen of each subject, in bounded memory: sources, accounts, endpoints, as traffic brings them.
//!
//! A table of slots beside an index. When it is full a few slots are looked at, here and there: the one that tells least
//! is given up, and counted. So a newcomer costs a constant, and who makes up subjects pushes out his own.

use std::hash::Hash;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::time::Timestamp;

/// Slots that are looked at to find one to give up ...
const LOOKED_AT: usize = 8;
/// ... and at most, while all of them tell more than a newcomer does. Where four of five do, one of 1,000 is given up
/// wrongly (0.8^32).
const LOOKED_AT_MOST: usize = 32;

/// Subjects and what is kept of each. An entry takes its key twice, its value, and 24 bytes.
#[derive(Debug)]
pub struct Recent<K, V> {
    most: usize,
    keep: Duration,
    index: FxHashMap<K, usize>,
    slots: Vec<Slot<K, V>>,
    /// Looks so far.
    hand: usize,
    evicted: u64,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    last: Timestamp,
    value: V,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    /// At most so many subjects, each kept for so long after it was seen last.
    pub fn new(most: usize, keep: Duration) -> Self {
        Self {
            most: most.max(1),
            keep,
            index: FxHashMap::default(),
            slots: Vec::new(),
            hand: 0,
            evicted: 0,
        }
    }

    /// What is kept of `key`, which is not seen by this.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.index.get(key).map(|&at| &self.slots[at].value)
    }

    /// `key` is seen: what is kept of it, if it is known.
    pub fn see(&mut self, now: Timestamp, key: &K) -> Option<&mut V> {
        // The ordinary case of detectors that remember what is suspicious alone.
        if self.index.is_empty() {
            return None;
        }
        let slot = &mut self.slots[*self.index.get(key)?];
        slot.last = slot.last.max(now);
        Some(&mut slot.value)
    }

    /// `key` is seen: what is kept of it, which is made if it is not known. `telling` weighs what may be given up for it; a
    /// newcomer weighs 0 or 1.
    pub fn see_or_make(
        &mut self,
        now: Timestamp,
        key: &K,
        make: impl FnOnce() -> V,
        telling: impl Fn(&V) -> u64,
    ) -> &mut V {
        let at = if let Some(&at) = self.index.get(key) {
            at
        } else {
            if self.slots.len() >= self.most {
                self.evict(&telling);
            }
            self.slots.push(Slot {
                key: key.clone(),
                last: now,
                value: make(),
            });
            self.index.insert(key.clone(), self.slots.len() - 1);
            self.slots.len() - 1
        };
        let slot = &mut self.slots[at];
        slot.last = slot.last.max(now);
        &mut slot.value
    }

    /// Forgets `key`.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = *self.index.get(key)?;
        Some(self.take(at))
    }

    /// Forgets what was not seen for long.
    pub fn expire(&mut self, now: Timestamp) {
        let mut at = 0;
        while at < self.slots.len() {
            if self.slots[at].last + self.keep <= now {
                self.take(at);
            } else {
                at += 1;
            }
        }
    }

    /// All there are, in no order that means anything, but always the same for the same input.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().map(|slot| (&slot.key, &slot.value))
    }

    /// Likewise, to change them; this is no sight of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.slots.iter_mut().map(|slot| (&slot.key, &mut slot.value))
    }

    /// Subjects there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Subjects given up to stay within the bound.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn evict(&mut self, telling: impl Fn(&V) -> u64) {
        let count = self.slots.len();
        let mut least: Option<(u64, Timestamp, usize)> = None;
        for n in 0..LOOKED_AT_MOST.min(count) {
            if n >= LOOKED_AT && least.is_some_and(|(weight, ..)| weight <= 1) {
                break;
            }
            // Here and there, since subjects that came together tell alike (Knuth's multiplicative hash).
            self.hand = self.hand.wrapping_add(1);
            let at = (self.hand.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % count;
            let slot = &self.slots[at];
            let this = (telling(&slot.value), slot.last, at);
            least = Some(least.map_or(this, |least| least.min(this)));
        }
        if let Some((_, _, at)) = least {
            self.take(at);
            self.evicted += 1;
        }
    }

    fn take(&mut self, at: usize) -> V {
        let slot = self.slots.swap_remove(at);
        self.index.remove(&slot.key);
        if let Some(moved) = self.slots.get(at) {
            self.index.insert(moved.key.clone(), at);
        }
        slot.value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEEP: Duration = Duration::from_mins(1);

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn count(recent: &mut Recent<u32, u64>, now: u64, key: u32) -> u64 {
        let value = recent.see_or_make(at(now), &key, || 0, |value| *value);
        *value += 1;
        *value
    }

    #[test]
    fn what_is_not_seen_is_forgotten() {
        let mut recent = Recent::new(10, KEEP);
        assert_eq!(count(&mut recent, 0, 1), 1);
        count(&mut recent, 30, 2);
        recent.expire(at(60));
        assert_eq!((recent.get(&1), recent.get(&2), recent.len()), (None, Some(&1), 1));
        assert!(recent.see(at(80), &2).is_some() && recent.see(at(80), &1).is_none());
        recent.expire(at(90));
        assert_eq!(recent.len(), 1, "a sight keeps it");
        assert_eq!(recent.evicted(), 0, "to forget is no eviction");
    }

    // Someone makes up subjects: those that tell something stay.
    #[test]
    fn a_flood_of_subjects_pushes_out_its_own() {
        let mut recent = Recent::new(100, KEEP);
        for key in 0..50 {
            (0..9).for_each(|_| {
                count(&mut recent, 0, key);
            });
        }
        for key in 1_000..20_000 {
            count(&mut recent, 1, key);
        }
        assert_eq!(recent.len(), 100);
        let kept = (0..50).filter(|key| recent.get(key).is_some()).count();
        assert_eq!(kept, 50);
        assert_eq!(recent.evicted(), 19_000 - 50);
    }

    proptest! {
        #[test]
        fn index_and_slots_agree(steps in prop::collection::vec((0u32..20, 0u64..4), 0..300)) {
            let mut recent = Recent::new(8, Duration::from_secs(10));
            let mut now = 0;
            for (key, step) in steps {
                now += step;
                match step {
                    0 => { recent.remove(&key); }
                    1 => recent.expire(at(now)),
                    _ => { count(&mut recent, now, key); }
                }
                prop_assert!(recent.len() <= 8 && recent.index.len() == recent.slots.len());
                for (n, slot) in recent.slots.iter().enumerate() {
                    prop_assert_eq!(recent.index.get(&slot.key), Some(&n));
                }
            }
        }
    }
}
