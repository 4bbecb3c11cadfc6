//! Reverse proxies of this host: programs that serve requests and ask a server beside them for the answers.
//!
//! Such a request is seen twice here, and is one: detectors and views are shown what the proxy served. What the server
//! behind it served is told as `relayed`.

use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::time::Timestamp;

/// A program that has served nothing that could be read for this long is no front: where TLS ends in it, what is behind it
/// is all there is to see.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Programs remembered; hosts have a handful of servers, with a handful of processes each.
const MOST: usize = 1_024;
/// A program's latest request is noted this often.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// The programs that serve, by process id.
#[derive(Debug, Default)]
pub struct Fronts {
    served: FxHashMap<u32, Timestamp>,
    /// The one that was noted last: most requests are served by who served the one before.
    latest: Option<(u32, Timestamp)>,
}

impl Fronts {
    /// Process `pid` has served a request.
    pub fn serves(&mut self, now: Timestamp, pid: u32) {
        if self.latest.is_some_and(|(of, at)| of == pid && now < at + NOTE_EVERY) {
            return;
        }
        self.latest = Some((pid, now));
        if self.served.len() >= MOST && !self.served.contains_key(&pid) {
            self.served.retain(|_, at| now < *at + REMEMBERED);
            // All of them served within a minute: what is behind this one is counted twice.
            if self.served.len() >= MOST {
                return;
            }
        }
        self.served.insert(pid, now);
    }

    /// Whether what process `pid` asks for now may be what it was asked for itself.
    pub fn is_front(&self, now: Timestamp, pid: u32) -> bool {
        self.served
            .get(&pid)
            .is_some_and(|at| now < *at + REMEMBERED + NOTE_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn who_serves_is_a_front_for_a_while() {
        let mut fronts = Fronts::default();
        fronts.serves(at(0), 7);
        assert!(fronts.is_front(at(1), 7) && !fronts.is_front(at(1), 8));
        fronts.serves(at(50), 7);
        assert!(fronts.is_front(at(100), 7) && !fronts.is_front(at(200), 7));
    }

    #[test]
    fn is_bounded() {
        let mut fronts = Fronts::default();
        (0..3_000).for_each(|pid| fronts.serves(at(0), pid));
        assert_eq!(fronts.served.len(), MOST);
        fronts.serves(at(100), 5_000);
        assert!(fronts.is_front(at(100), 5_000));
    }
}
