//! What is counted: the host, an endpoint, who asks.

use std::sync::Arc;

use crate::baseline::asker::Asker;
use crate::baseline::majority::Majority;
use crate::baseline::pace::{Pace, Terms, knows_the_hour};
use crate::baseline::seasonal::Usual;
use crate::baseline::tail::{least, poisson};
use crate::baseline::ticks::Over;
use crate::finding::occurrence::Occurrence;
use crate::time::Timestamp;

/// Less than three times what is usual wakes nobody: peaks of one day are seldom three times another's.
const TIMES: f64 = 3.0;
/// While learning, ten times: the peak of a day is about ten times its night.
const TIMES_LEARNING: f64 = 10.0;
/// Fewer requests of all in five minutes, and in an hour, are no flood for any server: one in five seconds, one in eighteen.
const FLOORS: [u64; 2] = [60, 200];
/// Requests of a probe a second in five minutes, which is the shortest period that Kubernetes takes, ...
const PROBE_A_SECOND: f64 = 300.0;
/// ... and of one every ten seconds in an hour, which is its default.
const PROBE_EVERY_TEN_SECONDS: f64 = 360.0;
/// Without a baseline: twenty requests a second of one for five minutes, eight for an hour.
pub(super) const UNKNOWN: [u64; 2] = [6_000, 30_000];
/// Who has asked so often has a baseline of its own.
const WANTS_OWN: u64 = 200;
/// Fewer of one in an hour are no flood.
const OWN_FLOOR: u64 = 200;
/// Nor is less than three times the most that it sent in any hour of the latest days: batches differ.
const OWN_TIMES: u64 = 3;
/// Hours from which on a baseline of one's own is gone by.
const OWN_HOURS: usize = 24;
/// Requests of a window from which on one who asks for one thing at an even pace is a probe ...
const PROBE: u64 = 10;
/// ... if no pause is so many times as long as another; timers and networks are off by less than that.
const UNEVEN: u64 = 2;
/// Probes that are let pass in a window: those of two balancers, or of a few places of one. More are no probes.
const MOST_PROBES: u32 = 4;
/// A sum of deviations grows by what is beyond one and a half standard deviations, and beyond half as much again as is
/// usual, ...
const SLACK: f64 = 1.5;
const SLACK_SHARE: f64 = 1.5;
/// ... and by three at most, so that one hour alone does not make it.
const MOST_STEP: f64 = 3.0;

/// What a false alarm may cost, by what is tested: short window and long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alphas {
    pub(super) host: [f64; 2],
    pub(super) endpoint: [f64; 2],
    pub(super) own: f64,
    pub(super) drift: f64,
}

/// The host or an endpoint: about 1.8 KB, 11 KB after four weeks.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) born: Timestamp,
    pub(super) short: Pace,
    pub(super) long: Pace,
    /// Who is behind most of what came in the short window.
    pub(super) majority: Majority<u64>,
    /// Requests of the short window and the long one for which credentials were asked, or refused.
    pub(super) refused: [u64; 2],
    /// Sum of deviations (Page's).
    pub(super) drift: f64,
    /// The hour that was added to it last: what came, and what is usual.
    pub(super) drifted: Option<(u64, f64)>,
    pub(super) drift_began: Timestamp,
    pub(super) occurrence: Occurrence,
}

impl Place {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            born: now,
            short: Pace::default(),
            long: Pace::default(),
            majority: Majority::default(),
            refused: [0; 2],
            drift: 0.0,
            drifted: None,
            drift_began: now,
            occurrence: Occurrence::new(now),
        }
    }

    /// What is known for long weighs most.
    pub(super) fn weight(&self) -> u64 {
        self.long.hours() as u64
    }

    /// One more request. Whether it is beyond a line.
    #[inline]
    pub(super) fn add(&mut self, asker: Option<u64>, is_refused: bool, is_learned: bool) -> bool {
        if self.short.count == 0 {
            self.majority = Majority::default();
            self.refused[0] = 0;
        }
        if self.long.count == 0 {
            self.refused[1] = 0;
        }
        if is_refused {
            self.refused[0] += 1;
            self.refused[1] += 1;
        }
        if let Some(asker) = asker {
            self.majority.add(asker);
        }
        let short = self.short.add(is_learned);
        self.long.add(is_learned) || short
    }

    pub(super) fn spoil(&mut self) {
        (self.short.is_spoilt, self.long.is_spoilt) = (true, true);
    }

    pub(super) fn draw(&mut self, begins: [Timestamp; 2], alphas: [f64; 2], is_known: bool) {
        self.short
            .draw(begins[0], |usual| terms(usual, alphas[0], is_known, FLOORS[0]));
        self.long
            .draw(begins[1], |usual| terms(usual, alphas[1], is_known, FLOORS[1]));
    }

    /// An hour is over. Whether there is more than usual for long (Page's cumulative sum).
    pub(super) fn hour(&mut self, over: Over, alpha: f64) -> bool {
        let usual = self.long.usual().copied().filter(knows_the_hour);
        let is_over = self.long.is_over();
        let count = self.long.close(over);
        let Some(usual) = usual.filter(|_| over.is_whole && self.long.line < u64::MAX) else {
            return false;
        };
        let deviation = (usual.dispersion * usual.mean).sqrt().max(1.0);
        let reference = (usual.mean + SLACK * deviation).max(SLACK_SHARE * usual.mean);
        let step = ((count as f64 - reference) / deviation).min(MOST_STEP);
        if self.drift <= 0.0 {
            self.drift_began = over.begin;
        }
        let line = drift_line(alpha);
        self.drift = (self.drift + step).clamp(0.0, 2.0 * line);
        self.drifted = Some((count, usual.mean));
        // What is beyond the line of the hour was told.
        self.drift > line && step > 0.0 && !is_over && count >= FLOORS[1]
    }
}

