//! Flows: the two ends, and the table of those that live.

mod tuple;

pub use tuple::{FiveTuple, Transport};
