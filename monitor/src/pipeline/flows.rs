//! Life cycle of flows: opened, paired with their other end, told, ended.

use super::{HOLD, Output, Pipeline};
use crate::event::Direction;
use crate::event::{Command, FlowCause, FlowId, FlowSnapshot, Role};
use crate::flow::{Flow, Transport, end_reason};
use crate::protocol::conversation::{Conversation, Origin, StreamEnd};
use crate::record::{EndReason, FlowEvent};

impl Pipeline {
    /// Takes a snapshot in.
    pub(super) fn flow(&mut self, snapshot: &FlowSnapshot, out: &mut Output) {
        let id = snapshot.id;
        if self.flows.has_ended(id) {
            self.counts.stragglers += 1;
            return;
        }
        if self.flows.get(id).is_none() {
            self.begin(snapshot, out);
        } else {
            let flow = self.flows.get_mut(id);
            let had_no_ends = flow.as_ref().is_some_and(|flow| flow.tuple.is_none());
            if let Some(flow) = flow {
                flow.update(snapshot);
            }
            if had_no_ends && let Some(tuple) = snapshot.tuple {
                self.flows.set_tuple(id, tuple, snapshot.netns);
                self.pair(id, out);
            }
        }
        self.adopt_orphans(id, out);
        for (direction, end) in [
            (Direction::Received, snapshot.counters.received_end),
            (Direction::Sent, snapshot.counters.sent_end),
        ] {
            if let Some((seq, moved)) = end
                && self.flows.get(id).is_some_and(|flow| flow.conversation.is_some())
            {
                self.converse(id, out, |conversation, messages| {
                    conversation.advance(direction, seq, moved, messages)
                });
            }
        }
        match snapshot.cause {
            FlowCause::Open | FlowCause::Found => {
                self.held.push_back((self.now + HOLD, id));
                self.tell_if_whole(id, out);
            }
            FlowCause::Owner => {
                self.tell_if_whole(id, out);
                self.release_waiting(id, out);
            }
            FlowCause::Progress => self.tell_flow(id, FlowEvent::Update, None, out),
            FlowCause::Close => self.close(id, out),
        }
    }

    fn begin(&mut self, snapshot: &FlowSnapshot, out: &mut Output) {
        let mut flow = Flow::unknown(snapshot.id, self.now);
        flow.update(snapshot);
        flow.tuple = snapshot.tuple;
        flow.netns = snapshot.netns;
        flow.conversation = conversation_of(snapshot);
        // The kernel knows already that the accepting end will speak for both.
        flow.is_shadow = snapshot.flags.local_peer && snapshot.role == Role::Active;
        if flow.is_shadow {
            flow.conversation = None;
        }
        self.insert(flow, out);
        self.pair(snapshot.id, out);
    }

    /// Takes a flow in; one that has to go for it is told as evicted.
    pub(super) fn insert(&mut self, flow: Flow, out: &mut Output) {
        self.counts.flows += 1;
        if let Some(evicted) = self.flows.insert(flow) {
            self.end(evicted, EndReason::Evicted, StreamEnd::Evicted, out);
        }
    }

    /// Ties a flow to its other end on this host, if that is known: the accepting end speaks for both.
    fn pair(&mut self, id: FlowId, out: &mut Output) {
        let Some(flow) = self.flows.get(id) else { return };
        let Some(tuple) = flow.tuple else { return };
        let role = flow.role;
        let Some(other) = self.flows.other_end(&tuple, flow.netns).filter(|other| *other != id) else {
            return;
        };
        let other_role = self.flows.get(other).map_or(Role::Unknown, |flow| flow.role);
        let shadow = match (role, other_role) {
            (Role::Passive, _) => other,
            (_, Role::Passive) => id,
            (Role::Active, _) => id,
            (Role::Unknown, _) => other,
        };
        for (end, opposite) in [(id, other), (other, id)] {
            if let Some(flow) = self.flows.get_mut(end) {
                flow.other_end = Some(opposite);
                flow.is_shadow = end == shadow;
                if flow.is_shadow {
                    flow.conversation = None;
                    // The kernel need not copy there: at once for this flow, and for those to come at the connect.
                    if let Some(tuple) = flow.tuple
                        && !flow.flags.local_peer
                        && tuple.transport == Transport::Tcp
                    {
                        out.commands.push(Command::CountOnly(end));
                        out.commands.push(Command::LocalDestination(tuple.remote));
                    }
                }
            }
        }
    }

    /// Tells the opening of a flow once there is nothing more to wait for.
    fn tell_if_whole(&mut self, id: FlowId, out: &mut Output) {
        let Some(flow) = self.flows.get(id) else { return };
        // An active one may yet turn out to have its other end here.
        let whole = flow.owner.is_some() && flow.tuple.is_some() && flow.role == Role::Passive;
        if whole && !flow.told_open {
            self.tell_flow(id, FlowEvent::Open, None, out);
        }
    }

    /// The hold of a flow is over: told with what is known.
    pub(super) fn release(&mut self, id: FlowId, out: &mut Output) {
        let Some(flow) = self.flows.get(id) else { return };
        if !flow.told_open {
            self.tell_flow(id, FlowEvent::Open, None, out);
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

    /// The monitor stops: the flow is told as open.
    pub(super) fn finish_flow(&mut self, id: FlowId, out: &mut Output) {
        if let Some(flow) = self.flows.remove(id) {
            self.end(flow, EndReason::StillOpen, StreamEnd::StillOpen, out);
        }
    }

    /// Tells what is left to tell of a flow that was taken out of the table.
    fn end(&mut self, mut flow: Flow, reason: EndReason, how: StreamEnd, out: &mut Output) {
        if let Some(mut conversation) = flow.conversation.take() {
            let mut messages = std::mem::take(&mut self.messages);
            conversation.end(self.now, how, &mut messages);
            let evicted = conversation.evicted();
            self.counts.requests_evicted += u64::from(evicted.requests);
            self.counts.headers_evicted += u64::from(evicted.headers);
            self.counts.holes_evicted += u64::from(evicted.holes);
            // Kept for its coverage and protocol, which the close record tells.
            flow.conversation = Some(conversation);
            for message in messages.drain(..) {
                self.message(&mut flow, message, out);
            }
            self.messages = messages;
        }
        for transaction in std::mem::take(&mut flow.waiting) {
            self.tell_transaction(&mut flow, transaction, out);
        }
        self.counts.end(&flow);
        if flow.is_shadow && flow.other_end.is_some() {
            return;
        }
        flow.name = self.name_of(&flow);
        if !flow.told_open {
            self.tell_record(&flow, FlowEvent::Open, None, out);
        }
        self.tell_record(&flow, FlowEvent::Close, Some(reason), out);
    }
}

fn conversation_of(snapshot: &FlowSnapshot) -> Option<Box<Conversation>> {
    let tcp = snapshot.tuple.is_none_or(|tuple| tuple.transport == Transport::Tcp);
    let origin = match snapshot.role {
        Role::Active => Origin::Local,
        Role::Passive => Origin::Remote,
        Role::Unknown => Origin::Unknown,
    };
    tcp.then(|| Box::new(Conversation::new(origin, snapshot.flags.joined_late)))
}
