//! The order of things as rows for the store.

use std::sync::Arc;

use super::FlowMisuse;
use super::steps::{MOST_STEPS, Row as Counts, Step};
use crate::baseline::bits::hash;
use crate::baseline::bytes::{self, Bytes};
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

/// Subjects of rows: endpoints as those ask for them who show keys, and as all others do.
const BY_KEY: &str = "key";
const OTHERS: &str = "other";
/// How a detail is written.
const VERSION: u64 = 1;

impl FlowMisuse {
    pub(super) fn export(&mut self) -> Vec<Change> {
        // Other endpoints are named by their hashes: places are not the same after a restart.
        let names: Vec<u64> = self
            .steps
            .each()
            .map(|known| hash(&(&*known.name.0, known.name.1)))
            .collect();
        let mut changes = self.steps.beginning.export_dirty();
        let dirty = self.steps.each().filter(|known| known.dirty);
        changes.extend(dirty.map(|known| {
            known.dirty = false;
            let mut detail = Vec::new();
            bytes::put(&mut detail, VERSION);
            bytes::put(&mut detail, known.asked);
            for row in &known.rows {
                bytes::put(&mut detail, row.visits.into());
                let had = || names.iter().zip(&row.before).filter(|(_, count)| **count > 0);
                bytes::put(&mut detail, had().count() as u64);
                for (name, count) in had() {
                    bytes::put(&mut detail, *name);
                    bytes::put(&mut detail, (*count).into());
                }
            }
            for count in known.intervals {
                bytes::put(&mut detail, count.into());
            }
            Change::Put(Row {
                subject: if known.name.1 { BY_KEY } else { OTHERS }.into(),
                member: Arc::clone(&known.name.0),
                first: known.first,
                last: known.first,
                count: known.rows[0].visits.into(),
                marks: 0,
                detail: Some(detail.into()),
            })
        }));
        changes
    }

    pub(super) fn take_back(&mut self, rows: &[Row], now: Timestamp) {
        let (own, rows): (Vec<_>, Vec<_>) = rows.iter().cloned().partition(|row| row.subject.is_empty());
        self.steps.beginning.import(&own, now);
        let mut places = Vec::new();
        for row in &rows {
            let first = row.first.min(now);
            if let Some(step) = self.steps.of(first, &row.member, &*row.subject == BY_KEY) {
                places.push((step, row));
            }
        }
        for (step, row) in places {
            // What cannot be read is learned anew.
            let _ = self.read(step, row);
        }
        self.settle(now);
    }

    fn read(&mut self, step: Step, row: &Row) -> Option<()> {
        let mut bytes = Bytes(row.detail.as_deref()?);
        (bytes.number()? == VERSION).then_some(())?;
        let asked = bytes.number()?;
        let mut counts: [Counts; 2] = Default::default();
        for counts in &mut counts {
            counts.visits = u32::try_from(bytes.number()?).ok()?;
            for _ in 0..bytes.at_most(MOST_STEPS)? {
                let (name, count) = (bytes.number()?, u32::try_from(bytes.number()?).ok()?);
                let Some(other) = self.steps.named(name).map(usize::from) else {
                    continue;
                };
                if counts.before.len() <= other {
                    counts.before.resize(other + 1, 0);
                }
                counts.before[other] = count.min(counts.visits);
            }
        }
        let known = self.steps.get_mut(step)?;
        for count in &mut known.intervals {
            *count = u32::try_from(bytes.number()?).ok()?;
        }
        for bit in (0..64u64).filter(|bit| asked & 1 << bit != 0) {
            known.askers.add(bit << 32);
        }
        (known.asked, known.rows, known.dirty) = (asked, counts, false);
        Some(())
    }
}
