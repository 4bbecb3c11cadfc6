//! Names of addresses, from the DNS answers that this host got.
//!
//! Many names share one address (content delivery networks), and a local resolver may have asked for the process that
//! connects. So an answer that the connecting process itself got goes first, then one seen in the connection's own network
//! namespace, then one seen anywhere on the host; among equals the latest. The name is the one asked for, not the canonical
//! one behind it: that is what the program meant, and it stays the same while addresses rotate.

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
/// Stands for any namespace, and for any process.
const ANY: u64 = 0;

/// Who knows a name: a process (pid on the host) in a namespace, anyone in it, anyone.
type Scope = (u64, u32);

fn scopes(netns: u64, pid: Option<u32>) -> impl Iterator<Item = Scope> {
    let own = pid.filter(|_| netns != ANY).map(|pid| (netns, pid));
    let all = (netns != ANY).then_some((netns, 0));
    own.into_iter().chain(all).chain([(ANY, 0)])
}

/// What addresses are called.
#[derive(Debug, Default)]
pub struct Names {
    known: FxHashMap<(Scope, IpAddr), Name>,
    order: VecDeque<(Scope, IpAddr)>,
    evicted: u64,
}

#[derive(Debug)]
struct Name {
    name: Arc<str>,
    until: Timestamp,
}

impl Names {
    /// An answer: `name` is at `address` for `ttl_s` seconds. `pid` is the process that asked.
    pub fn learn(
        &mut self,
        now: Timestamp,
        (netns, pid): (u64, Option<u32>),
        address: IpAddr,
        name: &Arc<str>,
        ttl_s: u32,
    ) {
        let until = now + Duration::from_secs(u64::from(ttl_s)).clamp(MIN_LIFE, MAX_LIFE);
        for scope in scopes(netns, pid) {
            let key = (scope, address);
            let name = Name {
                name: Arc::clone(name),
                until,
            };
            if self.known.insert(key, name).is_none() {
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

    /// The name of `address` as `pid` knows it in `netns`, else as others do.
    pub fn of(&self, now: Timestamp, (netns, pid): (u64, Option<u32>), address: IpAddr) -> Option<&Arc<str>> {
        scopes(netns, pid)
            .filter_map(|scope| self.known.get(&(scope, address)))
            .find(|name| now < name.until)
            .map(|name| &name.name)
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
        names.learn(secs(0), (1, None), address, &"one.example".into(), 60);
        names.learn(secs(1), (2, None), address, &"two.example".into(), 60);
        assert_eq!(
            names.of(secs(2), (1, None), address).map(AsRef::as_ref),
            Some("one.example")
        );
        assert_eq!(
            names.of(secs(2), (2, None), address).map(AsRef::as_ref),
            Some("two.example")
        );
        assert_eq!(
            names.of(secs(2), (3, None), address).map(AsRef::as_ref),
            Some("two.example")
        );
    }

    #[test]
    fn the_asking_process_goes_before_all() {
        let mut names = Names::default();
        let shared: IpAddr = "203.0.113.7".parse().unwrap();
        names.learn(secs(0), (1, Some(10)), shared, &"shop.example".into(), 60);
        names.learn(secs(1), (1, Some(11)), shared, &"ads.example".into(), 60);
        let name = |pid| names.of(secs(2), (1, pid), shared).map(AsRef::as_ref);
        assert_eq!(name(Some(10)), Some("shop.example"));
        assert_eq!(name(Some(11)), Some("ads.example"));
        assert_eq!(name(Some(12)), Some("ads.example"));
        assert_eq!(name(None), Some("ads.example"));
    }

    #[test]
    fn names_end() {
        let mut names = Names::default();
        let address: IpAddr = "203.0.113.7".parse().unwrap();
        names.learn(secs(0), (1, None), address, &"one.example".into(), u32::MAX);
        assert!(names.of(secs(86_399), (1, None), address).is_some());
        assert!(names.of(secs(86_400), (1, None), address).is_none());
    }
}
