//! `response_volume`: a response far larger than its endpoint gives, or one identity that is sent far more than it takes.

mod doc;
mod given;
mod settings;
mod sizes;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::doc::{MOST_ENDPOINTS, MOST_RECIPIENTS, TESTS};
use self::given::{Given, OTHERS, Recipient, Sent};
use self::sizes::Sizes;
use super::{Detector, DetectorDoc, budget};
use crate::baseline::amounts::{Norm, Span};
use crate::baseline::beginning::Beginning;
use crate::baseline::knowledge::{Knowledge, MOST_TOLD, Sought};
use crate::baseline::ledger::{Ledger, Passed};
use crate::baseline::recent::Recent;
use crate::baseline::sketch::Sketch;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole};
use crate::time::Timestamp;

/// How long endpoints and recipients are remembered.
const KEEP: Duration = Duration::from_hours(60 * 24);
/// Recipients with a history of their own: 11 KB each at most.
const MOST_KNOWN: usize = 512;
/// An hour with so much is worth a history.
const WORTH: u64 = 1 << 20;
/// Smaller bodies are not summed: a gigabyte of them is 130,000 responses, which are told by their number.
const SMALL: u64 = 8 * 1024;
/// A response that is over is told after this, if nobody else was given as much meanwhile: a release was.
const HOLD: Duration = Duration::from_mins(5);
/// Responses that wait so.
const MOST_HELD: usize = 256;
/// An endpoint that is hardly known may give so many times what any may.
const HARDLY_KNOWN: u64 = 20;
/// Where few recipients are known, so many times the least is the line of a new one.
const FEW: u64 = 10;
/// How often what waits is told.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How often all recipients are gone through.
const HOUR: Duration = Duration::from_hours(1);
/// Subjects of rows.
const ENDPOINT: &str = "endpoint";
const SIZES: &str = "sizes";

/// The detector.
#[derive(Debug)]
pub struct ResponseVolume {
    settings: Settings,
    period: Duration,
    alphas: [f64; 4],
    beginning: Beginning,
    endpoints: Recent<Arc<str>, Given>,
    recipients: Recent<Recipient, Sent>,
    all: All,
    /// Responses that are over, and when they are told.
    held: VecDeque<(Timestamp, Held)>,
    common: u64,
    not_held: u64,
    next_sweep: Option<Timestamp>,
    next_round: Timestamp,
}

/// What all of them take and give together.
#[derive(Debug)]
struct All {
    /// Sizes of responses.
    sizes: Sizes,
    /// What a recipient without a history is sent in an hour, and in a day, if anything.
    hours: Sizes,
    days: Sizes,
    /// Recipients that have a history.
    known: usize,
    dirty: bool,
}

#[derive(Debug)]
struct Held {
    who: Recipient,
    endpoint: Arc<str>,
    size: u64,
    line: u64,
    record: Arc<HttpRecord>,
}

