//! `request_forgery`: this host calls where a request told it to.

mod doc;
mod place;
mod settings;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::place::{Call, Kind};
use self::tell::{Forged, Key, finding};
use super::{Detector, DetectorDoc};
use crate::baseline::beginning::Beginning;
use crate::baseline::distinct::Distinct;
use crate::baseline::occurrence::{Case, Occurrences};
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::networks::Settings as Networks;
use crate::finding::Finding;
use crate::observation::{FlowObservation, Observation};
use crate::protocol::taps::{Host, Link, Where};
use crate::record::{FlowEvent, HttpRecord, HttpRole};
use crate::time::Timestamp;

/// Flows and requests that are remembered to be matched.
const MOST_RECENT: usize = 512;
/// How long a flow is remembered: as long as most servers let a request take.
const FLOW_KEPT: Duration = Duration::from_mins(1);
/// How long after a request what it named may be called: a queue's delay.
const AFTER: Duration = Duration::from_secs(30);
/// How long a call outside is held, to see who else names that place.
const HOLD: Duration = Duration::from_mins(1);
/// Places that this host calls on its own, endpoints and places named, that are remembered.
const MOST_KNOWN: usize = 8_192;
/// A place not called for this long is forgotten.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);
/// Sources that name one place within this time ...
const NAMED_WITHIN: Duration = Duration::from_hours(1);
/// ... and make it a partner.
const PARTNER: u64 = 3;
/// Sources with places of their own that make an endpoint one that fetches.
const FETCHER: u64 = 5;
/// Findings at a time.
const MOST_CASES: usize = 4_096;
/// How often what is over is swept out.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The detector.
#[derive(Debug)]
pub struct RequestForgery {
    networks: Networks,
    beginning: Beginning,
    calls: VecDeque<Call>,
    requests: VecDeque<Arc<HttpRecord>>,
    /// Places that were called without being named.
    known: Recent<Arc<str>, ()>,
    /// Programs that ask for metadata on their own.
    asks_metadata: Recent<Arc<str>, ()>,
    /// Who names a place.
    named: Recent<Host, Distinct<8>>,
    /// Who has places outside fetched by an endpoint.
    fetchers: Recent<Arc<str>, Distinct<16>>,
    held: VecDeque<(Timestamp, Match)>,
    /// Metadata asked for during a request; one a program at most.
    unnamed: VecDeque<(Timestamp, Call)>,
    cases: Occurrences<Key, Forged>,
    next_sweep: Option<Timestamp>,
    crowded_out: u64,
}

/// A call that a request named.
#[derive(Clone, Debug)]
struct Match {
    request: Arc<HttpRecord>,
    call: Call,
    link: Link,
    confidence: f32,
}

