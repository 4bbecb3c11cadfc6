//! What frames mean for streams.

use super::anomaly::Anomaly;
use super::exchange::{Exchange, Extent};
use super::fields::Fields;
use super::frame::{ACK, END_HEADERS, END_STREAM, Frame, Kind, PADDED, PRIORITY};
use super::half::{Block, Place};
use super::{Http2, MAX_CLOSED, MAX_STREAMS};
use crate::protocol::conversation::Message;
use crate::protocol::http1::Side;
use crate::protocol::taps::Taking;
use crate::record::{CoverageReason, Incomplete};
use crate::time::Timestamp;

/// Longest header block read, bytes of its frames; as for HTTP/1.x.
const MAX_BLOCK: usize = 64 * 1024;
/// Bytes of SETTINGS that are looked at: 16 settings, and six are defined.
const MAX_SETTINGS: u32 = 96;
/// CONTINUATION frames of one header block that are usual: with the least frame size they carry 256 KiB.
const MAX_CONTINUATIONS: u32 = 16;
/// Frames of one kind within a second that no use of HTTP/2 sends: PING, SETTINGS, empty DATA, and `RST_STREAM` of the
/// client. Ends that defend themselves against floods allow 100 to 10,000 in all (nghttp2 1,000 settings unanswered, Go
/// 10,000 control frames queued, nginx one reset in ten requests).
const MAX_A_SECOND: u32 = 200;
/// `SETTINGS_MAX_FRAME_SIZE` (RFC 9113 section 6.5.2).
const SETTINGS_MAX_FRAME_SIZE: u16 = 5;

impl Http2 {
    /// A frame's header was read: how many bytes of its payload are needed.
    pub(super) fn begin_frame(&mut self, side: Side, frame: Frame, time: Timestamp, out: &mut Vec<Message>) -> u32 {
        let half = self.half(side);
        let oversize = frame.len > half.max_frame && self.whole;
        let continues = half.block.as_ref().map(|block| block.stream);
        if oversize || !frame.has_valid_length() {
            self.odd(side, frame.stream, Anomaly::BadFrameSize);
        }
        if !frame.has_valid_stream() {
            self.odd(side, frame.stream, Anomaly::BadStreamId);
        }
        match (continues, frame.kind) {
            (Some(stream), Kind::Continuation) if stream == frame.stream => {}
            (Some(stream), _) => {
                self.cut_block(side, Incomplete::HeaderTruncated, out);
                self.odd(side, stream, Anomaly::InterruptedHeaders);
            }
            (None, Kind::Continuation) if self.whole => self.odd(side, frame.stream, Anomaly::StrayContinuation),
            (None, _) => {}
        }
        let half = self.half_mut(side);
        let flood = match frame.kind {
            Kind::Ping if half.pings.is_over(time, MAX_A_SECOND) => Some(Anomaly::PingFlood),
            Kind::Settings if half.settings.is_over(time, MAX_A_SECOND) => Some(Anomaly::SettingsFlood),
            Kind::Data if frame.len == 0 && !frame.has(END_STREAM) && half.empty.is_over(time, MAX_A_SECOND) => {
                Some(Anomaly::EmptyFrameFlood)
            }
            Kind::RstStream if side == Side::Client && half.resets.is_over(time, MAX_A_SECOND) => {
                Some(Anomaly::RapidReset)
            }
            Kind::Data
            | Kind::Headers
            | Kind::Priority
            | Kind::RstStream
            | Kind::Settings
            | Kind::PushPromise
            | Kind::Ping
            | Kind::Goaway
            | Kind::WindowUpdate
            | Kind::Continuation
            | Kind::Other => None,
        };
        if let Some(flood) = flood {
            self.odd(side, frame.stream, flood);
        }
        let half = self.half_mut(side);
        let before = half.block.as_ref().map_or(0, |block| block.bytes.len());
        let needed = frame.needed(MAX_SETTINGS);
        if needed as usize + before > MAX_BLOCK {
            half.broken = Some(Incomplete::HeaderTruncated);
            self.evicted.headers += 1;
            return (MAX_BLOCK - before) as u32;
        }
        if half.block.as_ref().is_some_and(|block| block.extent.broken.is_some()) {
            // What comes after what is missing cannot be read.
            return 0;
        }
        needed
    }

