//! One false-alarm budget for the host, divided over all tests that detectors make.
//!
//! Many small chances add up: a host with 10,000 clients, each looked at every five minutes, makes twenty million
//! comparisons a week. What one of them may cost is the host's budget divided by their number (Bonferroni's bound, which
//! holds however the tests hang together):
//!
//! ```text
//! alpha = false_incidents_per_week / detectors that test / tests of the detector / (subjects x steps of a week)
//! ```
//!
//! `subjects` is how many a test allows for, the bound of what it remembers or less, and not what is seen: else who makes up
//! subjects would move the line. A window slides by its step, and a subject counts once a step. Alerts are counted, and
//! of several one incident is made: the budget errs to the quiet side.
//!
//! Alpha is as good as the model behind the tail that it is compared with ([`super::tail`]).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

/// A week, seconds.
const WEEK_S: f64 = 7.0 * 86_400.0;
/// No test is made at a greater risk than this, however great the budget: it would say nothing.
const MOST_ALPHA: f64 = 0.01;

/// What is usual, and how many false alarms are borne.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// False incidents of the whole host that are borne, a week: all detectors that test share it. Above 0, at most 1000.
    #[serde(deserialize_with = "a_week")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000))]
    pub false_incidents_per_week: f64,
    /// Share of logins, and of requests that carry credentials, that fail in this industry: what is expected where nothing
    /// is learned. Above 0, at most 0.5.
    #[serde(deserialize_with = "share")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 0.5))]
    pub industry_login_failure: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            false_incidents_per_week: 1.0,
            industry_login_failure: 0.05,
        }
    }
}

fn a_week<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    within(f64::deserialize(deserializer)?, 1_000.0)
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    within(f64::deserialize(deserializer)?, 0.5)
}

fn within<E: de::Error>(number: f64, most: f64) -> Result<f64, E> {
    if number > 0.0 && number <= most {
        Ok(number)
    } else {
        Err(E::custom(format!("{number} is not above 0 and at most {most}")))
    }
}

/// A kind of test that a detector makes over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    /// What is tested, in a few words: "failures of a source".
    pub name: &'static str,
    /// Subjects that it allows for.
    pub subjects: u32,
    /// A subject is tested anew so often: the step by which its window slides.
    pub step: Duration,
}

impl Test {
    /// Tests a week.
    pub fn per_week(&self) -> f64 {
        f64::from(self.subjects) * WEEK_S / self.step.as_secs_f64().max(1.0)
    }
}

/// The budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    weekly: f64,
    detectors: u32,
}

/// What a test may use of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allotment {
    /// Whose test.
    pub detector: &'static str,
    /// Which.
    pub test: Test,
    /// Tests a week.
    pub per_week: f64,
    /// Probability of a false alarm that one of them may have.
    pub alpha: f64,
}

impl Budget {
    /// That of `rates`, over so many detectors that test.
    pub fn new(rates: &Rates, detectors: u32) -> Self {
        Self {
            weekly: rates.false_incidents_per_week,
            detectors: detectors.max(1),
        }
    }

    /// What one try of `test` may have, `test` being one of the `tests` of its detector.
    pub fn alpha(&self, test: &Test, tests: &[Test]) -> f64 {
        let share = self.weekly / f64::from(self.detectors) / tests.len().max(1) as f64;
        (share / test.per_week().max(1.0)).min(MOST_ALPHA)
    }

    /// The arithmetic, a line a test.
    pub fn allotments(&self, detector: &'static str, tests: &'static [Test]) -> impl Iterator<Item = Allotment> {
        tests.iter().map(move |test| Allotment {
            detector,
            test: *test,
            per_week: test.per_week(),
            alpha: self.alpha(test, tests),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: Test = Test {
        name: "failures of a source",
        subjects: 10_000,
        step: Duration::from_mins(5),
    };
    const ENDPOINTS: Test = Test {
        name: "failures at an endpoint",
        subjects: 100,
        step: Duration::from_hours(1),
    };

    #[test]
    fn a_test_has_its_part_of_the_whole() {
        assert!((SOURCES.per_week() - 20_160_000.0).abs() < 1e-6);
        let budget = Budget::new(&Rates::default(), 4);
        let alpha = budget.alpha(&SOURCES, &[SOURCES, ENDPOINTS]);
        assert!((alpha - 1.0 / 4.0 / 2.0 / 20_160_000.0).abs() < 1e-18, "{alpha}");
    }

    // The sum of all chances is the budget, whoever has which part of it.
    #[test]
    fn the_parts_make_the_whole() {
        const TESTS: &[Test] = &[SOURCES, ENDPOINTS];
        let budget = Budget::new(&Rates::default(), 1);
        let spent: f64 = budget
            .allotments("x", TESTS)
            .map(|part| part.alpha * part.per_week)
            .sum();
        assert!((spent - 1.0).abs() < 1e-9, "{spent}");
    }

    #[test]
    fn no_budget_makes_a_test_say_nothing() {
        let rates = Rates {
            false_incidents_per_week: 1_000.0,
            ..Rates::default()
        };
        let rare = Test {
            subjects: 1,
            step: Duration::from_hours(168),
            ..SOURCES
        };
        assert!((Budget::new(&rates, 0).alpha(&rare, &[rare]) - MOST_ALPHA).abs() < 1e-12);
    }
}