impl ResponseVolume {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = budget(config);
        let alpha = |test| budget.alpha(test, &TESTS);
        Self {
            settings: config.detectors.response_volume.clone(),
            period: *config.learning.period,
            alphas: TESTS.each_ref().map(alpha),
            beginning: Beginning::new(config),
            endpoints: Recent::new(MOST_ENDPOINTS, KEEP),
            recipients: Recent::new(MOST_RECIPIENTS, KEEP),
            all: All::default(),
            held: VecDeque::new(),
            common: 0,
            not_held: 0,
            next_sweep: None,
            next_round: Timestamp::ZERO,
        }
    }

    fn transaction(&mut self, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let (Some(response), Some(endpoint)) = (&record.response, endpoint(record)) else {
            return;
        };
        let size = response.body_bytes;
        if size == 0 || record.role != HttpRole::Server {
            return;
        }
        let now = record.end();
        self.beginning.see(now);
        let given = self
            .endpoints
            .see_or_make(now, endpoint, || Given::new(now), Given::weight);
        let least = self.settings.least_bytes;
        if size < least || given.sizes.line().is_some_and(|line| size < line) {
            // What was refused teaches nothing.
            if response.status < 400 {
                given.sizes.add(now, size, self.alphas[0]);
                self.all.sizes.add(now, size, self.alphas[0]);
            }
        } else {
            self.large(now, size, record, endpoint);
        }
        if size >= SMALL {
            self.sent(now, size, record, endpoint, findings);
        }
    }

    /// The line of one response of this endpoint, and whether that rests on the endpoint's own history.
    fn line(&self, given: Option<&Given>) -> (u64, bool) {
        let least = self.settings.least_bytes;
        if let Some(line) = given.and_then(|given| given.sizes.line()) {
            return (line.max(least), true);
        }
        let own = given.map_or(0, |given| given.sizes.line_of_few());
        let any = self.all.sizes.line().unwrap_or(0);
        (own.max(any).max(least.saturating_mul(HARDLY_KNOWN)), false)
    }

    /// A response that is over, of some size.
    fn large(&mut self, now: Timestamp, size: u64, record: &Arc<HttpRecord>, endpoint: &Arc<str>) {
        let (line, _) = self.line(self.endpoints.get(endpoint));
        let Some(who) = Recipient::of(record) else { return };
        let (is_learning, adopt_after) = (!self.beginning.is_over(now), *self.settings.adopt_after);
        let Some(given) = self.endpoints.see(now, endpoint) else {
            return;
        };
        let is_few = given.sizes.line().is_none();
        let is_common = size >= line && given.others(now, &who, size) >= OTHERS;
        self.common += u64::from(is_common);
        let is_ordinary = size < line
            || is_common
            || given.is_adopted(now, &who, adopt_after)
            || (is_learning && (is_few || given.was_given_before(now, size)));
        if is_ordinary {
            if record.response.as_ref().is_some_and(|response| response.status < 400) {
                given.sizes.add(now, size, self.alphas[0]);
                given.dirty = true;
            }
            return;
        }
        if is_learning {
            return;
        }
        if self.held.len() >= MOST_HELD {
            self.not_held += 1;
            return;
        }
        let endpoint = Arc::clone(endpoint);
        let record = Arc::clone(record);
        self.held.push_back((
            now + HOLD,
            Held {
                who,
                endpoint,
                size,
                line,
                record,
            },
        ));
        self.next_sweep = Some(self.next_sweep.map_or(now + HOLD, |due| due.min(now + HOLD)));
    }

    fn announced(&mut self, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let size = record.response.as_ref().and_then(|response| response.announced_bytes);
        let (Some(size), Some(who), Some(endpoint)) = (size, Recipient::of(record), endpoint(record)) else {
            return;
        };
        if record.role != HttpRole::Server {
            return;
        }
        let now = record.end();
        self.beginning.see(now);
        let is_learning = !self.beginning.is_over(now);
        let (line, is_known) = if is_learning {
            (self.settings.announced_bytes, false)
        } else {
            let (line, is_known) = self.line(self.endpoints.get(endpoint));
            (line.min(self.settings.announced_bytes), is_known)
        };
        let adopt_after = *self.settings.adopt_after;
        let given = self
            .endpoints
            .see_or_make(now, endpoint, || Given::new(now), Given::weight);
        let others = given.others(now, &who, size);
        if size < line {
            return;
        }
        if others >= OTHERS || given.is_adopted(now, &who, adopt_after) {
            self.common += u64::from(others >= OTHERS);
            return;
        }
        given.tell(now, &who);
        let confidence = match (is_learning, is_known) {
            (true, _) => 0.5,
            (false, false) => 0.6,
            (false, true) => 0.8,
        };
        let told = tell::One {
            now,
            who: &who,
            endpoint,
            size,
            line,
            record,
            sizes: &given.sizes,
            confidence: self.beginning.cap(now, confidence),
        };
        findings.push(told.announced());
    }

    /// Tells of the responses that have waited until `now`; all that wait if there is no `now`.
    fn tell_held(&mut self, now: Option<Timestamp>, findings: &mut Vec<Finding>) {
        while let Some((due, _)) = self.held.front()
            && now.is_none_or(|now| *due <= now)
        {
            let Some((due, held)) = self.held.pop_front() else {
                return;
            };
            let Some(given) = self.endpoints.see(due, &held.endpoint) else {
                continue;
            };
            if given.others(due, &held.who, held.size) >= OTHERS {
                self.common += 1;
                continue;
            }
            given.tell(due, &held.who);
            let is_known = given.sizes.line().is_some();
            let told = tell::One {
                now: held.record.end(),
                who: &held.who,
                endpoint: &held.endpoint,
                size: held.size,
                line: held.line,
                record: &held.record,
                sizes: &given.sizes,
                confidence: self.beginning.cap(due, if is_known { 0.7 } else { 0.5 }),
            };
            findings.push(told.sent());
        }
    }

    fn sent(
        &mut self,
        now: Timestamp,
        size: u64,
        record: &Arc<HttpRecord>,
        endpoint: &Arc<str>,
        findings: &mut Vec<Finding>,
    ) {
        let Some(who) = Recipient::of(record) else { return };
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let make = || Sent::new(Ledger::new(now));
        let sent = self
            .recipients
            .see_or_make(now, &who, make, |sent| sent.ledger.weight());
        self.all.pass(now, sent, self.alphas);
        if sent.add(now, size, record, endpoint) {
            self.judge(now, &who, findings);
        }
    }

    fn judge(&mut self, now: Timestamp, who: &Recipient, findings: &mut Vec<Finding>) {
        let (floor, whole) = (self.settings.least_bytes_a_day, self.settings.bytes_a_day);
        let (is_learning, period, alphas) = (!self.beginning.is_over(now), self.period, self.alphas);
        let Some(sent) = self.recipients.see(now, who) else {
            return;
        };
        let ledger = &mut sent.ledger;
        let is_known = ledger.adopted || (ledger.amounts.knows() && ledger.first + period <= now);
        let floors = [floor, floor, floor.saturating_mul(3)];
        let norms: Vec<(Span, Norm)> = if is_learning {
            vec![(Span::Day, bound(None, whole))]
        } else if is_known {
            let norm = |((over, floor), alpha)| (over, ledger.amounts.norm(over, alpha, floor));
            let [_, alphas @ ..] = alphas;
            Span::ALL.into_iter().zip(floors).zip(alphas).map(norm).collect()
        } else {
            let line = |sizes: &Sizes| sizes.line().unwrap_or(floor.saturating_mul(FEW)).max(floor);
            let (hour, day) = (line(&self.all.hours), line(&self.all.days));
            let [hours, days] = [&self.all.hours, &self.all.days].map(Sizes::median);
            vec![
                (Span::Hour, bound(hours, hour)),
                (Span::Day, bound(days, day)),
                (Span::Week, bound(days, day.saturating_mul(3))),
            ]
        };
        let Some(excess) = ledger.judge(norms) else { return };
        // One response alone is judged by its endpoint.
        let rest = excess.sum.saturating_sub(sent.longest());
        if !is_learning && rest < excess.norm.line {
            return sent.ledger.wait_for(excess.norm.line - rest);
        }
        let is_other = |(other, sent): &(&Recipient, &Sent)| {
            *other != who && sent.ledger.amounts.sum(excess.over) >= excess.sum / 2
        };
        if self.recipients.iter().filter(is_other).take(OTHERS).count() >= OTHERS {
            self.common += 1;
            if let Some(sent) = self.recipients.see(now, who) {
                // Not with every response.
                sent.ledger.wait_for(excess.sum / 8);
            }
            return;
        }
        let adopt_after = *self.settings.adopt_after;
        if let Some(sent) = self.recipients.see(now, who) {
            let told = sent.ledger.tell(now, &excess, adopt_after);
            let confidence = match (is_learning, is_known) {
                (true, _) => 0.3,
                (false, true) => 0.6,
                (false, false) => 0.5,
            };
            let confidence = self.beginning.cap(now, confidence);
            findings.push(tell::sum(who, sent, &excess, told, (is_learning, is_known), confidence));
        }
    }

    fn tell_held_back(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let held = self.recipients.iter().filter(|(_, sent)| sent.ledger.is_held_back());
        for who in held.map(|(who, _)| who.clone()).collect::<Vec<_>>() {
            self.judge(now, &who, findings);
        }
    }

    /// Once an hour: all recipients, so that those who never come again count, too.
    fn round(&mut self, now: Timestamp) {
        self.all.known = 0;
        for (_, sent) in self.recipients.iter_mut() {
            self.all.pass(now, sent, self.alphas);
            self.all.known += usize::from(sent.ledger.amounts.knows());
        }
        let [alpha, hours, days, _] = self.alphas;
        self.all.sizes.work_out(now, alpha);
        self.all.hours.work_out(now, hours);
        self.all.days.work_out(now, days);
        self.all.dirty = true;
        self.recipients.expire(now);
        self.endpoints.expire(now);
        for (_, given) in self.endpoints.iter_mut() {
            given.dirty = true;
        }
    }
}