    /// Bytes of a payload have passed; `bytes` where they were seen.
    pub(super) fn passed(&mut self, side: Side, bytes: &[u8], count: u64, time: Timestamp) {
        let frame = self.half(side).frame;
        if frame.kind != Kind::Data {
            self.understood += count;
            return;
        }
        if self.tunnels.contains(&frame.stream) {
            self.miss(CoverageReason::Unsupported);
            return;
        }
        self.understood += count;
        if let Some(exchange) = self.stream(frame.stream) {
            exchange.body(side, count, time);
            if bytes.is_empty() || frame.has(PADDED) {
                exchange.hear_no_more(side);
            } else {
                exchange.hear(side, bytes);
            }
        }
    }

    /// A frame is over; `kept` are the needed bytes of its payload.
    pub(super) fn end_frame(&mut self, side: Side, kept: &[u8], time: Timestamp, out: &mut Vec<Message>) {
        let half = self.half_mut(side);
        half.place = Place::Frame;
        let (frame, broken) = (half.frame, half.broken);
        match frame.kind {
            Kind::Data => self.end_data(side, frame, kept, broken, time, out),
            Kind::Headers | Kind::PushPromise | Kind::Continuation => {
                self.end_fragment(side, frame, kept, broken, time, out);
            }
            Kind::RstStream => self.reset(frame.stream, out),
            Kind::Goaway if side == Side::Server => self.goaway(last_stream(kept), out),
            Kind::Settings if !frame.has(ACK) => self.settings(side, kept),
            Kind::Settings | Kind::Goaway | Kind::Priority | Kind::Ping | Kind::WindowUpdate | Kind::Other => {}
        }
    }

    /// The header block under way goes no further: what there is of it is read.
    pub(super) fn cut_block(&mut self, side: Side, why: Incomplete, out: &mut Vec<Message>) {
        let half = self.half_mut(side);
        let kept = std::mem::take(&mut half.kept);
        let in_block = matches!(half.frame.kind, Kind::Headers | Kind::Continuation | Kind::PushPromise);
        if half.place == Place::Payload && in_block {
            let time = half.begin.time;
            let mut frame = half.frame;
            frame.len -= half.left;
            frame.flags |= END_HEADERS;
            half.place = Place::Frame;
            self.end_fragment(side, frame, &kept, Some(why), time, out);
        } else if let Some(mut block) = half.block.take() {
            block.extent.broken.get_or_insert(why);
            let bytes = std::mem::take(&mut block.bytes);
            self.end_block(side, &block, &bytes, out);
        }
    }

    fn end_data(
        &mut self,
        side: Side,
        frame: Frame,
        kept: &[u8],
        broken: Option<Incomplete>,
        time: Timestamp,
        out: &mut Vec<Message>,
    ) {
        let whole = self.whole;
        let Some(exchange) = self.stream(frame.stream) else {
            return;
        };
        if exchange.has_ended(side) && whole {
            exchange.odd(side).add(Anomaly::FrameAfterEnd);
        }
        if frame.has(PADDED) {
            let padding = kept.first().map(|length| u64::from(*length) + 1);
            exchange.pad(side, padding);
            if broken.is_none() && padding.is_none_or(|padding| padding > u64::from(frame.len)) {
                exchange.odd(side).add(Anomaly::BadPadding);
            }
        }
        if frame.has(END_STREAM) {
            self.end_message(side, frame.stream, time, out);
        }
    }

