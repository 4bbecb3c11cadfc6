//! One TCP connection: put in order, identified, read. Synchronous and pure; time comes with the bytes.
//!
//! Small while nothing is on its way, since a host has many idle connections: what a message needs is allocated when it
//! begins and freed when it ends.

mod terms;
#[cfg(test)]
mod tests;
mod undecided;

pub use self::terms::{Evicted, Message, Origin, StreamEnd, Unreadable, Wants};

use std::net::SocketAddr;
use std::sync::Arc;

use self::undecided::Undecided;
use super::dns::DnsTcp;
use super::http1::{Http1, Side};
use super::http2::Http2;
use super::reading::Reading;
use super::tls::Handshake;
use super::transaction::Transaction;
use crate::event::{Chunk, Direction};
use crate::record::{App, Coverage, CoverageReason, Request};
use crate::stream::{Absence, Data, Interest, Piece, Skip, Stream};
use crate::time::Timestamp;

/// Bytes of a response turn after which the capture may have stopped copying without a cut segment to tell it: its
/// default. Where it is set to less, a cut tells; where to more, a tail is watched a little early.
const RESPONSE_SNAP: u32 = monitor_common::knobs::Knobs::DEFAULT.response_snap;
/// One TCP connection.
#[derive(Debug)]
pub struct Conversation {
    reading: Arc<Reading>,
    sent: Stream,
    received: Stream,
    speech: Speech,
    /// Direction of requests, once known.
    client: Option<Direction>,
    app: Option<App>,
    /// Where the beginning is, before any message: may a header of the PROXY protocol come?
    preface: Beginning,
    /// The client that such a header names; boxed, since few connections have one.
    proxied: Option<Box<SocketAddr>>,
    /// The beginning was not seen.
    late: bool,
    strikes: u8,
    /// Bytes that belong to messages, other than HTTP.
    understood: u64,
    /// Why some bytes before the first message were not understood.
    missed: Option<CoverageReason>,
    /// Copied bytes of the server's turn, and which turn.
    turn_copied: (u32, u32),
    watching: bool,
    wants: Wants,
    evicted: Evicted,
}

/// Where the beginning of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// Nothing of the client was read.
    Open,
    /// A header of the PROXY protocol was, and nothing after it: what follows is the beginning of what is spoken.
    AfterHeader,
    /// What is spoken has begun.
    Over,
}

#[derive(Debug)]
enum Speech {
    /// Not clear yet; what came so far, where that is not enough to tell.
    Undecided(Option<Box<Undecided>>),
    Http1(Box<Http1>),
    Http2(Box<Http2>),
    Tls(Box<Handshake>),
    Dns(Box<DnsTcp>),
    /// Nothing more is read, for this reason.
    Opaque(CoverageReason),
}

impl Conversation {
    /// A connection that `origin` opened; `joined_late` when its beginning was not seen. `reading` is what it shares
    /// with the others.
    pub fn new(origin: Origin, joined_late: bool, reading: Arc<Reading>) -> Self {
        Self {
            reading,
            sent: Stream::default(),
            received: Stream::default(),
            speech: Speech::Undecided(None),
            client: match origin {
                Origin::Local => Some(Direction::Sent),
                Origin::Remote => Some(Direction::Received),
                Origin::Unknown => None,
            },
            app: None,
            preface: if joined_late { Beginning::Over } else { Beginning::Open },
            proxied: None,
            late: joined_late,
            strikes: 0,
            understood: 0,
            missed: None,
            turn_copied: (0, 0),
            watching: false,
            wants: Wants::default(),
            evicted: Evicted::default(),
        }
    }

    /// Says where a direction starts: the sequence number after its SYN. Optional, and only before its first chunk.
    pub fn anchor(&mut self, direction: Direction, seq: u32) {
        self.stream(direction).anchor(seq);
    }

    /// Takes a chunk.
    pub fn chunk(&mut self, chunk: Chunk, out: &mut Vec<Message>) {
        if matches!(self.speech, Speech::Opaque(_)) {
            return;
        }
        let direction = chunk.direction;
        let peer = chunk.peer_end.map(|(seq, time)| {
            let other = direction.reverse();
            if !self.stream(other).has_begun() {
                self.missed_start(other, out);
            }
            let offset = self.stream(other).note_peer(seq, time, chunk.time);
            self.drain(other, out);
            offset
        });
        let cut = chunk.segment_len as usize > chunk.data.len();
        let copied = (chunk.turn, chunk.data.len() as u32);
        let fresh = self.stream(direction).offer(chunk, peer);
        if let Some(offset) = self.stream(direction).take_differing() {
            self.rewritten(direction, offset);
        }
        if let Some(data) = fresh {
            self.data(direction, data, out);
        }
        self.drain(direction, out);
        while self.stream(direction).is_over_bound() {
            self.evicted.holes += 1;
            self.give_up(direction, out);
        }
        self.update_watch(direction, cut, copied);
    }

