//! pcap files (draft-ietf-opsawg-pcap).

use std::io::Read;

use super::buffer::Buffer;
use super::{Damage, Order, Step};
use crate::packet::{LinkType, Packet};
use crate::time::Timestamp;

/// Bytes of the file's header.
const FILE_HEADER: usize = 24;
/// Bytes before each packet.
const RECORD_HEADER: usize = 16;
/// The same where a patched Linux of old wrote an interface, a protocol and a packet type after them.
const MODIFIED_HEADER: usize = 24;
/// Longest packet: what libpcap takes (`MAXIMUM_SNAPLEN`), except for captures of buses.
pub(super) const MAX_PACKET: u32 = 262_144;

/// Magic numbers, whether their file is big-endian, whether its stamps have nanoseconds, and the size of its record headers.
pub(super) const MAGICS: [([u8; 4], bool, bool, usize); 6] = [
    ([0xd4, 0xc3, 0xb2, 0xa1], false, false, RECORD_HEADER),
    ([0xa1, 0xb2, 0xc3, 0xd4], true, false, RECORD_HEADER),
    ([0x4d, 0x3c, 0xb2, 0xa1], false, true, RECORD_HEADER),
    ([0xa1, 0xb2, 0x3c, 0x4d], true, true, RECORD_HEADER),
    ([0x34, 0xcd, 0xb2, 0xa1], false, false, MODIFIED_HEADER),
    ([0xa1, 0xb2, 0xcd, 0x34], true, false, MODIFIED_HEADER),
];

/// What the first four bytes say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Magic {
    order: Order,
    nanoseconds: bool,
    header: usize,
}

impl Magic {
    pub(super) fn read(bytes: [u8; 4]) -> Option<Self> {
        let (_, big, nanoseconds, header) = *MAGICS.iter().find(|(magic, ..)| *magic == bytes)?;
        Some(Self {
            order: Order { big },
            nanoseconds,
            header,
        })
    }
}

/// A file under way.
#[derive(Debug)]
pub(super) struct Classic {
    magic: Magic,
    /// Of all packets, once the header is read.
    link: Option<LinkType>,
}

impl Classic {
    pub(super) fn new(magic: Magic) -> Self {
        Self { magic, link: None }
    }

    pub(super) fn next<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<Option<Packet>, Step> {
        let order = self.magic.order;
        let link = if let Some(link) = self.link {
            link
        } else {
            let header = buffer.take(0, FILE_HEADER)?.ok_or_else(|| cut(buffer))?;
            let link = LinkType::from_number(order.u32_at(&header, 20).unwrap_or_default());
            *self.link.insert(link)
        };
        let Some(header) = buffer.peek(self.magic.header)? else {
            return if buffer.rest().is_empty() {
                Ok(None)
            } else {
                Err(cut(buffer))
            };
        };
        let field = |at| order.u32_at(header, at).unwrap_or_default();
        let (secs, fraction, captured, wire) = (field(0), field(4), field(8), field(12));
        if captured > MAX_PACKET {
            return Err(Step::End(Damage::Record {
                at: buffer.position(),
                why: "it is longer than any packet",
            }));
        }
        let at = self.magic.header;
        let Some(data) = buffer.take(at, captured as usize)? else {
            return Err(cut(buffer));
        };
        let nanos = u64::from(fraction) * if self.magic.nanoseconds { 1 } else { 1_000 };
        let time = Timestamp::from_secs(secs.into()) + std::time::Duration::from_nanos(nanos);
        Ok(Some(Packet {
            time,
            link,
            wire_len: wire.max(captured),
            data,
        }))
    }
}

fn cut<R: Read>(buffer: &Buffer<R>) -> Step {
    Step::End(Damage::Cut(buffer.position()))
}