    /// The payload of HEADERS, `PUSH_PROMISE` or CONTINUATION.
    fn end_fragment(
        &mut self,
        side: Side,
        frame: Frame,
        kept: &[u8],
        broken: Option<Incomplete>,
        time: Timestamp,
        out: &mut Vec<Message>,
    ) {
        let (fragment, padding_fits) = fragment(frame, kept, broken.is_some());
        if !padding_fits {
            self.odd(side, frame.stream, Anomaly::BadPadding);
        }
        let half = self.half_mut(side);
        let mut block = match (frame.kind, half.block.take()) {
            (Kind::Continuation, Some(mut block)) => {
                block.continuations += 1;
                block.extent.len += u64::from(frame.len);
                block.extent.last = time;
                block.extent.broken = block.extent.broken.or(broken);
                block.bytes.extend_from_slice(fragment);
                if block.continuations == MAX_CONTINUATIONS {
                    self.odd(side, frame.stream, Anomaly::ContinuationFlood);
                }
                block
            }
            (Kind::Continuation, None) => {
                // Its beginning was not seen, or is no block.
                half.decoder.forget();
                return;
            }
            (_, _) => {
                let extent = Extent {
                    begin: half.begin,
                    len: u64::from(frame.len),
                    last: time,
                    broken,
                };
                let mut block = Block {
                    stream: frame.stream,
                    extent,
                    ends: frame.kind == Kind::Headers && frame.has(END_STREAM),
                    pushed: frame.kind == Kind::PushPromise,
                    bytes: Vec::new(),
                    continuations: 0,
                };
                if frame.has(END_HEADERS) {
                    // As nearly all are.
                    return self.end_block(side, &block, fragment, out);
                }
                block.bytes.extend_from_slice(fragment);
                Box::new(block)
            }
        };
        if frame.has(END_HEADERS) {
            let bytes = std::mem::take(&mut block.bytes);
            self.end_block(side, &block, &bytes, out);
        } else {
            self.half_mut(side).block = Some(block);
        }
    }

    /// A header block is there, or as much of it as will be.
    fn end_block(&mut self, side: Side, block: &Block, bytes: &[u8], out: &mut Vec<Message>) {
        let mut fields = Fields::default();
        let mut taking = Taking::default();
        let reading = std::sync::Arc::clone(&self.reading);
        let decoder = &mut self.half_mut(side).decoder;
        let result = decoder.decode(bytes, |field| {
            if side == Side::Client
                && let (Some(name), Some(value)) = (field.name, field.value)
                && name.first() != Some(&b':')
            {
                reading.taps.field(&mut taking, name, value);
            }
            fields.add(field);
        });
        let whole = match result {
            _ if block.extent.broken.is_some() => {
                decoder.forget();
                false
            }
            Ok(summary) => {
                fields.unknown |= summary.unknown;
                if summary.over_bound {
                    fields.anomalies.add(Anomaly::ManyFields);
                    self.evicted.headers += 1;
                }
                !summary.unknown && !summary.over_bound
            }
            Err(_) => {
                decoder.forget();
                fields.anomalies.add(Anomaly::BadHeaderBlock);
                false
            }
        };
        if block.pushed {
            // What the server wants to push is no request of anyone; clients refuse it or do not use it.
            return;
        }
        match side {
            Side::Client => self.on_request(fields, taking, whole, block, out),
            Side::Server => self.on_response(fields, block, out),
        }
        if block.ends {
            self.end_message(side, block.stream, block.extent.last, out);
        }
    }

    fn on_request(&mut self, fields: Fields, taking: Taking, whole: bool, block: &Block, out: &mut Vec<Message>) {
        let (id, extent) = (block.stream, block.extent);
        if let Some(exchange) = self.stream(id)
            && exchange.has_begun(Side::Client)
        {
            if exchange.has_ended(Side::Client) {
                exchange.anomalies.add(Anomaly::FrameAfterEnd);
            } else {
                exchange.trail(Side::Client, &fields, extent, block.ends);
            }
            return;
        }
        if self.closed.contains(&id) {
            return;
        }
        let misused = id.is_multiple_of(2) || (self.whole && id <= self.latest);
        if misused && fields.method.is_none() {
            self.anomalies.add(Anomaly::BadStreamId);
            return;
        }
        self.latest = self.latest.max(id);
        let reading = std::sync::Arc::clone(&self.reading);
        let exchange = self.open(id, out);
        let answered = exchange.has_begun(Side::Server);
        if misused {
            exchange.anomalies.add(Anomaly::BadStreamId);
        }
        exchange.ask(fields, extent, |request| reading.taps.finish(taking, request, whole));
        if answered {
            self.unasked = self.unasked.saturating_sub(1);
        }
    }

