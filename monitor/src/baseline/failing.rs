//! How many of what is asked fails, in whatever sense: over 15 minutes, over 6 hours, and of the latest tries where they are
//! few; against the share that is usual, and without what a deploy explains, which is not learned either.

use std::ops::AddAssign;
use std::time::Duration;

use super::asker::Asker;
use super::distinct::Distinct;
use super::latest::{self, Latest};
use super::majority::Majority;
use super::share::Share;
use super::sliding::Sliding;
use super::tail::{Line, beta_binomial};
use super::ticks::Over;
use crate::time::Timestamp;

/// Slices of the windows: 15 minutes, 6 hours.
const MINUTES: usize = 15;
const QUARTERS: usize = 24;
/// Lengths of the slices, by which the windows slide.
pub const STEPS: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(15)];
/// The windows.
pub const WINDOWS: [Duration; 2] = [Duration::from_mins(15), Duration::from_hours(6)];
/// What so many slices that follow each other explain is left out: a deploy or a restart, with the tries that are repeated
/// after it, is over within three minutes (a rolling update of Kubernetes replaces a pod within its grace of 30 seconds).
const DEPLOY: usize = 3;
/// Of the long window two quarters: a minute may be on their border.
const DEPLOY_LONG: usize = 2;
/// Three minutes are a deploy's, where what is usual is learned, if so many fail in them, and one of so many.
const FAILED_DEPLOY: u32 = 2;
const SHARE_DEPLOY: u32 = 4;
/// An hour that is this improbable is an event: eight of them are learned as one, once so many hours are known.
const ODD: f64 = 0.001;
const ODD_HOURS: u32 = 8;
const KNOWN_HOURS: u32 = 24;
/// While learning, so many times the share is supposed.
const LEARNING: f64 = 4.0;
/// Failures from which on it shows whether one is behind most of them.
const ENOUGH: u32 = 10;
/// Tries of others from which on it shows whether they fare better than the one, and by how much they must.
const OTHERS: u32 = 10;
const BETTER: f64 = 0.5;

/// What is supposed of a share, and what is worth telling.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Share that is supposed, and of how many tries it is as if learned.
    pub prior: (f64, f64),
    /// Risk of a try of the short window, the long one, and the latest tries.
    pub alphas: [f64; 3],
    /// Fewer failures of them, beside those of a deploy, are not worth telling.
    pub few: [u32; 3],
    /// Nor are fewer where one is behind most of them.
    pub few_of_one: u32,
    /// Nor is a smaller share.
    pub least_share: [f64; 3],
}

/// What is paid for the latest tries. They are looked at when one fails, at three sizes, and only where fewer than 48 come in a
/// quarter of an hour: while one in fifty fails that is less than a look in five minutes.
pub const LATEST_STEP: Duration = Duration::from_mins(5);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    tried: u32,
    failed: u32,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.tried += other.tried;
        self.failed += other.failed;
    }
}

/// More fail than chance explains.
#[derive(Clone, Copy, Debug)]
pub struct Surge {
    /// Tries and failures of the window, beside those that a deploy may explain.
    pub tried: u32,
    /// Likewise.
    pub failed: u32,
    /// From here on it is too many.
    pub line: u32,
    /// The share that is usual.
    pub usual: f64,
    /// The window.
    pub window: Duration,
    /// When it shows.
    pub now: Timestamp,
}

impl Surge {
    /// The share that fails.
    pub fn share(&self) -> f64 {
        f64::from(self.failed) / f64::from(self.tried.max(1))
    }

    /// What would not have been told.
    pub fn would_not_alert(&self, what: &str) -> String {
        let worst = if self.window == WINDOWS[1] {
            "half hour"
        } else {
            "three minutes"
        };
        let Self { line, tried, .. } = self;
        format!("Fewer than {line} {what} among {tried} requests, beside those of the worst {worst}.")
    }
}

