//! How large something usually is, and from where on it is too large.

use crate::baseline::sketch::Sketch;
use crate::time::Timestamp;

/// A week, nanoseconds.
const WEEK: u64 = 7 * 86_400 * 1_000_000_000;
/// So many sizes say where the tail is ...
const ENOUGH: u64 = 20;
/// ... and with so many the past of a week and more counts half.
const MANY: u64 = 400;
/// The line is worked out anew after so many.
const AGAIN: u8 = 64;
/// The line is so many times what one in a hundred has, or more: pages get longer.
const LEAST_TIMES: f64 = 10.0;
/// Sums of recipients are of two kinds, of those who read and those who fetch: a tail through both leads nowhere, so it is not
/// followed further than this.
const MOST_TIMES_OF_MANY: f64 = 20.0;
/// And twice the greatest ever that was ordinary; four times, while there are few.
const TIMES: u64 = 2;

/// Sizes that were ordinary. 100 bytes, and 4 for each of the sketch's buckets: some 300.
#[derive(Clone, Debug, Default)]
pub(super) struct Sizes {
    sketch: Sketch,
    /// Latest one, as of when the line was worked out.
    last: Timestamp,
    week: u64,
    /// Until the line is worked out.
    left: u8,
    line: Option<u64>,
    /// They are of many who have nothing to do with each other: what one had is no excuse for another.
    of_many: bool,
}

impl Sizes {
    pub(super) fn from_sketch(sketch: Sketch) -> Self {
        Self {
            sketch,
            ..Self::default()
        }
    }

    pub(super) fn of_many(sketch: Sketch) -> Self {
        Self {
            sketch,
            of_many: true,
            ..Self::default()
        }
    }

    pub(super) fn sketch(&self) -> &Sketch {
        &self.sketch
    }

    /// One more that is ordinary; where the tail is, is worked out at the risk `alpha`.
    #[inline]
    pub(super) fn add(&mut self, now: Timestamp, size: u64, alpha: f64) {
        self.sketch.add(size);
        if self.left == 0 {
            self.work_out(now, alpha);
        } else {
            self.left -= 1;
        }
    }

    /// The line, if there are enough to say; it is not worked out by this.
    #[inline]
    pub(super) fn line(&self) -> Option<u64> {
        self.line
    }

    /// What half of them have at most.
    pub(super) fn median(&self) -> Option<u64> {
        self.sketch.quantile(0.5)
    }

    /// When it was worked out last.
    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    /// The greatest.
    pub(super) fn greatest(&self) -> u64 {
        self.sketch.quantile(1.0).unwrap_or(0)
    }

    /// A line that can be said of few: so much was ordinary, so twice as much may be, twice over.
    pub(super) fn line_of_few(&self) -> u64 {
        self.greatest().saturating_mul(2 * TIMES)
    }

    pub(super) fn work_out(&mut self, now: Timestamp, alpha: f64) {
        (self.left, self.last) = (AGAIN, self.last.max(now));
        let week = now.as_nanos() / WEEK;
        if week != self.week {
            if self.week != 0 && self.sketch.count() >= MANY {
                self.sketch.halve();
            }
            self.week = week;
        }
        self.line = if self.of_many {
            tail(&self.sketch, alpha, MOST_TIMES_OF_MANY)
        } else {
            let tail = tail(&self.sketch, alpha, f64::INFINITY);
            tail.map(|tail| tail.max(self.greatest().saturating_mul(TIMES)))
        };
        if self.line.is_none() {
            self.left = 4;
        }
    }
}

/// Where a Pareto tail through the 90th and the 99th percentile falls to `alpha`: it loses a decade of probability for each
/// time that sizes grow by their ratio.
fn tail(sketch: &Sketch, alpha: f64, most_times: f64) -> Option<u64> {
    if sketch.count() < ENOUGH {
        return None;
    }
    let (one_in_ten, one_in_hundred) = (sketch.quantile(0.9)?, sketch.quantile(0.99)?);
    let ratio = one_in_hundred.max(1) as f64 / one_in_ten.max(1) as f64;
    let decades = (0.01 / alpha).log10().max(1.0);
    let times = ratio.powf(decades).clamp(LEAST_TIMES, most_times);
    #[expect(
        clippy::cast_sign_loss,
        reason = "a product of sizes; beyond all sizes it stays the greatest"
    )]
    let line = (one_in_hundred as f64 * times) as u64;
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: f64 = 1e-9;

    fn after(sizes: impl Iterator<Item = u64>) -> Sizes {
        let mut all = Sizes::default();
        sizes.for_each(|size| all.add(Timestamp::from_secs(1_800_000_000), size, ALPHA));
        all.work_out(Timestamp::from_secs(1_800_000_000), ALPHA);
        all
    }

    #[test]
    fn few_say_nothing_of_a_tail() {
        let few = after((0..19).map(|_| 24_000_000));
        assert_eq!(few.line(), None);
        assert!(
            (90_000_000..105_000_000).contains(&few.line_of_few()),
            "{}",
            few.line_of_few()
        );
    }

    #[test]
    fn what_is_always_alike_may_be_ten_times_that() {
        let line = after((0..500).map(|n| 400 + n % 7)).line().unwrap();
        assert!((3_900..4_700).contains(&line), "{line}");
    }

    #[test]
    fn what_one_of_many_had_is_no_excuse() {
        let mut many = Sizes::of_many(Sketch::new());
        for n in 0..500 {
            many.add(
                Timestamp::from_secs(n),
                if n == 99 { 2_000_000_000 } else { 1_000 },
                ALPHA,
            );
        }
        many.work_out(Timestamp::from_secs(500), ALPHA);
        assert!(many.line().unwrap() < 25_000, "{:?}", many.line());
    }

    #[test]
    fn a_heavy_tail_reaches_far() {
        // Of 1,000 the n-th has 1,000 / n parts: a Pareto distribution with index 1.
        let line = after((1..=1_000).map(|n| 1_000_000 / n)).line().unwrap();
        assert!(line > 1_000_000_000, "{line}");
        // Some are a hundred times the others.
        let line = after((0..1_000).map(|n| if n % 300 == 0 { 200_000 } else { 2_000 }))
            .line()
            .unwrap();
        assert!((380_000..450_000).contains(&line), "{line}");
    }
}
