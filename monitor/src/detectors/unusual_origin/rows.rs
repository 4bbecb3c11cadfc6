//! What is learned, as rows for the store: two sets under a name each, and the sums.

use super::UnusualOrigin;
use super::origin::Share;
use crate::baseline::bytes::{self, Bytes};
use crate::baseline::census::Moments;
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

/// Before the subjects of the host's set, and of that of accounts.
const HERE: &str = "here/";
const WHO: &str = "who/";
/// Subject of the sums.
const SUMS: &str = "sums";
/// How a detail is written.
const VERSION: u64 = 1;

impl UnusualOrigin {
    pub(super) fn export(&mut self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        for (prefix, set) in [(HERE, &mut self.here), (WHO, &mut self.places)] {
            changes.extend(
                set.export_dirty()
                    .into_iter()
                    .filter_map(|change| under(prefix, change)),
            );
        }
        if std::mem::take(&mut self.sums_dirty) {
            changes.push(Change::Put(Row {
                subject: SUMS.into(),
                member: "".into(),
                first: Timestamp::ZERO,
                last: Timestamp::ZERO,
                count: 1,
                marks: 0,
                detail: Some(self.sums().into()),
            }));
        }
        changes
    }

    pub(super) fn take_back(&mut self, rows: Vec<Row>, now: Timestamp) {
        let (mut here, mut who) = (Vec::new(), Vec::new());
        for mut row in rows {
            if let Some(subject) = row.subject.strip_prefix(HERE) {
                row.subject = subject.into();
                here.push(row);
            } else if let Some(subject) = row.subject.strip_prefix(WHO) {
                row.subject = subject.into();
                who.push(row);
            } else if &*row.subject == SUMS {
                let _ = row.detail.as_deref().and_then(|detail| self.read_sums(detail));
            }
        }
        self.here.import(here, now);
        self.places.import(who, now);
        self.draw_rented();
    }

    fn sums(&self) -> Vec<u8> {
        let mut out = Vec::new();
        bytes::put(&mut out, VERSION);
        for moments in [self.clients, self.news[0], self.news[1]] {
            for value in [moments.count, moments.sum, moments.squares] {
                bytes::put_f32(&mut out, value as f32);
            }
        }
        for share in self.moves.iter().flatten().chain([&self.rented]) {
            bytes::put_f32(&mut out, share.of as f32);
            bytes::put_f32(&mut out, share.all as f32);
        }
        out
    }

    fn read_sums(&mut self, detail: &[u8]) -> Option<()> {
        let mut bytes = Bytes(detail);
        (bytes.number()? == VERSION).then_some(())?;
        let mut moments = [Moments::default(); 3];
        for moments in &mut moments {
            *moments = Moments {
                count: bytes.f32()?.into(),
                sum: bytes.f32()?.into(),
                squares: bytes.f32()?.into(),
            };
        }
        let mut shares = [Share::default(); 5];
        for share in &mut shares {
            *share = Share {
                of: bytes.f32()?.into(),
                all: bytes.f32()?.into(),
            };
        }
        let [clients, countries, networks] = moments;
        (self.clients, self.news) = (clients, [countries, networks]);
        let [a, b, c, d, rented] = shares;
        (self.moves, self.rented) = ([[a, b], [c, d]], rented);
        Some(())
    }
}

/// A set's row among those of several. That a set forgot more than it can name is not handed on, since it would clear the
/// rows of the others: what is old in the store is forgotten by its age when it comes back.
fn under(prefix: &str, change: Change) -> Option<Change> {
    match change {
        Change::Put(row) => Some(Change::Put(Row {
            subject: format!("{prefix}{}", row.subject).into(),
            ..row
        })),
        Change::Remove { subject, member } => Some(Change::Remove {
            subject: format!("{prefix}{subject}").into(),
            member,
        }),
        Change::Clear => None,
    }
}
