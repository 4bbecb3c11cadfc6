//! Flows and transactions as records and observations.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Output, Pipeline};
use crate::enrich::fingerprint::Fingerprint;
use crate::enrich::identity::Asked;
use crate::enrich::networks::Whereabouts;
use crate::event::{Direction, FlowId, Role};
use crate::flow::{FiveTuple, Flow};
use crate::observation::{Destination, FlowObservation, Lookup, Observation};
use crate::protocol::transaction::Transaction;
use crate::record::{
    App, Body, Coverage, CoverageReason, DnsRecord, EndReason, FlowDirection, FlowEvent, FlowRecord, GrpcCall,
    HttpRecord, HttpRole, NameSource, ParentRef,
};
use crate::time::Timestamp;

/// Port of DNS (RFC 1035 section 4.2).
pub(super) const DNS_PORT: u16 = 53;

impl Pipeline {
    /// Tells a flow that is in the table, unless its other end speaks for it. An update of one that was not told opens it.
    pub(super) fn tell_flow(&mut self, id: FlowId, event: FlowEvent, out: &mut Output) {
        if self.flows.get(id).is_none_or(|flow| flow.is_shadow) {
            return;
        }
        if let Some(mut flow) = self.flows.take(id) {
            let event = if flow.told_open { event } else { FlowEvent::Open };
            self.tell(&mut flow, event, None, out);
            self.flows.put_back(flow);
        }
    }

    /// Tells that `flow`, which is out of the table, has opened, if that was not told before.
    pub(super) fn open_first(&mut self, flow: &mut Flow, out: &mut Output) {
        if !flow.told_open {
            self.tell(flow, FlowEvent::Open, None, out);
        }
    }

    /// Tells a flow that is out of the table.
    pub(super) fn tell(&mut self, flow: &mut Flow, event: FlowEvent, reason: Option<EndReason>, out: &mut Output) {
        flow.told_open = true;
        flow.name = self.name_of(flow);
        flow.cause = self.cause_of(flow);
        flow.whereabouts = self.whereabouts_of(flow);
        let record = Arc::new(self.flow_record(flow, event, reason, self.now));
        self.write(Body::Flow(Arc::clone(&record)), out);
        let destination = destination(&record);
        self.observe(
            &Observation::Flow(FlowObservation {
                time: self.now,
                record,
                destination,
            }),
            out,
        );
    }

    /// A flow as a record, at this moment.
    pub(super) fn flow_record(
        &self,
        flow: &Flow,
        event: FlowEvent,
        end_reason: Option<EndReason>,
        now: Timestamp,
    ) -> FlowRecord {
        let process = |owner| self.programs.process(owner);
        let (own, peer) = (flow.owner().map(process), flow.peer_owner.map(process));
        let reversed = flow.is_reversed();
        let (process, peer_process) = if reversed { (peer, own) } else { (own, peer) };
        // The end of a flow is when the kernel saw it, whenever that was read.
        let until = match end_reason {
            None | Some(EndReason::StillOpen | EndReason::Evicted | EndReason::Vanished) => now,
            Some(_) => flow.seen(),
        };
        let conversation = flow.conversation.as_deref();
        FlowRecord {
            start: flow.opened,
            flow: flow.id,
            event,
            direction: direction(flow),
            transport: flow.tuple.map_or(crate::flow::Transport::Tcp, |tuple| tuple.transport),
            app: conversation.map_or_else(|| udp_app(flow), crate::protocol::conversation::Conversation::app),
            tuple: flow.tuple.map(|tuple| if reversed { tuple.reversed() } else { tuple }),
            remote_name: flow.name.clone(),
            remote_whereabouts: flow.whereabouts.clone(),
            process,
            last_process: flow
                .owners
                .successor()
                .filter(|_| !reversed)
                .map(|owner| self.programs.process(owner)),
            peer_process,
            nat: flow.nat,
            counters: if reversed { swapped(flow) } else { flow.counters },
            counted_remotely: reversed,
            duration: until.since(flow.opened),
            end_reason: end_reason.map(|reason| if reversed { reason.reversed() } else { reason }),
            tcp_state: flow.tcp_state,
            joined_late: flow.flags.joined_late,
            parent: flow.cause.clone(),
            coverage: coverage(flow),
        }
    }

