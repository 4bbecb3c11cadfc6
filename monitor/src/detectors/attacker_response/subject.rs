//! Somebody who was refused: under which faces he comes, and which of them he has left.

use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use super::refusal::{Answer, BLOCK};
use crate::alert::Actor;
use crate::baseline::sliding::Sliding;
use crate::baseline::tail::beta_binomial;
use crate::finding::occurrence::Occurrence;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// Times within which a change follows a refusal: as a program does it, and as a person may.
pub(super) const WITHIN: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(15)];
/// A face that was not seen for so long is new; and one that comes back within it has only waited.
const GAP: Duration = Duration::from_mins(10);
/// The window, in hours.
const HOUR: Duration = Duration::from_hours(1);
const HOURS: usize = 24;
/// Faces that are remembered.
const MOST_FACES: usize = 8;
/// Changes of which it is not known yet whether the face that was left comes back.
const MOST_OPEN: usize = 24;
/// Changes whose reaction times are kept, and that are shown.
const MOST_TIMES: usize = 16;
const MOST_SAMPLES: usize = 4;
/// New faces that are supposed, over this time.
const SUPPOSED: f64 = 1.0;
const SUPPOSED_S: f64 = 3_600.0;
/// How alike the changes of one subject are: refusals and crowds come together.
const RHO: f64 = 0.03;

/// What is counted of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Faces that were refused.
    pub(super) refused: u32,
    /// Of which were left, within each of [`WITHIN`].
    pub(super) left: [u32; 2],
    /// New faces that followed no refusal.
    pub(super) arrived: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.refused += other.refused;
        self.arrived += other.arrived;
        for (sum, more) in self.left.iter_mut().zip(other.left) {
            *sum += more;
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Face {
    hash: u64,
    last: Timestamp,
    /// How clearly it was refused since something was given to it.
    refused: u8,
    /// Since when it is, and not left.
    blocked: Option<Timestamp>,
}

/// A change, as long as the face that was left may come back.
#[derive(Clone, Copy, Debug)]
struct Change {
    left: u64,
    to: u64,
    at: Timestamp,
    took: f32,
    /// Which of [`WITHIN`] hold.
    within: [bool; 2],
    /// The new face got further than the one that was left: only then it counts.
    goes_on: bool,
}

/// About 700 bytes.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) actor: Actor,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) window: Sliding<Counts, HOURS>,
    /// New faces of all the time that followed no refusal.
    pub(super) arrived: u32,
    faces: Vec<Face>,
    open: Vec<Change>,
    /// Reaction times, seconds, the latest last.
    pub(super) times: Vec<f32>,
    pub(super) samples: Vec<Arc<HttpRecord>>,
    /// Where it was refused latest.
    pub(super) endpoint: Option<Arc<str>>,
    pub(super) occurrence: Occurrence,
    pub(super) dirty: bool,
    pub(super) stored: bool,
}

/// A request of a subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) face: u64,
    pub(super) answer: Answer,
    pub(super) record: &'a Arc<HttpRecord>,
    /// It is somebody known who has changed, once: no change of the program.
    pub(super) explained: bool,
}

impl Seen<'_> {
    /// Whether the server went into what was asked: it is no block, nor silence or an error.
    fn is_answered(&self) -> bool {
        let status = self.record.response.as_ref().map_or(0, |response| response.status);
        self.answer != Answer::Refused(BLOCK) && (100..500).contains(&status)
    }
}

/// Changes that chance does not explain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Excess {
    pub(super) within: Duration,
    pub(super) refused: u32,
    pub(super) left: u32,
    /// The smallest number of changes that is told of so many refusals.
    pub(super) line: u32,
    /// Seconds between new faces that follow no refusal.
    pub(super) usual_s: f64,
}

impl Subject {
    pub(super) fn new(now: Timestamp, actor: Actor) -> Self {
        Self {
            actor,
            first: now,
            last: now,
            window: Sliding::new(HOUR),
            arrived: 0,
            faces: Vec::new(),
            open: Vec::new(),
            times: Vec::new(),
            samples: Vec::new(),
            endpoint: None,
            occurrence: Occurrence::new(now),
            dirty: false,
            stored: false,
        }
    }

    /// One more request. Whether it goes on under a new face, after another was refused.
    pub(super) fn see(&mut self, seen: Seen<'_>) -> bool {
        let (start, end) = (seen.record.start, seen.record.end());
        self.last = self.last.max(end);
        if !self.open.is_empty() {
            self.comes_back(start, seen.face);
        }
        let known = self.faces.iter().position(|face| face.hash == seen.face);
        let is_new = known.is_none_or(|at| self.faces[at].last + GAP <= start);
        if is_new && !self.faces.is_empty() {
            self.arrives(start, seen);
        }
        let at = known.unwrap_or_else(|| self.meet(seen.face, end));
        let face = &mut self.faces[at];
        face.last = face.last.max(end);
        match seen.answer {
            Answer::Refused(more) => {
                face.refused = face.refused.saturating_add(more);
                if face.refused >= BLOCK {
                    if face.blocked.is_none() {
                        self.window.at(end).refused += 1;
                    }
                    face.blocked = Some(end);
                    let request = seen.record.request.as_ref();
                    self.endpoint = request.and_then(|request| request.endpoint.clone());
                }
            }
            Answer::Given => (face.refused, face.blocked) = (0, None),
            Answer::Other => {}
        }
        if seen.explained {
            self.open.retain(|change| change.to != seen.face || change.goes_on);
            return false;
        }
        !self.open.is_empty() && seen.is_answered() && self.goes_on(seen)
    }

