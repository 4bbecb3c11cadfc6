//! How much of a service's traffic was understood, as alerts and incidents say it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flow::Direction;
use super::value::Text;
use crate::views::coverage;

/// A service of this host, and how much of its traffic was understood since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Service<'a> {
    /// Executable, with versions folded; with the container's id behind `@`.
    pub process: Text<'a>,
    /// Which way its connections were opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Port on which it is asked; absent for what it asks itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Payload bytes that the kernel counted.
    pub counted_bytes: u64,
    /// Bytes of messages that were read.
    pub understood_bytes: u64,
    /// Bytes that were not, by reason.
    pub missed_bytes: BTreeMap<Text<'a>, u64>,
}

impl<'a> From<&'a coverage::Service> for Service<'a> {
    fn from(service: &'a coverage::Service) -> Self {
        Self {
            process: Text::Borrowed(&service.program),
            direction: service.direction.map(Direction::from),
            port: service.port,
            counted_bytes: service.counted,
            understood_bytes: service.understood,
            missed_bytes: service
                .missed()
                .map(|(reason, bytes)| (Text::Borrowed(reason.name()), bytes))
                .collect(),
        }
    }
}
