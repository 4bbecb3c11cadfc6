//! Lines back to records: what was recorded is shown to detectors once more.
//!
//! What a line does not carry stays unknown. What depends on the configuration (where an address is, which endpoint a
//! document names, what is expected) is found anew by whoever takes the record in.

mod dns;
mod flow;
mod http;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;

use super::dns::Dns;
use super::flow::Flow;
use super::http::Http;
use super::kind::RecordType;
use super::value::{Process, Text, Time};
use crate::event::{Owner, Program, ProgramId};
use crate::record::{Body, ProcessRef};
use crate::time::Timestamp;

/// A line that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// When the record was made.
    pub time: Timestamp,
    /// Its type.
    pub kind: RecordType,
    /// What it says; nothing of types that detectors are not shown.
    pub body: Option<Body>,
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no record.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A name in it means nothing to this version.
    #[error("{field} `{name}` is not known")]
    Unknown {
        /// Where it stands.
        field: &'static str,
        /// The name.
        name: String,
    },
}

/// What every line has.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: RecordType,
    time: Time,
}

/// Reads one line.
pub fn read_line(line: &[u8]) -> Result<Recorded, Unreadable> {
    let head: Head = serde_json::from_slice(line)?;
    let body = match head.kind {
        RecordType::Http => Some(Body::Http(Arc::new(http::record(serde_json::from_slice::<Http<'_>>(
            line,
        )?)?))),
        RecordType::Flow => Some(Body::Flow(Arc::new(flow::record(serde_json::from_slice::<Flow<'_>>(
            line,
        )?)?))),
        RecordType::Dns => Some(Body::Dns(Arc::new(dns::record(serde_json::from_slice::<Dns<'_>>(
            line,
        )?)))),
        // A flow has what a hello tells of its destination.
        RecordType::Tls | RecordType::File | RecordType::Alert | RecordType::Incident | RecordType::Stats => None,
    };
    Ok(Recorded {
        time: head.time.0,
        kind: head.kind,
        body,
    })
}

/// The one of `all` that is called `name`.
fn named<T: Copy>(all: &[T], name_of: fn(T) -> &'static str, field: &'static str, name: &str) -> Result<T, Unreadable> {
    let found = all.iter().copied().find(|one| name_of(*one) == name);
    found.ok_or_else(|| unknown(field, name))
}

fn unknown(field: &'static str, name: &str) -> Unreadable {
    Unreadable::Unknown {
        field,
        name: name.chars().take(64).collect(),
    }
}

fn shared(text: Text<'_>) -> Arc<str> {
    text.into()
}

/// What tells one run of a program from the next is not told; its pid stands for it.
fn process(told: Process<'_>) -> ProcessRef {
    let id = ProgramId {
        pid: told.pid,
        ..ProgramId::default()
    };
    let is_known = told.name.is_some() || told.exe.is_some() || told.cgroup.is_some();
    let text = |text: Option<Text<'_>>| text.map(Text::into_owned).unwrap_or_default();
    ProcessRef {
        owner: Owner {
            program: id,
            uid: told.uid,
            ..Owner::default()
        },
        container: told.container.map(shared),
        program: is_known.then(|| {
            Arc::new(Program {
                id,
                namespace_pid: told.namespace_pid.unwrap_or(told.pid),
                parent_pid: 0,
                uid: told.uid,
                name: text(told.name),
                exe: text(told.exe),
                cgroup: text(told.cgroup),
            })
        }),
    }
}
