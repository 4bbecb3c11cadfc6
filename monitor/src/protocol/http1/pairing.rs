//! Which response answers which request.

use super::anomaly::Anomaly;
use super::body::Body;
use super::exchange::Exchange;
use super::half::{Mark, Place, Side};
use super::head::{Framing, RequestHead, ResponseHead};
use super::{Answering, Http1, MAX_PENDING};
use crate::protocol::conversation::Message;
use crate::record::{App, Incomplete};
use crate::time::Timestamp;

/// A header and where it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Its first byte.
    pub begin: Mark,
    /// Its length, as far as it was seen.
    pub len: u64,
    /// When its last byte passed.
    pub last: Timestamp,
    /// Its end was not seen.
    pub cut: bool,
    /// Why the transaction can not become complete.
    pub incomplete: Option<Incomplete>,
}

impl Http1 {
    /// A request's header is there.
    pub(super) fn on_request(&mut self, head: RequestHead, extent: Extent, out: &mut Vec<Message>) {
        self.joined_late = false;
        self.understood += extent.len;
        self.make_room(out);
        let framing = if extent.cut { Framing::Unknown } else { head.framing };
        let persists = extent.cut || head.persists;
        let mut exchange = Exchange::of_request(head, extent.len, extent.begin, extent.last, extent.cut);
        exchange.incomplete = extent.incomplete;
        let closing = std::mem::replace(&mut self.client.closing, !persists);
        exchange.anomalies.add_if(closing, Anomaly::AfterClose);
        let rewritten = std::mem::take(&mut self.client.rewritten);
        exchange.anomalies.add_if(rewritten, Anomaly::DifferingRetransmission);
        self.exchanges.push_back(Box::new(exchange));
        self.client.begin(extent.begin.turn, extent.cut, false);
        self.begin_body(Side::Client, framing, extent.last, out);
    }

    /// A response's header is there.
    pub(super) fn on_response(&mut self, head: ResponseHead, extent: Extent, out: &mut Vec<Message>) {
        self.joined_late = false;
        self.understood += extent.len;
        if head.is_interim() {
            if let Some(oldest) = self.exchanges.front_mut() {
                oldest.answer_anomalies.extend(head.anomalies);
            }
            self.server.place = if extent.cut { Place::Lost } else { Place::Head };
            return;
        }
        self.settle_request(extent.begin.peer, out);
        self.answering = self.pair(extent.begin.peer, out);
        let awaited = self.exchanges.len() > 1;
        self.server.begin(extent.begin.turn, extent.cut, awaited);
        let mut framing = if extent.cut { Framing::Unknown } else { Framing::Nothing };
        let connects = head.status != 101;
        let closing = std::mem::replace(&mut self.server.closing, !extent.cut && !head.persists);
        let rewritten = std::mem::take(&mut self.server.rewritten);
        match self.current(Side::Server) {
            Some(exchange) => {
                if !extent.cut {
                    framing = head.framing(exchange.method);
                }
                exchange.incomplete = exchange.incomplete.or(extent.incomplete);
                exchange.answer_anomalies.add_if(closing, Anomaly::AfterClose);
                exchange
                    .answer_anomalies
                    .add_if(rewritten, Anomaly::DifferingRetransmission);
                exchange.answer(head, extent.len, extent.begin, extent.last, extent.cut);
            }
            None => {
                if !extent.cut {
                    framing = head.framing(None);
                }
            }
        }
        let unasked = self
            .current(Side::Server)
            .is_none_or(|exchange| exchange.method.is_none());
        if framing == Framing::Tunnel(Some(App::Http2))
            && let Some(answered) = self.exchanges.pop_front()
        {
            match answered.upgrade() {
                Ok(upgraded) => self.upgraded = Some(Box::new(upgraded)),
                Err(answered) => self.exchanges.push_front(answered),
            }
        }
        self.begin_body(Side::Server, framing, extent.last, out);
        if let Place::Body(body) = &mut self.server.place {
            // It may have answered HEAD.
            body.doubtful = unasked;
            self.announced = self.current(Side::Server).is_some_and(|exchange| exchange.announces());
        }
        if let Framing::Tunnel(app) = framing {
            self.left = true;
            self.became = app;
            self.tunnels = connects;
            for half in [&mut self.client, &mut self.server] {
                half.place = Place::Off;
                half.collected = None;
            }
            // Requests that were sent ahead are answered by nobody.
            self.tell_rest(None, out);
        }
    }

    /// The exchange that the message of `side` under way belongs to.
    pub(super) fn current(&mut self, side: Side) -> Option<&mut Exchange> {
        match (side, self.answering) {
            // Requests are read one after the other: only the latest can be under way.
            (Side::Client, _) => self.exchanges.back_mut().filter(|latest| !latest.is_asked()),
            (Side::Server, Answering::Oldest) => self.exchanges.front_mut(),
            (Side::Server, Answering::Nobody) => None,
        }
        .map(Box::as_mut)
    }