    fn on_response(&mut self, fields: Fields, block: &Block, out: &mut Vec<Message>) {
        let (id, extent) = (block.stream, block.extent);
        if id.is_multiple_of(2) {
            // Pushed, or of no stream.
            return;
        }
        if self.stream(id).is_none() {
            let unseen = (!self.whole || id > self.latest) && !self.closed.contains(&id) && !self.tunnels.contains(&id);
            if !unseen || (fields.status.is_none() && extent.broken.is_none() && !fields.unknown) {
                return;
            }
            let before = self.server.peer.unwrap_or_default();
            self.open(id, out).asked_before = before;
            self.unasked += 1;
        }
        let Some(exchange) = self.stream(id) else { return };
        if exchange.has_begun(Side::Server) {
            exchange.trail(Side::Server, &fields, extent, block.ends);
            return;
        }
        if fields.status.is_some_and(|status| (100..200).contains(&status)) {
            // The final response follows (RFC 9113 section 8.1); 101 does not exist here (section 8.6).
            exchange.answer_anomalies.extend(fields.anomalies);
            return;
        }
        exchange.answer(fields, extent);
        let tunnels = exchange.is_tunnel();
        // The answer to HEAD ends with its header.
        self.announced = if block.ends { None } else { exchange.announced() };
        if tunnels && let Some(exchange) = self.close(id) {
            remember(&mut self.tunnels, id);
            self.tell(exchange, out);
        }
    }

    /// The message of `side` on a stream is over.
    fn end_message(&mut self, side: Side, id: u32, time: Timestamp, out: &mut Vec<Message>) {
        let client_at = self.client.at;
        let Some(exchange) = self.stream(id) else { return };
        exchange.end(side, time);
        if exchange.is_over(client_at)
            && let Some(exchange) = self.close(id)
        {
            self.tell(exchange, out);
        }
    }

    /// `RST_STREAM`, of either end.
    fn reset(&mut self, id: u32, out: &mut Vec<Message>) {
        let Some(mut exchange) = self.close(id) else { return };
        remember(&mut self.closed, id);
        if exchange.has_ended(Side::Server) {
            // The server needs no more of the request (RFC 9113 section 8.1), or the client gives up to send the rest.
            exchange.anomalies.add(Anomaly::EarlyResponse);
        } else {
            exchange.incomplete.get_or_insert(Incomplete::Reset);
        }
        self.tell(exchange, out);
    }

    /// The server takes streams up to `last` alone.
    fn goaway(&mut self, last: Option<u32>, out: &mut Vec<Message>) {
        let Some(last) = last else { return };
        let last = last & 0x7fff_ffff;
        while let Some(refused) = self.streams.back().filter(|exchange| exchange.id > last) {
            let id = refused.id;
            if let Some(mut exchange) = self.close(id) {
                remember(&mut self.closed, id);
                exchange.incomplete = exchange.incomplete.or(exchange.missing());
                self.tell(exchange, out);
            }
        }
    }

    /// What the end that sends `side` allows the other one.
    fn settings(&mut self, side: Side, kept: &[u8]) {
        let (settings, _) = kept.as_chunks::<6>();
        for [id0, id1, value @ ..] in settings {
            if u16::from_be_bytes([*id0, *id1]) == SETTINGS_MAX_FRAME_SIZE {
                let allowed = u32::from_be_bytes(*value);
                let other = match side {
                    Side::Client => &mut self.server,
                    Side::Server => &mut self.client,
                };
                other.max_frame = other.max_frame.max(allowed);
            }
        }
    }