    /// Counters say that `direction` had reached `end_seq` at `time`. Chunks may lag behind them: only bytes that need
    /// not be seen are taken from this.
    pub fn advance(&mut self, direction: Direction, end_seq: u32, time: Timestamp, out: &mut Vec<Message>) {
        self.stream(direction).note_end(end_seq, time);
        self.drain(direction, out);
        self.settle_watch();
    }

    /// The connection is over since `time`, for the monitor at least. All chunks must have been given before, and the last
    /// counters to [`Self::advance`]. Tells what is open.
    pub fn end(&mut self, time: Timestamp, how: StreamEnd, out: &mut Vec<Message>) {
        self.give_up_all(out);
        self.settle_undecided(out);
        for direction in [Direction::Received, Direction::Sent] {
            if let Some(skip) = self.stream(direction).give_up_rest() {
                self.skip(direction, skip, out);
            }
        }
        if let Speech::Tls(tls) = &mut self.speech {
            tls.give_up();
            self.after_tls(out);
        }
        if let Speech::Dns(dns) = &mut self.speech {
            dns.give_up(|read| out.push(Message::from(read)));
        }
        if let Speech::Http1(http) = &mut self.speech {
            http.end(time, how, out);
        }
        if let Speech::Http2(http) = &mut self.speech {
            http.end(how, out);
            self.after_http2();
        }
        self.settle_watch();
    }

    /// Bytes held that wait for others.
    pub fn held_bytes(&self) -> usize {
        let speech = match &self.speech {
            Speech::Undecided(undecided) => undecided.as_ref().map_or(0, |undecided| undecided.held_bytes()),
            Speech::Http1(http) => http.held_bytes(),
            Speech::Http2(http) => http.held_bytes(),
            Speech::Tls(tls) => tls.held_bytes(),
            Speech::Dns(dns) => dns.held_bytes(),
            Speech::Opaque(_) => 0,
        };
        self.sent.held_bytes() + self.received.held_bytes() + speech
    }

    /// Gives up what is held, so that nothing waits: what there is of a message is told.
    pub fn release(&mut self, out: &mut Vec<Message>) {
        self.evicted.waits += 1;
        self.give_up_all(out);
        self.settle_undecided(out);
        match &mut self.speech {
            Speech::Http1(http) => {
                http.release(out);
                self.after_http(out);
            }
            Speech::Http2(http) => {
                http.release(out);
                self.after_http2();
            }
            Speech::Tls(tls) => {
                tls.give_up();
                self.after_tls(out);
            }
            Speech::Dns(dns) => dns.give_up(|read| out.push(Message::from(read))),
            Speech::Undecided(_) | Speech::Opaque(_) => {}
        }
        self.settle_watch();
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let tls = match &self.speech {
            Speech::Tls(tls) => tls.poll_timeout(),
            Speech::Undecided(_) | Speech::Http1(_) | Speech::Http2(_) | Speech::Dns(_) | Speech::Opaque(_) => None,
        };
        [self.sent.deadline(), self.received.deadline(), tls]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has come to `now`: what was waited for long enough, a hole or a server's hello, counts as lost.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<Message>) {
        for direction in [Direction::Received, Direction::Sent] {
            // Each step takes a segment or passes over what an answer told of.
            while self.stream(direction).deadline().is_some_and(|due| due <= now) {
                self.give_up(direction, out);
            }
        }
        if let Speech::Tls(tls) = &mut self.speech {
            tls.handle_timeout(now);
            self.after_tls(out);
        }
        self.settle_watch();
    }

    /// The client for whom the peer speaks, by the PROXY protocol.
    pub fn proxied(&self) -> Option<SocketAddr> {
        self.proxied.as_deref().copied()
    }

    /// What it speaks, once known.
    pub fn app(&self) -> Option<App> {
        self.app
    }

    /// Direction of requests, once known.
    pub fn client_direction(&self) -> Option<Direction> {
        self.client
    }

    /// The request under way that began in `turn` of the client.
    pub fn request_of(&self, turn: u32) -> Option<&Request> {
        match &self.speech {
            Speech::Http1(http) => http.request_of(turn),
            Speech::Http2(http) => http.request_of(turn),
            Speech::Undecided(_) | Speech::Tls(_) | Speech::Dns(_) | Speech::Opaque(_) => None,
        }
    }

