//! Browsers that nobody had before: how many of them one source shows within a day, against what sources of several browsers
//! usually show.
//!
//! People behind one address have the browsers that others have, too, and come back to them; few are new to this host. A
//! program that makes its names up, or takes them from a long list, shows hardly anything else, and none of them often.

use std::time::Duration;

use super::doc::MOST_ROSTERS;
use crate::baseline::census::{Expected, Moments};
use crate::baseline::met::Met;
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

/// What counts together.
pub(super) const WINDOW: Duration = Duration::from_hours(24);
/// Windows are closed so often.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// Browsers of a source and window; with one more a window begins.
const MOST_NAMES: usize = 128;
/// What is supposed where nothing is learned: every other source of several browsers shows a new one, as of twenty.
const SUPPOSED: (f64, f64, f64) = (20.0, 0.5, 1.0);
/// What was learned weighs as much as so many windows at most.
const MOST_WINDOWS: f64 = 2_000.0;
/// A window is learned up to three times what is usual, and three more.
const CLIPPED: f64 = 3.0;
/// Who comes back to a browser more often than this has people: one change a name is a rotation, people make many.
const CHANGES_PER_NAME: usize = 4;
/// The row of what is usual in the store.
const USUAL: &str = "(usual)";

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// All browsers are new at first, and none counts.
    Meets,
    /// It learns how many are new.
    Learns,
    /// It tells who has too many.
    Judges,
}

/// A source is beyond its line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Excess {
    /// New ones, among so many beside the first.
    pub(super) fresh: u32,
    pub(super) names: u32,
    /// What is usual, and the line.
    pub(super) usual: f64,
    pub(super) line: u32,
}

/// Browsers of one source within a window: 600 bytes.
#[derive(Debug)]
struct Roster {
    began: Timestamp,
    /// Hashes of those beside the first.
    names: Vec<u32>,
    fresh: u32,
    /// How often another one came than before.
    changes: usize,
    /// It was beyond its line: none of its names is learned.
    excess: Option<Excess>,
}

impl Roster {
    fn new(now: Timestamp) -> Self {
        Self {
            began: now,
            names: Vec::new(),
            fresh: 0,
            changes: 0,
            excess: None,
        }
    }

    fn weight(&self) -> u64 {
        u64::from(self.fresh) + u64::from(self.excess.is_some()) * 1_000
    }
}

/// Sources with several browsers, and what is usual of them.
#[derive(Debug)]
pub(super) struct Fresh {
    alpha: f64,
    met: Met,
    rosters: Recent<Source, Roster>,
    usual: Moments,
    learned: Option<Timestamp>,
    next_sweep: Option<Timestamp>,
}

impl Fresh {
    pub(super) fn new(alpha: f64) -> Self {
        Self {
            alpha,
            met: Met::new("(browsers met)"),
            rosters: Recent::new(MOST_ROSTERS, WINDOW),
            usual: Moments::prior(SUPPOSED.0, SUPPOSED.1, SUPPOSED.2),
            learned: None,
            next_sweep: None,
        }
    }

    /// A source shows a browser, after another one where it `has_changed`. What it has too much of.
    pub(super) fn see(
        &mut self,
        now: Timestamp,
        source: Source,
        has_changed: bool,
        agent: u64,
        stage: Stage,
    ) -> Option<Excess> {
        let has_excess = || self.rosters.get(&source).is_some_and(|roster| roster.excess.is_some());
        let is_new = if self.met.has(agent) {
            false
        } else if has_excess() {
            true
        } else {
            self.met.add(agent)
        };
        if stage == Stage::Meets || !has_changed && (!is_new || self.rosters.get(&source).is_none()) {
            return None;
        }
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let roster = self
            .rosters
            .see_or_make(now, &source, || Roster::new(now), Roster::weight);
        let is_full = roster.names.len() >= MOST_NAMES && roster.excess.is_none();
        if is_full || roster.began + WINDOW <= now {
            close(&mut self.usual, &mut self.learned, roster, now);
        }
        roster.changes += 1;
        let name = (agent >> 32) as u32;
        if roster.names.contains(&name) {
            return roster.excess;
        }
        if roster.names.len() < MOST_NAMES {
            roster.names.push(name);
            roster.fresh += u32::from(is_new);
        }
        let names = roster.names.len();
        let is_odd = roster.fresh as usize * 2 > names && roster.changes <= names * CHANGES_PER_NAME;
        if is_new && is_odd && stage == Stage::Judges {
            let expected = expected(self.usual);
            let line = expected.line(self.alpha, 1);
            if roster.fresh >= line {
                roster.excess = Some(Excess {
                    fresh: roster.fresh,
                    names: u32::try_from(names).unwrap_or(u32::MAX),
                    usual: expected.mean,
                    line,
                });
            }
        }
        roster.excess
    }

