//! IP headers: from whom, to whom, and how much of what.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// TCP.
pub(super) const TCP: u8 = 6;
/// UDP.
pub(super) const UDP: u8 = 17;

/// An IP header's content, with what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Protocol of the payload, past IPv6's extension headers.
    pub(super) protocol: u8,
    /// Bytes of payload that IP announces; `payload` may hold fewer.
    pub(super) len: u32,
    pub(super) payload: &'a [u8],
    /// It is a part of one.
    pub(super) fragment: Option<Fragment>,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) id: u32,
    /// Offset of its payload, bytes.
    pub(super) offset: u32,
    /// More come after it.
    pub(super) more: bool,
}

/// Why there is no datagram to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoDatagram {
    /// The packet ends inside its headers.
    Cut,
    /// Neither IPv4 nor IPv6, or one whose header contradicts itself.
    Other,
}

/// Least IPv4 header (RFC 791 section 3.1).
const IPV4_HEADER: usize = 20;
/// IPv6 header (RFC 8200 section 3).
const IPV6_HEADER: usize = 40;
/// Extension headers that are gone through. RFC 8200 section 4.1 has seven kinds, one of which may come twice.
const MAX_EXTENSIONS: usize = 8;

/// Reads the header at the start of `packet`, of which `wire` bytes were on the wire.
pub(super) fn read(packet: &[u8], wire: u32) -> Result<Datagram<'_>, NoDatagram> {
    match packet.first().map(|first| first >> 4) {
        None => Err(NoDatagram::Cut),
        Some(4) => ipv4(packet, wire),
        Some(6) => ipv6(packet, wire),
        Some(_) => Err(NoDatagram::Other),
    }
}

fn ipv4(packet: &[u8], wire: u32) -> Result<Datagram<'_>, NoDatagram> {
    let header: &[u8; IPV4_HEADER] = packet.first_chunk().ok_or(NoDatagram::Cut)?;
    let header_len = usize::from(header[0] & 0xf) * 4;
    if header_len < IPV4_HEADER {
        return Err(NoDatagram::Other);
    }
    let total = match u32::from(u16::from_be_bytes([header[2], header[3]])) {
        // Segmentation left to the network card writes no length: the packet is as long as it is.
        0 => wire,
        total => total,
    };
    let len = total.checked_sub(header_len as u32).ok_or(NoDatagram::Other)?;
    let word = u16::from_be_bytes([header[6], header[7]]);
    let (offset, more) = (u32::from(word & 0x1fff) * 8, word & 0x2000 != 0);
    let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into();
    Ok(Datagram {
        source: address(12),
        destination: address(16),
        protocol: header[9],
        len,
        payload: payload(packet, header_len, len)?,
        fragment: (more || offset > 0).then(|| Fragment {
            id: u32::from(u16::from_be_bytes([header[4], header[5]])),
            offset,
            more,
        }),
    })
}

fn ipv6(packet: &[u8], wire: u32) -> Result<Datagram<'_>, NoDatagram> {
    let header: &[u8; IPV6_HEADER] = packet.first_chunk().ok_or(NoDatagram::Cut)?;
    let mut len = match u32::from(u16::from_be_bytes([header[4], header[5]])) {
        // As above; a jumbogram (RFC 2675) says 0 too.
        0 => wire.saturating_sub(IPV6_HEADER as u32),
        len => len,
    };
    let (mut next, mut at) = (header[6], IPV6_HEADER);
    let mut fragment = None;
    for _ in 0..MAX_EXTENSIONS {
        let size = match next {
            // Hop by hop, routing, destination, mobility, HIP, shim6: length in units of eight bytes (RFC 8200 4.2).
            0 | 43 | 60 | 135 | 139 | 140 => {
                let field = packet.get(at + 1).ok_or(NoDatagram::Cut)?;
                (usize::from(*field) + 1) * 8
            }
            // Authentication: in units of four (RFC 4302 section 2.2).
            51 => {
                let field = packet.get(at + 1).ok_or(NoDatagram::Cut)?;
                (usize::from(*field) + 2) * 4
            }
            44 => {
                let field: &[u8; 8] = packet.get(at..).and_then(<[u8]>::first_chunk).ok_or(NoDatagram::Cut)?;
                let word = u16::from_be_bytes([field[2], field[3]]);
                let part = Fragment {
                    id: u32::from_be_bytes([field[4], field[5], field[6], field[7]]),
                    offset: u32::from(word & 0xfff8),
                    more: word & 1 != 0,
                };
                // An atomic fragment is whole (RFC 6946).
                fragment = (part.more || part.offset > 0).then_some(part);
                8
            }
            _ => break,
        };
        next = *packet.get(at).ok_or(NoDatagram::Cut)?;
        at += size;
        len = len.checked_sub(size as u32).ok_or(NoDatagram::Other)?;
        // What follows in a later fragment is the middle of something.
        if fragment.is_some() {
            break;
        }
    }
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        Ipv6Addr::from(octets).to_canonical()
    };
    Ok(Datagram {
        source: address(8),
        destination: address(24),
        protocol: next,
        len,
        payload: payload(packet, at, len)?,
        fragment,
    })
}

