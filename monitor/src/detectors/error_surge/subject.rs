//! What is counted of an endpoint, or of the host.

use std::sync::Arc;

use crate::baseline::failing::{Failing, Surge, Terms};
use crate::baseline::majority::Majority;
use crate::baseline::ticks::Over;
use crate::finding::occurrence::Occurrence;
use crate::time::Timestamp;

/// Shares that are supposed where nothing is learned, and the tries that they are worth: an error of the server in 200, one
/// of a client in 20.
const SERVER_PRIOR: (f64, f64) = (0.005, 200.0);
const CLIENT_PRIOR: (f64, f64) = (0.05, 100.0);
/// Fewer errors, beyond those of a deploy, are told of nobody.
const FEW_SERVER: [u32; 3] = [5, 8, 5];
const FEW_CLIENT: [u32; 3] = [20, u32::MAX, u32::MAX];
/// Errors of one client that are told: a crawler finds some pages gone, a program tries again what cannot be done.
const FEW_OF_ONE: u32 = 100;
/// Clients who err at the same time before it is no matter of one.
const CLIENTS: u64 = 3;
/// Errors from which on it shows whether most are at one endpoint.
const ENOUGH: u32 = 10;
/// Where there are no more, it is what these say.
const SOME: u32 = 3;

/// Whose error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 5xx.
    Server,
    /// 4xx, without those that ask for credentials or refuse them (401, 403, 407), and 429, which is an answer to many.
    Client,
}

impl Kind {
    #[inline]
    pub(super) fn of(status: u16) -> Option<Self> {
        match status {
            401 | 403 | 407 | 429 => None,
            400..=499 => Some(Self::Client),
            500..=599 => Some(Self::Server),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "5xx",
            Self::Client => "4xx",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Alphas {
    pub(super) server: [f64; 3],
    pub(super) client: f64,
}

/// An endpoint, or the host: about 5 KB.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) born: Timestamp,
    /// By kind.
    pub(super) kinds: [Failing; 2],
    /// Of the host: at which endpoint; and whether it was one before that was counted anew.
    endpoints: Majority<Arc<str>>,
    since: Timestamp,
    was_one_endpoint: bool,
    pub(super) occurrences: [Occurrence; 2],
}

impl Place {
    pub(super) fn new(now: Timestamp, alphas: Alphas) -> Self {
        let server = Terms {
            prior: SERVER_PRIOR,
            alphas: alphas.server,
            few: FEW_SERVER,
            few_of_one: FEW_OF_ONE,
            least_share: [0.0; 3],
        };
        let client = Terms {
            prior: CLIENT_PRIOR,
            alphas: [alphas.client; 3],
            few: FEW_CLIENT,
            few_of_one: FEW_OF_ONE,
            least_share: [0.0; 3],
        };
        Self {
            born: now,
            kinds: [Failing::new(server), Failing::new(client)],
            endpoints: Majority::default(),
            since: now,
            was_one_endpoint: false,
            occurrences: [Occurrence::new(now); 2],
        }
    }

    pub(super) fn weight(&self) -> u64 {
        crate::baseline::whole(self.kinds[0].tried())
    }

    #[inline]
    pub(super) fn add(&mut self, now: Timestamp, kind: Option<Kind>, is_learned: bool) {
        self.kinds[0].add(now, kind == Some(Kind::Server), is_learned);
        self.kinds[1].add(now, kind == Some(Kind::Client), is_learned);
    }

    pub(super) fn note_endpoint(&mut self, now: Timestamp, endpoint: &Arc<str>) {
        if self.since + crate::baseline::failing::WINDOWS[0] <= now {
            self.was_one_endpoint = self.is_of_one_endpoint();
            (self.endpoints, self.since) = (Majority::default(), now);
        }
        self.endpoints.add(Arc::clone(endpoint));
    }

    pub(super) fn is_of_one_endpoint(&self) -> bool {
        let votes = self.endpoints.votes();
        if votes < ENOUGH {
            return self.was_one_endpoint || votes >= SOME && self.endpoints.has_one();
        }
        self.endpoints.has_one()
    }

    /// Whether there are too many errors, without those that a deploy explains.
    pub(super) fn judge(&mut self, now: Timestamp, kind: Kind, is_known: bool) -> Option<Surge> {
        let failing = &mut self.kinds[kind as usize];
        let of_few = kind == Kind::Client && failing.clients() < CLIENTS;
        failing.judge(now, is_known, of_few)
    }

    /// An hour is over.
    pub(super) fn learn(&mut self, over: Over) {
        for kind in &mut self.kinds {
            kind.learn(over);
        }
    }
}
