//! The harness of the acceptance tests: the real daemon on the real kernel against real servers and clients.
//!
//! A kernel test claims the [`Host`], lays out network namespaces, starts a [`Daemon`] and a server whose log is an
//! independent [`Truth`], sends bounded traffic, and compares every line of the log with the monitor's records.
//! The harness fails a test by panicking with what it saw; it never ends a process that it did not start.
#![expect(clippy::missing_panics_doc, reason = "a harness fails its test by panicking")]

pub mod bench;
pub mod burst;
pub mod cgroup;
pub mod chance;
pub mod conformance;
pub mod control;
pub mod daemon;
pub mod dump;
pub mod exchange;
pub mod guest;
pub mod host;
pub mod namespace;
pub mod nginx;
pub mod peer;
pub mod records;
pub mod relay;
pub mod remote;
pub mod resolver;
pub mod running;
pub mod scenarios;
pub mod script;
pub mod segments;
pub mod shared;
pub mod soak;
pub mod tally;
pub mod truth;
pub mod wait;

pub use cgroup::ChildCgroup;
pub use daemon::{Daemon, Launch};
pub use dump::Dump;
pub use host::Host;
pub use namespace::Namespace;
pub use nginx::Nginx;
pub use peer::Peer;
pub use records::{Field, Records};
pub use relay::Relay;
pub use remote::Remote;
pub use running::Running;
pub use script::Script;
pub use truth::{Transaction, Truth};
