//! HTTP/2 (RFC 9113): transactions from two directions of pieces.
//!
//! Each stream that a client opens is a transaction. Frames are read by length, so a body is counted and need not be
//! seen; header blocks change the state of their direction's decoder, so every one of them is read, also those of
//! streams that nobody asks about. After a loss the place of the next frame is not known, and what the decoder knew is
//! void: both are taken up again only where that is sure, and what is not known is told as absent.

pub(super) mod anomaly;
mod exchange;
mod fields;
pub(crate) mod frame;
mod half;
pub mod hpack;
mod reader;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use self::anomaly::Anomalies;
use self::exchange::Exchange;
use self::half::{Half, Place};
use super::conversation::{Evicted, Message, StreamEnd};
use super::http1::{Side, Upgraded};
use super::reading::Reading;
use super::transaction::Transaction;
use crate::record::{CoverageReason, Incomplete, Request};
use crate::stream::{Interest, Piece};

/// Most streams of a connection that are open at once; the oldest is given up for a newer one. Servers allow 100 to 250
/// (nginx 128, Apache and Node 100, Go 250; RFC 9113 section 6.5.2 recommends no fewer than 100).
pub const MAX_STREAMS: usize = 256;
/// Numbers of streams remembered that were over before both ends knew, or that carry something else.
const MAX_CLOSED: usize = 64;

/// An HTTP/2 connection.
#[derive(Debug)]
pub struct Http2 {
    client: Half,
    server: Half,
    /// In order of their numbers. Boxed, so that an idle connection keeps a few words.
    streams: VecDeque<Box<Exchange>>,
    /// Of which so many have a response and no request yet.
    unasked: usize,
    /// Highest stream that the client opened.
    latest: u32,
    /// Streams that were reset: what is still on its way belongs to nothing.
    closed: VecDeque<u32>,
    /// Streams that CONNECT made something else.
    tunnels: VecDeque<u32>,
    /// Every stream is known.
    whole: bool,
    /// The connection was joined late, and no frame was seen yet.
    joined_late: bool,
    /// Oddities of the connection; the next transaction tells them.
    anomalies: Anomalies,
    /// Likewise of what the server sent.
    answer_anomalies: Anomalies,
    reading: Arc<Reading>,
    /// What a long response was announced for; taken by [`Self::take_announced`].
    announced: Option<Box<Transaction>>,
    understood: u64,
    not_understood: Option<CoverageReason>,
    evicted: Evicted,
}

impl Http2 {
    /// A connection of which nothing was read yet.
    pub fn new(reading: Arc<Reading>) -> Self {
        Self::at(Place::Preface(0), Place::Frame, true, reading)
    }

    /// One that was HTTP/1.1, and whose stream 1 answers the request that asked for the change (RFC 7540 section 3.2).
    pub fn upgraded(upgraded: Upgraded, reading: Arc<Reading>) -> Self {
        let mut http = Self::new(reading);
        http.streams.push_back(Box::new(Exchange::upgraded(upgraded)));
        http.latest = 1;
        http
    }

    /// One whose beginning was not seen: the direction of `at` is at a frame.
    pub fn joined_late(at: Side, reading: Arc<Reading>) -> Self {
        let (client, server) = match at {
            Side::Client => (Place::Frame, Place::Lost),
            Side::Server => (Place::Lost, Place::Frame),
        };
        Self::at(client, server, false, reading)
    }

    fn at(client: Place, server: Place, whole: bool, reading: Arc<Reading>) -> Self {
        Self {
            client: Half::new(client, whole),
            server: Half::new(server, whole),
            streams: VecDeque::new(),
            unasked: 0,
            latest: 0,
            closed: VecDeque::new(),
            tunnels: VecDeque::new(),
            whole,
            joined_late: !whole,
            anomalies: Anomalies::default(),
            answer_anomalies: Anomalies::default(),
            reading,
            announced: None,
            understood: 0,
            not_understood: None,
            evicted: Evicted::default(),
        }
    }

