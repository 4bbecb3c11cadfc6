//! HTTP/1.x: transactions from two directions of pieces.
//!
//! Requests queue up; responses are paired with them in order (RFC 9112 section 9.3.2), corrected by how far the
//! request direction had come when a response began, so that a lost message does not shift all that follow. Bodies are
//! counted, by length where it is known, by framing while that is seen, else up to where the next message begins.

pub(super) mod anomaly;
mod body;
mod chunked;
mod exchange;
mod extension;
mod fields;
mod half;
mod head;
mod lenient;
mod memo;
mod pairing;
mod reader;
mod trailer;

pub use self::half::Side;
pub use self::memo::Memo;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::anomaly::Anomaly;
use self::exchange::Exchange;
use self::half::{Half, Place};
use super::conversation::{Evicted, Message, StreamEnd};
use super::reading::Reading;
use super::taps::Taken;
use super::transaction::Transaction;
use crate::record::{App, CoverageReason, Incomplete, Request};
use crate::stream::{Absence, Data, Interest, Piece, Skip};
use crate::time::Timestamp;

/// Most requests that wait for an answer on one connection; the oldest is given up for a newer one. Clients that
/// pipeline send a handful (RFC 9112 section 9.3.2 leaves the number open).
pub const MAX_PENDING: usize = 64;

/// A reset this long after the last byte ends an idle connection, not a message: a body whose end could not be told was
/// whole. An end that dies in a message resets within milliseconds, and Linux' least retransmission timeout is 200 ms;
/// pools and balancers that reset idle connections do so after tens of seconds.
const IDLE_BEFORE_RESET: Duration = Duration::from_secs(1);

/// Whom the response under way answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answering {
    /// The oldest exchange.
    Oldest,
    /// A request that was given up.
    Nobody,
}

/// A request that asked for HTTP/2 and got it: it is answered there (RFC 7540 section 3.2).
#[derive(Debug)]
pub struct Upgraded {
    /// The request.
    pub request: Box<Request>,
    /// What was kept of it for enrichment.
    pub taken: Taken,
    /// Its first byte.
    pub start: Timestamp,
    /// Its last byte.
    pub end: Timestamp,
    /// Turn of its first byte.
    pub turn: u32,
    /// What was odd so far.
    pub anomalies: Vec<&'static str>,
}

/// An HTTP/1.x connection.
#[derive(Debug)]
pub struct Http1 {
    reading: Arc<Reading>,
    client: Half,
    server: Half,
    /// Oldest first. Boxed, so that an idle connection keeps a few words.
    exchanges: VecDeque<Box<Exchange>>,
    answering: Answering,
    /// Responses to come whose requests were given up.
    owed: u32,
    /// The start of some response was not seen since the last one that was.
    lost_response: bool,
    /// The connection speaks something else now.
    left: bool,
    /// What, where that has a name.
    became: Option<App>,
    /// It carries another connection.
    tunnels: bool,
    /// The request that HTTP/2 answers.
    upgraded: Option<Box<Upgraded>>,
    /// Bytes after the response that granted it.
    beyond: Option<Data>,
    /// The response that has begun was announced to be long; taken by [`Self::take_announced`].
    announced: bool,
    /// A header did not fit in what is copied; taken by [`Self::take_truncated`].
    truncated: Option<Side>,
    /// The connection was joined late, and no message was seen yet.
    joined_late: bool,
    understood: u64,
    not_understood: Option<CoverageReason>,
    evicted: Evicted,
}

