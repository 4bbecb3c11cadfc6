//! Ethernet, IPv4 and IPv6, TCP and UDP, with their checksums.

use std::net::{IpAddr, SocketAddr};

/// No more data from this end.
pub const FIN: u8 = 1;
/// The first segment of an end.
pub const SYN: u8 = 2;
/// Reset.
pub const RST: u8 = 4;
/// Give it to the application.
pub const PUSH: u8 = 8;
/// The acknowledgment counts.
pub const ACK: u8 = 16;

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// From and to.
    pub ends: (SocketAddr, SocketAddr),
    /// Sequence and acknowledgment number.
    pub numbers: (u32, u32),
    /// [`SYN`] and so on.
    pub flags: u8,
}

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// IP's numbers of protocols.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The frame of a segment with this payload.
pub fn tcp(segment: Segment, payload: &[u8]) -> Vec<u8> {
    let (from, to) = segment.ends;
    let syn = segment.flags & SYN != 0;
    let mut inner = Vec::with_capacity(24 + payload.len());
    inner.extend(from.port().to_be_bytes());
    inner.extend(to.port().to_be_bytes());
    inner.extend(segment.numbers.0.to_be_bytes());
    inner.extend(segment.numbers.1.to_be_bytes());
    let words: u8 = if syn { 6 } else { 5 };
    inner.extend([words << 4, segment.flags, 0xff, 0xff, 0, 0, 0, 0]);
    if syn {
        // Maximum segment size 1460.
        inner.extend([2, 4, 0x05, 0xb4]);
    }
    inner.extend_from_slice(payload);
    let sum = checksum(from.ip(), to.ip(), TCP, &inner);
    inner[16..18].copy_from_slice(&sum.to_be_bytes());
    frame(from.ip(), to.ip(), TCP, &inner)
}

/// The frame of a datagram.
pub fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut inner = Vec::with_capacity(8 + payload.len());
    inner.extend(from.port().to_be_bytes());
    inner.extend(to.port().to_be_bytes());
    inner.extend(((8 + payload.len()) as u16).to_be_bytes());
    inner.extend([0, 0]);
    inner.extend_from_slice(payload);
    let sum = match checksum(from.ip(), to.ip(), UDP, &inner) {
        // 0 would mean that there is none (RFC 768).
        0 => 0xffff,
        sum => sum,
    };
    inner[6..8].copy_from_slice(&sum.to_be_bytes());
    frame(from.ip(), to.ip(), UDP, &inner)
}

fn frame(from: IpAddr, to: IpAddr, protocol: u8, inner: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(54 + inner.len());
    frame.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    if let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(((20 + inner.len()) as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        frame.extend(from.octets());
        frame.extend(to.octets());
        let sum = fold(add(0, &frame[14..34]));
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    } else {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((inner.len() as u16).to_be_bytes());
        frame.extend([protocol, 64]);
        frame.extend(octets(from));
        frame.extend(octets(to));
    }
    frame.extend_from_slice(inner);
    frame
}

/// Makes the IP header of a frame say that the packet is `whole` bytes long, of which not all are at hand. The checksum of
/// what is inside stays as a card with offload finds it: wrong.
pub fn claim(frame: &mut [u8], whole: usize) {
    let len = (whole - ETHERNET) as u16;
    if frame[12..14] == [8, 0] {
        frame[16..18].copy_from_slice(&len.to_be_bytes());
        frame[24..26].fill(0);
        let sum = fold(add(0, &frame[ETHERNET..34]));
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    } else {
        frame[18..20].copy_from_slice(&(len - 40).to_be_bytes());
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// RFC 1071 over the pseudo header and all that follows.
fn checksum(from: IpAddr, to: IpAddr, protocol: u8, inner: &[u8]) -> u16 {
    let ends = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => add(add(0, &from.octets()), &to.octets()),
        (from, to) => add(add(0, &octets(from)), &octets(to)),
    };
    fold(add(ends + u64::from(protocol) + inner.len() as u64, inner))
}

fn add(sum: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(2).fold(sum, |sum, pair| {
        sum + u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
    })
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_cancel_out() {
        let ends = (
            "198.51.100.7:4000".parse().expect("an address"),
            "203.0.113.10:80".parse().expect("an address"),
        );
        let segment = Segment {
            ends,
            numbers: (1, 2),
            flags: PUSH | ACK,
        };
        let frame = tcp(segment, b"odd");
        assert_eq!(fold(add(0, &frame[14..34])), 0);
        let mut longer = frame.clone();
        claim(&mut longer, 5_000);
        assert_eq!(
            (fold(add(0, &longer[14..34])), &longer[16..18]),
            (0, &4_986_u16.to_be_bytes()[..])
        );
        assert_eq!(checksum(ends.0.ip(), ends.1.ip(), TCP, &frame[34..]), 0);
    }
}
