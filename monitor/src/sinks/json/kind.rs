//! The names of the record types, and sets of them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::Body;

/// A record's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordType {
    /// A transaction ended or was cut off.
    Http,
    /// A flow opened, progressed or ended.
    Flow,
    /// A name was resolved.
    Dns,
    /// A `ClientHello` was seen.
    Tls,
    /// A watched file changed.
    File,
    /// A detector raises, updates or resolves.
    Alert,
    /// Alerts join into a story.
    Incident,
    /// The monitor's own figures.
    Stats,
}

impl RecordType {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 8] = [
        Self::Http,
        Self::Flow,
        Self::Dns,
        Self::Tls,
        Self::File,
        Self::Alert,
        Self::Incident,
        Self::Stats,
    ];

    /// Type of a record's body.
    pub const fn of(body: &Body) -> Self {
        match body {
            Body::Http(_) => Self::Http,
            Body::Flow(_) => Self::Flow,
            Body::Dns(_) => Self::Dns,
            Body::Tls(_) => Self::Tls,
            Body::Alert(_) => Self::Alert,
            Body::Incident(_) => Self::Incident,
            Body::Stats(_) => Self::Stats,
        }
    }

    /// Name in records and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Flow => "flow",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::File => "file",
            Self::Alert => "alert",
            Self::Incident => "incident",
            Self::Stats => "stats",
        }
    }

    /// Whether there is one for every transaction, flow or name: the many that yield to the few when something is slow.
    pub const fn is_bulk(self) -> bool {
        match self {
            Self::Http | Self::Flow | Self::Dns | Self::Tls | Self::File => true,
            Self::Alert | Self::Incident | Self::Stats => false,
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no record type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no record type is called `{word}`; there are {}", RecordType::ALL.map(RecordType::name).join(", "))]
pub struct UnknownType {
    /// What was written.
    pub word: String,
}

impl FromStr for RecordType {
    type Err = UnknownType;

    fn from_str(word: &str) -> Result<Self, UnknownType> {
        Self::ALL
            .into_iter()
            .find(|t| t.name() == word)
            .ok_or_else(|| UnknownType { word: word.to_owned() })
    }
}

/// A set of record types, written `alert,stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordSet(u8);

impl RecordSet {
    /// What the daemon writes unless told otherwise.
    pub const DEFAULT: Self = Self::of(&[RecordType::Alert, RecordType::Incident, RecordType::Stats]);

    /// These types.
    pub const fn of(types: &[RecordType]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < types.len() {
            bits |= 1 << types[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether it holds `kind`.
    pub const fn contains(self, kind: RecordType) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// These and those.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Its types, in the order of the contract.
    pub fn iter(self) -> impl Iterator<Item = RecordType> {
        RecordType::ALL.into_iter().filter(move |t| self.contains(*t))
    }
}

impl FromStr for RecordSet {
    type Err = UnknownType;

    fn from_str(list: &str) -> Result<Self, UnknownType> {
        let types = list
            .split(',')
            .map(|w| w.trim().parse())
            .collect::<Result<Vec<RecordType>, _>>()?;
        Ok(Self::of(&types))
    }
}

impl fmt::Display for RecordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(RecordType::name).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_what_it_shows() {
        assert_eq!(RecordSet::DEFAULT.to_string(), "alert,incident,stats");
        assert_eq!("alert, incident,stats".parse(), Ok(RecordSet::DEFAULT));
        let all = RecordSet::of(&RecordType::ALL);
        assert_eq!(all.to_string().parse(), Ok(all));
    }

    #[test]
    fn a_wrong_word_is_named_with_the_right_ones() {
        let error = "alert,htpp".parse::<RecordSet>().unwrap_err().to_string();
        assert_eq!(
            error,
            "no record type is called `htpp`; there are http, flow, dns, tls, file, alert, incident, stats"
        );
        assert!("".parse::<RecordSet>().is_err());
    }
}
