//! `unusual_origin`: clients from where none came before.

mod doc;
mod origin;
mod rows;
mod settings;
mod tell;
#[cfg(test)]
mod tests;
mod today;

pub use doc::DOC;
pub use settings::Settings;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use self::doc::{CLIENTS, MOST_ACCOUNTS, MOVES, SHARE};
use self::origin::{Kind, Share};
use self::tell::{Moved, Told};
use self::today::Today;
use super::{Detector, DetectorDoc};
use crate::baseline::census::{Expected, Moments};
use crate::baseline::first_seen::{FirstSeen, Limits, Mark, Terms, Verdict};
use crate::baseline::knowledge::{Knowledge, Sought};
use crate::baseline::occurrence::Occurrences;
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::tail::Line;
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::enrich::identity::attempt::Attempt;
use crate::enrich::identity::login::LoginOutcome;
use crate::enrich::identity::{Identity, IdentityKind, IdentitySource};
use crate::enrich::networks::{NetworkKind, Settings as Networks, Whereabouts};
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::{HttpRecord, HttpRole};
use crate::time::Timestamp;

const DAY: Duration = Duration::from_hours(24);
/// Sights of an account (days, and changes of place) before its places are known.
const FLOOR: u64 = 4;
/// What is believed before anything is seen: of an account's day, that it is spent in a country, or a network, where the
/// account never was; of a client, that it is the first of its country or network. With the weight of so many days and
/// clients.
const PEOPLE_MOVE: [f64; 2] = [0.003, 0.03];
const MACHINES_MOVE: [f64; 2] = [0.000_5, 0.003];
const DAYS: f64 = 200.0;
const NEW_HERE: [f64; 2] = [0.02, 0.02];
const CLIENTS_BELIEVED: f64 = 50.0;
/// Clients of new origins come in groups: variance by mean of their number in a day, and days that this is believed of.
const GROUPS: f64 = 4.0;
const DAYS_BELIEVED: f64 = 3.0;
/// An origin is told of from so many clients on.
const LEAST_CLIENTS: u32 = 5;
/// Share of rented machines before any is seen, and by how much it differs from day to day (the correlation of clients).
const RENTED: f64 = 0.02;
const RENTED_RHO: f64 = 0.02;
/// Occurrences at a time.
const MOST_OPEN: usize = 1_024;

/// The detector.
#[derive(Debug)]
pub struct UnusualOrigin {
    networks: Networks,
    /// Expected moves a week that may be told wrongly.
    moves_a_week: f64,
    clients_alpha: f64,
    share_alpha: f64,
    /// Where the host's clients come from: a sight is a client's day.
    here: FirstSeen,
    /// Where accounts and keys are used from.
    places: FirstSeen,
    lately: Recent<Arc<str>, Lately>,
    /// Days of accounts, and those on which one was where it never was; people's and machines', by kind.
    moves: [[Share; 2]; 2],
    /// Clients of a day, clients of new origins of a day (by kind), and the share of rented machines.
    clients: Moments,
    news: [Moments; 2],
    rented: Share,
    rented_line: Line,
    today: Today,
    day: u64,
    sums_dirty: bool,
    told: Occurrences<Arc<str>, Told>,
}

/// Where an account was the last time.
#[derive(Debug)]
struct Lately {
    source: Source,
    day: u64,
}

