//! What of the detector can be set.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::protocol::transaction::ANNOUNCED;

/// Settings of the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// A response that announces so many bytes is told at its header. At least 1073741824 (1 GiB).
    #[serde(deserialize_with = "bytes")]
    #[schemars(range(min = 1_073_741_824))]
    pub announced_bytes: u64,
    /// An identity (or client without one) that was sent so many bytes within a day is told. At least 1073741824 (1 GiB).
    #[serde(deserialize_with = "bytes")]
    #[schemars(range(min = 1_073_741_824))]
    pub bytes_a_day: u64,
}

impl Default for Settings {
    /// A terabyte each (see the detector's page).
    fn default() -> Self {
        Self {
            enabled: true,
            announced_bytes: 1_000_000_000_000,
            bytes_a_day: 1_000_000_000_000,
        }
    }
}

/// Shorter ones are not shown at their header.
fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let bytes = u64::deserialize(deserializer)?;
    if bytes >= ANNOUNCED {
        Ok(bytes)
    } else {
        Err(de::Error::custom(format!("{bytes} is not at least {ANNOUNCED} bytes")))
    }
}
