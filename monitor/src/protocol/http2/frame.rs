//! Frames (RFC 9113 sections 4 and 6): their header, and whether bytes look like one.

use crate::protocol::http1::Side;
use crate::protocol::identify::Start;

/// Length of a frame's header, bytes (RFC 9113 section 4.1).
pub(super) const HEADER: usize = 9;
/// Longest payload unless `SETTINGS_MAX_FRAME_SIZE` allows more, bytes (RFC 9113 section 4.2).
pub(super) const DEFAULT_MAX: u32 = 16 * 1024;
/// What a client sends first (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// [`Frame::flags`] of DATA and HEADERS: the last of its stream in its direction.
pub(super) const END_STREAM: u8 = 0x1;
/// Of SETTINGS and PING: an acknowledgement.
pub(super) const ACK: u8 = 0x1;
/// Of HEADERS, `PUSH_PROMISE` and CONTINUATION: the header block ends here.
pub(super) const END_HEADERS: u8 = 0x4;
/// Of DATA, HEADERS and `PUSH_PROMISE`: padding follows the content.
pub(super) const PADDED: u8 = 0x8;
/// Of HEADERS: five bytes of priority come before the block.
pub(super) const PRIORITY: u8 = 0x20;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    Goaway,
    WindowUpdate,
    Continuation,
    /// An extension; ignored (RFC 9113 section 5.5).
    Other,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Length of the payload, bytes.
    pub len: u32,
    /// What it carries.
    pub kind: Kind,
    /// Flags.
    pub flags: u8,
    /// Stream, 0 for the connection.
    pub stream: u32,
}