impl Http1 {
    /// A connection of which nothing was read yet; `joined_late` when its beginning was not seen.
    pub fn new(joined_late: bool, reading: Arc<Reading>) -> Self {
        Self {
            reading,
            client: Half::new(joined_late),
            server: Half::new(joined_late),
            exchanges: VecDeque::new(),
            answering: Answering::Oldest,
            owed: 0,
            lost_response: false,
            left: false,
            became: None,
            tunnels: false,
            upgraded: None,
            beyond: None,
            announced: false,
            truncated: None,
            joined_late,
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
        let half = self.half(side);
        if side == Side::Client && matches!(half.place, Place::Head) && self.exchanges.is_empty() {
            // When the server speaks now, it answers the request under way: what did not come of it before, will not.
            return Interest::NEXT_TURN;
        }
        half.interest(next)
    }

    /// The first bytes of `side` passed and were not seen.
    pub fn missed_start(&mut self, side: Side) {
        self.half_mut(side).place = Place::Lost;
        self.lost_response |= side == Side::Server;
        self.miss(CoverageReason::Lost);
    }

    /// The request under way that began in `turn` of the client.
    pub fn request_of(&self, turn: u32) -> Option<&Request> {
        self.exchanges.iter().find_map(|exchange| exchange.request_of(turn))
    }

    /// The connection is over since `time`: tells what is open.
    pub fn end(&mut self, time: Timestamp, how: StreamEnd, out: &mut Vec<Message>) {
        let why = match how {
            StreamEnd::StillOpen => Some(Incomplete::StillOpen),
            StreamEnd::Evicted => Some(Incomplete::Evicted),
            StreamEnd::Closed | StreamEnd::Reset | StreamEnd::TimedOut => None,
        };
        for side in [Side::Client, Side::Server] {
            self.settle_collected(side, why, out);
            self.end_body(side, time, how, out);
        }
        self.tell_rest(why, out);
        self.client.place = Place::Off;
        self.server.place = Place::Off;
    }

    /// Bytes held of headers that are not whole.
    pub fn held_bytes(&self) -> usize {
        self.client.held_bytes() + self.server.held_bytes()
    }

    /// Makes the best of headers that are not whole, and waits for no rest of them.
    pub fn release(&mut self, out: &mut Vec<Message>) {
        for side in [Side::Client, Side::Server] {
            self.settle_collected(side, Some(Incomplete::Evicted), out);
        }
    }

    /// The connection was upgraded, or became a tunnel.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// What it was upgraded to, where that has a name.
    pub fn became(&self) -> Option<App> {
        self.became
    }

    /// The server agreed to `CONNECT`: what follows is another connection.
    pub fn tunnels(&self) -> bool {
        self.tunnels
    }

    /// The request that is answered over HTTP/2 from now on, and bytes of the server that came already; once.
    pub fn take_upgraded(&mut self) -> Option<(Upgraded, Option<Data>)> {
        let upgraded = self.upgraded.take()?;
        Some((*upgraded, self.beyond.take()))
    }

    /// A response body is under way whose length is known.
    pub fn awaits_response_end(&self) -> bool {
        match self.server.place {
            Place::Body(body) => matches!(body.kind, body::Kind::Length { .. }),
            Place::Head | Place::Lost | Place::Off => false,
        }
    }

    /// A transaction whose response begins, and is announced to be long; once.
    pub fn take_announced(&mut self) -> Option<Box<Transaction>> {
        if !std::mem::take(&mut self.announced) {
            return None;
        }
        self.current(Side::Server).and_then(|exchange| exchange.announced())
    }

    /// The side whose header did not fit in what is copied, once.
    pub fn take_truncated(&mut self) -> Option<Side> {
        self.truncated.take()
    }

    /// Bytes that belong to messages.
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

    fn skip(&mut self, side: Side, skip: Skip, out: &mut Vec<Message>) {
        let mut left = skip.len;
        self.settle_before_skip(side, skip.why, out);
        while left > 0 {
            match &mut self.half_mut(side).place {
                Place::Head => {
                    self.half_mut(side).place = Place::Lost;
                    self.lost_response |= side == Side::Server;
                }
                Place::Body(body) => {
                    let unknown = body.kind == body::Kind::Unknown;
                    let step = body.skip(left, skip.time);
                    left -= step.used;
                    if unknown && self.half(side).crowded {
                        // Other messages are in it, or may be.
                        self.lost_response |= side == Side::Server;
                        self.miss(of_absence(skip.why));
                    } else {
                        self.understood += step.used;
                    }
                    if let Some(exchange) = self.current(side) {
                        exchange.miss(side);
                    }
                    if step.done {
                        self.end_message(side, out);
                    }
                }
                Place::Lost => {
                    self.miss(of_absence(skip.why));
                    break;
                }
                Place::Off => break,
            }
        }
    }

    /// Some bytes belong to no message; the first reason stays.
    fn miss(&mut self, reason: CoverageReason) {
        let reason = if self.joined_late {
            CoverageReason::JoinedLate
        } else {
            reason
        };
        self.not_understood.get_or_insert(reason);
    }

    /// Tells all exchanges, none of which goes on; `why` where that is not the peers' doing.
    fn tell_rest(&mut self, why: Option<Incomplete>, out: &mut Vec<Message>) {
        while let Some(mut exchange) = self.exchanges.pop_front() {
            if exchange.incomplete.is_none() {
                let stray = exchange.anomalies.contains(Anomaly::StrayBytes)
                    || exchange.answer_anomalies.contains(Anomaly::StrayBytes);
                let unseen = self.lost_response && !exchange.is_being_answered() && !stray;
                let missing = if unseen {
                    Some(Incomplete::Gap)
                } else {
                    exchange.missing()
                };
                exchange.incomplete = missing.map(|missing| why.unwrap_or(missing));
            }
            out.push(Message::Http(Box::new(exchange.into_transaction())));
        }
    }

    fn end_body(&mut self, side: Side, time: Timestamp, how: StreamEnd, out: &mut Vec<Message>) {
        let Place::Body(body) = self.half(side).place else {
            return;
        };
        let ended = match body.kind {
            _ if body.doubtful => true,
            body::Kind::Unknown if how == StreamEnd::Reset => time.since(body.last) >= IDLE_BEFORE_RESET,
            body::Kind::UntilClose | body::Kind::Unknown => how == StreamEnd::Closed,
            body::Kind::Length { .. } | body::Kind::Chunked(_) => false,
        };
        if ended {
            self.end_message(side, out);
        } else if let Some(exchange) = self.current(side) {
            exchange.cut_off(side, &body);
        }
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

fn of_absence(why: Absence) -> CoverageReason {
    match why {
        Absence::LeftOut => CoverageReason::Truncated,
        Absence::Passed | Absence::Lost => CoverageReason::Lost,
    }
}
