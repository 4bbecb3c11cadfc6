//! The alerts that incidents remember, and how they are found by what links them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::case::Case;
use super::links::{self, ENOUGH, Link, Role};
use super::member::Member;
use crate::alert::ActorKind;
use crate::time::Timestamp;

/// Alerts that one incident remembers.
pub(super) const MOST_OF_ONE: usize = 256;
/// Alerts that are found by one link: the latest. A busy endpoint may have many.
const MOST_BY_LINK: usize = 64;
/// So many alerts of one detector at one endpoint at once are one wave, whatever else tells them apart: that many attackers
/// who know nothing of each other do not meet within minutes.
const WAVE: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Book {
    /// By alert's id.
    members: FxHashMap<Arc<str>, Member>,
    /// Ids of alerts, by what links them.
    by_link: FxHashMap<Link, Vec<Arc<str>>>,
}

impl Book {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn get_mut(&mut self, alert: &str) -> Option<&mut Member> {
        self.members.get_mut(alert)
    }

    /// The alerts of an incident.
    pub(super) fn each_of<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = &'a Member> {
        case.alerts.iter().filter_map(|id| self.members.get(id))
    }

    /// The alerts of an incident, in order of their first observations.
    pub(super) fn of(&self, case: &Case) -> Vec<&Member> {
        let mut members: Vec<&Member> = case.alerts.iter().filter_map(|id| self.members.get(id)).collect();
        members.sort_by_key(|member| (member.first_seen, Arc::clone(&member.id)));
        members
    }

    pub(super) fn add(&mut self, member: Member) {
        for (link, _) in member.links() {
            remember(&mut self.by_link, link, &member.id);
        }
        self.members.insert(Arc::clone(&member.id), member);
    }

    /// A member has new links.
    pub(super) fn link(&mut self, alert: &Arc<str>, fresh: &[(Link, Role)]) {
        for (link, _) in fresh {
            remember(&mut self.by_link, link, alert);
        }
    }

    /// An account is let in, at a source or with a session: the alerts whose evidence has it go on there. Whether there are any.
    pub(super) fn follow(&mut self, now: Timestamp, account: &Arc<str>, to: &Link) -> bool {
        let link = Link::Actor(ActorKind::Account, Arc::clone(account));
        let Some(ids) = self.by_link.get(&link).cloned() else {
            return false;
        };
        for id in &ids {
            let Some(member) = self.members.get_mut(id) else {
                continue;
            };
            let (is_new, gone) = member.follow(now, to);
            if is_new {
                remember(&mut self.by_link, to, id);
            }
            if let Some(gone) = gone {
                unlink(&mut self.by_link, &gone, id);
            }
        }
        !ids.is_empty()
    }

    pub(super) fn forget(&mut self, alert: &str) {
        let Some(member) = self.members.remove(alert) else {
            return;
        };
        for (link, _) in member.links() {
            unlink(&mut self.by_link, link, alert);
        }
    }

    /// The members of `ended` belong to `id` now.
    pub(super) fn move_to(&mut self, id: &Arc<str>, ended: &Case) {
        for alert in &ended.alerts {
            if let Some(member) = self.members.get_mut(alert) {
                member.case = Arc::clone(id);
            }
        }
    }

    /// Brings the alerts of an incident into order of time, and forgets those that are too many: first what has ended.
    pub(super) fn settle(&mut self, case: &mut Case) {
        let members = &self.members;
        let first = |alert: &Arc<str>| members.get(alert).map(|member| member.first_seen);
        case.alerts.sort_by_key(|alert| (first(alert), Arc::clone(alert)));
        while case.alerts.len() > MOST_OF_ONE {
            let at = self.ended(case).unwrap_or(case.alerts.len() - 1);
            self.forget(&case.drop_alert(at));
        }
    }

    /// Lets an alert go that has ended, where the incident has as many as it may.
    pub(super) fn make_room(&mut self, case: &mut Case) {
        if case.alerts.len() >= MOST_OF_ONE
            && let Some(at) = self.ended(case)
        {
            self.forget(&case.drop_alert(at));
        }
    }

    fn ended(&self, case: &Case) -> Option<usize> {
        let is_over = |id: &Arc<str>| self.members.get(id).is_none_or(|member| !member.is_open);
        case.alerts.iter().position(is_over)
    }

    /// The incidents of the alerts that have enough in common with this one.
    pub(super) fn related(&self, member: &Member) -> Vec<Arc<str>> {
        let mut seen: Vec<&Arc<str>> = Vec::new();
        let mut found = Vec::new();
        let mut wave = Vec::new();
        for (link, _) in member.links() {
            for id in self.by_link.get(link).into_iter().flatten() {
                if *id == member.id || seen.contains(&id) {
                    continue;
                }
                seen.push(id);
                let Some(other) = self.members.get(id) else {
                    continue;
                };
                let shared = member.shares(other);
                if shared.weight >= ENOUGH {
                    found.push(Arc::clone(&other.case));
                } else if shared.endpoint && other.detector == member.detector && links::is_at_once(shared.apart) {
                    wave.push(Arc::clone(&other.case));
                }
            }
        }
        if wave.len() + 1 >= WAVE {
            found.append(&mut wave);
        }
        found
    }
}

fn unlink(by_link: &mut FxHashMap<Link, Vec<Arc<str>>>, link: &Link, alert: &str) {
    if let Some(ids) = by_link.get_mut(link) {
        ids.retain(|id| **id != *alert);
        if ids.is_empty() {
            by_link.remove(link);
        }
    }
}

fn remember(by_link: &mut FxHashMap<Link, Vec<Arc<str>>>, link: &Link, alert: &Arc<str>) {
    let ids = by_link.entry(link.clone()).or_default();
    if ids.contains(alert) {
        return;
    }
    if ids.len() >= MOST_BY_LINK {
        ids.remove(0);
    }
    ids.push(Arc::clone(alert));
}
