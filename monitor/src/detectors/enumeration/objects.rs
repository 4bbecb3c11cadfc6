//! Who asked for a thing: of an endpoint whose things are each asked for by one client, one that many ask for.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::doc::MOST_OBJECTS;
use crate::baseline::bits::{Bits, hash};
use crate::baseline::census::{Census, Moments};
use crate::baseline::recent::Recent;
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

const DAY: Duration = Duration::from_hours(24);
/// Endpoints that are learned.
const MOST_KINDS: usize = 1_024;
/// Things of an endpoint before anything is said of it.
const LEAST_THINGS: u32 = 5;
/// Below so many of them no line is below the other: one may be popular that was not asked for yet.
const FEW_THINGS: u32 = 300;
const POPULAR: u32 = 30;
/// Clients of a thing that is somebody's own: the owner at home and on the way.
const OWN: f64 = 2.0;
/// One of 100 things that have more, and so many at least, are those of everybody.
const LEAST_SHARED: u32 = 3;
/// Further clients of a thing, before anything is seen: one has some.
const PRIOR: (f64, f64, f64) = (20.0, 0.2, 0.4);
/// While nothing is learned no line is below this.
const UNLEARNED: u32 = 50;
/// Of things that everybody asks for so many are passed over for each that is counted.
const PASSED_OVER: u64 = 63;
/// Member of the rows.
const MEMBER: &str = "clients";

/// Clients by thing.
#[derive(Debug)]
pub(super) struct Objects {
    alpha: f64,
    kinds: FxHashMap<u64, Kind>,
    things: Recent<u64, Object>,
    evicted: u64,
    day_end: Timestamp,
}

/// Of an endpoint: how many clients a thing has in a day.
#[derive(Debug)]
struct Kind {
    endpoint: Arc<str>,
    census: Census,
    /// Everybody asks for them.
    is_shared: bool,
    line: u32,
    dirty: bool,
}

#[derive(Debug)]
struct Object {
    kind: u64,
    clients: Bits<1>,
    first: Timestamp,
    asked: u32,
    told: bool,
}

/// A thing that too many ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowded {
    pub(super) clients: u32,
    pub(super) line: u32,
    pub(super) expected: f64,
    pub(super) first: Timestamp,
    pub(super) asked: u32,
    pub(super) learning: bool,
}

impl Kind {
    fn new(endpoint: Arc<str>, alpha: f64) -> Self {
        let mut kind = Self {
            endpoint,
            census: Census::default(),
            is_shared: false,
            line: u32::MAX,
            dirty: false,
        };
        kind.settle(alpha);
        kind
    }

    /// Draws the line anew.
    fn settle(&mut self, alpha: f64) {
        self.is_shared = self.census.above(OWN) >= (self.census.count() / 100).max(LEAST_SHARED);
        self.line = if self.is_shared || self.census.count() < LEAST_THINGS {
            u32::MAX
        } else {
            let line = self.further().line(alpha, 1).saturating_add(1);
            // Of few things it is not known whether some are popular.
            if self.census.count() < FEW_THINGS {
                line.max(POPULAR)
            } else {
                line
            }
        };
    }

    /// What is expected beyond the first.
    fn further(&self) -> crate::baseline::census::Expected {
        let all = self.census.moments();
        let further = Moments {
            sum: all.sum - all.count,
            squares: all.squares - 2.0 * all.sum + all.count,
            ..all
        };
        further.and(Moments::prior(PRIOR.0, PRIOR.1, PRIOR.2)).expected(1.0)
    }
}

impl Objects {
    pub(super) fn new(alpha: f64) -> Self {
        Self {
            alpha,
            kinds: FxHashMap::default(),
            things: Recent::new(MOST_OBJECTS, DAY),
            evicted: 0,
            day_end: Timestamp::ZERO,
        }
    }

