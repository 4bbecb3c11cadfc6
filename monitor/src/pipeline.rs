//! The engine: events in, records out. The one place that wires the stages; read it to see the way of the data.
//!
//! ```text
//! Event -> flow table -> conversations -> messages -> enrichment -> observations -> detectors -> desk -> Record
//!            (flows.rs)     (messages.rs)              (telling.rs)
//! ```
//!
//! Records that were told before come in at the observations (`retelling.rs`).
//!
//! Synchronous and deterministic: the same events at the same times give the same records. The daemon, replay, the
//! tests and the fuzz targets differ only in who calls [`Pipeline::handle`].

mod flows;
mod holdings;
mod messages;
mod orphans;
mod retelling;
mod stats;
mod telling;
#[cfg(test)]
mod tests;
mod unmet;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::alert::Alert;
use crate::alerts::Desk;
use crate::allow::{AllowRule, Origin, RuleError, Rules};
use crate::baseline::budget::Allotment;
use crate::baseline::knowledge::{Knowledge, Sought};
use crate::baseline::{Change, Row};
use crate::config::{Changes, Config};
use crate::detectors::Registry;
use crate::enrich::agents::Agents;
use crate::enrich::clients::Clients;
use crate::enrich::endpoints::Endpoints;
use crate::enrich::fronts::Fronts;
use crate::enrich::identity::Identities;
use crate::enrich::lookups::Lookups;
use crate::enrich::names::Names;
use crate::enrich::networks::Networks;
use crate::enrich::privacy::Privacy;
use crate::enrich::programs::Programs;
use crate::enrich::reference::Reference;
use crate::event::{CaptureCounts, Command, Event, FlowId};
use crate::expected::{EventError, ExpectedEvent};
use crate::finding::Finding;
use crate::flow::FlowTable;
use crate::incident::Incident;
use crate::observation::Observation;
use crate::packet::PacketCounts;
use crate::protocol::conversation::Message;
use crate::protocol::reading::Reading;
use crate::protocol::taps::{PLACES, Taps};
use crate::record::{Body, DnsRecord, FlowEvent, FlowRecord, Record, StatsRecord};
use crate::time::Timestamp;
use crate::views::coverage::{Service, Services, Which};
use crate::views::{Rows, View, Views};

use holdings::Holdings;
use orphans::Orphans;
use stats::Counts;
use unmet::Unmet;

/// Flows that live at a time: 100,000 and some, within 100 MB.
const MAX_FLOWS: usize = 131_072;
/// How long the story of a flow waits for its owner or its other end.
const HOLD: Duration = Duration::from_millis(100);
/// How long the story of a connection made here waits for its handshake: two lost SYNs and their answers (RFC 6298
/// section 2: 1 s, doubled each time).
const HANDSHAKE: Duration = Duration::from_secs(8);
/// How often `stats` is told.
const STATS_EVERY: Duration = Duration::from_secs(10);
/// How old the figures of services may be that an alert is told with: all living flows are gone through for them.
const SERVICES_EVERY: Duration = Duration::from_mins(1);
/// Of a longer gap in time (in a file, or a clock was set forward) only the beginning is gone through step by step; what
/// would fall due later happens at its end: nobody wants the stats of every ten seconds of a year in which nothing came.
const CATCH_UP: Duration = Duration::from_mins(1);

/// What enrichment asks for of requests.
fn taps(config: &Config) -> Taps {
    let fields = config
        .clients
        .taps()
        .into_iter()
        .chain(config.identity.taps())
        .chain(PLACES);
    let cookies = config.identity.session_cookies.iter().map(String::as_str);
    Taps::new(fields, cookies, config.identity.logins(&config.login))
}

/// What a step gave.
#[derive(Debug, Default)]
pub struct Output {
    /// Records for the sinks, in order of time.
    pub records: Vec<Record>,
    /// Wishes to the capture.
    pub commands: Vec<Command>,
}

