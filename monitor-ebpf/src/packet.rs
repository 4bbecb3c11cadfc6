//! Headers of one packet, by direct access: the stack has them in the linear part at these hooks (payload is not).

use core::ffi::c_void;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use monitor_common::{SENT, Tuple};

use crate::kernel::{TCP, UDP, mapped};

/// SYN bit.
pub(crate) const SYN: u8 = 1 << 1;
/// RST bit.
pub(crate) const RST: u8 = 1 << 2;
/// ACK bit.
pub(crate) const ACK: u8 = 1 << 4;

/// IPv6 extension headers walked at most (RFC 8200 section 4.1 recommends six kinds, each once).
const MAX_EXTENSIONS: u32 = 6;

/// Offset of the transport header at most, a mask; headers beyond are not read.
const MAX_TRANSPORT_OFFSET: u32 = 1023;

/// Where things are in a packet.
#[derive(Clone, Copy)]
pub(crate) struct Packet {
    /// IP protocol.
    pub(crate) protocol: u8,
    /// TCP flags.
    pub(crate) flags: u8,
    /// TCP sequence number of the first byte, SYN included.
    pub(crate) seq: u32,
    /// Offset of the transport header.
    pub(crate) transport: u32,
    /// Offset of the payload.
    pub(crate) payload: u32,
    /// Payload bytes in this skb (all segments of a GSO or GRO packet).
    pub(crate) payload_len: u32,
}

/// What reading the headers gave.
pub(crate) enum Parsed {
    /// A TCP or UDP packet.
    Packet(Packet),
    /// Another protocol.
    Other,
    /// Headers that are not where they should be.
    Unreadable,
}

/// Reads the headers.
#[inline(always)]
pub(crate) fn parse(skb: *mut __sk_buff) -> Parsed {
    // SAFETY: `skb` is the hook's context; every access below is checked against `data_end` first, as the verifier asks.
    unsafe {
        let data = (*skb).data as usize;
        let end = (*skb).data_end as usize;
        if data + 20 > end {
            return Parsed::Unreadable;
        }
        let (protocol, transport) = match byte(data, 0) >> 4 {
            4 => (byte(data, 9), u32::from(byte(data, 0) & 15) * 4),
            6 => {
                if data + 40 > end {
                    return Parsed::Unreadable;
                }
                let next = byte(data, 6);
                if next == TCP || next == UDP {
                    (next, 40)
                } else {
                    // The bound is there already; the verifier needs to see it after the call.
                    let (protocol, offset) = skip_extensions(skb, next);
                    (protocol, core::hint::black_box(offset) & MAX_TRANSPORT_OFFSET)
                }
            }
            _ => return Parsed::Unreadable,
        };
        if transport < 20 {
            return Parsed::Unreadable;
        }
        let head = data + transport as usize;
        if protocol == TCP {
            if head + 20 > end {
                return Parsed::Unreadable;
            }
            let header_len = u32::from(byte(head, 12) >> 4) * 4;
            let payload = transport + header_len;
            let seq = u32::from_be(core::ptr::read_unaligned((head + 4) as *const u32));
            let payload_len = (*skb).len.saturating_sub(payload);
            Parsed::Packet(Packet {
                protocol,
                flags: byte(head, 13),
                seq,
                transport,
                payload,
                payload_len,
            })
        } else if protocol == UDP {
            if head + 8 > end {
                return Parsed::Unreadable;
            }
            let payload = transport + 8;
            let payload_len = (*skb).len.saturating_sub(payload);
            Parsed::Packet(Packet {
                protocol,
                flags: 0,
                seq: 0,
                transport,
                payload,
                payload_len,
            })
        } else {
            Parsed::Other
        }
    }
}

/// Fills the addresses and ports of `tuple` from the packet; `direction` says which end is local.
#[inline(never)]
pub(crate) fn addresses(skb: *mut __sk_buff, transport: u32, direction: u8, tuple: &mut Tuple) -> bool {
    let mut version = 0u8;
    // One buffer for both versions: up to 6.1 the stacks of calls are rounded up to 32 bytes each, and add up to 512.
    let mut ends = [[0u64; 2]; 2];
    let mut ports = [0u16; 2];
    // SAFETY: the helper checks offset and length; buffers are on the stack.
    let failed = unsafe {
        load(skb, 0, &mut version)
            | if version >> 4 == 4 {
                load(skb, 12, &mut ends[0][0])
            } else {
                load(skb, 8, &mut ends)
            }
            | load(skb, transport, &mut ports)
    };
    if failed != 0 {
        return false;
    }
    let (source, destination) = if version >> 4 == 4 {
        // Both, as they lie in memory.
        let (low, high) = (ends[0][0] as u32, (ends[0][0] >> 32) as u32);
        if cfg!(target_endian = "little") {
            (mapped(low), mapped(high))
        } else {
            (mapped(high), mapped(low))
        }
    } else {
        (ends[0], ends[1])
    };
    let (source_port, destination_port) = (u16::from_be(ports[0]), u16::from_be(ports[1]));
    if direction == SENT {
        tuple.local = source;
        tuple.local_port = source_port;
        tuple.remote = destination;
        tuple.remote_port = destination_port;
    } else {
        tuple.local = destination;
        tuple.local_port = destination_port;
        tuple.remote = source;
        tuple.remote_port = source_port;
    }
    true
}

/// Copies `T` out of the packet, wherever it lies; 0 when it could.
///
/// # Safety
/// `T` must be plain integers.
#[inline(always)]
pub(crate) unsafe fn load<T>(skb: *mut __sk_buff, offset: u32, to: &mut T) -> i64 {
    // SAFETY: `to` is `size_of::<T>()` bytes of integers.
    unsafe {
        bpf_skb_load_bytes(
            skb.cast::<c_void>(),
            offset,
            core::ptr::from_mut(to).cast(),
            size_of::<T>() as u32,
        )
    }
}

/// Protocol and offset of what follows the IPv6 extension headers (RFC 8200 section 4).
#[inline(never)]
fn skip_extensions(skb: *mut __sk_buff, first: u8) -> (u8, u32) {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const DESTINATION: u8 = 60;
    let mut protocol = first;
    let mut offset = 40u32;
    for _ in 0..MAX_EXTENSIONS {
        if protocol != HOP_BY_HOP && protocol != ROUTING && protocol != FRAGMENT && protocol != DESTINATION {
            break;
        }
        let mut head = [0u8; 2];
        // SAFETY: plain bytes.
        if unsafe { load(skb, offset, &mut head) } != 0 {
            break;
        }
        offset += if protocol == FRAGMENT {
            8
        } else {
            (u32::from(head[1]) + 1) * 8
        };
        protocol = head[0];
    }
    // Nothing that is followed stands there.
    if offset > MAX_TRANSPORT_OFFSET {
        (0, 0)
    } else {
        (protocol, offset)
    }
}

#[inline(always)]
unsafe fn byte(base: usize, offset: usize) -> u8 {
    // SAFETY: the caller has checked the bounds.
    unsafe { *((base + offset) as *const u8) }
}
