//! By identity: what it asked for, how that was answered, from where.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::baseline::distinct::Distinct;
use crate::baseline::recent::Recent;
use crate::enrich::identity::IdentityKind;
use crate::enrich::networks::Whereabouts;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// Identities kept, some 20 MB.
const MOST: usize = 65_536;
/// Addresses of an identity count for so long.
const ADDRESSES: Duration = Duration::from_hours(24);

/// What is known of one.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Transactions.
    pub requests: u64,
    /// Answered 401 or 403.
    pub refused: u64,
    /// No request of it was ever answered with success.
    pub unproven: bool,
    /// Addresses of the last 24 hours.
    pub addresses: Distinct<16>,
    /// The latest of them.
    pub address: Option<IpAddr>,
    /// Where that is.
    pub whereabouts: Option<Arc<Whereabouts>>,
    /// First and last seen.
    pub first_seen: Timestamp,
    /// See `first_seen`.
    pub last_seen: Timestamp,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Identities(Recent<(IdentityKind, Arc<str>), Identity>);

impl Default for Identities {
    fn default() -> Self {
        Self(Recent::new(MOST, Duration::MAX))
    }
}

impl Identities {
    pub(super) fn see(&mut self, now: Timestamp, record: &HttpRecord) {
        for identity in &record.identity {
            let known = self.0.see_or_make(
                now,
                &(identity.kind, Arc::clone(&identity.id)),
                || Identity {
                    requests: 0,
                    refused: 0,
                    unproven: true,
                    addresses: Distinct::default(),
                    address: None,
                    whereabouts: None,
                    first_seen: record.start,
                    last_seen: record.start,
                },
                // Those that a server knows tell more than what somebody makes up.
                |known| if known.unproven { 0 } else { known.requests },
            );
            let status = record.response.as_ref().map(|response| response.status);
            known.requests += 1;
            known.refused += u64::from(matches!(status, Some(401 | 403)));
            known.unproven = identity.unproven;
            known.last_seen = known.last_seen.max(record.start);
            if let Some(client) = &record.client
                && known.address != Some(client.ip)
            {
                known.addresses.see(now, ADDRESSES, &client.ip);
                known.address = Some(client.ip);
                known.whereabouts.clone_from(&client.whereabouts);
            }
        }
    }

    pub(super) fn rows(&self, now: Timestamp) -> Vec<((IdentityKind, Arc<str>), Identity)> {
        let mut rows: Vec<_> = self.0.iter().map(|(key, row)| (key.clone(), row.clone())).collect();
        for (_, row) in &mut rows {
            // One that stays where it is was not counted anew.
            if let Some(address) = row.address {
                row.addresses.see(row.last_seen, ADDRESSES, &address);
            }
            row.addresses.forget(now, ADDRESSES);
        }
        rows.sort_by(|(a, x), (b, y)| y.requests.cmp(&x.requests).then_with(|| a.1.cmp(&b.1)));
        rows
    }

    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}
