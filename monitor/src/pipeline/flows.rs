//! Life cycle of flows: opened, paired with their other end, told, ended.

use std::sync::Arc;

use monitor_common::loss;

use super::{HANDSHAKE, HOLD, Output, Pipeline};
use crate::event::{Command, Direction, FlowCause, FlowId, FlowSnapshot, Living, Role};
use crate::flow::{Flow, Transport, end_reason};
use crate::protocol::conversation::{Conversation, Origin, StreamEnd};
use crate::protocol::reading::Reading;
use crate::record::{EndReason, FlowEvent};

impl Pipeline {
    /// Takes a snapshot in.
    pub(super) fn flow(&mut self, snapshot: &FlowSnapshot, out: &mut Output) {
        let id = snapshot.id;
        if self.flows.has_ended(id) {
            self.counts.stragglers += 1;
            return;
        }
        if let Some(flow) = self.flows.get_mut(id) {
            let had_no_ends = flow.tuple.is_none();
            flow.update(snapshot);
            if had_no_ends && let Some(tuple) = snapshot.tuple {
                self.flows.set_tuple(id, tuple, snapshot.netns);
                self.pair(id, out);
            }
        } else {
            self.begin(snapshot, out);
        }
        if let Some(first_seqs) = snapshot.first_seqs.filter(|_| snapshot.flags.established) {
            self.tie(id, first_seqs);
        }
        self.find_cause(id);
        self.share(id);
        self.adopt_orphans(id, out);
        self.tell_if_whole(id, out);
        if self.flows.get(id).is_some_and(|flow| flow.owner().is_some()) {
            self.release_waiting(id, out);
        }
        for (direction, end) in [
            (Direction::Received, snapshot.counters.received_end),
            (Direction::Sent, snapshot.counters.sent_end),
        ] {
            if let Some((seq, moved)) = end
                && self.flows.get(id).is_some_and(|flow| flow.conversation.is_some())
            {
                self.converse(id, out, |conversation, messages| {
                    conversation.advance(direction, seq, moved, messages);
                });
            }
        }
        match snapshot.cause {
            FlowCause::Open | FlowCause::Found | FlowCause::Owner => {}
            FlowCause::Established => self.hold_on(id),
            FlowCause::Progress => self.progress(id, out),
            FlowCause::Close => self.close(id, out),
        }
    }

    fn begin(&mut self, snapshot: &FlowSnapshot, out: &mut Output) {
        let mut flow = Flow::unknown(snapshot.id, self.now);
        flow.update(snapshot);
        flow.tuple = snapshot.tuple;
        flow.netns = snapshot.netns;
        // The kernel knows already that the accepting end will speak for both.
        flow.is_shadow = snapshot.flags.local_peer && snapshot.role == Role::Active;
        if !flow.is_shadow {
            flow.conversation = conversation_of(snapshot, &self.reading);
        }
        self.insert(flow, out);
        self.pair(snapshot.id, out);
    }

    /// Takes a flow in; one that has to go for it is told as evicted.
    pub(super) fn insert(&mut self, flow: Flow, out: &mut Output) {
        self.counts.flows += u64::from(!flow.is_shadow);
        self.held.push_back((self.now + HOLD, flow.id));
        if let Some(evicted) = self.flows.insert(flow) {
            self.end(evicted, EndReason::Evicted, StreamEnd::Evicted, out);
        }
    }

    /// Ties a flow to its other end on this host, if that is known. One of them speaks for both: the accepting one, unless
    /// the other has been told of already.
    fn pair(&mut self, id: FlowId, out: &mut Output) {
        let Some((flow, tuple)) = self.flows.get(id).and_then(|flow| Some((flow, flow.tuple?))) else {
            return;
        };
        let Some(other) = self.flows.other_end(&tuple, flow.netns).filter(|other| *other != id) else {
            return self.pair_late(id);
        };
        let Some((flow, opposite)) = self.flows.get(id).zip(self.flows.get(other)) else {
            return;
        };
        let is_free = opposite.other_end.is_none_or(|end| {
            // Ports come again: one that had its other end is of an older connection. A UDP socket may be met again.
            end == id || (tuple.transport == Transport::Udp && self.flows.get(end).is_none())
        });
        if !is_free {
            return;
        }
        let by_role = match (flow.role, opposite.role) {
            (Role::Passive, _) => other,
            (_, Role::Passive) | (Role::Active, _) => id,
            (Role::Unknown, _) => other,
        };
        let shadow = match (flow.told_open, opposite.told_open) {
            (true, true) => None,
            (true, false) => Some(other),
            (false, true) => Some(id),
            (false, false) => Some(by_role),
        };
        for (end, opposite) in [(id, other), (other, id)] {
            let Some(flow) = self.flows.get_mut(end) else { continue };
            flow.other_end = Some(opposite);
            if shadow != Some(end) {
                self.counts.flows += u64::from(flow.is_shadow);
                flow.is_shadow = false;
                continue;
            }
            self.counts.flows = self.counts.flows.saturating_sub(u64::from(!flow.is_shadow));
            flow.is_shadow = true;
            flow.conversation = None;
            flow.waiting = Vec::new();
            if !flow.flags.local_peer && tuple.transport == Transport::Tcp {
                // The kernel need not copy there ...
                out.commands.push(Command::CountOnly(end));
            }
        }
        // ... and for connections to come it is to know that at the connect.
        let accepts = |end| self.flows.get(end).is_some_and(|flow| flow.role == Role::Passive);
        if let Some(connecting) = self.flows.get(by_role)
            && (connecting.role == Role::Active || accepts(id) || accepts(other))
            && !connecting.flags.local_peer
            && let Some(tuple) = connecting.tuple
            && tuple.transport == Transport::Tcp
        {
            out.commands.push(Command::LocalDestination {
                netns: connecting.netns,
                address: tuple.remote,
            });
        }
        self.share(id);
        self.share(other);
    }

