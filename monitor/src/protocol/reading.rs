//! What all connections share that are read alike.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::http1::Memo;
use super::taps::Taps;

/// What is asked for of requests, and what was read before.
#[derive(Debug, Default)]
pub struct Reading {
    /// What is asked for.
    pub taps: Taps,
    /// Blocks of fields that came before. One thread reads: the lock is never waited for.
    memo: Mutex<Memo>,
}

impl Reading {
    /// With nothing read.
    pub fn new(taps: Taps) -> Self {
        Self {
            taps,
            memo: Mutex::default(),
        }
    }

    /// Blocks of fields that came before.
    pub(super) fn memo(&self) -> MutexGuard<'_, Memo> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
