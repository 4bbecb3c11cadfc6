//! Packet captures: pcap and pcapng files, read as streams and merged by time.
//!
//! Read here rather than by a crate since packets are handed on as slices of the buffer they were read into, so that
//! payload is copied once, from the file.

mod buffer;
mod classic;
mod merge;
mod next_generation;
#[cfg(test)]
mod tests;

pub use merge::Merge;

use std::io::{self, Read};

use buffer::Buffer;
use classic::Classic;
use next_generation::NextGeneration;

use crate::packet::Packet;

/// Why there is no further packet.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file cannot be read on.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It ends inside a record.
    #[error("the file ends inside a record, at byte {0}")]
    Cut(u64),
    /// What should be a record makes no sense.
    #[error("the record at byte {at} cannot be read: {why}")]
    Record {
        /// Where it begins.
        at: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Why a file is not read at all.
#[derive(Debug, thiserror::Error)]
pub enum NoCapture {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It begins otherwise.
    #[error("this is no packet capture: it begins like neither pcap nor pcapng")]
    Other,
    /// It is compressed.
    #[error("this is compressed: give it through `{0} FILE | monitor replay -`")]
    Compressed(&'static str),
}

/// A capture as a sequence of packets.
#[derive(Debug)]
pub struct Reader<R> {
    buffer: Buffer<R>,
    format: Format,
    /// Nothing can be read any more.
    over: bool,
}

#[derive(Debug)]
enum Format {
    /// The file ended within its first bytes.
    Empty,
    Classic(Classic),
    NextGeneration(NextGeneration),
}

impl<R: Read> Reader<R> {
    /// Looks at the beginning of a file.
    pub fn new(input: R) -> Result<Self, NoCapture> {
        let mut buffer = Buffer::new(input);
        let first = buffer.peek(4)?.and_then(|bytes| bytes.first_chunk().copied());
        let format = match first {
            None if is_beginning(buffer.rest()) => Format::Empty,
            None => return Err(NoCapture::Other),
            Some([0x0a, 0x0d, 0x0d, 0x0a]) => Format::NextGeneration(NextGeneration::default()),
            Some([0x1f, 0x8b, ..]) => return Err(NoCapture::Compressed("zcat")),
            Some([0x28, 0xb5, 0x2f, 0xfd]) => return Err(NoCapture::Compressed("zstdcat")),
            Some([0xfd, b'7', b'z', b'X']) => return Err(NoCapture::Compressed("xzcat")),
            Some(magic) => match classic::Magic::read(magic) {
                Some(magic) => Format::Classic(Classic::new(magic)),
                None => return Err(NoCapture::Other),
            },
        };
        Ok(Self {
            buffer,
            format,
            over: false,
        })
    }

    /// The next packet; `None` at the end. After [`Damage::Record`] there may be more, after the others there is not.
    pub fn packet(&mut self) -> Result<Option<Packet>, Damage> {
        if self.over {
            return Ok(None);
        }
        let next = match &mut self.format {
            Format::Empty => Err(Step::End(Damage::Cut(self.buffer.position()))),
            Format::Classic(classic) => classic.next(&mut self.buffer),
            Format::NextGeneration(blocks) => blocks.next(&mut self.buffer),
        };
        match next {
            Ok(Some(packet)) => Ok(Some(packet)),
            Ok(None) => {
                self.over = true;
                Ok(None)
            }
            Err(Step::Skip(damage)) => Err(damage),
            Err(Step::End(damage)) => {
                self.over = true;
                Err(damage)
            }
        }
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.buffer.position()
    }
}

/// What a damaged record means for those after it.
#[derive(Debug)]
enum Step {
    /// They can be found.
    Skip(Damage),
    /// They cannot.
    End(Damage),
}

impl From<io::Error> for Step {
    fn from(error: io::Error) -> Self {
        Self::End(Damage::Io(error))
    }
}

/// Whether fewer than four bytes may be the beginning of a capture.
fn is_beginning(bytes: &[u8]) -> bool {
    classic::MAGICS
        .iter()
        .map(|(magic, ..)| magic)
        .chain([&[0x0a, 0x0d, 0x0d, 0x0a]])
        .any(|magic| magic.starts_with(bytes))
}

/// An integer of a file in either byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Order {
    big: bool,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    /// The number at `at`, if it is there.
    fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        bytes.get(at..)?.first_chunk().map(|bytes| self.u16(*bytes))
    }

    /// The number at `at`, if it is there.
    fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        bytes.get(at..)?.first_chunk().map(|bytes| self.u32(*bytes))
    }
}
