//! How far it has come, on a terminal, for files that take a while.

use std::io::{self, IsTerminal, Write};

/// Files below this are read before anybody could wonder.
const LARGE: u64 = 64 * 1024 * 1024;
/// Bytes between two looks.
const STEP: u64 = 16 * 1024 * 1024;

/// A line on standard error that is written over.
#[derive(Debug)]
pub(super) struct Progress {
    size: u64,
    /// No line before this.
    next: u64,
    shown: bool,
}

impl Progress {
    /// For `size` bytes; 0 where that is not known.
    pub(super) fn new(size: u64) -> Self {
        let wanted = io::stderr().is_terminal() && (size == 0 || size >= LARGE);
        Self {
            size,
            next: if wanted { STEP } else { u64::MAX },
            shown: false,
        }
    }

    /// It has come to `position`, having read so many of what there is.
    pub(super) fn at(&mut self, position: u64, count: u64, what: &str) {
        if position < self.next {
            return;
        }
        self.next = position + STEP;
        self.shown = true;
        let megabytes = position / 1_000_000;
        let share = (position * 100)
            .checked_div(self.size)
            .map(|share| format!(" ({}%)", share.min(100)));
        let share = share.unwrap_or_default();
        // Nothing is lost where standard error has gone.
        let _ = write!(io::stderr(), "\r{megabytes} MB{share}, {count} {what}\x1b[K");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
