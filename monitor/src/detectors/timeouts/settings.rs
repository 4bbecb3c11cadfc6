//! What of the detector can be set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the detector. Its lines come from what it learns and from `[rates]`.
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
