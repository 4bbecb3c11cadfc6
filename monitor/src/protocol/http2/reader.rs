//! From bytes to frames: where they begin, which of their bytes are needed, what to do when some are missing.

use bytes::{Buf, Bytes};

use super::Http2;
use super::anomaly::Anomaly;
use super::frame::{self, Frame, HEADER, PREFACE};
use super::half::{Mark, Place};
use crate::protocol::conversation::Message;
use crate::protocol::http1::Side;
use crate::protocol::identify::Start;
use crate::record::{CoverageReason, Incomplete};
use crate::stream::{Absence, Data, Skip};
use crate::time::Timestamp;

impl Http2 {
    /// Bytes of `side`, in order.
    pub(super) fn data(&mut self, side: Side, data: Data, out: &mut Vec<Message>) {
        let end = data.offset + data.bytes.len() as u64;
        self.half_mut(side).peer = data.peer;
        self.read(side, data, out);
        self.reached(side, end, out);
    }

    /// Bytes of `side` that will not be seen.
    pub(super) fn skip(&mut self, side: Side, skip: Skip, out: &mut Vec<Message>) {
        self.pass_over(side, skip, out);
        self.reached(side, skip.offset + skip.len, out);
    }

    /// Bytes of `side` up to `end` were read. Responses whose requests were waited for until then have none.
    fn reached(&mut self, side: Side, end: u64, out: &mut Vec<Message>) {
        self.half_mut(side).at = end;
        if side == Side::Client && self.unasked > 0 {
            self.tell_unasked(out);
        }
    }

    fn read(&mut self, side: Side, mut data: Data, out: &mut Vec<Message>) {
        if data.frame_start && self.half(side).place == Place::Lost {
            self.half_mut(side).probed = None;
            self.half_mut(side).place = Place::Frame;
        }
        while !data.bytes.is_empty() {
            match self.half(side).place {
                Place::Preface(read) => self.preface(side, usize::from(read), &mut data),
                Place::Frame => self.frame_header(side, &mut data, out),
                Place::Payload => self.payload(side, &mut data, out),
                Place::Lost => {
                    if !self.probe(side, &mut data) {
                        return;
                    }
                }
                Place::Off => {
                    self.miss(CoverageReason::Unsupported);
                    return;
                }
            }
        }
    }

    fn pass_over(&mut self, side: Side, skip: Skip, out: &mut Vec<Message>) {
        let why = match skip.why {
            Absence::LeftOut => Incomplete::HeaderTruncated,
            Absence::Passed | Absence::Lost => Incomplete::Gap,
        };
        let mut left = skip.len;
        while left > 0 {
            let half = self.half_mut(side);
            match half.place {
                Place::Preface(_) | Place::Frame => self.lose(side, why, Some(skip.time), out),
                Place::Payload => {
                    if (half.kept.len() as u32) < half.needed {
                        half.needed = half.kept.len() as u32;
                        half.broken = Some(why);
                    }
                    let used = u64::from(half.left).min(left);
                    half.left -= used as u32;
                    left -= used;
                    self.passed(side, &[], used, skip.time);
                    if self.half(side).left == 0 {
                        let kept = std::mem::take(&mut self.half_mut(side).kept);
                        self.end_frame(side, &kept, skip.time, out);
                    }
                }
                Place::Lost => {
                    half.probed = None;
                    self.miss(match skip.why {
                        Absence::LeftOut => CoverageReason::Truncated,
                        Absence::Passed | Absence::Lost => CoverageReason::Lost,
                    });
                    return;
                }
                Place::Off => return,
            }
        }
    }

    /// It is not known any more where the next frame of `side` begins, nor what its header blocks refer to. What is missing
    /// passed by `until`, where that is known.
    pub(super) fn lose(&mut self, side: Side, why: Incomplete, until: Option<Timestamp>, out: &mut Vec<Message>) {
        self.cut_block(side, why, out);
        let half = self.half_mut(side);
        half.place = Place::Lost;
        half.have = 0;
        half.probed = None;
        half.kept = Vec::new();
        half.decoder.forget();
        self.whole = false;
        // Any of them may have ended, or had another header, in what is missing.
        for exchange in &mut self.streams {
            let open = match side {
                Side::Client => exchange.has_begun(side) && !exchange.has_ended(side),
                Side::Server => !exchange.has_ended(side),
            };
            if open && until.is_none_or(|until| exchange.begin() <= until) {
                exchange.incomplete.get_or_insert(why);
            }
        }
    }

