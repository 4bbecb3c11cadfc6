//! Records that were told before, shown to the detectors once more: what another configuration makes of them.
//!
//! Everything that leads to a record was done when it was told. What the configuration has a say in is done anew: where
//! addresses are, endpoints by documents, what is expected.

use std::sync::Arc;

use super::telling::destination;
use super::{Output, Pipeline};
use crate::observation::{FlowObservation, Lookup, Observation};
use crate::protocol::transaction::ANNOUNCED;
use crate::record::{Body, DnsRecord, FlowDirection, FlowRecord, HttpRecord, HttpRole, Response};
use crate::time::Timestamp;

impl Pipeline {
    /// Takes in a record that was made at `now`, in the order in which they were told. It is not told again.
    pub fn retell(&mut self, now: Timestamp, record: Body, out: &mut Output) {
        self.handle_timeout(now, out);
        self.counts.events += 1;
        match record {
            Body::Http(record) => self.transaction_again(Arc::unwrap_or_clone(record), out),
            Body::Flow(record) => self.flow_again(Arc::unwrap_or_clone(record), out),
            Body::Dns(record) => self.lookup_again(record, out),
            Body::Tls(_) | Body::Alert(_) | Body::Incident(_) | Body::Stats(_) => {}
        }
    }

    fn transaction_again(&mut self, mut record: HttpRecord, out: &mut Output) {
        let status = record.response.as_ref().map(|response| response.status);
        if let Some(request) = &mut record.request {
            if record.role == HttpRole::Server {
                let told = request.endpoint.take();
                let found = self.endpoints.find_again(&request.method, &request.path, status, told);
                (request.endpoint, request.documented) = (Some(found.endpoint), found.documented);
            }
            request.agent_class = request.user_agent.as_deref().and_then(|agent| self.agents.class(agent));
        }
        if record.role == HttpRole::Server
            && let Some(client) = &mut record.client
        {
            client.whereabouts = self.networks.find(client.ip);
        }
        let endpoint = record.request.as_ref().and_then(|request| request.endpoint.as_deref());
        record.expected = self.rules.expected.is_on(record.start, endpoint);
        self.counts.transactions += 1;
        self.counts.incomplete += u64::from(record.incomplete.is_some());
        if let Some(announced) = at_its_header(&record) {
            self.observe(&Observation::Announced(Arc::new(announced)), out);
        }
        self.observe(&Observation::Transaction(Arc::new(record)), out);
    }

    fn flow_again(&mut self, mut record: FlowRecord, out: &mut Output) {
        let is_local = record.direction == Some(FlowDirection::Local);
        let remote = record.tuple.filter(|_| !is_local).map(|tuple| tuple.remote.ip());
        let name = record.remote_name.as_ref().map(|(name, _)| Arc::clone(name));
        record.remote_whereabouts = remote.and_then(|remote| self.whereabouts(remote, name.as_deref()));
        let record = Arc::new(record);
        let destination = destination(&record);
        let time = self.now;
        self.observe(
            &Observation::Flow(FlowObservation {
                time,
                record,
                destination,
            }),
            out,
        );
    }

    fn lookup_again(&mut self, record: Arc<DnsRecord>, out: &mut Output) {
        let time = self.now;
        self.observe(&Observation::Lookup(Lookup { time, record }), out);
    }
}

/// A transaction as it was when its response began, if that announced much: only how it ended was told.
fn at_its_header(record: &HttpRecord) -> Option<HttpRecord> {
    let response = record.response.as_ref()?;
    let request = record.request.as_ref()?;
    let is_long = response.announced_bytes.is_some_and(|bytes| bytes >= ANNOUNCED);
    // What answers HEAD and these statuses has no body, whatever is announced (RFC 9112 section 6.3).
    let has_body = request.method != "HEAD" && !matches!(response.status, 204 | 304);
    (is_long && has_body).then(|| HttpRecord {
        response: Some(Response {
            body_bytes: 0,
            decoded_bytes: None,
            ..response.clone()
        }),
        duration_us: record.latency_us.unwrap_or(0).min(record.duration_us),
        ..record.clone()
    })
}
