//! Ends of connections on this host that ended before they met their other end: where a ring overflows, its records come
//! late, out of the map that holds closes until they are asked for, and in any order.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::{Output, Pipeline};
use crate::event::Role;
use crate::flow::{FiveTuple, Flow, Transport, scope};
use crate::record::EndReason;
use crate::time::Timestamp;

/// How long an end is remembered: the map of closes is drained every second.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Ends that are remembered; with more of them the oldest connecting one is told.
const MOST: usize = 8_192;

/// The ends of a connection as the remembered end has them, and where loopback addresses are.
type Key = (FiveTuple, u64);

/// Whom is remembered.
#[derive(Debug)]
enum End {
    /// A connecting one that is not told yet, and how it ended.
    Connecting(Box<Flow>, EndReason),
    /// An accepting one that was told; when it was opened.
    Accepting(Timestamp),
}

/// Those that are remembered.
#[derive(Debug, Default)]
pub(super) struct Unmet {
    ends: FxHashMap<Key, (u64, End)>,
    /// When each is forgotten; one that was taken, or replaced, has another number.
    order: VecDeque<(Timestamp, Key, u64)>,
    count: u64,
}

impl Unmet {
    /// Remembers one; gives a connecting one that has to be told for it.
    fn keep(&mut self, now: Timestamp, key: Key, end: End) -> Option<(Box<Flow>, EndReason)> {
        self.count += 1;
        self.order.push_back((now + PATIENCE, key, self.count));
        let replaced = self.ends.insert(key, (self.count, end)).map(|(_, end)| end);
        let given_up = replaced.or_else(|| (self.order.len() > MOST).then(|| self.forget()).flatten());
        given_up.and_then(End::untold)
    }

    /// The connecting end of a flow that was accepted here then, if it has ended already: it is told by this one.
    pub(super) fn connecting(&mut self, tuple: &FiveTuple, netns: u64, accepted: Timestamp) -> Option<Box<Flow>> {
        let other = tuple.reversed();
        let key = (other, scope(&other, netns));
        match self.ends.get(&key)? {
            (_, End::Connecting(flow, _)) if is_within(accepted, flow) => {}
            (_, End::Connecting(..) | End::Accepting(_)) => return None,
        }
        self.ends.remove(&key)?.1.untold().map(|(flow, _)| flow)
    }

    /// Whether the accepting end of this one was told already; it is forgotten then.
    fn was_told(&mut self, connecting: &Flow, tuple: &FiveTuple) -> bool {
        let other = tuple.reversed();
        let key = (other, scope(&other, connecting.netns));
        let told = match self.ends.get(&key) {
            Some((_, End::Accepting(accepted))) => is_within(*accepted, connecting),
            Some((_, End::Connecting(..))) | None => false,
        };
        if told {
            self.ends.remove(&key);
        }
        told
    }

    /// Forgets the oldest.
    fn forget(&mut self) -> Option<End> {
        let (_, key, number) = self.order.pop_front()?;
        self.ends.get(&key).filter(|(current, _)| *current == number)?;
        self.ends.remove(&key).map(|(_, end)| end)
    }

    /// When the oldest is forgotten.
    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.order.front().map(|(due, ..)| *due)
    }

    fn due(&self, now: Timestamp) -> bool {
        self.poll_timeout().is_some_and(|due| due <= now)
    }
}

impl End {
    fn untold(self) -> Option<(Box<Flow>, EndReason)> {
        match self {
            Self::Connecting(flow, reason) => Some((flow, reason)),
            Self::Accepting(_) => None,
        }
    }
}

impl Pipeline {
    /// A flow has ended. Gives it back if it is to be told now: not a connecting end whose other end was told, or may
    /// still come.
    pub(super) fn meet_late(&mut self, flow: Flow, reason: EndReason, out: &mut Output) -> Option<Flow> {
        let over = !matches!(reason, EndReason::StillOpen | EndReason::Evicted | EndReason::Vanished);
        let Some(tuple) = flow.tuple.filter(|tuple| tuple.transport == Transport::Tcp && over) else {
            return Some(flow);
        };
        if flow.other_end.is_some() || !flow.flags.established {
            return Some(flow);
        }
        match flow.role {
            Role::Active if flow.is_shadow && !flow.told_open => {
                if self.unmet.was_told(&flow, &tuple) {
                    return None;
                }
                let key = (tuple, scope(&tuple, flow.netns));
                let end = End::Connecting(Box::new(flow), reason);
                let given_up = self.unmet.keep(self.now, key, end);
                self.tell_unmet(given_up, out);
                None
            }
            Role::Passive if flow.reaches_itself() => {
                let key = (tuple, scope(&tuple, flow.netns));
                let given_up = self.unmet.keep(self.now, key, End::Accepting(flow.opened));
                self.tell_unmet(given_up, out);
                Some(flow)
            }
            Role::Active | Role::Passive | Role::Unknown => Some(flow),
        }
    }

    /// Tells those that waited in vain; all of them, where `now` is the end.
    pub(super) fn give_up_unmet(&mut self, now: Option<Timestamp>, out: &mut Output) {
        while now.map_or(!self.unmet.order.is_empty(), |now| self.unmet.due(now)) {
            let forgotten = self.unmet.forget().and_then(End::untold);
            self.tell_unmet(forgotten, out);
        }
    }

    fn tell_unmet(&mut self, unmet: Option<(Box<Flow>, EndReason)>, out: &mut Output) {
        if let Some((flow, reason)) = unmet {
            self.tell_end(*flow, reason, out);
        }
    }
}

/// Whether a connection that was accepted then is the one of this connecting end: a port may come again.
fn is_within(accepted: Timestamp, connecting: &Flow) -> bool {
    (connecting.opened..=connecting.seen()).contains(&accepted)
}
