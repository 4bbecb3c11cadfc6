//! DNS over one TCP connection (RFC 7766): messages behind two bytes of length, several each way, in any segmentation.
//!
//! A message that was not copied whole gives what of it was, and is stepped over by its length. Where bytes are missing
//! whose number says nothing of where the next message begins, nothing is guessed: reading goes on at a turn that begins
//! like a message.

use super::shape::{self, Shape};
use super::{DnsError, DnsMessage, parse};
use crate::protocol::http1::Side;
use crate::record::CoverageReason;
use crate::stream::{Absence, Data, Interest, Skip};

/// The length before each message.
const PREFIX: usize = 2;

/// Both directions.
#[derive(Debug, Default)]
pub struct DnsTcp {
    client: Half,
    server: Half,
    understood: u64,
    missed: Option<CoverageReason>,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    place: Place,
    /// The message under way with its length, as far as it came; empty between messages.
    held: Vec<u8>,
    /// Bytes still to come of a message that was told already.
    rest: u64,
}

/// Where in its messages a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Known: a message begins after the last one.
    #[default]
    Known,
    /// Not known, and the turn at hand does not tell.
    Lost,
    /// A turn has begun that may begin with a message.
    Maybe,
}

/// What a direction gives.
type Read = Result<DnsMessage, DnsError>;

impl DnsTcp {
    /// A connection; `late` when its beginning was not seen.
    pub fn new(late: bool) -> Self {
        let mut dns = Self::default();
        if late {
            (dns.client.place, dns.server.place) = (Place::Lost, Place::Lost);
        }
        dns
    }

    /// The first bytes of `side` passed and were not seen.
    pub fn missed_start(&mut self, side: Side) {
        self.half(side).lose();
        self.missed.get_or_insert(CoverageReason::Lost);
    }

    /// Which of the next bytes are needed.
    pub fn interest(&self, side: Side, next: u64) -> Interest {
        let half = match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        };
        match half.place {
            Place::Known | Place::Maybe => Interest {
                count_to: if half.rest > 0 { next + half.rest } else { 0 },
                ..Interest::EVERYTHING
            },
            Place::Lost => Interest::NEXT_TURN,
        }
    }

    /// Takes bytes.
    pub fn data(&mut self, side: Side, data: &Data, mut tell: impl FnMut(Read)) {
        let half = self.half(side);
        if half.place == Place::Lost {
            if !data.turn_start {
                return;
            }
            half.place = Place::Maybe;
        }
        if half.place == Place::Maybe {
            half.held.extend_from_slice(&data.bytes);
            let wanted = match side {
                Side::Client => Shape::Query,
                Side::Server => Shape::Response,
            };
            match shape::of_stream(&half.held) {
                Shape::More => {}
                shape if shape == wanted => {
                    half.place = Place::Known;
                    let held = std::mem::take(&mut half.held);
                    self.messages(side, &held, &mut tell);
                }
                Shape::Query | Shape::Response | Shape::No => half.lose(),
            }
            return;
        }
        self.messages(side, &data.bytes, &mut tell);
    }

    /// Passes over bytes that are not seen.
    pub fn skip(&mut self, side: Side, skip: Skip, mut tell: impl FnMut(Read)) {
        self.end_of(side, &mut tell);
        let half = self.half(side);
        if half.place == Place::Known && skip.len <= half.rest {
            half.rest -= skip.len;
            return;
        }
        half.lose();
        self.missed.get_or_insert(match skip.why {
            Absence::LeftOut => CoverageReason::Truncated,
            Absence::Passed | Absence::Lost => CoverageReason::Lost,
        });
    }

    /// Bytes held that wait for others.
    pub fn held_bytes(&self) -> usize {
        self.client.held.len() + self.server.held.len()
    }

    /// Waits no longer, or the connection is over: tells what there is of the messages under way.
    pub fn give_up(&mut self, mut tell: impl FnMut(Read)) {
        self.end_of(Side::Client, &mut tell);
        self.end_of(Side::Server, &mut tell);
    }

    /// Bytes of messages that were read.
    pub fn understood(&self) -> u64 {
        self.understood
    }

    /// Why some were not.
    pub fn not_understood(&self) -> Option<CoverageReason> {
        self.missed
    }

    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn messages(&mut self, side: Side, mut bytes: &[u8], tell: &mut impl FnMut(Read)) {
        while !bytes.is_empty() {
            let half = self.half(side);
            if half.rest > 0 {
                let here = half.rest.min(bytes.len() as u64);
                half.rest -= here;
                bytes = &bytes[here as usize..];
                continue;
            }
            if half.held.is_empty()
                && let Some((length, after)) = bytes.split_first_chunk()
                && let Some((message, next)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))
            {
                bytes = next;
                self.message(message, (PREFIX + message.len()) as u64, tell);
                continue;
            }
            let wanted = half.whole().unwrap_or(PREFIX);
            let here = (wanted - half.held.len()).min(bytes.len());
            half.held.extend_from_slice(&bytes[..here]);
            bytes = &bytes[here..];
            if half.whole() == Some(half.held.len()) {
                let held = std::mem::take(&mut half.held);
                self.message(&held[PREFIX..], held.len() as u64, tell);
            }
        }
    }

    /// No more comes of the message under way.
    fn end_of(&mut self, side: Side, tell: &mut impl FnMut(Read)) {
        let half = self.half(side);
        if half.place != Place::Known || half.held.is_empty() {
            return;
        }
        let held = std::mem::take(&mut half.held);
        match Half::length(&held) {
            Some(whole) => {
                half.rest = (whole - held.len()) as u64;
                self.message(&held[PREFIX..], whole as u64, tell);
            }
            None => half.lose(),
        }
    }

    fn message(&mut self, message: &[u8], wire: u64, tell: &mut impl FnMut(Read)) {
        let read = parse(message);
        match read {
            Ok(_) => self.understood += wire,
            Err(_) => {
                self.missed.get_or_insert(CoverageReason::Unsupported);
            }
        }
        tell(read);
    }
}

impl Half {
    /// Bytes of the message under way with its length, once known.
    fn whole(&self) -> Option<usize> {
        Self::length(&self.held)
    }

    fn length(held: &[u8]) -> Option<usize> {
        let length = held.first_chunk()?;
        Some(PREFIX + usize::from(u16::from_be_bytes(*length)))
    }

    fn lose(&mut self) {
        *self = Self {
            place: Place::Lost,
            ..Self::default()
        };
    }
}
