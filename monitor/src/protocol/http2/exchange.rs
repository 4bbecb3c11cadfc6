//! A stream while it is open, and the transaction that it becomes.

use std::time::Duration;

use super::anomaly::{Anomalies, Anomaly};
use super::fields::Fields;
use super::half::Mark;
use crate::protocol::http1::{Side, Upgraded};
use crate::protocol::taps::Taken;
use crate::protocol::transaction::{ANNOUNCED, Transaction};
use crate::record::{GrpcCall, HttpVersion, Incomplete, Request, Response};
use crate::time::Timestamp;

/// Media type of gRPC, before `+proto` and the like (PROTOCOL-HTTP2 of gRPC).
const GRPC: &str = "application/grpc";

/// A message of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Its first byte.
    begin: Mark,
    /// When its last byte passed; `None` while it is under way.
    end: Option<Timestamp>,
    /// When its latest byte passed.
    latest: Timestamp,
    header_bytes: u64,
    /// Payload of DATA frames.
    body: u64,
    /// Of which padding; `None` once some was not seen.
    padding: Option<u64>,
    /// `content-length`.
    length: Option<u64>,
}

/// A header block and where it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// The first byte of its first frame.
    pub begin: Mark,
    /// Payload of its frames.
    pub len: u64,
    /// When its last byte passed.
    pub last: Timestamp,
    /// Why it is not whole.
    pub broken: Option<Incomplete>,
}

/// A stream.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Its number.
    pub id: u32,
    /// Offset in the client's direction before which its request is, as its response tells.
    pub asked_before: u64,
    request: Option<Box<Request>>,
    response: Option<Response>,
    asked: Option<Part>,
    answered: Option<Part>,
    grpc_status: Option<u16>,
    taken: Taken,
    /// Oddities of the HTTP/1.1 request that it began with.
    before: Vec<&'static str>,
    /// What was odd in the request.
    pub anomalies: Anomalies,
    /// What was odd in the response.
    pub answer_anomalies: Anomalies,
    /// Why it cannot become complete.
    pub incomplete: Option<Incomplete>,
}

impl Exchange {
    /// A stream of which nothing was read yet.
    pub(super) fn new(id: u32) -> Self {
        Self {
            id,
            asked_before: 0,
            request: None,
            response: None,
            asked: None,
            answered: None,
            grpc_status: None,
            taken: Taken::default(),
            before: Vec::new(),
            anomalies: Anomalies::default(),
            answer_anomalies: Anomalies::default(),
            incomplete: None,
        }
    }

    /// Stream 1 after an upgrade: its request came over HTTP/1.1.
    pub(super) fn upgraded(upgraded: Upgraded) -> Self {
        let mut exchange = Self::new(1);
        exchange.asked = Some(Part {
            begin: Mark {
                time: upgraded.start,
                turn: upgraded.turn,
            },
            end: Some(upgraded.end),
            latest: upgraded.end,
            header_bytes: upgraded.request.header_bytes,
            body: upgraded.request.body_bytes,
            padding: Some(0),
            length: None,
        });
        exchange.request = Some(upgraded.request);
        exchange.taken = upgraded.taken;
        exchange.before = upgraded.anomalies;
        exchange
    }

    /// Its request's header was read; `take` gives what is kept of it for enrichment.
    pub(super) fn ask(&mut self, mut fields: Fields, extent: Extent, take: impl FnOnce(&Request) -> Taken) {
        if extent.broken.is_none() {
            fields.check_request();
        }
        self.anomalies.extend(fields.anomalies);
        let nameless = fields.authority.is_none() && fields.host.is_none();
        if fields.unknown && (fields.method.is_none() || fields.target.is_none() || nameless) {
            self.incomplete.get_or_insert(Incomplete::HeadersUnseen);
        }
        self.incomplete = self.incomplete.or(extent.broken);
        self.asked = Some(Part::new(extent, fields.length));
        let request = Request {
            method: fields.method.unwrap_or_default(),
            target: fields.target.unwrap_or_default(),
            path: fields.path.unwrap_or_default(),
            host: fields.authority.or(fields.host),
            user_agent: fields.user_agent,
            content_type: fields.content_type,
            protocol: fields.protocol,
            ..Request::default()
        };
        self.taken = take(&request);
        self.request = Some(Box::new(request));
    }

