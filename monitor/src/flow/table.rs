//! The flows that live, bounded, found by id or by the other end.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{FiveTuple, Flow, Transport};
use crate::event::FlowId;

/// Ids of flows that ended, remembered so that what straggles in after the end does not make them anew.
const MAX_ENDED: usize = 8_192;

/// The flows that live.
#[derive(Debug)]
pub struct FlowTable {
    /// Boxed: a flow is taken out and put back for each of its messages.
    flows: FxHashMap<FlowId, Box<Flow>>,
    /// Flows by their ends. Loopback addresses mean something else in each namespace; others are taken as one space.
    by_tuple: FxHashMap<(FiveTuple, u64), FlowId>,
    /// Established TCP flows by the numbers that they sent and received first.
    by_seqs: FxHashMap<(u32, u32), FlowId>,
    /// In order of arrival; the hand of a clock goes round and takes the first that was not touched since it last came.
    order: VecDeque<(FlowId, u64)>,
    arrivals: u64,
    ended: FxHashSet<FlowId>,
    ended_order: VecDeque<FlowId>,
    most: usize,
    evicted: u64,
}

impl FlowTable {
    /// Holds up to `most` flows.
    pub fn new(most: usize) -> Self {
        Self {
            flows: FxHashMap::default(),
            by_tuple: FxHashMap::default(),
            by_seqs: FxHashMap::default(),
            order: VecDeque::new(),
            arrivals: 0,
            ended: FxHashSet::default(),
            ended_order: VecDeque::new(),
            most: most.max(1),
            evicted: 0,
        }
    }

    /// The flow `id`.
    pub fn get(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(&id).map(AsRef::as_ref)
    }

    /// Like [`Self::get`]; counts as a touch.
    pub fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow> {
        let flow = self.flows.get_mut(&id)?;
        flow.touched = true;
        Some(flow)
    }

    /// Takes a flow out for a moment, to change it beside the others; it is to be put back.
    pub fn take(&mut self, id: FlowId) -> Option<Box<Flow>> {
        self.flows.remove(&id)
    }

    /// Puts back what [`Self::take`] gave.
    pub fn put_back(&mut self, flow: Box<Flow>) {
        self.flows.insert(flow.id, flow);
    }

    /// Whether `id` ended lately.
    pub fn has_ended(&self, id: FlowId) -> bool {
        self.ended.contains(&id)
    }

    /// Takes a new flow in. Where that makes one too many, gives one back to be told as evicted.
    pub fn insert(&mut self, mut flow: Flow) -> Option<Flow> {
        let id = flow.id;
        self.arrivals += 1;
        flow.arrival = self.arrivals;
        if let Some(tuple) = flow.tuple {
            self.by_tuple.insert((tuple, scope(&tuple, flow.netns)), id);
        }
        self.order.push_back((id, self.arrivals));
        self.flows.insert(id, Box::new(flow));
        (self.flows.len() > self.most).then(|| self.evict()).flatten()
    }

