use std::time::Duration;

use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_mins(5);
/// A midnight; the weekend of this made-up week begins five days later.
const START: u64 = 1_799_971_200;

fn at(day: u64, hour: u64) -> Timestamp {
    Timestamp::from_secs(START + day * 86_400 + hour * 3_600)
}

/// A generator of numbers, and of counts that come in bursts of that size.
struct Chance(u64);

impl Chance {
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Variance by mean is `burst`.
    fn count(&mut self, mean: f64, burst: f64) -> u64 {
        let (mut sum, mut bursts) = (0.0, 0.0);
        while sum < mean / burst {
            sum -= self.share().max(1e-12).ln();
            bursts += burst;
        }
        whole(bursts - burst)
    }
}

/// An office's day: 20 a window by night, 400 at noon, a fifth of it at weekends.
fn office(start: Timestamp) -> f64 {
    let seconds = start.as_nanos() / 1_000_000_000 - START;
    let (day, hour) = (seconds / 86_400, seconds % 86_400 / 3_600);
    let of_day = if (8..18).contains(&hour) { 400.0 } else { 20.0 };
    if day % 7 >= 5 { of_day / 5.0 } else { of_day }
}

/// Windows from one day to another.
fn windows(from: u64, until: u64) -> impl Iterator<Item = Timestamp> {
    (0..(until - from) * 288).map(move |n| at(from, 0) + WINDOW * n as u32)
}

/// As learned of so many days of [`office`].
fn learned(days: u64, burst: f64) -> (Seasonal, Chance) {
    let (mut seasonal, mut chance) = (Seasonal::new(), Chance(0x1234_5678_9abc_def1));
    for start in windows(0, days) {
        seasonal.add(start, chance.count(office(start), burst));
    }
    (seasonal, chance)
}

#[track_caller]
fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < expected * 0.15, "{value} is not {expected}");
}

#[test]
fn the_hours_are_told_apart_as_they_are_learned() {
    assert_eq!(Seasonal::new().usual(at(0, 0)), None);
    let (seasonal, _) = learned(4, 1.0);
    let noon = seasonal.usual(at(4, 12)).unwrap();
    // Sunday and Saturday say nothing of a Tuesday.
    assert_eq!((noon.by, noon.windows, noon.knows_day), (By::HourOfDay, 24, true));
    near(noon.mean, 400.0);
    near(noon.median, 400.0);
    near(seasonal.usual(at(4, 3)).unwrap().mean, 20.0);
    let (seasonal, _) = learned(21, 1.0);
    let weekday = seasonal.usual(at(21, 12)).unwrap();
    assert_eq!((weekday.by, weekday.windows), (By::HourOfWeek, 36));
    near(weekday.mean, 400.0);
    near(seasonal.usual(at(26, 12)).unwrap().mean, 80.0);
    assert!((400..480).contains(&weekday.most), "{weekday:?}");
}

// Who begins on a Saturday knows nothing of Monday, and on Tuesday what Monday was.
#[test]
fn a_day_of_another_kind_says_little() {
    let mut seasonal = Seasonal::new();
    let saturday = 1;
    let learn = |seasonal: &mut Seasonal, days: std::ops::Range<u64>, count: u64| {
        for start in windows(days.start, days.end) {
            seasonal.add(start, count);
        }
        // The hour is over.
        seasonal.add(at(days.end, 0), 0);
    };
    learn(&mut seasonal, saturday..saturday + 2, 5);
    let monday = seasonal.usual(at(saturday + 2, 9)).unwrap();
    assert!(
        !monday.knows_day && !crate::baseline::pace::knows_the_hour(&monday),
        "{monday:?}"
    );
    learn(&mut seasonal, saturday + 2..saturday + 3, 50);
    let tuesday = seasonal.usual(at(saturday + 3, 9)).unwrap();
    assert!(tuesday.knows_day, "{tuesday:?}");
    near(tuesday.mean, 50.0);
    near(seasonal.usual(at(saturday + 7, 9)).unwrap().mean, 5.0);
}

#[test]
fn the_first_hour_says_what_it_can() {
    let mut seasonal = Seasonal::new();
    for n in 0..6 {
        assert!(!seasonal.add(at(0, 0) + WINDOW * n, 10));
    }
    let usual = seasonal.usual(at(0, 0)).unwrap();
    assert_eq!((usual.by, usual.windows, usual.most), (By::Overall, 6, 10));
    near(usual.mean, 10.0);
    assert!(seasonal.add(at(0, 1), 10), "an hour is over");
}

#[test]
fn scatter_is_measured() {
    for burst in [1.0, 12.0] {
        let (seasonal, _) = learned(21, burst);
        for hour in [3, 12] {
            let usual = seasonal.usual(at(21, hour)).unwrap();
            let measured = usual.dispersion;
            assert!(
                measured > burst * 0.6 && measured < burst * 1.8,
                "{burst} {hour}: {measured}"
            );
        }
    }
}