    /// The flows that live, as detectors would be shown them.
    pub(super) fn flow_observations(&self, now: Timestamp) -> Vec<FlowObservation> {
        let told = self.flows.iter().filter(|flow| !flow.is_shadow);
        told.map(|flow| {
            let record = self.flow_record(flow, FlowEvent::Update, None, now);
            FlowObservation {
                time: now,
                destination: destination(&record),
                record: Arc::new(record),
            }
        })
        .collect()
    }

    /// The name of the remote end of an outbound flow: by the answers of DNS, else what the flow itself has shown.
    pub(super) fn name_of(&self, flow: &Flow) -> Option<(Arc<str>, NameSource)> {
        let tuple = flow
            .tuple
            .filter(|_| direction(flow) == Some(FlowDirection::Outbound))?;
        // What the program asked for by name is what it meant to connect to.
        let named = flow.nat.and_then(|nat| nat.named).map(|named| named.ip());
        let by_dns = || {
            let asker = (flow.netns, flow.owner().map(|owner| owner.program.pid));
            let name = |address| self.names.of(self.now, asker, address);
            let found = named.and_then(name).or_else(|| name(tuple.remote.ip()));
            found.map(|n| (Arc::clone(n), NameSource::Dns))
        };
        match &flow.name {
            Some((_, NameSource::Dns)) => flow.name.clone(),
            other => by_dns().or_else(|| other.clone()),
        }
    }

    /// Where the remote end of a flow is; of one that stays on this host there is nothing to tell.
    fn whereabouts_of(&mut self, flow: &Flow) -> Option<Arc<Whereabouts>> {
        let remote = flow.tuple.filter(|_| !flow.is_local())?.remote;
        self.whereabouts(remote.ip(), flow.name.as_ref().map(|(name, _)| &**name))
    }

    /// Where an address is, and whether it or this name of it is on a threat list.
    pub(super) fn whereabouts(&mut self, address: IpAddr, name: Option<&str>) -> Option<Arc<Whereabouts>> {
        let found = self.networks.find(address.to_canonical());
        let is_listed = found.as_ref().is_some_and(|found| found.listed.is_some());
        let by_name = name
            .filter(|_| !is_listed)
            .and_then(|name| self.networks.listed_name(name));
        match by_name {
            None => found,
            listed => {
                let found = found.as_deref().cloned().unwrap_or_default();
                Some(Arc::new(Whereabouts { listed, ..found }))
            }
        }
    }

    /// Finds out what made a flow connect, while the request that did is under way.
    pub(super) fn find_cause(&mut self, id: FlowId) {
        let is_new = |flow: &Flow| flow.cause.is_none() && flow.parent.is_some();
        if !self.flows.get(id).is_some_and(is_new) {
            return;
        }
        if let Some(mut flow) = self.flows.take(id) {
            // The request may give the name of the destination and not its address.
            flow.name = self.name_of(&flow);
            flow.cause = self.cause_of(&flow);
            self.flows.put_back(flow);
        }
    }

