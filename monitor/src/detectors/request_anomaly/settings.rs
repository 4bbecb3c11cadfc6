//! What of the detector can be set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// A header of a request that is longer than this is told of, bytes.
    pub header_bytes: u64,
    /// Names of anomalies that are ordinary here, as in records.
    pub ordinary: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            // All that nginx takes by default (`large_client_header_buffers` 4 8k); others take less.
            header_bytes: 32 * 1024,
            ordinary: Vec::new(),
        }
    }
}
