//! Sets of what each subject was seen with, and when first: the baseline of every detector that asks "was this ever
//! so before?".
//!
//! A subject learns from its first sight for a period, and for a floor of observations. A subject that turns up when
//! the baseline as a whole has learned is a *newcomer*: what is new then is the subject itself. A member that was told
//! of in an alert stays unknown until it is *adopted*, some time after; else the second sight would be silent.

mod bounds;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::knowledge::{Knowledge, MOST_TOLD, Value};
use crate::time::Timestamp;

/// How much is held.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Subjects.
    pub subjects: usize,
    /// Members of one subject.
    pub members: usize,
    /// Members of all.
    pub total: usize,
}

/// When something counts as known.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// A subject learns for this long from its first sight ...
    pub period: Duration,
    /// ... and until it was observed this often. No floor where the period is zero: that judges at once.
    pub floor: u64,
    /// A member that was told of becomes known after this.
    pub adopt: Duration,
    /// A member not seen for this long is forgotten.
    pub forget: Duration,
}

/// What the baseline says of a subject and a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They belong together.
    Known,
    /// Not known, and too early to say so.
    Learning,
    /// The subject is well known, and never with this member.
    New,
    /// The subject itself is new to a baseline that has learned.
    Newcomer,
}

/// How a member came into the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was seen.
    Seen,
    /// An alert told of it.
    Told,
    /// It comes with another member (the network of a named destination). Evicted first.
    Implied,
}

/// A member of a subject's set.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// First sight.
    pub first: Timestamp,
    /// Latest.
    pub last: Timestamp,
    /// Observations.
    pub count: u64,
    /// How it came in.
    pub mark: Mark,
    dirty: bool,
}

/// What was given up, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evictions {
    /// Subjects.
    pub subjects: u64,
    /// Members.
    pub members: u64,
}

/// The sets.
#[derive(Debug)]
pub struct FirstSeen {
    limits: Limits,
    terms: Terms,
    /// First sight of anything.
    began: Option<Timestamp>,
    subjects: BTreeMap<Arc<str>, Subject>,
    members: usize,
    evictions: Evictions,
    /// Subjects with something to export.
    dirty: BTreeSet<Arc<str>>,
    /// Exported rows that are gone; `None` = too many to name.
    removed: Option<Vec<(Arc<str>, Arc<str>)>>,
}

#[derive(Debug)]
struct Subject {
    first: Timestamp,
    last: Timestamp,
    count: u64,
    newcomer: bool,
    members: BTreeMap<Arc<str>, Member>,
}

impl FirstSeen {
    /// With nothing known.
    pub fn new(limits: Limits, terms: Terms) -> Self {
        Self {
            limits,
            terms,
            began: None,
            subjects: BTreeMap::new(),
            members: 0,
            evictions: Evictions::default(),
            dirty: BTreeSet::new(),
            removed: Some(Vec::new()),
        }
    }

    /// What is known of `subject` and `member`. Learns nothing.
    pub fn judge(&self, now: Timestamp, subject: &str, member: &str) -> Verdict {
        let Some(subject) = self.subjects.get(subject) else {
            return if self.is_learning(now) {
                Verdict::Learning
            } else {
                Verdict::Newcomer
            };
        };
        let told = match subject.members.get(member) {
            Some(Member {
                mark: Mark::Seen | Mark::Implied,
                ..
            }) => return Verdict::Known,
            Some(Member {
                mark: Mark::Told,
                first,
                ..
            }) if now >= *first + self.terms.adopt => return Verdict::Known,
            Some(Member { mark: Mark::Told, .. }) => true,
            None => false,
        };
        let being_introduced = subject.newcomer && (told || now < subject.first + self.terms.adopt);
        match self.subject_is_learning(now, subject) {
            true if being_introduced => Verdict::Newcomer,
            true if !told => Verdict::Learning,
            true | false => Verdict::New,
        }
    }

    /// Takes a sight in. A member keeps the better mark: seen, then told, then implied.
    pub fn note(&mut self, now: Timestamp, subject: &str, member: &str, mark: Mark) {
        let learning = self.is_learning(now);
        if self.began.is_none() {
            self.began = Some(now);
            self.dirty.insert(Arc::from(""));
        }
        let key = self.key_of(now, subject, !learning);
        self.make_room(subject, member);
        self.dirty.insert(key.clone());
        let Some(entry) = self.subjects.get_mut(&key) else {
            return;
        };
        entry.last = entry.last.max(now);
        if mark != Mark::Implied {
            entry.count += 1;
        }
        if let Some(known) = entry.members.get_mut(member) {
            known.last = known.last.max(now);
            known.count += 1;
            known.mark = match (known.mark, mark) {
                (Mark::Seen, _) | (_, Mark::Seen) => Mark::Seen,
                (Mark::Told, _) | (_, Mark::Told) => Mark::Told,
                (Mark::Implied, Mark::Implied) => Mark::Implied,
            };
            known.dirty = true;
        } else {
            entry.members.insert(
                member.into(),
                Member {
                    first: now,
                    last: now,
                    count: 1,
                    mark,
                    dirty: true,
                },
            );
            self.members += 1;
        }
    }

