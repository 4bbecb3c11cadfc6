//! What an endpoint is like: how long it takes, how much it gives, and of what kind.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use crate::alert::Actor;
use crate::baseline::asker::Asker;
use crate::baseline::failing::{Failing, Surge, Terms, WINDOWS};
use crate::baseline::majority::Majority;
use crate::baseline::sketch::Sketch;
use crate::baseline::ticks::Over;
use crate::finding::occurrence::Occurrence;
use crate::record::Response;
use crate::time::Timestamp;

/// What nineteen of twenty take at most is what an endpoint takes.
const MOST_OF_THEM: f64 = 0.95;
/// An answer is slow if it takes twice that, ...
const TIMES: u64 = 2;
/// ... while learning ten times; ...
const TIMES_LEARNING: u64 = 10;
/// ... and this long at least, microseconds: nobody notices less (a network's way there and back is as long).
const NOTICED: u64 = 20_000;
/// A size is odd if it is four times what 49 of 50 have at most, or a quarter of what they have at least.
const SIZE_SHARE: f64 = 0.02;
const SIZE_TIMES: u64 = 4;
/// Smaller bodies are of one size.
const SMALL: u64 = 1_024;
/// A kind of answer is odd if fewer than one of fifty are of it.
const KIND_SHARE: u64 = 50;
/// Kinds that are told apart; others are one.
const MOST_KINDS: usize = 8;
/// Answers that an endpoint must have given before it is judged.
const ENOUGH: u64 = 200;
/// Slow or odd answers from which on it shows whether most are of one endpoint.
const VOTES: u32 = 10;
/// Where there are no more, it is what these say.
const SOME_VOTES: u32 = 3;
/// The past counts half once a week.
const WEEK: u64 = 7;
/// Shares that are supposed at first, as of so many answers.
const PRIOR: (f64, f64) = (0.02, 200.0);
/// Fewer are not worth telling, nor is a smaller share of all, in 15 minutes, 6 hours and among the latest: of the slow a quarter, of the odd half;
/// what lasts for some hours of six is a part of them.
const FEW: [u32; 3] = [8, 12, 6];
const SLOW_SHARE: [f64; 3] = [0.25, 0.1, 0.25];
const ODD_SHARE: [f64; 3] = [0.5, 0.25, 0.5];
/// Of all slow ones together, so that several endpoints are told of as one.
const HOST_SHARE: [f64; 3] = [0.1, 0.1, 0.25];
/// Of one client alone it is a matter of what that one asks for, up to so many.
const FEW_OF_ONE: u32 = 200;

/// What about it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aspect {
    /// It takes long.
    Slow,
    /// Its answers are of another size, status or type.
    Odd,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Alphas {
    pub(super) slow: [f64; 3],
    pub(super) odd: [f64; 3],
}

/// An endpoint, or the host: about 6 KB.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) born: Timestamp,
    known: Habits,
    /// Of the hour that is not over.
    hour: Habits,
    week: u64,
    /// Beyond it an answer is slow, microseconds; and beyond these its size is odd. By whether the endpoint is known.
    slow: [u64; 2],
    sizes: (u64, u64),
    /// By aspect.
    pub(super) aspects: [Failing; 2],
    pub(super) occurrences: [Occurrence; 2],
    /// Whom they name, as they began.
    pub(super) named: [Option<Actor>; 2],
    /// Latencies of the latest answers that were slow, to tell of.
    pub(super) lately: Sketch,
    /// Of the host: at which endpoint.
    endpoints: Majority<Arc<str>>,
    since: Timestamp,
    was_one_endpoint: bool,
    dirty: bool,
}

/// What was learned of an endpoint.
#[derive(Debug, Default)]
struct Habits {
    latency: Sketch,
    size: Sketch,
    /// Kinds by their hashes, and how many there were of each.
    kinds: Vec<(u64, u64)>,
}

impl Habits {
    fn note_kind(&mut self, kind: u64, count: u64) {
        if let Some((_, known)) = self.kinds.iter_mut().find(|(known, _)| *known == kind) {
            *known += count;
        } else if self.kinds.len() < MOST_KINDS {
            self.kinds.push((kind, count));
        } else if let Some(rarest) = self.kinds.iter_mut().min_by_key(|(_, known)| *known)
            && rarest.1 < count
        {
            // The rarest makes room, so that what is common finds its place.
            *rarest = (kind, count);
        }
    }

