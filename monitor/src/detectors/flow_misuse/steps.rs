//! The order of things: what usually comes before an endpoint in a visit, and how long before.
//!
//! A transition table in bounded memory: 255 endpoints, and of each how many of the visits in which it was asked for had had each
//! of the others before. All counts are halved every two weeks, so that what is usual follows the clients.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::baseline::beginning::Beginning;
use crate::baseline::bits::{Bits, hash};
use crate::config::Config;
use crate::time::Timestamp;

/// An endpoint, by its place in the table.
pub(super) type Step = u8;
/// None.
pub(super) const NO_STEP: Step = u8::MAX;
/// Endpoints.
pub(super) const MOST_STEPS: usize = NO_STEP as usize;
/// All counts are halved so often.
const FADE_EVERY: Duration = Duration::from_hours(24 * 14);
/// Visits before an order is known, and bits that their askers must have set: ten askers.
const FLOOR: u32 = 40;
const ASKERS: u32 = 9;
/// Visits before it is guessed what the step before in the flow is.
const NEAR: u32 = 10;
/// Times that it was done again in a visit, before an order of that is believed: what is supposed weighs much then.
const AGAIN: u32 = 5;
/// What comes before in so many visits is a step that is usual.
const USUAL: f64 = 0.85;
/// Of visits with the step so many go on to the next: they are one flow.
const FLOW: f64 = 0.4;
/// Of visits at the till so many go on, where it is one.
const TIGHT: f64 = 0.6;
/// Visits that are supposed to lack the step, and to be fast: what was never seen is not impossible.
const SUPPOSED: f64 = 2.0;
/// Intervals are kept by their binary logarithm in milliseconds.
const BINS: usize = 20;
/// Share of intervals that are the shortest there are.
const SHORTEST: f64 = 0.02;
/// From 2^10 ms on people are as fast: nobody reads a page and finds its button in less than a second.
const HASTE: usize = 10;

/// A row: visits in which the endpoint was asked for, and in how many each other one came before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) visits: u32,
    /// By step; as long as it needs to be.
    pub(super) before: Vec<u32>,
}

/// What is known of an endpoint. About 150 bytes, and 4 for each other endpoint, twice.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The endpoint, and whether those who show keys ask for it: programs have an order of their own.
    pub(super) name: (Arc<str>, bool),
    pub(super) first: Timestamp,
    /// For the first time in a visit, and again.
    pub(super) rows: [Row; 2],
    pub(super) askers: Bits<1>,
    /// Askers as they came, for the store.
    pub(super) asked: u64,
    /// Somebody logs in there.
    is_login: bool,
    /// Intervals from the request before, where it follows the flow.
    pub(super) intervals: [u32; BINS],
    usual: [Option<Usual>; 2],
    /// The step before it in the flow: where it was, the request follows the flow.
    near: Option<Step>,
    /// That of a flow that is hardly ever left: who is there goes on.
    tight: Option<Usual>,
    /// What takes less, milliseconds, is as fast as hardly any, and the share that is.
    fast: Option<(u32, f64)>,
    pub(super) dirty: bool,
}

/// What usually comes before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual {
    /// The one that is missing least, and the one of the same flow that is: they may be the same.
    pub(super) steps: [Step; 2],
    /// Share of visits without one of them.
    pub(super) missing: f64,
}

#[derive(Debug)]
pub(super) struct Steps {
    pub(super) beginning: Beginning,
    period: Duration,
    index: FxHashMap<u64, Step>,
    known: Vec<Known>,
    faded: Option<Timestamp>,
    left_out: u64,
}

