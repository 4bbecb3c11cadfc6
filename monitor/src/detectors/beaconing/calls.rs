//! The latest calls to one destination, and how regular they are.

use std::sync::Arc;
use std::time::Duration;

use super::doc::SHARE_INSIDE;
use crate::finding::occurrence::Occurrence;
use crate::record::FlowRecord;
use crate::time::Timestamp;

/// Intervals that are remembered.
const MOST: usize = 48;
/// So many of the latest are looked at: few for what has just begun or is rare, many for what shares the destination with
/// other traffic.
pub(super) const LOOKED_AT: [usize; 3] = [16, 24, MOST];
/// Connections that follow each other within it are one call: a client tries several addresses at once (RFC 8305), or opens
/// several connections.
const ONE_CALL: Duration = Duration::from_secs(2);
/// An interval is like the median if it is within so much of it, either way. A third of chance keeps intervals within it.
const NEAR: f64 = 0.35;
/// Sizes are alike within a tenth and 64 bytes: requests with a number in them that grows.
const ALIKE: (u64, u64) = (10, 64);

/// The calls of a program to a destination. 700 bytes.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Milliseconds, the latest last.
    intervals: Vec<u32>,
    /// Bytes sent by each of the latest calls.
    sent: Vec<u32>,
    pub(super) occurrence: Occurrence,
    /// The latest call.
    pub(super) record: Arc<FlowRecord>,
    pub(super) shown: Arc<str>,
}

/// How regular they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rhythm {
    /// Intervals looked at.
    pub(super) of: usize,
    /// Of which so many are like the median.
    pub(super) near: usize,
    /// From so many on it is no chance.
    pub(super) line: usize,
    /// Median interval.
    pub(super) period: Duration,
    /// Median distance from it, by it: half of what chance there is in the period.
    pub(super) dispersion: f64,
    /// What most of the calls send, if that is always about the same.
    pub(super) size: Option<u64>,
}

impl Calls {
    pub(super) fn new(at: Timestamp, record: &Arc<FlowRecord>, shown: Arc<str>) -> Self {
        Self {
            first: at,
            last: at,
            intervals: Vec::new(),
            sent: vec![bytes(record)],
            occurrence: Occurrence::new(at),
            record: Arc::clone(record),
            shown,
        }
    }

    /// One more, that began `at`. Whether it is a call of its own.
    pub(super) fn add(&mut self, at: Timestamp, record: &Arc<FlowRecord>) -> bool {
        if at < self.last + ONE_CALL {
            return false;
        }
        let interval = at.since(self.last);
        self.last = at;
        self.record = Arc::clone(record);
        for latest in [&mut self.intervals, &mut self.sent] {
            if latest.len() >= MOST {
                latest.remove(0);
            }
        }
        self.intervals
            .push(u32::try_from(interval.as_millis()).unwrap_or(u32::MAX));
        self.sent.push(bytes(record));
        true
    }

    /// When it is forgotten: after three of its intervals, or two days.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let longest = self.intervals.iter().copied().max().unwrap_or(0);
        let patience = Duration::from_millis(u64::from(longest) * 3).max(Duration::from_hours(48));
        self.last + patience <= now
    }

    /// The first of the numbers looked at for which the intervals are too regular; `lines` are those of each.
    pub(super) fn rhythm(&self, lines: [usize; LOOKED_AT.len()]) -> Option<Rhythm> {
        LOOKED_AT.into_iter().zip(lines).find_map(|(of, line)| {
            let latest = &self.intervals[self.intervals.len().checked_sub(of)?..];
            let median = median(latest)?;
            let distance = |interval: &u32| (f64::from(*interval) - f64::from(median)).abs();
            let limit = f64::from(median) * NEAR;
            let near = latest.iter().filter(|interval| distance(interval) <= limit).count();
            if near < line {
                return None;
            }
            let mut distances: Vec<f64> = latest.iter().map(distance).collect();
            distances.sort_by(f64::total_cmp);
            let middle = distances.get(distances.len() / 2)?;
            Some(Rhythm {
                of,
                near,
                line,
                period: Duration::from_millis(median.into()),
                dispersion: middle / f64::from(median.max(1)),
                size: self.size(),
            })
        })
    }

    fn size(&self) -> Option<u64> {
        let median = median(&self.sent)?;
        let (part, bytes) = ALIKE;
        let slack = u64::from(median) / part + bytes;
        let is_alike = |sent: &&u32| u64::from(**sent).abs_diff(median.into()) <= slack;
        let alike = self.sent.iter().filter(is_alike).count();
        (alike * 5 >= self.sent.len() * 4).then_some(median.into())
    }
}

/// Share of intervals that are like their median where calls come by chance (exponential intervals): 2^-(1-d) - 2^-(1+d)
/// with d = 0.35, since their median is ln 2 of the mean.
const _: () = assert!(SHARE_INSIDE > 0.24 && SHARE_INSIDE < 0.25);

fn median(of: &[u32]) -> Option<u32> {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

fn bytes(record: &FlowRecord) -> u32 {
    u32::try_from(record.counters.sent).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::made::outbound;

    const LINES: [usize; 3] = [16, 22, 38];

    fn rhythm(intervals: impl Iterator<Item = u64>) -> Option<Rhythm> {
        let mut at = Timestamp::from_secs(1_800_000_000);
        let record = outbound(at, 1, None, "198.51.100.7:443").record;
        let mut calls = Calls::new(at, &record, "x".into());
        for interval in intervals {
            at = at + Duration::from_millis(interval);
            calls.add(at, &record);
            // Retries and second connections are none of their own.
            calls.add(at + Duration::from_millis(300), &record);
        }
        calls.rhythm(LINES)
    }

    #[test]
    fn what_is_regular_is_seen_after_sixteen_intervals() {
        assert_eq!(rhythm((0..15).map(|_| 60_000)), None);
        let exact = rhythm((0..16).map(|_| 60_000)).unwrap();
        assert_eq!((exact.of, exact.near, exact.period.as_secs()), (16, 16, 60));
        assert_eq!(exact.size, Some(0));
        // A sixth either way, and a third below the period as some tools have it.
        let jitter = rhythm((0..48).map(|n| 3_000_000 + n * 7_919 % 1_200_000)).unwrap();
        assert!(jitter.dispersion < 0.2, "{jitter:?}");
        assert!(rhythm((0..48).map(|n| 670_000 + n * 7_919 % 330_000)).is_some());
    }

    #[test]
    fn some_other_calls_do_not_hide_it() {
        assert!(rhythm((0..48).map(|n| if n % 7 == 3 { 9_000 } else { 60_000 })).is_some());
    }

    #[expect(clippy::cast_sign_loss, reason = "a logarithm of less than one, turned round")]
    #[test]
    fn chance_is_no_rhythm() {
        // Exponential intervals, by their quantiles in a mixed order.
        let exponential = |n: u64| {
            let u = ((n * 37) % 48) as f64 / 48.0 + 0.01;
            (-u.ln() * 60_000.0) as u64 + 2_000
        };
        assert_eq!(rhythm((0..48).map(exponential)), None);
        // People: short ones, then a pause.
        assert_eq!(
            rhythm((0..48).map(|n| if n % 5 == 0 { 900_000 } else { 4_000 + n * 97 % 60_000 })),
            None
        );
    }
}
