//! Accounts and what is usual of them, as rows for the store.

use std::sync::Arc;

use super::AccountAnomaly;
use super::doc::MOST_ACCOUNTS;
use super::profile::Profile;
use super::usual::Usual;
use crate::baseline::bytes::{self, Bytes};
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

/// Subject of the sums; members of it are none. Accounts stand under another.
const SUMS: &str = "sums";
const ACCOUNTS: &str = "accounts";
/// How a detail is written.
const VERSION: u64 = 1;
/// Things of one kind that are read back.
const MOST: usize = 64;

impl AccountAnomaly {
    pub(super) fn export(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        if std::mem::take(&mut self.usual.dirty) {
            let mut out = Vec::new();
            bytes::put(&mut out, VERSION);
            for value in self.usual.counts.iter().chain([&self.usual.visits]) {
                bytes::put_f32(&mut out, *value as f32);
            }
            let (since, visits) = self.usual.since.unwrap_or((Timestamp::ZERO, 0.0));
            bytes::put_f32(&mut out, visits as f32);
            changes.push(Change::Put(row(SUMS, "", (since, since), 1, out)));
        }
        for (account, profile) in self.profiles.iter_mut().filter(|(_, profile)| profile.dirty) {
            profile.dirty = false;
            let mut out = Vec::new();
            bytes::put(&mut out, VERSION);
            for days in profile.hours {
                bytes::put(&mut out, days.into());
            }
            for known in [&profile.endpoints, &profile.programs, &profile.networks] {
                bytes::put(&mut out, known.len() as u64);
                for what in known {
                    bytes::put(&mut out, *what);
                }
            }
            let times = (profile.first, profile.last);
            changes.push(Change::Put(row(ACCOUNTS, account, times, profile.visits.into(), out)));
        }
        let gone = std::mem::take(&mut self.gone);
        changes.extend(gone.into_iter().map(|member| Change::Remove {
            subject: ACCOUNTS.into(),
            member,
        }));
        changes
    }

    pub(super) fn take_back(&mut self, rows: Vec<Row>, now: Timestamp) {
        for row in rows {
            let Some(detail) = row.detail.as_deref() else {
                continue;
            };
            if &*row.subject == SUMS {
                if let Some(usual) = read_usual(detail, row.first.min(now)) {
                    self.usual = usual;
                }
            } else if let Some(profile) = read_profile(detail, &row, now)
                && self.profiles.len() < MOST_ACCOUNTS
            {
                let last = profile.last;
                self.profiles
                    .see_or_make(last, &row.member, || profile, Profile::weight);
            }
        }
        if !self.profiles.is_empty() {
            self.next_sweep.get_or_insert(now + super::SWEEP_EVERY);
        }
    }
}

fn row(subject: &str, member: &str, (first, last): (Timestamp, Timestamp), count: u64, detail: Vec<u8>) -> Row {
    Row {
        subject: subject.into(),
        member: Arc::from(member),
        first,
        last,
        count,
        marks: 0,
        detail: Some(detail.into()),
    }
}

fn read_usual(detail: &[u8], since: Timestamp) -> Option<Usual> {
    let mut bytes = Bytes(detail);
    (bytes.number()? == VERSION).then_some(())?;
    let mut usual = Usual::default();
    for count in &mut usual.counts {
        *count = bytes.f32()?.into();
    }
    usual.visits = bytes.f32()?.into();
    let visits: f64 = bytes.f32()?.into();
    usual.since = (visits > 0.0).then_some((since, visits));
    Some(usual)
}

fn read_profile(detail: &[u8], row: &Row, now: Timestamp) -> Option<Profile> {
    let mut bytes = Bytes(detail);
    (bytes.number()? == VERSION).then_some(())?;
    let mut profile = Profile::new(row.first.min(now));
    profile.last = row.last.min(now);
    profile.visits = u32::try_from(row.count).unwrap_or(u32::MAX);
    profile.dirty = false;
    for days in &mut profile.hours {
        *days = bytes.at_most(usize::from(u8::MAX))? as u8;
    }
    for known in [&mut profile.endpoints, &mut profile.programs, &mut profile.networks] {
        for _ in 0..bytes.at_most(MOST)? {
            known.push(bytes.number()?);
        }
    }
    Some(profile)
}
