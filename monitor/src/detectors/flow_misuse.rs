//! `flow_misuse`: steps of a flow left out, or run through at a machine's pace.

mod doc;
mod rows;
mod settings;
mod steps;
mod tally;
mod tell;
#[cfg(test)]
mod tests;
mod visit;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use self::doc::{MOST_TALLIES, MOST_VISITS, ORDER, PACE};
use self::steps::{Step, Steps};
use self::tally::{Misuse, Tally};
use self::visit::Visit;
use super::{Detector, DetectorDoc};
use crate::alert::Actor;
use crate::baseline::asker::Asker;
use crate::baseline::bits::hash;
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::identity::login::LoginOutcome;
use crate::enrich::identity::{IdentityKind, IdentitySource};
use crate::finding::Finding;
use crate::finding::occurrence::Added;
use crate::observation::Observation;
use crate::record::{Client, HttpRecord, HttpRole};
use crate::time::Timestamp;

/// A session takes up what its address did before within this.
const AFTER_LOGIN: Duration = Duration::from_mins(10);
/// Visits and subjects are forgotten after so long.
const KEEP: Duration = Duration::from_hours(24);
/// Whoever was odd more often within a day teaches nothing there.
const MOST_ODD: u32 = 1;
/// How often it is worked out what is usual.
const SETTLE_EVERY: Duration = Duration::from_mins(10);

/// The detector.
#[derive(Debug)]
pub struct FlowMisuse {
    /// The risk of a test: of order, of pace.
    alphas: [f64; 2],
    steps: Steps,
    visits: Recent<u64, Visit>,
    /// By subject, endpoint and misuse.
    tallies: Recent<u64, Tally>,
    next_sweep: Option<Timestamp>,
}

/// A request of a visit.
struct Asked<'a> {
    now: Timestamp,
    step: Step,
    /// Who it is by [`Self::visitor`], and the source.
    keys: [u64; 2],
    client: &'a Client,
    record: &'a Arc<HttpRecord>,
    is_identity: bool,
}

impl FlowMisuse {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        Self {
            alphas: [ORDER, PACE].map(|test| budget.alpha(&test, DOC.tests)),
            steps: Steps::new(config),
            visits: Recent::new(MOST_VISITS, KEEP),
            tallies: Recent::new(MOST_TALLIES, KEEP),
            next_sweep: None,
        }
    }

    fn settle(&mut self, now: Timestamp) {
        self.steps.settle(now);
        self.next_sweep = (self.steps.len() > 0).then(|| now + SETTLE_EVERY);
    }

    fn asks(&mut self, asked: &Asked<'_>, before_login: u64, findings: &mut Vec<Finding>) {
        let (now, step) = (asked.now, asked.step);
        let [visitor, _] = asked.keys;
        let last = self.visits.get(&visitor).map_or(Timestamp::ZERO, Visit::last);
        // A login, and what its address did before, since the visitor was seen.
        let others = asked
            .is_identity
            .then(|| self.visits.get(&before_login))
            .flatten()
            .filter(|visit| visit.last() > last && visit.is_open(now) && visit.was_within(now, AFTER_LOGIN))
            .copied();
        let visit = self.visits.see_or_make(now, &visitor, || Visit::new(now), |_| 0);
        visit.begin(now);
        if let Some(others) = others {
            visit.take_up(&others);
        }
        let before = visit.before(step);
        let near = self.steps.near(step);
        // How long after the request before, where the flow goes on.
        let interval = near
            .filter(|near| before.has(*near))
            .and_then(|_| visit.since_latest(now));
        // Who does again what hardly anybody does twice, and never began the flow, has left it out each time.
        let never = near.is_some_and(|near| visit.since(now, near).is_none());
        let usual = self
            .steps
            .usual(step, before.again)
            .or_else(|| self.steps.of_flow(step).filter(|_| before.again && never));
        let teaches = !asked.record.expected && visit.may_teach(now, step, before.again);
        visit.push(now, step);
        let mut is_suspect = false;
        if let Some(usual) = usual {
            // Whoever shows what this host took has logged in, if not on this visit: a token is kept for days.
            let is_done = |step: Step| before.has(step) || asked.is_identity && self.steps.is_login(step);
            let missing = usual.steps.into_iter().rfind(|step| !is_done(*step));
            if missing.is_some() || !self.tallies.is_empty() {
                let expected = (missing.unwrap_or(usual.steps[1]), usual.missing, 0);
                is_suspect |= self.count(asked, Misuse::Order, missing.is_some(), expected, findings);
            }
        }
        // A request without the step before has no pace.
        if let (Some(near), Some(took), Some((millis, share))) = (near, interval, self.steps.fast(step)) {
            let is_fast = took < millis;
            if is_fast || !self.tallies.is_empty() {
                is_suspect |= self.count(asked, Misuse::Pace, is_fast, (near, share, millis), findings);
            }
        }
        if teaches && !is_suspect {
            self.steps.learn(step, before.again, before.each(), visitor);
            if let Some(millis) = interval {
                self.steps.learn_interval(step, millis);
            }
        }
    }

    /// Counts a request for those who make it; the narrowest that is beyond its line is told. Whether one of them is odd so often
    /// that nothing is learned from it.
    fn count(
        &mut self,
        asked: &Asked<'_>,
        misuse: Misuse,
        odd: bool,
        (before, share, millis): (Step, f64, u32),
        findings: &mut Vec<Finding>,
    ) -> bool {
        let (now, record, keys) = (asked.now, asked.record, asked.keys);
        let alpha = self.alphas[usize::from(misuse == Misuse::Pace)];
        let subjects = if asked.is_identity { &keys[..] } else { &keys[1..] };
        let (mut is_beyond, mut is_suspect) = (false, false);
        for key in subjects {
            let id = hash(&(key, asked.step, misuse));
            let tally = if odd {
                let make = || Tally::new(now, actor(asked, *key == keys[0]), (asked.step, misuse));
                self.tallies.see_or_make(now, &id, make, Tally::weight)
            } else if let Some(tally) = self.tallies.see(now, &id) {
                tally
            } else {
                continue;
            };
            let in_window = tally.odd() > 0;
            tally.add(now, odd);
            is_suspect |= tally.odd() > MOST_ODD;
            if !odd {
                continue;
            }
            if tally.occurrence.add(now, DOC.quiet, in_window) == Added::BeginsAnew {
                tally.begin_anew(now);
            }
            (tally.before, tally.share, tally.millis) = (before, share, millis);
            if is_beyond {
                continue;
            }
            tally.show(record);
            is_beyond = tally.occurrence.is_open(now, DOC.quiet);
            if let Some(excess) = tally.judge(now, alpha)
                && let Some(count) = tally.occurrence.tell(now, false)
            {
                findings.push(tell::finding(tally, &self.steps, &excess, count));
                is_beyond = true;
            }
        }
        is_suspect
    }

    fn tell_held_back(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        for (_, tally) in self.tallies.iter_mut() {
            let alpha = self.alphas[usize::from(tally.misuse == Misuse::Pace)];
            if tally.occurrence.is_held_back(now, DOC.quiet)
                && let Some(excess) = tally.judge(now, alpha)
                && let Some(count) = tally.occurrence.tell(now, true)
            {
                findings.push(tell::finding(tally, &self.steps, &excess, count));
            }
        }
    }
}

