//! How sizes and latencies are spread: quantiles in little memory, good to a sixteenth of themselves.
//!
//! A histogram whose buckets grow with the values (Masson, Rim, Lee, `DDSketch`: a fast and fully-mergeable quantile sketch
//! with relative-error guarantees, PVLDB 12, 2019), each octave being cut into 8 equal parts, which is their logarithm
//! interpolated. Sketches merge without loss; halving makes the past count less.

use super::bytes::{Bytes, put};
use super::whole;

/// Parts of an octave, as bits.
const PART_BITS: u32 = 3;
/// Parts of an octave, and values below which each has its own bucket.
const PARTS: u64 = 1 << PART_BITS;
/// Buckets of all values there are.
const BUCKETS: usize = (PARTS as usize) * (64 - PART_BITS as usize + 1);
/// First byte of the encoded form.
const VERSION: u8 = 1;

/// A histogram of whole numbers. 40 bytes and 4 for each bucket between the least and the greatest that were seen, 2 KB at
/// most: what lies within three orders of magnitude takes 80 buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Bucket of the first count.
    first: usize,
    counts: Vec<u32>,
    total: u64,
}

impl Sketch {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one value.
    pub fn add(&mut self, value: u64) {
        self.add_to(bucket(value), 1);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (n, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add_to(other.first + n, *count);
        }
    }

    /// Halves all counts: ranks move by one at most, since what is odd in one bucket is carried to the next.
    pub fn halve(&mut self) {
        let mut carried = 0;
        self.total = 0;
        for count in &mut self.counts {
            let whole = u64::from(*count) + carried;
            *count = (whole / 2) as u32;
            carried = whole % 2;
            self.total += u64::from(*count);
        }
    }

    /// Values that count.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The value below which a share `q` of them lies, to a sixteenth.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let last = self.total.checked_sub(1)?;
        let rank = whole(q.clamp(0.0, 1.0) * last as f64);
        let mut below = 0;
        let at = self.counts.iter().position(|count| {
            below += u64::from(*count);
            below > rank
        })?;
        Some(middle(self.first + at))
    }

    /// How many are in buckets above that of `value`.
    pub fn above(&self, value: u64) -> u64 {
        let from = (bucket(value) + 1).saturating_sub(self.first).min(self.counts.len());
        self.counts[from..].iter().copied().map(u64::from).sum()
    }

    /// For the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.write(&mut out);
        out
    }

    /// What [`Self::encode`] gave.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        if bytes.byte()? != VERSION {
            return None;
        }
        Self::read(&mut bytes)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put(out, self.first as u64);
        put(out, self.counts.len() as u64);
        for count in &self.counts {
            put(out, u64::from(*count));
        }
    }

    pub(super) fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let first = bytes.at_most(BUCKETS)?;
        let length = bytes.at_most(BUCKETS - first)?;
        let counts: Vec<u32> = (0..length)
            .map(|_| u32::try_from(bytes.number()?).ok())
            .collect::<Option<_>>()?;
        let total = counts.iter().copied().map(u64::from).sum();
        Some(Self { first, counts, total })
    }

    fn add_to(&mut self, bucket: usize, count: u32) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let lower = self.first - bucket;
            self.counts.splice(0..0, std::iter::repeat_n(0, lower));
            self.first = bucket;
        }
        let at = bucket - self.first;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        let before = self.counts[at];
        self.counts[at] = before.saturating_add(count);
        self.total += u64::from(self.counts[at] - before);
    }
}

fn bucket(value: u64) -> usize {
    if value < PARTS {
        return value as usize;
    }
    let octave = value.ilog2() - PART_BITS;
    (PARTS * u64::from(octave) + (value >> octave)) as usize
}

/// The value in the middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * PARTS {
        return bucket;
    }
    let octave = bucket / PARTS - 1;
    let low = (PARTS + bucket % PARTS) << octave;
    low + (1 << octave >> 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        let mut last = 0;
        for value in (0..4_096).chain((12..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1])) {
            let this = bucket(value);
            assert!(
                this == last || this == last + 1 || value >= 4_096 && this > last,
                "{value}"
            );
            assert_eq!(bucket(middle(this)), this, "{value}");
            last = this;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        let mut sketch = Sketch::new();
        assert_eq!((sketch.quantile(0.5), sketch.above(0), sketch.count()), (None, 0, 0));
        sketch.halve();
        sketch.add(7);
        sketch.halve();
        assert_eq!((sketch.count(), sketch.quantile(0.5)), (0, None));
    }

    #[test]
    fn the_past_counts_less_and_less() {
        let mut sketch = Sketch::new();
        for _ in 0..1_000 {
            sketch.add(5_000);
        }
        for _ in 0..3 {
            sketch.halve();
            for _ in 0..300 {
                sketch.add(80);
            }
        }
        assert_eq!(sketch.quantile(0.5), Some(84));
        assert_eq!(sketch.count(), 125 + 75 + 150 + 300);
        assert_eq!(sketch.above(1_000), 125);
    }

    #[test]
    fn what_cannot_be_is_not_read() {
        for bytes in [
            &[][..],
            &[1],
            &[2, 0, 0],
            &[1, 0, 3, 1, 1],
            &[1, 0xff, 0xff, 3, 1, 1],
            &[1, 0, 0x80],
        ] {
            assert_eq!(Sketch::decode(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_good_to_a_sixteenth(
            mut values in prop::collection::vec(0u64..1_000_000_000, 1..300),
            shift in 0u32..30,
            q in 0.0f64..=1.0,
        ) {
            let mut sketch = Sketch::new();
            for value in &mut values {
                *value >>= shift;
                sketch.add(*value);
            }
            values.sort_unstable();
            let exact = values[whole(q * (values.len() - 1) as f64) as usize];
            let near = sketch.quantile(q).unwrap();
            prop_assert!(exact.abs_diff(near) * 16 <= exact, "{} {}", exact, near);
            let above = values.iter().filter(|value| **value > exact).count() as u64;
            prop_assert!(sketch.above(exact) <= above);
            prop_assert_eq!(Sketch::decode(&sketch.encode()), Some(sketch));
        }

        #[test]
        fn merged_is_as_if_added(one in prop::collection::vec(any::<u64>(), 0..50), two in prop::collection::vec(0u64..999, 0..50)) {
            let of = |values: &[u64]| {
                let mut sketch = Sketch::new();
                for value in values {
                    sketch.add(*value);
                }
                sketch
            };
            let mut merged = of(&one);
            merged.merge(&of(&two));
            prop_assert_eq!(merged, of(&[one, two].concat()));
        }
    }
}
