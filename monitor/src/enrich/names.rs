//! Names of addresses, from the DNS answers that this host got.
//!
//! Host-wide by network namespace, since a local resolver may have asked for the process that connects: an answer seen in
//! the connection's own namespace goes before one seen elsewhere. The name is the one asked for, not the canonical one
//! behind it: that is what the program meant.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::time::Timestamp;

/// Names kept; the oldest goes for a newer one. A busy host resolves a few thousand names.
const MAX_NAMES: usize = 65_536;
/// Programs keep addresses longer than they may (Java for ever by default, browsers and pools for minutes): a name
/// holds at least this long.
const MIN_LIFE: Duration = Duration::from_hours(1);
/// And at most this long, whatever the answer says (RFC 8767 section 4 caps TTLs at days).
const MAX_LIFE: Duration = Duration::from_hours(24);
/// Stands for any namespace.
const ANYWHERE: u64 = 0;

/// What addresses are called.
#[derive(Debug, Default)]
pub struct Names {
    known: FxHashMap<(u64, IpAddr), Name>,
    order: VecDeque<(u64, IpAddr)>,
    evicted: u64,
}

#[derive(Debug)]
struct Name {
    name: Arc<str>,
    until: Timestamp,
}

impl Names {
    /// An answer: `name` is at `address` for `ttl_s` seconds.
    pub fn learn(&mut self, now: Timestamp, netns: u64, address: IpAddr, name: &Arc<str>, ttl_s: u32) {
        let until = now + Duration::from_secs(u64::from(ttl_s)).clamp(MIN_LIFE, MAX_LIFE);
        let both = [netns, ANYWHERE];
        for scope in if netns == ANYWHERE { &both[1..] } else { &both[..] } {
            let key = (*scope, address);
            if self
                .known
                .insert(
                    key,
                    Name {
                        name: Arc::clone(name),
                        until,
                    },
                )
                .is_none()
            {
                self.order.push_back(key);
            }
        }
        while self.order.len() > MAX_NAMES
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            self.evicted += 1;
        }
    }

    /// The name of `address` as seen from `netns`.
    pub fn of(&self, now: Timestamp, netns: u64, address: IpAddr) -> Option<&Arc<str>> {
        let at = |scope: u64| {
            self.known
                .get(&(scope, address))
                .filter(|n| now < n.until)
                .map(|n| &n.name)
        };
        at(netns).or_else(|| at(ANYWHERE))
    }

    /// Names given up.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: u64) -> Timestamp {
        Timestamp::from_secs(s)
    }

    #[test]
    fn the_own_namespace_goes_first() {
        let mut names = Names::default();
        let address: IpAddr = "203.0.113.7".parse().unwrap();
        names.learn(secs(0), 1, address, &"one.example".into(), 60);
        names.learn(secs(1), 2, address, &"two.example".into(), 60);
        assert_eq!(names.of(secs(2), 1, address).map(AsRef::as_ref), Some("one.example"));
        assert_eq!(names.of(secs(2), 2, address).map(AsRef::as_ref), Some("two.example"));
        assert_eq!(names.of(secs(2), 3, address).map(AsRef::as_ref), Some("two.example"));
    }

    #[test]
    fn names_end() {
        let mut names = Names::default();
        let address: IpAddr = "203.0.113.7".parse().unwrap();
        names.learn(secs(0), 1, address, &"one.example".into(), u32::MAX);
        assert!(names.of(secs(86_399), 1, address).is_some());
        assert!(names.of(secs(86_400), 1, address).is_none());
    }
}
