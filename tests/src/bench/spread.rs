//! Median and quartiles: a shared machine has outliers, and a mean would follow them.

use serde_json::{Value, json};

/// Where a set of figures lies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// A quarter is below.
    pub first_quartile: f64,
    /// Half is below.
    pub median: f64,
    /// Three quarters are below.
    pub third_quartile: f64,
}

impl Spread {
    /// Of these figures; quantiles between two figures are interpolated.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_unstable_by(f64::total_cmp);
        let at = |quarters: usize| {
            let place = quarters * figures.len().saturating_sub(1);
            let below = figures.get(place / 4).copied().unwrap_or(f64::NAN);
            let above = figures.get(place.div_ceil(4)).copied().unwrap_or(f64::NAN);
            below + (above - below) * (place % 4) as f64 / 4.0
        };
        Self {
            first_quartile: at(1),
            median: at(2),
            third_quartile: at(3),
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({ "q1": self.first_quartile, "median": self.median, "q3": self.third_quartile })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_few_figures() {
        let spread = Spread::of([5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(
            spread,
            Spread {
                first_quartile: 2.0,
                median: 3.0,
                third_quartile: 4.0
            }
        );
        let halfway = Spread::of([1.0, 2.0]);
        assert!((1.4..1.6).contains(&halfway.median), "{halfway:?}");
        assert!(Spread::of([]).median.is_nan());
    }
}