/// Where a sum of deviations is improbable: with a slack of k standard deviations it passes h about once in
/// exp(2 k h) / (2 k^2) steps (Siegmund, Sequential Analysis, 1985, for normal deviations).
pub(super) fn drift_line(alpha: f64) -> f64 {
    (1.0 / (2.0 * SLACK * SLACK * alpha)).ln().max(1.0) / (2.0 * SLACK)
}

fn terms(usual: &Usual, alpha: f64, is_known: bool, floor: u64) -> Option<Terms> {
    // Before a day is over there is nothing to say of its hours.
    let times = match (is_known, knows_the_hour(usual)) {
        (true, true) => TIMES,
        (true, false) | (false, true) => TIMES_LEARNING,
        (false, false) => return None,
    };
    Some(Terms { alpha, times, floor })
}

/// What the busiest of all who ask usually send.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) short: Pace,
    pub(super) long: Pace,
    pub(super) alphas: [f64; 2],
    pub(super) lines: [u64; 2],
    floors: [u64; 2],
    /// Probes that were let pass in the short window.
    pub(super) probes: u32,
}

impl Crowd {
    pub(super) fn new(short: f64, long: f64) -> Self {
        let floor = |alpha, mean| least(alpha, 1 << 20, |count| poisson(count, mean));
        Self {
            short: Pace::default(),
            long: Pace::default(),
            alphas: [short, long],
            lines: UNKNOWN,
            probes: 0,
            floors: [floor(short, PROBE_A_SECOND), floor(long, PROBE_EVERY_TEN_SECONDS)],
        }
    }

    /// One who is not told of has sent so much.
    #[inline]
    pub(super) fn note(&mut self, sent: &Sent) {
        self.short.learned = self.short.learned.max(sent.learned[0]);
        self.long.learned = self.long.learned.max(sent.learned[1]);
    }

    pub(super) fn draw(&mut self, begins: [Timestamp; 2], is_known: bool) {
        let [short, long] = self.floors;
        self.short
            .draw(begins[0], |usual| terms(usual, self.alphas[0], is_known, short));
        self.long
            .draw(begins[1], |usual| terms(usual, self.alphas[1], is_known, long));
        self.lines = [self.short.line.min(UNKNOWN[0]), self.long.line.min(UNKNOWN[1])];
        // A host whose clients are busier than that has a baseline that says so.
        for (line, pace) in self.lines.iter_mut().zip([&self.short, &self.long]) {
            if pace.line < u64::MAX {
                *line = pace.line;
            }
        }
    }
}

/// One who asks: about 250 bytes.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) who: Option<Asker>,
    pub(super) born: Timestamp,
    /// Requests in the short window and the long one, ...
    pub(super) counts: [u64; 2],
    /// ... those of them that may be learned, ...
    pub(super) learned: [u64; 2],
    /// ... and when those windows began.
    begins: [Option<Timestamp>; 2],
    /// The most of a window of each, of days before and of this day.
    before: [u64; 2],
    today: [u64; 2],
    day: u64,
    /// Its latest request, and the shortest and the longest pause in the short window, nanoseconds.
    last: Timestamp,
    pauses: (u64, u64),
    /// In this short window it is a probe.
    is_probe: bool,
    was_probe: bool,
    /// In this window it was told of: it is not learned.
    is_told: [bool; 2],
    pub(super) all: u64,
    /// The endpoint of all of it, as long as it is one.
    pub(super) endpoint: Option<Arc<str>>,
    /// That of the occurrence, as it began.
    pub(super) named: Option<Arc<str>>,
    pub(super) own: Option<Box<Pace>>,
    pub(super) occurrence: Occurrence,
}