impl UnusualOrigin {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let period = *config.learning.period;
        let terms = |floor| Terms {
            period,
            floor,
            adopt: 3 * DAY,
            forget: 90 * DAY,
        };
        let limits = |subjects, members| Limits {
            subjects,
            members,
            total: subjects * members.min(8),
        };
        let share_alpha = budget.alpha(&SHARE, DOC.tests);
        Self {
            networks: config.networks.clone(),
            moves_a_week: budget.alpha(&MOVES, DOC.tests),
            clients_alpha: budget.alpha(&CLIENTS, DOC.tests),
            share_alpha,
            here: FirstSeen::new(
                Limits {
                    subjects: 2,
                    members: 8_192,
                    total: 16_384,
                },
                terms(30),
            ),
            places: FirstSeen::new(limits(MOST_ACCOUNTS, 64), terms(FLOOR)),
            lately: Recent::new(MOST_ACCOUNTS, 2 * DAY),
            moves: [[Share::default(); 2]; 2],
            clients: Moments::default(),
            news: [Moments::default(); 2],
            rented: Share::default(),
            rented_line: Line::new(RENTED, RENTED_RHO, share_alpha),
            today: Today::default(),
            day: 0,
            sums_dirty: false,
            told: Occurrences::new(MOST_OPEN, DOC.quiet),
        }
    }

    /// The first request of a client today.
    fn arrives(&mut self, now: Timestamp, place: &Whereabouts, record: &Arc<HttpRecord>) {
        self.today.all += 1;
        for kind in Kind::ALL {
            let Some(origin) = kind.of(place) else {
                continue;
            };
            match self.here.judge(now, kind.set(), &origin) {
                Verdict::Known | Verdict::Learning => self.here.note(now, kind.set(), &origin, Mark::Seen),
                // It is taken in when the day is over, so that its second client is still one of a new origin.
                Verdict::New | Verdict::Newcomer => {
                    let count = self.today.add_new(kind, &origin, now, record);
                    self.may_tell_origin(now, kind, &origin, count, record);
                }
            }
        }
        if matches!(place.kind, Some(NetworkKind::Hosting | NetworkKind::ResidentialProxy)) {
            self.today.add_rented(now, place.org.as_ref());
            self.may_tell_shift(now, record);
        }
    }

    /// How many clients of new origins a day has.
    fn of_new_origins(&self, kind: Kind) -> Expected {
        let a_day = self.clients.expected(1.0).mean.max(1.0) * self.is_new_here(kind);
        self.news[kind.at()]
            .and(Moments::prior(DAYS_BELIEVED, a_day, GROUPS * a_day))
            .expected(1.0)
    }

    /// The part of clients that are the first of their origin (Good and Turing): of those that were seen once, among all.
    fn is_new_here(&self, kind: Kind) -> f64 {
        let members = self.here.members(kind.set());
        let once = members.filter(|(_, member)| member.count == 1).count() as f64;
        // One more than was seen: of few clients little is known.
        let share = Share {
            of: once + 1.0,
            all: self.here.observations(kind.set()) as f64,
        };
        share.with(NEW_HERE[kind.at()], CLIENTS_BELIEVED)
    }

    fn may_tell_origin(&mut self, now: Timestamp, kind: Kind, origin: &Arc<str>, count: u32, record: &Arc<HttpRecord>) {
        if count < LEAST_CLIENTS {
            return;
        }
        let expected = self.of_new_origins(kind);
        let line = expected.line(self.clients_alpha, 1);
        let all = self.today.of_new(kind);
        if all < line {
            return;
        }
        // A country that is told says it of its networks, too.
        let country_told = || {
            let place = record.client.as_ref().and_then(|client| client.whereabouts.as_deref());
            let country = place.and_then(|place| Kind::Country.of(place));
            country.is_some_and(|country| self.today.new[0].get(&country).is_some_and(|new| new.told))
        };
        if kind == Kind::Network && country_told() {
            return;
        }
        let Some(new) = self.today.new[kind.at()].get_mut(origin) else {
            return;
        };
        new.told = true;
        let (clients, first, sample) = (new.clients, new.first, Arc::clone(&new.sample));
        let told = Told::origins(kind, origin, &self.today.told(), (all, line, expected.mean), sample);
        // A fleet of several countries is one: its actor stays the one that it began with.
        let key: Arc<str> = "new origins".into();
        let case = self.told.add(now, &key, || told.clone());
        if case.count == 1 {
            case.reach_back(first, u64::from(clients).saturating_sub(1));
            case.what = told;
        } else {
            case.what.renew(told);
        }
    }

    fn may_tell_shift(&mut self, now: Timestamp, record: &Arc<HttpRecord>) {
        if self.here.judge(now, Kind::Network.set(), "") == Verdict::Learning {
            return;
        }
        let line = self.rented_line.at(self.today.all);
        if self.today.rented < line {
            return;
        }
        self.today.shift_told = true;
        let Some((largest, of_it)) = self.today.largest() else {
            return;
        };
        let counts = (self.today.rented, self.today.all, line, self.rented_line.mean());
        let told = Told::shift(largest, of_it, counts, Arc::clone(record));
        let first = self.today.rented_first.unwrap_or(now);
        let key: Arc<str> = "rented machines".into();
        let case = self.told.add(now, &key, || told.clone());
        if case.count == 1 {
            case.reach_back(first, u64::from(self.today.rented).saturating_sub(1));
            case.what = told;
        } else {
            // Its actor stays the one that it began with, else each organization would be another alert.
            case.what.renew(told);
        }
    }

    /// An account or key is used where it was not used the last time, or for the first time today.
    fn is_used(&mut self, now: Timestamp, identity: &Identity, place: &Whereabouts, record: &Arc<HttpRecord>) {
        let is_key = identity.kind == IdentityKind::Key;
        let id: Arc<str> = format!("{}:{}", identity.kind.name(), identity.id).into();
        let mut moved = None;
        let known: Vec<String> = self
            .places
            .members(&id)
            .take(8)
            .map(|(name, _)| name.to_owned())
            .collect();
        for kind in Kind::ALL {
            let Some(origin) = kind.of(place) else {
                continue;
            };
            let verdict = self.places.judge(now, &id, &origin);
            let is_mature =
                matches!(verdict, Verdict::New) || verdict == Verdict::Known && self.places.observations(&id) > FLOOR;
            let before = self.moves[usize::from(is_key)][kind.at()];
            if is_mature {
                self.moves[usize::from(is_key)][kind.at()].add(verdict == Verdict::New);
            }
            let mut mark = Mark::Seen;
            if verdict == Verdict::New {
                let moves = before.with((if is_key { MACHINES_MOVE } else { PEOPLE_MOVE })[kind.at()], DAYS);
                let here = self.here.judge(now, kind.set(), &origin);
                let is_new_here = matches!(here, Verdict::New | Verdict::Newcomer);
                let chance = if is_new_here {
                    moves * self.is_new_here(kind)
                } else {
                    moves
                };
                // Days of such accounts a week: of those there are now.
                let a_week = 7.0 * self.active(is_key) * chance;
                if here != Verdict::Learning && a_week <= self.moves_a_week {
                    mark = Mark::Told;
                    moved = moved.or(Some(Moved {
                        kind,
                        origin: Arc::clone(&origin),
                        is_new_here,
                        a_week,
                        allowed: self.moves_a_week,
                    }));
                }
            }
            self.places.note(now, &id, &origin, mark);
        }
        if let Some(moved) = moved {
            let told = Told::moved(&moved, identity.actor(), known, Arc::clone(record));
            let case = self.told.add(now, &id, || told.clone());
            case.what = told;
        }
    }

    /// Accounts, or keys, that are used on a day.
    fn active(&self, is_key: bool) -> f64 {
        let lately = self.lately.iter().filter(|(id, lately)| {
            // Of today and yesterday; keys are told by their fingerprints.
            id.starts_with("key:") == is_key && lately.day + 1 >= self.day
        });
        (lately.count() as f64 / 2.0).max(1.0)
    }

    /// The day is over: what it had is known from now on.
    fn turn(&mut self, now: Timestamp, day: u64) {
        let is_first = std::mem::replace(&mut self.day, day) == 0;
        let today = std::mem::take(&mut self.today);
        self.today.left_out = today.left_out;
        if is_first || today.all == 0 {
            return;
        }
        let one = |value: f64| Moments {
            count: 1.0,
            sum: value,
            squares: value * value,
        };
        self.clients = self.clients.at_most(30.0).and(one(today.all.into()));
        for kind in Kind::ALL {
            let new = &today.new[kind.at()];
            let untold: u32 = new.values().filter(|new| !new.told).map(|new| new.clients).sum();
            self.news[kind.at()] = self.news[kind.at()].at_most(30.0).and(one(untold.into()));
            for (origin, new) in new {
                let mark = if new.told { Mark::Told } else { Mark::Seen };
                for _ in 0..new.clients.min(100) {
                    self.here.note(new.first, kind.set(), origin, mark);
                }
            }
        }
        if !today.shift_told {
            self.rented.of += f64::from(today.rented);
            self.rented.all += f64::from(today.all);
        }
        self.draw_rented();
        self.sums_dirty = true;
        self.here.expire(now);
        self.places.expire(now);
        self.lately.expire(now);
    }

    fn draw_rented(&mut self) {
        let share = self.rented.with(RENTED, CLIENTS_BELIEVED).min(0.99);
        self.rented_line = Line::new(share, RENTED_RHO.max(share / 10.0), self.share_alpha);
    }

    fn is_ours(&self, address: IpAddr, place: &Whereabouts) -> bool {
        place.kind == Some(NetworkKind::Internal) || self.networks.is_internal(address)
    }
}

