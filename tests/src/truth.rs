//! An independent account of what passed, and its comparison with the monitor's records, transaction by transaction.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::host::figure;
use crate::records::{Field, Records};

/// A mismatch more than this many is not shown.
const SHOWN: usize = 12;

/// One transaction as the server's own log has it; what a log does not tell is absent and not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Port of the client, which names the connection.
    pub client_port: u16,
    /// Method.
    pub method: String,
    /// Target as on the wire.
    pub target: String,
    /// Status code.
    pub status: u16,
    /// Bytes of the request's header.
    pub request_header: Option<u64>,
    /// Bytes of the request after the header.
    pub request_body: Option<u64>,
    /// Both together, where the log tells no more.
    pub request: Option<u64>,
    /// Bytes of the response's header.
    pub response_header: Option<u64>,
    /// Bytes of the response after the header.
    pub response_body: Option<u64>,
    /// Both together, where the log tells no more.
    pub response: Option<u64>,
    /// Process that served it.
    pub pid: Option<u64>,
}

/// A server's account.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Port of the server.
    pub port: u16,
    /// Name of its process.
    pub name: String,
    /// Path of its executable.
    pub exe: String,
    /// Transactions; those of one connection in their order.
    pub transactions: Vec<Transaction>,
    /// Bytes read and written by connection, where the log tells: by the client's port, which may come again, in order.
    pub connections: BTreeMap<u16, Vec<(u64, u64)>>,
    /// Whether the client may have left in the middle of the last transaction of a connection (a load generator's end).
    pub last_may_be_cut: bool,
}

