//! One direction of an HTTP/1.x connection: where it stands.

use super::body::{Body, Kind};
use crate::stream::{Data, Interest};
use crate::time::Timestamp;

/// Longest header read, bytes. Servers take 8 to 32 KiB (nginx `large_client_header_buffers` 4 times 8 KiB); the capture
/// copies less.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Who sends in a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Requests.
    Client,
    /// Responses.
    Server,
}

/// Where a message began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    /// Offset in its stream.
    pub offset: u64,
    /// When.
    pub time: Timestamp,
    /// In which turn.
    pub turn: u32,
    /// How far the other direction had come.
    pub peer: Option<u64>,
}

impl Mark {
    /// The first byte of `data`.
    pub(super) fn of(data: &Data) -> Self {
        Self {
            offset: data.offset,
            time: data.time,
            turn: data.turn,
            peer: data.peer,
        }
    }
}

/// Where a direction stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Where a message begins, or within its header.
    Head,
    /// Within a body.
    Body(Body),
    /// Not known: bytes are missing. The next turn that begins like a message is the next place that is known.
    Lost,
    /// Beyond HTTP/1.x.
    Off,
}

/// Bytes of a header (at [`Place::Head`]) or of what may be one (elsewhere) that came in several pieces.
#[derive(Debug)]
pub(super) struct Collected {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Bytes that were searched for the end of a header.
    scanned: usize,
    /// Where they began.
    pub mark: Mark,
    /// When the last of them came.
    pub last: Timestamp,
}

impl Collected {
    /// Nothing yet.
    pub(super) fn new(mark: Mark) -> Self {
        Self {
            bytes: Vec::new(),
            scanned: 0,
            mark,
            last: mark.time,
        }
    }

    /// Adds all of `data`.
    pub(super) fn push(&mut self, data: &Data) {
        self.push_some(data, data.bytes.len());
    }

    /// Adds `data`, up to the first byte past [`MAX_HEAD`]; gives the number of bytes taken.
    pub(super) fn fill(&mut self, data: &Data) -> usize {
        let room = (MAX_HEAD + 1).saturating_sub(self.bytes.len());
        let taken = data.bytes.len().min(room);
        self.push_some(data, taken);
        taken
    }

    fn push_some(&mut self, data: &Data, len: usize) {
        self.bytes.extend_from_slice(&data.bytes[..len]);
        self.last = data.time;
    }

    /// Passes over empty lines before a message (RFC 9112 section 2.2).
    pub(super) fn drop_leading(&mut self) {
        let leading = self.bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.bytes.drain(..leading);
        self.mark.offset += leading as u64;
    }

    /// Length of the header, when its end is there.
    pub(super) fn head_end(&mut self) -> Option<usize> {
        let end = find_head_end(&self.bytes, self.scanned);
        self.scanned = self.bytes.len();
        end
    }
}

/// One direction.
#[derive(Debug)]
pub(super) struct Half {
    /// Where it stands.
    pub place: Place,
    /// Header bytes that wait for the rest; rare, hence boxed.
    pub collected: Option<Box<Collected>>,
    /// The message before said that it was the last (RFC 9112 section 9.6).
    pub closing: bool,
    /// Bytes of the header to come were sent again with other content.
    pub rewritten: bool,
    /// Turn in which the latest message began; turns count from one.
    turn: u32,
    /// The end of the latest header was not seen, and it was not alone in its turn: others may come after it unseen.
    pub crowded: bool,
}

impl Half {
    /// At a message, or not known where.
    pub(super) fn new(joined_late: bool) -> Self {
        Self {
            place: if joined_late { Place::Lost } else { Place::Head },
            collected: None,
            closing: false,
            rewritten: false,
            turn: 0,
            crowded: false,
        }
    }

    /// A message begins in this turn; `cut` where the end of its header was not seen, `awaited` where others are due.
    pub(super) fn begin(&mut self, turn: u32, cut: bool, awaited: bool) {
        let follows = std::mem::replace(&mut self.turn, turn) == turn;
        self.crowded = cut && (follows || awaited);
    }

    /// Which bytes from `next` on must be seen.
    pub(super) fn interest(&self, next: u64) -> Interest {
        match self.place {
            _ if self.collected.is_some() => Interest::EVERYTHING,
            Place::Head => Interest::EVERYTHING,
            Place::Body(body) => body.interest(next),
            Place::Lost => Interest::NEXT_TURN,
            Place::Off => Interest::NOTHING,
        }
    }

    /// Bytes that are allocated for a header: what is bounded is memory, and room grows by doubling.
    pub(super) fn held_bytes(&self) -> usize {
        self.collected
            .as_ref()
            .map_or(0, |collected| collected.bytes.capacity())
    }

    /// Within a body whose end only the next message tells.
    pub(super) fn body_of_unknown_end(&self) -> Option<Body> {
        match self.place {
            Place::Body(body) if body.kind == Kind::Unknown => Some(body),
            Place::Body(_) | Place::Head | Place::Lost | Place::Off => None,
        }
    }

    /// Bytes of a header are there, but not all.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(self.place, Place::Head) && self.collected.is_some()
    }
}

/// Length of the header at the start of `bytes`: up to the first empty line (RFC 9112 section 2.1), where LF alone ends a
/// line too. The first `scanned` bytes are known to hold none.
pub(super) fn find_head_end(bytes: &[u8], scanned: usize) -> Option<usize> {
    let mut at = scanned.saturating_sub(2);
    while let Some(lf) = bytes[at..].iter().position(|b| *b == b'\n') {
        at += lf + 1;
        match bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_empty_line_at_any_split() {
        for whole in [
            &b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest"[..],
            b"GET / HTTP/1.1\nA: b\n\nrest",
            b"a\n\r\nrest",
        ] {
            let end = whole.len() - 4;
            for split in 0..end {
                assert_eq!(find_head_end(&whole[..split], 0), None);
                assert_eq!(find_head_end(whole, split), Some(end), "{split}");
            }
        }
    }
}