impl Steps {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            beginning: Beginning::new(config),
            period: *config.learning.period,
            index: FxHashMap::default(),
            known: Vec::new(),
            faded: None,
            left_out: 0,
        }
    }

    /// Somebody logs in by this step.
    pub(super) fn note_login(&mut self, step: Step) {
        if let Some(known) = self.known.get_mut(usize::from(step)) {
            known.is_login = true;
        }
    }

    pub(super) fn is_login(&self, step: Step) -> bool {
        self.known.get(usize::from(step)).is_some_and(|known| known.is_login)
    }

    /// The place of an endpoint; those that are too many have none.
    pub(super) fn of(&mut self, now: Timestamp, endpoint: &Arc<str>, by_key: bool) -> Option<Step> {
        self.beginning.see(now);
        let key = hash(&(&**endpoint, by_key));
        if let Some(step) = self.index.get(&key) {
            return Some(*step);
        }
        let Some(step) = Step::try_from(self.known.len()).ok().filter(|step| *step != NO_STEP) else {
            self.left_out += 1;
            return None;
        };
        self.known.push(Known {
            name: (Arc::clone(endpoint), by_key),
            first: now,
            rows: Default::default(),
            askers: Bits::default(),
            asked: 0,
            is_login: false,
            intervals: [0; BINS],
            usual: [None; 2],
            near: None,
            tight: None,
            fast: None,
            dirty: true,
        });
        self.index.insert(key, step);
        Some(step)
    }

    pub(super) fn get(&self, step: Step) -> Option<&Known> {
        self.known.get(usize::from(step))
    }

    pub(super) fn get_mut(&mut self, step: Step) -> Option<&mut Known> {
        self.known.get_mut(usize::from(step))
    }

    /// The place of the endpoint with this hash.
    pub(super) fn named(&self, name: u64) -> Option<Step> {
        self.index.get(&name).copied()
    }

    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut Known> {
        self.known.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What usually comes before `step`, the first time or again.
    pub(super) fn usual(&self, step: Step, again: bool) -> Option<Usual> {
        self.get(step)?.usual[usize::from(again)]
    }

    /// The step before it in the flow.
    pub(super) fn near(&self, step: Step) -> Option<Step> {
        self.get(step)?.near
    }

    /// The step before, of a flow that is hardly ever left.
    pub(super) fn of_flow(&self, step: Step) -> Option<Usual> {
        self.get(step)?.tight
    }

    /// What takes less, milliseconds, is as fast as hardly any, and the share that is.
    pub(super) fn fast(&self, step: Step) -> Option<(u32, f64)> {
        self.get(step)?.fast
    }

    /// A visit had these steps before this one.
    pub(super) fn learn(&mut self, step: Step, again: bool, before: impl Iterator<Item = Step>, asker: u64) {
        let Some(known) = self.known.get_mut(usize::from(step)) else {
            return;
        };
        let row = &mut known.rows[usize::from(again)];
        for other in before {
            let other = usize::from(other);
            if row.before.len() <= other {
                row.before.resize(other + 1, 0);
            }
            row.before[other] = row.before[other].saturating_add(1);
        }
        row.visits = row.visits.saturating_add(1);
        if known.askers.add(asker) {
            known.asked |= 1 << ((asker >> 32) % 64);
        }
        known.dirty = true;
    }

    /// In a flow, the request before this one was so long ago.
    pub(super) fn learn_interval(&mut self, step: Step, millis: u32) {
        if let Some(known) = self.known.get_mut(usize::from(step)) {
            let count = &mut known.intervals[bin(millis)];
            *count = count.saturating_add(1);
        }
    }

    /// Works out what is usual now.
    pub(super) fn settle(&mut self, now: Timestamp) {
        if *self.faded.get_or_insert(now) + FADE_EVERY <= now {
            self.faded = Some(now);
            for known in &mut self.known {
                let rows = known.rows.iter_mut();
                let counts = rows.flat_map(|row| std::iter::once(&mut row.visits).chain(&mut row.before));
                counts.chain(&mut known.intervals).for_each(|count| *count /= 2);
                known.dirty = true;
            }
        }
        let is_over = self.beginning.is_over(now);
        let visits: Vec<u32> = self.known.iter().map(|known| known.rows[0].visits).collect();
        for (step, known) in self.known.iter_mut().enumerate() {
            let [first, again] = &known.rows;
            let near = flow(step, first, &visits)
                .or_else(|| least_missing(step, first, &visits))
                .filter(|_| first.visits >= NEAR)
                .map(|(near, _)| near);
            known.near = near;
            let is_old = is_over && known.first + self.period / 2 <= now;
            (known.usual, known.tight, known.fast) = ([None; 2], None, None);
            if !is_old || known.askers.ones() < ASKERS {
                continue;
            }
            known.fast = shortest(&known.intervals);
            known.usual = [usual(step, first, &visits, FLOOR), usual(step, again, &visits, AGAIN)];
            let gone_on = flow(step, first, &visits).filter(|(near, _)| {
                let of = |counts: &[u32]| f64::from(counts.get(usize::from(*near)).copied().unwrap_or(0));
                first.visits >= FLOOR && of(&first.before) >= TIGHT * of(&visits)
            });
            known.tight = gone_on.map(|(near, missing)| Usual {
                steps: [near; 2],
                missing,
            });
            // How often somebody does a thing again is a matter of taste, but where it is a flow.
            if again.visits < FLOOR {
                let flow = known.tight.map(|tight| tight.steps[1]);
                known.usual[1] = known.usual[1].filter(|usual| Some(usual.steps[1]) == flow);
            }
        }
    }

    /// Endpoints whose order is not known yet.
    pub(super) fn learning(&self, now: Timestamp) -> u64 {
        let learns = |known: &&Known| {
            known.rows[0].visits < FLOOR || known.first + self.period / 2 > now || !self.beginning.is_over(now)
        };
        self.known.iter().filter(learns).count() as u64
    }
}

