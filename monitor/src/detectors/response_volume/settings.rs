//! What of the detector can be set.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::config::Period;
use crate::protocol::transaction::ANNOUNCED;

/// Settings of the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// A response that announces so many bytes is told at its header, whatever is learned. At least 1073741824 (1 GiB).
    #[serde(deserialize_with = "bytes")]
    #[schemars(range(min = 1_073_741_824))]
    pub announced_bytes: u64,
    /// While nothing is learned, an identity (or client without one) that was sent so many bytes within a day is told. At
    /// least 1073741824 (1 GiB).
    #[serde(deserialize_with = "bytes")]
    #[schemars(range(min = 1_073_741_824))]
    pub bytes_a_day: u64,
    /// A response with fewer bytes is not told, whatever is learned; twenty times as many of an endpoint that is hardly known.
    pub least_bytes: u64,
    /// An identity that was sent fewer bytes within an hour or a day is not told, whatever is learned; three times as many
    /// within a week.
    pub least_bytes_a_day: u64,
    /// What was told of, and not allowed, counts as ordinary after this.
    pub adopt_after: Period,
}

impl Default for Settings {
    /// See the detector's page.
    fn default() -> Self {
        Self {
            enabled: true,
            announced_bytes: 1_000_000_000_000,
            bytes_a_day: 1_000_000_000_000,
            least_bytes: 5_000_000,
            least_bytes_a_day: 50_000_000,
            adopt_after: Period::from_days(1),
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
