//! Who asks: the identity that this host accepted, else the client's address.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::source::Source;
use crate::alert::{Actor, ActorKind};
use crate::enrich::identity::{Identity, IdentityKind};
use crate::record::HttpRecord;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// By what it shows and this host took.
    Identity(IdentityKind, Arc<str>),
    /// By where it is.
    Address(IpAddr),
}

/// Whose a request is, by a hash: hostile ones may share theirs, at their own cost. Nothing is allocated.
pub fn key(record: &HttpRecord) -> Option<u64> {
    let mut hasher = FxBuildHasher.build_hasher();
    match proven(record) {
        Some(identity) => (identity.kind, &*identity.id).hash(&mut hasher),
        None => Source::from(record.client.as_ref()?.ip).hash(&mut hasher),
    }
    Some(hasher.finish())
}

impl Asker {
    /// Whose a request is.
    pub fn of(record: &HttpRecord) -> Option<Self> {
        match proven(record) {
            Some(identity) => Some(Self::Identity(identity.kind, Arc::clone(&identity.id))),
            None => Some(Self::Address(record.client.as_ref()?.ip.to_canonical())),
        }
    }

    /// The same as [`key`] gives for its requests.
    pub fn key(&self) -> u64 {
        let mut hasher = FxBuildHasher.build_hasher();
        match self {
            Self::Identity(kind, id) => (*kind, &**id).hash(&mut hasher),
            Self::Address(address) => Source::from(*address).hash(&mut hasher),
        }
        hasher.finish()
    }

    /// As an actor.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Identity(kind, id) => Actor {
                kind: match kind {
                    IdentityKind::Key => ActorKind::Key,
                    IdentityKind::Token => ActorKind::Token,
                    IdentityKind::Account => ActorKind::Account,
                    IdentityKind::Session => ActorKind::Session,
                },
                id: Arc::clone(id),
            },
            Self::Address(address) => Source::from(*address).actor(*address, true),
        }
    }

    /// For the store.
    pub fn text(&self) -> String {
        match self {
            Self::Identity(kind, id) => format!("{} {id}", kind.name()),
            Self::Address(address) => format!("ip {address}"),
        }
    }

    /// What [`Self::text`] gave.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(' ')?;
        let kinds = [
            IdentityKind::Key,
            IdentityKind::Token,
            IdentityKind::Account,
            IdentityKind::Session,
        ];
        if let Some(kind) = kinds.into_iter().find(|known| known.name() == kind) {
            return Some(Self::Identity(kind, id.into()));
        }
        id.parse().ok().filter(|_| kind == "ip").map(Self::Address)
    }
}

fn proven(record: &HttpRecord) -> Option<&Identity> {
    let rank = |identity: &&Identity| match identity.kind {
        IdentityKind::Account => 0,
        IdentityKind::Key => 1,
        IdentityKind::Token => 2,
        IdentityKind::Session => 3,
    };
    record
        .identity
        .iter()
        .filter(|identity| !identity.unproven)
        .min_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::made::request;

    #[test]
    fn one_is_the_same_by_record_and_by_name() {
        let plain = request("198.51.100.7", "GET /", 200);
        let known = plain.clone().who(IdentityKind::Key, "key:1", true);
        let forged = plain.clone().who(IdentityKind::Account, "alice", false);
        for made in [&plain, &known, &forged] {
            let asker = Asker::of(&made.0).unwrap();
            assert_eq!(key(&made.0), Some(asker.key()));
            assert_eq!(Asker::parse(&asker.text()), Some(asker));
        }
        assert_eq!(
            Asker::of(&forged.0),
            Asker::of(&plain.0),
            "what was not accepted names nobody"
        );
        assert_eq!(Asker::of(&known.0).unwrap().actor().kind, ActorKind::Key);
        assert_eq!(Asker::parse("ip nowhere"), None);
    }
}