impl Detector for UnusualOrigin {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, _findings: &mut Vec<Finding>) {
        let record = match observation {
            Observation::Transaction(record) => record,
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => return,
        };
        let Some(client) = record.client.as_ref().filter(|_| record.role == HttpRole::Server) else {
            return;
        };
        let Some(place) = client.whereabouts.as_deref() else {
            return;
        };
        let now = record.end();
        let day = now.as_nanos() / DAY.as_nanos() as u64;
        if day != self.day {
            self.turn(now, day);
        }
        let source = Source::from(client.ip);
        let is_answered = record.response.as_ref().is_some_and(|response| response.status < 400);
        // Who is refused teaches nothing of where clients come from.
        if is_answered && self.today.see(source) && !self.is_ours(client.ip, place) {
            self.arrives(now, place, record);
        }
        let Some(identity) = lasting(record) else {
            return;
        };
        if let Some(lately) = self.lately.see(now, &identity.id)
            && (lately.source, lately.day) == (source, day)
        {
            return;
        }
        if Attempt::of(record) == Some(Attempt::Accepted) && !self.is_ours(client.ip, place) {
            let lately = self
                .lately
                .see_or_make(now, &identity.id, || Lately { source, day }, |_| 0);
            (lately.source, lately.day) = (source, day);
            self.is_used(now, identity, place, record);
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.told.expire(now, |_, case| findings.push(tell::finding(case)));
    }

