//! Waiting for something that other processes do: by looking again, never by a fixed sleep.

use std::time::{Duration, Instant};

/// Between two looks; short against everything that is waited for.
const STEP: Duration = Duration::from_millis(20);

/// Looks until `look` gives something.
#[track_caller]
pub fn until<T>(what: &str, patience: Duration, look: impl FnMut() -> Option<T>) -> T {
    match at_most(patience, look) {
        Some(found) => found,
        None => panic!("waited {} s in vain for {what}", patience.as_secs_f32()),
    }
}

/// Looks until `look` gives something or patience ends.
pub fn at_most<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(STEP);
    }
}
