//! The ways between countries that credentials go faster than anybody travels, and how often: a carrier that takes its
//! customers' traffic home, or a provider of VPNs, shows by the many credentials on its way.

use std::sync::Arc;
use std::time::Duration;

use super::place::Place;
use crate::baseline::bytes::{self, Bytes};
use crate::baseline::first_seen::{FirstSeen, Limits, Mark, Terms, Verdict};
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::identity::IdentityKind;
use crate::time::Timestamp;

const DAY: Duration = Duration::from_hours(24);
const WEEK_S: f64 = 7.0 * 86_400.0;
/// Subjects of the set.
const COUNTRIES: &str = "countries";
const WAYS: &str = "ways";
/// Subject of the row with the sums, and how that is written.
const SUMS: &str = "(sums)";
const VERSION: u64 = 1;
/// A way that so many credentials have gone says nothing of the next.
const TRODDEN: u64 = 3;
/// Sights of credentials before countries are known.
const FLOOR: u64 = 30;
/// What is believed before anything is seen: credentials on lone ways, in a week; that one more journey follows, of people
/// and of machines, with the weight of so many journeys; and one credential that is the first of its country, of so many.
const A_WEEK: f64 = 1.0;
const FOLLOW: [f64; 2] = [0.5, 0.1];
const JOURNEYS_BELIEVED: f64 = 20.0;
const CREDENTIALS_BELIEVED: f64 = 50.0;
/// What is older weighs half.
const LONG_S: f64 = 8.0 * WEEK_S;
/// No line is beyond.
const MOST_TURNS: u32 = 1_000;

/// Who goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A token or session.
    People,
    /// A key.
    Machines,
}

impl Who {
    /// Nobody where people have an end at a rented machine, as VPNs have it: those are turned on and off all day.
    pub(super) fn of(kind: IdentityKind, from: &Place, to: &Place) -> Option<Self> {
        match kind {
            IdentityKind::Key => Some(Self::Machines),
            IdentityKind::Token | IdentityKind::Account | IdentityKind::Session => {
                (!from.is_rented() && !to.is_rented()).then_some(Self::People)
            }
        }
    }

    const fn at(self) -> usize {
        match self {
            Self::People => 0,
            Self::Machines => 1,
        }
    }
}

/// Journeys of credentials on ways that hardly any other went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lone {
    /// Credentials that began.
    pub(super) began: f64,
    /// Those of them that did when the ways were learned: at first all of them are new.
    pub(super) late: f64,
    /// Journeys after the first of each.
    pub(super) further: f64,
}

impl Lone {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            began: self.began + other.began,
            late: self.late + other.late,
            further: self.further + other.further,
        }
    }
}

/// What is known of all of them.
#[derive(Debug)]
pub(super) struct Ways {
    seen: FirstSeen,
    lone: [Lone; 2],
    /// When it had learned.
    since: Option<Timestamp>,
    dirty: bool,
}

impl Ways {
    pub(super) fn new(config: &Config) -> Self {
        let limits = Limits {
            subjects: 2,
            members: 2_048,
            total: 4_096,
        };
        let terms = Terms {
            period: *config.learning.period,
            floor: FLOOR,
            adopt: 3 * DAY,
            forget: 90 * DAY,
        };
        Self {
            seen: FirstSeen::new(limits, terms),
            lone: [Lone::default(); 2],
            since: None,
            dirty: false,
        }
    }

    /// A credential turns up that was not used for an hour. People are in no country of the machines that they rent.
    pub(super) fn arrives(&mut self, now: Timestamp, kind: IdentityKind, place: &Place) {
        if kind != IdentityKind::Key && place.is_rented() {
            return;
        }
        if let Some(country) = place.country() {
            self.seen.note(now, COUNTRIES, country, Mark::Seen);
        }
        if self.since.is_none() && !self.is_learning(now) {
            (self.since, self.dirty) = (Some(now), true);
        }
    }

    /// What the way between two places is called, in both directions.
    pub(super) fn name(from: &Place, to: &Place) -> Option<Arc<str>> {
        let (from, to) = (from.country()?, to.country()?);
        let (a, b) = if from <= to { (from, to) } else { (to, from) };
        Some(format!("{a}-{b}").into())
    }

    /// Whether hardly any other credential went this way.
    pub(super) fn is_lone(&self, way: &str) -> bool {
        let count = |(name, member): (&str, &crate::baseline::first_seen::Member)| {
            (name == way && member.mark == Mark::Seen).then_some(member.count)
        };
        self.seen.members(WAYS).find_map(count).unwrap_or(0) < TRODDEN
    }

    /// A credential goes a way for the first time; `is_lone`: for the first time any such.
    pub(super) fn begins(&mut self, now: Timestamp, way: &str, who: Who, is_lone: bool) -> Lone {
        self.seen.note(now, WAYS, way, Mark::Seen);
        let part = |is_so: bool| f64::from(u8::from(is_so));
        let began = Lone {
            began: part(is_lone),
            late: part(is_lone && self.since.is_some()),
            further: 0.0,
        };
        self.add(who, began);
        began
    }

