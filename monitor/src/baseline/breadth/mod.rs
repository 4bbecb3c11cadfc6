//! How many different things subjects ask for in an hour and in a day, against what one of them usually does and what this
//! one did before.
//!
//! Subjects (clients) are counted by group (an endpoint). Windows are those of the clock (UTC), so that what is done every
//! night falls into one of them. A window that is over teaches: the group how broad one client is, by what was accepted,
//! and divided among those who share an address; and, where a subject does more than most, its own habit. A window of
//! which an alert told teaches nothing.

mod entry;
mod group;
mod habit;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use self::entry::Entry;
pub use self::group::Window;
use self::group::{Group, Lines};
use self::habit::Habit;
use super::bits::Bits;
use super::recent::Recent;
use crate::time::Timestamp;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// Habits that are remembered, and for how long after they were last kept up.
const MOST_HABITS: usize = 4_096;
const KEEP_HABITS: Duration = Duration::from_hours(24 * 35);
/// Groups; what comes beyond counts as one, the first.
const MOST_GROUPS: usize = 1_024;
const OTHERS: &str = "*";
/// While nothing is learned no line is below this: far more than people do.
const UNLEARNED: u32 = 400;
/// Less than this is nobody's habit.
const LEAST_HABIT: u32 = 8;

/// What is expected of one before anything is seen: a few things, and some do twenty.
const PRIOR: (f64, f64, f64) = (10.0, 3.0, 30.0);
/// Members for which the other groups count, where a group has few of its own.
const POOLED: f64 = 30.0;

/// The risks that lines are drawn at, and the time that it takes to learn.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Of an hour of one subject.
    pub hour_alpha: f64,
    /// Of a day of one.
    pub day_alpha: f64,
    /// `[learning] period`.
    pub period: Duration,
    /// Subjects that are counted at a time.
    pub most: usize,
}

/// One thing asked for.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// When.
    pub now: Timestamp,
    /// By whom, a hash ([`super::bits::hash`]).
    pub subject: u64,
    /// Of what.
    pub group: &'a Arc<str>,
    /// A hash of the thing.
    pub thing: u64,
    /// Which of those behind the subject: a crowd may ask for more. A hash, 0 where it is one alone.
    pub member: u64,
    /// The server refused it.
    pub refused: bool,
    /// This sight is of one client of its own, which teaches what one does.
    pub teaches: bool,
    /// Hashes of all whose habit this may be.
    pub habits: [u64; 2],
}

/// A subject is beyond its line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// In which window.
    pub window: Window,
    /// Different things.
    pub count: u32,
    /// What is expected of one like it.
    pub expected: f64,
    /// The line.
    pub line: u32,
    /// Those behind it.
    pub crowd: u32,
    /// Whether one of them asked for most, and not it alone.
    pub one_of_them: Option<u64>,
    /// First sight in the window.
    pub first: Timestamp,
    /// Requests in the window, and those of them that were refused.
    pub asked: u32,
    /// Likewise.
    pub refused: u32,
    /// Nothing is learned yet.
    pub learning: bool,
    /// It has a habit, which allows for less.
    pub has_habit: bool,
}

/// The counts and what they are held against.
#[derive(Debug)]
pub struct Breadth {
    terms: Terms,
    began: Option<Timestamp>,
    exported_began: bool,
    groups: Vec<Group>,
    index: FxHashMap<Arc<str>, u32>,
    crowded_out: u64,
    /// Of all groups together.
    pool: Group,
    entries: Recent<u64, Entry>,
    evicted: u64,
    habits: Recent<u64, Habit>,
    /// Something that was exported is gone.
    is_stale: bool,
    /// End of the hour that is counted.
    hour_end: Timestamp,
}