    fn finish(&mut self, _now: Timestamp, findings: &mut Vec<Finding>) {
        self.told.tell_all(|_, case| findings.push(tell::finding(case)));
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.told.next_timeout()
    }

    fn learning(&self, now: Timestamp) -> u64 {
        self.places.learning(now)
    }

    fn known(&self, now: Timestamp, subject: &Sought) -> Vec<Knowledge> {
        // Accounts and keys, by kind and id.
        let is_who = |who: &str| who.split_once(':').is_some_and(|(_, id)| subject.is(id));
        self.places.known(now, is_who, "origins", |_| false)
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        let (here, places) = (self.here.evictions(), self.places.evictions());
        vec![
            ("unusual_origin_clients", self.today.left_out),
            ("unusual_origin_origins_evicted", here.members),
            ("unusual_origin_accounts_evicted", places.subjects),
            ("unusual_origin_places_evicted", places.members),
            ("unusual_origin_occurrences_evicted", self.told.evicted()),
        ]
    }

    fn adopt(&mut self, from: Timestamp, until: Timestamp) -> u64 {
        self.here.adopt(from, until) + self.places.adopt(from, until)
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.export()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.take_back(rows, now);
    }
}

/// An account that is let in or named, else a key: what stays the same from day to day.
#[inline]
fn lasting(record: &HttpRecord) -> Option<&Identity> {
    if record.identity.is_empty() {
        return None;
    }
    let of = |kind| {
        record.identity.iter().find(move |identity| {
            identity.kind == kind
                && !identity.unproven
                && (identity.source != IdentitySource::Login || record.login == Some(LoginOutcome::Success))
        })
    };
    of(IdentityKind::Account).or_else(|| of(IdentityKind::Key))
}