    /// Bytes understood so far, and why not all.
    pub fn coverage(&self) -> Coverage {
        let (read, reason) = match &self.speech {
            Speech::Http1(http) => (http.understood(), http.not_understood()),
            Speech::Http2(http) => (http.understood(), http.not_understood()),
            Speech::Dns(dns) => (dns.understood(), dns.not_understood()),
            Speech::Opaque(reason) => (0, Some(*reason)),
            Speech::Undecided(_) => (0, None),
            Speech::Tls(tls) => (tls.understood(), Some(CoverageReason::Encrypted)),
        };
        Coverage {
            understood_bytes: self.understood + read,
            reason: self.missed.or(reason),
        }
    }

    /// What is asked of the capture since the last call.
    pub fn wants(&mut self) -> Wants {
        std::mem::take(&mut self.wants)
    }

    /// A transaction whose response begins, and is announced to be long; once.
    pub fn take_announced(&mut self) -> Option<Box<Transaction>> {
        match &mut self.speech {
            Speech::Http1(http) => http.take_announced(),
            Speech::Http2(http) => http.take_announced(),
            Speech::Undecided(_) | Speech::Tls(_) | Speech::Dns(_) | Speech::Opaque(_) => None,
        }
    }

    /// What was given up to stay within bounds.
    pub fn evicted(&self) -> Evicted {
        self.evicted
    }

    fn stream(&mut self, direction: Direction) -> &mut Stream {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }

