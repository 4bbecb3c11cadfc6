//! What a stream delivers, and what its reader needs.

use bytes::Bytes;

use crate::time::Timestamp;

/// What comes next in a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Bytes.
    Data(Data),
    /// Bytes that exist and will not be seen.
    Skip(Skip),
}

/// Bytes in order, from one segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Offset of the first byte in its stream.
    pub offset: u64,
    /// The bytes; never empty.
    pub bytes: Bytes,
    /// When the segment passed.
    pub time: Timestamp,
    /// Turn that the segment belongs to.
    pub turn: u32,
    /// The first byte is the first of its turn.
    pub turn_start: bool,
    /// The first byte is known to be that of a frame of HTTP/2.
    pub frame_start: bool,
    /// Offset in the *other* direction that had been reached when this segment passed.
    pub peer: Option<u64>,
}

/// A run of bytes that will not be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Offset of the first.
    pub offset: u64,
    /// How many; never 0.
    pub len: u64,
    /// When the last of them moved, as far as is known.
    pub time: Timestamp,
    /// Why they are not seen.
    pub why: Absence,
}

/// Why bytes are not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The capture said that it left them out, or the reader only counts them.
    LeftOut,
    /// The other direction's answer showed that they had passed; nothing else is known of them.
    Passed,
    /// They were waited for in vain.
    Lost,
}

/// Which of the next bytes the reader needs to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Bytes before this offset are only counted: they are passed over as soon as anything tells that they exist.
    pub count_to: u64,
    /// Bytes that the other direction had seen when it spoke are not waited for: what did not come before it, will not.
    pub peer_settles: bool,
}

impl Interest {
    /// Every byte.
    pub const EVERYTHING: Self = Self {
        count_to: 0,
        peer_settles: false,
    };
    /// What begins the next turn.
    pub const NEXT_TURN: Self = Self {
        count_to: 0,
        peer_settles: true,
    };
    /// None.
    pub const NOTHING: Self = Self {
        count_to: u64::MAX,
        peer_settles: true,
    };
}