    /// Ties an accepting flow to its connecting end that has ended before.
    fn pair_late(&mut self, id: FlowId) {
        let accepting = self
            .flows
            .get(id)
            .filter(|flow| flow.role == Role::Passive && flow.other_end.is_none());
        let Some((tuple, netns, opened)) = accepting.and_then(|flow| Some((flow.tuple?, flow.netns, flow.opened)))
        else {
            return;
        };
        let Some(other) = self.unmet.connecting(&tuple, netns, opened) else {
            return;
        };
        if let Some(flow) = self.flows.get_mut(id) {
            flow.other_end = Some(other.id);
            flow.peer_owner = other.owner().or(flow.peer_owner);
            flow.cause = flow.cause.take().or(other.cause);
            flow.nat = flow.nat.or(other.nat);
        }
    }

    /// Gives the other end of a flow what only this one knows: by the time that the story ends, this one may be gone.
    fn share(&mut self, id: FlowId) {
        let known = self
            .flows
            .get(id)
            .and_then(|flow| Some((flow.other_end?, flow.owner(), flow.cause.clone(), flow.nat)));
        if let Some((other, owner, cause, nat)) = known
            && let Some(flow) = self.flows.get_mut(other).filter(|flow| flow.other_end == Some(id))
        {
            flow.peer_owner = owner.or(flow.peer_owner);
            flow.cause = flow.cause.take().or(cause);
            flow.nat = flow.nat.or(nat);
        }
    }

