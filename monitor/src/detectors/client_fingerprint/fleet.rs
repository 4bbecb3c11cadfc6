//! One way of writing requests that claims to be browsers of several engines, behind many sources.
//!
//! An engine writes its fields in an order of its own. So all who write alike claim one engine, but for a few who dress up;
//! a program that takes a browser's name for each of its addresses claims what browsers there are.

use std::time::Duration;

use super::doc::{FLEET, MOST_FINGERPRINTS};
use crate::baseline::bits::hash;
use crate::baseline::distinct::Distinct;
use crate::baseline::met::Met;
use crate::baseline::recent::Recent;
use crate::baseline::share::Share;
use crate::baseline::source::Source;
use crate::baseline::tail::{beta_binomial, least};
use crate::baseline::{Change, Row};
use crate::enrich::agents::Engine;
use crate::enrich::fingerprint::Fingerprint;
use crate::time::Timestamp;

/// What counts together.
pub(super) const WINDOW: Duration = Duration::from_hours(24);
/// Windows are closed so often.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// A fingerprint that was not seen for so long is forgotten.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// One in fifty is supposed to dress up where nothing is learned, as of so many.
const PRIOR: (f64, f64) = (0.02, 50.0);
/// Fewer sources that claim another engine are not looked at.
const FEWEST: u64 = 5;
/// Where so large a part of the sources were here before, as somebody else, it is no fleet that came: something on the way
/// writes their requests anew.
const MET_BEFORE: f64 = 1.0 / 3.0;
/// Engines.
const ENGINES: usize = Engine::ALL.len();
/// Rows: of the share of all, of each fingerprint.
const SHARE: &str = "(share)";
const OWN: &str = "(own) ";

/// Too many claim another engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Excess {
    /// Sources that claim another engine than most, and all.
    pub(super) others: u64,
    pub(super) came: u64,
    pub(super) engines: usize,
    /// The share that is usual, and the line.
    pub(super) usual: f64,
    pub(super) line: u64,
}

/// What those of one fingerprint claim.
#[derive(Debug)]
struct Claims {
    began: Timestamp,
    /// Sources of the window, by engine; and how many of them were here before.
    sources: [Distinct<64>; ENGINES],
    known: [u64; ENGINES],
    /// What was learned of windows before: sources by engine.
    own: [f32; ENGINES],
    is_told: bool,
    dirty: bool,
}

impl Claims {
    fn new(now: Timestamp) -> Self {
        Self {
            began: now,
            sources: Default::default(),
            known: [0; ENGINES],
            own: [0.0; ENGINES],
            is_told: false,
            dirty: false,
        }
    }

    fn counts(&self) -> [u64; ENGINES] {
        std::array::from_fn(|n| self.sources[n].count())
    }

    fn weight(&self) -> u64 {
        self.counts().iter().sum::<u64>() + crate::baseline::whole(self.own.iter().sum::<f32>().into())
    }

    /// The engine that it is: of most before, else of most now.
    fn main(&self, counts: [u64; ENGINES]) -> usize {
        let before = |n: &usize| (self.own[*n].to_bits(), counts[*n]);
        (0..ENGINES).max_by_key(before).unwrap_or_default()
    }

    /// The share that claims another one: of its own, drawn to that of all.
    fn usual(&self, main: usize, all: f64) -> f64 {
        let sum: f32 = self.own.iter().sum();
        let others = f64::from(sum - self.own[main]);
        ((others + all * PRIOR.1) / (f64::from(sum) + PRIOR.1)).max(all)
    }

    /// The window is over.
    fn close(&mut self, now: Timestamp, share: &mut Share) {
        let counts = self.counts();
        let (came, main) = (counts.iter().sum::<u64>(), self.main(counts));
        if came > 0 && !self.is_told {
            let others = came - counts[main];
            share.learn(now, came, others);
            // What is far beyond is no habit at once.
            let most = 3.0 * self.usual(main, share.mean()) * came as f64 + 3.0;
            let part = (most / (others.max(1) as f64)).min(1.0);
            for (n, own) in self.own.iter_mut().enumerate() {
                let part = if n == main { 1.0 } else { part };
                *own = *own * 0.9 + (counts[n] as f64 * part) as f32;
            }
            self.dirty = true;
        }
        (self.began, self.known, self.is_told) = (now, [0; ENGINES], false);
        self.sources = Default::default();
    }
}

