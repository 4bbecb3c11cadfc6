//! Where an address is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::Text;
use crate::enrich::networks;

/// Where an address is, as far as the files that are given tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Whereabouts<'a> {
    /// ISO 3166-1 code of the country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Text<'a>>,
    /// English name of the city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<Text<'a>>,
    /// Number of the autonomous system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Organization behind the autonomous system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<Text<'a>>,
    /// Kind of network: `internal`, `hosting`, `residential_proxy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Text<'a>>,
    /// File name of the first threat list that has the address, or a destination's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<Text<'a>>,
}

impl<'a> From<&'a networks::Whereabouts> for Whereabouts<'a> {
    fn from(found: &'a networks::Whereabouts) -> Self {
        let text = |text: &'a Option<std::sync::Arc<str>>| text.as_deref().map(Text::Borrowed);
        Self {
            country: text(&found.country),
            city: text(&found.city),
            asn: found.asn,
            org: text(&found.org),
            network: found.kind.map(|kind| Text::Borrowed(kind.name())),
            listed: text(&found.listed),
        }
    }
}
