//! From bytes to headers: where they begin, where they end, what to do with what is none.

use bytes::{Buf, Bytes};

use super::anomaly::Anomaly;
use super::body::Kind;
use super::half::{Collected, MAX_HEAD, Mark, Place, Side, find_head_end};
use super::head::{self, Read};
use super::pairing::Extent;
use super::{Http1, lenient};
use crate::protocol::conversation::Message;
use crate::protocol::identify::{Start, request_start, response_start};
use crate::record::{CoverageReason, Incomplete};
use crate::stream::{Absence, Data};

/// Least number of bytes that the capture copies of a turn: the default for responses.
const MIN_SNAP: usize = monitor_common::knobs::Knobs::DEFAULT.response_snap as usize;

impl Http1 {
    /// Bytes of `side`, in order.
    pub(super) fn data(&mut self, side: Side, mut data: Data, out: &mut Vec<Message>) {
        while !data.bytes.is_empty() {
            if side == Side::Server && self.upgraded.is_some() {
                self.beyond = Some(data);
                return;
            }
            match &mut self.half_mut(side).place {
                Place::Head => self.head_data(side, &mut data, out),
                Place::Body(body) if body.kind == Kind::Unknown || body.doubtful => self.probe(side, &mut data, out),
                Place::Lost => self.probe(side, &mut data, out),
                Place::Body(body) => {
                    let step = body.read(&data.bytes, data.time);
                    let chunked = matches!(body.kind, Kind::Chunked(_));
                    self.understood += step.used;
                    if let Some(exchange) = self.current(side) {
                        exchange.odd(side).extend(step.anomalies);
                        exchange.hear(side, &data.bytes[..step.used as usize], chunked);
                    }
                    pass(&mut data, step.used as usize);
                    if step.done {
                        self.end_message(side, out);
                    }
                }
                Place::Off => {
                    self.miss(CoverageReason::Unsupported);
                    return;
                }
            }
        }
    }

    /// Bytes are missing next: what was collected will not become whole.
    pub(super) fn settle_before_skip(&mut self, side: Side, why: Absence, out: &mut Vec<Message>) {
        let copied = self.half(side).collected.as_ref().map_or(0, |c| c.bytes.len());
        let why = match why {
            Absence::LeftOut => Incomplete::HeaderTruncated,
            // The capture stops between segments, too, when they add up to what it copies.
            Absence::Passed if copied >= MIN_SNAP => Incomplete::HeaderTruncated,
            Absence::Passed | Absence::Lost => Incomplete::Gap,
        };
        if self.half(side).is_in_head() && why == Incomplete::HeaderTruncated {
            self.truncated = Some(side);
        }
        self.settle_collected(side, Some(why), out);
    }

    /// Makes the best of what was collected and will not become whole; `why` where that is known, else the message was
    /// cut off by its sender.
    pub(super) fn settle_collected(&mut self, side: Side, why: Option<Incomplete>, out: &mut Vec<Message>) {
        let Some(collected) = self.half_mut(side).collected.take() else {
            return;
        };
        let begins = match starts(side, &collected.bytes) {
            Start::Yes | Start::Likely => true,
            Start::More | Start::No => false,
        };
        match &mut self.half_mut(side).place {
            Place::Head => {}
            Place::Body(_) | Place::Lost if begins => self.leave_unknown(side, out),
            Place::Body(body) => {
                let step = body.read(&collected.bytes, collected.last);
                self.understood += step.used;
                return;
            }
            Place::Lost => return self.miss(CoverageReason::Lost),
            Place::Off => return,
        }
        let why = why.unwrap_or(match side {
            Side::Client => Incomplete::RequestCut,
            Side::Server => Incomplete::ResponseCut,
        });
        self.cut_head(side, &collected, why, begins, out);
    }

