//! A length of time as people write it: `7d`, `15m`, `30s`.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Units, largest first, in milliseconds.
const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A length of time: a whole number and a unit. Whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

impl Period {
    /// From seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// From days of 24 hours.
    pub const fn from_days(days: u64) -> Self {
        Self(Duration::from_secs(days.saturating_mul(86_400)))
    }
}

impl Deref for Period {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

/// Text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a duration: a whole number and one of ms, s, m, h, d, w, such as \"15m\"")]
pub struct PeriodError(String);

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let wrong = || PeriodError(text.chars().take(32).collect());
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(unit_at);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number
            .checked_mul(*millis)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(wrong)
    }
}

/// In the largest unit up to days that leaves a whole number: `14d`, as in documentation, never `2w`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        let (unit, size) = UNITS
            .iter()
            .skip(1)
            .find(|(_, size)| millis % size == 0)
            .unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", millis / size)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d|w)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows() {
        for (text, secs, shown) in [
            ("7d", 604_800, "7d"),
            ("15m", 900, "15m"),
            ("30s", 30, "30s"),
            ("0s", 0, "0s"),
            ("90m", 5_400, "90m"),
            ("2000ms", 2, "2s"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.as_secs(), period.to_string().as_str()), (secs, shown));
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "7",
            "d",
            "7x",
            "-1s",
            "1.5h",
            "7 d",
            "99999999999999999999d",
            "18446744073709551615w",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
