//! Where records go, and what they look like there. Wire formats live here and nowhere else.
//!
//! An [`Output`] is an encoding ([`json`] lines, [`terminal`] lines) at a [`Place`] (standard output, a file). One thread,
//! the [`Writer`], owns all of them, so that a slow disk or a stalled reader never holds up the engine.

pub mod json;

#[cfg(feature = "live")]
mod output;
#[cfg(feature = "live")]
mod place;
#[cfg(feature = "live")]
mod spec;
#[cfg(feature = "live")]
pub mod terminal;
#[cfg(feature = "live")]
mod writer;

#[cfg(feature = "live")]
pub use output::{Encode, JsonLines, Output, OutputView, Tally};
#[cfg(feature = "live")]
pub use place::{Place, Torn};
#[cfg(feature = "live")]
pub use spec::{OutputSpec, SpecError, Where};
#[cfg(feature = "live")]
pub use writer::{Outbox, Writer};
