//! What of the detector can be set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// Domains below which names bear data on purpose.
    pub ignore: Vec<String>,
}

impl Default for Settings {
    /// Antivirus and lists of senders that are asked by DNS, by their operators' documentation.
    fn default() -> Self {
        let ignore = [
            "avqs.mcafee.com",
            "avts.mcafee.com",
            "sophosxl.net",
            "e5.sk",
            "hash.cymru.com",
            "spamhaus.org",
            "dq.spamhaus.net",
            "surbl.org",
            "uribl.com",
            "dnswl.org",
            "spamcop.net",
            "barracudacentral.org",
        ];
        Self {
            enabled: true,
            ignore: ignore.iter().map(|&domain| domain.to_owned()).collect(),
        }
    }
}
