//! How many credentials that were never accepted an endpoint sees in a day.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::doc::MOST_ENDPOINTS;
use super::shown::Subject;
use crate::baseline::bytes::{self, Bytes};
use crate::baseline::census::Moments;
use crate::baseline::recent::Recent;
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

const DAY: Duration = Duration::from_hours(24);
/// What is believed of a day before any is over: a handful, now and then a dozen.
const PRIOR: (f64, f64, f64) = (2.0, 4.0, 20.0);
/// Days before what is old weighs half, and how alike they are.
const MOST_DAYS: f64 = 30.0;
const ALIKE: f64 = 2.0;
/// While nothing is learned no line is below this.
const UNLEARNED: u64 = 100;
/// How a detail is written.
const VERSION: u64 = 1;

/// By endpoint.
#[derive(Debug)]
pub(super) struct Days {
    alpha: f64,
    of: BTreeMap<Arc<str>, Usual>,
    day_end: Timestamp,
}

#[derive(Debug)]
struct Usual {
    moments: Moments,
    line: u32,
    dirty: bool,
}

impl Days {
    pub(super) fn new(alpha: f64) -> Self {
        Self {
            alpha,
            of: BTreeMap::new(),
            day_end: Timestamp::ZERO,
        }
    }

    /// The line of an endpoint, and what is expected.
    pub(super) fn line(&mut self, endpoint: &Arc<str>, learning: bool) -> (u64, f64) {
        if !self.of.contains_key(endpoint) && self.of.len() < MOST_ENDPOINTS {
            let usual = Usual::new(Moments::default(), self.alpha);
            self.of.insert(Arc::clone(endpoint), usual);
        }
        let (line, expected) = match self.of.get(endpoint) {
            Some(usual) => (usual.line.into(), usual.expected().mean),
            None => (UNLEARNED, PRIOR.1),
        };
        (if learning { line.max(UNLEARNED) } else { line }, expected)
    }

    /// A day may be over. One of which an alert told, or that was beyond the line, teaches nothing.
    pub(super) fn turn<const N: usize>(&mut self, now: Timestamp, endpoints: &mut Recent<Arc<str>, Subject<N>>) {
        if now < self.day_end {
            return;
        }
        let day = DAY.as_nanos() as u64;
        self.day_end = Timestamp::from_nanos((now.as_nanos() / day + 1).saturating_mul(day));
        let mut counts: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        for (endpoint, subject) in endpoints.iter_mut() {
            let count = std::mem::take(&mut subject.in_day);
            if !subject.was_told() {
                counts.insert(Arc::clone(endpoint), count);
            }
        }
        let alpha = self.alpha;
        for (endpoint, usual) in &mut self.of {
            let count = f64::from(counts.get(endpoint).copied().unwrap_or(0).min(usual.line));
            let moments = usual.moments.at_most(MOST_DAYS).and(Moments {
                count: 1.0,
                sum: count,
                squares: count * count,
            });
            *usual = Usual {
                dirty: true,
                ..Usual::new(moments, alpha)
            };
        }
    }

    pub(super) fn export_dirty(&mut self) -> Vec<Change> {
        let changed = self.of.iter_mut().filter(|(_, usual)| usual.dirty);
        changed
            .map(|(endpoint, usual)| {
                usual.dirty = false;
                let mut detail = Vec::new();
                bytes::put(&mut detail, VERSION);
                for value in [usual.moments.count, usual.moments.sum, usual.moments.squares] {
                    bytes::put_f32(&mut detail, value as f32);
                }
                Change::Put(Row {
                    subject: Arc::clone(endpoint),
                    member: "days".into(),
                    first: Timestamp::ZERO,
                    last: Timestamp::ZERO,
                    count: 1,
                    marks: 0,
                    detail: Some(detail.into()),
                })
            })
            .collect()
    }

    pub(super) fn import(&mut self, rows: Vec<Row>) {
        for row in rows {
            let read = || {
                let mut detail = Bytes(row.detail.as_deref()?);
                (detail.number()? == VERSION).then_some(())?;
                Some(Moments {
                    count: detail.f32()?.into(),
                    sum: detail.f32()?.into(),
                    squares: detail.f32()?.into(),
                })
            };
            if let Some(moments) = read().filter(|_| self.of.len() < MOST_ENDPOINTS) {
                self.of.insert(row.subject, Usual::new(moments, self.alpha));
            }
        }
    }
}

impl Usual {
    fn new(moments: Moments, alpha: f64) -> Self {
        let mut usual = Self {
            moments,
            line: 0,
            dirty: false,
        };
        usual.line = usual.expected().line(alpha, 1);
        usual
    }

    fn expected(&self) -> crate::baseline::census::Expected {
        self.moments
            .and(Moments::prior(PRIOR.0, PRIOR.1, PRIOR.2))
            .expected(ALIKE)
    }
}
