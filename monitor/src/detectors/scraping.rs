//! `scraping`: one client that reads all there is.

mod doc;
mod settings;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;

use self::doc::{DAY, HOUR, MOST_SUBJECTS};
use self::tell::Told;
use super::{Detector, DetectorDoc};
use crate::alert::Actor;
use crate::baseline::bits::hash;
use crate::baseline::breadth::{Breadth, Crossing, Sight, Terms};
use crate::baseline::occurrence::Occurrences;
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::agents::AgentClass;
use crate::enrich::identity::subject::subject;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{Client, HttpRecord, HttpRole, Request};
use crate::time::Timestamp;

/// Occurrences at a time.
const MOST_OPEN: usize = 1_024;
/// Who changes something with one of so many requests does not only read.
const READS_PER_WRITE: u64 = 20;

/// The detector.
#[derive(Debug)]
pub struct Scraping {
    breadth: Breadth,
    /// All paths together, as [`Breadth`] has it.
    paths: Arc<str>,
    /// Requests that were not GET or HEAD, of a day.
    writes: Recent<u64, u32>,
    told: Occurrences<u64, Told>,
}

impl Scraping {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        Self {
            breadth: Breadth::new(Terms {
                hour_alpha: budget.alpha(&HOUR, DOC.tests),
                day_alpha: budget.alpha(&DAY, DOC.tests),
                period: *config.learning.period,
                most: MOST_SUBJECTS,
            }),
            paths: "GET paths".into(),
            writes: Recent::new(MOST_SUBJECTS, DAY.step),
            told: Occurrences::new(MOST_OPEN, DOC.quiet),
        }
    }

    fn asked(&mut self, record: &Arc<HttpRecord>, request: &Request, client: &Client) {
        let now = record.end();
        let identity = subject(record);
        let name = identity.map_or(0, |identity| hash(&(identity.kind, &*identity.id)));
        let source = Source::from(client.ip);
        if !matches!(&*request.method, "GET" | "HEAD") {
            for subject in [name, hash(&source)].into_iter().filter(|subject| *subject != 0) {
                let count = self.writes.see_or_make(now, &subject, || 0, |count| u64::from(*count));
                *count = count.saturating_add(1);
            }
            return;
        }
        let thing = hash(request.path.as_str());
        let refused = record.response.as_ref().is_none_or(|response| response.status >= 400);
        let sight = |subject: u64, member: u64, habits: [u64; 2]| Sight {
            now,
            subject,
            group: &self.paths,
            thing,
            member,
            refused,
            teaches: identity.is_some() == (subject == name),
            habits,
        };
        if let Some(identity) = identity {
            let sight = sight(name, 0, [name, 0]);
            if let Some(crossing) = self.breadth.see(&sight)
                && self.only_reads(name, &crossing)
            {
                return self.add(name, &crossing, identity.actor(), record);
            }
        }
        // An identity by an odd number, an agent by an even one.
        let member = match identity {
            Some(_) => name | 1,
            None => hash(request.user_agent.as_deref().unwrap_or_default()) & !1,
        };
        let key = hash(&source);
        let sight = sight(key, member, [key, crawler(request, client).unwrap_or(0)]);
        if let Some(crossing) = self.breadth.see(&sight)
            && crossing.one_of_them.is_none_or(|member| member & 1 == 0)
            && self.only_reads(key, &crossing)
        {
            self.add(key, &crossing, source.actor(client.ip, false), record);
        }
    }

    fn only_reads(&self, subject: u64, crossing: &Crossing) -> bool {
        let writes = self.writes.get(&subject).copied().unwrap_or(0);
        u64::from(writes) * READS_PER_WRITE <= u64::from(crossing.asked)
    }

    fn add(&mut self, key: u64, crossing: &Crossing, actor: Actor, record: &Arc<HttpRecord>) {
        self.breadth.told(crossing, key);
        let told = Told {
            crossing: *crossing,
            actor,
            sample: Arc::clone(record),
        };
        let case = self.told.add(record.end(), &key, || told.clone());
        if case.count == 1 {
            case.reach_back(crossing.first, u64::from(crossing.asked).saturating_sub(1));
        }
        case.what = told;
    }
}

impl Detector for Scraping {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, _findings: &mut Vec<Finding>) {
        let record = match observation {
            Observation::Transaction(record) => record,
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => return,
        };
        if record.role == HttpRole::Server
            && let (Some(request), Some(client)) = (&record.request, &record.client)
        {
            self.asked(record, request, client);
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.breadth.expire(now);
        self.writes.expire(now);
        self.told.expire(now, |_, case| findings.push(tell::finding(case)));
    }

    fn finish(&mut self, _now: Timestamp, findings: &mut Vec<Finding>) {
        self.breadth.finish();
        self.told.tell_all(|_, case| findings.push(tell::finding(case)));
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        [self.breadth.next_timeout(), self.told.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn learning(&self, now: Timestamp) -> u64 {
        self.breadth.learning(now)
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        let [subjects, habits, _] = self.breadth.left_out();
        vec![
            ("scraping_subjects_evicted", subjects),
            ("scraping_habits_evicted", habits),
            ("scraping_writers_evicted", self.writes.evicted()),
            ("scraping_occurrences_evicted", self.told.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.breadth.export_dirty()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.breadth.import(rows, now);
    }
}

/// A program that says what it is, and the network that it asks from: a crawler has many addresses in one.
fn crawler(request: &Request, client: &Client) -> Option<u64> {
    request.agent_class.filter(|class| *class == AgentClass::Crawler)?;
    let asn = client.whereabouts.as_ref()?.asn?;
    Some(hash(&(request.user_agent.as_deref(), asn)))
}
