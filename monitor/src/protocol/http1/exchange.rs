//! A request and its response while they are on their way, and the transaction they become.

use std::time::Duration;

use super::Upgraded;
use super::anomaly::Anomalies;
use super::body::Body;
use super::fields::Coding;
use super::half::{Mark, Side};
use super::head::{Method, RequestHead, ResponseHead};
use crate::protocol::taps::Taken;
use crate::protocol::transaction::{ANNOUNCED, Transaction};
use crate::record::{HttpVersion, Incomplete, Request, Response};
use crate::time::Timestamp;

/// One message of an exchange.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Where it began.
    begin: Mark,
    /// When its last byte passed; `None` while it is under way.
    end: Option<Timestamp>,
    /// When its latest byte passed.
    latest: Timestamp,
    /// Its header was cut, so its sizes must be told from the sum.
    cut: bool,
    /// `Content-Length`.
    length: Option<u64>,
    /// `Transfer-Encoding`.
    coding: Coding,
}

/// A request and its response on their way.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    request: Option<Box<Request>>,
    response: Option<Response>,
    asked: Part,
    answered: Option<Part>,
    /// Decides how the response is framed; `None` where the request was not seen.
    pub method: Option<Method>,
    version: HttpVersion,
    /// What was odd in the request.
    pub anomalies: Anomalies,
    /// What was odd in the response.
    pub answer_anomalies: Anomalies,
    /// Why it can not become complete.
    pub incomplete: Option<Incomplete>,
    taken: Taken,
}

impl Exchange {
    /// A request whose header was read: `header_bytes` long, its last byte at `last`.
    pub(super) fn of_request(head: RequestHead, header_bytes: u64, begin: Mark, last: Timestamp, cut: bool) -> Self {
        let mut request = head.request;
        request.header_bytes = header_bytes;
        Self {
            request: Some(request),
            response: None,
            asked: Part {
                begin,
                end: None,
                latest: last,
                cut,
                length: head.length,
                coding: head.coding,
            },
            answered: None,
            method: (!cut || head.method != Method::Other).then_some(head.method),
            version: head.version,
            anomalies: head.anomalies,
            answer_anomalies: Anomalies::default(),
            incomplete: None,
            taken: head.taken,
        }
    }

    /// A response whose request was not seen.
    pub(super) fn without_request() -> Self {
        Self {
            request: None,
            response: None,
            asked: Part::default(),
            answered: None,
            method: None,
            version: HttpVersion::Http11,
            anomalies: Anomalies::default(),
            answer_anomalies: Anomalies::default(),
            incomplete: Some(Incomplete::NoRequest),
            taken: Taken::default(),
        }
    }

    /// Its response's header was read.
    pub(super) fn answer(&mut self, head: ResponseHead, header_bytes: u64, begin: Mark, last: Timestamp, cut: bool) {
        self.answer_anomalies.extend(head.anomalies);
        if let Some(said) = &mut self.taken.said {
            said.location = head.location;
        }
        if self.request.is_none() {
            self.version = head.version;
        }
        self.answered = Some(Part {
            begin,
            end: None,
            latest: last,
            cut,
            length: head.length,
            coding: head.coding,
        });
        if head.status == 0 {
            // No one can tell what it answered.
            self.incomplete.get_or_insert(Incomplete::NoResponse);
        }
        self.response = (head.status != 0).then_some(Response {
            status: head.status,
            content_type: head.content_type,
            header_bytes,
            body_bytes: 0,
            decoded_bytes: None,
            announced_bytes: head.length,
        });
    }

    /// What is odd in the message of `side`.
    pub(super) fn odd(&mut self, side: Side) -> &mut Anomalies {
        match side {
            Side::Client => &mut self.anomalies,
            Side::Server => &mut self.answer_anomalies,
        }
    }

    /// Its response was announced to be long.
    pub(super) fn announces(&self) -> bool {
        let announced = self.response.as_ref().and_then(|response| response.announced_bytes);
        announced >= Some(ANNOUNCED) && self.request.is_some()
    }

    /// It as far as it has come, where its response was announced to be long.
    pub(super) fn announced(&self) -> Option<Box<Transaction>> {
        self.announces().then(|| Box::new(self.clone().into_transaction()))
    }

    /// Bytes of the body of `side`, as on the wire.
    pub(super) fn hear(&mut self, side: Side, bytes: &[u8], chunked: bool) {
        if side == Side::Client {
            self.taken.links.body(bytes);
        }
        if let Some(said) = &mut self.taken.said {
            match side {
                Side::Client => said.ask(bytes, chunked),
                Side::Server => said.answer(bytes, chunked),
            }
        }
    }

    /// Bytes of the body of `side` were not seen.
    pub(super) fn miss(&mut self, side: Side) {
        if let Some(said) = &mut self.taken.said {
            match side {
                Side::Client => said.asked.miss(),
                Side::Server => said.answered.miss(),
            }
        }
    }

    /// Offset of the request's first byte.
    pub(super) fn begin(&self) -> u64 {
        self.asked.begin.offset
    }

    /// Its request, if that began in `turn`.
    pub(super) fn request_of(&self, turn: u32) -> Option<&Request> {
        self.request.as_deref().filter(|_| self.asked.begin.turn == turn)
    }

