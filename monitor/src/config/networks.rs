//! Networks as text; an address alone is the longest prefix.

use ipnet::IpNet;
use serde::{Deserialize as _, Deserializer, Serializer, de};

/// As CIDRs.
pub(crate) fn serialize<S: Serializer>(networks: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(networks.iter().map(IpNet::to_string))
}

/// Refuses what is no network.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let wrong = |text: &String| de::Error::custom(format!("`{text}` is not a network such as \"10.0.0.0/8\""));
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| crate::pattern::parse_network(text).ok_or_else(|| wrong(text)))
        .collect()
}
