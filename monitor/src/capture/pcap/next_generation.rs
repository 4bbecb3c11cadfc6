//! pcapng files (draft-ietf-opsawg-pcapng).

use std::io::Read;

use bytes::Bytes;

use super::buffer::Buffer;
use super::classic::MAX_PACKET;
use super::{Damage, Order, Step};
use crate::packet::{LinkType, Packet};
use crate::time::Timestamp;

// Block types (section 11.1).
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// What stands in a section's header in its own byte order.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Longest block: a packet with generous options. Blocks of other kinds are as long as their writer likes.
const MAX_BLOCK: u32 = 16 * 1024 * 1024;
/// Interfaces of a section; a file may name as many as it likes.
const MAX_INTERFACES: usize = 65_536;
/// Type and length before the body of a block, and the length after it.
const FRAME: u32 = 12;

/// A file under way.
#[derive(Debug, Default)]
pub(super) struct NextGeneration {
    order: Order,
    interfaces: Vec<Interface>,
    /// Stamp of the latest packet: a simple packet has none.
    latest: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snap: u32,
    /// Units of a stamp.
    per_second: u64,
    /// Seconds to add to a stamp.
    offset: i64,
}

impl NextGeneration {
    pub(super) fn next<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<Option<Packet>, Step> {
        loop {
            let at = buffer.position();
            let damage = |why| Damage::Record { at, why };
            let Some(head) = buffer.peek(8)? else {
                let clean = buffer.rest().is_empty();
                return if clean {
                    Ok(None)
                } else {
                    Err(Step::End(Damage::Cut(at)))
                };
            };
            let is_section = head[..4] == SECTION.to_be_bytes();
            if is_section {
                let Some(head) = buffer.peek(12)? else {
                    return Err(Step::End(Damage::Cut(at)));
                };
                let field = [head[8], head[9], head[10], head[11]];
                self.order = if u32::from_le_bytes(field) == BYTE_ORDER {
                    Order { big: false }
                } else if u32::from_be_bytes(field) == BYTE_ORDER {
                    Order { big: true }
                } else {
                    return Err(Step::End(damage("its byte order cannot be told")));
                };
                self.interfaces.clear();
            }
            let order = self.order;
            let head = buffer.peek(8)?.unwrap_or_default();
            let kind = order.u32_at(head, 0).unwrap_or_default();
            let len = order.u32_at(head, 4).unwrap_or_default();
            if len < FRAME || !len.is_multiple_of(4) || len > MAX_BLOCK {
                return Err(Step::End(damage("its length makes no sense")));
            }
            let Some(block) = buffer.take(0, len as usize)? else {
                return Err(Step::End(Damage::Cut(at)));
            };
            if order.u32_at(&block, len as usize - 4) != Some(len) {
                return Err(Step::End(damage("its two lengths differ")));
            }
            let body = block.slice(8..len as usize - 4);
            let packet = match kind {
                INTERFACE => self.interface(&body).map(|()| None),
                ENHANCED_PACKET => self.enhanced(&body).map(Some),
                SIMPLE_PACKET => self.simple(&body).map(Some),
                OLD_PACKET => self.old(&body).map(Some),
                _ => Ok(None),
            };
            match packet {
                Ok(None) => {}
                Ok(Some(packet)) => {
                    self.latest = packet.time;
                    return Ok(Some(packet));
                }
                Err(why) => return Err(Step::Skip(damage(why))),
            }
        }
    }

    /// Section 4.2.
    fn interface(&mut self, body: &Bytes) -> Result<(), &'static str> {
        let order = self.order;
        let (Some(link), Some(snap)) = (order.u16_at(body, 0), order.u32_at(body, 4)) else {
            return Err("it is too short for an interface");
        };
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err("there are too many interfaces");
        }
        let mut interface = Interface {
            link: LinkType::from_number(link.into()),
            snap,
            per_second: 1_000_000,
            offset: 0,
        };
        let mut at = 8;
        while let (Some(code), Some(len)) = (order.u16_at(body, at), order.u16_at(body, at + 2)) {
            let value = body.get(at + 4..at + 4 + usize::from(len)).unwrap_or_default();
            match (code, value) {
                (0, _) => break,
                (9, [resolution]) => interface.per_second = units(*resolution).ok_or("its clock is finer than any")?,
                (14, value) => {
                    let bytes = *value.first_chunk().ok_or("its clock's offset is cut")?;
                    interface.offset = if order.big {
                        i64::from_be_bytes(bytes)
                    } else {
                        i64::from_le_bytes(bytes)
                    };
                }
                _ => {}
            }
            at += 4 + usize::from(len).next_multiple_of(4);
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Section 4.3.
    fn enhanced(&self, body: &Bytes) -> Result<Packet, &'static str> {
        let order = self.order;
        let field = |at| order.u32_at(body, at).ok_or("it is too short for a packet");
        self.packet(body, field(0)?, [field(4)?, field(8)?], [field(12)?, field(16)?], 20)
    }

    /// Appendix A: what older writers used.
    fn old(&self, body: &Bytes) -> Result<Packet, &'static str> {
        let order = self.order;
        let interface = order.u16_at(body, 0).ok_or("it is too short for a packet")?;
        let field = |at| order.u32_at(body, at).ok_or("it is too short for a packet");
        self.packet(
            body,
            interface.into(),
            [field(4)?, field(8)?],
            [field(12)?, field(16)?],
            20,
        )
    }

    /// Section 4.4: no stamp, and always the first interface.
    fn simple(&self, body: &Bytes) -> Result<Packet, &'static str> {
        let interface = self.interfaces.first().ok_or("its interface is not described")?;
        let wire = self.order.u32_at(body, 0).ok_or("it is too short for a packet")?;
        let snap = if interface.snap == 0 { u32::MAX } else { interface.snap };
        let captured = wire.min(snap).min(body.len() as u32 - 4);
        Ok(Packet {
            time: self.latest,
            link: interface.link,
            wire_len: wire,
            data: body.slice(4..4 + captured as usize),
        })
    }

    fn packet(
        &self,
        body: &Bytes,
        interface: u32,
        [high, low]: [u32; 2],
        [captured, wire]: [u32; 2],
        at: usize,
    ) -> Result<Packet, &'static str> {
        let interface = self
            .interfaces
            .get(interface as usize)
            .ok_or("its interface is not described")?;
        let end = at.saturating_add(captured as usize);
        if captured > MAX_PACKET || end > body.len() {
            return Err("its packet is longer than the block");
        }
        Ok(Packet {
            time: interface.time((u64::from(high) << 32) | u64::from(low)),
            link: interface.link,
            wire_len: wire.max(captured),
            data: body.slice(at..end),
        })
    }
}

impl Interface {
    fn time(&self, stamp: u64) -> Timestamp {
        let seconds = (stamp / self.per_second).saturating_add_signed(self.offset);
        let fraction = u128::from(stamp % self.per_second) * 1_000_000_000 / u128::from(self.per_second);
        Timestamp::from_secs(seconds) + std::time::Duration::from_nanos(fraction as u64)
    }
}

/// Units a second of an `if_tsresol`: a negative power of ten, or of two where the first bit is set.
fn units(resolution: u8) -> Option<u64> {
    let power = u32::from(resolution & 0x7f);
    if resolution & 0x80 == 0 {
        10u64.checked_pow(power)
    } else {
        2u64.checked_pow(power)
    }
}