    /// The request is over, or was never seen.
    pub(super) fn is_asked(&self) -> bool {
        self.request.is_none() || self.asked.end.is_some()
    }

    /// The response has begun.
    pub(super) fn is_being_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// The response has begun, at `offset` of its stream or before.
    pub(super) fn answer_begins_by(&self, offset: u64) -> bool {
        self.answered.is_some_and(|part| part.begin.offset <= offset)
    }

    /// The response is over.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.is_some_and(|part| part.end.is_some())
    }

    /// The message of `side` is over, with `body` if it had one; `last` is when its last byte passed.
    pub(super) fn end(&mut self, side: Side, body: Option<&Body>, last: Timestamp) {
        self.measure(side, body);
        let part = match side {
            Side::Client => Some(&mut self.asked),
            Side::Server => self.answered.as_mut(),
        };
        if let Some(part) = part {
            part.latest = last;
            part.end = Some(last);
        }
    }

    /// The message of `side` is cut off here.
    pub(super) fn cut_off(&mut self, side: Side, body: &Body) {
        self.measure(side, Some(body));
        match side {
            Side::Client => self.asked.latest = body.last,
            Side::Server => {
                if let Some(part) = &mut self.answered {
                    part.latest = body.last;
                }
            }
        }
    }

    /// Why it is not complete when the connection ends cleanly or not.
    pub(super) fn missing(&self) -> Option<Incomplete> {
        if self.is_being_answered() && !self.is_answered() {
            Some(Incomplete::ResponseCut)
        } else if !self.is_asked() {
            Some(Incomplete::RequestCut)
        } else if !self.is_answered() {
            Some(Incomplete::NoResponse)
        } else {
            None
        }
    }

    /// As the first stream of the HTTP/2 connection that it asked for; else it stays what it is.
    pub(super) fn upgrade(mut self: Box<Self>) -> Result<Upgraded, Box<Self>> {
        match (self.request.take(), self.asked.end) {
            (Some(request), Some(end)) if self.incomplete.is_none() => Ok(Upgraded {
                request,
                taken: self.taken,
                start: self.asked.begin.time,
                end,
                turn: self.asked.begin.turn,
                anomalies: self.anomalies.names(),
            }),
            (request, _) => {
                self.request = request;
                Err(self)
            }
        }
    }

    /// Tells it.
    pub(super) fn into_transaction(self) -> Transaction {
        let first = match (&self.request, self.answered) {
            (Some(_), _) | (None, None) => self.asked.begin,
            (None, Some(part)) => part.begin,
        };
        let latest = self
            .asked
            .latest
            .max(self.answered.map_or(Timestamp::ZERO, |part| part.latest));
        let latency = match (self.asked.end, self.answered) {
            (Some(asked), Some(part)) if part.begin.time >= asked => Some(micros(part.begin.time.since(asked))),
            (Some(_) | None, Some(_) | None) => None,
        };
        let mut anomalies = self.anomalies.names();
        let request_anomalies = u8::try_from(anomalies.len()).unwrap_or(u8::MAX);
        anomalies.extend(self.answer_anomalies.without(self.anomalies).names());
        Transaction {
            version: self.version,
            turn: if self.request.is_some() {
                self.asked.begin.turn
            } else {
                0
            },
            request: self.request,
            response: self.response,
            grpc: None,
            start: first.time,
            latency_us: latency,
            duration_us: micros(latest.since(first.time)),
            anomalies,
            request_anomalies,
            incomplete: self.incomplete,
            taken: self.taken,
        }
    }

    /// Fills in the sizes of one message.
    fn measure(&mut self, side: Side, body: Option<&Body>) {
        let wire = body.map_or(0, |body| body.wire);
        let decoded = body.map_or(Some(0), Body::decoded);
        match side {
            Side::Client => {
                if let Some(request) = &mut self.request {
                    let bodiless = matches!(request.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS" | "TRACE");
                    let sizes = sizes(&self.asked, request.header_bytes, wire, decoded, bodiless);
                    (request.header_bytes, request.body_bytes, request.decoded_bytes) = sizes;
                }
            }
            Side::Server => {
                if let (Some(response), Some(part)) = (&mut self.response, &self.answered) {
                    let bodiless = self.method == Some(Method::Head) || matches!(response.status, 204 | 304);
                    let sizes = sizes(part, response.header_bytes, wire, decoded, bodiless);
                    (response.header_bytes, response.body_bytes, response.decoded_bytes) = sizes;
                }
            }
        }
    }
}

/// Header, body and decoded bytes of a message. Of a cut header only the sum is known: where the length of the body is
/// too, the rest was header.
fn sizes(part: &Part, header: u64, wire: u64, decoded: Option<u64>, bodiless: bool) -> (u64, u64, Option<u64>) {
    if !part.cut {
        return (header, wire, decoded);
    }
    let sum = header + wire;
    match (bodiless, part.length, part.coding) {
        (true, None, Coding::None) => (sum, 0, Some(0)),
        (_, Some(length), Coding::None) if length <= wire => (sum - length, length, Some(length)),
        (_, None | Some(_), Coding::None | Coding::Chunked | Coding::Other) => (header, wire, None),
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}