impl Default for All {
    fn default() -> Self {
        Self {
            sizes: Sizes::default(),
            hours: Sizes::of_many(Sketch::new()),
            days: Sizes::of_many(Sketch::new()),
            known: 0,
            dirty: false,
        }
    }
}

impl All {
    /// Time passes for one of them; an hour that is over is one of all hours.
    fn pass(&mut self, now: Timestamp, sent: &mut Sent, [_, hours, days, _]: [f64; 4]) {
        let amounts = &sent.ledger.amounts;
        let (hour, day, last) = (amounts.sum(Span::Hour), amounts.sum(Span::Day), sent.ledger.last);
        let worth = if self.known < MOST_KNOWN { WORTH } else { u64::MAX };
        let is_apart = sent.ledger.told.is_some() || amounts.knows();
        if sent.slide(now, worth) == Passed::Nothing || is_apart {
            return;
        }
        if hour > 0 {
            self.hours.add(now, hour, hours);
        }
        if day > 0 && number_of_day(now) != number_of_day(last) && number_of_day(last) + 2 > number_of_day(now) {
            self.days.add(now, day, days);
        }
    }
}

impl Detector for ResponseVolume {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Announced(record) => self.announced(record, findings),
            Observation::Transaction(record) => self.transaction(record, findings),
            Observation::Flow(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held(Some(now), findings);
        self.tell_held_back(now, findings);
        if self.next_round <= now {
            self.round(now);
            self.next_round = now + HOUR;
        }
        let is_empty = self.recipients.is_empty() && self.endpoints.is_empty();
        self.next_sweep = (!is_empty).then(|| now + SWEEP_EVERY);
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held(None, findings);
        self.tell_held_back(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn learning(&self, now: Timestamp) -> u64 {
        if self.beginning.is_over(now) {
            0
        } else {
            self.endpoints.len() as u64
        }
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<Knowledge> {
        let is_learning = !self.beginning.is_over(now);
        let endpoint = self.endpoints.iter().find(|(endpoint, _)| subject.is(endpoint));
        let endpoint = endpoint.map(|(_, given)| {
            Knowledge::since(given.first, is_learning).and_quantiles("response_bytes", given.sizes.sketch())
        });
        let recipients = self.recipients.iter().filter(|(who, _)| match who {
            Recipient::Identity(_, id) => subject.is(id),
            Recipient::Client(source, _) => subject.is_source(*source),
        });
        let recipients = recipients.map(|(who, sent)| Knowledge {
            with: match who {
                Recipient::Identity(kind, _) => kind.name().to_owned(),
                Recipient::Client(_, address) => address.to_string(),
            },
            ..Knowledge::since(sent.ledger.first, is_learning).and_sums(&sent.ledger)
        });
        endpoint.into_iter().chain(recipients).take(MOST_TOLD).collect()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("recipients_evicted", self.recipients.evicted()),
            ("large_endpoints_evicted", self.endpoints.evicted()),
            ("common_downloads", self.common),
            ("large_responses_not_held", self.not_held),
        ]
    }

    fn adopt(&mut self, from: Timestamp, until: Timestamp) -> u64 {
        let given: u64 = self
            .endpoints
            .iter_mut()
            .map(|(_, given)| given.adopt(from, until))
            .sum();
        let recipients = self
            .recipients
            .iter_mut()
            .filter_map(|(_, sent)| sent.ledger.adopt(from, until).then_some(()));
        given + recipients.count() as u64
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = self.beginning.export_dirty();
        for (endpoint, given) in self.endpoints.iter_mut().filter(|(_, given)| given.dirty) {
            given.dirty = false;
            changes.push(put(ENDPOINT, endpoint, given.first, &given.sizes));
        }
        if std::mem::take(&mut self.all.dirty) {
            let first = Timestamp::ZERO;
            let all = [
                ("all", &self.all.sizes),
                ("hours", &self.all.hours),
                ("days", &self.all.days),
            ];
            changes.extend(all.map(|(name, sizes)| put(SIZES, &Arc::from(name), first, sizes)));
        }
        for (who, sent) in self.recipients.iter_mut() {
            let ledger = &mut sent.ledger;
            if std::mem::take(&mut ledger.dirty) && (ledger.adopted || ledger.amounts.knows()) {
                let (kind, id) = who.row();
                changes.push(Change::Put(ledger.to_row(&Arc::from(kind), &id)));
            }
        }
        changes
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        let (rows, beginning): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| !row.subject.is_empty());
        self.beginning.import(&beginning, now);
        for row in rows {
            let sketch = || row.detail.as_deref().and_then(Sketch::decode);
            let last = row.last.min(now);
            match (&*row.subject, &*row.member) {
                (ENDPOINT, _) => {
                    if let Some(sketch) = sketch() {
                        let given = Given::known(row.first.min(now), Sizes::from_sketch(sketch));
                        let given = self.endpoints.see_or_make(last, &row.member, || given, Given::weight);
                        given.sizes.work_out(now, self.alphas[0]);
                    }
                }
                (SIZES, name) => {
                    let [one, hours, days, _] = self.alphas;
                    let Some(sketch) = sketch() else { continue };
                    let (place, sizes, alpha) = match name {
                        "hours" => (&mut self.all.hours, Sizes::of_many(sketch), hours),
                        "days" => (&mut self.all.days, Sizes::of_many(sketch), days),
                        _ => (&mut self.all.sizes, Sizes::from_sketch(sketch), one),
                    };
                    *place = sizes;
                    place.work_out(now, alpha);
                }
                (kind, _) => {
                    let who = Recipient::from_row(kind, &row.member);
                    if let Some((who, ledger)) = who.zip(Ledger::from_row(&row, now)) {
                        let make = || Sent::new(ledger);
                        self.recipients
                            .see_or_make(last, &who, make, |sent| sent.ledger.weight());
                    }
                }
            }
        }
        if !self.recipients.is_empty() || !self.endpoints.is_empty() {
            self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        }
    }
}

fn put(subject: &str, member: &Arc<str>, first: Timestamp, sizes: &Sizes) -> Change {
    let (last, sketch) = (sizes.last(), sizes.sketch());
    Change::Put(Row {
        subject: Arc::from(subject),
        member: Arc::clone(member),
        first,
        last: last.max(first),
        count: sketch.count(),
        marks: 0,
        detail: Some(sketch.encode().into()),
    })
}

fn endpoint(record: &HttpRecord) -> Option<&Arc<str>> {
    record.request.as_ref()?.endpoint.as_ref()
}

fn bound(usual: Option<u64>, line: u64) -> Norm {
    Norm {
        usual: usual.unwrap_or(0),
        line,
        by_hour: false,
    }
}

fn number_of_day(at: Timestamp) -> u64 {
    at.as_nanos() / (24 * 3_600 * 1_000_000_000)
}