    /// Its final response's header was read.
    pub(super) fn answer(&mut self, mut fields: Fields, extent: Extent) {
        if extent.broken.is_none() {
            fields.check_response();
        }
        self.answer_anomalies.extend(fields.anomalies);
        if fields.unknown && fields.status.is_none() {
            self.incomplete.get_or_insert(Incomplete::HeadersUnseen);
        }
        self.incomplete = self.incomplete.or(extent.broken);
        self.answered = Some(Part::new(extent, fields.length));
        self.grpc_status = fields.grpc_status;
        if let Some(said) = &mut self.taken.said {
            said.location = fields.location.filter(|_| matches!(fields.status, Some(300..400)));
        }
        self.response = fields.status.filter(|status| *status > 0).map(|status| Response {
            status,
            content_type: fields.content_type,
            announced_bytes: fields.length,
            ..Response::default()
        });
    }

    /// It as far as it has come, where its response was announced to be long.
    pub(super) fn announced(&self) -> Option<Box<Transaction>> {
        let announced = self.response.as_ref()?.announced_bytes?;
        (announced >= ANNOUNCED && self.request.is_some()).then(|| Box::new(self.clone().into_transaction()))
    }

    /// Trailers of `side`.
    pub(super) fn trail(&mut self, side: Side, fields: &Fields, extent: Extent, ends: bool) {
        self.odd(side).extend(fields.anomalies);
        if fields.has_pseudo() {
            self.odd(side).add(Anomaly::LatePseudoHeader);
        }
        if !ends {
            self.odd(side).add(Anomaly::BadTrailers);
        }
        if side == Side::Server {
            self.grpc_status = fields.grpc_status.or(self.grpc_status);
        }
        self.incomplete = self.incomplete.or(extent.broken);
        if let Some(part) = self.part(side) {
            part.header_bytes += extent.len;
            part.latest = extent.last;
        }
    }

    /// What is odd in the message of `side`.
    pub(super) fn odd(&mut self, side: Side) -> &mut Anomalies {
        match side {
            Side::Client => &mut self.anomalies,
            Side::Server => &mut self.answer_anomalies,
        }
    }

    /// Bytes of a DATA frame's payload.
    pub(super) fn body(&mut self, side: Side, bytes: u64, time: Timestamp) {
        if let Some(part) = self.part(side) {
            part.body += bytes;
            part.latest = time;
        }
    }

    /// Those bytes, where they were seen and hold no padding.
    pub(super) fn hear(&mut self, side: Side, bytes: &[u8]) {
        if side == Side::Client {
            self.taken.links.body(bytes);
        }
        if let Some(said) = &mut self.taken.said {
            match side {
                Side::Client => said.ask(bytes, false),
                Side::Server => said.answer(bytes, false),
            }
        }
    }

    /// Some of them were not seen.
    pub(super) fn hear_no_more(&mut self, side: Side) {
        if let Some(said) = &mut self.taken.said {
            match side {
                Side::Client => said.asked.miss(),
                Side::Server => said.answered.miss(),
            }
        }
    }

    /// Padding of a DATA frame, where that is known.
    pub(super) fn pad(&mut self, side: Side, padding: Option<u64>) {
        if let Some(part) = self.part(side) {
            part.padding = part.padding.zip(padding).map(|(sum, more)| sum + more);
        }
    }

    /// The message of `side` is over.
    pub(super) fn end(&mut self, side: Side, time: Timestamp) {
        let bodiless = side == Side::Server
            && (self.request.as_ref().is_some_and(|r| r.method == "HEAD")
                || self.response.as_ref().is_some_and(|r| matches!(r.status, 204 | 304)));
        let whole = self.incomplete.is_none();
        let Some(part) = self.part(side) else { return };
        if part.end.is_some() {
            return;
        }
        part.end = Some(time);
        part.latest = time;
        let decoded = part.decoded();
        let mismatch = whole && part.length.is_some() && decoded.is_some() && part.length != decoded;
        if mismatch && !(bodiless && decoded == Some(0)) {
            self.odd(side).add(Anomaly::LengthMismatch);
        }
    }

    /// Its request.
    pub(super) fn request(&self) -> Option<&Request> {
        self.request.as_deref()
    }

    /// Turn of the request's first byte.
    pub(super) fn turn(&self) -> u32 {
        self.asked.map_or(0, |part| part.begin.turn)
    }