/// An hour in the making, with the three minutes of it that have most failures.
#[derive(Clone, Copy, Debug, Default)]
struct Hour {
    all: Tally,
    minute: u64,
    latest: [Tally; DEPLOY],
    worst: Tally,
}

impl Hour {
    #[inline]
    fn add(&mut self, now: Timestamp, one: Tally) {
        self.all += one;
        let minute = now.as_nanos() / STEPS[0].as_nanos() as u64;
        if minute != self.minute {
            let passed = minute.saturating_sub(self.minute).min(DEPLOY as u64) as usize;
            self.latest.rotate_right(passed);
            self.latest[..passed].fill(Tally::default());
            self.minute = minute;
        }
        self.latest[0] += one;
        if one.failed > 0 {
            let mut together = Tally::default();
            self.latest.iter().for_each(|minute| together += *minute);
            if together.failed >= self.worst.failed {
                self.worst = together;
            }
        }
    }

    /// What a deploy does not explain.
    fn beyond(&self) -> Tally {
        let worst = self.worst;
        if worst.failed < FAILED_DEPLOY || worst.failed.saturating_mul(SHARE_DEPLOY) < worst.tried {
            return self.all;
        }
        Tally {
            tried: self.all.tried.saturating_sub(self.worst.tried),
            failed: self.all.failed.saturating_sub(self.worst.failed),
        }
    }
}

/// A share of failures. About 2.5 KB.
#[derive(Debug)]
pub struct Failing {
    terms: Terms,
    minutes: Sliding<Tally, MINUTES>,
    quarters: Sliding<Tally, QUARTERS>,
    latest: Latest,
    hour: Hour,
    learned: Option<Timestamp>,
    share: Share,
    /// Hours that were learned, as far as it matters.
    hours: u32,
    /// Hours that were odd, and how many.
    odd: (Tally, u32),
    lines: Option<(bool, [Line; 3])>,
    /// Who fails since when.
    majority: Majority<u64>,
    clients: Distinct<16>,
    since: Option<Timestamp>,
    /// The latest of whom the majority is; and whose it was before that was counted anew.
    one: Option<(u64, Asker)>,
    before: Option<Asker>,
    /// Tries of that one, and of all others, since it is known; and whether others fared better before.
    mine: Tally,
    others: Tally,
    was_worse: bool,
}

