//! A handshake message out of records (which may fragment it, RFC 8446 section 5.1) out of segments.

use super::HelloError;

/// Longest hello read, bytes. The field would allow 2^24 (RFC 8446 section 4); with post-quantum key shares they have
/// about two kibibytes, and a record holds 2^14 (section 5.1).
pub(super) const MAX_HELLO: usize = 16 * 1024;
/// Longest record before encryption (RFC 8446 section 5.1).
const MAX_RECORD: usize = 1 << 14;
/// Handshake header (RFC 8446 section 4): type and 24 bits of length.
pub(super) const HANDSHAKE_HEADER: usize = 4;
/// Content type of handshake records.
const HANDSHAKE: u8 = 22;

/// A message, or as much of it as there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gathered {
    /// Its type.
    pub(super) kind: u8,
    /// What comes after its header.
    pub(super) body: Vec<u8>,
    /// There is more of it.
    pub(super) truncated: bool,
    /// Bytes that it took, record headers included.
    pub(super) wire: u64,
}

/// Gathers the first message of a direction.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    /// Header of the record under way, as far as it came.
    record: Vec<u8>,
    /// Bytes of that record to come.
    record_left: usize,
    /// The handshake message.
    message: Vec<u8>,
    /// Bytes taken.
    wire: u64,
}

impl Gatherer {
    /// Bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        self.record.len() + self.message.len()
    }

    /// Reads on; nothing while more is needed.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Option<Result<Gathered, HelloError>> {
        while let Some(b) = bytes.first() {
            if self.record_left == 0 {
                self.record.push(*b);
                self.wire += 1;
                bytes = &bytes[1..];
                if let [content, major, _, high, low] = self.record[..] {
                    self.record.clear();
                    self.record_left = usize::from(u16::from_be_bytes([high, low]));
                    if content != HANDSHAKE || major != 3 {
                        return Some(Err(HelloError::OtherRecord));
                    }
                    if self.record_left == 0 || self.record_left > MAX_RECORD {
                        return Some(Err(HelloError::RecordLength));
                    }
                }
                continue;
            }
            let wanted = self.length().unwrap_or(HANDSHAKE_HEADER) - self.message.len();
            let here = self.record_left.min(bytes.len()).min(wanted);
            self.message.extend_from_slice(&bytes[..here]);
            self.record_left -= here;
            self.wire += here as u64;
            bytes = &bytes[here..];
            match self.length() {
                // Nobody sends that; what it claims can not be trusted to be a hello.
                Some(length) if length > MAX_HELLO => return Some(Err(HelloError::TooLong)),
                Some(length) if self.message.len() == length => return Some(Ok(self.gathered(false))),
                Some(_) | None => {}
            }
        }
        None
    }

    /// No more will come: gives what there is.
    pub(super) fn finish(&mut self) -> Result<Gathered, HelloError> {
        if self.length().is_none() {
            return Err(HelloError::Cut);
        }
        Ok(self.gathered(true))
    }

    /// Length of the handshake message with its header, once known.
    fn length(&self) -> Option<usize> {
        let [_, a, b, c, ..] = self.message[..] else {
            return None;
        };
        Some(HANDSHAKE_HEADER + u32::from_be_bytes([0, a, b, c]) as usize)
    }

    fn gathered(&mut self, truncated: bool) -> Gathered {
        let mut body = std::mem::take(&mut self.message);
        let kind = body.first().copied().unwrap_or_default();
        body.drain(..HANDSHAKE_HEADER.min(body.len()));
        Gathered {
            kind,
            body,
            truncated,
            wire: self.wire,
        }
    }
}