impl Breadth {
    /// With nothing known.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            began: None,
            exported_began: false,
            groups: vec![Group::new(OTHERS.into(), Timestamp::ZERO)],
            index: FxHashMap::default(),
            crowded_out: 0,
            pool: Group::new("".into(), Timestamp::ZERO),
            entries: Recent::new(terms.most, DAY),
            evicted: 0,
            habits: Recent::new(MOST_HABITS, KEEP_HABITS),
            is_stale: false,
            hour_end: Timestamp::ZERO,
        }
    }

    /// Takes a sight in; says so where its subject is beyond its line.
    #[inline]
    pub fn see(&mut self, sight: &Sight<'_>) -> Option<Crossing> {
        if sight.now >= self.hour_end {
            self.turn(sight.now);
        }
        let entry = if let Some(entry) = self.entries.see(sight.now, &sight.subject) {
            entry
        } else {
            let (number, lines) = self.group(sight);
            self.entries.see_or_make(
                sight.now,
                &sight.subject,
                || Entry::new(sight, number, lines),
                Entry::weight,
            )
        };
        if !entry.add(sight) {
            return None;
        }
        self.judge(sight)
    }

    /// It was told of: this window is no habit, and teaches nothing.
    pub fn told(&mut self, crossing: &Crossing, subject: u64) {
        // The epoch is no sight of it.
        if let Some(entry) = self.entries.see(Timestamp::ZERO, &subject) {
            entry.tell(crossing.window);
        }
    }

    /// Time has come to `now`.
    pub fn expire(&mut self, now: Timestamp) {
        if now >= self.hour_end {
            self.turn(now);
        }
    }

    /// When [`Self::expire`] is wanted.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        (!self.entries.is_empty()).then_some(self.hour_end)
    }

    /// Groups that are learning.
    pub fn learning(&self, now: Timestamp) -> u64 {
        let learns = |group: &&Group| now < group.first + self.terms.period;
        self.groups.iter().skip(1).filter(learns).count() as u64
    }

    /// Whether nothing may be taken for known yet.
    pub fn is_learning(&self, now: Timestamp) -> bool {
        !self.terms.period.is_zero() && self.began.is_none_or(|began| now < began + self.terms.period)
    }

    /// Subjects, habits and groups that were given up.
    pub fn left_out(&self) -> [u64; 3] {
        [
            self.evicted + self.entries.evicted(),
            self.habits.evicted(),
            self.crowded_out,
        ]
    }

    fn group(&mut self, sight: &Sight<'_>) -> (u32, Lines) {
        let number = self.number_of(sight.now, sight.group);
        let learning = self.is_learning(sight.now);
        let lines = match self.groups.get_mut(number as usize) {
            Some(group) => group.lines(&self.pool, &self.terms, 1, learning),
            None => Lines::NONE,
        };
        (number, lines)
    }

    fn number_of(&mut self, now: Timestamp, name: &Arc<str>) -> u32 {
        self.began.get_or_insert(now);
        if let Some(number) = self.index.get(name) {
            return *number;
        }
        if self.groups.len() >= MOST_GROUPS {
            self.crowded_out += 1;
            return 0;
        }
        let number = self.groups.len() as u32;
        self.groups.push(Group::new(Arc::clone(name), now));
        self.index.insert(Arc::clone(name), number);
        number
    }

    /// A subject has reached the line that one client has: what is its own?
    #[cold]
    fn judge(&mut self, sight: &Sight<'_>) -> Option<Crossing> {
        let learning = self.is_learning(sight.now);
        let entry = self.entries.see(sight.now, &sight.subject)?;
        let group = self.groups.get_mut(entry.group as usize)?;
        let crowd = entry.crowd();
        if entry.is_judged_for(crowd, learning) {
            // Its lines are its own already.
        } else {
            let mut lines = group.lines(&self.pool, &self.terms, crowd, learning);
            let mut has_habit = false;
            for key in &sight.habits {
                if let Some(habit) = self
                    .habits
                    .get(key)
                    .filter(|habit| habit.is_one(sight.now, self.terms.period))
                {
                    has_habit = true;
                    lines = lines.or_higher(habit.lines(&self.terms));
                }
            }
            entry.judge(lines, crowd, learning, has_habit);
        }
        let window = entry.beyond()?;
        Some(entry.crossing(window, group.expected(&self.pool, window, crowd), learning))
    }

    /// Nothing comes any more, perhaps since the monitor is started anew: what somebody has done of this day is a habit like that
    /// of a day, once a day, else hosts that restart daily know of none.
    pub fn finish(&mut self) {
        let day = |at: Timestamp| at.as_nanos() / DAY.as_nanos() as u64;
        for (_, entry) in self.entries.iter() {
            if entry.was_told() || entry.day_count() < LEAST_HABIT {
                continue;
            }
            let last = entry.last();
            for key in entry.habits.into_iter().filter(|key| *key != 0) {
                let habit = self
                    .habits
                    .see_or_make(last, &key, || Habit::new(last), |habit| habit.days.into());
                if habit.days == 0 || day(habit.last) != day(last) {
                    habit.add(last, entry.most_in_hour(), entry.day_count());
                }
            }
        }
    }

    /// The hour is over, perhaps the day.
    #[cold]
    fn turn(&mut self, now: Timestamp) {
        let before = self.hour_end;
        let hour = now.as_nanos() / HOUR.as_nanos() as u64;
        self.hour_end = Timestamp::from_nanos((hour + 1).saturating_mul(HOUR.as_nanos() as u64));
        let is_new_day =
            before.saturating_sub(HOUR).as_nanos() / DAY.as_nanos() as u64 != now.as_nanos() / DAY.as_nanos() as u64;
        let mut kept = Vec::new();
        for (_, entry) in self.entries.iter_mut() {
            let Some(group) = self.groups.get_mut(entry.group as usize) else {
                continue;
            };
            // A partner that does far more every day is no measure of what others do.
            let has_habit = |key: &u64| *key != 0 && self.habits.get(key).is_some();
            let is_regular = entry.habits.iter().any(has_habit);
            let ended = [
                (Window::Hour, entry.end_hour()),
                (Window::Day, if is_new_day { entry.learned(Window::Day) } else { None }),
            ];
            for (window, count) in ended {
                if let Some(count) = count.filter(|count| !is_regular || !group.is_far(window, *count)) {
                    group.learn(window, count);
                    self.pool.learn(window, count);
                }
            }
            if is_new_day && !entry.was_told() && entry.day_count() >= LEAST_HABIT {
                kept.push((entry.habits, entry.most_in_hour(), entry.day_count(), entry.last()));
            }
        }
        let evicted = self.habits.evicted();
        for (keys, hour, day, last) in kept {
            for key in keys.into_iter().filter(|key| *key != 0) {
                let habit = self
                    .habits
                    .see_or_make(last, &key, || Habit::new(last), |habit| habit.days.into());
                habit.add(last, hour, day);
            }
        }
        if is_new_day {
            self.evicted += self.entries.evicted();
            self.entries = Recent::new(self.terms.most, DAY);
            let (count, evicted) = (self.habits.len(), evicted);
            self.habits.expire(now);
            self.is_stale |= self.habits.len() < count || self.habits.evicted() > evicted;
        }
        self.pool.forget_lines();
        self.groups.iter_mut().for_each(Group::forget_lines);
    }
}

/// Bits of an hour and a day: up to some 2,000 and 5,000 things.
type HourBits = Bits<8>;
type DayBits = Bits<16>;