    fn side(&self, direction: Direction) -> Side {
        if self.client == Some(direction) {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// Bytes of `direction` from `offset` on came again with other content.
    fn rewritten(&mut self, direction: Direction, offset: u64) {
        let side = self.side(direction);
        let next = self.stream(direction).next_offset();
        match &mut self.speech {
            Speech::Http1(http) => http.rewritten(side, offset, next),
            Speech::Undecided(undecided) => undecided.get_or_insert_default().rewritten(direction),
            Speech::Http2(_) | Speech::Tls(_) | Speech::Dns(_) | Speech::Opaque(_) => {}
        }
    }

    /// The first bytes of `direction` passed and were not seen.
    fn missed_start(&mut self, direction: Direction, out: &mut Vec<Message>) {
        let side = self.side(direction);
        match &mut self.speech {
            Speech::Http1(http) => http.missed_start(side),
            Speech::Http2(http) => http.missed_start(side, out),
            Speech::Undecided(_) => {
                self.late = true;
                self.missed.get_or_insert(CoverageReason::Lost);
            }
            Speech::Dns(dns) => dns.missed_start(side),
            Speech::Tls(_) | Speech::Opaque(_) => {}
        }
    }

    fn drain(&mut self, direction: Direction, out: &mut Vec<Message>) {
        loop {
            let next = self.stream(direction).next_offset();
            let side = self.side(direction);
            let interest = match &self.speech {
                Speech::Http1(http) => http.interest(side, next),
                Speech::Http2(http) => http.interest(side, next),
                Speech::Dns(dns) => dns.interest(side, next),
                Speech::Undecided(_) => Interest::EVERYTHING,
                Speech::Tls(tls) if tls.needs(side) => Interest::EVERYTHING,
                Speech::Tls(_) | Speech::Opaque(_) => Interest::NOTHING,
            };
            match self.stream(direction).next(interest) {
                Some(Piece::Data(data)) => self.data(direction, data, out),
                Some(Piece::Skip(skip)) => self.skip(direction, skip, out),
                None => break,
            }
        }
    }

    fn give_up(&mut self, direction: Direction, out: &mut Vec<Message>) {
        if let Some(skip) = self.stream(direction).give_up() {
            self.skip(direction, skip, out);
        }
        self.drain(direction, out);
    }

    /// Waits for no hole.
    fn give_up_all(&mut self, out: &mut Vec<Message>) {
        for direction in [Direction::Received, Direction::Sent] {
            loop {
                let before = self.stream(direction).next_offset();
                self.give_up(direction, out);
                if self.stream(direction).next_offset() == before {
                    break;
                }
            }
        }
    }

    fn data(&mut self, direction: Direction, data: Data, out: &mut Vec<Message>) {
        let side = self.side(direction);
        match &mut self.speech {
            Speech::Http1(http) => {
                http.piece(side, Piece::Data(data), out);
                self.after_http(out);
            }
            Speech::Http2(http) => {
                http.piece(side, Piece::Data(data), out);
                self.after_http2();
            }
            Speech::Undecided(_) => self.identify(direction, data, out),
            Speech::Tls(tls) => {
                tls.data(side, &data.bytes, data.time);
                self.after_tls(out);
            }
            Speech::Dns(dns) => dns.data(side, &data, |read| out.push(Message::from(read))),
            Speech::Opaque(_) => {}
        }
    }

    fn skip(&mut self, direction: Direction, skip: Skip, out: &mut Vec<Message>) {
        if matches!(self.speech, Speech::Undecided(_)) {
            self.settle_undecided(out);
        }
        if matches!(self.speech, Speech::Undecided(_)) {
            // What follows is not the first of its direction.
            self.late = true;
            self.missed.get_or_insert(match skip.why {
                Absence::LeftOut => CoverageReason::Truncated,
                Absence::Passed | Absence::Lost => CoverageReason::Lost,
            });
        }
        let side = self.side(direction);
        match &mut self.speech {
            Speech::Http1(http) => {
                http.piece(side, Piece::Skip(skip), out);
                self.after_http(out);
            }
            Speech::Http2(http) => {
                http.piece(side, Piece::Skip(skip), out);
                self.after_http2();
            }
            Speech::Tls(tls) => {
                tls.skip(side, skip.time);
                self.after_tls(out);
            }
            Speech::Dns(dns) => dns.skip(side, skip, |read| out.push(Message::from(read))),
            Speech::Undecided(_) | Speech::Opaque(_) => {}
        }
    }

    fn after_http(&mut self, out: &mut Vec<Message>) {
        let Speech::Http1(http) = &mut self.speech else {
            return;
        };
        let given_up = http.take_evicted();
        self.evicted.requests += given_up.requests;
        self.evicted.headers += given_up.headers;
        if let Some(side) = http.take_truncated() {
            self.wants.header_truncated = self.client.map(|client| match side {
                Side::Client => client,
                Side::Server => client.reverse(),
            });
        }
        if http.has_left() {
            self.app = http.became().or(self.app);
            self.understood += http.understood();
            if let Some((upgraded, beyond)) = http.take_upgraded() {
                let server = self.client.map(Direction::reverse);
                self.speech = Speech::Http2(Box::new(Http2::upgraded(upgraded, Arc::clone(&self.reading))));
                if let (Some(server), Some(data)) = (server, beyond) {
                    self.data(server, data, out);
                }
            } else if http.tunnels() {
                // Its first bytes tell what it is, or nothing more is read.
                self.missed = self.missed.or(http.not_understood());
                self.speech = Speech::Undecided(None);
                self.strikes = undecided::MAX_STRIKES - 1;
            } else {
                self.close(CoverageReason::Unsupported);
            }
        }
    }

    fn after_http2(&mut self) {
        let Speech::Http2(http) = &mut self.speech else {
            return;
        };
        let given_up = http.take_evicted();
        self.evicted.requests += given_up.requests;
        self.evicted.headers += given_up.headers;
    }

    /// Nothing more is read.
    fn close(&mut self, reason: CoverageReason) {
        self.speech = Speech::Opaque(reason);
        self.sent = Stream::default();
        self.received = Stream::default();
        self.wants.count_only = true;
    }

    fn after_tls(&mut self, out: &mut Vec<Message>) {
        let Speech::Tls(tls) = &mut self.speech else {
            return;
        };
        if let Some(name) = tls.take_name() {
            out.push(Message::ServerName(name));
        }
        let Some(outcome) = tls.take_outcome() else {
            return;
        };
        out.push(match outcome.hellos {
            Ok(hellos) => Message::Tls(Box::new(hellos)),
            Err(error) => Message::Unreadable(Unreadable::Hello(error)),
        });
        self.understood += outcome.understood;
        self.close(CoverageReason::Encrypted);
    }

    /// After a chunk of `direction`: is there more to a response than what is copied?
    fn update_watch(&mut self, direction: Direction, cut: bool, (turn, bytes): (u32, u32)) {
        if self.client == Some(direction.reverse()) {
            let before = if self.turn_copied.0 == turn {
                self.turn_copied.1
            } else {
                0
            };
            self.turn_copied = (turn, before.saturating_add(bytes));
            let stopped = cut || self.turn_copied.1 >= RESPONSE_SNAP;
            if stopped && !self.watching && self.awaits_tail() {
                self.watching = true;
                self.wants.watch_tail = true;
            }
        }
        self.settle_watch();
    }

    fn settle_watch(&mut self) {
        if self.watching && !self.awaits_tail() {
            self.watching = false;
            self.wants.forget_tail = !self.wants.watch_tail;
            self.wants.watch_tail = false;
        }
    }

    fn awaits_tail(&self) -> bool {
        match &self.speech {
            Speech::Http1(http) => http.awaits_response_end(),
            Speech::Http2(http) => http.awaits_response_end(),
            Speech::Undecided(_) | Speech::Tls(_) | Speech::Dns(_) | Speech::Opaque(_) => false,
        }
    }
}
