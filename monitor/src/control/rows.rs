//! JSON shapes of the views, a line a row: the daemon writes them, the command line reads them.

use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::enrich::identity::IdentityKind;
use crate::sinks::json::{Service, Text, Time, Whereabouts, append_line};
use crate::views::{self, Rows, compare, coverage, destinations, endpoints, identities};

/// A line of `GET /v1/endpoints`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint<'a> {
    /// `METHOD /path/{id}`.
    pub endpoint: Text<'a>,
    /// Whether an OpenAPI document names it; absent where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documented: Option<bool>,
    /// Transactions.
    pub requests: u64,
    /// Answered 401 or 403.
    pub refused: u64,
    /// Answered with another 4xx.
    pub client_errors: u64,
    /// Answered 5xx.
    pub server_errors: u64,
    /// That are not complete.
    pub incomplete: u64,
    /// Logins that succeeded.
    pub logins_succeeded: u64,
    /// Logins that failed.
    pub logins_failed: u64,
    /// Bytes of requests on the wire.
    pub received_bytes: u64,
    /// Bytes of responses on the wire.
    pub sent_bytes: u64,
    /// Median of the time to the first byte of the response, microseconds, within a tenth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_p50_us: Option<u64>,
    /// 95 % were not slower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_p95_us: Option<u64>,
    /// 99 % were not slower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_p99_us: Option<u64>,
    /// First seen.
    pub first_seen: Time,
    /// Last seen.
    pub last_seen: Time,
}

/// A line of `GET /v1/identities`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Identity<'a> {
    /// `key`, `token`, `account`, `session`.
    pub kind: Text<'a>,
    /// Fingerprint, or name of the account.
    pub id: Text<'a>,
    /// Transactions.
    pub requests: u64,
    /// Answered 401 or 403.
    pub refused: u64,
    /// No request of it was ever answered with success.
    pub unproven: bool,
    /// Addresses of the last 24 hours; an estimate above 16.
    pub addresses: u64,
    /// The latest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Where that is.
    #[serde(flatten)]
    pub whereabouts: Whereabouts<'a>,
    /// First seen.
    pub first_seen: Time,
    /// Last seen.
    pub last_seen: Time,
}

/// A line of `GET /v1/destinations`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Destination<'a> {
    /// Executable, with versions folded; with the container's id behind `@`.
    pub process: Text<'a>,
    /// Name, else network.
    pub destination: Text<'a>,
    /// Port.
    pub port: u16,
    /// Flows, those that live too.
    pub flows: u64,
    /// Of which live.
    pub open: u64,
    /// Bytes that the program sent.
    pub bytes_sent: u64,
    /// Bytes that it received.
    pub bytes_received: u64,
    /// Where the latest flow went.
    #[serde(flatten)]
    pub whereabouts: Whereabouts<'a>,
    /// First seen.
    pub first_seen: Time,
    /// Last seen.
    pub last_seen: Time,
}

/// A line of `GET /v1/coverage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Covered<'a> {
    /// The service, and how much of its traffic was understood.
    #[serde(flatten)]
    pub service: Service<'a>,
    /// Connections, those that live too.
    pub connections: u64,
}

/// A line of `GET /v1/compare/…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Compared<'a> {
    /// User agent, organization or fingerprint.
    pub value: Text<'a>,
    /// Requests of those that an alert names, since it did.
    pub flagged: u64,
    /// Of which answered 401 or 403.
    pub flagged_refused: u64,
    /// Requests of all others meanwhile.
    pub rest: u64,
    /// Of which answered 401 or 403.
    pub rest_refused: u64,
}

/// Appends the first `limit` of `rows` as lines.
pub(super) fn append(out: &mut Vec<u8>, rows: Option<&Rows>, limit: usize) -> Result<(), serde_json::Error> {
    match rows {
        None => Ok(()),
        Some(Rows::Endpoints(rows)) => each(out, rows, limit, |(name, row)| endpoint(name, row)),
        Some(Rows::Identities(rows)) => each(out, rows, limit, |((kind, id), row)| identity(*kind, id, row)),
        Some(Rows::Destinations(rows)) => each(out, rows, limit, |(pair, row)| destination(pair, row)),
        Some(Rows::Coverage(rows)) => each(out, rows, limit, covered),
        Some(Rows::Compare(rows)) => each(out, rows, limit, |(value, count)| compared(value, *count)),
    }
}

fn each<'a, T, S: Serialize>(
    out: &mut Vec<u8>,
    rows: &'a [T],
    limit: usize,
    shape: impl Fn(&'a T) -> S,
) -> Result<(), serde_json::Error> {
    rows.iter()
        .take(limit)
        .try_for_each(|row| append_line(out, &shape(row)))
}

fn endpoint<'a>(name: &'a Arc<str>, row: &'a endpoints::Endpoint) -> Endpoint<'a> {
    let endpoints::Endpoint {
        documented,
        requests,
        refused,
        client_errors,
        server_errors,
        incomplete,
        logins_succeeded,
        logins_failed,
        received_bytes,
        sent_bytes,
        ref latencies,
        first_seen,
        last_seen,
    } = *row;
    Endpoint {
        endpoint: Text::Borrowed(name),
        documented,
        requests,
        refused,
        client_errors,
        server_errors,
        incomplete,
        logins_succeeded,
        logins_failed,
        received_bytes,
        sent_bytes,
        latency_p50_us: latencies.quantile(0.5),
        latency_p95_us: latencies.quantile(0.95),
        latency_p99_us: latencies.quantile(0.99),
        first_seen: Time(first_seen),
        last_seen: Time(last_seen),
    }
}

fn identity<'a>(kind: IdentityKind, id: &'a Arc<str>, row: &'a identities::Identity) -> Identity<'a> {
    Identity {
        kind: Text::Borrowed(kind.name()),
        id: Text::Borrowed(id),
        requests: row.requests,
        refused: row.refused,
        unproven: row.unproven,
        addresses: row.addresses.count(),
        address: row.address,
        whereabouts: row.whereabouts.as_deref().map(Whereabouts::from).unwrap_or_default(),
        first_seen: Time(row.first_seen),
        last_seen: Time(row.last_seen),
    }
}

fn destination<'a>(
    (process, name, port): &'a destinations::Pair,
    row: &'a destinations::Destination,
) -> Destination<'a> {
    Destination {
        process: Text::Borrowed(process),
        destination: Text::Borrowed(name),
        port: *port,
        flows: row.flows,
        open: row.open,
        bytes_sent: row.sent,
        bytes_received: row.received,
        whereabouts: row.whereabouts.as_deref().map(Whereabouts::from).unwrap_or_default(),
        first_seen: Time(row.first_seen),
        last_seen: Time(row.last_seen),
    }
}

fn covered(row: &coverage::Service) -> Covered<'_> {
    Covered {
        service: row.into(),
        connections: row.connections,
    }
}

fn compared(value: &str, count: compare::Count) -> Compared<'_> {
    let views::compare::Count {
        flagged,
        flagged_refused,
        rest,
        rest_refused,
    } = count;
    Compared {
        value: Text::Borrowed(value),
        flagged,
        flagged_refused,
        rest,
        rest_refused,
    }
}
