//! Occurrences of what detectors find, one a subject: counted while they last, and told in a bundle.
//!
//! A flood of one scanner is one alert that grows. What is found is told [`HOLD`] after it was first seen, with all that
//! came since, and at once where the detector says so.

use std::hash::Hash;
use std::time::Duration;

use super::recent::Recent;
use crate::time::Timestamp;

/// What came within it is told together: long enough that a scanner has shown what it is, short to a person on call.
const HOLD: Duration = Duration::from_secs(1);
/// How often what is over is swept out.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// One occurrence: what is known of it in `what`.
#[derive(Debug)]
pub struct Case<V> {
    /// First observation of it.
    pub first: Timestamp,
    /// Latest.
    pub last: Timestamp,
    /// Observations in all.
    pub count: u64,
    /// Of which no finding has told.
    untold: u64,
    /// What else.
    pub what: V,
}

impl<V> Case<V> {
    fn new(now: Timestamp, what: V) -> Self {
        Self {
            first: now,
            last: now,
            count: 0,
            untold: 0,
            what,
        }
    }

    /// What came before it was found belongs to it: so many observations, since then.
    pub fn reach_back(&mut self, first: Timestamp, count: u64) {
        self.first = self.first.min(first);
        self.count += count;
        self.untold += count;
    }

    /// The observations that are told now, and count no more.
    pub fn take(&mut self) -> u64 {
        std::mem::take(&mut self.untold)
    }
}

/// The occurrences of a detector, by subject.
#[derive(Debug)]
pub struct Occurrences<K, V> {
    quiet: Duration,
    cases: Recent<K, Case<V>>,
    /// Subjects with something untold.
    waiting: Vec<K>,
    next_tell: Option<Timestamp>,
    next_sweep: Option<Timestamp>,
}

impl<K: Eq + Hash + Clone, V> Occurrences<K, V> {
    /// At most so many at a time; one is over when nothing was added for `quiet`.
    pub fn new(most: usize, quiet: Duration) -> Self {
        Self {
            quiet,
            cases: Recent::new(most, quiet),
            waiting: Vec::new(),
            next_tell: None,
            next_sweep: None,
        }
    }

    /// One more observation of `key`, which begins an occurrence if there is none, `make` saying what is known.
    pub fn add(&mut self, now: Timestamp, key: &K, make: impl Fn() -> V) -> &mut Case<V> {
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let quiet = self.quiet;
        let case = self
            .cases
            .see_or_make(now, key, || Case::new(now, make()), |case| case.count);
        if case.last + quiet <= now {
            *case = Case::new(now, make());
        }
        if case.untold == 0 {
            self.waiting.push(key.clone());
            self.next_tell.get_or_insert(now + HOLD);
        }
        case.last = case.last.max(now);
        case.count += 1;
        case.untold += 1;
        case
    }

    /// The occurrence of `key`, where there is one.
    pub fn get(&mut self, now: Timestamp, key: &K) -> Option<&mut Case<V>> {
        let quiet = self.quiet;
        self.cases.see(now, key).filter(|case| case.last + quiet > now)
    }

    /// Tells, by `tell`, those that have waited until `now`, and forgets what is over.
    pub fn expire(&mut self, now: Timestamp, tell: impl FnMut(&K, &mut Case<V>)) {
        if self.next_tell.is_some_and(|due| due <= now) {
            self.tell_all(tell);
        }
        if self.next_sweep.is_some_and(|due| due <= now) {
            self.cases.expire(now);
            self.next_sweep = (!self.cases.is_empty()).then(|| now + SWEEP_EVERY);
        }
    }

    /// Tells, by `tell`, all that is untold.
    pub fn tell_all(&mut self, mut tell: impl FnMut(&K, &mut Case<V>)) {
        for key in self.waiting.drain(..) {
            // The epoch is no sight of it.
            let found = self.cases.see(Timestamp::ZERO, &key);
            if let Some(case) = found.filter(|case| case.untold > 0) {
                tell(&key, case);
            }
        }
        self.next_tell = None;
    }

    /// When [`Self::expire`] is wanted.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        [self.next_tell, self.next_sweep].into_iter().flatten().min()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Occurrences given up to stay within the bound.
    pub fn evicted(&self) -> u64 {
        self.cases.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn told(cases: &mut Occurrences<u32, ()>, now: u64) -> Vec<(u32, u64, u64)> {
        let mut told = Vec::new();
        cases.expire(at(now), |key, case| {
            let untold = case.take();
            told.push((*key, case.count, untold));
        });
        told
    }

    #[test]
    fn what_comes_together_is_told_together() {
        let mut cases = Occurrences::<u32, ()>::new(10, Duration::from_mins(10));
        (0..5).for_each(|_| {
            cases.add(at(0), &1, || ());
        });
        cases.add(at(0), &2, || ());
        assert_eq!(cases.next_timeout(), Some(at(1)));
        assert_eq!(told(&mut cases, 0), []);
        assert_eq!(told(&mut cases, 1), [(1, 5, 5), (2, 1, 1)]);
        cases.add(at(5), &1, || ());
        assert_eq!(told(&mut cases, 6), [(1, 6, 1)]);
        // Told at once by its detector: not again.
        cases.add(at(7), &1, || ()).take();
        assert_eq!(told(&mut cases, 8), []);
    }

    #[test]
    fn an_occurrence_ends_and_another_begins() {
        let mut cases = Occurrences::<u32, ()>::new(10, Duration::from_mins(10));
        cases.add(at(0), &1, || ());
        assert_eq!(told(&mut cases, 1), [(1, 1, 1)]);
        assert!(cases.get(at(599), &1).is_some());
        assert_eq!(cases.add(at(1_300), &1, || ()).count, 1);
        told(&mut cases, 5_000);
        assert!(cases.get(at(5_001), &1).is_none());
        assert_eq!(cases.next_timeout(), None);
    }
}