// Weeks of bursts: the lines hold on what follows, and are near enough to see five times as much.
#[test]
fn lines_hold_and_are_near() {
    let (mut seasonal, mut chance) = learned(21, 6.0);
    let mut crossed = 0;
    for start in windows(21, 42) {
        let usual = seasonal.usual(start).unwrap();
        let line = usual.line(1e-6);
        let count = chance.count(office(start), 6.0);
        crossed += u32::from(count >= line);
        if office(start) >= 80.0 {
            assert!((line as f64) < office(start) * 4.0, "{usual:?} {line}");
        }
        seasonal.add(start, count);
    }
    assert_eq!(crossed, 0);
}

#[test]
fn an_attack_during_learning_does_not_become_normal() {
    for attacked in 1..5 {
        let (mut seasonal, mut chance) = (Seasonal::new(), Chance(attacked + 7));
        for start in windows(0, 5) {
            let hour = start.as_nanos() / HOUR % 24;
            let is_attack = start >= at(attacked, 0) && start < at(attacked + 1, 0) && (8..18).contains(&hour);
            let times = if is_attack { 10.0 } else { 1.0 };
            seasonal.add(start, chance.count(office(start) * times, 4.0));
        }
        let usual = seasonal.usual(at(5, 12)).unwrap();
        near(usual.median, 400.0);
        let line = usual.line(1e-8);
        assert!(usual.mean < 600.0 && line < 2_500, "{attacked}: {usual:?} {line}");
    }
}

#[test]
fn the_first_day_may_be_a_bad_one() {
    let mut seasonal = Seasonal::new();
    let mut chance = Chance(99);
    for start in windows(0, 4) {
        let times = if start < at(1, 0) { 10.0 } else { 1.0 };
        seasonal.add(start, chance.count(office(start) * times, 1.0));
    }
    let usual = seasonal.usual(at(4, 12)).unwrap();
    near(usual.median, 400.0);
    assert!(usual.mean < 800.0, "{usual:?}");
}

#[test]
fn what_has_grown_becomes_normal_within_days() {
    let (mut seasonal, mut chance) = learned(21, 2.0);
    let mut days = 0;
    while seasonal.usual(at(21 + days, 12)).unwrap().line(1e-6) < 2_200 && days < 28 {
        for start in windows(21 + days, 22 + days) {
            seasonal.add(start, chance.count(office(start) * 5.0, 2.0));
        }
        days += 1;
    }
    assert!((3..=21).contains(&days), "{days}");
}

#[test]
fn a_clock_that_jumps_does_no_harm() {
    let (mut seasonal, _) = learned(21, 1.0);
    let before = seasonal.usual(at(21, 12)).unwrap();
    for wrong in [at(9_000, 5), Timestamp::ZERO, at(9_001, 6), at(20, 3)] {
        seasonal.add(wrong, 1_000_000);
        seasonal.add(at(21, 0), 20);
    }
    let after = seasonal.usual(at(21, 12)).unwrap();
    assert_eq!(
        (after.by, after.windows, after.most),
        (before.by, before.windows, before.most)
    );
    near(after.mean, before.mean);
    assert!(after.dispersion < before.dispersion * 2.0 + 1.0, "{after:?} {before:?}");
    assert_eq!(seasonal.usual(at(9_000, 12)).map(|usual| usual.by), Some(By::Overall));
}

#[test]
fn it_comes_back_from_bytes() {
    for days in [0, 1, 40] {
        let (mut seasonal, _) = learned(days, 3.0);
        let bytes = seasonal.encode();
        assert!(bytes.len() < 5_000, "{}", bytes.len());
        let mut restarted = Seasonal::decode(&bytes).unwrap();
        assert_eq!(restarted.encode(), bytes);
        for hour in [0, 9] {
            assert_eq!(restarted.add(at(days, hour), 7), seasonal.add(at(days, hour), 7));
            let (usual, then) = (seasonal.usual(at(days, hour)), restarted.usual(at(days, hour)));
            assert_eq!(
                usual.map(|usual| (usual.by, usual.windows)),
                then.map(|usual| (usual.by, usual.windows))
            );
        }
        for end in 0..bytes.len() {
            assert_eq!(Seasonal::decode(&bytes[..end]), None);
        }
    }
    assert_eq!(Seasonal::decode(&[9, 0]), None);
}

proptest! {
    #[test]
    fn anything_may_come(
        windows in prop::collection::vec((prop_oneof![any::<u64>(), 0u64..90_000_000_000_000_000], any::<u64>()), 0..300),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut seasonal = Seasonal::decode(&bytes).unwrap_or_default();
        for (start, value) in windows {
            let start = Timestamp::from_nanos(start);
            seasonal.add(start, value >> (start.as_nanos() % 64));
            prop_assert!(seasonal.hours.days.len() <= hours::MOST_DAYS);
            if let Some(usual) = seasonal.usual(start) {
                prop_assert!(usual.mean > 0.0 && usual.mean.is_finite(), "{:?}", usual);
                prop_assert!(usual.dispersion >= 1.0 && usual.dispersion.is_finite(), "{:?}", usual);
                prop_assert!(usual.line(1e-6) as f64 > usual.mean || usual.line(1e-6) >= MOST_COUNT, "{:?}", usual);
            }
        }
        prop_assert!(seasonal.encode().len() < 6_000);
    }
}