    /// Where a message begins, or within a header that has begun.
    fn head_data(&mut self, side: Side, data: &mut Data, out: &mut Vec<Message>) {
        if let Some(mut collected) = self.half_mut(side).collected.take() {
            let before = collected.bytes.len();
            let taken = collected.fill(data);
            if let Some(end) = collected.head_end() {
                pass(data, end - before);
                collected.bytes.truncate(end);
                let extent = Extent {
                    begin: collected.mark,
                    len: end as u64,
                    last: collected.last,
                    cut: false,
                    incomplete: None,
                };
                self.whole_head(side, &collected.bytes, extent, out);
            } else {
                pass(data, taken);
                self.collect(side, collected, out);
            }
            return;
        }
        if side == Side::Client && data.turn_start {
            self.next_turn_of_client(out);
        }
        let leading = data.bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.understood += leading as u64;
        pass(data, leading);
        if data.bytes.is_empty() {
            return;
        }
        let begin = Mark::of(data);
        let extent = |len: usize| Extent {
            begin,
            len: len as u64,
            last: begin.time,
            cut: false,
            incomplete: None,
        };
        let read = match side {
            Side::Client => match head::request(limited(&data.bytes), &self.reading) {
                Read::Complete(len, head) => {
                    pass(data, len);
                    return self.on_request(head, extent(len), out);
                }
                Read::Partial | Read::Refused => find_head_end(limited(&data.bytes), 0),
            },
            Side::Server => match head::response(limited(&data.bytes), &self.reading) {
                Read::Complete(len, head) => {
                    pass(data, len);
                    return self.on_response(head, extent(len), out);
                }
                Read::Partial | Read::Refused => find_head_end(limited(&data.bytes), 0),
            },
        };
        if let Some(len) = read {
            let bytes = data.bytes.clone();
            pass(data, len);
            return self.whole_head(side, &bytes[..len], extent(len), out);
        }
        let mut collected = Box::new(Collected::new(begin));
        let taken = collected.fill(data);
        pass(data, taken);
        self.collect(side, collected, out);
    }

    /// Keeps what there is of a header, or gives up on it.
    fn collect(&mut self, side: Side, collected: Box<Collected>, out: &mut Vec<Message>) {
        let too_long = collected.bytes.len() > MAX_HEAD;
        let no_response = side == Side::Server && response_start(&collected.bytes) == Start::No;
        self.half_mut(side).collected = Some(collected);
        if no_response {
            self.stray_response(out);
        } else if too_long {
            self.evicted.headers += 1;
            self.settle_collected(side, Some(Incomplete::HeaderTruncated), out);
            if let Some(exchange) = self.current(side) {
                exchange.odd(side).add(Anomaly::LongHeader);
            }
        }
    }

    /// A header whose end was found.
    fn whole_head(&mut self, side: Side, bytes: &[u8], extent: Extent, out: &mut Vec<Message>) {
        match side {
            Side::Client => {
                let head = match head::request(bytes, &self.reading) {
                    Read::Complete(_, head) => head,
                    Read::Partial | Read::Refused => {
                        let mut head = lenient::request(bytes, true, &self.reading.taps);
                        if head.anomalies.is_empty() {
                            head.anomalies.add(Anomaly::BadRequestLine);
                        }
                        head
                    }
                };
                self.on_request(head, extent, out);
            }
            Side::Server => {
                if response_start(bytes) == Start::No {
                    let mut collected = Box::new(Collected::new(extent.begin));
                    collected.bytes = bytes.to_vec();
                    self.server.collected = Some(collected);
                    return self.stray_response(out);
                }
                let head = match head::response(bytes, &self.reading) {
                    Read::Complete(_, head) => head,
                    Read::Partial | Read::Refused => {
                        let mut head = lenient::response(bytes, true);
                        if head.anomalies.is_empty() {
                            head.anomalies.add(Anomaly::BadStatusLine);
                        }
                        head
                    }
                };
                self.on_response(head, extent, out);
            }
        }
    }

    /// A header of which no more will come.
    fn cut_head(&mut self, side: Side, collected: &Collected, why: Incomplete, begins: bool, out: &mut Vec<Message>) {
        let extent = Extent {
            begin: collected.mark,
            len: collected.bytes.len() as u64,
            last: collected.last,
            cut: true,
            incomplete: begins.then_some(why),
        };
        match side {
            Side::Client => {
                let mut head = lenient::request(&collected.bytes, false, &self.reading.taps);
                head.anomalies.add_if(!begins, Anomaly::StrayBytes);
                let mut extent = extent;
                if head.anomalies.contains(Anomaly::Http09) && why == Incomplete::RequestCut {
                    // Its first line is all there is to it.
                    extent.incomplete = None;
                }
                self.on_request(head, extent, out);
            }
            Side::Server => self.on_response(lenient::response(&collected.bytes, false), extent, out),
        }
    }