    /// Notes the ends of a flow that came without them.
    pub fn set_tuple(&mut self, id: FlowId, tuple: FiveTuple, netns: u64) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.tuple = Some(tuple);
            flow.netns = netns;
            self.by_tuple.insert((tuple, scope(&tuple, netns)), id);
        }
    }

    /// The flow at the other end of this host, if there is one.
    pub fn other_end(&self, tuple: &FiveTuple, netns: u64) -> Option<FlowId> {
        let reversed = tuple.reversed();
        self.by_tuple.get(&(reversed, scope(&reversed, netns))).copied()
    }

    /// Notes the first sequence numbers of a flow, sent and received, and gives the other one that has them reversed.
    pub fn other_end_by_seqs(&mut self, id: FlowId, (sent, received): (u32, u32)) -> Option<FlowId> {
        let flow = self.flows.get_mut(&id)?;
        flow.first_seqs = Some((sent, received));
        self.by_seqs.insert((sent, received), id);
        let other = self.by_seqs.get(&(received, sent)).copied();
        other.filter(|other| *other != id && self.flows.contains_key(other))
    }

    /// Takes a flow out that has ended.
    pub fn remove(&mut self, id: FlowId) -> Option<Flow> {
        let flow = self.take_out(id)?;
        self.ended.insert(id);
        self.ended_order.push_back(id);
        if self.ended_order.len() > MAX_ENDED
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        // Ids of removed flows stay in `order` until the hand passes; it is swept when they are the most of it.
        if self.order.len() > 2 * self.flows.len() + 1_024 {
            let flows = &self.flows;
            self.order
                .retain(|entry| flows.get(&entry.0).is_some_and(|flow| flow.arrival == entry.1));
        }
        Some(flow)
    }

    /// Flows, in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        let of = |(id, arrival): &(FlowId, u64)| {
            self.flows
                .get(id)
                .map(AsRef::as_ref)
                .filter(|flow: &&Flow| flow.arrival == *arrival)
        };
        self.order.iter().filter_map(of)
    }

    /// Ids, in order of arrival.
    pub fn ids(&self) -> Vec<FlowId> {
        self.iter().map(|flow| flow.id).collect()
    }

    /// Number of flows.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Flows given up to stay within the bound.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn evict(&mut self) -> Option<Flow> {
        // Every flow is passed at most twice: the first time it loses its mark.
        for _ in 0..=2 * self.order.len() {
            let (id, arrival) = self.order.pop_front()?;
            let Some(flow) = self.flows.get_mut(&id).filter(|flow| flow.arrival == arrival) else {
                continue;
            };
            // Nor the one that all this is for.
            if std::mem::take(&mut flow.touched) || arrival == self.arrivals {
                self.order.push_back((id, arrival));
                continue;
            }
            self.evicted += 1;
            // It has not ended: when it speaks again it is told anew, and its counts go on.
            return self.take_out(id);
        }
        None
    }

    fn take_out(&mut self, id: FlowId) -> Option<Flow> {
        let flow = self.flows.remove(&id)?;
        if let Some(tuple) = flow.tuple {
            let key = (tuple, scope(&tuple, flow.netns));
            if self.by_tuple.get(&key) == Some(&id) {
                self.by_tuple.remove(&key);
            }
        }
        if let Some(seqs) = flow.first_seqs
            && self.by_seqs.get(&seqs) == Some(&id)
        {
            self.by_seqs.remove(&seqs);
        }
        Some(*flow)
    }
}

/// The network namespace where these addresses are, where they mean something else in each.
pub fn scope(tuple: &FiveTuple, netns: u64) -> u64 {
    // A UDP server that has not read yet is in no known namespace.
    if tuple.transport == Transport::Udp {
        return 0;
    }
    let loopback = |ip: IpAddr| ip.is_loopback();
    if loopback(tuple.local.ip()) || loopback(tuple.remote.ip()) {
        netns
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(cookie: u64, local: &str, remote: &str, netns: u64) -> Flow {
        let tuple = FiveTuple {
            transport: Transport::Tcp,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        };
        let mut flow = Flow::unknown(FlowId { cookie, generation: 1 }, crate::time::Timestamp::ZERO);
        flow.tuple = Some(tuple);
        flow.netns = netns;
        flow
    }

    #[test]
    fn the_other_end_is_found_across_namespaces_but_loopback_is_not() {
        let mut table = FlowTable::new(10);
        table.insert(flow(1, "10.0.0.1:1000", "10.0.0.2:80", 1));
        table.insert(flow(2, "127.0.0.1:1000", "127.0.0.1:80", 1));
        let server = flow(3, "10.0.0.2:80", "10.0.0.1:1000", 2).tuple.unwrap();
        assert_eq!(table.other_end(&server, 2).map(|id| id.cookie), Some(1));
        let loopback = flow(4, "127.0.0.1:80", "127.0.0.1:1000", 2).tuple.unwrap();
        assert_eq!(table.other_end(&loopback, 2), None);
        assert_eq!(table.other_end(&loopback, 1).map(|id| id.cookie), Some(2));
    }

    #[test]
    fn the_one_not_touched_goes() {
        let mut table = FlowTable::new(2);
        assert!(table.insert(flow(1, "10.0.0.1:1", "10.0.0.2:80", 1)).is_none());
        assert!(table.insert(flow(2, "10.0.0.1:2", "10.0.0.2:80", 1)).is_none());
        table.get_mut(FlowId {
            cookie: 1,
            generation: 1,
        });
        let out = table
            .insert(flow(3, "10.0.0.1:3", "10.0.0.2:80", 1))
            .map(|f| f.id.cookie);
        assert_eq!(out, Some(2));
        assert_eq!((table.len(), table.evicted()), (2, 1));
    }
}
