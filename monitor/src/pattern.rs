//! What people write to name things: globs, and addresses or networks.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Longest pattern, bytes: a URL path of the length that servers accept fits twice (8 KiB is nginx's default limit).
const LONGEST: usize = 16 * 1024;

/// Text in which `*` stands for any run of characters (also none, also `/` and `.`), `?` for one character, and `\`
/// takes the next character as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(String);

/// Text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Nothing written.
    #[error("the pattern is empty")]
    Empty,
    /// Longer than anything it could match.
    #[error("the pattern is longer than {LONGEST} bytes")]
    TooLong,
}

impl Glob {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The pattern that matches `text` alone: what has a meaning in patterns is escaped.
    ///
    /// A name on the wire may hold a `*`. A rule made from it must not allow the world.
    pub fn exactly(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if matches!(c, '*' | '?' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out
    }

    /// Whether all of `text` matches. At most pattern times text steps.
    pub fn matches(&self, text: &str) -> bool {
        let pattern = pieces(&self.0);
        let text: Vec<char> = text.chars().collect();
        let (mut p, mut t) = (0, 0);
        // Where the latest `*` was, and how far it has eaten.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(Piece::Run) => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(Piece::One) => {
                    p += 1;
                    t += 1;
                }
                Some(Piece::Exactly(c)) if *c == text[t] => {
                    p += 1;
                    t += 1;
                }
                Some(Piece::Exactly(_)) | None => match &mut star {
                    Some((at, eaten)) => {
                        *eaten += 1;
                        (p, t) = (*at + 1, *eaten);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|piece| *piece == Piece::Run)
    }
}

#[derive(PartialEq)]
enum Piece {
    Run,
    One,
    Exactly(char),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '*' => Piece::Run,
            '?' => Piece::One,
            // A `\` at the end stands for itself.
            '\\' => Piece::Exactly(chars.next().unwrap_or('\\')),
            c => Piece::Exactly(c),
        });
    }
    out
}

impl FromStr for Glob {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text.len() {
            0 => Err(PatternError::Empty),
            length if length > LONGEST => Err(PatternError::TooLong),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// Where something is: a network, or a name in which `*` and `?` may stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A network, or a single address as the longest prefix.
    Network(IpNet),
    /// A domain name, lower case and without the final dot.
    Name(Glob),
}

impl Place {
    /// Whether `text`, a name, an address or a network, is within this place.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Network(network) => parse_network(text).is_some_and(|inner| network.contains(&inner)),
            Self::Name(glob) => glob.matches(&fold_name(text)),
        }
    }

    /// Whether this place is a network that holds `address`.
    pub fn holds(&self, address: IpAddr) -> bool {
        match self {
            Self::Network(network) => network.contains(&address),
            Self::Name(_) => false,
        }
    }

    /// The place as text.
    pub fn text(&self) -> String {
        match self {
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => network.addr().to_string(),
            Self::Network(network) => network.to_string(),
            Self::Name(glob) => glob.as_str().to_owned(),
        }
    }
}

impl FromStr for Place {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match parse_network(text) {
            Some(network) => Ok(Self::Network(network)),
            None => fold_name(text).parse().map(Self::Name),
        }
    }
}

/// A CIDR, or an address as the longest prefix. IPv4-mapped addresses are IPv4.
pub fn parse_network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| {
        text.parse::<IpAddr>()
            .ok()
            .map(|address| IpNet::from(address.to_canonical()))
    })?;
    Some(network.trunc())
}

fn fold_name(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_lowercase()
}

macro_rules! as_text {
    ($($ty:ident $text:ident)+) => {$(
        impl Serialize for $ty {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.$text())
            }
        }

        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $ty {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($ty).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "minLength": 1 })
            }
        }
    )+};
}
as_text!(Glob as_str Place text);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(
            pattern.parse::<Glob>().unwrap().matches(text),
            expected,
            "{pattern} on {text}"
        );
    }

    #[test]
    fn globs() {
        check("*.example.com", "a.example.com", true);
        check("*.example.com", "a.b.example.com", true);
        check("*.example.com", "example.com", false);
        check("*.example.com", "a.example.com.evil.net", false);
        check("/usr/bin/*", "/usr/bin/curl", true);
        check("POST /orders/{id}", "POST /orders/{id}", true);
        check("v?", "v1", true);
        check("v?", "v", false);
        check("a*b*c", "aXbXbXc", true);
        check("a*b*c", "aXbX", false);
        check(r"\*", "*", true);
        check(r"\*", "x", false);
        check("*", "", true);
    }

    #[test]
    fn places() {
        for (place, text, expected) in [
            ("198.51.100.0/24", "198.51.100.7", true),
            ("198.51.100.0/24", "198.51.100.0/25", true),
            ("198.51.100.0/25", "198.51.100.0/24", false),
            ("198.51.100.7", "198.51.100.7", true),
            ("198.51.100.7", "198.51.100.8", false),
            ("::ffff:198.51.100.7", "198.51.100.7", true),
            ("2001:db8::/32", "2001:db8:1::/48", true),
            ("10.0.0.0/8", "10.example.com", false),
            ("*.Example.COM.", "a.example.com", true),
            ("example.com", "EXAMPLE.com.", true),
        ] {
            assert_eq!(
                place.parse::<Place>().unwrap().matches(text),
                expected,
                "{place} on {text}"
            );
        }
    }

    #[test]
    fn stars_in_a_row_take_bounded_time() {
        let pattern: Glob = "*a".repeat(2_000).parse().unwrap();
        assert!(!pattern.matches(&"b".repeat(8_000)));
    }

    #[test]
    fn empty_and_endless_patterns_are_refused() {
        assert_eq!("".parse::<Glob>(), Err(PatternError::Empty));
        assert_eq!("".parse::<Place>(), Err(PatternError::Empty));
        assert_eq!("x".repeat(LONGEST + 1).parse::<Glob>(), Err(PatternError::TooLong));
    }

    proptest! {
        #[test]
        fn an_exact_pattern_matches_its_text_and_nothing_else(text in "[*?\\\\a.]{1,12}", other in "[*?\\\\a.]{1,12}") {
            let glob: Glob = Glob::exactly(&text).parse().unwrap();
            prop_assert!(glob.matches(&text));
            prop_assert_eq!(glob.matches(&other), text == other);
        }
    }
}
