//! Simulated days: when they are, and when people, offices and machines are awake in them.

use super::chance::Chance;

/// Nanoseconds of a millisecond.
pub const MILLI: u64 = 1_000_000;
/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000 * MILLI;
/// Nanoseconds of a minute.
pub const MINUTE: u64 = 60 * SECOND;
/// Nanoseconds of an hour.
pub const HOUR: u64 = 60 * MINUTE;
/// Nanoseconds of a day.
pub const DAY: u64 = 24 * HOUR;

/// 2026-06-01T00:00:00Z, a Monday, in nanoseconds since 1970.
const MONDAY: u64 = 1_780_272_000 * SECOND;

/// The days of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    /// Midnight of the first, nanoseconds since 1970.
    pub start: u64,
    /// How many.
    pub days: u64,
}

/// When somebody is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hours {
    /// People at home and on the way: little at night, most in the evening, weekends too.
    Daylight,
    /// Offices: nine to five on working days, a dip at noon, next to nothing else.
    Office,
    /// Machines.
    Always,
}

impl Calendar {
    /// So many days, the first of which is any day of the week.
    pub fn new(days: u64, chance: &mut Chance) -> Self {
        Self {
            start: MONDAY + chance.below(7) * DAY,
            days,
        }
    }

    /// Midnight of a day, counted from 0.
    pub fn day(&self, day: u64) -> u64 {
        self.start + day * DAY
    }

    /// The end of the last.
    pub fn end(&self) -> u64 {
        self.day(self.days)
    }

    /// A moment of this day at which `hours` are awake.
    pub fn moment(&self, day: u64, hours: Hours, chance: &mut Chance) -> u64 {
        loop {
            let at = self.day(day) + chance.below(DAY);
            if chance.is(hours.weight(at)) {
                return at;
            }
        }
    }

    /// What a day brings, of what a working day brings.
    pub fn share(&self, day: u64, hours: Hours) -> f64 {
        match (hours, is_weekend(self.day(day))) {
            (Hours::Office, true) => 0.06,
            (Hours::Daylight, true) => 1.25,
            (Hours::Office | Hours::Daylight | Hours::Always, _) => 1.0,
        }
    }
}

impl Hours {
    /// How awake they are, 0 to 1.
    fn weight(self, at: u64) -> f64 {
        let hour = (at % DAY) as f64 / HOUR as f64;
        let bump = |middle: f64, width: f64| {
            let away = (hour - middle).abs().min(24.0 - (hour - middle).abs());
            (-(away / width).powi(2)).exp()
        };
        match self {
            Self::Daylight => (0.06 + 0.45 * bump(12.5, 3.5) + 0.6 * bump(20.0, 2.6)).min(1.0),
            Self::Office => (0.01 + 0.9 * bump(10.3, 1.7) + 0.8 * bump(14.8, 1.8)).min(1.0),
            Self::Always => 1.0,
        }
    }
}

/// Saturday or Sunday.
pub fn is_weekend(at: u64) -> bool {
    // 1970-01-01 was a Thursday.
    (at / DAY + 3) % 7 >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_hours() {
        assert!(!is_weekend(MONDAY) && is_weekend(MONDAY + 5 * DAY) && is_weekend(MONDAY - 1));
        let mut chance = Chance::new(3);
        let calendar = Calendar { start: MONDAY, days: 7 };
        let at_night = (0..1_000)
            .filter(|_| calendar.moment(0, Hours::Office, &mut chance) % DAY < 6 * HOUR)
            .count();
        assert!(at_night < 60, "{at_night} of 1,000 office moments are before six");
        assert_eq!(calendar.end() - calendar.start, 7 * DAY);
    }
}
