//! `stats`: the monitor's own figures.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::Text;
use crate::record::StatsRecord;

/// Figures of the monitor itself. Counts are since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Stats")]
pub struct Stats<'a> {
    /// What came in.
    pub events: Events<'a>,
    /// Flows.
    pub flows: Flows,
    /// Transactions.
    pub http: Transactions,
    /// Payload bytes understood against payload bytes counted.
    pub coverage: Bytes,
    /// Alerts raised.
    pub alerts: u64,
    /// Incidents that they are.
    #[serde(default)]
    pub incidents: u64,
    /// Subjects that are still learning what is normal.
    pub learning: u64,
    /// CPU time of the daemon since its start, milliseconds; live only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Resident memory, bytes; live only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
}

/// Events of the capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Events<'a> {
    /// Records read from the kernel, or packets from a file.
    pub received: u64,
    /// Bytes of payload in them: what was copied from the kernel, or stood in packets.
    pub bytes_copied: u64,
    /// Lost, by cause.
    pub lost: BTreeMap<Text<'a>, u64>,
    /// Left out by design or by a bound, by cause.
    pub left_out: BTreeMap<Text<'a>, u64>,
}

/// Flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flows {
    /// Alive.
    pub active: u64,
    /// Seen.
    pub total: u64,
    /// Evicted to stay within the bound.
    pub evicted: u64,
}

/// Transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transactions {
    /// Told.
    pub transactions: u64,
    /// Of which incomplete.
    pub incomplete: u64,
}

/// Payload bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bytes {
    /// Counted by the kernel.
    pub counted_bytes: u64,
    /// Read as messages.
    pub understood_bytes: u64,
}

impl<'a> From<&'a StatsRecord> for Stats<'a> {
    fn from(record: &'a StatsRecord) -> Self {
        Self {
            events: Events {
                received: record.events_received,
                bytes_copied: record.bytes_copied,
                lost: by_cause(&record.lost),
                left_out: by_cause(&record.left_out),
            },
            flows: Flows {
                active: record.flows_active,
                total: record.flows_total,
                evicted: record.flows_evicted,
            },
            http: Transactions {
                transactions: record.transactions,
                incomplete: record.incomplete,
            },
            coverage: Bytes {
                counted_bytes: record.bytes_counted,
                understood_bytes: record.bytes_understood,
            },
            alerts: record.alerts,
            incidents: record.incidents,
            learning: record.learning,
            cpu_ms: record.cpu_ms,
            rss_bytes: record.rss_bytes,
        }
    }
}

/// Causes that happened; one cause told twice is added up.
fn by_cause(counts: &[(&'static str, u64)]) -> BTreeMap<Text<'static>, u64> {
    let mut map = BTreeMap::new();
    for (cause, n) in counts.iter().filter(|(_, n)| *n > 0) {
        *map.entry(Text::Borrowed(*cause)).or_insert(0) += n;
    }
    map
}
