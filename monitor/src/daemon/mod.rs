//! The running daemon: a thin shell around the engine.
//!
//! One thread drains the capture into the engine and answers questions between batches ([`engine`]); another writes
//! records out ([`crate::sinks::Writer`]); the main thread serves the control socket and signals.

mod engine;
mod followers;
mod governor;
mod history;
mod live;
mod lock;
mod notify;
mod reload;
mod run;
mod source;
#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod tests;
mod vitals;

pub use engine::Core;
pub use live::{Kept, facility_shape};
pub use lock::LOCK;
pub use run::{Options, run};
pub use source::{Drained, Source};