    /// The server sent what is no response.
    fn stray_response(&mut self, out: &mut Vec<Message>) {
        self.server.collected = None;
        self.server.place = Place::Lost;
        self.lost_response = true;
        self.miss(CoverageReason::Unsupported);
        if self.exchanges.is_empty() && self.client.is_in_head() {
            // It answers what we can not read to its end: HTTP/0.9, of which responses have no header.
            self.settle_collected(Side::Client, None, out);
            self.end_message(Side::Client, out);
        }
        if let Some(exchange) = self.exchanges.front_mut() {
            exchange.answer_anomalies.add(Anomaly::StrayBytes);
        }
    }

    /// Where it is not known whether a message begins: looks, at the start of a turn.
    fn probe(&mut self, side: Side, data: &mut Data, out: &mut Vec<Message>) {
        let half = self.half_mut(side);
        let verdict = match &mut half.collected {
            None if !data.turn_start => Start::No,
            None => starts(side, &data.bytes),
            Some(collected) => {
                collected.push(data);
                let verdict = starts(side, &collected.bytes);
                let len = data.bytes.len();
                if verdict == Start::Yes {
                    // Given back: the header is read from `data`.
                    collected.bytes.truncate(collected.bytes.len() - len);
                }
                verdict
            }
        };
        match verdict {
            Start::Yes => self.leave_unknown(side, out),
            Start::More | Start::Likely => {
                let half = self.half_mut(side);
                if half.collected.is_none() {
                    let mut collected = Box::new(Collected::new(Mark::of(data)));
                    collected.push(data);
                    half.collected = Some(collected);
                }
                data.bytes = Bytes::new();
                if half.collected.as_ref().is_some_and(|c| c.bytes.len() > MAX_HEAD) {
                    self.evicted.headers += 1;
                    self.settle_collected(side, Some(Incomplete::HeaderTruncated), out);
                }
            }
            Start::No => {
                if let Some(collected) = half.collected.take() {
                    data.offset = collected.mark.offset;
                    data.bytes = Bytes::from(collected.bytes);
                }
                data.turn_start = false;
                match &mut half.place {
                    Place::Body(body) if body.kind != Kind::Unknown => body.doubtful = false,
                    Place::Body(body) => {
                        self.understood += body.read(&data.bytes, data.time).used;
                        data.bytes = Bytes::new();
                    }
                    Place::Head | Place::Lost | Place::Off => {
                        self.miss(CoverageReason::Lost);
                        data.bytes = Bytes::new();
                    }
                }
            }
        }
    }

    /// A message begins where that was not certain: what went before is over.
    fn leave_unknown(&mut self, side: Side, out: &mut Vec<Message>) {
        self.end_message(side, out);
        let half = self.half_mut(side);
        half.place = Place::Head;
        if let Some(collected) = &mut half.collected {
            collected.drop_leading();
        }
        if side == Side::Client {
            self.next_turn_of_client(out);
        }
    }

    /// A turn of the client begins with a request: a response whose end could not be told has come whole.
    fn next_turn_of_client(&mut self, out: &mut Vec<Message>) {
        if self.server.body_of_unknown_end().is_some() {
            self.settle_collected(Side::Server, None, out);
            self.end_message(Side::Server, out);
        }
    }
}

fn starts(side: Side, bytes: &[u8]) -> Start {
    match side {
        Side::Client => request_start(bytes),
        Side::Server => response_start(bytes),
    }
}

/// What a header may be of `bytes`.
fn limited(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(MAX_HEAD)]
}

/// Passes over the first `n` bytes.
fn pass(data: &mut Data, n: usize) {
    if n > 0 {
        data.bytes.advance(n);
        data.offset += n as u64;
        data.turn_start = false;
    }
}
