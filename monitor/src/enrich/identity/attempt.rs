//! A transaction as an attempt to be someone: with what, and how it ended.

use super::login::LoginOutcome;
use super::{Identity, IdentityKind};
use crate::record::{HttpRecord, HttpRole};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The server took the credentials, or let them in.
    Accepted,
    /// It refused them (401, 403), or the login failed.
    Refused,
    /// It refused a credential that it took before (401): most likely one that has expired.
    Expired,
    /// It refused a request without credentials, which is how a server asks for them (RFC 9110 section 15.5.2).
    Asked,
}

impl Attempt {
    /// What `record` was; none where there were no credentials and none were asked for, or nothing is known of the end.
    #[inline]
    pub fn of(record: &HttpRecord) -> Option<Self> {
        let status = record.response.as_ref()?.status;
        let refused = matches!(status, 401 | 403);
        // The ordinary request of a public endpoint.
        if record.identity.is_empty() && record.login.is_none() && !refused || record.role != HttpRole::Server {
            return None;
        }
        match record.login {
            Some(LoginOutcome::Failure) => return Some(Self::Refused),
            Some(LoginOutcome::Success) => return Some(Self::Accepted),
            Some(LoginOutcome::Unknown) if !refused => return None,
            Some(LoginOutcome::Unknown) | None => {}
        }
        match status {
            401 if secrets(&record.identity).any(|identity| !identity.unproven) => Some(Self::Expired),
            401 | 403 if !record.identity.is_empty() || says_something(record) => Some(Self::Refused),
            401 | 403 => Some(Self::Asked),
            // With some of 4xx the server looked at what was asked, so it had taken who asked. 407 and 429 say nothing, nor
            // do errors.
            101 | 200..=399 | 404 | 409 | 410 | 412 | 416 => Some(Self::Accepted),
            _ => None,
        }
    }
}

/// Keys, tokens and sessions: what expires. A name in a token is the client's own word.
fn secrets(identities: &[Identity]) -> impl Iterator<Item = &Identity> {
    identities.iter().filter(|identity| match identity.kind {
        IdentityKind::Key | IdentityKind::Token | IdentityKind::Session => true,
        IdentityKind::Account => false,
    })
}

/// A body may hold credentials where nobody looked.
fn says_something(record: &HttpRecord) -> bool {
    record.request.as_ref().is_some_and(|request| request.body_bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::made::{Made, login, request};

    #[track_caller]
    fn check(made: &Made, expected: Option<Attempt>) {
        assert_eq!(Attempt::of(&made.0), expected, "{made:?}");
    }

    #[test]
    fn what_is_an_attempt_and_how_it_ended() {
        let plain = |status| request("198.51.100.7", "GET /orders", status);
        let token = |status, proven| plain(status).who(IdentityKind::Token, "token:1", proven);
        check(&plain(200), None);
        check(&plain(401), Some(Attempt::Asked));
        check(&token(200, true), Some(Attempt::Accepted));
        check(&token(404, true), Some(Attempt::Accepted));
        check(&token(500, true), None);
        check(&token(429, true), None);
        check(&token(401, true), Some(Attempt::Expired));
        check(&token(401, false), Some(Attempt::Refused));
        check(&token(403, true), Some(Attempt::Refused));
        check(&login("198.51.100.7", "alice", true), Some(Attempt::Accepted));
        check(&login("198.51.100.7", "alice", false), Some(Attempt::Refused));
        // A name in a forged token is no proof that the token was ever good.
        let forged = token(401, false).who(IdentityKind::Account, "alice", true);
        check(&forged, Some(Attempt::Refused));
        let mut posted = plain(401);
        posted.0.request.as_mut().unwrap().body_bytes = 40;
        check(&posted, Some(Attempt::Refused));
        let mut ours = token(401, false);
        ours.0.role = HttpRole::Client;
        check(&ours, None);
    }
}