    /// The message of `side` has begun.
    pub(super) fn has_begun(&self, side: Side) -> bool {
        self.part_of(side).is_some()
    }

    /// The message of `side` is over.
    pub(super) fn has_ended(&self, side: Side) -> bool {
        self.part_of(side).is_some_and(|part| part.end.is_some())
    }

    /// Both messages are over; where the request was not seen, `client_at` says how far its direction was read.
    pub(super) fn is_over(&self, client_at: u64) -> bool {
        let asked = self.has_ended(Side::Client) || (self.asked.is_none() && client_at >= self.asked_before);
        asked && self.has_ended(Side::Server)
    }

    /// First byte of the request, else of the response.
    pub(super) fn begin(&self) -> Timestamp {
        self.asked.or(self.answered).unwrap_or_default().begin.time
    }

    /// The response grants a CONNECT: what follows is no HTTP.
    pub(super) fn is_tunnel(&self) -> bool {
        let connects = self.request.as_ref().is_some_and(|r| r.method == "CONNECT");
        connects && self.response.as_ref().is_some_and(|r| (200..300).contains(&r.status))
    }

    /// Why it is not complete when the connection ends.
    pub(super) fn missing(&self) -> Option<Incomplete> {
        if self.answered.is_some() && !self.has_ended(Side::Server) {
            Some(Incomplete::ResponseCut)
        } else if self.asked.is_some() && !self.has_ended(Side::Client) {
            Some(Incomplete::RequestCut)
        } else if self.answered.is_none() {
            Some(Incomplete::NoResponse)
        } else {
            None
        }
    }

    /// Tells it.
    pub(super) fn into_transaction(mut self) -> Transaction {
        let begin = self.asked.or(self.answered).unwrap_or_default().begin;
        let latest = |part: Option<Part>| part.map_or(Timestamp::ZERO, |part| part.latest);
        let latest = latest(self.asked).max(latest(self.answered)).max(begin.time);
        let latency_us = match (self.asked.and_then(|part| part.end), self.answered) {
            (Some(asked), Some(part)) if part.begin.time >= asked => Some(micros(part.begin.time.since(asked))),
            (Some(_) | None, Some(_) | None) => None,
        };
        if let (Some(request), Some(part)) = (&mut self.request, self.asked) {
            request.header_bytes = part.header_bytes;
            request.body_bytes = part.body;
            request.decoded_bytes = part.decoded();
        }
        if let (Some(response), Some(part)) = (&mut self.response, self.answered) {
            response.header_bytes = part.header_bytes;
            response.body_bytes = part.body;
            response.decoded_bytes = part.decoded();
        }
        if self.request.is_none() {
            self.incomplete.get_or_insert(Incomplete::NoRequest);
        }
        let grpc = self.request.as_ref().and_then(|request| {
            let is_grpc = request.content_type.as_deref().is_some_and(|t| t.starts_with(GRPC));
            is_grpc
                .then(|| GrpcCall::new(&request.path, self.grpc_status))
                .flatten()
        });
        let mut anomalies = std::mem::take(&mut self.before);
        anomalies.extend(self.anomalies.names());
        let request_anomalies = u8::try_from(anomalies.len()).unwrap_or(u8::MAX);
        anomalies.extend(self.answer_anomalies.without(self.anomalies).names());
        Transaction {
            version: HttpVersion::Http2,
            turn: self.turn(),
            request: self.request,
            response: self.response,
            grpc: grpc.map(Box::new),
            start: begin.time,
            latency_us,
            duration_us: micros(latest.since(begin.time)),
            anomalies,
            request_anomalies,
            incomplete: self.incomplete,
            taken: self.taken,
        }
    }

    fn part(&mut self, side: Side) -> Option<&mut Part> {
        match side {
            Side::Client => self.asked.as_mut(),
            Side::Server => self.answered.as_mut(),
        }
    }

    fn part_of(&self, side: Side) -> Option<&Part> {
        match side {
            Side::Client => self.asked.as_ref(),
            Side::Server => self.answered.as_ref(),
        }
    }
}

impl Part {
    fn new(extent: Extent, length: Option<u64>) -> Self {
        Self {
            begin: extent.begin,
            end: None,
            latest: extent.last,
            header_bytes: extent.len,
            body: 0,
            padding: Some(0),
            length,
        }
    }

    fn decoded(&self) -> Option<u64> {
        self.padding.map(|padding| self.body.saturating_sub(padding))
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}
