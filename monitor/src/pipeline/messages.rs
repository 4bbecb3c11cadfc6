//! Payload to messages, messages to records.

use std::sync::Arc;
use std::time::Duration;

use super::telling::DNS_PORT;
use super::{Output, Pipeline};
use crate::enrich::lookups::Asker;
use crate::event::{Chunk, Command, Direction, FlowId, Role, Tail};
use crate::flow::Flow;
use crate::protocol::conversation::{Conversation, Message, Origin, Unreadable, Wants};
use crate::protocol::dns::shape::{self, Shape};
use crate::protocol::dns::{self, DnsMessage};
use crate::protocol::tls::Hellos;
use crate::record::{Body, FlowDirection, NameSource, TlsRecord};

/// Requests are copied up to this far, for services whose headers ask for it.
const MAX_SNAP: u32 = 64 * 1024;
/// A raise counts for the requests that come this long after it: those of one burst were all copied by the old measure
/// and are one reason. As long as a batch of events, two at most.
const SNAP_SETTLES: Duration = Duration::from_millis(10);
/// Ports of what looks like DNS and resolves nothing of its kind: mDNS (RFC 6762), LLMNR (RFC 4795), `NetBIOS` names
/// (RFC 1002).
const NOT_DNS: [u16; 3] = [5353, 5355, 137];
/// Transactions of a flow that wait for its owner; clients that pipeline send a handful.
const MAX_WAITING: usize = 64;

impl Pipeline {
    /// Takes TCP payload in.
    pub(super) fn chunk(&mut self, chunk: Chunk, out: &mut Output) {
        let id = chunk.flow;
        if self.flows.get(id).is_none() {
            if self.flows.has_ended(id) {
                self.counts.stragglers += 1;
                return;
            }
            // Its open record was lost; the next one brings the rest.
            let mut flow = Flow::unknown(id, self.now);
            let reading = Arc::clone(&self.reading);
            flow.conversation = Some(Box::new(Conversation::new(Origin::Unknown, false, reading)));
            self.insert(flow, out);
        }
        self.converse(id, out, |conversation, messages| conversation.chunk(chunk, messages));
    }

    /// Takes a datagram in. Only those of DNS are read, where they are asked for; live, no others are copied.
    pub(super) fn datagram(&mut self, chunk: &Chunk, out: &mut Output) {
        let flow = self.flows.get(chunk.flow);
        // A server's own clients: not names that this host resolves.
        if flow.is_some_and(|flow| flow.role == Role::Passive) {
            return;
        }
        let ports = flow
            .and_then(|flow| flow.tuple)
            .map(|t| [t.local.port(), t.remote.port()]);
        let by_port = ports.is_none_or(|ports| ports.contains(&DNS_PORT));
        if ports.is_some_and(|ports| ports.iter().any(|port| NOT_DNS.contains(port)))
            || !(by_port || is_dns(&chunk.data))
        {
            return;
        }
        let Ok(message) = dns::parse(&chunk.data) else {
            self.counts.unreadable_dns += 1;
            return;
        };
        let asker = Asker {
            flow: chunk.flow,
            netns: flow.map_or(0, |flow| flow.netns),
            process: flow
                .and_then(crate::flow::Flow::owner)
                .map(|owner| self.programs.process(owner)),
        };
        if !by_port && let Some(flow) = self.flows.get_mut(chunk.flow) {
            flow.speaks_dns = true;
        }
        self.lookup(asker, message, out);
    }

    /// Takes a message of DNS over TCP. The conversation may be held at the resolver's end, where that is on this host.
    fn dns(&mut self, flow: &Flow, message: DnsMessage, out: &mut Output) {
        let (owner, netns) = if flow.role == Role::Passive {
            if !flow.is_local() {
                // A resolver of this host is asked from elsewhere: as with datagrams, that is not for this host.
                return;
            }
            let other = flow.other_end.and_then(|other| self.flows.get(other));
            (flow.peer_owner, other.map_or(flow.netns, |other| other.netns))
        } else {
            (flow.owner(), flow.netns)
        };
        let asker = Asker {
            flow: flow.id,
            netns,
            process: owner.map(|owner| self.programs.process(owner)),
        };
        self.lookup(asker, message, out);
    }

    fn lookup(&mut self, asker: Asker, message: DnsMessage, out: &mut Output) {
        let mut done = std::mem::take(&mut self.lookups_done);
        self.lookups.take(self.now, asker, message, &mut self.names, &mut done);
        self.tell_lookups(done, out);
    }

    /// A truncated turn has come this far.
    pub(super) fn tail(&mut self, tail: Tail, out: &mut Output) {
        self.converse(tail.flow, out, |conversation, messages| {
            conversation.advance(tail.direction, tail.end_seq, tail.time, messages);
        });
    }

    /// Does something with the conversation of a flow, then with what came of it. Where all conversations hold too much
    /// after it, those that have waited longest give up what they hold.
    pub(super) fn converse(
        &mut self,
        id: FlowId,
        out: &mut Output,
        act: impl FnOnce(&mut Conversation, &mut Vec<Message>),
    ) {
        self.converse_alone(id, out, act);
        while let Some(holder) = self.holdings.too_many() {
            self.converse_alone(holder, out, Conversation::release);
            // Gone, or not in the table: it holds nothing either way.
            self.holdings.note(holder, 0);
        }
    }

