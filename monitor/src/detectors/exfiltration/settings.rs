//! What of the detector can be set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Period;

/// Settings of the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// Bytes that a program may send to a destination outside that is new for it, within a day; three times as much within
    /// a week; twice as much to all that are new together. No line is lower, whatever was learned.
    pub new_bytes: u64,
    /// Bytes that a program may send to any destination outside within a day while nothing is learned yet.
    pub unlearned_bytes: u64,
    /// What was told of, and not allowed, counts as ordinary after this.
    pub adopt_after: Period,
}

impl Default for Settings {
    /// See the detector's page.
    fn default() -> Self {
        Self {
            enabled: true,
            new_bytes: 20_000_000,
            unlearned_bytes: 10_000_000_000,
            adopt_after: Period::from_days(1),
        }
    }
}
