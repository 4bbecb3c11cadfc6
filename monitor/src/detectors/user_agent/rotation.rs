//! Agents of a source, and whether one program is behind several of them.

use std::time::Duration;

use crate::enrich::agents::Engine;
use crate::enrich::fingerprint::Fingerprint;
use crate::event::FlowId;
use crate::time::Timestamp;

/// What counts together: a tool's burst.
pub(super) const WINDOW: Duration = Duration::from_mins(10);
/// Sights that are remembered of one source.
const MOST_SEEN: usize = 64;

/// Engines under one fingerprint that no program has, and agents with them.
const ENGINES: usize = 3;
const AGENTS_OF_ENGINES: usize = 4;
/// Likewise on one connection.
const ENGINES_OF_FLOW: usize = 2;
const AGENTS_OF_FLOW: usize = 3;
/// Agents of one token or session.
pub(super) const AGENTS_OF_IDENTITY: usize = 5;

/// One agent, as it was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) time: Timestamp,
    pub(super) agent: u64,
    pub(super) engine: Option<Engine>,
    pub(super) fingerprint: Fingerprint,
    pub(super) flow: FlowId,
    /// Token or session.
    pub(super) identity: Option<u64>,
}

/// How it shows that one program has several agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// By engines under one fingerprint.
    Engines,
    /// By engines on one connection.
    Connection,
    /// By agents of one token or session.
    Identity,
}

/// The latest sights of a source.
#[derive(Debug, Default)]
pub(super) struct Sights(Vec<Sight>);

impl Sights {
    /// One more. What it shows, with the number of agents that show it.
    pub(super) fn see(&mut self, sight: Sight) -> Option<(Sign, usize)> {
        self.0.retain(|old| old.time + WINDOW > sight.time);
        let same = |old: &Sight| (old.agent, old.flow, old.identity) == (sight.agent, sight.flow, sight.identity);
        let mut known = self.0.iter_mut();
        if let Some(old) = known.find(|old| same(old) && old.fingerprint == sight.fingerprint) {
            old.time = sight.time;
        } else {
            if self.0.len() >= MOST_SEEN {
                self.0.remove(0);
            }
            self.0.push(sight);
        }
        let alike = |old: &&Sight| old.fingerprint == sight.fingerprint;
        let (agents, engines) = self.distinct(alike);
        if engines >= ENGINES && agents >= AGENTS_OF_ENGINES {
            return Some((Sign::Engines, agents));
        }
        let (agents, engines) = self.distinct(|old| alike(old) && old.flow == sight.flow);
        if engines >= ENGINES_OF_FLOW && agents >= AGENTS_OF_FLOW {
            return Some((Sign::Connection, agents));
        }
        let (agents, _) = self.distinct(|old| alike(old) && old.identity == sight.identity);
        (sight.identity.is_some() && agents >= AGENTS_OF_IDENTITY).then_some((Sign::Identity, agents))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Different agents and engines among those sights.
    fn distinct(&self, which: impl Fn(&&Sight) -> bool) -> (usize, usize) {
        let mut agents: Vec<u64> = self.0.iter().filter(&which).map(|sight| sight.agent).collect();
        let mut engines: Vec<Engine> = self.0.iter().filter(&which).filter_map(|sight| sight.engine).collect();
        agents.sort_unstable();
        agents.dedup();
        engines.sort_unstable();
        engines.dedup();
        (agents.len(), engines.len())
    }
}

impl Sign {
    /// Agents that it takes, confidence, and where they came together.
    pub(super) const fn terms(self) -> (usize, f32, &'static str) {
        match self {
            Self::Engines => (
                AGENTS_OF_ENGINES,
                0.8,
                "of three engines or more in one order of header fields",
            ),
            Self::Connection => (AGENTS_OF_FLOW, 0.8, "of two engines or more on one connection"),
            Self::Identity => (AGENTS_OF_IDENTITY, 0.7, "with one token or session"),
        }
    }
}
