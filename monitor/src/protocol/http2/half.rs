//! One direction of an HTTP/2 connection: where it stands.

use super::exchange::Extent;
use super::frame::{Frame, HEADER, Kind};
use super::hpack::Decoder;
use crate::record::Incomplete;
use crate::stream::{Data, Interest};
use crate::time::Timestamp;

/// Where a message began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    /// When.
    pub time: Timestamp,
    /// In which turn.
    pub turn: u32,
}

impl Mark {
    /// The first byte of `data`.
    pub(super) fn of(data: &Data) -> Self {
        Self {
            time: data.time,
            turn: data.turn,
        }
    }
}

/// Where a direction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Within the client's preface, after so many bytes.
    Preface(u8),
    /// At a frame, or within its header.
    Frame,
    /// Within a frame's payload.
    Payload,
    /// Not known: bytes are missing. What looks like frames at the start of a turn, or is known to be one, ends this.
    Lost,
    /// At what is no HTTP/2.
    Off,
}

/// A header block under way.
#[derive(Debug)]
pub(super) struct Block {
    /// Its stream.
    pub stream: u32,
    /// Where it is; `broken` once some of it will not be seen.
    pub extent: Extent,
    /// HEADERS that end their stream.
    pub ends: bool,
    /// Of `PUSH_PROMISE`.
    pub pushed: bool,
    /// Its bytes so far.
    pub bytes: Vec<u8>,
    /// Frames that continued it.
    pub continuations: u32,
}

/// So many things within a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    since: Timestamp,
    count: u32,
}

impl Rate {
    /// One more at `time`; whether those of a second are more than `bound`.
    pub(super) fn is_over(&mut self, time: Timestamp, bound: u32) -> bool {
        if self.count == 0 || time.since(self.since).as_secs() >= 1 {
            *self = Self { since: time, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count > bound
    }
}

/// One direction.
#[derive(Debug)]
pub(super) struct Half {
    /// Where it stands.
    pub place: Place,
    /// Offset after what was read.
    pub at: u64,
    /// How far the other direction had come when what is read passed.
    pub peer: Option<u64>,
    /// The header of the frame under way, as far as it came.
    pub header: [u8; HEADER],
    /// Bytes of it that are there.
    pub have: u8,
    /// Where that frame began.
    pub begin: Mark,
    /// The frame under way.
    pub frame: Frame,
    /// Bytes of its payload yet to come.
    pub left: u32,
    /// Bytes of its payload that are needed.
    pub needed: u32,
    /// Those that are there, where they come in pieces.
    pub kept: Vec<u8>,
    /// Why not all that are needed will be there.
    pub broken: Option<Incomplete>,
    /// The header block under way.
    pub block: Option<Box<Block>>,
    /// Reads header blocks.
    pub decoder: Decoder,
    /// Longest payload that the receiver allows.
    pub max_frame: u32,
    /// Bytes at [`Place::Lost`] that may begin a frame, and when the last of them came.
    pub probed: Option<Box<Data>>,
    /// Frames of the kinds that floods are made of.
    pub pings: Rate,
    /// Likewise.
    pub settings: Rate,
    /// Likewise.
    pub empty: Rate,
    /// Likewise.
    pub resets: Rate,
}

impl Half {
    /// At `place`.
    pub(super) fn new(place: Place, from_beginning: bool) -> Self {
        Self {
            place,
            at: 0,
            peer: None,
            header: [0; HEADER],
            have: 0,
            begin: Mark::default(),
            frame: Frame {
                len: 0,
                kind: Kind::Other,
                flags: 0,
                stream: 0,
            },
            left: 0,
            needed: 0,
            kept: Vec::new(),
            broken: None,
            block: None,
            decoder: Decoder::new(from_beginning),
            max_frame: super::frame::DEFAULT_MAX,
            probed: None,
            pings: Rate::default(),
            settings: Rate::default(),
            empty: Rate::default(),
            resets: Rate::default(),
        }
    }

    /// Which bytes from `next` on must be seen.
    pub(super) fn interest(&self, next: u64) -> Interest {
        match self.place {
            Place::Preface(_) | Place::Frame => Interest::EVERYTHING,
            Place::Payload if (self.kept.len() as u32) < self.needed => Interest::EVERYTHING,
            Place::Payload => Interest {
                count_to: next + u64::from(self.left),
                peer_settles: false,
            },
            Place::Lost => Interest::NEXT_TURN,
            Place::Off => Interest::NOTHING,
        }
    }

    /// Bytes held that wait for others.
    pub(super) fn held_bytes(&self) -> usize {
        self.kept.len()
            + self.block.as_ref().map_or(0, |block| block.bytes.len())
            + self.probed.as_ref().map_or(0, |data| data.bytes.len())
    }

    /// Within a DATA frame whose rest need not be seen.
    pub(super) fn is_in_body(&self) -> bool {
        self.place == Place::Payload && self.frame.kind == Kind::Data
    }
}
