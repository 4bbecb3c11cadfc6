//! `enumeration`: things of others asked for one by one, and one thing that many ask for.

mod doc;
mod objects;
mod settings;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;

use self::doc::{CLIENTS, DAY, HOUR, MOST_SUBJECTS};
use self::objects::Objects;
use self::tell::{Told, Who};
use super::{Detector, DetectorDoc};
use crate::baseline::bits::hash;
use crate::baseline::breadth::{Breadth, Crossing, Sight, Terms};
use crate::baseline::occurrence::Occurrences;
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::agents::AgentClass;
use crate::enrich::identity::subject::subject;
use crate::enrich::identity::{Identity, IdentityKind};
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{Client, HttpRecord, HttpRole, Request};
use crate::time::Timestamp;

/// Occurrences at a time.
const MOST_OPEN: usize = 1_024;

/// The detector.
#[derive(Debug)]
pub struct Enumeration {
    breadth: Breadth,
    objects: Objects,
    told: Occurrences<u64, Told>,
}

impl Enumeration {
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
            objects: Objects::new(budget.alpha(&CLIENTS, DOC.tests)),
            told: Occurrences::new(MOST_OPEN, DOC.quiet),
        }
    }

    /// A thing of an endpoint is asked for.
    fn asked(&mut self, record: &Arc<HttpRecord>, request: &Request, endpoint: &Arc<str>, client: &Client) {
        let now = record.end();
        let group = hash(&**endpoint);
        let thing = hash(request.path.as_str());
        let refused = record.response.as_ref().is_none_or(|response| response.status >= 400);
        let identity = subject(record);
        let name = identity.map_or(0, |identity| hash(&(identity.kind, &*identity.id)));
        let source = Source::from(client.ip);
        let sight = |subject: u64, member: u64, teaches: bool, habits: [u64; 2]| Sight {
            now,
            subject: hash(&(subject, group)),
            group: endpoint,
            thing,
            member,
            refused,
            teaches,
            habits,
        };
        if let Some(identity) = identity {
            let sight = sight(name, behind(record, identity), true, [hash(&(name, group)), 0]);
            if let Some(crossing) = self.breadth.see(&sight) {
                self.breadth.told(&crossing, sight.subject);
                return self.add(
                    sight.subject,
                    &crossing,
                    Who::Identity(identity.actor()),
                    record,
                    endpoint,
                );
            }
        }
        // An identity by an odd number, an agent by an even one.
        let member = match identity {
            Some(_) => name | 1,
            None => hash(request.user_agent.as_deref().unwrap_or_default()) & !1,
        };
        let habits = [
            hash(&(source, group)),
            crawler(request, client).map_or(0, |crawler| hash(&(crawler, group))),
        ];
        let sight = sight(hash(&source), member, identity.is_none(), habits);
        if let Some(crossing) = self.breadth.see(&sight)
            // Where one identity behind the source asked for most, that one is told of, or its habit allows it.
            && crossing.one_of_them.is_none_or(|member| member & 1 == 0)
        {
            self.breadth.told(&crossing, sight.subject);
            let who = Who::Source(source.actor(client.ip, false), crossing.crowd);
            return self.add(sight.subject, &crossing, who, record, endpoint);
        }
        // Accounts and keys last; sessions and tokens change, and are told apart by where they come from.
        let lasting = identity.filter(|identity| matches!(identity.kind, IdentityKind::Account | IdentityKind::Key));
        let who = lasting.map_or_else(|| hash(&source), |_| name);
        let learning = self.breadth.is_learning(now);
        if let Some(crowded) = self.objects.see(now, (group, endpoint), thing, who, learning) {
            let key = hash(&(thing, group));
            let made = self.told.add(now, &key, || Told::crowded(crowded, record, endpoint));
            if made.count == 1 {
                made.reach_back(crowded.first, u64::from(crowded.asked).saturating_sub(1));
            }
            made.what = Told::crowded(crowded, record, endpoint);
        }
    }

    fn add(&mut self, key: u64, crossing: &Crossing, who: Who, record: &Arc<HttpRecord>, endpoint: &Arc<str>) {
        let told = Told::of(*crossing, who, record, endpoint);
        let case = self.told.add(record.end(), &key, || told.clone());
        if case.count == 1 {
            case.reach_back(crossing.first, u64::from(crossing.asked).saturating_sub(1));
        }
        case.what = told;
    }
}

impl Detector for Enumeration {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, _findings: &mut Vec<Finding>) {
        let record = match observation {
            Observation::Transaction(record) => record,
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => return,
        };
        let (Some(request), Some(client)) = (&record.request, &record.client) else {
            return;
        };
        if record.role == HttpRole::Server
            && let Some(endpoint) = &request.endpoint
            && endpoint.contains('{')
        {
            self.asked(record, request, endpoint, client);
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.breadth.expire(now);
        self.objects.expire(now);
        self.told.expire(now, |_, case| findings.push(tell::finding(case)));
    }

    fn finish(&mut self, _now: Timestamp, findings: &mut Vec<Finding>) {
        self.breadth.finish();
        self.told.tell_all(|_, case| findings.push(tell::finding(case)));
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        [
            self.breadth.next_timeout(),
            self.objects.next_timeout(),
            self.told.next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn learning(&self, now: Timestamp) -> u64 {
        self.breadth.learning(now)
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        let [subjects, habits, groups] = self.breadth.left_out();
        vec![
            ("enumeration_subjects_evicted", subjects),
            ("enumeration_habits_evicted", habits),
            ("enumeration_endpoints_together", groups),
            ("enumeration_objects_evicted", self.objects.evicted()),
            ("enumeration_occurrences_evicted", self.told.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = self.breadth.export_dirty();
        let anew = changes.first() == Some(&Change::Clear);
        changes.extend(self.objects.export_dirty(anew));
        changes
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        let (objects, breadth) = rows.into_iter().partition(Objects::wrote);
        self.objects.import(objects, now);
        self.breadth.import(breadth, now);
    }
}

/// Which of those behind a key asked, where there are several: it is an application's. 0 for an identity that is one alone.
fn behind(record: &HttpRecord, identity: &Identity) -> u64 {
    if identity.kind != IdentityKind::Key {
        return 0;
    }
    let other = record.identity.iter().find(|other| other.kind != IdentityKind::Key);
    other.map_or(0, |other| hash(&(other.kind, &*other.id)))
}

/// A program that says what it is, and the network that it asks from: a crawler has many addresses in one.
fn crawler(request: &Request, client: &Client) -> Option<u64> {
    request.agent_class.filter(|class| *class == AgentClass::Crawler)?;
    let asn = client.whereabouts.as_ref()?.asn?;
    Some(hash(&(request.user_agent.as_deref(), asn)))
}
