//! `listed_source`: a client, or a destination of this host, that is on a threat list.

mod doc;
mod settings;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Detector, DetectorDoc};
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::recent::Recent;
use crate::config::Config;
use crate::enrich::identity::attempt::Attempt;
use crate::enrich::networks::{NetworkKind, Settings as Networks, Whereabouts};
use crate::finding::Finding;
use crate::finding::occurrence::Occurrence;
use crate::observation::{FlowObservation, Observation};
use crate::record::{EndReason, FlowDirection, FlowEvent, HttpRecord, HttpRole, ProcessRef};
use crate::time::Timestamp;

/// Actors that are remembered, about 200 bytes each.
const MOST_ACTORS: usize = 16_384;
/// How often what was held back is told.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How likely it is that an address on a list means harm (see the page).
const CONFIDENCE: f32 = 0.5;

/// The detector.
#[derive(Debug)]
pub struct ListedSource {
    networks: Networks,
    clients: Recent<IpAddr, Client>,
    destinations: Recent<(Option<Arc<str>>, Arc<str>), Called>,
    next_sweep: Option<Timestamp>,
}

/// A client on a list.
#[derive(Debug)]
struct Client {
    occurrence: Occurrence,
    list: Arc<str>,
    requests: u64,
    answered: u64,
    /// The identity that was accepted from there.
    accepted: Option<Arc<str>>,
    severity: Severity,
}

/// A destination on a list that a program called.
#[derive(Debug)]
struct Called {
    occurrence: Occurrence,
    list: Arc<str>,
    program: String,
    connections: u64,
    severity: Severity,
}

impl ListedSource {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        Self {
            networks: config.networks.clone(),
            clients: Recent::new(MOST_ACTORS, DOC.quiet),
            destinations: Recent::new(MOST_ACTORS, DOC.quiet),
            next_sweep: None,
        }
    }

    /// The list that an address or its name is on, unless it is ours.
    fn list<'a>(&self, address: IpAddr, whereabouts: &'a Whereabouts) -> Option<&'a Arc<str>> {
        let list = whereabouts.listed.as_ref()?;
        let ours = whereabouts.kind == Some(NetworkKind::Internal) || self.networks.is_internal(address);
        (!ours && !address.is_loopback()).then_some(list)
    }

    fn transaction(&mut self, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let Some(client) = record.client.as_ref().filter(|_| record.role == HttpRole::Server) else {
            return;
        };
        let listed = client
            .whereabouts
            .as_deref()
            .and_then(|found| self.list(client.ip, found));
        let Some(list) = listed else {
            return;
        };
        let now = record.start + Duration::from_micros(record.duration_us);
        let known = self.client(now, client.ip, list);
        known.occurrence.add(now, DOC.quiet, true);
        known.requests += 1;
        let status = record.response.as_ref().map_or(0, |response| response.status);
        known.answered += u64::from((200..400).contains(&status));
        if Attempt::of(record) == Some(Attempt::Accepted) && status < 400 {
            let who = record.identity.first().map(|identity| &identity.id);
            known.accepted = known.accepted.take().or_else(|| who.cloned());
        }
        let severity = match (&known.accepted, known.answered) {
            (Some(_), _) => Severity::High,
            (None, 1..) => Severity::Medium,
            (None, 0) => Severity::Low,
        };
        let urgent = severity > known.severity;
        known.severity = severity;
        self.tell_client(now, client.ip, Some(Sample::Http(Arc::clone(record))), urgent, findings);
    }

    fn flow(&mut self, flow: &FlowObservation, findings: &mut Vec<Finding>) {
        let record = &flow.record;
        let Some((remote, found)) = record
            .tuple
            .map(|tuple| tuple.remote)
            .zip(record.remote_whereabouts.as_deref())
        else {
            return;
        };
        let address = remote.ip().to_canonical();
        let Some(list) = self.list(address, found) else {
            return;
        };
        let now = flow.time;
        let opens = record.event == FlowEvent::Open;
        match record.direction {
            // Requests are counted where they are read.
            Some(FlowDirection::Inbound) if opens => {
                let known = self.client(now, address, list);
                known.occurrence.add(now, DOC.quiet, true);
                self.tell_client(now, address, Some(Sample::Flow(Arc::clone(record))), false, findings);
            }
            Some(FlowDirection::Outbound) => {
                let name = record.remote_name.as_ref().map(|(name, _)| Arc::clone(name));
                let to = name.unwrap_or_else(|| address.to_string().into());
                let key = (executable(record.process.as_ref()), to);
                // A name may be known later than the address.
                if !opens && self.destinations.get(&key).is_some() {
                    return;
                }
                let failed = matches!(record.end_reason, Some(EndReason::Refused | EndReason::ConnectFailed));
                let severity = if failed { Severity::Medium } else { Severity::High };
                let program = program(record.process.as_ref());
                let make = || Called {
                    occurrence: Occurrence::new(now),
                    list: Arc::clone(list),
                    program,
                    connections: 0,
                    severity,
                };
                self.next_sweep.get_or_insert(now + SWEEP_EVERY);
                let known = self
                    .destinations
                    .see_or_make(now, &key, make, |known| known.connections);
                known.occurrence.add(now, DOC.quiet, true);
                known.connections += 1;
                let urgent = severity > known.severity;
                known.severity = known.severity.max(severity);
                self.tell_destination(now, &key, Some(Sample::Flow(Arc::clone(record))), urgent, findings);
            }
            Some(FlowDirection::Inbound | FlowDirection::Local) | None => {}
        }
    }

    fn client(&mut self, now: Timestamp, address: IpAddr, list: &Arc<str>) -> &mut Client {
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let make = || Client {
            occurrence: Occurrence::new(now),
            list: Arc::clone(list),
            requests: 0,
            answered: 0,
            accepted: None,
            severity: Severity::Low,
        };
        self.clients.see_or_make(now, &address, make, |known| known.requests)
    }

    fn tell_client(
        &mut self,
        now: Timestamp,
        address: IpAddr,
        sample: Option<Sample>,
        urgent: bool,
        findings: &mut Vec<Finding>,
    ) {
        let Some(known) = self.clients.see(now, &address) else {
            return;
        };
        let Some(count) = known.occurrence.tell(now, urgent) else {
            return;
        };
        let list = &known.list;
        let did = match (&known.accepted, known.requests) {
            (Some(who), _) => format!("was accepted as {who}"),
            (None, 0) => "connected".to_owned(),
            (None, requests) => format!("asked {requests} times, {} answered", known.answered),
        };
        findings.push(Finding {
            detector: &DOC,
            first_seen: known.occurrence.first,
            last_seen: known.occurrence.last,
            count,
            severity: known.severity,
            confidence: CONFIDENCE,
            title: format!("Client on a threat list: {address}"),
            summary: format!("{address}, which the list {list} has, {did}"),
            actor: Some(Actor {
                kind: ActorKind::Ip,
                id: address.to_string().into(),
            }),
            target: Target::default(),
            evidence: evidence(&address.to_string(), list, sample),
            coverage: None,
        });
    }

    fn tell_destination(
        &mut self,
        now: Timestamp,
        key: &(Option<Arc<str>>, Arc<str>),
        sample: Option<Sample>,
        urgent: bool,
        findings: &mut Vec<Finding>,
    ) {
        let Some(known) = self.destinations.see(now, key) else {
            return;
        };
        let Some(count) = known.occurrence.tell(now, urgent) else {
            return;
        };
        let (exe, to) = key;
        let (list, program) = (&known.list, &known.program);
        let outcome = if known.severity < Severity::High {
            "tried to call"
        } else {
            "called"
        };
        findings.push(Finding {
            detector: &DOC,
            first_seen: known.occurrence.first,
            last_seen: known.occurrence.last,
            count,
            severity: known.severity,
            confidence: CONFIDENCE,
            title: format!("{program} {outcome} a destination on a threat list: {to}"),
            summary: format!(
                "{program} {outcome} {to}, which the list {list} has, in {} connections",
                known.connections
            ),
            actor: exe.as_ref().map(|exe| Actor {
                kind: ActorKind::Process,
                id: Arc::clone(exe),
            }),
            target: Target {
                destination: Some(Arc::clone(to)),
                ..Target::default()
            },
            evidence: evidence(to, list, sample),
            coverage: None,
        });
    }

    fn tell_held_back(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let held = |occurrence: &Occurrence| occurrence.is_held_back(now, DOC.quiet);
        let clients = self.clients.iter().filter(|(_, known)| held(&known.occurrence));
        for address in clients.map(|(address, _)| *address).collect::<Vec<_>>() {
            self.tell_client(now, address, None, false, findings);
        }
        let called = self.destinations.iter().filter(|(_, known)| held(&known.occurrence));
        for key in called.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.tell_destination(now, &key, None, false, findings);
        }
    }
}