    /// It goes on to and fro.
    pub(super) fn goes_on(&mut self, who: Who) -> Lone {
        let further = Lone {
            further: 1.0,
            ..Lone::default()
        };
        self.add(who, further);
        further
    }

    fn add(&mut self, who: Who, more: Lone) {
        self.lone[who.at()] = self.lone[who.at()].and(more);
        self.dirty = true;
    }

    /// What it did is told: it teaches nothing.
    pub(super) fn takes_back(&mut self, who: Who, lone: Lone) {
        self.lone[who.at()] = self.without(who, lone);
        self.dirty = true;
    }

    fn without(&self, who: Who, own: Lone) -> Lone {
        let all = self.lone[who.at()];
        Lone {
            began: (all.began - own.began).max(0.0),
            late: (all.late - own.late).max(0.0),
            further: (all.further - own.further).max(0.0),
        }
    }

    pub(super) fn is_learning(&self, now: Timestamp) -> bool {
        self.seen.judge(now, COUNTRIES, "") == Verdict::Learning
    }

    /// Whether no credential ever came from the country of this place.
    pub(super) fn is_nobodys(&self, now: Timestamp, place: &Place) -> bool {
        let verdict = |country| self.seen.judge(now, COUNTRIES, country);
        place
            .country()
            .is_some_and(|country| matches!(verdict(country), Verdict::New | Verdict::Newcomer))
    }

    /// Credentials of a week that begin such journeys on lone ways, but for what one taught.
    pub(super) fn a_week(&self, now: Timestamp, who: Who, own: Lone) -> f64 {
        let weeks = self.since.map_or(0.0, |since| now.since(since).as_secs_f64() / WEEK_S);
        (self.without(who, own).late + A_WEEK) / (weeks + 1.0)
    }

    /// The chance that a credential is the first of its country: of those that were seen once, among all (Good and Turing).
    pub(super) fn first_of_country(&self) -> f64 {
        let members = self.seen.members(COUNTRIES);
        let once = members.filter(|(_, member)| member.count == 1).count() as f64;
        (once + 1.0) / (self.seen.observations(COUNTRIES) as f64 + CREDENTIALS_BELIEVED)
    }

    /// How many journeys of a credential on lone ways a day chance does not explain, by what others taught.
    pub(super) fn line(&self, now: Timestamp, who: Who, own: Lone, alpha: f64) -> u32 {
        let Lone { began, further, .. } = self.without(who, own);
        let follows = (further + FOLLOW[who.at()] * JOURNEYS_BELIEVED) / (began + further + JOURNEYS_BELIEVED);
        let (first, follows) = (self.a_week(now, who, own), follows.min(0.99));
        let turns = (alpha / first).ln() / follows.ln();
        (2..MOST_TURNS)
            .find(|turns_in_all| f64::from(turns_in_all - 1) >= turns)
            .unwrap_or(MOST_TURNS)
    }

    /// Forgets what was long ago.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.seen.expire(now);
        if let Some(since) = self.since
            && now.since(since).as_secs_f64() > LONG_S
        {
            self.since = Some(since + now.since(since) / 2);
            for lone in &mut self.lone {
                *lone = Lone {
                    began: lone.began / 2.0,
                    late: lone.late / 2.0,
                    further: lone.further / 2.0,
                };
            }
            self.dirty = true;
        }
    }

    pub(super) fn export(&mut self) -> Vec<Change> {
        let mut changes = self.seen.export_dirty();
        self.dirty |= changes.contains(&Change::Clear);
        if let (true, Some(since)) = (std::mem::take(&mut self.dirty), self.since) {
            let mut detail = Vec::new();
            bytes::put(&mut detail, VERSION);
            for lone in self.lone {
                for value in [lone.began, lone.late, lone.further] {
                    bytes::put_f32(&mut detail, value as f32);
                }
            }
            changes.push(Change::Put(Row::of(SUMS, since, detail)));
        }
        changes
    }

    pub(super) fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        let (sums, seen): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| &*row.subject == SUMS);
        for row in sums {
            let read = |detail: &[u8]| {
                let mut bytes = Bytes(detail);
                (bytes.number()? == VERSION).then_some(())?;
                let mut lone = [Lone::default(); 2];
                for lone in &mut lone {
                    *lone = Lone {
                        began: bytes.f32()?.into(),
                        late: bytes.f32()?.into(),
                        further: bytes.f32()?.into(),
                    };
                }
                Some(lone)
            };
            if let Some(lone) = row.detail.as_deref().and_then(read) {
                (self.lone, self.since) = (lone, Some(row.first.min(now)));
            }
        }
        self.seen.import(seen, now);
    }

    pub(super) fn evicted(&self) -> u64 {
        self.seen.evictions().members
    }
}
