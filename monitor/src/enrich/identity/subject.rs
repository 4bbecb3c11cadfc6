//! Who may be said to have asked: one identity of a request, or where it came from.

use super::{Identity, IdentityKind, IdentitySource};
use crate::alert::{Actor, ActorKind};
use crate::record::HttpRecord;
use std::sync::Arc;

/// The identity that stands for whoever asked, narrowest first: an account, a session, a key, a token. None that this host
/// never accepted, whose name may be made up; none of a request that was refused with 401, which proves nothing; no name
/// that a login says.
#[inline]
pub fn subject(record: &HttpRecord) -> Option<&Identity> {
    if record.identity.is_empty() || record.response.as_ref().is_some_and(|response| response.status == 401) {
        return None;
    }
    let of = |kind| {
        record.identity.iter().find(move |identity| {
            identity.kind == kind && !identity.unproven && identity.source != IdentitySource::Login
        })
    };
    of(IdentityKind::Account)
        .or_else(|| of(IdentityKind::Session))
        .or_else(|| of(IdentityKind::Key))
        .or_else(|| of(IdentityKind::Token))
}

impl Identity {
    /// It as whoever did something.
    pub fn actor(&self) -> Actor {
        Actor {
            kind: match self.kind {
                IdentityKind::Key => ActorKind::Key,
                IdentityKind::Token => ActorKind::Token,
                IdentityKind::Account => ActorKind::Account,
                IdentityKind::Session => ActorKind::Session,
            },
            id: Arc::clone(&self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::made::{login, request};

    #[test]
    fn the_narrowest_that_is_proven_stands_for_who_asked() {
        let plain = |status| request("198.51.100.7", "GET /orders", status);
        let all = |status, proven| {
            plain(status)
                .who(IdentityKind::Token, "token:1", proven)
                .who(IdentityKind::Key, "key:1", true)
                .who(IdentityKind::Account, "alice", proven)
        };
        let kind = |made: &crate::observation::made::Made| subject(&made.0).map(|identity| identity.kind);
        assert_eq!(kind(&all(200, true)), Some(IdentityKind::Account));
        assert_eq!(kind(&all(200, false)), Some(IdentityKind::Key));
        assert_eq!(kind(&all(401, true)), None);
        assert_eq!(kind(&plain(200)), None);
        assert_eq!(kind(&login("198.51.100.7", "alice", true)), None);
    }
}
