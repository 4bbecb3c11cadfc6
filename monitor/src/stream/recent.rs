//! What was delivered and not answered yet, where the capture shows what is sent again: it is compared.
//!
//! Who sends bytes again with other content lets one reader see the first and another the second. Once the other end has
//! answered, it has read one of them, and nothing that is sent again changes that.

use super::Data;
use super::held::differ_at;

/// Most bytes that a direction remembers: the first of a turn, which is where a message's header is. The memory of one
/// flow's answers and requests, of 100,000 flows, is then 200 MB at the worst, in replay alone.
const MAX_RECENT_BYTES: usize = 1024;

/// A run of delivered bytes.
#[derive(Debug, Default)]
pub(super) struct Recent {
    offset: u64,
    bytes: Vec<u8>,
}

impl Recent {
    /// More was delivered.
    pub(super) fn add(&mut self, data: &Data) {
        if self.bytes.is_empty() || self.end() != data.offset {
            if !self.bytes.is_empty() && data.offset > self.end() && self.bytes.len() >= MAX_RECENT_BYTES {
                // The turn goes on past what is remembered.
                return;
            }
            self.offset = data.offset;
            self.bytes.clear();
        }
        let room = MAX_RECENT_BYTES - self.bytes.len();
        self.bytes.extend_from_slice(&data.bytes[..data.bytes.len().min(room)]);
    }

    /// Where `data`, sent again, has other content than what was delivered.
    pub(super) fn differs(&self, data: &Data) -> bool {
        differ_at(self.offset, &self.bytes, data.offset, &data.bytes)
    }

    /// Offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}