/// Fingerprints of browsers and what is claimed under them.
#[derive(Debug)]
pub(super) struct Fleet {
    alpha: f64,
    met: Met,
    claims: Recent<Fingerprint, Claims>,
    share: Share,
    is_learned: bool,
    next_sweep: Option<Timestamp>,
}

impl Fleet {
    pub(super) fn new(alpha: f64) -> Self {
        Self {
            alpha,
            met: Met::new("(sources met)"),
            claims: Recent::new(MOST_FINGERPRINTS, KEPT),
            share: Share::new(PRIOR.0, PRIOR.1),
            is_learned: false,
            next_sweep: None,
        }
    }

    /// A source claims an engine. What there is too much of, where it claims another engine than most.
    pub(super) fn see(
        &mut self,
        now: Timestamp,
        source: Source,
        fingerprint: Fingerprint,
        engine: Engine,
        judges: bool,
    ) -> Option<Excess> {
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let is_known = !self.met.add(hash(&source));
        let make = || Claims::new(now);
        let claims = self.claims.see_or_make(now, &fingerprint, make, Claims::weight);
        if claims.began + WINDOW <= now {
            claims.close(now, &mut self.share);
            self.is_learned = true;
        }
        let here = engine as usize;
        if claims.sources[here].see(now, WINDOW, &source) {
            claims.known[here] += u64::from(is_known);
        }
        let counts = claims.counts();
        let (came, main) = (counts.iter().sum::<u64>(), claims.main(counts));
        let others = came - counts[main];
        let known = claims.known.iter().sum::<u64>() - claims.known[main];
        if !judges || here == main || others < FEWEST || known as f64 > MET_BEFORE * others as f64 {
            return None;
        }
        let (usual, rho) = (claims.usual(main, self.share.mean()), self.share.rho());
        let tail = |count| beta_binomial(count, came, usual, rho);
        if tail(others) > self.alpha.ln() {
            return None;
        }
        claims.is_told = true;
        Some(Excess {
            others,
            came,
            engines: counts.iter().filter(|count| **count > 0).count(),
            usual,
            line: least(self.alpha, came, tail),
        })
    }

    /// Closes the windows that are over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if self.next_sweep.is_none_or(|due| due > now) {
            return;
        }
        for (_, claims) in self.claims.iter_mut() {
            if claims.began + WINDOW <= now {
                claims.close(now, &mut self.share);
                self.is_learned = true;
            }
        }
        self.claims.expire(now);
        self.next_sweep = (!self.claims.is_empty()).then(|| now + SWEEP_EVERY);
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    pub(super) fn evicted(&self) -> u64 {
        self.claims.evicted()
    }

    pub(super) fn export(&mut self) -> Vec<Change> {
        let mut rows = self.met.export();
        if std::mem::take(&mut self.is_learned) {
            rows.push(Change::Put(Row::of(SHARE, Timestamp::ZERO, self.share.encode())));
        }
        for (fingerprint, claims) in self.claims.iter_mut() {
            if std::mem::take(&mut claims.dirty) {
                let detail = claims.own.iter().flat_map(|own| own.to_bits().to_be_bytes());
                let detail: Vec<u8> = detail.collect();
                rows.push(Change::Put(Row::of(
                    format!("{OWN}{fingerprint}"),
                    claims.began,
                    detail,
                )));
            }
        }
        rows
    }

    pub(super) fn import(&mut self, rows: &[Row], now: Timestamp) {
        for row in rows {
            let Some(detail) = &row.detail else { continue };
            if &*row.subject == SHARE {
                self.share.restore(detail);
            } else if let Some(name) = row.subject.strip_prefix(OWN) {
                let (Some(fingerprint), at) = (Fingerprint::parse(name), row.first.min(now)) else {
                    continue;
                };
                if at + KEPT <= now || self.claims.len() >= MOST_FINGERPRINTS {
                    continue;
                }
                let claims = self
                    .claims
                    .see_or_make(at, &fingerprint, || Claims::new(now), Claims::weight);
                for (own, bytes) in claims.own.iter_mut().zip(detail.as_chunks::<4>().0) {
                    let number = f32::from_bits(u32::from_be_bytes(*bytes));
                    *own = if number.is_finite() { number.max(0.0) } else { 0.0 };
                }
                self.next_sweep.get_or_insert(now + SWEEP_EVERY);
            } else {
                self.met.restore(&row.subject, detail);
            }
        }
    }
}