    /// The client's first bytes.
    fn preface(&mut self, side: Side, read: usize, data: &mut Data) {
        let wanted = &PREFACE[read..];
        let got = wanted.len().min(data.bytes.len());
        if data.bytes[..got] != wanted[..got] {
            self.anomalies.add(Anomaly::BadPreface);
            self.half_mut(side).place = Place::Off;
            return;
        }
        data.bytes.advance(got);
        self.half_mut(side).place = if got == wanted.len() {
            self.understood += PREFACE.len() as u64;
            Place::Frame
        } else {
            Place::Preface((read + got) as u8)
        };
    }

    /// At a frame, or within its header.
    fn frame_header(&mut self, side: Side, data: &mut Data, out: &mut Vec<Message>) {
        let half = self.half_mut(side);
        if half.have == 0 {
            half.begin = Mark::of(data);
        }
        let have = usize::from(half.have);
        let got = (HEADER - have).min(data.bytes.len());
        half.header[have..have + got].copy_from_slice(&data.bytes[..got]);
        data.bytes.advance(got);
        if have + got < HEADER {
            half.have += got as u8;
            return;
        }
        half.have = 0;
        let frame = Frame::new(half.header);
        half.frame = frame;
        half.left = frame.len;
        half.broken = None;
        self.understood += HEADER as u64;
        self.joined_late = false;
        let needed = self.begin_frame(side, frame, data.time, out);
        let half = self.half_mut(side);
        half.needed = needed;
        half.place = Place::Payload;
        if frame.len == 0 {
            self.end_frame(side, &[], data.time, out);
        }
    }

    /// Within a frame's payload.
    fn payload(&mut self, side: Side, data: &mut Data, out: &mut Vec<Message>) {
        let half = self.half_mut(side);
        let got = data.bytes.len().min(half.left as usize);
        let whole = got == half.frame.len as usize;
        let bytes = data.bytes.split_to(got);
        half.left -= got as u32;
        let missing = half.needed as usize - half.kept.len();
        if whole {
            let needed = half.needed as usize;
            self.passed(side, &bytes, got as u64, data.time);
            self.end_frame(side, &bytes[..needed], data.time, out);
            return;
        }
        if missing > 0 {
            half.kept.extend_from_slice(&bytes[..missing.min(got)]);
        }
        self.passed(side, &bytes, got as u64, data.time);
        if self.half(side).left == 0 {
            let kept = std::mem::take(&mut self.half_mut(side).kept);
            self.end_frame(side, &kept, data.time, out);
        }
    }

    /// Where it is not known whether a frame begins: looks, from the start of a turn on. False when `data` is used up.
    fn probe(&mut self, side: Side, data: &mut Data) -> bool {
        let half = self.half_mut(side);
        let looked_at = match half.probed.take() {
            Some(mut before) => {
                let joined = [&before.bytes[..], &data.bytes[..]].concat();
                before.bytes = Bytes::from(joined);
                before.time = data.time;
                before
            }
            None if data.turn_start => Box::new(data.clone()),
            None => {
                self.miss(CoverageReason::Lost);
                return false;
            }
        };
        match frame::start(&looked_at.bytes) {
            (Start::Yes, of) if of.is_none_or(|of| of == side) => {
                *data = *looked_at;
                self.half_mut(side).place = Place::Frame;
                true
            }
            (Start::More, _) => {
                self.half_mut(side).probed = Some(Box::new(Data {
                    // A copy: the chunk may be a slice of a large batch, which must not live as long as the doubt.
                    bytes: Bytes::copy_from_slice(&looked_at.bytes),
                    ..*looked_at
                }));
                false
            }
            (Start::Yes | Start::Likely | Start::No, _) => {
                self.miss(CoverageReason::Lost);
                false
            }
        }
    }
}
