//! A visit: what was asked for lately, in order.

use std::time::Duration;

use super::steps::{NO_STEP, Step};
use crate::time::Timestamp;

/// A visit is over when nothing was asked for so long.
pub(super) const PAUSE: Duration = Duration::from_mins(30);
/// Requests of it that are remembered.
const REMEMBERED: usize = 32;
/// What one asker may teach of a day: visits with an endpoint, and endpoints that are asked for again, each once.
const MOST_TAUGHT: u16 = 64;
const MOST_AGAIN: usize = 12;
const DAY: u64 = 86_400_000_000_000;

/// About 230 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    last: Timestamp,
    /// Ring of steps, and when each was, milliseconds since the epoch, cut to 32 bits.
    steps: [Step; REMEMBERED],
    times: [u32; REMEMBERED],
    /// Requests so far; the next place of the ring by its remainder.
    count: u32,
    day: u64,
    taught: u16,
    again: [Step; MOST_AGAIN],
}

/// What came before a request in its visit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// The same was asked for before, and this is what came since.
    pub(super) again: bool,
    /// Steps that came, a bit each.
    pub(super) steps: [u64; 4],
}

impl Before {
    pub(super) fn has(&self, step: Step) -> bool {
        self.steps[usize::from(step / 64) % 4] & 1 << (step % 64) != 0
    }

    /// All of them.
    pub(super) fn each(&self) -> impl Iterator<Item = Step> {
        self.steps
            .into_iter()
            .zip([0, 64, 128, 192])
            .flat_map(|(mut word, first)| {
                std::iter::from_fn(move || {
                    let bit = word.trailing_zeros();
                    word &= word.wrapping_sub(1);
                    u8::try_from(bit).ok().filter(|bit| *bit < 64).map(|bit| first + bit)
                })
            })
    }
}

impl Visit {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            last: now,
            steps: [NO_STEP; REMEMBERED],
            times: [0; REMEMBERED],
            count: 0,
            day: 0,
            taught: 0,
            again: [NO_STEP; MOST_AGAIN],
        }
    }

    /// Whether it goes on.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        self.count > 0 && now < self.last + PAUSE
    }

    /// Whether something was asked for within this time.
    pub(super) fn was_within(&self, now: Timestamp, time: Duration) -> bool {
        now < self.last + time
    }

    /// Ends it where it is over.
    pub(super) fn begin(&mut self, now: Timestamp) {
        if !self.is_open(now) {
            self.count = 0;
        }
    }

    /// The latest request.
    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    /// Takes up what `other` has that is later.
    pub(super) fn take_up(&mut self, other: &Self) {
        let since = if self.count == 0 { 0 } else { millis(self.last) };
        let is_later = |at: u32| self.count == 0 || at.wrapping_sub(since).wrapping_sub(1) < 1 << 31;
        let later = other.back().take_while(|(_, at)| is_later(*at)).count();
        let steps: Vec<(Step, u32)> = other.back().take(later).collect();
        for (step, at) in steps.into_iter().rev() {
            self.put(step, at);
        }
        self.last = self.last.max(other.last);
    }

    /// What came before `step`, since the last one.
    pub(super) fn before(&self, step: Step) -> Before {
        let mut before = Before {
            again: false,
            steps: [0; 4],
        };
        for (seen, _) in self.back() {
            if seen == step {
                before.again = true;
                break;
            }
            before.steps[usize::from(seen / 64) % 4] |= 1 << (seen % 64);
        }
        before
    }

    /// How long ago `step` was, milliseconds.
    pub(super) fn since(&self, now: Timestamp, step: Step) -> Option<u32> {
        let (_, at) = self.back().find(|(seen, _)| *seen == step)?;
        Some(millis(now).wrapping_sub(at))
    }

    /// How long ago the latest request was, milliseconds.
    pub(super) fn since_latest(&self, now: Timestamp) -> Option<u32> {
        let (_, at) = self.back().next()?;
        Some(millis(now).wrapping_sub(at))
    }

    /// One more request.
    pub(super) fn push(&mut self, now: Timestamp, step: Step) {
        self.put(step, millis(now));
        self.last = self.last.max(now);
    }

    fn put(&mut self, step: Step, millis: u32) {
        let at = self.count as usize % REMEMBERED;
        (self.steps[at], self.times[at]) = (step, millis);
        self.count = self.count.saturating_add(1);
    }

    /// Whether it may teach once more today, of `step` for the first time in a visit or again.
    pub(super) fn may_teach(&mut self, now: Timestamp, step: Step, again: bool) -> bool {
        let day = now.as_nanos() / DAY;
        if day != self.day {
            (self.day, self.taught, self.again) = (day, 0, [NO_STEP; MOST_AGAIN]);
        }
        if again {
            let free = self
                .again
                .iter()
                .position(|taught| *taught == NO_STEP || *taught == step);
            return match free.and_then(|at| self.again.get_mut(at)) {
                Some(taught) if *taught == NO_STEP => {
                    *taught = step;
                    true
                }
                Some(_) | None => false,
            };
        }
        self.taught += u16::from(self.taught <= MOST_TAUGHT);
        self.taught <= MOST_TAUGHT
    }

    /// The latest first.
    fn back(&self) -> impl Iterator<Item = (Step, u32)> {
        let kept = (self.count as usize).min(REMEMBERED);
        (1..=kept).map(move |ago| {
            let at = (self.count as usize - ago) % REMEMBERED;
            (self.steps[at], self.times[at])
        })
    }
}

fn millis(now: Timestamp) -> u32 {
    (now.as_nanos() / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_and_when() {
        let at = |ms: u64| Timestamp::from_micros(1_800_000_000_000_000 + ms * 1_000);
        let mut visit = Visit::new(at(0));
        for (ms, step) in [(0, 3), (100, 70), (350, 200), (900, 70)] {
            visit.push(at(ms), step);
        }
        let before = visit.before(9);
        assert_eq!(before.each().collect::<Vec<_>>(), [3, 70, 200]);
        assert!(!before.again && before.has(70) && !before.has(71));
        let again = visit.before(200);
        assert_eq!((again.again, again.each().collect::<Vec<_>>()), (true, vec![70]));
        assert_eq!(
            (visit.since(at(1_000), 70), visit.since(at(1_000), 5)),
            (Some(100), None)
        );
        let mut other = Visit::new(at(0));
        for (ms, step) in [(800, 1), (950, 2), (960, 4)] {
            other.push(at(ms), step);
        }
        visit.take_up(&other);
        assert_eq!(visit.before(70).each().collect::<Vec<_>>(), [2, 4], "what is later");
        for n in 0..100 {
            visit.push(at(1_000 + n), 11);
        }
        assert_eq!(
            visit.before(3).each().collect::<Vec<_>>(),
            [11],
            "the first are forgotten"
        );
        assert!(visit.is_open(at(60_000)) && !visit.is_open(at(1_099) + PAUSE));
    }

    #[test]
    fn one_asker_teaches_little() {
        let mut visit = Visit::new(Timestamp::ZERO);
        let mut teaches = |secs: u64, step, again| visit.may_teach(Timestamp::from_secs(secs), step, again);
        assert_eq!((0..1_000).filter(|_| teaches(5, 7, false)).count(), 64);
        assert!(teaches(5, 7, true) && !teaches(5, 7, true) && teaches(5, 8, true));
        assert_eq!(
            (0..100).filter(|step| teaches(5, 10 + step, true)).count(),
            MOST_AGAIN - 2
        );
        assert!(teaches(90_000, 7, false) && teaches(90_000, 7, true));
    }
}