/// The engine.
#[derive(Debug)]
pub struct Pipeline {
    now: Timestamp,
    flows: FlowTable,
    orphans: Orphans,
    /// When a flow is told, whether its owner is known or not; in order of time, since the hold is the same for all.
    held: VecDeque<(Timestamp, FlowId)>,
    /// Connections made here that are held longer, for a handshake that takes long.
    handshakes: BTreeSet<(Timestamp, FlowId)>,
    /// Ends whose other end may still show.
    unmet: Unmet,
    /// What conversations hold.
    holdings: Holdings,
    /// Conversations that wait for lost bytes.
    reordering: BTreeSet<(Timestamp, FlowId)>,
    programs: Programs,
    names: Names,
    lookups: Lookups,
    /// What conversations share.
    reading: Arc<Reading>,
    clients: Clients,
    fronts: Fronts,
    identities: Identities,
    endpoints: Endpoints,
    networks: Networks,
    agents: Agents,
    privacy: Privacy,
    /// Bytes copied of each request, by port, where that was raised, and when.
    snaps: FxHashMap<u16, (u32, Timestamp)>,
    request_snap: u32,
    registry: Registry,
    desk: Desk,
    rules: Rules,
    /// Where queries come, and nowhere else.
    views: Option<Box<Views>>,
    services: Services,
    /// As they were when a finding last asked, for those that come within the minute.
    services_then: Option<(Timestamp, Vec<Service>)>,
    capture: CaptureCounts,
    packets: PacketCounts,
    counts: Counts,
    /// The epoch until the first step says what time it is; none after the end.
    next_stats: Option<Timestamp>,
    // Buffers, empty between steps.
    messages: Vec<Message>,
    lookups_done: Vec<DnsRecord>,
    findings: Vec<Finding>,
}

