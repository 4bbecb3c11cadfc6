//! The query string of a list: `?since=1h&limit=100&follow=true`.

use serde::Deserialize;

use super::Refusal;
use crate::config::{Moment, Period};
use crate::time::Timestamp;

/// What is asked of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Query {
    /// Nothing older: a duration (`1h`) or a time (RFC 3339, or a date).
    pub(super) since: Option<String>,
    /// At most so many, the latest.
    pub(super) limit: Option<usize>,
    /// Go on as new ones come.
    pub(super) follow: bool,
}

impl Query {
    /// The oldest that is wanted.
    pub(super) fn since(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        let Some(text) = self.since.as_deref() else {
            return Ok(Timestamp::ZERO);
        };
        if let Ok(back) = text.parse::<Period>() {
            return Ok(now.saturating_sub(*back));
        }
        match text.parse::<Moment>() {
            Ok(Moment(time)) => Ok(time),
            Err(_) => Err(Refusal::bad(
                format!("`{text}` is neither a duration nor a time"),
                "write since=90s, 15m, 1h or 7d, or a time like 2026-11-27T00:00:00Z",
            )),
        }
    }

    /// The latest of `list` that are wanted; `list` is in order of time.
    pub(super) fn latest<T>(&self, mut list: Vec<T>) -> Vec<T> {
        if let Some(limit) = self.limit {
            list.drain(..list.len().saturating_sub(limit));
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(text: &str) -> Option<u64> {
        let query = Query {
            since: Some(text.to_owned()),
            ..Query::default()
        };
        let since = query.since(Timestamp::from_secs(1_000_000)).ok()?;
        Some(since.as_nanos() / 1_000_000_000)
    }

    #[test]
    fn since_is_a_duration_or_a_time() {
        assert_eq!(since("90s"), Some(999_910));
        assert_eq!(since("1h"), Some(996_400));
        assert_eq!(since("7d"), Some(395_200));
        assert_eq!(since("1970-01-02T00:00:00Z"), Some(86_400));
        assert_eq!(
            Query::default().since(Timestamp::from_secs(5)).unwrap(),
            Timestamp::ZERO
        );
        for wrong in ["", "h", "1", "-1h", "1y", "yesterday", "1969-01-01T00:00:00Z"] {
            assert_eq!(since(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_latest_are_kept() {
        let query = Query {
            limit: Some(2),
            ..Query::default()
        };
        assert_eq!(query.latest(vec![1, 2, 3]), [2, 3]);
        assert_eq!(query.latest(vec![1]), [1]);
        assert_eq!(Query::default().latest(vec![1, 2, 3]), [1, 2, 3]);
    }
}