impl Sent {
    pub(super) fn new(now: Timestamp, who: Option<Asker>) -> Self {
        Self {
            who,
            born: now,
            counts: [0; 2],
            learned: [0; 2],
            begins: [None; 2],
            before: [0; 2],
            today: [0; 2],
            day: 0,
            last: Timestamp::ZERO,
            pauses: (u64::MAX, 0),
            is_probe: false,
            was_probe: false,
            is_told: [false; 2],
            all: 0,
            endpoint: None,
            named: None,
            own: None,
            occurrence: Occurrence::new(now),
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.all + u64::from(self.own.is_some()) * WANTS_OWN
    }

    /// The windows are these.
    #[inline]
    pub(super) fn turn(&mut self, short: Option<Timestamp>, long: Option<Timestamp>) {
        for (n, begin) in [short, long].into_iter().enumerate() {
            if self.begins[n] == begin {
                continue;
            }
            if !self.is_told[n] {
                self.today[n] = self.today[n].max(self.learned[n]);
            }
            (self.counts[n], self.learned[n], self.is_told[n]) = (0, 0, false);
            self.begins[n] = begin;
            if n == 0 {
                self.was_probe = std::mem::take(&mut self.is_probe);
                self.pauses = (u64::MAX, 0);
            }
            if n == 1 {
                self.turn_day(begin);
            }
        }
    }

    fn turn_day(&mut self, begin: Option<Timestamp>) {
        let day = begin.map_or(0, |begin| begin.as_nanos() / 86_400_000_000_000);
        if day != self.day {
            for (before, today) in self.before.iter_mut().zip(&mut self.today) {
                // An older peak fades within a week.
                *before = (*before * 7 / 8).max(std::mem::take(today));
            }
            self.day = day;
        }
    }

    /// One more request. Whether it is beyond a line.
    #[inline]
    pub(super) fn add(&mut self, crowd: &Crowd, endpoint: Option<&Arc<str>>, is_learned: bool) -> bool {
        if self.counts[0] == 0 {
            self.endpoint = endpoint.cloned();
        } else if self.endpoint.as_ref() != endpoint {
            self.endpoint = None;
        }
        self.all += 1;
        let mut is_over = false;
        for n in 0..2 {
            self.counts[n] += 1;
            self.learned[n] += u64::from(is_learned);
            let line = self.line(n, crowd);
            // A probe's hour is as long as it is.
            if self.counts[n] >= line && !(n == 1 && self.was_probe) {
                self.is_told[n] = true;
                is_over = true;
            }
        }
        // A batch comes at another hour than yesterday.
        let most = OWN_TIMES * self.before[1];
        if let Some(own) = &mut self.own
            && own.add(is_learned)
            && own.count >= most
        {
            self.is_told[1] = true;
            is_over = true;
        }
        is_over
    }

    /// Whether this request, which comes `now`, is one of a probe: it asks for one thing, at an even pace.
    #[inline]
    pub(super) fn probes(&mut self, now: Timestamp, crowd: &mut Crowd) -> bool {
        if self.counts[0] > 1 {
            let pause = now.as_nanos().saturating_sub(self.last.as_nanos());
            self.pauses = (self.pauses.0.min(pause), self.pauses.1.max(pause));
        }
        self.last = now;
        let is_even = self.pauses.0 > 0 && self.pauses.1 <= self.pauses.0.saturating_mul(UNEVEN);
        if self.counts[0] < PROBE || !is_even || self.endpoint.is_none() {
            return false;
        }
        if !self.is_probe && crowd.probes < MOST_PROBES {
            (self.is_probe, crowd.probes) = (true, crowd.probes + 1);
        }
        self.is_probe
    }

    /// The line of a window: that of the crowd, or three times what it sent before.
    pub(super) fn line(&self, n: usize, crowd: &Crowd) -> u64 {
        crowd.lines[n].max(3 * self.before[n])
    }

    pub(super) fn wants_own(&self) -> bool {
        self.all >= WANTS_OWN
    }

    /// An hour is over.
    pub(super) fn hour(&mut self, over: Over) {
        if let Some(own) = &mut self.own {
            own.close(over);
        }
    }

    pub(super) fn draw(&mut self, long: Timestamp, alpha: f64, is_known: bool) {
        if let Some(own) = &mut self.own {
            let is_known = is_known && own.hours() >= OWN_HOURS;
            own.draw(long, |usual| {
                terms(usual, alpha, true, OWN_FLOOR).filter(|_| is_known && knows_the_hour(usual))
            });
        }
    }
}