    fn halve(&mut self) {
        self.latency.halve();
        self.size.halve();
        for (_, count) in &mut self.kinds {
            *count /= 2;
        }
    }
}

impl Place {
    /// What is usual: latencies in microseconds, sizes of responses in bytes.
    pub(super) fn known(&self) -> [(&'static str, &Sketch); 2] {
        [
            ("latency_us", &self.known.latency),
            ("response_body_bytes", &self.known.size),
        ]
    }

    /// All endpoints together.
    pub(super) fn host(alphas: Alphas) -> Self {
        let slow = Terms {
            prior: PRIOR,
            alphas: alphas.slow,
            few: FEW,
            few_of_one: FEW_OF_ONE,
            least_share: HOST_SHARE,
        };
        let mut host = Self::new(Timestamp::ZERO, alphas);
        host.aspects[Aspect::Slow as usize] = Failing::new(slow);
        host
    }

    pub(super) fn new(now: Timestamp, alphas: Alphas) -> Self {
        let terms = |alphas, least_share| Terms {
            prior: PRIOR,
            alphas,
            few: FEW,
            few_of_one: FEW_OF_ONE,
            least_share,
        };
        Self {
            born: now,
            known: Habits::default(),
            hour: Habits::default(),
            week: 0,
            slow: [u64::MAX; 2],
            sizes: (0, u64::MAX),
            aspects: [
                Failing::new(terms(alphas.slow, SLOW_SHARE)),
                Failing::new(terms(alphas.odd, ODD_SHARE)),
            ],
            occurrences: [Occurrence::new(now); 2],
            named: [None, None],
            lately: Sketch::new(),
            endpoints: Majority::default(),
            since: now,
            was_one_endpoint: false,
            dirty: false,
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.known.latency.count()
    }

    /// An answer. Whether it is slow, and whether it is odd, where that can be said.
    pub(super) fn see(
        &mut self,
        now: Timestamp,
        latency_us: Option<u64>,
        response: &Response,
        is_known: bool,
        is_learned: bool,
    ) -> [Option<bool>; 2] {
        // What was not modified has no body, whatever it would have.
        let has_body = !matches!(response.status, 100..=199 | 204 | 304);
        let kind = kind(response);
        let is_judged = self.known.latency.count() >= ENOUGH;
        let slow = latency_us
            .filter(|_| is_judged)
            .map(|latency| latency > self.slow[usize::from(!is_known)]);
        let odd = is_judged.then(|| {
            let size = response.body_bytes.max(SMALL);
            let is_size_odd = has_body && !(self.sizes.0..=self.sizes.1).contains(&size);
            // Whether a client has it already is its own affair.
            response.status != 304 && (is_size_odd || self.is_odd(kind))
        });
        if is_learned {
            if let Some(latency) = latency_us {
                self.hour.latency.add(latency);
            }
            if has_body {
                self.hour.size.add(response.body_bytes.max(SMALL));
            }
            if response.status != 304 {
                self.hour.note_kind(kind, 1);
            }
        }
        for (aspect, is_so) in self.aspects.iter_mut().zip([slow, odd]) {
            if let Some(is_so) = is_so {
                aspect.add(now, is_so, is_learned);
            }
        }
        if let Some(latency) = latency_us.filter(|_| slow == Some(true)) {
            self.lately.add(latency);
        }
        [slow, odd]
    }

    /// Whether too many answers are so.
    pub(super) fn judge(
        &mut self,
        now: Timestamp,
        aspect: Aspect,
        is_known: bool,
        asker: Option<u64>,
        name: impl FnOnce() -> Option<Asker>,
    ) -> Option<Surge> {
        let failing = &mut self.aspects[aspect as usize];
        failing.blame(now, asker, name);
        failing.judge(now, is_known, false)
    }

    pub(super) fn note_endpoint(&mut self, now: Timestamp, endpoint: &Arc<str>) {
        if self.since + WINDOWS[0] <= now {
            self.was_one_endpoint = self.is_of_one_endpoint();
            (self.endpoints, self.since) = (Majority::default(), now);
        }
        self.endpoints.add(Arc::clone(endpoint));
    }

    pub(super) fn is_of_one_endpoint(&self) -> bool {
        let votes = self.endpoints.votes();
        if votes < VOTES {
            return self.was_one_endpoint || votes >= SOME_VOTES && self.endpoints.has_one();
        }
        self.endpoints.has_one()
    }

    /// What half of all take, and what nineteen of twenty take at most, microseconds.
    pub(super) fn usual(&self) -> (u64, u64) {
        let of = |q| self.known.latency.quantile(q).unwrap_or(0);
        (of(0.5), of(MOST_OF_THEM))
    }

    /// The line beyond which an answer is slow.
    pub(super) fn slow_line(&self, is_known: bool) -> u64 {
        self.slow[usize::from(!is_known)]
    }

    /// An hour is over.
    pub(super) fn learn(&mut self, over: Over) {
        let mut hour = std::mem::take(&mut self.hour);
        self.lately = Sketch::new();
        // What was told is learned as an eighth of what it is: it becomes usual in weeks, not in hours.
        let is_told = |occurrence: &Occurrence| occurrence.is_open(over.begin, super::DOC.quiet);
        if self.occurrences.iter().any(is_told) {
            (0..3).for_each(|_| hour.halve());
        }
        let week = over.begin.as_nanos() / 86_400_000_000_000 / WEEK;
        if week != self.week {
            self.known.halve();
            self.week = week;
        }
        if hour.latency.count() > 0 || hour.size.count() > 0 {
            self.known.latency.merge(&hour.latency);
            self.known.size.merge(&hour.size);
            for (kind, count) in hour.kinds {
                self.known.note_kind(kind, count);
            }
            self.draw();
            self.dirty = true;
        }
        for aspect in &mut self.aspects {
            aspect.learn(over);
        }
    }

    pub(super) fn export(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        let mut rows = Vec::new();
        for (aspect, member) in self.aspects.iter_mut().zip(["slow", "odd"]) {
            rows.extend(aspect.export().map(|detail| (member, detail)));
        }
        if std::mem::take(&mut self.dirty) {
            rows.push(("latency", self.known.latency.encode()));
            rows.push(("size", self.known.size.encode()));
            let kinds = self.known.kinds.iter();
            rows.push((
                "kinds",
                kinds
                    .flat_map(|(kind, count)| [kind.to_le_bytes(), count.to_le_bytes()].concat())
                    .collect(),
            ));
        }
        rows
    }

    pub(super) fn restore(&mut self, member: &str, detail: &[u8]) {
        match member {
            "slow" => self.aspects[0].restore(detail),
            "odd" => self.aspects[1].restore(detail),
            "latency" => self.known.latency = Sketch::decode(detail).unwrap_or_default(),
            "size" => self.known.size = Sketch::decode(detail).unwrap_or_default(),
            "kinds" => {
                for pair in detail.chunks_exact(16).take(MOST_KINDS) {
                    if let (Some(kind), Some(count)) = (pair.first_chunk(), pair.last_chunk()) {
                        self.known
                            .note_kind(u64::from_le_bytes(*kind), u64::from_le_bytes(*count));
                    }
                }
            }
            _ => {}
        }
        self.draw();
    }

    fn is_odd(&self, kind: u64) -> bool {
        let all: u64 = self.known.kinds.iter().map(|(_, count)| count).sum();
        let of_kind = self.known.kinds.iter().find(|(known, _)| *known == kind);
        of_kind.map_or(0, |(_, count)| *count) * KIND_SHARE < all
    }

    /// Lines by what was learned.
    fn draw(&mut self) {
        let (_, most) = self.usual();
        if self.known.latency.count() >= ENOUGH {
            self.slow = [TIMES, TIMES_LEARNING].map(|times| (most * times).max(NOTICED));
        }
        let size = |q| self.known.size.quantile(q).unwrap_or(0);
        self.sizes = (
            size(SIZE_SHARE) / SIZE_TIMES,
            size(1.0 - SIZE_SHARE).max(SMALL) * SIZE_TIMES,
        );
    }
}

/// Status, and media type without its parameters.
fn kind(response: &Response) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    response.status.hash(&mut hasher);
    let media = response.content_type.as_deref().unwrap_or_default();
    media.split(';').next().unwrap_or_default().trim_end().hash(&mut hasher);
    hasher.finish()
}