impl Failing {
    /// One of which nothing is known.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            minutes: Sliding::new(STEPS[0]),
            quarters: Sliding::new(STEPS[1]),
            latest: Latest::default(),
            hour: Hour::default(),
            learned: None,
            hours: 0,
            odd: (Tally::default(), 0),
            share: Share::new(terms.prior.0, terms.prior.1),
            lines: None,
            majority: Majority::default(),
            clients: Distinct::default(),
            since: None,
            one: None,
            before: None,
            mine: Tally::default(),
            others: Tally::default(),
            was_worse: false,
        }
    }

    /// One more try, which teaches what is usual if `is_learned`.
    #[inline]
    pub fn add(&mut self, now: Timestamp, has_failed: bool, is_learned: bool) {
        let one = Tally {
            tried: 1,
            failed: u32::from(has_failed),
        };
        *self.minutes.at(now) += one;
        *self.quarters.at(now) += one;
        self.latest.add(now, has_failed);
        if is_learned {
            self.hour.add(now, one);
        }
    }

    /// Whose failure that was.
    pub fn blame(&mut self, now: Timestamp, asker: Option<u64>, name: impl FnOnce() -> Option<Asker>) {
        // Anew with every window, so that nobody is blamed for what is long over.
        if self.since.is_none_or(|since| since + WINDOWS[0] <= now) {
            (self.before, self.was_worse) = (self.one().cloned(), self.named().is_some());
            (self.mine, self.others) = (Tally::default(), Tally::default());
            (self.majority, self.clients, self.one) = (Majority::default(), Distinct::default(), None);
            self.since = Some(now);
        }
        let Some(asker) = asker else { return };
        self.latest.blame(asker);
        self.majority.add(asker);
        self.clients.see(now, WINDOWS[0], &asker);
        if self.majority.one() == Some(&asker) && self.one.as_ref().is_none_or(|(key, _)| *key != asker) {
            self.one = name().map(|name| (asker, name));
            (self.mine, self.others) = (Tally::default(), Tally::default());
        }
    }

    /// Who made the try that was added: whether others fare better than the one behind most failures.
    #[inline]
    pub fn compare(&mut self, has_failed: bool, asker: impl FnOnce() -> Option<u64>) {
        let Some((one, _)) = &self.one else { return };
        let tally = if asker() == Some(*one) {
            &mut self.mine
        } else {
            &mut self.others
        };
        *tally += Tally {
            tried: 1,
            failed: u32::from(has_failed),
        };
    }

    /// The one behind two thirds of the failures, if there is one.
    pub fn one(&self) -> Option<&Asker> {
        if self.majority.votes() < ENOUGH {
            return self.before.as_ref();
        }
        let (key, name) = self.one.as_ref()?;
        (self.majority.one() == Some(key)).then_some(name)
    }

    /// Likewise, if others fare better by what [`Self::compare`] was told: else it is no matter of that one, who only asks most.
    pub fn named(&self) -> Option<&Asker> {
        let share = |tally: Tally| f64::from(tally.failed) / f64::from(tally.tried.max(1));
        let fares_worse = if self.majority.votes() < ENOUGH {
            self.was_worse
        } else {
            self.others.tried >= OTHERS && share(self.others) <= BETTER * share(self.mine)
        };
        self.one().filter(|_| fares_worse)
    }

    /// How many have failed lately.
    pub fn clients(&self) -> u64 {
        self.clients.count()
    }

    /// Whether one is behind most failures. Of few it shows in the latest tries alone.
    fn is_of_one(&self, now: Timestamp) -> bool {
        let are_few = self.majority.votes() < ENOUGH;
        self.one().is_some() || are_few && self.latest.is_of_one(now)
    }

    /// Whether too many fail. `of_few`: of so few clients that it is as if it were one.
    pub fn judge(&mut self, now: Timestamp, is_known: bool, of_few: bool) -> Option<Surge> {
        let short = beyond(self.minutes.slices(), DEPLOY);
        let mut few = self.terms.few;
        if of_few || self.is_of_one(now) {
            few = few.map(|few| few.max(self.terms.few_of_one));
        }
        let found = self.test(0, short, WINDOWS[0], few[0], is_known, now);
        if found.is_some() {
            return found;
        }
        let long = beyond(self.quarters.slices(), DEPLOY_LONG);
        let found = self.test(1, long, WINDOWS[1], few[1], is_known, now);
        if found.is_some() {
            return found;
        }
        latest::SIZES.into_iter().find_map(|size| {
            let latest = self.latest.beyond(now, size, WINDOWS[0])?;
            let tally = Tally {
                tried: latest.tried,
                failed: latest.failed,
            };
            self.test(2, tally, latest.span, few[2], is_known, now)
        })
    }

    fn test(
        &mut self,
        n: usize,
        tally: Tally,
        window: Duration,
        few: u32,
        is_known: bool,
        now: Timestamp,
    ) -> Option<Surge> {
        let share = f64::from(tally.failed) / f64::from(tally.tried.max(1));
        if tally.failed < few || share < self.terms.least_share[n] {
            return None;
        }
        let usual = self.share.mean();
        let (rho, alphas) = (self.share.rho(), self.terms.alphas);
        if self.lines.as_ref().is_none_or(|(known, _)| *known != is_known) {
            let mean = if is_known { usual } else { usual * LEARNING }.min(0.9);
            self.lines = Some((is_known, alphas.map(|alpha| Line::new(mean, rho, alpha))));
        }
        let (_, lines) = self.lines.as_mut()?;
        let line = lines[n].at(tally.tried);
        (tally.failed >= line).then_some(Surge {
            tried: tally.tried,
            failed: tally.failed,
            line,
            usual,
            window,
            now,
        })
    }

    /// An hour is over.
    pub fn learn(&mut self, over: Over) {
        let mut hour = std::mem::take(&mut self.hour).beyond();
        if hour.tried == 0 {
            return;
        }
        let chance = || {
            beta_binomial(
                hour.failed.into(),
                hour.tried.into(),
                self.share.mean(),
                self.share.rho(),
            )
        };
        if self.hours >= KNOWN_HOURS && hour.failed > 0 && chance() < ODD.ln() {
            let (odd, hours) = &mut self.odd;
            *odd += hour;
            *hours += 1;
            if *hours < ODD_HOURS {
                return;
            }
            hour = Tally {
                tried: odd.tried / ODD_HOURS,
                failed: odd.failed / ODD_HOURS,
            };
            self.odd = (Tally::default(), 0);
        }
        self.hours = self.hours.saturating_add(1);
        self.share.learn(over.begin, hour.tried.into(), hour.failed.into());
        (self.learned, self.lines) = (Some(over.begin), None);
    }

    /// Tries that were learned.
    pub fn tried(&self) -> f64 {
        self.share.tried()
    }

    /// The share of failures that is usual.
    pub fn usual(&self) -> f64 {
        self.share.mean()
    }

    /// What was learned, for the store, if something was since the last call.
    pub fn export(&mut self) -> Option<Vec<u8>> {
        self.learned.take().map(|_| self.share.encode())
    }

    /// Takes back what was exported.
    pub fn restore(&mut self, bytes: &[u8]) {
        self.share.restore(bytes);
        self.hours = KNOWN_HOURS;
        self.lines = None;
    }
}

