//! What of the detector can be set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the detector. Its lines come from `[rates]` and from what it learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true }
    }
}