fn usual(step: usize, row: &Row, visits: &[u32], floor: u32) -> Option<Usual> {
    (row.visits >= floor).then_some(())?;
    let (any, missing) = least_missing(step, row, visits)?;
    let (near, also) = flow(step, row, visits).unwrap_or((any, missing));
    Some(Usual {
        steps: [any, near],
        missing: if any == near { missing } else { missing + also },
    })
}

/// The step of the same flow that is nearest: missing least here, and gone on from most.
fn flow(step: usize, row: &Row, visits: &[u32]) -> Option<(Step, f64)> {
    let all = f64::from(row.visits);
    let each = row.before.iter().enumerate().filter(|(other, _)| *other != step);
    let near = each.filter_map(|(other, had)| {
        let (had, of) = (f64::from(*had), f64::from(visits.get(other).copied().unwrap_or(0)));
        (had >= USUAL * all && had >= FLOW * of).then(|| (other, had / all + (had / of.max(1.0)).min(1.0)))
    });
    let (other, _) = near.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    known(other, row)
}

/// The step that is missing least; of those alike the one that is asked for least.
fn least_missing(step: usize, row: &Row, visits: &[u32]) -> Option<(Step, f64)> {
    let rarity = |other: usize| std::cmp::Reverse(visits.get(other).copied().unwrap_or(0));
    let others = row.before.iter().enumerate().filter(|(other, _)| *other != step);
    let (other, had) = others.max_by_key(|(other, had)| (**had, rarity(*other)))?;
    (f64::from(*had) >= USUAL * f64::from(row.visits)).then(|| known(other, row))?
}

/// A step and the share of visits without it.
fn known(other: usize, row: &Row) -> Option<(Step, f64)> {
    let had = row.before.get(other).copied().unwrap_or(0);
    let all = f64::from(row.visits) + SUPPOSED;
    Some((
        Step::try_from(other).ok()?,
        (f64::from(row.visits.saturating_sub(had)) + SUPPOSED) / all,
    ))
}

/// Below which interval hardly any are, and how many are.
fn shortest(intervals: &[u32; BINS]) -> Option<(u32, f64)> {
    let all: f64 = intervals.iter().map(|count| f64::from(*count)).sum();
    if all < f64::from(FLOOR) {
        return None;
    }
    let mut below = 0.0;
    let mut edge = 0;
    for (number, count) in intervals.iter().enumerate() {
        let with = below + f64::from(*count);
        if with > SHORTEST * all || number >= HASTE {
            break;
        }
        (below, edge) = (with, number + 1);
    }
    let millis = 1u32.checked_shl(u32::try_from(edge).ok()?)?;
    // What no clock can tell apart from chance is no pace.
    (edge > 4).then_some((millis, (below + SUPPOSED) / (all + SUPPOSED)))
}

