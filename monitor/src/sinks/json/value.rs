//! Values that several record types share.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::FlowId;
use crate::record::ProcessRef;
use crate::time::Timestamp;

/// Text, borrowed from the engine's record or owned when read.
pub type Text<'a> = Cow<'a, str>;

/// A moment: RFC 3339, UTC, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let time = text.parse::<jiff::Timestamp>().map_err(D::Error::custom)?;
        let nanos = u64::try_from(time.as_nanosecond()).map_err(|_| D::Error::custom("a time before 1970"))?;
        Ok(Self(Timestamp::from_nanos(nanos)))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "description": "RFC 3339, UTC, microseconds." })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Names a flow: the kernel's socket cookie in hexadecimal, a colon, and the number of the connection on that socket in
/// decimal (`4c1f:1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowName(pub FlowId);

impl fmt::Display for FlowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{}", self.0.cookie, self.0.generation)
    }
}

impl FromStr for FlowName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once(':')
            .and_then(|(cookie, generation)| {
                Some(Self(FlowId {
                    cookie: u64::from_str_radix(cookie, 16).ok()?,
                    generation: generation.parse().ok()?,
                }))
            })
            .ok_or("a flow is written cookie:generation, like 4c1f:1")
    }
}

impl Serialize for FlowName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FlowName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for FlowName {
    fn schema_name() -> Cow<'static, str> {
        "FlowName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{1,16}:[0-9]{1,10}$",
            "description": "Names a flow: socket cookie in hexadecimal, and the connection on that socket, in decimal.",
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// Address; IPv4-mapped addresses are shown as IPv4.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
}

impl From<SocketAddr> for End {
    fn from(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: address.port(),
        }
    }
}

/// A process of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process<'a> {
    /// Process id on the host.
    pub pid: u32,
    /// Process id in its own pid namespace, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_pid: Option<u32>,
    /// Short name (`comm`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    /// Path of the executable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<Text<'a>>,
    /// User at that moment.
    pub uid: u32,
    /// Container id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Text<'a>>,
    /// Path of the cgroup below the root of cgroup v2: names the systemd unit or the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<Text<'a>>,
}

impl<'a> From<&'a ProcessRef> for Process<'a> {
    fn from(process: &'a ProcessRef) -> Self {
        let known = |field: fn(&crate::event::Program) -> &str| {
            process
                .program
                .as_deref()
                .map(field)
                .filter(|text| !text.is_empty())
                .map(Text::Borrowed)
        };
        Self {
            pid: process.owner.program.pid,
            namespace_pid: process
                .program
                .as_deref()
                .map(|program| program.namespace_pid)
                .filter(|pid| *pid != 0 && *pid != process.owner.program.pid),
            name: known(|p| &p.name),
            exe: known(|p| &p.exe),
            uid: process.owner.uid,
            container: process.container.as_deref().map(Text::Borrowed),
            cgroup: known(|p| &p.cgroup),
        }
    }
}

/// A share as records show it: two digits say all that an estimate knows.
pub(super) fn hundredths(share: f32) -> f32 {
    (share * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_name_reads_what_it_shows() {
        let flow = FlowName(FlowId {
            cookie: 0x4c1f,
            generation: 12,
        });
        assert_eq!(flow.to_string(), "4c1f:12");
        assert_eq!("4c1f:12".parse(), Ok(flow));
        for wrong in ["", "4c1f", "4c1f:", ":1", "x:1", "1:-1"] {
            assert!(wrong.parse::<FlowName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_survives_to_the_microsecond() {
        let time = Time(Timestamp::from_micros(1_700_000_000_123_456));
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(text, "\"2023-11-14T22:13:20.123456Z\"");
        assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), time);
        assert!(serde_json::from_str::<Time>("\"1969-12-31T23:59:59Z\"").is_err());
    }
}