/// Who asks, as an actor.
fn actor(asked: &Asked<'_>, is_visitor: bool) -> Actor {
    let asker = Asker::of(asked.record).filter(|_| is_visitor && asked.is_identity);
    asker.map_or_else(
        || Source::from(asked.client.ip).actor(asked.client.ip, false),
        |asker| asker.actor(),
    )
}

impl Detector for FlowMisuse {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        let record = match observation {
            Observation::Transaction(record) => record,
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => return,
        };
        let is_accepted = matches!(
            record.response.as_ref().map_or(0, |response| response.status),
            101 | 200..=399
        );
        if record.role != HttpRole::Server || !is_accepted || record.login == Some(LoginOutcome::Failure) {
            return;
        }
        let (Some(client), Some(endpoint)) = (
            &record.client,
            record.request.as_ref().and_then(|request| request.endpoint.as_ref()),
        ) else {
            return;
        };
        let now = record.start;
        // A login names an account that nobody is yet.
        let mut identities = record.identity.iter().filter(|identity| !identity.unproven);
        let is_login = record.login.is_some()
            || record
                .identity
                .iter()
                .any(|identity| identity.source == IdentitySource::Login);
        let is_identity = !is_login && identities.clone().next().is_some();
        let by_key = is_identity && identities.any(|identity| identity.kind == IdentityKind::Key);
        let Some(step) = self.steps.of(now, endpoint, by_key) else {
            return;
        };
        if is_login {
            self.steps.note_login(step);
        }
        self.next_sweep.get_or_insert(now + SETTLE_EVERY);
        let source = Source::from(client.ip);
        let before_login = hash(&(source, record.fingerprint));
        let visitor = if is_identity {
            crate::baseline::asker::key(record).map(|key| hash(&key))
        } else {
            None
        };
        let asked = Asked {
            now,
            step,
            keys: [visitor.unwrap_or(before_login), hash(&source)],
            client,
            record,
            is_identity: visitor.is_some(),
        };
        self.asks(&asked, before_login, findings);
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
        self.visits.expire(now);
        self.tallies.expire(now);
        self.settle(now);
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn learning(&self, now: Timestamp) -> u64 {
        self.steps.learning(now)
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("flow_endpoints_left_out", self.steps.left_out()),
            ("flow_visits_evicted", self.visits.evicted()),
            ("flow_subjects_evicted", self.tallies.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.export()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.take_back(&rows, now);
    }
}