    /// The request behind a flow, by what is known of it now and what was known before.
    fn cause_of(&self, flow: &Flow) -> Option<ParentRef> {
        let Some(parent) = flow.parent else {
            return flow.cause.clone();
        };
        let before = flow
            .cause
            .as_ref()
            .filter(|cause| (cause.flow, cause.turn) == (parent.flow, parent.turn));
        let server = self.flows.get(parent.flow);
        let pending = server
            .and_then(|server| server.conversation.as_ref())
            .and_then(|conversation| conversation.request_of(parent.turn));
        let answered = || {
            let latest = server?.last_request.as_ref()?;
            let request = latest.request.as_ref().filter(|_| latest.turn == parent.turn)?;
            Some(label(&request.method, &request.path))
        };
        let names_destination = pending.is_some_and(|request| names(flow, &request.target));
        let request = pending
            .map(|request| label(&request.method, &self.privacy.redact_target(&request.path)))
            .or_else(answered);
        let latest = server.and_then(|server| server.last_request.as_ref());
        let peer = || {
            let peer = server?.tuple?.remote.ip();
            // For whom a proxy asks is known when the request is over.
            (!self.clients.trusts(peer)).then_some(peer)
        };
        let client = latest
            .filter(|latest| latest.turn == parent.turn)
            .and_then(|latest| Some(latest.client.as_ref()?.ip))
            .or_else(peer);
        #[expect(clippy::cast_precision_loss, reason = "a count of requests in one thread")]
        let by_count = 1.0 / parent.in_flight.max(1) as f32;
        let confidence = if names_destination {
            // A request that names where the connection goes is its cause in all likelihood.
            by_count.max(0.95)
        } else {
            by_count
        };
        Some(ParentRef {
            flow: parent.flow,
            turn: parent.turn,
            request: request.or_else(|| before?.request.clone()),
            client: client.or_else(|| before?.client),
            in_flight: parent.in_flight,
            confidence: before.map_or(confidence, |before| before.confidence.max(confidence)),
        })
    }

    /// Tells a transaction of `flow`.
    pub(super) fn tell_transaction(&mut self, flow: &mut Flow, transaction: Box<Transaction>, out: &mut Output) {
        let record = Arc::new(self.http_record(flow, transaction));
        self.open_first(flow, out);
        if record.role == HttpRole::Server && record.request.is_some() {
            flow.last_request = Some(Arc::clone(&record));
        }
        self.counts.transactions += 1;
        self.counts.incomplete += u64::from(record.incomplete.is_some());
        self.write(Body::Http(Arc::clone(&record)), out);
        self.observe(&Observation::Transaction(record), out);
    }

    /// Shows a transaction whose response begins and is announced to be long. It is told when it is over.
    pub(super) fn show_announced(&mut self, flow: &mut Flow, transaction: Box<Transaction>, out: &mut Output) {
        let record = Arc::new(self.http_record(flow, transaction));
        self.observe(&Observation::Announced(record), out);
    }

