//! The JSON shapes of the records: the public contract, field for field.
//!
//! One file a record type. The structs borrow from the engine's records when they are written and own what they read,
//! so that the command line reads the daemon's lines with the very structs that wrote them. [`schema`] makes the
//! committed JSON Schemas from the same structs.

mod alert;
mod dns;
mod escape;
mod evidence;
mod flow;
mod http;
mod incident;
mod kind;
mod line;
mod reader;
pub mod schema;
mod service;
mod stats;
mod tls;
mod value;
mod whereabouts;

pub use alert::{Actor, ActorKind, Alert, Severity, State, Target};
pub use dns::Dns;
pub use escape::append_line;
#[cfg(feature = "replay")]
pub(crate) use escape::is_steering;
pub use evidence::{Evidence, Quantity, Sample};
pub use flow::{Direction, Event, Flow, Parent, Protocol, Remote};
pub use http::{Http, Role};
pub use incident::Incident;
pub use kind::{RecordSet, RecordType, UnknownType};
pub use line::{Line, write_record};
pub use reader::{Recorded, Unreadable, read_line};
pub use service::Service;
pub use stats::Stats;
pub use tls::Tls;
pub use value::{End, FlowName, Process, Text, Time};
pub use whereabouts::Whereabouts;

#[cfg(test)]
pub(crate) mod examples;
#[cfg(test)]
mod tests;