const _: () = assert!(FLEET.subjects as usize == MOST_FINGERPRINTS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::taps::FieldOrder;
    use crate::record::HttpVersion;

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + minute * 60)
    }

    fn order(number: u8) -> Fingerprint {
        let mut order = FieldOrder::default();
        order.add(&[b'x', number]);
        Fingerprint {
            version: HttpVersion::Http11,
            order,
        }
    }

    /// Ten days of people, who claim what they are but for one in two hundred.
    fn peopled() -> Fleet {
        let mut fleet = Fleet::new(1e-7);
        for n in 0..10 * 200 {
            let engines = [(Engine::Blink, 1), (Engine::Gecko, 2), (Engine::WebKit, 3)];
            let (engine, number) = engines[n as usize % 3];
            let engine = if n % 200 == 7 { Engine::WebKit } else { engine };
            fleet.see(at(u64::from(n) * 7), Source::V4(n % 400), order(number), engine, false);
            fleet.expire(at(u64::from(n) * 7));
        }
        fleet
    }

    fn comes(fleet: &mut Fleet, number: u8, sources: u32) -> Option<(u32, Excess)> {
        (0..sources).find_map(|n| {
            let engine = Engine::ALL[[0, 0, 0, 1, 0, 2][n as usize % 6]];
            let now = at(20_000 + u64::from(n));
            let excess = fleet.see(now, Source::V4(1_000_000 + n), order(number), engine, true);
            excess.map(|excess| (n, excess))
        })
    }

    #[test]
    fn a_new_program_of_many_engines_is_told_before_forty_sources_have_come() {
        let (after, excess) = comes(&mut peopled(), 9, 200).unwrap();
        assert!(after < 40 && excess.engines == 3, "{after} {excess:?}");
        assert!(excess.others >= excess.line, "{excess:?}");
        // What is known of the engine is believed: others show sooner.
        assert!(comes(&mut peopled(), 1, 200).is_some());
    }

    #[test]
    fn it_is_told_after_a_restart_likewise() {
        let mut fleet = peopled();
        let rows: Vec<Row> = fleet
            .export()
            .into_iter()
            .map(|change| match change {
                Change::Put(row) => row,
                Change::Remove { .. } | Change::Clear => panic!("{change:?}"),
            })
            .collect();
        assert!(fleet.export().is_empty());
        let mut restarted = Fleet::new(1e-7);
        restarted.import(&rows, at(20_000));
        assert!((restarted.share.mean() - fleet.share.mean()).abs() < 1e-9);
        let known = |fleet: &Fleet| fleet.claims.get(&order(1)).unwrap().own.map(f32::to_bits);
        assert!(f32::from_bits(known(&restarted)[Engine::Blink as usize]) > 1.0);
        assert_eq!(known(&restarted), known(&fleet));
    }

    // A proxy is put before the host: those who came before come with one order of fields.
    #[test]
    fn those_who_were_here_before_are_no_fleet() {
        let mut fleet = peopled();
        for n in 0..300u32 {
            let engine = Engine::ALL[n as usize % 3];
            let told = fleet.see(at(20_000 + u64::from(n)), Source::V4(n), order(9), engine, true);
            assert!(told.is_none(), "{n} {told:?}");
        }
    }

    // One program for several engines, and always was: what its sources claim is usual for it.
    #[test]
    fn who_was_always_mixed_is_usual() {
        let mut fleet = peopled();
        for n in 0..3_000u32 {
            let engine = Engine::ALL[n as usize % 3];
            fleet.see(
                at(20_000 + u64::from(n) * 10),
                Source::V4(5_000 + n),
                order(9),
                engine,
                false,
            );
            fleet.expire(at(20_000 + u64::from(n) * 10));
        }
        for n in 0..300u32 {
            let engine = Engine::ALL[n as usize % 3];
            let told = fleet.see(
                at(51_000 + u64::from(n)),
                Source::V4(90_000 + n),
                order(9),
                engine,
                true,
            );
            assert!(told.is_none(), "{n} {told:?}");
        }
    }
}
