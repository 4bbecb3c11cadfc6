//! Where records go, and what they look like there. Wire formats live here and nowhere else.
//!
//! An [`Output`] is an encoding ([`json`] lines, [`terminal`] lines) at a [`Place`] (standard output, a file). One thread,
//! the [`Writer`], owns all of them, so that a slow disk or a stalled reader never holds up the engine.

pub mod json;

#[cfg(feature = "replay")]
mod output;
#[cfg(feature = "replay")]
mod place;
#[cfg(feature = "replay")]
mod spec;
#[cfg(feature = "replay")]
pub mod terminal;
#[cfg(feature = "live")]
mod writer;

#[cfg(feature = "replay")]
pub use output::{ClosedByReader, Encode, JsonLines, Output, OutputView, OutputViews, Tally};
#[cfg(feature = "replay")]
pub use place::{Place, Torn};
#[cfg(feature = "replay")]
pub use spec::{OutputSpec, SpecError, Where};
#[cfg(feature = "live")]
pub use writer::{Outbox, Writer};