impl Frame {
    /// From its bytes.
    pub(super) fn new(bytes: [u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = bytes;
        Self {
            len: u32::from_be_bytes([0, a, b, c]),
            kind: match kind {
                0 => Kind::Data,
                1 => Kind::Headers,
                2 => Kind::Priority,
                3 => Kind::RstStream,
                4 => Kind::Settings,
                5 => Kind::PushPromise,
                6 => Kind::Ping,
                7 => Kind::Goaway,
                8 => Kind::WindowUpdate,
                9 => Kind::Continuation,
                _ => Kind::Other,
            },
            flags,
            // The first bit is reserved and ignored.
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    /// Whether a flag is set.
    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether its length is one that such a frame may have (RFC 9113 section 6).
    pub(super) const fn has_valid_length(&self) -> bool {
        match self.kind {
            Kind::Data | Kind::Headers | Kind::Continuation | Kind::Other => true,
            Kind::Priority => self.len == 5,
            Kind::RstStream | Kind::WindowUpdate => self.len == 4,
            Kind::Settings => self.len.is_multiple_of(6) && (self.len == 0 || !self.has(ACK)),
            Kind::PushPromise => self.len >= 4,
            Kind::Ping => self.len == 8,
            Kind::Goaway => self.len >= 8,
        }
    }

    /// Whether it belongs to a stream where it has to, and to none where it must not.
    pub(super) const fn has_valid_stream(&self) -> bool {
        match self.kind {
            Kind::Data | Kind::Headers | Kind::Priority | Kind::RstStream | Kind::PushPromise | Kind::Continuation => {
                self.stream != 0
            }
            Kind::Settings | Kind::Ping | Kind::Goaway => self.stream == 0,
            Kind::WindowUpdate | Kind::Other => true,
        }
    }

    /// How many bytes of its payload are needed; the rest is counted.
    pub(super) const fn needed(&self, settings: u32) -> u32 {
        let wanted = match self.kind {
            Kind::Data => self.has(PADDED) as u32,
            Kind::Headers | Kind::PushPromise | Kind::Continuation => self.len,
            Kind::Goaway => 4,
            Kind::Settings => settings,
            Kind::RstStream | Kind::Priority | Kind::Ping | Kind::WindowUpdate | Kind::Other => 0,
        };
        if wanted < self.len { wanted } else { self.len }
    }

    /// Whether a sender that keeps to the RFC may have sent it, with the limits and flags that all have.
    fn is_plausible(&self, reserved: u8) -> bool {
        let flags = match self.kind {
            Kind::Data => END_STREAM | PADDED,
            Kind::Headers => END_STREAM | END_HEADERS | PADDED | PRIORITY,
            Kind::PushPromise => END_HEADERS | PADDED,
            Kind::Continuation => END_HEADERS,
            Kind::Settings | Kind::Ping => ACK,
            Kind::Priority | Kind::RstStream | Kind::Goaway | Kind::WindowUpdate => 0,
            Kind::Other => return false,
        };
        self.len <= DEFAULT_MAX
            && reserved & 0x80 == 0
            && self.flags & !flags == 0
            && self.has_valid_length()
            && self.has_valid_stream()
    }
}

/// Longest run that is looked at for the start of a frame, bytes.
pub(super) const MAX_PROBE: usize = DEFAULT_MAX as usize + 2 * HEADER;

/// Whether `bytes`, of a connection that is not known from its beginning, start with a frame; and which side sends
/// it, where that shows.
///
/// Certain enough are: HEADERS whose block begins with a pseudo-header field of the static table, as all do (RFC 9113
/// section 8.3) but those whose first field is in the dynamic one; and any two plausible frames in succession.
pub(crate) fn start(bytes: &[u8]) -> (Start, Option<Side>) {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else {
        let begins = bytes.first().is_none_or(|b| *b == 0) && bytes.get(3).is_none_or(|kind| *kind <= 9);
        return (if begins { Start::More } else { Start::No }, None);
    };
    let frame = Frame::new(*header);
    if !frame.is_plausible(header[5]) {
        return (Start::No, None);
    }
    if frame.kind == Kind::Headers && frame.stream % 2 == 1 {
        let before = usize::from(frame.has(PADDED)) + if frame.has(PRIORITY) { 5 } else { 0 };
        match payload.get(before).map(|first| first_field(*first)) {
            None if before < frame.len as usize => return (Start::More, None),
            None | Some(None) => {}
            Some(side) => return (Start::Yes, side),
        }
    }
    match payload.get(frame.len as usize..) {
        Some([]) | None if bytes.len() >= MAX_PROBE => (Start::No, None),
        None => (Start::More, None),
        Some(next) => match next.first_chunk::<HEADER>() {
            None => (Start::More, None),
            Some(next) if Frame::new(*next).is_plausible(next[5]) => (Start::Yes, None),
            Some(_) => (Start::No, None),
        },
    }
}

/// Whether `bytes`, the first of a server, are its preface: SETTINGS (RFC 9113 section 3.4), which it may send before the
/// client has spoken.
pub(crate) fn server_preface(bytes: &[u8]) -> Start {
    let begins = [0, 0, u8::MAX, 4, 0, 0, 0, 0, 0];
    let fits = begins.iter().zip(bytes).all(|(most, byte)| match most {
        &u8::MAX => byte.is_multiple_of(6),
        exact => exact == byte,
    });
    match fits {
        true if bytes.len() >= HEADER => Start::Yes,
        true => Start::More,
        false => Start::No,
    }
}

/// The side whose blocks begin with this byte: a reference to a pseudo-header field of the static table.
fn first_field(byte: u8) -> Option<Side> {
    let index = match byte {
        0x80.. => byte & 0x7f,
        0x40.. => byte & 0x3f,
        0x20.. => return None,
        _ => byte & 0x0f,
    };
    match index {
        1..=7 => Some(Side::Client),
        8..=14 => Some(Side::Server),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: (Start, Option<Side>)) {
        assert_eq!(start(bytes), expected);
    }

    #[test]
    fn tells_frames_from_other_bytes() {
        check(b"\0\0\x03\x01\x05\0\0\0\x01\x82", (Start::Yes, Some(Side::Client)));
        check(b"\0\0\x03\x01\x04\0\0\0\x01\x88", (Start::Yes, Some(Side::Server)));
        check(
            b"\0\0\x08\x01\x25\0\0\0\x01\0\0\0\0\x10\x83",
            (Start::Yes, Some(Side::Client)),
        );
        check(b"\0\0\x03\x01\x05\0\0\0\x01", (Start::More, None));
        check(b"\0\0\x04\x08\0\0\0\0\0\0\0\xff\xff", (Start::More, None));
        check(
            b"\0\0\x04\x08\0\0\0\0\0\0\0\xff\xff\0\0\0\x04\x01\0\0\0\0",
            (Start::Yes, None),
        );
        check(
            b"\0\0\x04\x08\0\0\0\0\0\0\0\xff\xff\0\0\0\x04\x01\0\0\0\x05",
            (Start::No, None),
        );
        check(b"\0\x50\0\0\0\0\0\0\x01", (Start::No, None));
        check(b"\0\0\x08\x04\xd2\x16\x2f\0\0", (Start::No, None));
        check(b"\0\0\0\x08", (Start::More, None));
        check(b"hello", (Start::No, None));
        check(b"", (Start::More, None));
    }
}