    /// A new face appears: it follows the one that was refused latest and is silent, or none.
    fn arrives(&mut self, now: Timestamp, seen: Seen<'_>) {
        let refused = self.faces.iter_mut().filter(|face| face.hash != seen.face);
        let left = refused
            .filter(|face| face.blocked.is_some_and(|blocked| now < blocked + WITHIN[1]))
            .max_by_key(|face| face.blocked);
        let Some((face, blocked)) = left.and_then(|face| face.blocked.take().map(|blocked| (face, blocked))) else {
            self.arrived = self.arrived.saturating_add(1);
            self.window.at(now).arrived += 1;
            return;
        };
        let hash = face.hash;
        // It may be refused anew, and left again.
        face.refused = 0;
        let took = now.since(blocked);
        let change = Change {
            left: hash,
            to: seen.face,
            at: now,
            took: took.as_secs_f32(),
            within: WITHIN.map(|within| took < within),
            goes_on: false,
        };
        if self.open.len() >= MOST_OPEN {
            let oldest = self.open.remove(0);
            self.settle(oldest);
        }
        self.open.push(change);
    }

    /// The new face is answered otherwise than with a block.
    fn goes_on(&mut self, seen: Seen<'_>) -> bool {
        let change = self
            .open
            .iter_mut()
            .rfind(|change| change.to == seen.face && !change.goes_on);
        let Some(change) = change else { return false };
        change.goes_on = true;
        let took = change.took;
        keep(&mut self.times, took, MOST_TIMES);
        keep(&mut self.samples, Arc::clone(seen.record), MOST_SAMPLES);
        self.dirty = true;
        true
    }

    /// Whoever comes back to a face had not left it; what is over by now stays.
    fn comes_back(&mut self, now: Timestamp, face: u64) {
        self.open.retain(|change| change.left != face || change.at + GAP <= now);
        while let Some(oldest) = self.open.first().copied().filter(|change| change.at + GAP <= now) {
            self.open.remove(0);
            self.settle(oldest);
        }
    }

    fn settle(&mut self, change: Change) {
        if !change.goes_on {
            return;
        }
        let counts = self.window.at(change.at);
        for (sum, within) in counts.left.iter_mut().zip(change.within) {
            *sum += u32::from(within);
        }
    }

    fn meet(&mut self, hash: u64, now: Timestamp) -> usize {
        let face = Face {
            hash,
            last: now,
            refused: 0,
            blocked: None,
        };
        if self.faces.len() < MOST_FACES {
            self.faces.push(face);
            return self.faces.len() - 1;
        }
        let oldest = self.faces.iter().enumerate().min_by_key(|(_, face)| face.last);
        let at = oldest.map_or(0, |(at, _)| at);
        self.faces[at] = face;
        at
    }

    /// Forgets the changes before the latest.
    pub(super) fn begin_anew(&mut self) {
        self.window = Sliding::new(HOUR);
        self.open.drain(..self.open.len().saturating_sub(1));
        self.times.drain(..self.times.len().saturating_sub(1));
        self.samples.drain(..self.samples.len().saturating_sub(1));
    }

    /// What of the day is counted, changes that may be taken back among them.
    pub(super) fn counts(&mut self, now: Timestamp) -> Counts {
        self.window.slide(now);
        let mut counts = self.window.sum();
        for change in self.open.iter().filter(|change| change.goes_on) {
            for (sum, within) in counts.left.iter_mut().zip(change.within) {
                *sum += u32::from(within);
            }
        }
        counts
    }

    /// New faces a second that follow no refusal.
    fn rate(&self, now: Timestamp) -> f64 {
        let all = now.since(self.first).as_secs_f64();
        let long = (f64::from(self.arrived) + SUPPOSED) / (all + SUPPOSED_S);
        let mut latest = self.window.slices().skip(HOURS - 2);
        let (before, now_s) = (latest.next(), now.as_nanos() % 3_600_000_000_000);
        let arrived = before.into_iter().chain(latest).map(|hour| hour.arrived).sum::<u32>();
        let lately = f64::from(arrived) / (3_600.0 + now_s as f64 / 1e9).min(all.max(600.0));
        long.max(lately)
    }

    /// Whether more faces were left than chance explains, at this risk.
    pub(super) fn judge(&mut self, now: Timestamp, alpha: f64) -> Option<Excess> {
        let counts = self.counts(now);
        // Whoever changed once is nobody, whatever the rate.
        if counts.left[1] < 3 {
            return None;
        }
        let rate = self.rate(now);
        let part = (alpha / WITHIN.len() as f64).ln();
        WITHIN.into_iter().zip(counts.left).find_map(|(within, left)| {
            let chance = -(-rate * within.as_secs_f64()).exp_m1();
            let refused = counts.refused.max(left);
            let tail = |k: u32| beta_binomial(k.into(), refused.into(), chance, RHO);
            (tail(left) <= part).then(|| Excess {
                within,
                refused,
                left,
                line: (1..left).find(|k| tail(*k) <= part).unwrap_or(left),
                usual_s: 1.0 / rate,
            })
        })
    }

    /// Half of the reaction times are shorter, seconds.
    pub(super) fn median_s(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort_by(f32::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or_default().into()
    }

    /// What it tells: who was refused and left stays.
    pub(super) fn weight(&self) -> u64 {
        let sum = self.window.sum();
        u64::from(sum.refused) + 4 * u64::from(sum.left[1]) + 4 * self.open.len() as u64
    }
}

fn keep<T>(kept: &mut Vec<T>, one: T, most: usize) {
    if kept.len() >= most {
        kept.remove(0);
    }
    kept.push(one);
}
