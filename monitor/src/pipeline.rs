//! The engine: events in, records out. The one place that wires the stages; read it to see the way of the data.
//!
//! Synchronous and deterministic: the same events at the same times give the same records. The daemon, replay, the
//! tests and the fuzz targets differ only in who calls [`Pipeline::handle`].

use crate::event::Command;
use crate::record::Record;

/// What a step gave.
#[derive(Debug, Default)]
pub struct Output {
    /// Records for the sinks, in order of time.
    pub records: Vec<Record>,
    /// Wishes to the capture.
    pub commands: Vec<Command>,
}
