//! A histogram of latencies, fine enough to tell quantiles by.

/// Buckets for each doubling: a quantile is off by a tenth at most (half of 2^(1/4) - 1).
const STEPS: u32 = 4;
/// Up to 2^32 microseconds, more than an hour; what takes longer counts in the last one.
const BUCKETS: usize = 32 * STEPS as usize;

/// How many took how long. 512 bytes once it has seen one.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Empty until the first comes.
    buckets: Vec<u32>,
}

impl Latencies {
    /// One more, of so many microseconds.
    pub fn add(&mut self, us: u64) {
        if self.buckets.is_empty() {
            self.buckets = vec![0; BUCKETS];
        }
        let bucket = &mut self.buckets[bucket(us)];
        *bucket = bucket.saturating_add(1);
    }

    /// The latency that this share of them did not exceed, microseconds; none where there are none.
    #[expect(clippy::cast_sign_loss, reason = "a share of a count is not negative")]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let count: u64 = self.buckets.iter().map(|count| u64::from(*count)).sum();
        let rank = (share.clamp(0.0, 1.0) * count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let at = self.buckets.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        })?;
        Some(middle(at))
    }
}

fn bucket(us: u64) -> usize {
    let us = us.max(1);
    let octave = us.ilog2();
    // The bits below the first, as a fraction of the octave in fixed point: a straight line between the powers of two.
    let fraction = if octave >= 2 {
        (us >> (octave - 2)) & 3
    } else {
        (us << (2 - octave)) & 3
    };
    ((octave * STEPS) as usize + fraction as usize).min(BUCKETS - 1)
}

/// The middle of a bucket.
#[expect(clippy::cast_sign_loss, reason = "a power of two is not negative")]
fn middle(at: usize) -> u64 {
    let (octave, fraction) = (at as u32 / STEPS, (at as u32 % STEPS) as f64);
    (f64::from(octave).exp2() * (1.0 + (fraction + 0.5) / f64::from(STEPS))) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_of_a_row() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        for us in 1..=1_000 {
            latencies.add(us * 10);
        }
        for (share, exact) in [(0.5, 5_000.0), (0.95, 9_500.0), (0.99, 9_900.0)] {
            let told = latencies.quantile(share).unwrap() as f64;
            assert!((told / exact - 1.0).abs() < 0.13, "{share}: {told}");
        }
    }

    proptest! {
        #[test]
        fn a_bucket_holds_what_is_near_its_middle(us in 4u64..1 << 32) {
            let told = middle(bucket(us)) as f64;
            prop_assert!((told / us as f64 - 1.0).abs() <= 0.13, "{us} is told as {told}");
        }

        #[test]
        fn takes_anything(us: u64) {
            prop_assert!(bucket(us) < BUCKETS);
        }
    }
}