    fn converse_alone(&mut self, id: FlowId, out: &mut Output, act: impl FnOnce(&mut Conversation, &mut Vec<Message>)) {
        let mut messages = std::mem::take(&mut self.messages);
        let mut wants = Wants::default();
        let mut announced = None;
        if let Some(flow) = self.flows.get_mut(id)
            && let Some(conversation) = flow.conversation.as_deref_mut()
        {
            let held = conversation.held_bytes();
            act(conversation, &mut messages);
            let holds = conversation.held_bytes();
            if holds != held {
                self.holdings.note(id, holds);
            }
            wants = conversation.wants();
            announced = conversation.take_announced();
            if let Some(due) = conversation.poll_timeout() {
                // By its bytes' own time it may have passed already.
                self.reordering.insert((due.max(self.now), id));
            }
        }
        if let Some(transaction) = announced
            && let Some(mut flow) = self.flows.take(id)
        {
            self.show_announced(&mut flow, transaction, out);
            self.flows.put_back(flow);
        }
        if !messages.is_empty()
            && let Some(mut flow) = self.flows.take(id)
        {
            for message in messages.drain(..) {
                self.message(&mut flow, message, out);
            }
            self.flows.put_back(flow);
        }
        self.messages = messages;
        self.ask(id, wants, out);
    }

    /// Takes a message of `flow`, which is out of the table meanwhile.
    pub(super) fn message(&mut self, flow: &mut Flow, message: Message, out: &mut Output) {
        match message {
            Message::Http(transaction) => {
                if flow.held && flow.owner().is_none() && flow.role != Role::Active {
                    // Its own time in `held` releases it.
                    flow.waiting.push(transaction);
                    if flow.waiting.len() >= MAX_WAITING {
                        self.tell_waiting(flow, out);
                    }
                } else {
                    self.tell_transaction(flow, transaction, out);
                }
            }
            Message::ServerName(name) => {
                let outbound = super::telling::direction(flow) == Some(FlowDirection::Outbound);
                if flow.name.is_none() && outbound {
                    flow.name = Some((name.into(), NameSource::Sni));
                }
            }
            Message::Tls(hellos) => self.hellos(flow, *hellos, out),
            Message::Dns(message) => self.dns(flow, message, out),
            Message::Unreadable(Unreadable::Dns(_)) => self.counts.unreadable_dns += 1,
            Message::Unreadable(Unreadable::Hello(error)) => self.counts.unreadable_hellos[error as usize] += 1,
        }
    }

    /// Tells the transactions that waited for the owner of a flow.
    pub(super) fn release_waiting(&mut self, id: FlowId, out: &mut Output) {
        if self.flows.get(id).is_none_or(|flow| flow.waiting.is_empty()) {
            return;
        }
        if let Some(mut flow) = self.flows.take(id) {
            self.tell_waiting(&mut flow, out);
            self.flows.put_back(flow);
        }
    }

    pub(super) fn tell_waiting(&mut self, flow: &mut Flow, out: &mut Output) {
        for transaction in std::mem::take(&mut flow.waiting) {
            self.tell_transaction(flow, transaction, out);
        }
    }

    fn hellos(&mut self, flow: &Flow, Hellos { client, server }: Hellos, out: &mut Output) {
        let record = TlsRecord {
            flow: flow.id,
            direction: super::telling::direction(flow),
            server_name: client.server_name.map(Arc::from),
            alpn: client.alpn,
            version: client.version,
            ja4: client.ja4,
            ech: client.ech,
            truncated: client.truncated,
            negotiated: server,
        };
        self.write(Body::Tls(Arc::new(record)), out);
    }

    fn ask(&mut self, id: FlowId, wants: Wants, out: &mut Output) {
        let Wants {
            count_only,
            watch_tail,
            forget_tail,
            header_truncated,
        } = wants;
        if count_only {
            out.commands.push(Command::CountOnly(id));
        }
        if watch_tail {
            out.commands.push(Command::WatchTail(id));
        }
        if forget_tail {
            out.commands.push(Command::ForgetTail(id));
        }
        if header_truncated == Some(Direction::Received) {
            self.raise_snap(id, out);
        }
    }

    /// Headers of requests to this service did not fit: copy twice as much from now on.
    fn raise_snap(&mut self, id: FlowId, out: &mut Output) {
        let Some(flow) = self.flows.get(id).filter(|flow| flow.role == Role::Passive) else {
            return;
        };
        let Some(port) = flow.tuple.map(|tuple| tuple.local.port()) else {
            return;
        };
        let (snap, settled) = match self.snaps.get(&port) {
            Some((snap, since)) => (*snap, self.now.since(*since) >= SNAP_SETTLES),
            None => (self.request_snap, true),
        };
        let raised = snap.saturating_mul(2).min(MAX_SNAP);
        if raised > snap && settled {
            self.snaps.insert(port, (raised, self.now));
            out.commands.push(Command::RaiseSnap { port, snap: raised });
        }
    }
}

/// Told without the port, and in all likelihood.
fn is_dns(datagram: &[u8]) -> bool {
    match shape::of_message(datagram, datagram.len()) {
        Shape::Query | Shape::Response => true,
        Shape::More | Shape::No => false,
    }
}
