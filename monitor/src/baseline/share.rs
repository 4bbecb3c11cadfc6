//! A share that is learned: how many of so many usually fail, and how far windows differ in it.
//!
//! Mean and correlation within a window by moments (Kleinman, Proportions with extraneous variance: single and independent
//! samples, JASA 68, 1973), for the beta-binomial tail of [`super::tail`]. A day counts nine tenths of the next.

use super::bytes::{Bytes, put, put_f32};
use crate::time::Timestamp;

/// What is left of a day's weight after another.
const KEPT: f32 = 0.9;
/// A window is learned up to three times what is usual, and three more: what is beyond is an event and no habit.
const CLIPPED: f64 = 3.0;
/// Deviations count up to so many standard deviations.
const FAR: f64 = 4.0;
/// Correlations that are believed.
const LEAST_RHO: f64 = 0.000_5;
/// What is supposed at first, at least.
const SUPPOSED_RHO: f64 = 0.005;
const MOST_RHO: f64 = 0.3;
/// Weight of the correlation that is supposed at first, pairs.
const PAIRS: f64 = 2_000.0;
/// First byte of the encoded form.
const VERSION: u8 = 1;

/// How many of so many usually fail. 48 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    prior: f64,
    weight: f64,
    tried: f32,
    failed: f32,
    /// Sum of what is beyond the variance of independent tries, and of what it would be if tries of a window were all alike.
    beyond: f32,
    pairs: f32,
    day: u64,
}

impl Share {
    /// One that supposes `prior`, as if that were learned of `weight` tries.
    pub fn new(prior: f64, weight: f64) -> Self {
        Self {
            prior,
            weight,
            tried: 0.0,
            failed: 0.0,
            beyond: 0.0,
            pairs: 0.0,
            day: 0,
        }
    }

    /// The share that is usual.
    pub fn mean(&self) -> f64 {
        (f64::from(self.failed) + self.prior * self.weight) / (f64::from(self.tried) + self.weight)
    }

    /// How alike two tries of a window are.
    pub fn rho(&self) -> f64 {
        let supposed = self.mean().clamp(SUPPOSED_RHO, MOST_RHO) * PAIRS * self.mean();
        let pairs = f64::from(self.pairs) + PAIRS * self.mean();
        ((f64::from(self.beyond).max(0.0) + supposed) / pairs.max(1e-9)).clamp(LEAST_RHO, MOST_RHO)
    }

    /// Tries that were learned.
    pub fn tried(&self) -> f64 {
        f64::from(self.tried)
    }

    /// Learns a window.
    pub fn learn(&mut self, at: Timestamp, tried: u64, failed: u64) {
        let day = at.as_nanos() / 86_400_000_000_000;
        if day != self.day {
            for sum in [&mut self.tried, &mut self.failed, &mut self.beyond, &mut self.pairs] {
                *sum *= KEPT;
            }
            self.day = day;
        }
        if tried == 0 {
            return;
        }
        let (n, p, rho) = (tried as f64, self.mean(), self.rho());
        let failed = (failed as f64).min(n).min(CLIPPED * p * n + CLIPPED);
        let independent = n * p * (1.0 - p);
        let far = FAR * FAR * independent * (1.0 + (n - 1.0) * rho) + 1.0;
        let square = ((failed - n * p) * (failed - n * p)).min(far);
        self.beyond += (square - independent) as f32;
        self.pairs += ((n - 1.0) * independent) as f32;
        self.tried += n as f32;
        self.failed += failed as f32;
    }

    /// For the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for value in [self.tried, self.failed, self.beyond.max(0.0), self.pairs] {
            put_f32(&mut out, value);
        }
        put(&mut out, self.day);
        out
    }

    /// Takes back what [`Self::encode`] gave; whether it was that.
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        let mut bytes = Bytes(bytes);
        let mut read = || {
            (bytes.byte()? == VERSION).then_some(())?;
            Some(Self {
                tried: bytes.f32()?,
                failed: bytes.f32()?,
                beyond: bytes.f32()?,
                pairs: bytes.f32()?,
                day: bytes.number()?,
                ..*self
            })
        };
        match read() {
            Some(known) => {
                *self = known;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + hour * 3_600)
    }

    fn learned(hours: u64, failed: impl Fn(u64) -> u64) -> Share {
        let mut share = Share::new(0.01, 100.0);
        for hour in 0..hours {
            share.learn(at(hour), 200, failed(hour));
        }
        share
    }

    #[test]
    fn the_share_is_that_of_most_windows() {
        assert!((Share::new(0.01, 100.0).mean() - 0.01).abs() < 1e-9);
        let share = learned(100, |_| 10);
        assert!((share.mean() - 0.05).abs() < 0.005, "{share:?}");
        assert!(share.rho() < 0.02, "{}", share.rho());
        // Every other window has all of it.
        let uneven = learned(100, |hour| if hour.is_multiple_of(2) { 20 } else { 0 });
        assert!(
            (uneven.mean() - 0.05).abs() < 0.01 && uneven.rho() > 0.03,
            "{}",
            uneven.rho()
        );
    }

    #[test]
    fn a_bad_hour_is_no_habit_and_a_bad_week_is() {
        let mut share = learned(240, |_| 2);
        let before = share.mean();
        share.learn(at(240), 200, 200);
        assert!(share.mean() < before * 1.3, "{before} {}", share.mean());
        for hour in 241..240 + 14 * 24 {
            share.learn(at(hour), 200, 60);
        }
        assert!(share.mean() > 0.2, "{}", share.mean());
    }

    #[test]
    fn it_comes_back_from_bytes() {
        let share = learned(50, |hour| hour % 7);
        let mut other = Share::new(0.01, 100.0);
        assert!(other.restore(&share.encode()));
        assert_eq!(other.mean().to_bits(), share.mean().to_bits());
        assert!(!other.restore(&share.encode()[..9]) && !other.restore(&[7]));
    }
}
