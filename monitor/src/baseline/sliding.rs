//! A window that slides over event time in steps: sums of what fell into its latest slices.

use std::ops::AddAssign;
use std::time::Duration;

use crate::time::Timestamp;

/// Sums over the latest `N` slices, the last of them the one that is not over. `N` values and 16 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sliding<T, const N: usize> {
    /// Length of a slice, nanoseconds.
    step: u64,
    /// Number of the latest slice since the epoch.
    latest: u64,
    slices: [T; N],
}

impl<T: Copy + Default + AddAssign, const N: usize> Sliding<T, N> {
    /// An empty window of `N` times `step`.
    pub fn new(step: Duration) -> Self {
        Self {
            step: u64::try_from(step.as_nanos()).unwrap_or(u64::MAX).max(1),
            latest: 0,
            slices: [T::default(); N],
        }
    }

    /// The slice of `now`, to add to. What comes late is counted in the latest slice.
    pub fn at(&mut self, now: Timestamp) -> &mut T {
        self.slide(now);
        &mut self.slices[(self.latest % N as u64) as usize]
    }

    /// Lets go of what is out of the window at `now`.
    pub fn slide(&mut self, now: Timestamp) {
        let slice = now.as_nanos() / self.step;
        if slice <= self.latest {
            return;
        }
        let over = (slice - self.latest).min(N as u64);
        for n in 0..over {
            self.slices[((slice - n) % N as u64) as usize] = T::default();
        }
        self.latest = slice;
    }

    /// The sum, as of the latest slice.
    pub fn sum(&self) -> T {
        let mut sum = T::default();
        for slice in &self.slices {
            sum += *slice;
        }
        sum
    }

    /// The slices, from the first to the latest.
    pub fn slices(&self) -> impl Iterator<Item = T> {
        let first = (self.latest + 1) % N as u64;
        (0..N).map(move |n| self.slices[(first as usize + n) % N])
    }

    /// When the window begins, as of the latest slice.
    pub fn begin(&self) -> Timestamp {
        Timestamp::from_nanos((self.latest + 1).saturating_sub(N as u64).saturating_mul(self.step))
    }

    /// Number of the slice of `now`, since the epoch: what is told once a slice is told by it.
    pub fn slice(&self, now: Timestamp) -> u64 {
        now.as_nanos() / self.step
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP: Duration = Duration::from_secs(10);

    #[test]
    fn what_is_older_than_the_window_is_let_go() {
        let mut window = Sliding::<u32, 6>::new(STEP);
        let start = 1_700_000_000;
        for second in 0..60 {
            *window.at(Timestamp::from_secs(start + second)) += 1;
        }
        assert_eq!(window.sum(), 60);
        assert_eq!(window.begin(), Timestamp::from_secs(start));
        *window.at(Timestamp::from_secs(start + 60)) += 1;
        assert_eq!(window.sum(), 51);
        assert_eq!(window.slices().collect::<Vec<_>>(), [10, 10, 10, 10, 10, 1]);
        // Late, not lost.
        *window.at(Timestamp::from_secs(start)) += 1;
        assert_eq!(window.sum(), 52);
        window.slide(Timestamp::from_secs(start + 1_000_000));
        assert_eq!(window.sum(), 0);
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_latest_slices(steps in prop::collection::vec(0u64..40, 1..200)) {
            let mut window = Sliding::<u32, 4>::new(STEP);
            let (mut now, mut seen) = (1_000, Vec::new());
            for step in steps {
                now += step;
                seen.push(now);
                *window.at(Timestamp::from_secs(now)) += 1;
                let within = seen.iter().filter(|&&then| then / 10 + 4 > now / 10).count();
                prop_assert_eq!(window.sum() as usize, within);
            }
        }
    }
}