/// From 2^n to 2^(n+1) milliseconds; less than 2 is the first.
fn bin(millis: u32) -> usize {
    (millis.max(1).ilog2() as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> (Steps, [Step; 4]) {
        let config = Config::parse("[learning]\nperiod = \"0s\"", std::path::Path::new("monitor.toml")).unwrap();
        let mut steps = Steps::new(&config);
        let of = ["home", "login", "till", "pay"].map(|name| steps.of(Timestamp::ZERO, &name.into(), false).unwrap());
        (steps, of)
    }

    #[test]
    fn the_narrowest_step_before_is_the_usual_one() {
        let (mut steps, [home, login, till, pay]) = steps();
        for n in 0..200u64 {
            steps.learn(home, false, std::iter::empty(), hash(&n));
            steps.learn(login, false, [home].into_iter(), hash(&n));
            if n % 2 == 0 {
                steps.learn(till, false, [home, login].into_iter(), hash(&n));
                steps.learn(pay, false, [home, login, till].into_iter(), hash(&n));
            }
            steps.learn_interval(pay, 4_200 + 100 * n as u32);
        }
        steps.settle(Timestamp::from_secs(1));
        let usual = steps.usual(pay, false).unwrap();
        assert_eq!(usual.steps, [till; 2]);
        assert!((usual.missing - 2.0 / 102.0).abs() < 1e-9);
        let (millis, share) = steps.fast(pay).unwrap();
        assert!(millis == 1_024 && share < 0.02, "{millis} {share}");
        assert_eq!(steps.usual(pay, true), None, "nobody did it twice");
        assert_eq!(steps.of_flow(pay).unwrap().steps, [till; 2]);
        assert_eq!(steps.of_flow(till), None, "half of those who log in go on");
        assert_eq!(steps.usual(login, false).unwrap().steps, [home; 2]);
        assert_eq!(steps.usual(home, false), None);
    }

    // Whoever pays has logged in; some of those who come back in the middle have not been at the till.
    #[test]
    fn the_flow_counts_beside_what_everybody_does() {
        let (mut steps, [home, login, till, pay]) = steps();
        for n in 0..1_000u64 {
            steps.learn(login, false, [home].into_iter(), hash(&n));
            if n % 10 == 0 {
                let before = if n % 200 == 0 { vec![login] } else { vec![login, till] };
                steps.learn(till, false, [login].into_iter(), hash(&n));
                steps.learn(pay, false, before.into_iter(), hash(&n));
            }
        }
        steps.settle(Timestamp::from_secs(1));
        let usual = steps.usual(pay, false).unwrap();
        assert_eq!(usual.steps, [login, till]);
        assert!((usual.missing - (2.0 + 7.0) / 102.0).abs() < 1e-9, "{}", usual.missing);
        for n in 0..10 {
            steps.learn(pay, true, [till].into_iter(), hash(&n));
        }
        steps.settle(Timestamp::from_secs(2));
        let again = steps.usual(pay, true).unwrap();
        assert_eq!(again.steps, [till; 2], "nobody logs in twice");
        assert!((again.missing - 2.0 / 12.0).abs() < 1e-9, "{}", again.missing);
    }

    #[test]
    fn few_askers_and_many_ways_are_no_order() {
        let (mut steps, [home, login, till, pay]) = steps();
        for n in 0..400u64 {
            steps.learn(pay, false, [till].into_iter(), hash(&(n % 5)));
            let before = if n % 3 == 0 { home } else { login };
            steps.learn(till, false, [before].into_iter(), hash(&n));
        }
        steps.settle(Timestamp::from_secs(1));
        assert_eq!((steps.usual(pay, false), steps.usual(till, false)), (None, None));
    }

    #[test]
    fn rows_and_places_are_bounded() {
        let (mut steps, [home, .., pay]) = steps();
        for n in 0..100_000u64 {
            steps.learn(pay, false, [home].into_iter(), hash(&n));
            steps.learn_interval(pay, 5_000);
            steps.of(Timestamp::ZERO, &format!("GET /{n}").into(), false);
        }
        assert!(steps.len() == MOST_STEPS && steps.left_out() > 90_000);
        let known = steps.get(pay).unwrap();
        assert!(known.rows[0].visits == 100_000 && known.rows[0].before == [100_000]);
        for day in 0..15 {
            steps.settle(Timestamp::from_secs(day * 86_400));
        }
        assert_eq!(steps.get(pay).unwrap().rows[0].before, [50_000]);
    }
}
