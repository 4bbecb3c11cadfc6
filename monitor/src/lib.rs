//! The monitor: who asked this host's APIs for what, which process answered, and where the bytes went.
//!
//! The core is a pure engine: events in, records out, time as an argument. [`pipeline`] is the place to start reading.
//! Everything that touches the kernel, files, sockets or the clock is behind the feature `live`.

#![deny(unsafe_code)]
#![deny(clippy::disallowed_methods)]

pub mod alert;
pub mod alerts;
#[cfg(feature = "replay")]
pub mod allocator;
pub mod allow;
pub mod baseline;
#[cfg(feature = "replay")]
pub mod capture;
#[cfg(feature = "replay")]
#[cfg_attr(
    feature = "live",
    expect(clippy::disallowed_methods, reason = "an edge: it has the clock")
)]
pub mod cli;
pub mod config;
#[cfg(feature = "live")]
pub mod confine;
#[cfg(feature = "live")]
pub mod control;
#[cfg(feature = "live")]
#[expect(clippy::disallowed_methods, reason = "an edge: it has the clock")]
pub mod daemon;
pub mod detectors;
pub mod enrich;
pub mod event;
pub mod expected;
#[cfg(feature = "replay")]
pub mod files;
pub mod finding;
pub mod flow;
pub mod incident;
pub mod incidents;
pub mod observation;
pub mod packet;
pub mod pattern;
pub mod pipeline;
pub mod protocol;
pub mod record;
#[cfg_attr(
    feature = "replay",
    expect(clippy::disallowed_methods, reason = "an edge: files are looked at by the clock")
)]
pub mod sinks;
#[cfg(feature = "live")]
pub mod store;
pub mod stream;
pub mod template;
pub mod time;
pub mod views;