impl RequestForgery {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        Self {
            networks: config.networks.clone(),
            beginning: Beginning::new(config),
            calls: VecDeque::new(),
            requests: VecDeque::new(),
            known: Recent::new(MOST_KNOWN, KNOWN_FOR),
            asks_metadata: Recent::new(MOST_KNOWN, KNOWN_FOR),
            named: Recent::new(MOST_KNOWN, NAMED_WITHIN),
            fetchers: Recent::new(MOST_KNOWN, KNOWN_FOR),
            held: VecDeque::new(),
            unnamed: VecDeque::new(),
            cases: Occurrences::new(MOST_CASES, DOC.quiet),
            next_sweep: None,
            crowded_out: 0,
        }
    }

    /// A request that names places.
    fn request(&mut self, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let Some(address) = record.client.as_ref().map(|client| client.ip) else {
            return;
        };
        let now = record.end();
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let source = Source::from(address);
        for link in &record.links {
            let sources = self
                .named
                .see_or_make(now, &link.host, Distinct::default, Distinct::count);
            sources.see(now, NAMED_WITHIN, &source);
        }
        let matches: Vec<Match> = self.calls.iter_mut().filter_map(|call| meet(record, call)).collect();
        for found in matches {
            self.matched(now, found, findings);
        }
        // Pages are named by many: they leave room for what names places on purpose.
        let is_page = record.links.iter().all(|link| link.named == Where::Referer);
        if is_page && self.requests.len() >= MOST_RECENT / 2 {
            self.crowded_out += 1;
            return;
        }
        if self.requests.len() >= MOST_RECENT {
            self.requests.pop_front();
            self.crowded_out += 1;
        }
        self.requests.push_back(Arc::clone(record));
    }

    fn flow(&mut self, flow: &FlowObservation, findings: &mut Vec<Finding>) {
        let id = flow.record.flow;
        if flow.record.event != FlowEvent::Open {
            // Its name may have come with its first words.
            let name = flow.record.remote_name.as_ref().map(|(name, _)| name);
            let of_it = |call: &&mut Call| call.flow.record.flow == id && call.name.is_none();
            if let Some(name) = name
                && let Some(call) = self.calls.iter_mut().find(of_it)
            {
                call.name = Some(Arc::clone(name));
                let mut call = call.clone();
                if !call.matched {
                    self.seek(flow.time, &mut call, findings);
                    if let Some(kept) = self.calls.iter_mut().find(|kept| kept.flow.record.flow == id) {
                        kept.matched = call.matched;
                    }
                }
            }
            return;
        }
        let Some(mut call) = Call::of(flow, &self.networks) else {
            return;
        };
        self.next_sweep.get_or_insert(flow.time + SWEEP_EVERY);
        self.seek(flow.time, &mut call, findings);
        if call.kind == Kind::Metadata && !call.matched {
            self.metadata(flow.time, &call);
        }
        if self.calls.len() >= MOST_RECENT {
            self.forget_call();
            self.crowded_out += 1;
        }
        self.calls.push_back(call);
    }

    /// Looks for the request that named a call.
    fn seek(&mut self, now: Timestamp, call: &mut Call, findings: &mut Vec<Finding>) {
        let found = self.requests.iter().rev().find_map(|request| meet(request, call));
        if let Some(found) = found {
            self.matched(now, found, findings);
        }
    }

    /// A call was named by a request.
    fn matched(&mut self, now: Timestamp, found: Match, findings: &mut Vec<Finding>) {
        let call = &found.call;
        match call.kind {
            Kind::Metadata => self.tell(now, &found, findings),
            Kind::Internal if self.known.get(&call.key()).is_none() => self.tell(now, &found, findings),
            Kind::Outside if self.known.get(&call.key()).is_none() => {
                if let (Some(endpoint), Some(client)) = (endpoint(&found.request), &found.request.client) {
                    let sources = self
                        .fetchers
                        .see_or_make(now, endpoint, Distinct::default, Distinct::count);
                    sources.see(now, KNOWN_FOR, &Source::from(client.ip));
                }
                if self.held.len() >= MOST_RECENT {
                    self.crowded_out += 1;
                } else {
                    self.held.push_back((now + HOLD, found));
                }
            }
            Kind::Internal | Kind::Outside => {}
        }
    }

    /// Metadata that no request is known to have named, while one was served: it may tell so when it is over.
    fn metadata(&mut self, now: Timestamp, call: &Call) {
        let Some(exe) = call.exe() else { return };
        let is_habit = self.asks_metadata.see(now, &exe).is_some();
        self.asks_metadata.see_or_make(now, &exe, || (), |()| 1);
        if call.flow.record.parent.is_some() && !is_habit {
            self.unnamed.push_back((now + HOLD, call.clone()));
        }
    }

    /// Tells those whose time is over by `now`, all if there is no `now`.
    fn tell_unnamed(&mut self, now: Option<Timestamp>, findings: &mut Vec<Finding>) {
        while let Some((due, _)) = self.unnamed.front()
            && now.is_none_or(|now| *due <= now)
            && let Some((due, call)) = self.unnamed.pop_front()
        {
            let id = call.flow.record.flow;
            let named = self
                .calls
                .iter()
                .any(|other| other.flow.record.flow == id && other.matched);
            if let (Some(exe), Some(parent), false) = (call.exe(), &call.flow.record.parent, named) {
                let key = Key::Unnamed(exe);
                let confidence = parent.confidence * 0.5;
                let at = now.unwrap_or(due);
                let case = self.cases.add(at, &key, || Forged::unnamed(&call, confidence));
                case.what.add_call(&call);
                findings.push(finding(&key, case, &self.beginning));
            }
        }
    }

    fn tell(&mut self, now: Timestamp, found: &Match, findings: &mut Vec<Finding>) {
        let Some(address) = found.request.client.as_ref().map(|client| client.ip) else {
            return;
        };
        let key = Key::Named(address.into(), endpoint(&found.request).cloned(), found.call.kind);
        let case = self.cases.add(now, &key, || Forged::named(found, address));
        case.what.add(found, address);
        if case.count == 1 && found.call.kind != Kind::Outside {
            findings.push(finding(&key, case, &self.beginning));
        }
    }

    /// Tells calls outside whose time is over by `now`, all if there is no `now`, unless they are ordinary by then.
    fn tell_held(&mut self, now: Option<Timestamp>, findings: &mut Vec<Finding>) {
        while let Some((due, _)) = self.held.front()
            && now.is_none_or(|now| *due <= now)
            && let Some((due, found)) = self.held.pop_front()
        {
            let named = self.named.get(&found.link.host).map_or(0, Distinct::count);
            let fetched = endpoint(&found.request).and_then(|endpoint| self.fetchers.get(endpoint));
            let is_known = self.known.get(&found.call.key()).is_some();
            if named < PARTNER && fetched.map_or(0, Distinct::count) < FETCHER && !is_known {
                self.tell(now.unwrap_or(due), &found, findings);
            }
        }
    }

    /// A flow leaves memory: what no request named this host calls on its own.
    fn forget_call(&mut self) {
        if let Some(call) = self.calls.pop_front().filter(|call| !call.matched) {
            self.known.see_or_make(call.began, &call.key(), || (), |()| 1);
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        while self.calls.front().is_some_and(|call| call.flow.time + FLOW_KEPT < now) {
            self.forget_call();
        }
        while self
            .requests
            .front()
            .is_some_and(|request| request.end() + AFTER <= now)
        {
            self.requests.pop_front();
        }
        self.known.expire(now);
        self.asks_metadata.expire(now);
        self.named.expire(now);
        self.fetchers.expire(now);
        self.next_sweep = Some(now + SWEEP_EVERY);
    }

    fn tell_waiting(&mut self, now: Option<Timestamp>, findings: &mut Vec<Finding>) {
        let beginning = &self.beginning;
        let mut tell = |key: &Key, case: &mut Case<Forged>| findings.push(finding(key, case, beginning));
        match now {
            Some(now) => self.cases.expire(now, tell),
            None => self.cases.tell_all(&mut tell),
        }
    }
}

