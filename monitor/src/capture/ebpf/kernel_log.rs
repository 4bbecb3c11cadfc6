//! What the kernel programs log through `aya-log`, into the daemon's own log.
//!
//! Off unless asked for: then the programs carry none of it, since the verifier drops what a constant switches off.

use tracing::debug;

/// Highest level that the programs log at (`aya_log_common::Level::Debug`).
pub(super) const LEVEL: u8 = aya_log::Level::Debug as u8;

/// Takes the programs' lines.
#[derive(Debug)]
pub(super) struct KernelLog;

impl log::Log for KernelLog {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        debug!("kernel: {}", record.args());
    }

    fn flush(&self) {}
}
