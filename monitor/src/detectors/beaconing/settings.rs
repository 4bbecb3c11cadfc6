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
    /// A destination that was told of, and not allowed, counts as known after this.
    pub adopt_after: Period,
    /// A destination that was not reached for this long is forgotten.
    pub forget_after: Period,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            adopt_after: Period::from_days(1),
            // As `unknown_destination`: certificates are renewed every 90 days at most in common use.
            forget_after: Period::from_days(90),
        }
    }
}
