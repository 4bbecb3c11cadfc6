//! Groups and habits as rows for the store.

use std::sync::Arc;

use super::group::Group;
use super::habit::{Done, Habit};
use super::{Breadth, MOST_GROUPS, MOST_HABITS};
use crate::baseline::bytes::{self, Bytes};
use crate::baseline::census::{Census, Moments};
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

/// How a detail is written.
const VERSION: u64 = 1;
/// Subject of the rows of habits, whose members are hashes. No group is called so: endpoints have a space.
const HABITS: &str = "habits";

impl Breadth {
    /// What changed since the last call.
    pub fn export_dirty(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        if std::mem::take(&mut self.is_stale) {
            changes.push(Change::Clear);
            self.exported_began = false;
            self.groups.iter_mut().for_each(|group| group.dirty = true);
            self.habits.iter_mut().for_each(|(_, habit)| habit.dirty = true);
        }
        if let Some(began) = self.began.filter(|_| !self.exported_began) {
            self.exported_began = true;
            changes.push(Change::Put(row("", "", began, None)));
        }
        for group in self.groups.iter_mut().filter(|group| group.dirty) {
            group.dirty = false;
            let mut detail = Vec::new();
            bytes::put(&mut detail, VERSION);
            group.hours.write(&mut detail);
            group.days.write(&mut detail);
            changes.push(Change::Put(row(&group.name, "group", group.first, Some(detail))));
        }
        for (key, habit) in self.habits.iter_mut().filter(|(_, habit)| habit.dirty) {
            habit.dirty = false;
            let member = format!("{key:016x}");
            let mut detail = Vec::new();
            bytes::put(&mut detail, VERSION);
            put_done(&mut detail, &habit.hour);
            put_done(&mut detail, &habit.day);
            changes.push(Change::Put(Row {
                last: habit.last,
                count: habit.days.into(),
                ..row(HABITS, &member, habit.first, Some(detail))
            }));
        }
        changes
    }

    /// Takes rows back. What would lie after `now` counts as now.
    pub fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        for row in rows {
            let first = row.first.min(now);
            if row.subject.is_empty() {
                self.began = Some(self.began.map_or(first, |began| began.min(first)));
                self.exported_began = true;
            } else if &*row.subject == HABITS {
                self.import_habit(&row, now);
            } else if let Some(group) = read_group(&row, first)
                && self.groups.len() < MOST_GROUPS
                && !self.index.contains_key(&row.subject)
            {
                for (of, into) in [(&group.hours, &mut self.pool.hours), (&group.days, &mut self.pool.days)] {
                    of.add_to(into);
                }
                self.index.insert(Arc::clone(&group.name), self.groups.len() as u32);
                self.groups.push(group);
            }
        }
    }

    fn import_habit(&mut self, row: &Row, now: Timestamp) {
        let read = || {
            let mut detail = Bytes(row.detail.as_deref()?);
            (detail.number()? == VERSION).then_some(())?;
            let (hour, day) = (read_done(&mut detail)?, read_done(&mut detail)?);
            Some((u64::from_str_radix(&row.member, 16).ok()?, hour, day))
        };
        let Some((key, hour, day)) = read().filter(|_| self.habits.len() < MOST_HABITS) else {
            return;
        };
        let habit = Habit {
            first: row.first.min(now),
            last: row.last.min(now),
            days: u32::try_from(row.count).unwrap_or(u32::MAX),
            dirty: false,
            hour,
            day,
        };
        self.habits
            .see_or_make(habit.last, &key, || habit, |habit| habit.days.into());
    }
}

fn row(subject: &str, member: &str, first: Timestamp, detail: Option<Vec<u8>>) -> Row {
    Row {
        subject: subject.into(),
        member: member.into(),
        first,
        last: first,
        count: 1,
        marks: 0,
        detail: detail.map(Into::into),
    }
}

fn read_group(row: &Row, first: Timestamp) -> Option<Group> {
    let mut detail = Bytes(row.detail.as_deref()?);
    (detail.number()? == VERSION).then_some(())?;
    let (hours, days) = (Census::read(&mut detail)?, Census::read(&mut detail)?);
    let mut group = Group::new(Arc::clone(&row.subject), first);
    (group.hours, group.days) = (hours, days);
    Some(group)
}

fn put_done(out: &mut Vec<u8>, done: &Done) {
    for value in [done.moments.count, done.moments.sum, done.moments.squares] {
        bytes::put_f32(out, value as f32);
    }
    bytes::put(out, done.most.into());
}

fn read_done(bytes: &mut Bytes<'_>) -> Option<Done> {
    Some(Done {
        moments: Moments {
            count: bytes.f32()?.into(),
            sum: bytes.f32()?.into(),
            squares: bytes.f32()?.into(),
        },
        most: u32::try_from(bytes.number()?).ok()?,
    })
}