impl Detector for ListedSource {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) => {
                // The ordinary client is on no list.
                let place = record.client.as_ref().and_then(|client| client.whereabouts.as_ref());
                if place.is_some_and(|place| place.listed.is_some()) {
                    self.transaction(record, findings);
                }
            }
            Observation::Flow(flow) => {
                let place = flow.record.remote_whereabouts.as_ref();
                if place.is_some_and(|place| place.listed.is_some()) {
                    self.flow(flow, findings);
                }
            }
            Observation::Announced(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
        self.clients.expire(now);
        self.destinations.expire(now);
        let is_empty = self.clients.is_empty() && self.destinations.is_empty();
        self.next_sweep = (!is_empty).then(|| now + SWEEP_EVERY);
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("listed_clients_evicted", self.clients.evicted()),
            ("listed_destinations_evicted", self.destinations.evicted()),
        ]
    }
}

fn evidence(what: &str, list: &str, sample: Option<Sample>) -> Evidence {
    Evidence {
        observed: Quantity::Text(format!("{what} is on {list}")),
        expected: Quantity::Text("an address and a name that no threat list has".to_owned()),
        threshold: Quantity::Text("one entry of a threat list".to_owned()),
        unit: None,
        window_s: 0,
        method: "looked up in the threat lists of the configuration",
        would_not_alert: format!("An address that {list} does not have, one of our own networks, or an allow rule."),
        samples: sample.into_iter().collect(),
    }
}

fn executable(process: Option<&ProcessRef>) -> Option<Arc<str>> {
    let program = process?.program.as_ref()?;
    (!program.exe.is_empty()).then(|| program.exe.as_str().into())
}

fn program(process: Option<&ProcessRef>) -> String {
    let program = process.and_then(|process| process.program.as_ref());
    program.map_or_else(|| "A program".to_owned(), |program| program.name.clone())
}