/// All slices without those `out` neighbours that have most failures.
fn beyond(slices: impl Iterator<Item = Tally>, out: usize) -> Tally {
    let (mut all, mut worst) = (Tally::default(), Tally::default());
    let mut latest = [Tally::default(); DEPLOY];
    for (n, slice) in slices.enumerate() {
        all += slice;
        latest[n % out] = slice;
        let mut together = Tally::default();
        for slice in &latest[..out] {
            together += *slice;
        }
        if together.failed >= worst.failed {
            worst = together;
        }
    }
    Tally {
        tried: all.tried - worst.tried,
        failed: all.failed - worst.failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + minute * 60)
    }

    fn failing() -> Failing {
        Failing::new(Terms {
            prior: (0.01, 100.0),
            alphas: [1e-8; 3],
            few: [5, 10, 5],
            few_of_one: 100,
            least_share: [0.0; 3],
        })
    }

    /// Twenty tries a minute, of which so many fail. The first minute in which it shows.
    fn run(failing: &mut Failing, from: u64, minutes: u64, failures: impl Fn(u64) -> u64) -> Option<u64> {
        for minute in from..from + minutes {
            for n in 0..20 {
                let has_failed = n < failures(minute);
                failing.add(at(minute), has_failed, true);
                if has_failed {
                    failing.blame(at(minute), Some(n), || None);
                    if failing.judge(at(minute), true, false).is_some() {
                        return Some(minute);
                    }
                }
            }
        }
        None
    }

    // One asks three times as often as all others; all fail, or only the one.
    #[test]
    fn who_only_asks_most_is_not_named() {
        let name = || Some(Asker::Address("192.0.2.1".parse().unwrap()));
        for (others_fail, is_named) in [(true, false), (false, true)] {
            let mut failing = failing();
            for n in 0..100u64 {
                let key = if n % 4 == 3 { n } else { 1_000 };
                let has_failed = key == 1_000 || others_fail;
                failing.add(at(n / 20), has_failed, true);
                failing.compare(has_failed, || Some(key));
                if has_failed {
                    failing.blame(at(n / 20), Some(key), name);
                }
            }
            assert!(failing.one().is_some());
            assert_eq!(failing.named().is_some(), is_named);
        }
    }

    #[test]
    fn what_lasts_longer_than_a_deploy_shows() {
        assert_eq!(run(&mut failing(), 0, 3, |_| 20), None);
        let found = run(&mut failing(), 0, 30, |_| 20);
        assert!(found.is_some_and(|minute| (3..6).contains(&minute)), "{found:?}");
        let mut known = failing();
        for hour in 0..48 {
            let over = Over {
                begin: at(hour * 60),
                is_whole: true,
                is_counted: true,
            };
            run(&mut known, hour * 60, 60, |minute| u64::from(minute.is_multiple_of(10)));
            known.learn(over);
        }
        let slow = run(&mut known, 48 * 60, 360, |minute| u64::from(minute.is_multiple_of(2)));
        assert!(slow.is_some_and(|minute| minute > 48 * 60 + 15), "{slow:?}");
    }

    /// A try every five minutes: hours in which a window of a quarter holds three.
    fn sparse(failing: &mut Failing, from: u64, tries: u64, fails: impl Fn(u64) -> bool) -> Option<u64> {
        (0..tries).find(|n| {
            let now = at(from + n * 5);
            let has_failed = fails(*n);
            failing.add(now, has_failed, true);
            if has_failed {
                failing.blame(now, Some((n % 7 + 1) << 50), || None);
            }
            has_failed && failing.judge(now, true, false).is_some()
        })
    }

    #[test]
    fn where_few_ask_it_shows_within_a_dozen() {
        let mut failing = failing();
        assert_eq!(sparse(&mut failing, 0, 200, |n| n % 90 == 3), None);
        let found = sparse(&mut failing, 1_000, 30, |n| n % 5 < 3);
        assert!(found.is_some_and(|tries| tries < 20), "{found:?}");
    }

    // A deploy every few hours says nothing of the hours without.
    #[test]
    fn a_deploy_is_not_learned() {
        let mut failing = failing();
        for hour in 0..96 {
            let fails = |minute: u64| if minute % 240 < 2 { 15 } else { 0 };
            assert_eq!(run(&mut failing, hour * 60, 60, fails), None);
            let over = Over {
                begin: at(hour * 60),
                is_whole: true,
                is_counted: true,
            };
            failing.learn(over);
        }
        assert!(
            failing.share.mean() < 0.000_1 && failing.share.rho() < 0.006,
            "{:?}",
            failing.share
        );
        assert!(sparse(&mut failing, 96 * 60, 40, |n| n % 5 < 3).is_some());
    }

    // Hours of an attack are no habit; a week of them is.
    #[test]
    fn odd_hours_are_learned_slowly() {
        let mut failing = failing();
        let mut learn = |from: u64, hours: u64, fails: u64| {
            for hour in from..from + hours {
                let begin = at(hour * 60);
                for n in 0..40 {
                    failing.add(begin + Duration::from_secs(n * 85), n % 10 < fails, true);
                }
                failing.learn(Over {
                    begin,
                    is_whole: true,
                    is_counted: true,
                });
            }
            failing.share.mean()
        };
        let before = learn(0, 72, 0);
        let after = learn(72, 7, 2);
        assert!(after < before * 1.01, "{before} {after}");
        assert!(learn(79, 10 * 24, 2) > 0.03);
    }

    #[test]
    fn one_is_named_if_it_is_one() {
        let mut failing = failing();
        let name = || Asker::parse("ip 198.51.100.7");
        for minute in 0..40 {
            failing.blame(at(minute), Some(7), name);
            failing.blame(at(minute), Some(7), name);
        }
        assert_eq!(failing.one(), name().as_ref());
        for n in 0..40 {
            failing.blame(at(50), Some(n), || None);
        }
        assert_eq!((failing.one(), failing.clients() > 10), (None, true));
    }
}