impl Pipeline {
    /// An engine that has seen nothing. `key` is the installation's, for fingerprints.
    pub fn new(config: &Config, key: [u8; 32]) -> Self {
        Self {
            now: Timestamp::ZERO,
            flows: FlowTable::new(MAX_FLOWS),
            orphans: Orphans::default(),
            held: VecDeque::new(),
            handshakes: BTreeSet::new(),
            unmet: Unmet::default(),
            holdings: Holdings::default(),
            reordering: BTreeSet::new(),
            programs: Programs::default(),
            names: Names::default(),
            lookups: Lookups::default(),
            reading: Arc::new(Reading::new(taps(config))),
            clients: Clients::new(&config.clients),
            fronts: Fronts::default(),
            identities: Identities::new(config),
            endpoints: Endpoints::default(),
            networks: Networks::new(&config.networks),
            agents: Agents::default(),
            privacy: Privacy::new(key, &config.privacy, &config.identity),
            snaps: FxHashMap::default(),
            request_snap: config.capture.request_snap,
            registry: Registry::new(config),
            desk: Desk::new(&config.bounds),
            rules: Rules::new(config),
            views: None,
            services: Services::default(),
            services_then: None,
            capture: CaptureCounts::default(),
            packets: PacketCounts::default(),
            counts: Counts::default(),
            next_stats: Some(Timestamp::ZERO),
            messages: Vec::new(),
            lookups_done: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// No `stats` but that of [`Self::finish`]: in a file nobody waits for the others.
    pub fn tell_stats_at_the_end_only(&mut self) {
        self.next_stats = None;
    }

    /// From now on, sums by subject are kept for [`Self::view`].
    pub fn keep_views(&mut self) {
        self.views.get_or_insert_default();
    }

    /// The rows of a view; none where no sums are kept.
    pub fn view(&self, now: Timestamp, view: View) -> Option<Rows> {
        let live = match view {
            View::Destinations | View::Coverage => self.flow_observations(now.max(self.now)),
            View::Endpoints | View::Identities | View::Compare(_) => Vec::new(),
        };
        let views = self.views.as_ref()?;
        Some(views.rows(now.max(self.now), view, &live, &self.services))
    }

    /// From now on, what files say is this.
    pub fn refer(&mut self, reference: Reference) {
        self.endpoints.replace(reference.documented, reference.has_documents);
        self.networks.replace(reference.networks);
    }

    /// Takes an event in, after what was due before it: so the records depend on the events alone, not on who asks when.
    /// Events come in order of time; one that does not counts as happening now.
    pub fn handle(&mut self, now: Timestamp, event: Event, out: &mut Output) {
        self.handle_timeout(now, out);
        self.counts.events += 1;
        match event {
            Event::Flow(snapshot) => self.flow(&snapshot, out),
            Event::Process(program) => self.programs.learn(program),
            Event::Chunk(chunk) => {
                self.counts.bytes_copied += chunk.data.len() as u64;
                if chunk.flags.datagram {
                    self.datagram(&chunk, out);
                } else {
                    self.chunk(chunk, out);
                }
            }
            Event::Orphan(orphan) => {
                self.counts.bytes_copied += orphan.chunk.data.len() as u64;
                self.orphan(*orphan);
            }
            Event::Tail(tail) => self.tail(tail, out),
            Event::Losses(counts) => self.capture = *counts,
            Event::Living(living) => self.reconcile(&living, out),
            Event::Packets(counts) => self.packets = counts,
        }
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        // Asked for with every event: a chain that the compiler sees through, and no array.
        let mut due = self.next_stats;
        let mut sooner = |other: Option<Timestamp>| {
            due = match (due, other) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        };
        sooner(self.held.front().map(|(due, _)| *due));
        sooner(self.handshakes.first().map(|(due, _)| *due));
        sooner(self.reordering.first().map(|(due, _)| *due));
        sooner(self.unmet.poll_timeout());
        sooner(self.orphans.poll_timeout());
        sooner(self.lookups.poll_timeout());
        sooner(self.registry.next_timeout());
        sooner(self.desk.poll_timeout());
        due
    }

    /// Time has come to `now`: does what is due, each thing at its own time.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Output) {
        if self.next_stats == Some(Timestamp::ZERO) {
            self.next_stats = Some(now + STATS_EVERY);
        }
        let now = now.max(self.now);
        let until = self.now + CATCH_UP;
        while let Some(due) = self.poll_timeout()
            && due <= now
        {
            let at = if due <= until { due } else { now };
            self.now = self.now.max(at);
            self.fire(out);
            if at == now {
                break;
            }
        }
        self.now = self.now.max(now);
    }

    /// Does what is due now.
    fn fire(&mut self, out: &mut Output) {
        while let Some((due, id)) = self.held.front().copied()
            && due <= self.now
        {
            self.held.pop_front();
            self.release(id, out);
        }
        while let Some((due, id)) = self.handshakes.first().copied()
            && due <= self.now
        {
            self.handshakes.pop_first();
            self.release(id, out);
        }
        while let Some((due, id)) = self.reordering.first().copied()
            && due <= self.now
        {
            self.reordering.pop_first();
            self.converse(id, out, |conversation, messages| {
                conversation.handle_timeout(due, messages);
            });
        }
        self.give_up_unmet(Some(self.now), out);
        self.counts.orphans_dropped += self.orphans.handle_timeout(self.now);
        let mut done = std::mem::take(&mut self.lookups_done);
        self.lookups.handle_timeout(self.now, &mut done);
        self.tell_lookups(done, out);
        let mut findings = std::mem::take(&mut self.findings);
        self.registry.expire(self.now, &mut findings);
        self.file(findings, out);
        self.desk.handle_timeout(self.now, &mut out.records);
        if let Some(due) = self.next_stats
            && due <= self.now
        {
            self.next_stats = Some(self.now + STATS_EVERY);
            self.tell_stats(out);
        }
    }

    /// The input is over, or the daemon stops: tells what is open, as open.
    pub fn finish(&mut self, now: Timestamp, out: &mut Output) {
        self.handle_timeout(now, out);
        for id in self.flows.ids() {
            self.finish_flow(id, out);
        }
        self.give_up_unmet(None, out);
        self.held.clear();
        self.handshakes.clear();
        self.reordering.clear();
        let mut done = std::mem::take(&mut self.lookups_done);
        self.lookups.finish(&mut done);
        self.tell_lookups(done, out);
        let mut findings = std::mem::take(&mut self.findings);
        self.registry.finish(self.now, &mut findings);
        self.file(findings, out);
        self.desk.finish(self.now, &mut out.records);
        self.tell_stats(out);
        self.next_stats = None;
    }

    /// What a `stats` record says now.
    pub fn stats(&self, now: Timestamp) -> StatsRecord {
        self.stats_record(now.max(self.now))
    }

    /// The flows that live, as an update would tell them.
    pub fn flows(&self, now: Timestamp) -> Vec<Arc<FlowRecord>> {
        let now = now.max(self.now);
        let told = self.flows.iter().filter(|flow| !flow.is_shadow);
        told.map(|flow| Arc::new(self.flow_record(flow, FlowEvent::Update, None, now)))
            .collect()
    }

    /// The alerts that are open.
    pub fn open_alerts(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.desk.open()
    }

    /// The incidents that go on.
    pub fn incidents(&self) -> impl Iterator<Item = Arc<Incident>> {
        self.desk.incidents()
    }

    /// The allow rules in force, with their ids and origins.
    pub fn allow_list(&self) -> impl Iterator<Item = (&str, Origin, &AllowRule)> {
        self.rules.list()
    }

    /// Adds an allow rule and ends the open alerts that it covers. Gives its id and their number.
    pub fn allow_add(
        &mut self,
        now: Timestamp,
        rule: AllowRule,
        out: &mut Output,
    ) -> Result<(String, usize), RuleError> {
        self.handle_timeout(now, out);
        let covers = rule.clone();
        let id = self.rules.add(rule)?;
        let ended = self.desk.apply_rule(self.now, &covers, &mut out.records);
        Ok((id, ended))
    }

    /// Removes an allow rule that was added at run time.
    pub fn allow_remove(&mut self, id: &str) -> Result<AllowRule, RuleError> {
        self.rules.remove(id)
    }

    /// The events that are expected, with their ids, origins, and the findings that each covered.
    pub fn expected_list(&self) -> impl Iterator<Item = (&str, Origin, &ExpectedEvent, u64)> {
        let of = |id: &str| self.desk.expected(id);
        self.rules
            .expected
            .list()
            .map(move |(id, origin, event)| (id, origin, event, of(id)))
    }

    /// Adds an expected event and ends the open alerts that it covers. Gives its id and their number.
    pub fn expect_add(
        &mut self,
        now: Timestamp,
        event: ExpectedEvent,
        out: &mut Output,
    ) -> Result<(String, usize), EventError> {
        self.handle_timeout(now, out);
        let covers = event.clone();
        let id = self.rules.expected.add(event)?;
        let ended = self.desk.apply_event(self.now, &covers, &mut out.records);
        Ok((id, ended))
    }

    /// Removes an expected event that was added at run time.
    pub fn expect_remove(&mut self, id: &str) -> Result<ExpectedEvent, EventError> {
        self.rules.expected.remove(id)
    }

    /// How the false-alarm budget is divided.
    pub fn allotments(&self) -> &[Allotment] {
        self.registry.allotments()
    }

    /// What the detectors have learned since the last call, for the store.
    pub fn export_baseline(&mut self) -> Vec<(&'static str, Vec<Change>)> {
        self.registry.export_dirty()
    }

    /// What the detectors know of `subject`.
    pub fn known(&self, now: Timestamp, subject: &Sought) -> Vec<(&'static str, Knowledge)> {
        self.registry.known(now.max(self.now), subject)
    }

    /// Gives a detector back what it had learned.
    pub fn import_baseline(&mut self, detector: &str, rows: Vec<Row>, now: Timestamp) {
        self.registry.import(detector, rows, now);
    }

    /// All was well from `from` until before `until`: detectors learn what they told of then, and alerts that began then end.
    /// Gives the number of such things by detector, and of alerts.
    pub fn adopt(
        &mut self,
        now: Timestamp,
        from: Timestamp,
        until: Timestamp,
        out: &mut Output,
    ) -> (Vec<(&'static str, u64)>, usize) {
        self.handle_timeout(now, out);
        let adopted = self.registry.adopt(from, until);
        (
            adopted,
            self.desk.apply_good_time(self.now, from, until, &mut out.records),
        )
    }

    /// Takes over what another configuration says, as far as [`Config::changes`] says that it can: `config` is what holds
    /// from now on. The detectors that it names are without what they have learned until that is given back.
    pub fn reconfigure(&mut self, now: Timestamp, config: &Config, changes: &Changes, out: &mut Output) {
        self.handle_timeout(now, out);
        self.rules.set_config(config);
        for rule in &config.allow {
            self.desk.apply_rule(self.now, rule, &mut out.records);
        }
        for event in &config.expected {
            self.desk.apply_event(self.now, event, &mut out.records);
        }
        self.desk.bound(&config.bounds);
        if changes.at_once.contains(&"networks") {
            self.networks = Networks::new(&config.networks);
        }
        self.registry.rebuild(config, &changes.detectors);
    }

    /// Makes the detectors in `names` anew, without what they have learned until that is given back.
    pub fn begin_anew(&mut self, config: &Config, names: &[&str]) {
        self.registry.rebuild(config, names);
    }

    /// Shows an observation to the detectors.
    fn observe(&mut self, observation: &Observation, out: &mut Output) {
        if let Observation::Transaction(record) = observation
            && (record.login.is_some() || self.desk.awaits_session())
        {
            self.desk.notice(self.now, record);
        }
        let relayed = match observation {
            Observation::Transaction(record) | Observation::Announced(record) => record.relayed,
            Observation::Flow(_) | Observation::Lookup(_) => false,
        };
        if let Observation::Flow(flow) = observation {
            self.services.see(flow.time, &flow.record);
        }
        if let Some(views) = self.views.as_mut().filter(|_| !relayed) {
            views.observe(observation);
        }
        let mut findings = std::mem::take(&mut self.findings);
        if relayed {
            self.registry.observe_relayed(self.now, observation, &mut findings);
        } else {
            self.registry.observe(self.now, observation, &mut findings);
        }
        self.file(findings, out);
    }

    /// Brings findings to the desk; the empty buffer goes back.
    fn file(&mut self, mut findings: Vec<Finding>, out: &mut Output) {
        for finding in findings.drain(..) {
            let before = out.records.len();
            let service = self.service_of(&finding);
            self.desk
                .file(self.now, finding, service, &self.rules, &mut out.records);
            if let Some(views) = &mut self.views {
                for record in &out.records[before..] {
                    if let Body::Alert(alert) = &record.body {
                        views.flag(alert);
                    }
                }
            }
        }
        self.findings = findings;
    }

    /// How much was understood of the service that a finding is about, by its first record.
    fn service_of(&mut self, finding: &Finding) -> Option<Arc<Service>> {
        let which = finding.evidence.samples.iter().find_map(Which::of)?;
        let is_old = |then: &Timestamp| self.now.since(*then) >= SERVICES_EVERY;
        if self.services_then.as_ref().is_none_or(|(then, _)| is_old(then)) {
            let live = self.flow_observations(self.now);
            let rows = self.services.rows(live.iter().map(|flow| &*flow.record));
            self.services_then = Some((self.now, rows));
        }
        let (_, all) = self.services_then.as_ref()?;
        which.find(all).map(Arc::new)
    }

    fn write(&self, body: Body, out: &mut Output) {
        out.records.push(Record { time: self.now, body });
    }
}
