//! What a subject asked for in the windows that go on.

use super::group::{Lines, Window};
use super::{DayBits, HourBits, Sight};
use crate::baseline::bits::{Bits, whole};
use crate::baseline::majority::Majority;
use crate::time::Timestamp;

use super::Crossing;

/// 340 bytes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) group: u32,
    pub(super) habits: [u64; 2],
    hour: HourBits,
    day: DayBits,
    /// In bits: what is compared with every sight.
    hour_ones: u32,
    day_ones: u32,
    lines: Lines,
    /// Crowd, and whether nothing was learned, when the lines were drawn; none while they are those of everybody.
    judged: Option<(u32, bool)>,
    has_habit: bool,
    members: Bits<1>,
    majority: Majority<u64>,
    teaches: bool,
    of_hour: Sum,
    of_day: Sum,
    most_in_hour: u32,
    hour_told: bool,
    day_told: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    first: Timestamp,
    last: Timestamp,
    asked: u32,
    refused: u32,
}

impl Sum {
    fn new(now: Timestamp) -> Self {
        Self {
            first: now,
            last: now,
            asked: 0,
            refused: 0,
        }
    }

    fn add(&mut self, now: Timestamp, refused: bool) {
        if self.asked == 0 {
            self.first = now;
        }
        self.last = self.last.max(now);
        self.asked = self.asked.saturating_add(1);
        self.refused = self.refused.saturating_add(u32::from(refused));
    }

    /// The part of `count` that was accepted.
    fn accepted(&self, count: u32) -> u32 {
        let part = 1.0 - f64::from(self.refused) / f64::from(self.asked.max(1));
        whole((f64::from(count) * part).round())
    }
}

impl Entry {
    pub(super) fn new(sight: &Sight<'_>, group: u32, lines: Lines) -> Self {
        Self {
            group,
            habits: sight.habits,
            hour: HourBits::default(),
            day: DayBits::default(),
            hour_ones: HourBits::ones_of(lines.hour),
            day_ones: DayBits::ones_of(lines.day),
            lines,
            judged: None,
            has_habit: false,
            members: Bits::default(),
            majority: Majority::default(),
            teaches: false,
            of_hour: Sum::new(sight.now),
            of_day: Sum::new(sight.now),
            most_in_hour: 0,
            hour_told: false,
            day_told: false,
        }
    }

    /// Counts a sight; whether it is beyond a line as far as it is known.
    #[inline]
    pub(super) fn add(&mut self, sight: &Sight<'_>) -> bool {
        self.of_hour.add(sight.now, sight.refused);
        self.of_day.add(sight.now, sight.refused);
        self.teaches |= sight.teaches;
        if sight.member != 0 {
            self.members.add(sight.member);
            self.majority.add(sight.member);
        }
        self.hour.add(sight.thing);
        self.day.add(sight.thing);
        self.hour.ones() >= self.hour_ones || self.day.ones() >= self.day_ones
    }

    /// Those behind it, by eighths of an octave, so that lines need not be drawn for each number.
    pub(super) fn crowd(&self) -> u32 {
        let count = self.members.count().max(1);
        if count <= 8 {
            return count;
        }
        let step = count.next_power_of_two() / 8;
        count.div_ceil(step) * step
    }

    pub(super) fn is_judged_for(&self, crowd: u32, learning: bool) -> bool {
        self.judged == Some((crowd, learning))
    }

    pub(super) fn judge(&mut self, lines: Lines, crowd: u32, learning: bool, has_habit: bool) {
        self.hour_ones = HourBits::ones_of(lines.hour);
        self.day_ones = DayBits::ones_of(lines.day);
        (self.lines, self.judged, self.has_habit) = (lines, Some((crowd, learning)), has_habit);
    }

    /// The window in which it is beyond its line, the shorter first.
    pub(super) fn beyond(&self) -> Option<Window> {
        if self.hour.ones() >= self.hour_ones {
            Some(Window::Hour)
        } else {
            (self.day.ones() >= self.day_ones).then_some(Window::Day)
        }
    }

    pub(super) fn crossing(&self, window: Window, expected: f64, learning: bool) -> Crossing {
        let (count, line, sum) = match window {
            Window::Hour => (self.hour.count(), self.lines.hour, &self.of_hour),
            Window::Day => (self.day.count(), self.lines.day, &self.of_day),
        };
        let is_crowd = self.members.ones() > 1;
        Crossing {
            window,
            // An estimate may be a little below the line that its bits have reached.
            count: count.max(line),
            expected,
            line,
            crowd: self.members.count().max(1),
            one_of_them: self.majority.one().copied().filter(|_| is_crowd),
            first: sum.first,
            asked: sum.asked,
            refused: sum.refused,
            learning,
            has_habit: self.has_habit,
        }
    }

    pub(super) fn tell(&mut self, window: Window) {
        self.day_told = true;
        self.hour_told |= window == Window::Hour;
    }

    pub(super) fn was_told(&self) -> bool {
        self.day_told
    }

    /// What its window teaches of one client.
    pub(super) fn learned(&self, window: Window) -> Option<u32> {
        let (count, sum, told) = match window {
            Window::Hour => (self.hour.count(), &self.of_hour, self.hour_told),
            Window::Day => (self.day.count(), &self.of_day, self.day_told),
        };
        let accepted = sum.accepted(count);
        (self.teaches && !told && accepted > 0).then(|| accepted.div_ceil(self.members.count().max(1)))
    }

    /// The hour is over; what it teaches.
    pub(super) fn end_hour(&mut self) -> Option<u32> {
        let learned = self.learned(Window::Hour);
        self.most_in_hour = self.most_in_hour.max(self.of_hour.accepted(self.hour.count()));
        self.hour = HourBits::default();
        self.of_hour = Sum::new(self.of_hour.last);
        self.hour_told = false;
        // What was learned since may have moved the lines.
        self.judged = None;
        learned
    }

    pub(super) fn day_count(&self) -> u32 {
        self.of_day.accepted(self.day.count())
    }

    pub(super) fn most_in_hour(&self) -> u32 {
        self.most_in_hour
    }

    pub(super) fn last(&self) -> Timestamp {
        self.of_day.last
    }

    /// Things it asked for: what it tells.
    pub(super) fn weight(&self) -> u64 {
        self.day.ones().into()
    }
}
