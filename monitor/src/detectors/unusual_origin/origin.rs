//! An origin: a country, or a network by the number of its autonomous system; and how often new ones come.

use std::sync::Arc;

use crate::alert::{Actor, ActorKind};
use crate::enrich::networks::Whereabouts;

/// What kind of origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Country,
    Network,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Country, Self::Network];

    /// The subject of the host's own set.
    pub(super) const fn set(self) -> &'static str {
        match self {
            Self::Country => "countries",
            Self::Network => "networks",
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Network => "network",
        }
    }

    pub(super) const fn at(self) -> usize {
        match self {
            Self::Country => 0,
            Self::Network => 1,
        }
    }

    /// That of a client, as sets have it.
    pub(super) fn of(self, place: &Whereabouts) -> Option<Arc<str>> {
        match self {
            Self::Country => place.country.clone(),
            Self::Network => place.asn.map(|asn| format!("AS{asn}").into()),
        }
    }

    pub(super) fn actor(self, id: &Arc<str>) -> Actor {
        let kind = match self {
            Self::Country => ActorKind::Country,
            Self::Network => ActorKind::Asn,
        };
        Actor {
            kind,
            id: Arc::clone(id),
        }
    }
}

/// So many of so many, with as much believed before: a share that small samples do not make 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) of: f64,
    pub(super) all: f64,
}

/// Beyond so many all is halved: what was long ago fades.
const MOST: f64 = 100_000.0;

impl Share {
    /// One more, which is one of them or not.
    pub(super) fn add(&mut self, is_one: bool) {
        self.of += f64::from(u8::from(is_one));
        self.all += 1.0;
        if self.all > MOST {
            (self.of, self.all) = (self.of / 2.0, self.all / 2.0);
        }
    }

    /// With `prior` believed of `weight` before.
    pub(super) fn with(&self, prior: f64, weight: f64) -> f64 {
        (self.of + prior * weight) / (self.all + weight)
    }
}
