//! Bytes that conversations hold while they wait for others: bounded over all flows together.
//!
//! One flow alone may hold a header or a hole of 64 KiB; a hundred thousand that each begin a header and never end it
//! would fill the memory of the host. Where all hold too much, the one that has waited longest gives up what it holds.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::event::FlowId;

/// Most bytes that all conversations hold together. A thousand headers of the longest kind that are on their way at one
/// time; servers limit themselves to less.
pub(super) const MAX_HELD_BYTES: usize = 64 * 1024 * 1024;

/// Who holds how much, and since when.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    total: usize,
    holders: FxHashMap<FlowId, Holder>,
    /// By the order in which they began.
    waiting: BTreeMap<u64, FlowId>,
    begun: u64,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    begun: u64,
    bytes: usize,
}

impl Holdings {
    /// A flow holds so many bytes now; 0 is none.
    pub(super) fn note(&mut self, id: FlowId, bytes: usize) {
        if bytes == 0 {
            if let Some(holder) = self.holders.remove(&id) {
                self.total -= holder.bytes;
                self.waiting.remove(&holder.begun);
            }
            return;
        }
        let begun = &mut self.begun;
        let holder = self.holders.entry(id).or_insert_with(|| {
            *begun += 1;
            self.waiting.insert(*begun, id);
            Holder {
                begun: *begun,
                bytes: 0,
            }
        });
        self.total = self.total - holder.bytes + bytes;
        holder.bytes = bytes;
    }

    /// Who has waited longest, where all hold too much.
    pub(super) fn too_many(&self) -> Option<FlowId> {
        (self.total > MAX_HELD_BYTES)
            .then(|| self.waiting.values().next().copied())
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(cookie: u64) -> FlowId {
        FlowId { cookie, generation: 1 }
    }

    #[test]
    fn who_has_waited_longest_goes() {
        let mut holdings = Holdings::default();
        let half = MAX_HELD_BYTES / 2;
        holdings.note(flow(1), 1);
        holdings.note(flow(2), half);
        holdings.note(flow(1), half);
        assert_eq!(holdings.too_many(), None);
        holdings.note(flow(3), 1);
        assert_eq!(holdings.too_many(), Some(flow(1)));
        holdings.note(flow(1), 0);
        assert_eq!(holdings.too_many(), None);
        holdings.note(flow(1), half);
        assert_eq!(holdings.too_many(), Some(flow(2)));
        for cookie in 1..4 {
            holdings.note(flow(cookie), 0);
        }
        assert_eq!((holdings.total, holdings.waiting.len()), (0, 0));
    }
}
