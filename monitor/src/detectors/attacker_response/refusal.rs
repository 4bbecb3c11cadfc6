//! Whether a request was refused, and how clearly.

use crate::enrich::identity::attempt::Attempt;
use crate::record::{HttpRecord, Incomplete};

/// Refusals that are one block: a password may be wrong twice, and a connection may break.
pub(super) const BLOCK: u8 = 3;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was refused; of [`BLOCK`] so much.
    Refused(u8),
    /// It was not.
    Given,
    /// That says nothing.
    Other,
}

impl Answer {
    /// What came of `record`.
    #[inline]
    pub(super) fn of(record: &HttpRecord) -> Self {
        let Some(response) = &record.response else {
            return match record.incomplete {
                Some(Incomplete::NoResponse | Incomplete::Reset) => Self::Refused(1),
                Some(
                    Incomplete::HeaderTruncated
                    | Incomplete::Gap
                    | Incomplete::RequestCut
                    | Incomplete::ResponseCut
                    | Incomplete::NoRequest
                    | Incomplete::StillOpen
                    | Incomplete::Evicted
                    | Incomplete::HeadersUnseen,
                )
                | None => Self::Other,
            };
        };
        match response.status {
            101 | 200..=399 if record.login.is_none() => Self::Given,
            401 | 403 if record.login.is_some() => Self::Refused(1),
            403 | 429 => Self::Refused(BLOCK),
            101 | 200..=399 | 401 => match Attempt::of(record) {
                Some(Attempt::Refused) => Self::Refused(1),
                Some(Attempt::Accepted) => Self::Given,
                // One that has expired, or the question for one.
                Some(Attempt::Expired | Attempt::Asked) | None => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::identity::IdentityKind;
    use crate::observation::made::{login, request};

    #[test]
    fn what_is_refused() {
        let plain = |status| request("198.51.100.7", "GET /a", status);
        for (made, answer) in [
            (plain(200), Answer::Given),
            (plain(304), Answer::Given),
            (plain(404), Answer::Other),
            (plain(503), Answer::Other),
            (plain(403), Answer::Refused(BLOCK)),
            (plain(429), Answer::Refused(BLOCK)),
            (plain(401), Answer::Other),
            (plain(401).who(IdentityKind::Key, "key:1", false), Answer::Refused(1)),
            (plain(401).who(IdentityKind::Token, "token:1", true), Answer::Other),
            (login("198.51.100.7", "anna", false), Answer::Refused(1)),
            (login("198.51.100.7", "anna", true), Answer::Given),
        ] {
            assert_eq!(Answer::of(&made.0), answer, "{made:?}");
        }
        let mut silent = plain(200);
        silent.0.response = None;
        silent.0.incomplete = Some(Incomplete::NoResponse);
        assert_eq!(Answer::of(&silent.0), Answer::Refused(1));
        silent.0.incomplete = Some(Incomplete::StillOpen);
        assert_eq!(Answer::of(&silent.0), Answer::Other);
    }
}
