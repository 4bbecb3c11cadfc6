//! What is normal: what detectors have learned, in bounded memory, and how it is kept over a restart; and the statistics
//! that say when something is not ([`budget`], [`tail`], [`recent`], [`sliding`], [`distinct`], [`seasonal`], [`sketch`]).

pub mod amounts;
pub mod asker;
pub mod beginning;
pub mod bits;
pub mod breadth;
pub mod budget;
pub(crate) mod bytes;
pub mod census;
pub mod distinct;
pub mod failing;
pub mod first_seen;
pub mod knowledge;
pub mod latest;
pub mod ledger;
pub mod majority;
pub mod merge;
pub mod met;
pub mod names;
pub mod occurrence;
pub mod outside;
pub mod pace;
pub mod program;
pub mod recent;
pub mod seasonal;
pub mod share;
pub mod sketch;
pub mod sliding;
pub mod source;
pub mod tail;
pub mod ticks;

use std::sync::Arc;

use crate::time::Timestamp;

/// One thing learned, as the store keeps it. Which detector's it is stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose habit it is; empty for the baseline as a whole.
    pub subject: Arc<str>,
    /// What belongs to it; empty for the subject itself.
    pub member: Arc<str>,
    /// First sight.
    pub first: Timestamp,
    /// Latest sight.
    pub last: Timestamp,
    /// Observations.
    pub count: u64,
    /// Marks, in the meaning of the structure that wrote it.
    pub marks: u32,
    /// What the structure that wrote it knows beyond that, as it writes it (with a version); most know nothing.
    pub detail: Option<Arc<[u8]>>,
}

impl Row {
    /// One that is nothing but what a structure wrote of itself, at this time.
    pub fn of(subject: impl Into<Arc<str>>, at: Timestamp, detail: impl Into<Arc<[u8]>>) -> Self {
        Self {
            subject: subject.into(),
            member: "".into(),
            first: at,
            last: at,
            count: 0,
            marks: 0,
            detail: Some(detail.into()),
        }
    }
}

/// A difference between what is in memory and what was exported before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This row is new or different.
    Put(Row),
    /// This row is gone.
    Remove {
        /// Its subject.
        subject: Arc<str>,
        /// Its member.
        member: Arc<str>,
    },
    /// All rows are gone: more was removed than was worth remembering one by one. What is still there follows.
    Clear,
}

/// The whole part of a number; 0 of what is negative or no number.
#[expect(clippy::cast_sign_loss, reason = "saturates at 0")]
pub fn whole(value: f64) -> u64 {
    value as u64
}