impl Truth {
    /// Fails the test unless every transaction is in the records exactly once and right in every field that is known,
    /// and every connection's end has the bytes that the server counted.
    #[track_caller]
    pub fn check(&self, case: &str, records: &Records) {
        assert!(
            !self.transactions.is_empty(),
            "{case}: the server's log is empty: there is nothing to compare"
        );
        let mut mismatches = Vec::new();
        let bytes =
            self.compare_transactions(records, &mut mismatches) + self.compare_connections(records, &mut mismatches);
        figure(
            case,
            &format!(
                "{} transactions on {} connections, {bytes} bytes compared, {} mismatches",
                self.transactions.len(),
                self.connections(),
                mismatches.len()
            ),
        );
        let shown = mismatches
            .iter()
            .take(SHOWN)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            mismatches.is_empty(),
            "{case}: {} mismatches:\n{shown}",
            mismatches.len()
        );
    }

    /// How many connections the log tells of.
    pub fn connections(&self) -> usize {
        self.connections.values().map(Vec::len).sum()
    }

    fn compare_transactions(&self, records: &Records, mismatches: &mut Vec<String>) -> u64 {
        let mut expected: BTreeMap<u16, Vec<&Transaction>> = BTreeMap::new();
        for transaction in &self.transactions {
            expected.entry(transaction.client_port).or_default().push(transaction);
        }
        let mut recorded: BTreeMap<u16, Vec<&Value>> = BTreeMap::new();
        for record in records.http(self.port) {
            recorded
                .entry(record.port("/client/port").unwrap_or(0))
                .or_default()
                .push(record);
        }
        let mut bytes = 0;
        for port in expected.keys().chain(recorded.keys()).copied().collect::<BTreeSet<_>>() {
            let expected = expected.get(&port).map_or(&[][..], Vec::as_slice);
            let mut recorded = recorded.remove(&port).unwrap_or_default();
            // RFC 3339 in UTC sorts as text.
            recorded.sort_by_key(|record| record.text("/start"));
            bytes += self.compare_connection(port, expected, &recorded, mismatches);
        }
        bytes
    }

    fn compare_connection(
        &self,
        port: u16,
        expected: &[&Transaction],
        recorded: &[&Value],
        mismatches: &mut Vec<String>,
    ) -> u64 {
        let mut bytes = 0;
        for (place, transaction) in expected.iter().enumerate() {
            let cut = self.last_may_be_cut && place + 1 == expected.len();
            let Some(record) = recorded.get(place) else {
                mismatches.push(format!(
                    "port {port}, transaction {place} not recorded: {transaction:?}"
                ));
                continue;
            };
            if cut && record["complete"] == false {
                continue;
            }
            bytes += self.compare_one(place, transaction, record, mismatches);
        }
        for record in recorded.iter().skip(expected.len()) {
            // The client left before the server had read this request: it was on the wire, and nobody answered.
            let cut = self.last_may_be_cut && recorded.len() == expected.len() + 1 && record["complete"] == false;
            if !cut {
                mismatches.push(format!("port {port}: recorded, but not in the server's log: {record}"));
            }
        }
        bytes
    }

    fn compare_one(&self, place: usize, truth: &Transaction, record: &Value, mismatches: &mut Vec<String>) -> u64 {
        let mut differ = |what: &str, truth_value: &dyn std::fmt::Display, found: Option<String>| {
            let found = found.unwrap_or_else(|| "nothing".to_owned());
            let port = truth.client_port;
            mismatches.push(format!(
                "port {port}, transaction {place}: {what} is {truth_value}, recorded {found}: {record}"
            ));
        };
        for (what, path, value) in [
            ("role", "/role", "server"),
            ("method", "/request/method", truth.method.as_str()),
            ("target", "/request/target", truth.target.as_str()),
            ("process name", "/process/name", self.name.as_str()),
            ("executable", "/process/exe", self.exe.as_str()),
        ] {
            if record.text(path) != Some(value) {
                differ(what, &value, record.text(path).map(str::to_owned));
            }
        }
        if record["complete"] != true {
            differ(
                "complete",
                &true,
                Some(format!("{} ({})", record["complete"], record["incomplete"])),
            );
        }
        let sum = |record: &Value, side: &str| {
            Some(record.number(&format!("/{side}/header_bytes"))? + record.number(&format!("/{side}/body_bytes"))?)
        };
        let mut bytes = 0;
        for (what, value, found, counts) in [
            (
                "status",
                Some(u64::from(truth.status)),
                record.number("/response/status"),
                false,
            ),
            ("pid", truth.pid, record.number("/process/pid"), false),
            (
                "request header",
                truth.request_header,
                record.number("/request/header_bytes"),
                true,
            ),
            (
                "request body",
                truth.request_body,
                record.number("/request/body_bytes"),
                true,
            ),
            ("request", truth.request, sum(record, "request"), true),
            (
                "response header",
                truth.response_header,
                record.number("/response/header_bytes"),
                true,
            ),
            (
                "response body",
                truth.response_body,
                record.number("/response/body_bytes"),
                true,
            ),
            ("response", truth.response, sum(record, "response"), true),
        ] {
            let Some(value) = value else { continue };
            if found != Some(value) {
                differ(what, &value, found.map(|number| number.to_string()));
            } else if counts {
                bytes += value;
            }
        }
        bytes
    }

    fn compare_connections(&self, records: &Records, mismatches: &mut Vec<String>) -> u64 {
        let closes = records.closes(self.port);
        let mut by_port: BTreeMap<u16, Vec<&Value>> = BTreeMap::new();
        for record in closes {
            by_port
                .entry(record.port("/remote/port").unwrap_or(0))
                .or_default()
                .push(record);
        }
        let mut bytes = 0;
        for (port, connections) in &self.connections {
            let mut ends = by_port.remove(port).unwrap_or_default();
            // RFC 3339 in UTC sorts as text.
            ends.sort_by_key(|end| end.text("/start"));
            // A server's log has no line for a connection that asked nothing.
            ends.retain(|end| end.number("/bytes_received") != Some(0) || end.number("/bytes_sent") != Some(0));
            if ends.len() != connections.len() {
                let (expected, recorded) = (connections.len(), ends.len());
                mismatches.push(format!(
                    "port {port}: {expected} connections, {recorded} ends of flows recorded"
                ));
            }
            for ((read, written), end) in connections.iter().zip(ends) {
                for (what, value, path) in [("read", read, "/bytes_received"), ("written", written, "/bytes_sent")] {
                    let found = end.number(path);
                    if found == Some(*value) {
                        bytes += value;
                    } else {
                        mismatches.push(format!(
                            "port {port}: {value} bytes {what} by the server, recorded {found:?}: {end}"
                        ));
                    }
                }
            }
        }
        bytes
    }
}