    /// Notes an oddity on its stream, or on the next that ends.
    fn odd(&mut self, side: Side, stream: u32, anomaly: Anomaly) {
        match (self.stream(stream), side) {
            (Some(exchange), _) => exchange.odd(side).add(anomaly),
            (None, Side::Client) => self.anomalies.add(anomaly),
            (None, Side::Server) => self.answer_anomalies.add(anomaly),
        }
    }

    fn stream(&mut self, id: u32) -> Option<&mut Exchange> {
        let at = self.streams.binary_search_by_key(&id, |exchange| exchange.id).ok()?;
        self.streams.get_mut(at).map(Box::as_mut)
    }

    /// Tells responses whose requests will not come any more.
    pub(super) fn tell_unasked(&mut self, out: &mut Vec<Message>) {
        let at = self.client.at;
        while let Some(over) = self.streams.iter().find(|exchange| exchange.is_over(at)) {
            let id = over.id;
            if let Some(exchange) = self.close(id) {
                self.tell(exchange, out);
            }
        }
    }

    /// Takes a stream out.
    fn close(&mut self, id: u32) -> Option<Box<Exchange>> {
        let at = self.streams.binary_search_by_key(&id, |exchange| exchange.id).ok()?;
        let exchange = self.streams.remove(at)?;
        if !exchange.has_begun(Side::Client) {
            self.unasked = self.unasked.saturating_sub(1);
        }
        Some(exchange)
    }

    /// A stream by its number, made where there is none; the oldest is given up where there are too many.
    fn open(&mut self, id: u32, out: &mut Vec<Message>) -> &mut Exchange {
        let found = self.streams.binary_search_by_key(&id, |exchange| exchange.id);
        let at = found.unwrap_or_else(|_| self.insert(id, out));
        &mut self.streams[at]
    }

    /// Makes a stream, and says where it is.
    fn insert(&mut self, id: u32, out: &mut Vec<Message>) -> usize {
        if self.streams.len() >= MAX_STREAMS
            && let Some(mut oldest) = self.streams.pop_front()
        {
            self.evicted.requests += 1;
            remember(&mut self.closed, oldest.id);
            oldest.incomplete = Some(Incomplete::Evicted);
            if !oldest.has_begun(Side::Client) {
                self.unasked = self.unasked.saturating_sub(1);
            }
            self.tell(oldest, out);
        }
        let at = self.streams.partition_point(|exchange| exchange.id < id);
        self.streams.insert(at, Box::new(Exchange::new(id)));
        at
    }
}

/// The header block's part of a payload, and whether padding fits in it. Of a payload that is not whole the padding is
/// past what is there.
fn fragment(frame: Frame, kept: &[u8], broken: bool) -> (&[u8], bool) {
    let (padded, prefix) = match frame.kind {
        Kind::Headers => (frame.has(PADDED), if frame.has(PRIORITY) { 5 } else { 0 }),
        // The number of the promised stream.
        Kind::PushPromise => (frame.has(PADDED), 4),
        Kind::Data
        | Kind::Continuation
        | Kind::Priority
        | Kind::RstStream
        | Kind::Settings
        | Kind::Ping
        | Kind::Goaway
        | Kind::WindowUpdate
        | Kind::Other => (false, 0),
    };
    let (padding, rest) = match kept.split_first() {
        Some((length, rest)) if padded => (usize::from(*length), rest),
        _ => (0, kept),
    };
    let rest = rest.get(prefix..).unwrap_or_default();
    if broken {
        return (rest, true);
    }
    match rest.len().checked_sub(padding) {
        Some(end) => (&rest[..end], true),
        None => (&[], false),
    }
}

/// The stream that a GOAWAY names.
fn last_stream(kept: &[u8]) -> Option<u32> {
    kept.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Adds to a short memory.
fn remember(ids: &mut std::collections::VecDeque<u32>, id: u32) {
    if ids.len() >= MAX_CLOSED {
        ids.pop_front();
    }
    ids.push_back(id);
}