    /// Takes for seen what was told of from `from` until before `until`. Gives their number.
    pub fn adopt(&mut self, from: Timestamp, until: Timestamp) -> u64 {
        let mut adopted = 0;
        for (name, subject) in &mut self.subjects {
            let before = adopted;
            for member in subject.members.values_mut() {
                if member.mark == Mark::Told && (from..until).contains(&member.first) {
                    (member.mark, member.dirty) = (Mark::Seen, true);
                    adopted += 1;
                }
            }
            if adopted > before {
                self.dirty.insert(Arc::clone(name));
            }
        }
        adopted
    }

    /// Makes one member, `into`, of those that `belongs` chooses.
    pub fn merge(&mut self, subject: &str, into: &str, belongs: impl Fn(&str) -> bool) {
        let Some((key, entry)) = self.subjects.get_key_value(subject) else {
            return;
        };
        let key = key.clone();
        let parts: Vec<(Arc<str>, Member)> = entry
            .members
            .iter()
            .filter(|(name, _)| belongs(name))
            .map(|(name, member)| (name.clone(), *member))
            .collect();
        let sum = parts.iter().map(|(_, part)| *part).reduce(|sum, part| Member {
            first: sum.first.min(part.first),
            last: sum.last.max(part.last),
            count: sum.count.saturating_add(part.count),
            ..sum
        });
        let Some(sum) = sum else {
            return;
        };
        for (name, _) in &parts {
            self.remove_member(&key, name);
        }
        if let Some(entry) = self.subjects.get_mut(&key) {
            let member = Member {
                mark: Mark::Seen,
                dirty: true,
                ..sum
            };
            if entry.members.insert(into.into(), member).is_none() {
                self.members += 1;
            }
            self.dirty.insert(key);
        }
    }

    /// The members of `subject`, by name.
    pub fn members(&self, subject: &str) -> impl Iterator<Item = (&str, &Member)> + Clone {
        let members = self.subjects.get(subject).map(|subject| &subject.members);
        members.into_iter().flatten().map(|(name, member)| (&**name, member))
    }

    /// How `member` came into the set of `subject`, if it is there.
    pub fn mark(&self, subject: &str, member: &str) -> Option<Mark> {
        self.subjects
            .get(subject)?
            .members
            .get(member)
            .map(|member| member.mark)
    }

    /// The subjects that `member` was seen with, not only told of.
    pub fn subjects_with(&self, member: &str) -> impl Iterator<Item = &str> {
        let seen = move |subject: &Subject| {
            let mark = subject.members.get(member).map(|member| member.mark);
            mark == Some(Mark::Seen)
        };
        self.subjects
            .iter()
            .filter(move |(_, subject)| seen(subject))
            .map(|(key, _)| &**key)
    }

    /// What is known of the subjects that `is_subject` chooses, with the names of their members as `members`; and of each subject
    /// that has a member that `is_member` chooses, together with it.
    pub fn known(
        &self,
        now: Timestamp,
        is_subject: impl Fn(&str) -> bool,
        members: &'static str,
        is_member: impl Fn(&str) -> bool,
    ) -> Vec<Knowledge> {
        let mut known = Vec::new();
        for (name, subject) in &self.subjects {
            let is_learning = self.subject_is_learning(now, subject);
            if is_subject(name) {
                let mut all: Vec<_> = subject.members.iter().collect();
                all.sort_by_key(|(_, member)| std::cmp::Reverse(member.count));
                let of = Knowledge {
                    with: name.to_string(),
                    last: Some(subject.last),
                    ..Knowledge::since(subject.first, is_learning)
                };
                known.push(
                    of.and("observations", Value::Number(subject.count as f64))
                        .and_names(members, all.into_iter().map(|(name, _)| name.to_string())),
                );
            }
            for (of, member) in subject.members.iter().filter(|(of, _)| is_member(of)) {
                let told = Knowledge {
                    with: format!("{name} {of}"),
                    last: Some(member.last),
                    ..Knowledge::since(member.first, member.mark == Mark::Told)
                };
                known.push(told.and("observations", Value::Number(member.count as f64)));
            }
            if known.len() >= MOST_TOLD {
                break;
            }
        }
        known
    }

    /// Subjects there are.
    pub fn subjects(&self) -> usize {
        self.subjects.len()
    }

    /// Observations of `subject`.
    pub fn observations(&self, subject: &str) -> u64 {
        self.subjects.get(subject).map_or(0, |subject| subject.count)
    }

    /// Subjects that are still learning.
    pub fn learning(&self, now: Timestamp) -> u64 {
        self.subjects
            .values()
            .filter(|subject| self.subject_is_learning(now, subject))
            .count() as u64
    }

    /// What was given up.
    pub fn evictions(&self) -> Evictions {
        self.evictions
    }

    /// Whether the baseline as a whole is too young to call a subject new.
    fn is_learning(&self, now: Timestamp) -> bool {
        !self.terms.period.is_zero() && self.began.is_none_or(|began| now < began + self.terms.period)
    }

    fn subject_is_learning(&self, now: Timestamp, subject: &Subject) -> bool {
        !self.terms.period.is_zero() && (now < subject.first + self.terms.period || subject.count < self.terms.floor)
    }
}
