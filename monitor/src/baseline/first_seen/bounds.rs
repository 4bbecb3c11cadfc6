//! What is given up, and in which order: what says least goes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{FirstSeen, Mark, Member, Subject};
use crate::time::Timestamp;

impl FirstSeen {
    /// Forgets what was not seen for long.
    pub fn expire(&mut self, now: Timestamp) {
        let forget = self.terms.forget;
        let stale = |last: Timestamp| last + forget <= now;
        let mut gone: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        for (key, subject) in &self.subjects {
            gone.extend(
                subject
                    .members
                    .iter()
                    .filter(|(_, member)| stale(member.last))
                    .map(|(name, _)| (key.clone(), name.clone())),
            );
        }
        for (subject, member) in &gone {
            self.remove_member(subject, member);
        }
        let empty: Vec<Arc<str>> = self
            .subjects
            .iter()
            .filter(|(_, subject)| subject.members.is_empty() && stale(subject.last))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &empty {
            self.remove_subject(key);
        }
    }

    /// The key of `subject`, which is made if it is not there.
    pub(super) fn key_of(&mut self, now: Timestamp, subject: &str, newcomer: bool) -> Arc<str> {
        if let Some((key, _)) = self.subjects.get_key_value(subject) {
            return key.clone();
        }
        if self.subjects.len() >= self.limits.subjects {
            // The one with the fewest observations, then the longest unseen, says least. Subjects that an intruder
            // makes up push each other out, not the old ones.
            let least = self
                .subjects
                .iter()
                .min_by_key(|(_, subject)| (subject.count, subject.last));
            if let Some(least) = least.map(|(key, _)| key.clone()) {
                self.remove_subject(&least);
                self.evictions.subjects += 1;
            }
        }
        let key: Arc<str> = subject.into();
        let entry = Subject {
            first: now,
            last: now,
            count: 0,
            newcomer,
            members: BTreeMap::new(),
        };
        self.subjects.insert(key.clone(), entry);
        key
    }

    /// Evicts what says least if a new member of `subject` would be one too many: implied ones first, then the fewest
    /// observations, then the longest unseen. A subject pays for its own growth as long as it has anything.
    pub(super) fn make_room(&mut self, subject: &str, member: &str) {
        let Some((key, entry)) = self.subjects.get_key_value(subject) else {
            return;
        };
        let full = entry.members.len() >= self.limits.members || self.members >= self.limits.total;
        if !full || entry.members.contains_key(member) {
            return;
        }
        let key = key.clone();
        let least = |(_, member): &(&Arc<str>, &Member)| (member.mark != Mark::Implied, member.count, member.last);
        if let Some(name) = entry.members.iter().min_by_key(least).map(|(name, _)| name.clone()) {
            self.remove_member(&key, &name);
            self.evictions.members += 1;
            return;
        }
        let others = self.subjects.iter().filter(|(other, _)| **other != key);
        let poorest = others.min_by_key(|(_, other)| (other.members.is_empty(), other.count, other.last));
        if let Some(poorest) = poorest.map(|(other, _)| other.clone()) {
            self.remove_subject(&poorest);
            self.evictions.subjects += 1;
        }
    }

    pub(super) fn remove_member(&mut self, subject: &Arc<str>, member: &Arc<str>) {
        if self
            .subjects
            .get_mut(subject)
            .is_some_and(|entry| entry.members.remove(member).is_some())
        {
            self.members -= 1;
            self.note_removed(subject.clone(), member.clone());
        }
    }

    fn remove_subject(&mut self, subject: &Arc<str>) {
        if let Some(entry) = self.subjects.remove(subject) {
            self.members -= entry.members.len();
            for member in entry.members.into_keys() {
                self.note_removed(subject.clone(), member);
            }
            self.note_removed(subject.clone(), Arc::from(""));
            self.dirty.remove(subject);
        }
    }

    fn note_removed(&mut self, subject: Arc<str>, member: Arc<str>) {
        // Nobody may ever ask for them (no store): then they must not grow either.
        self.removed = self
            .removed
            .take()
            .filter(|removed| removed.len() < self.limits.total)
            .map(|mut removed| {
                removed.push((subject, member));
                removed
            });
    }
}