/// Whether a request named where a call goes, at the right time; the call is marked then.
fn meet(request: &Arc<HttpRecord>, call: &mut Call) -> Option<Match> {
    let link = request
        .links
        .iter()
        .find(|link| call.is_to(link) && may_be_told(link, call))?;
    if call.began < request.start || request.end() + AFTER < call.began {
        return None;
    }
    let by_place = match link.named {
        Where::Target => 0.8,
        Where::Header | Where::Body => 0.75,
        Where::Referer => 0.6,
    };
    let confidence = match &call.flow.record.parent {
        Some(parent) if (parent.flow, parent.turn) == (request.flow, request.turn) => 0.95,
        // That thread served one request alone, and another one.
        Some(parent) if parent.in_flight <= 1 && call.began <= request.end() => return None,
        Some(_) => 0.7,
        None => by_place,
    };
    // A visitor comes from the page of a service that is called anyway: such a call teaches that it is.
    call.matched |= link.named != Where::Referer || call.kind != Kind::Outside;
    Some(Match {
        request: Arc::clone(request),
        call: call.clone(),
        link: link.clone(),
        confidence,
    })
}

/// Pages inside are where people come from whose host asks there, too: of those an address alone is odd.
fn may_be_told(link: &Link, call: &Call) -> bool {
    link.named != Where::Referer || call.kind != Kind::Internal || matches!(link.host, Host::Address(_))
}

fn endpoint(record: &HttpRecord) -> Option<&Arc<str>> {
    record.request.as_ref()?.endpoint.as_ref()
}

impl Detector for RequestForgery {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    /// The kernel names the request that the connecting program read: behind a proxy, the relayed one.
    fn sees_relayed(&self) -> bool {
        true
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) => {
                self.beginning.see(record.start);
                if !record.links.is_empty() && record.role == HttpRole::Server {
                    self.request(record, findings);
                }
            }
            Observation::Flow(flow) => self.flow(flow, findings),
            Observation::Lookup(_) | Observation::Announced(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held(Some(now), findings);
        self.tell_unnamed(Some(now), findings);
        self.tell_waiting(Some(now), findings);
        if self.next_sweep.is_some_and(|due| due <= now) {
            self.sweep(now);
        }
    }

    fn finish(&mut self, _: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held(None, findings);
        self.tell_unnamed(None, findings);
        self.tell_waiting(None, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        let held = self.held.front().map(|(due, _)| *due);
        let unnamed = self.unnamed.front().map(|(due, _)| *due);
        [held, unnamed, self.cases.next_timeout(), self.next_sweep]
            .into_iter()
            .flatten()
            .min()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        let evicted =
            self.known.evicted() + self.named.evicted() + self.fetchers.evicted() + self.asks_metadata.evicted();
        vec![
            ("forgery_unmatched", self.crowded_out),
            ("forgery_places_evicted", evicted),
            ("forgery_cases_evicted", self.cases.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.beginning.export_dirty()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.beginning.import(&rows, now);
    }
}