    fn http_record(&mut self, flow: &mut Flow, mut transaction: Box<Transaction>) -> HttpRecord {
        let client = flow.conversation.as_ref().and_then(|c| c.client_direction());
        let role = match (client, flow.role) {
            (Some(Direction::Sent), _) | (None, Role::Active) => HttpRole::Client,
            (Some(Direction::Received), _) | (None, Role::Passive | Role::Unknown) => HttpRole::Server,
        };
        let mut request = transaction.request;
        let mut grpc = transaction.grpc;
        let (identity, login) = match (&request, role) {
            (Some(request), HttpRole::Server) => {
                let peer = flow.tuple.map(|tuple| tuple.remote.ip().to_canonical());
                let asked = Asked {
                    request,
                    taken: &transaction.taken,
                    response: transaction.response.as_ref(),
                    trusted: peer.is_some_and(|peer| self.clients.trusts(peer)),
                };
                self.identities.who(asked, &self.privacy)
            }
            (Some(_) | None, HttpRole::Server | HttpRole::Client) => (Vec::new(), None),
        };
        // By the target in clear: one whose place hides a password is not shown.
        let links = match &request {
            Some(request) if role == HttpRole::Server => {
                let mut links = std::mem::take(&mut transaction.taken.links);
                links.target(&request.target);
                links.into_found(request.host.as_deref())
            }
            Some(_) | None => Box::default(),
        };
        if let Some(request) = &mut request {
            if let std::borrow::Cow::Owned(redacted) = self.privacy.redact_target(&request.target) {
                request.target = redacted.into();
                // What the target does not hide its path has no need to.
                request.path = self.privacy.redact_target(&request.path).into_owned().into();
                grpc = grpc
                    .and_then(|call| GrpcCall::new(&request.path, call.status))
                    .map(Box::new);
            }
            if role == HttpRole::Server {
                let status = transaction.response.as_ref().map(|response| response.status);
                let found = self.endpoints.find(&request.method, &request.path, status);
                (request.endpoint, request.documented) = (Some(found.endpoint), found.documented);
            }
            request.agent_class = request.user_agent.as_deref().and_then(|agent| self.agents.class(agent));
            // The authority of an absolute target may carry a password.
            if let Some((_, bare)) = request.host.as_deref().and_then(|host| host.rsplit_once('@')) {
                request.host = Some(bare.into());
            }
        }
        if role == HttpRole::Client && flow.name.is_none() {
            let host = request.as_ref().and_then(|r| r.host.as_deref()).map(without_port);
            flow.name = host
                .filter(|h| h.parse::<IpAddr>().is_err())
                .map(|h| (h.to_ascii_lowercase().into(), NameSource::Host));
        }
        let (client, server) = match (flow.tuple, role) {
            (Some(FiveTuple { local, remote, .. }), HttpRole::Server) => {
                let proxied = flow
                    .conversation
                    .as_ref()
                    .and_then(|conversation| conversation.proxied());
                let mut client = self.clients.client(remote, proxied, &transaction.taken);
                client.whereabouts = self.networks.find(client.ip);
                (Some(client), Some(local))
            }
            (Some(FiveTuple { local, remote, .. }), HttpRole::Client) => (Some(local.into()), Some(remote)),
            (None, _) => (None, None),
        };
        let fingerprint = transaction.taken.order.map(|order| Fingerprint {
            version: transaction.version,
            order,
        });
        // Who was first to read the request served it. Who asks on a connection that several hold is not seen: then it is
        // told of who made it.
        let owner = match role {
            HttpRole::Server => flow.owners.of(transaction.turn),
            HttpRole::Client => flow.owner(),
        };
        let endpoint = request.as_ref().and_then(|request| request.endpoint.as_deref());
        let expected = self.rules.expected.is_on(transaction.start, endpoint);
        let relayed = role == HttpRole::Server && {
            if let Some(owner) = owner {
                self.fronts.serves(self.now, owner.program.pid);
            }
            let passed_on = client.as_ref().is_some_and(|client| !client.via.is_empty());
            let asker = flow.peer_owner.filter(|_| passed_on && flow.is_local());
            asker.is_some_and(|asker| self.fronts.is_front(self.now, asker.program.pid))
        };
        HttpRecord {
            start: transaction.start,
            flow: flow.id,
            turn: transaction.turn,
            role,
            version: transaction.version,
            client,
            server,
            server_name: self.name_of(flow).map(|(name, _)| name),
            process: owner.map(|owner| self.programs.process(owner)),
            request,
            response: transaction.response,
            grpc,
            latency_us: transaction.latency_us,
            duration_us: transaction.duration_us,
            identity,
            login,
            fingerprint,
            anomalies: transaction.anomalies,
            request_anomalies: transaction.request_anomalies,
            links,
            expected,
            relayed,
            incomplete: transaction.incomplete,
        }
    }

    /// Tells resolved names; the empty buffer goes back.
    pub(super) fn tell_lookups(&mut self, mut done: Vec<DnsRecord>, out: &mut Output) {
        for record in done.drain(..) {
            let record = Arc::new(record);
            self.write(Body::Dns(Arc::clone(&record)), out);
            let time = self.now;
            self.observe(&Observation::Lookup(Lookup { time, record }), out);
        }
        self.lookups_done = done;
    }
}