    /// A flow goes on.
    fn progress(&mut self, id: FlowId, out: &mut Output) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flow.is_shadow && flow.other_end.is_none() && !flow.reaches_itself() {
            // An address that was this host's is no longer: nobody else will tell of it.
            flow.is_shadow = false;
            self.counts.flows += 1;
        }
        // What is held is told anyway before long.
        if flow.told_open || !flow.held {
            self.tell_flow(id, FlowEvent::Update, out);
        }
    }

    /// Tells the opening of a flow once there is nothing more to wait for.
    fn tell_if_whole(&mut self, id: FlowId, out: &mut Output) {
        let Some(flow) = self.flows.get(id) else { return };
        // An active one may yet turn out to have its other end here.
        let whole = flow.owner().is_some() && flow.tuple.is_some() && flow.role == Role::Passive;
        if whole && !flow.told_open {
            self.tell_flow(id, FlowEvent::Open, out);
        }
    }

    /// Ties two flows that NAT has made of one connection: both ends count from the same numbers. Both go on to be told,
    /// since a peer elsewhere can choose its numbers.
    fn tie(&mut self, id: FlowId, first_seqs: (u32, u32)) {
        if self.flows.get(id).is_none_or(|flow| flow.other_end.is_some()) {
            return;
        }
        let Some(other) = self.flows.other_end_by_seqs(id, first_seqs) else {
            return;
        };
        for (end, other) in [(id, other), (other, id)] {
            if let Some(flow) = self.flows.get_mut(end) {
                flow.nat.get_or_insert_default().other = Some(other);
            }
        }
    }

    /// The handshake of a connection made here is over. Where it took long its other end, if that is here, may take as
    /// long to show.
    fn hold_on(&mut self, id: FlowId) {
        if let Some(due) = self.flows.get(id).and_then(|flow| flow.held_until(HOLD, HANDSHAKE))
            && due > self.now
        {
            self.handshakes.insert((due, id));
        }
    }

    /// The hold of a flow is over: told with what is known, unless its handshake is not over.
    pub(super) fn release(&mut self, id: FlowId, out: &mut Output) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flow.held
            && let Some(due) = flow.held_until(HOLD, HANDSHAKE).filter(|due| *due > self.now)
        {
            self.handshakes.insert((due, id));
            return;
        }
        flow.held = false;
        if !flow.told_open {
            self.tell_flow(id, FlowEvent::Open, out);
        }
        self.release_waiting(id, out);
    }

    fn close(&mut self, id: FlowId, out: &mut Output) {
        let Some(flow) = self.flows.remove(id) else { return };
        let reason = end_reason(&flow, self.now);
        let how = match reason {
            EndReason::FinLocal | EndReason::FinRemote | EndReason::Released => StreamEnd::Closed,
            EndReason::ResetLocal | EndReason::ResetRemote | EndReason::Refused => StreamEnd::Reset,
            EndReason::Timeout | EndReason::Idle | EndReason::ConnectFailed | EndReason::Vanished => {
                StreamEnd::TimedOut
            }
            EndReason::StillOpen => StreamEnd::StillOpen,
            EndReason::Evicted => StreamEnd::Evicted,
        };
        self.end(flow, reason, how, out);
    }

    /// Ends the flows that a walk over the sockets did not meet: their close records were lost. A socket that is closed
    /// but still held is not met either, so never more end than closes were lost.
    pub(super) fn reconcile(&mut self, living: &Living, out: &mut Output) {
        let lost = self.capture.by_cause[loss::CLOSE_LOST as usize];
        let most = usize::try_from(lost.saturating_sub(self.counts.vanished)).unwrap_or(usize::MAX);
        let gone = |flow: &&Flow| {
            flow.tuple
                .is_some_and(|tuple| living.covers(tuple.transport, flow.netns))
                && flow.seen() < living.began
                && !living.flows.contains(&flow.id)
        };
        let gone: Vec<_> = self.flows.iter().filter(gone).take(most).map(|flow| flow.id).collect();
        self.counts.vanished += gone.len() as u64;
        for id in gone {
            if let Some(flow) = self.flows.remove(id) {
                self.end(flow, EndReason::Vanished, StreamEnd::TimedOut, out);
            }
        }
    }

    /// The monitor stops: the flow is told as open.
    pub(super) fn finish_flow(&mut self, id: FlowId, out: &mut Output) {
        if let Some(flow) = self.flows.remove(id) {
            self.end(flow, EndReason::StillOpen, StreamEnd::StillOpen, out);
        }
    }

    /// Tells what is left to tell of a flow that was taken out of the table.
    fn end(&mut self, mut flow: Flow, reason: EndReason, how: StreamEnd, out: &mut Output) {
        flow.held = false;
        self.holdings.note(flow.id, 0);
        self.tell_waiting(&mut flow, out);
        if let Some(mut conversation) = flow.conversation.take() {
            let mut messages = std::mem::take(&mut self.messages);
            conversation.end(self.now, how, &mut messages);
            let evicted = conversation.evicted();
            self.counts.requests_evicted += u64::from(evicted.requests);
            self.counts.headers_evicted += u64::from(evicted.headers);
            self.counts.holes_evicted += u64::from(evicted.holes);
            self.counts.waits_evicted += u64::from(evicted.waits);
            // Kept for its coverage and protocol, which the close record tells.
            flow.conversation = Some(conversation);
            for message in messages.drain(..) {
                self.message(&mut flow, message, out);
            }
            self.messages = messages;
        }
        if flow.is_silent() {
            return;
        }
        if let Some(flow) = self.meet_late(flow, reason, out) {
            self.tell_end(flow, reason, out);
        }
    }

    /// Tells the end of a flow.
    pub(super) fn tell_end(&mut self, mut flow: Flow, reason: EndReason, out: &mut Output) {
        self.counts.flows += u64::from(flow.is_shadow);
        // Nobody has accepted it, or nobody that is seen: it is told as what it is.
        flow.is_shadow = false;
        self.counts.end(&flow);
        self.open_first(&mut flow, out);
        self.tell(&mut flow, FlowEvent::Close, Some(reason), out);
    }
}

fn conversation_of(snapshot: &FlowSnapshot, reading: &Arc<Reading>) -> Option<Box<Conversation>> {
    let tcp = snapshot.tuple.is_none_or(|tuple| tuple.transport == Transport::Tcp);
    let origin = match snapshot.role {
        Role::Active => Origin::Local,
        Role::Passive => Origin::Remote,
        Role::Unknown => Origin::Unknown,
    };
    tcp.then(|| {
        let mut conversation = Conversation::new(origin, snapshot.flags.joined_late, Arc::clone(reading));
        for (direction, first) in [Direction::Received, Direction::Sent]
            .into_iter()
            .zip(snapshot.first_bytes)
        {
            if let Some(first) = first {
                conversation.anchor(direction, first);
            }
        }
        Box::new(conversation)
    })
}