    /// Bytes of `side` from `offset` on were sent again with other content, when it had come to `next`.
    pub fn rewritten(&mut self, side: Side, offset: u64, next: u64) {
        let half = self.half_mut(side);
        let in_head = match &half.collected {
            Some(collected) => offset >= collected.mark.offset,
            None => offset >= next && matches!(half.place, Place::Head),
        };
        if in_head {
            half.rewritten = true;
            return;
        }
        let exchange = match side {
            Side::Client => self.exchanges.iter_mut().rfind(|exchange| exchange.begin() <= offset),
            Side::Server => self
                .exchanges
                .front_mut()
                .filter(|oldest| oldest.answer_begins_by(offset)),
        };
        if let Some(exchange) = exchange {
            exchange.odd(side).add(Anomaly::DifferingRetransmission);
        }
    }

    /// The message of `side` under way is over.
    pub(super) fn end_message(&mut self, side: Side, out: &mut Vec<Message>) {
        let Place::Body(body) = self.half(side).place else {
            return;
        };
        self.half_mut(side).place = Place::Head;
        if let Some(exchange) = self.current(side) {
            exchange.end(side, Some(&body), body.last);
        }
        self.tell_done(out);
    }

    /// Tells the oldest exchanges that are over.
    fn tell_done(&mut self, out: &mut Vec<Message>) {
        while self
            .exchanges
            .front()
            .is_some_and(|exchange| exchange.is_asked() && exchange.is_answered())
        {
            if let Some(exchange) = self.exchanges.pop_front() {
                out.push(Message::Http(Box::new(exchange.into_transaction())));
            }
        }
    }

    fn begin_body(&mut self, side: Side, framing: Framing, last: Timestamp, out: &mut Vec<Message>) {
        if let Some(body) = Body::new(framing, last) {
            self.half_mut(side).place = Place::Body(body);
            return;
        }
        self.half_mut(side).place = Place::Head;
        if let Some(exchange) = self.current(side) {
            exchange.end(side, None, last);
        }
        self.tell_done(out);
    }

    /// A final response begins: what that says of the request under way. `peer` is how far requests had come.
    fn settle_request(&mut self, peer: Option<u64>, out: &mut Vec<Message>) {
        let begun = self
            .client
            .collected
            .as_ref()
            .is_some_and(|c| peer.is_none_or(|peer| c.mark.offset < peer));
        if self.client.body_of_unknown_end().is_some() {
            self.settle_collected(Side::Client, None, out);
            self.end_message(Side::Client, out);
        } else if self.exchanges.is_empty() && begun && self.client.is_in_head() {
            // The server answers what we can not read to its end.
            self.settle_collected(Side::Client, None, out);
            self.end_message(Side::Client, out);
        } else if let Place::Body(body) = &mut self.client.place
            && self.exchanges.len() == 1
        {
            if body.wire == 0 {
                body.doubtful = true;
            } else if let Some(exchange) = self.exchanges.back_mut() {
                exchange.anomalies.add(Anomaly::EarlyResponse);
            }
        }
    }

    /// Whom the response that begins now answers, when requests had come as far as `peer`.
    fn pair(&mut self, peer: Option<u64>, out: &mut Vec<Message>) -> Answering {
        if self.owed > 0 {
            self.owed -= 1;
            return Answering::Nobody;
        }
        // A second response to one request: the first is as complete as it gets.
        if self.exchanges.front().is_some_and(|exchange| exchange.is_answered())
            && let Some(mut exchange) = self.exchanges.pop_front()
        {
            exchange.incomplete = exchange.incomplete.or(exchange.missing());
            out.push(Message::Http(Box::new(exchange.into_transaction())));
        }
        if self.lost_response {
            // Some response was not seen. This one answers the latest request that it can answer.
            self.lost_response = false;
            while let [_, next, ..] = self.exchanges.make_contiguous()
                && peer.is_none_or(|peer| next.begin() < peer)
            {
                if let Some(mut exchange) = self.exchanges.pop_front() {
                    exchange.incomplete = exchange.incomplete.or(Some(Incomplete::Gap));
                    out.push(Message::Http(Box::new(exchange.into_transaction())));
                }
            }
        }
        let unseen_request = match (self.exchanges.front(), peer) {
            (None, _) => true,
            (Some(oldest), Some(peer)) => oldest.begin() >= peer,
            (Some(_), None) => false,
        };
        if unseen_request {
            self.exchanges.push_front(Box::new(Exchange::without_request()));
        }
        Answering::Oldest
    }

    /// Gives up the oldest exchange where the queue is full.
    fn make_room(&mut self, out: &mut Vec<Message>) {
        if self.exchanges.len() < MAX_PENDING {
            return;
        }
        if let Some(mut exchange) = self.exchanges.pop_front() {
            self.evicted.requests += 1;
            if exchange.is_being_answered() {
                self.answering = Answering::Nobody;
            } else {
                self.owed += 1;
            }
            exchange.incomplete = Some(Incomplete::Evicted);
            out.push(Message::Http(Box::new(exchange.into_transaction())));
        }
    }
}
