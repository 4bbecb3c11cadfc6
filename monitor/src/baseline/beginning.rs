//! How long a host has been watched: what a detector says by rules alone is said with less confidence at first, since
//! nobody has said yet what is ordinary here.

use std::time::Duration;

use super::{Change, Row};
use crate::config::Config;
use crate::time::Timestamp;

/// The most confidence while learning: as likely as not.
const MOST: f32 = 0.5;

/// When a detector saw the host for the first time. Kept over a restart.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    period: Duration,
    first: Option<Timestamp>,
    exported: bool,
}

impl Beginning {
    /// With `[learning] period`.
    pub fn new(config: &Config) -> Self {
        Self {
            period: *config.learning.period,
            first: None,
            exported: false,
        }
    }

    /// Something was observed.
    #[inline]
    pub fn see(&mut self, now: Timestamp) {
        if self.first.is_none() {
            self.first = Some(now);
        }
    }

    /// `confidence`, or the most that may be said now.
    pub fn cap(&self, now: Timestamp, confidence: f32) -> f32 {
        if self.is_over(now) {
            confidence
        } else {
            confidence.min(MOST)
        }
    }

    /// Whether the period is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.period.is_zero() || self.first.is_some_and(|first| first + self.period <= now)
    }

    /// Whether half of it is, and so long at least: what needs a while however short the period is.
    pub fn is_half_over(&self, now: Timestamp, least: Duration) -> bool {
        let half = (self.period / 2).max(least);
        self.first.is_some_and(|first| first + half <= now)
    }

    /// For the store: once.
    pub fn export_dirty(&mut self) -> Vec<Change> {
        let Some(first) = self.first.filter(|_| !self.exported) else {
            return Vec::new();
        };
        self.exported = true;
        vec![Change::Put(Row {
            subject: "".into(),
            member: "".into(),
            first,
            last: first,
            count: 1,
            marks: 0,
            detail: None,
        })]
    }

    /// Takes back what was exported. What would lie after `now` is not believed.
    pub fn import(&mut self, rows: &[Row], now: Timestamp) {
        let first = rows.iter().map(|row| row.first).filter(|first| *first <= now).min();
        if let Some(first) = first {
            self.first = Some(self.first.map_or(first, |known| known.min(first)));
            self.exported = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_comes_with_time_and_is_kept() {
        let at = Timestamp::from_secs;
        let mut beginning = Beginning::new(&Config::default());
        beginning.see(at(1_000));
        beginning.see(at(2_000));
        let week = 7 * 86_400;
        let half = |secs| beginning.is_half_over(at(secs), Duration::from_hours(1));
        assert!(!half(999 + week / 2) && half(1_000 + week / 2));
        assert!(!beginning.is_half_over(at(1_000 + week / 2), Duration::from_hours(24 * 7)));
        assert!((beginning.cap(at(999 + week), 0.9) - 0.5).abs() < 1e-6);
        assert!((beginning.cap(at(1_000 + week), 0.9) - 0.9).abs() < 1e-6);
        let changes = beginning.export_dirty();
        assert!(beginning.export_dirty().is_empty());
        let rows: Vec<Row> = changes
            .into_iter()
            .map(|change| match change {
                Change::Put(row) => row,
                Change::Remove { .. } | Change::Clear => panic!("{change:?}"),
            })
            .collect();
        let mut restarted = Beginning::new(&Config::default());
        restarted.import(&rows, at(500));
        assert!(!restarted.is_over(at(1_000 + week)), "the clock went back");
        restarted.import(&rows, at(5_000));
        assert!(restarted.is_over(at(1_000 + week)));
    }
}