/// What was captured of the payload; bytes after its end are the link layer's padding.
fn payload(packet: &[u8], at: usize, len: u32) -> Result<&[u8], NoDatagram> {
    let rest = packet.get(at..).ok_or(NoDatagram::Cut)?;
    Ok(&rest[..rest.len().min(len as usize)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(total: u16, ihl: u8, flags: u16, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x40 | ihl, 0];
        packet.extend(total.to_be_bytes());
        packet.extend([0, 9]);
        packet.extend(flags.to_be_bytes());
        packet.extend([64, TCP, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
        packet.extend(rest);
        packet
    }

    fn v6(len: u16, next: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(len.to_be_bytes());
        packet.extend([next, 64]);
        packet.extend([0; 15]);
        packet.push(1);
        packet.extend([0; 15]);
        packet.push(2);
        packet.extend(rest);
        packet
    }

    /// Protocol, length, what was captured, and where it belongs.
    type Expected<'a> = (u8, u32, &'a [u8], Option<Fragment>);

    #[track_caller]
    fn check(packet: &[u8], expected: Result<Expected<'_>, NoDatagram>) {
        let wire = packet.len() as u32;
        let got = read(packet, wire);
        let got = got.as_ref().map(|d| (d.protocol, d.len, d.payload, d.fragment));
        assert_eq!(got, expected.as_ref().copied());
    }

    #[test]
    fn version_four() {
        check(&v4(23, 5, 0, b"abc"), Ok((TCP, 3, b"abc", None)));
        // Padding of a short Ethernet frame.
        check(&v4(22, 5, 0, b"ab\0\0\0"), Ok((TCP, 2, b"ab", None)));
        // Options.
        check(&v4(27, 6, 0, b"oooodef"), Ok((TCP, 3, b"def", None)));
        // Cut by the capture: the length is IP's.
        check(&v4(1500, 5, 0x4000, b"a"), Ok((TCP, 1480, b"a", None)));
        // Left to the network card.
        check(&v4(0, 5, 0, b"abcd"), Ok((TCP, 4, b"abcd", None)));
        let fragment = |offset, more| Some(Fragment { id: 9, offset, more });
        check(&v4(23, 5, 0x2000, b"abc"), Ok((TCP, 3, b"abc", fragment(0, true))));
        check(&v4(23, 5, 0x0002, b"abc"), Ok((TCP, 3, b"abc", fragment(16, false))));
        check(&v4(19, 5, 0, b""), Err(NoDatagram::Other));
        check(&v4(23, 4, 0, b"abc"), Err(NoDatagram::Other));
        check(&v4(27, 6, 0, b"abc"), Err(NoDatagram::Cut));
        check(&[0x45, 0], Err(NoDatagram::Cut));
        check(&[0x15, 0], Err(NoDatagram::Other));
    }

    #[test]
    fn version_six() {
        check(&v6(3, TCP, b"abc"), Ok((TCP, 3, b"abc", None)));
        let hop = [TCP, 0, 0, 0, 0, 0, 0, 0, b'x'];
        check(&v6(9, 0, &hop), Ok((TCP, 1, b"x", None)));
        let part = [UDP, 0, 0, 9, 0, 0, 0, 7, b'x'];
        let fragment = Fragment {
            id: 7,
            offset: 8,
            more: true,
        };
        check(&v6(9, 44, &part), Ok((UDP, 1, b"x", Some(fragment))));
        let atomic = [UDP, 0, 0, 0, 0, 0, 0, 7, b'x'];
        check(&v6(9, 44, &atomic), Ok((UDP, 1, b"x", None)));
        check(&v6(0, TCP, b"abc"), Ok((TCP, 3, b"abc", None)));
        check(&v6(9, 0, &[TCP]), Err(NoDatagram::Cut));
        check(&v6(4, 0, &hop), Err(NoDatagram::Other));
    }
}
