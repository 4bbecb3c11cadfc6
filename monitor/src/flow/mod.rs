//! Flows: the two ends, and the table of those that live.

mod tuple;

pub(crate) use tuple::ip_from_kernel;
pub use tuple::{FiveTuple, Transport};