    /// `who` asks for `thing` of an endpoint.
    pub(super) fn see(
        &mut self,
        now: Timestamp,
        (group, endpoint): (u64, &Arc<str>),
        thing: u64,
        who: u64,
        learning: bool,
    ) -> Option<Crowded> {
        self.expire(now);
        let kind = if let Some(kind) = self.kinds.get(&group) {
            kind
        } else {
            if self.kinds.len() >= MOST_KINDS {
                return None;
            }
            let kind = Kind::new(Arc::clone(endpoint), self.alpha);
            self.kinds.entry(group).or_insert(kind)
        };
        if kind.is_shared && thing & PASSED_OVER != 0 {
            return None;
        }
        let object = self.things.see_or_make(
            now,
            &hash(&(thing, group)),
            || Object {
                kind: group,
                clients: Bits::default(),
                first: now,
                asked: 0,
                told: false,
            },
            |object| object.clients.ones().into(),
        );
        object.asked = object.asked.saturating_add(1);
        object.clients.add(who);
        let line = if learning { kind.line.max(UNLEARNED) } else { kind.line };
        if object.clients.ones() < Bits::<1>::ones_of(line) || kind.line == u32::MAX {
            return None;
        }
        object.told = true;
        Some(Crowded {
            clients: object.clients.count().max(line),
            line,
            expected: 1.0 + kind.further().mean,
            first: object.first,
            asked: object.asked,
            learning,
        })
    }

    /// Time has come to `now`: what a day has shown is learned.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if now < self.day_end {
            return;
        }
        let day = DAY.as_nanos() as u64;
        self.day_end = Timestamp::from_nanos((now.as_nanos() / day + 1).saturating_mul(day));
        for (_, object) in self.things.iter().filter(|(_, object)| !object.told) {
            if let Some(kind) = self.kinds.get_mut(&object.kind) {
                kind.census.add(object.clients.count());
                kind.dirty = true;
            }
        }
        self.evicted += self.things.evicted();
        self.things = Recent::new(MOST_OBJECTS, DAY);
        let alpha = self.alpha;
        self.kinds.values_mut().for_each(|kind| kind.settle(alpha));
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        (!self.things.is_empty()).then_some(self.day_end)
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted + self.things.evicted()
    }

    /// For the store: what changed, or all of it.
    pub(super) fn export_dirty(&mut self, anew: bool) -> Vec<Change> {
        let changed = self.kinds.values_mut().filter(|kind| kind.dirty || anew);
        let mut changes: Vec<Change> = changed
            .map(|kind| {
                kind.dirty = false;
                Change::Put(Row {
                    subject: Arc::clone(&kind.endpoint),
                    member: MEMBER.into(),
                    first: Timestamp::ZERO,
                    last: Timestamp::ZERO,
                    count: kind.census.count().into(),
                    marks: 0,
                    detail: Some(kind.census.detail().into()),
                })
            })
            .collect();
        // A table of hashes has no order of its own that would be the same in every run.
        changes.sort_by(|a, b| subject_of(a).cmp(&subject_of(b)));
        changes
    }

    /// Whether a row is one of these.
    pub(super) fn wrote(row: &Row) -> bool {
        &*row.member == MEMBER
    }

    pub(super) fn import(&mut self, rows: Vec<Row>, _now: Timestamp) {
        for row in rows {
            let census = row.detail.as_deref().and_then(Census::from_detail);
            if let Some(census) = census.filter(|_| self.kinds.len() < MOST_KINDS) {
                let mut kind = Kind::new(Arc::clone(&row.subject), self.alpha);
                kind.census = census;
                kind.settle(self.alpha);
                self.kinds.insert(hash(&*row.subject), kind);
            }
        }
    }
}

fn subject_of(change: &Change) -> Option<&str> {
    match change {
        Change::Put(row) => Some(&row.subject),
        Change::Remove { subject, .. } => Some(subject),
        Change::Clear => None,
    }
}
