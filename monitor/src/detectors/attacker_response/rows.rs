//! Those who left faces behind, as rows for the store: who changes once an hour is known after a restart.

use std::sync::Arc;
use std::time::Duration;

use super::AttackerResponse;
use super::subject::{Counts, Subject};
use crate::alert::{Actor, ActorKind};
use crate::baseline::asker::Asker;
use crate::baseline::bytes::{self, Bytes};
use crate::baseline::{Change, Row};
use crate::enrich::fingerprint::Fingerprint;
use crate::protocol::taps::FieldOrder;
use crate::record::HttpVersion;
use crate::time::Timestamp;

/// Subjects of rows: the three tables.
const IDENTITIES: &str = "identity";
const SOURCES: &str = "source";
const PROGRAMS: &str = "program";
/// How a detail is written.
const VERSION: u64 = 1;
const HOUR: Duration = Duration::from_hours(1);

impl AttackerResponse {
    pub(super) fn export(&mut self) -> Vec<Change> {
        let mut changes = self.beginning.export_dirty();
        changes.extend(self.gone.drain(..).map(|(subject, member)| Change::Remove {
            subject: subject.into(),
            member,
        }));
        let identities = self
            .identities
            .iter_mut()
            .map(|(_, known)| (IDENTITIES, member(&known.actor), known));
        let sources = self
            .sources
            .iter_mut()
            .map(|(_, known)| (SOURCES, member(&known.actor), known));
        let programs = self
            .programs
            .iter_mut()
            .map(|(program, known)| (PROGRAMS, Some(written(program)), known));
        for (subject, member, known) in identities.chain(sources).chain(programs) {
            if !known.dirty {
                continue;
            }
            known.dirty = false;
            if let Some(member) = member {
                known.stored = true;
                changes.push(Change::Put(row(subject, member.into(), known)));
            }
        }
        changes
    }

    pub(super) fn take_back(&mut self, rows: &[Row], now: Timestamp) {
        let (own, others): (Vec<_>, Vec<_>) = rows.iter().cloned().partition(|row| row.subject.is_empty());
        self.beginning.import(&own, now);
        for row in &others {
            let Some(subject) = read(row, now) else { continue };
            let last = subject.last;
            match &*row.subject {
                IDENTITIES => {
                    if let Some(asker) = Asker::parse(&row.member) {
                        self.identities
                            .see_or_make(last, &asker.key(), || subject, Subject::weight);
                    }
                }
                SOURCES => {
                    if let Some(Asker::Address(address)) = Asker::parse(&row.member) {
                        self.sources
                            .see_or_make(last, &address.into(), || subject, Subject::weight);
                    }
                }
                PROGRAMS => {
                    if let Some(program) = program(&row.member) {
                        self.programs.see_or_make(last, &program, || subject, Subject::weight);
                    }
                }
                _ => {}
            }
        }
        if !self.is_empty() {
            self.next_sweep.get_or_insert(now + super::SWEEP_EVERY);
        }
    }

    /// Notes rows that stand for nothing any more.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let is_over = |known: &Subject| known.stored && known.last + super::KEEP <= now;
        let named =
            |table: &'static str, known: &Subject| member(&known.actor).map(|member| (table, Arc::from(member)));
        let identities = self.identities.iter().filter(|(_, known)| is_over(known));
        let sources = self.sources.iter().filter(|(_, known)| is_over(known));
        let programs = self.programs.iter().filter(|(_, known)| is_over(known));
        let gone: Vec<(&'static str, Arc<str>)> = identities
            .filter_map(|(_, known)| named(IDENTITIES, known))
            .chain(sources.filter_map(|(_, known)| named(SOURCES, known)))
            .chain(programs.map(|(program, _)| (PROGRAMS, written(program).into())))
            .collect();
        // Nobody may ever ask for them: then they must not grow either.
        let room = super::MOST_GONE.saturating_sub(self.gone.len());
        self.gone.extend(gone.into_iter().take(room));
    }
}

/// An identity or address as [`Asker`] writes it.
fn member(actor: &Actor) -> Option<String> {
    let kind = match actor.kind {
        ActorKind::Account => "account",
        ActorKind::Key => "key",
        ActorKind::Token => "token",
        ActorKind::Session => "session",
        ActorKind::Ip => "ip",
        ActorKind::Network => {
            // A line of IPv6 is known by any address of it.
            let (address, _) = actor.id.split_once('/')?;
            return Some(format!("ip {address}"));
        }
        ActorKind::Fingerprint
        | ActorKind::Asn
        | ActorKind::Organization
        | ActorKind::Country
        | ActorKind::UserAgent
        | ActorKind::Process => return None,
    };
    Some(format!("{kind} {}", actor.id))
}

fn written(program: &Fingerprint) -> String {
    program.to_string()
}

fn program(text: &str) -> Option<Fingerprint> {
    let (version, order) = text.split_once(':')?;
    let version = match version {
        "h10" => HttpVersion::Http10,
        "h1" => HttpVersion::Http11,
        "h2" => HttpVersion::Http2,
        _ => return None,
    };
    let order = FieldOrder::from_number(u64::from_str_radix(order, 16).ok()?);
    Some(Fingerprint { version, order })
}

fn row(subject: &str, member: Arc<str>, known: &mut Subject) -> Row {
    let counts = known.counts(known.last);
    let mut detail = Vec::new();
    bytes::put(&mut detail, VERSION);
    for count in [
        known.arrived,
        counts.refused,
        counts.left[0],
        counts.left[1],
        counts.arrived,
    ] {
        bytes::put(&mut detail, count.into());
    }
    bytes::put(&mut detail, known.times.len() as u64);
    for time in &known.times {
        bytes::put_f32(&mut detail, *time);
    }
    Row {
        subject: subject.into(),
        member,
        first: known.first,
        last: known.last,
        count: counts.left[1].into(),
        marks: 0,
        detail: Some(detail.into()),
    }
}

/// What a row says: all of the day as if it had been in its last hour.
fn read(row: &Row, now: Timestamp) -> Option<Subject> {
    let mut bytes = Bytes(row.detail.as_deref()?);
    (bytes.number()? == VERSION).then_some(())?;
    let mut number = || u32::try_from(bytes.number()?).ok();
    let (arrived, counts) = (
        number()?,
        Counts {
            refused: number()?,
            left: [number()?, number()?],
            arrived: number()?,
        },
    );
    let actor = match &*row.subject {
        PROGRAMS => Actor {
            kind: ActorKind::Fingerprint,
            id: Arc::clone(&row.member),
        },
        _ => Asker::parse(&row.member)?.actor(),
    };
    let last = row.last.min(now);
    let mut known = Subject::new(row.first.min(now), actor);
    (known.last, known.arrived, known.stored) = (last, arrived, true);
    *known.window.at(last) = Counts { arrived: 0, ..counts };
    // New faces of the day are spread over it.
    known.window.at(last).arrived = counts.arrived / u32::try_from(super::KEEP.as_secs() / HOUR.as_secs()).unwrap_or(1);
    for _ in 0..bytes.at_most(16)? {
        known.times.push(bytes.f32()?);
    }
    Some(known)
}
