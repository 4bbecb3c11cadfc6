//! The sets as rows for the store: only what changed goes out, everything comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{FirstSeen, Mark, Member, Subject};
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

const MARK_TOLD: u32 = 1;
const MARK_IMPLIED: u32 = 2;
const MARK_NEWCOMER: u32 = 4;

impl FirstSeen {
    /// What changed since the last call.
    pub fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(removed) = self.removed.replace(Vec::new()) {
            let remove = |(subject, member)| Change::Remove { subject, member };
            changes.extend(removed.into_iter().map(remove));
        } else {
            changes.push(Change::Clear);
            self.dirty.extend(self.subjects.keys().cloned());
            self.dirty.insert(Arc::from(""));
            for member in self
                .subjects
                .values_mut()
                .flat_map(|subject| subject.members.values_mut())
            {
                member.dirty = true;
            }
        }
        for key in std::mem::take(&mut self.dirty) {
            if key.is_empty() {
                let began = self.began.map(|began| Row {
                    subject: key.clone(),
                    member: key.clone(),
                    first: began,
                    last: began,
                    count: 0,
                    marks: 0,
                    detail: None,
                });
                changes.extend(began.map(Change::Put));
            } else if let Some(subject) = self.subjects.get_mut(&key) {
                changes.push(Change::Put(Row {
                    subject: key.clone(),
                    member: Arc::from(""),
                    first: subject.first,
                    last: subject.last,
                    count: subject.count,
                    marks: if subject.newcomer { MARK_NEWCOMER } else { 0 },
                    detail: None,
                }));
                for (name, member) in subject.members.iter_mut().filter(|(_, member)| member.dirty) {
                    member.dirty = false;
                    changes.push(Change::Put(Row {
                        subject: key.clone(),
                        member: name.clone(),
                        first: member.first,
                        last: member.last,
                        count: member.count,
                        marks: match member.mark {
                            Mark::Seen => 0,
                            Mark::Told => MARK_TOLD,
                            Mark::Implied => MARK_IMPLIED,
                        },
                        detail: None,
                    }));
                }
            }
        }
        changes
    }

    /// Takes exported rows back, within the limits. A time later than `now` is taken as `now`: the clock has been set
    /// back since, and nothing was first seen in the future.
    pub fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        for row in rows {
            let (first, last) = (row.first.min(now), row.last.min(now));
            if row.subject.is_empty() {
                self.began = Some(self.began.map_or(first, |began| began.min(first)));
                continue;
            }
            let is_there = self.subjects.contains_key(&row.subject);
            if !is_there && self.subjects.len() >= self.limits.subjects {
                self.evictions.subjects += 1;
                continue;
            }
            let newcomer = row.marks & MARK_NEWCOMER != 0;
            let subject = self.subjects.entry(row.subject).or_insert_with(|| Subject {
                first,
                last,
                count: 0,
                newcomer,
                members: BTreeMap::new(),
            });
            subject.first = subject.first.min(first);
            subject.last = subject.last.max(last);
            if row.member.is_empty() {
                subject.count = subject.count.saturating_add(row.count);
                subject.newcomer = newcomer;
            } else if subject.members.len() < self.limits.members && self.members < self.limits.total {
                let mark = match row.marks {
                    marks if marks & MARK_TOLD != 0 => Mark::Told,
                    marks if marks & MARK_IMPLIED != 0 => Mark::Implied,
                    _ => Mark::Seen,
                };
                let member = Member {
                    first,
                    last,
                    count: row.count,
                    mark,
                    dirty: false,
                };
                if subject.members.insert(row.member, member).is_none() {
                    self.members += 1;
                }
            } else {
                self.evictions.members += 1;
            }
        }
    }
}
