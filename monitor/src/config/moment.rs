//! A point in time as people write it: `2027-01-01`, or RFC 3339 with a time and an offset.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::time::Timestamp;

/// A point in time; a date alone is its first moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

/// Text that is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a date or a time: write \"2027-01-01\" or \"2027-01-01T12:00:00Z\"")]
pub struct MomentError(String);

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        let wrong = || MomentError(text.chars().take(40).collect());
        let parsed = match text.parse::<jiff::Timestamp>() {
            Ok(parsed) => parsed,
            Err(_) if text.len() == "2027-01-01".len() => format!("{text}T00:00:00Z").parse().map_err(|_| wrong())?,
            Err(_) => return Err(wrong()),
        };
        // Before 1970 or after 2554 there is no `Timestamp`.
        let nanos = u64::try_from(parsed.as_nanosecond()).map_err(|_| wrong())?;
        Ok(Self(Timestamp::from_nanos(nanos)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "anyOf": [{ "format": "date" }, { "format": "date-time" }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates_and_times() {
        for (text, shown) in [
            ("2027-01-01", "2027-01-01T00:00:00.000000Z"),
            ("2027-01-01T12:30:00Z", "2027-01-01T12:30:00.000000Z"),
            ("2027-01-01T12:30:00+02:00", "2027-01-01T10:30:00.000000Z"),
        ] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), shown);
        }
        for text in ["", "tomorrow", "2027-13-01", "1969-12-31", "2027-01-01T12:30:00"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
