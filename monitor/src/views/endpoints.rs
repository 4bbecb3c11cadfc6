//! By endpoint: how much is asked, how it is answered, how fast; how logins end.

use std::sync::Arc;
use std::time::Duration;

use super::latencies::Latencies;
use crate::baseline::recent::Recent;
use crate::enrich::identity::login::LoginOutcome;
use crate::record::{HttpRecord, Request};
use crate::time::Timestamp;

/// Endpoints kept: as many as are learned ([`crate::enrich::endpoints`]), some 8 MB.
const MOST: usize = 10_000;

/// What is known of one.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Whether an OpenAPI document names it; absent where none is given.
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
    /// Bytes of requests on the wire, headers and bodies.
    pub received_bytes: u64,
    /// Bytes of responses.
    pub sent_bytes: u64,
    /// Time to the first byte of the response.
    pub latencies: Latencies,
    /// First and last seen.
    pub first_seen: Timestamp,
    /// See `first_seen`.
    pub last_seen: Timestamp,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Endpoints(Recent<Arc<str>, Endpoint>);

impl Default for Endpoints {
    fn default() -> Self {
        Self(Recent::new(MOST, Duration::MAX))
    }
}

impl Endpoints {
    pub(super) fn see(&mut self, now: Timestamp, request: &Request, record: &HttpRecord) {
        let Some(endpoint) = &request.endpoint else { return };
        let known = self.0.see_or_make(
            now,
            endpoint,
            || Endpoint::new(request.documented, record.start),
            |known| known.requests,
        );
        known.add(request, record);
    }

    pub(super) fn rows(&self) -> Vec<(Arc<str>, Endpoint)> {
        let mut rows: Vec<_> = self.0.iter().map(|(key, row)| (Arc::clone(key), row.clone())).collect();
        rows.sort_by(|(a, x), (b, y)| y.requests.cmp(&x.requests).then_with(|| a.cmp(b)));
        rows
    }

    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}

impl Endpoint {
    fn new(documented: Option<bool>, start: Timestamp) -> Self {
        Self {
            documented,
            requests: 0,
            refused: 0,
            client_errors: 0,
            server_errors: 0,
            incomplete: 0,
            logins_succeeded: 0,
            logins_failed: 0,
            received_bytes: 0,
            sent_bytes: 0,
            latencies: Latencies::default(),
            first_seen: start,
            last_seen: start,
        }
    }

    fn add(&mut self, request: &Request, record: &HttpRecord) {
        self.documented = request.documented;
        self.requests += 1;
        if let Some(response) = &record.response {
            match response.status {
                401 | 403 => self.refused += 1,
                400..500 => self.client_errors += 1,
                500..600 => self.server_errors += 1,
                _ => {}
            }
            self.sent_bytes += response.header_bytes.saturating_add(response.body_bytes);
        }
        match record.login {
            Some(LoginOutcome::Success) => self.logins_succeeded += 1,
            Some(LoginOutcome::Failure) => self.logins_failed += 1,
            Some(LoginOutcome::Unknown) | None => {}
        }
        self.incomplete += u64::from(record.incomplete.is_some());
        self.received_bytes += request.header_bytes.saturating_add(request.body_bytes);
        if let Some(us) = record.latency_us {
            self.latencies.add(us);
        }
        self.last_seen = self.last_seen.max(record.start);
    }
}