    /// What comes next in the direction of `side`.
    pub fn piece(&mut self, side: Side, piece: Piece, out: &mut Vec<Message>) {
        match piece {
            Piece::Data(data) => self.data(side, data, out),
            Piece::Skip(skip) => self.skip(side, skip, out),
        }
    }

    /// Which bytes of `side` from `next` on must be seen.
    pub fn interest(&self, side: Side, next: u64) -> Interest {
        self.half(side).interest(next)
    }

    /// The first bytes of `side` passed and were not seen.
    pub fn missed_start(&mut self, side: Side, out: &mut Vec<Message>) {
        self.lose(side, Incomplete::Gap, None, out);
        self.miss(CoverageReason::Lost);
    }

    /// The latest request under way that began in `turn` of the client.
    pub fn request_of(&self, turn: u32) -> Option<&Request> {
        let of_turn = self.streams.iter().rev().find(|exchange| exchange.turn() == turn)?;
        of_turn.request()
    }

    /// The connection is over: tells what is open.
    pub fn end(&mut self, how: StreamEnd, out: &mut Vec<Message>) {
        let why = match how {
            StreamEnd::StillOpen => Some(Incomplete::StillOpen),
            StreamEnd::Evicted => Some(Incomplete::Evicted),
            StreamEnd::Closed | StreamEnd::Reset | StreamEnd::TimedOut => None,
        };
        for side in [Side::Client, Side::Server] {
            let cut = match side {
                Side::Client => Incomplete::RequestCut,
                Side::Server => Incomplete::ResponseCut,
            };
            self.cut_block(side, why.unwrap_or(cut), out);
            self.half_mut(side).place = Place::Off;
        }
        while let Some(mut exchange) = self.streams.pop_front() {
            if exchange.incomplete.is_none() {
                exchange.incomplete = exchange.missing().map(|missing| why.unwrap_or(missing));
            }
            self.tell(exchange, out);
        }
    }

    /// A response body is under way whose end may not be seen.
    pub fn awaits_response_end(&self) -> bool {
        self.server.is_in_body()
    }

    /// A transaction whose response begins, and is announced to be long; once.
    pub fn take_announced(&mut self) -> Option<Box<Transaction>> {
        self.announced.take()
    }

    /// Bytes held that wait for others.
    pub fn held_bytes(&self) -> usize {
        self.client.held_bytes() + self.server.held_bytes()
    }

    /// Makes the best of header blocks that are not whole, and waits for no rest of them.
    pub fn release(&mut self, out: &mut Vec<Message>) {
        for side in [Side::Client, Side::Server] {
            if self.half(side).held_bytes() > 0 {
                self.lose(side, Incomplete::Evicted, None, out);
            }
        }
    }

    /// Bytes that belong to frames.
    pub fn understood(&self) -> u64 {
        self.understood
    }

    /// Why not all bytes do.
    pub fn not_understood(&self) -> Option<CoverageReason> {
        self.not_understood
    }

    /// What was given up to stay within bounds since the last call.
    pub fn take_evicted(&mut self) -> Evicted {
        std::mem::take(&mut self.evicted)
    }

    /// Some bytes belong to no frame; the first reason stays.
    fn miss(&mut self, reason: CoverageReason) {
        let reason = if self.joined_late {
            CoverageReason::JoinedLate
        } else {
            reason
        };
        self.not_understood.get_or_insert(reason);
    }

    /// Tells a stream that is over, and what was odd on the connection since the last one.
    fn tell(&mut self, mut exchange: Box<Exchange>, out: &mut Vec<Message>) {
        exchange.anomalies.extend(std::mem::take(&mut self.anomalies));
        exchange
            .answer_anomalies
            .extend(std::mem::take(&mut self.answer_anomalies));
        out.push(Message::Http(Box::new(exchange.into_transaction())));
    }

    fn half(&self, side: Side) -> &Half {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    fn half_mut(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