/// Which way a flow was opened, as far as it can be told.
pub(super) fn direction(flow: &Flow) -> Option<FlowDirection> {
    if flow.is_local() {
        return Some(FlowDirection::Local);
    }
    match flow.role {
        Role::Active => Some(FlowDirection::Outbound),
        Role::Passive => Some(FlowDirection::Inbound),
        Role::Unknown => flow
            .conversation
            .as_ref()
            .and_then(|c| c.client_direction())
            .map(|client| match client {
                Direction::Sent => FlowDirection::Outbound,
                Direction::Received => FlowDirection::Inbound,
            }),
    }
}

/// Bytes understood, and why not all that were counted.
pub(super) fn coverage(flow: &Flow) -> Coverage {
    let counted = flow.bytes();
    let Some(conversation) = flow.conversation.as_deref() else {
        let reason = (counted > 0 && udp_app(flow).is_none()).then_some(CoverageReason::Unsupported);
        return Coverage {
            understood_bytes: if reason.is_some() { 0 } else { counted },
            reason,
        };
    };
    let mut coverage = conversation.coverage();
    coverage.understood_bytes = coverage.understood_bytes.min(counted);
    if coverage.understood_bytes == counted {
        coverage.reason = None;
    } else if flow.flags.over_budget {
        coverage.reason = Some(CoverageReason::OverBudget);
    } else if coverage.reason.is_none() {
        coverage.reason = Some(if flow.flags.truncated_duplex {
            CoverageReason::Truncated
        } else if flow.flags.joined_late {
            CoverageReason::JoinedLate
        } else if flow.flags.opaque {
            CoverageReason::Unsupported
        } else {
            CoverageReason::Lost
        });
    }
    coverage
}

fn udp_app(flow: &Flow) -> Option<App> {
    let by_port = flow.tuple.is_some_and(|tuple| {
        tuple.remote.port() == DNS_PORT || (flow.role == Role::Passive && tuple.local.port() == DNS_PORT)
    });
    (by_port || flow.speaks_dns).then_some(App::Dns)
}

/// Counts as the other end would have them.
fn swapped(flow: &Flow) -> crate::event::Counters {
    let counters = flow.counters;
    crate::event::Counters {
        sent: counters.received,
        received: counters.sent,
        packets_sent: counters.packets_received,
        packets_received: counters.packets_sent,
        sent_end: counters.received_end,
        received_end: counters.sent_end,
        acked: 0,
        unread: 0,
        ..counters
    }
}

pub(super) fn destination(record: &FlowRecord) -> Option<Destination> {
    let remote = record
        .tuple
        .filter(|_| record.direction == Some(FlowDirection::Outbound))?
        .remote;
    let prefix = if remote.is_ipv4() { 24 } else { 48 };
    Some(Destination {
        name: record.remote_name.as_ref().map(|(name, _)| Arc::clone(name)),
        address: remote.ip(),
        port: remote.port(),
        network: IpNet::new(remote.ip(), prefix).map_or_else(|_| remote.ip().into(), |net| net.trunc()),
    })
}

/// Whether the text names where the flow goes: as a whole, not as a part of a longer name or address.
fn names(flow: &Flow, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_part = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-');
    let stands = |wanted: &str| {
        text.match_indices(wanted).any(|(at, _)| {
            let (before, after) = (&text.as_bytes()[..at], &text.as_bytes()[at + wanted.len()..]);
            !before.last().is_some_and(is_part) && !after.first().is_some_and(is_part)
        })
    };
    let address = flow.tuple.map(|tuple| tuple.remote.ip().to_string());
    let name = flow.name.as_ref().map(|(name, _)| name.as_ref());
    [address.as_deref(), name].into_iter().flatten().any(stands)
}

fn label(method: &str, path: &str) -> Arc<str> {
    format!("{method} {path}").into()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}