    /// Closes the windows that are over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if self.next_sweep.is_none_or(|due| due > now) {
            return;
        }
        for (_, roster) in self.rosters.iter_mut() {
            if roster.began + WINDOW <= now {
                close(&mut self.usual, &mut self.learned, roster, now);
            }
        }
        self.rosters.expire(now);
        self.next_sweep = (!self.rosters.is_empty()).then(|| now + SWEEP_EVERY);
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    pub(super) fn evicted(&self) -> u64 {
        self.rosters.evicted()
    }

    pub(super) fn export(&mut self) -> Vec<Change> {
        let mut rows = self.met.export();
        if let Some(at) = self.learned.take() {
            let Moments { count, sum, squares } = self.usual;
            let numbers = [count, sum, squares].map(f64::to_be_bytes);
            rows.push(Change::Put(Row::of(USUAL, at, numbers.concat())));
        }
        rows
    }

    pub(super) fn import(&mut self, rows: &[Row]) {
        for row in rows {
            let Some(detail) = &row.detail else { continue };
            if &*row.subject == USUAL {
                let mut numbers = detail.as_chunks::<8>().0.iter().map(|bytes| f64::from_be_bytes(*bytes));
                let mut next = || numbers.next().filter(|number| number.is_finite() && *number >= 0.0);
                if let (Some(count), Some(sum), Some(squares)) = (next(), next(), next()) {
                    self.usual = Moments { count, sum, squares };
                }
            } else {
                self.met.restore(&row.subject, detail);
            }
        }
    }
}

/// What is expected of a source; of a scatter that is at least as great as if all rates were equally likely.
fn expected(usual: Moments) -> Expected {
    usual.expected(1.0)
}

/// A window is over: it is learned, unless it was told of.
fn close(usual: &mut Moments, learned: &mut Option<Timestamp>, roster: &mut Roster, now: Timestamp) {
    if roster.excess.is_none() && !roster.names.is_empty() {
        let fresh = f64::from(roster.fresh).min(CLIPPED * expected(*usual).mean + CLIPPED);
        *usual = usual.at_most(MOST_WINDOWS - 1.0).and(Moments {
            count: 1.0,
            sum: fresh,
            squares: fresh * fresh,
        });
        *learned = Some(now);
    }
    *roster = Roster::new(now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::bits::hash;

    fn at(hour: u64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + hour * 3_600)
    }

    fn fresh() -> Fresh {
        Fresh::new(1e-6)
    }

    fn shows(fresh: &mut Fresh, now: Timestamp, source: u32, agent: &str) -> Option<Excess> {
        fresh.see(now, Source::V4(source), true, hash(agent), Stage::Judges)
    }

    #[test]
    fn what_others_have_is_not_new_and_a_made_up_list_is() {
        let mut fresh = fresh();
        for n in 0..40 {
            fresh.see(at(0), Source::V4(n), false, hash(&format!("common {n}")), Stage::Meets);
        }
        for n in 0..40 {
            assert!(shows(&mut fresh, at(1), 500, &format!("common {n}")).is_none());
        }
        let told = (0..40).find_map(|n| shows(&mut fresh, at(1), 600, &format!("made up {n}")));
        let told = told.unwrap();
        assert!(told.fresh == told.line && told.names < 20, "{told:?}");
    }

    #[test]
    fn who_comes_back_to_them_has_people() {
        let mut fresh = fresh();
        for round in 0..16 {
            for n in 0..12 {
                let told = shows(&mut fresh, at(1), 600, &format!("{} {n}", round / 8));
                assert!(told.is_none(), "{round} {n}");
            }
        }
    }

    #[test]
    fn where_new_ones_are_usual_it_takes_more() {
        let (mut rare, mut usual) = (fresh(), fresh());
        for day in 0..20 {
            for n in 0..100 {
                for (fresh, share) in [(&mut rare, 0), (&mut usual, 5)] {
                    for k in 0..10 {
                        let name = if k < share {
                            format!("{day} {n} {k}")
                        } else {
                            k.to_string()
                        };
                        shows(fresh, at(day * 25), n, &name);
                    }
                }
            }
        }
        let count = |fresh: &mut Fresh| (0..100).position(|n| shows(fresh, at(600), 999, &format!("x{n}")).is_some());
        let (first, second) = (count(&mut rare).unwrap(), count(&mut usual).unwrap());
        assert!(first < 16 && second > 3 * first, "{first} {second}");
    }

    #[test]
    fn it_knows_after_a_restart_what_it_met() {
        let mut fresh = fresh();
        for n in 0..50 {
            shows(&mut fresh, at(0), n, &format!("name {n}"));
        }
        let rows: Vec<Row> = fresh
            .export()
            .into_iter()
            .map(|change| match change {
                Change::Put(row) => row,
                Change::Remove { .. } | Change::Clear => panic!("{change:?}"),
            })
            .collect();
        assert!(fresh.export().is_empty());
        let mut restarted = super::tests::fresh();
        restarted.import(&rows);
        for n in 0..50 {
            assert!(shows(&mut restarted, at(1), 77, &format!("name {n}")).is_none());
        }
    }
}
