//! Link layers: where in a captured packet its IP header begins.

/// What a captured packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// BSD loopback: four bytes of address family in the byte order of the host that captured, or of the network.
    Loopback,
    /// Ethernet.
    Ethernet,
    /// No header: IP, its version in the first four bits.
    Raw,
    /// Linux "cooked" capture, version 1.
    Cooked,
    /// Linux "cooked" capture, version 2.
    Cooked2,
    /// PPP, with or without HDLC framing.
    Ppp,
    /// One that is not read, by its number.
    Other(u32),
}

impl LinkType {
    /// By its number in files (<https://www.tcpdump.org/linktypes.html>); the upper bits of a pcap header's field say
    /// other things. 12 and 14 are what some systems write for raw IP.
    pub const fn from_number(number: u32) -> Self {
        match number & 0xffff {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            9 | 50 => Self::Ppp,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            113 => Self::Cooked,
            276 => Self::Cooked2,
            other => Self::Other(other),
        }
    }
}

/// What the link layer says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// An IP header begins at this byte.
    Ip(usize),
    /// Something else.
    Other,
    /// It is cut before that can be told.
    Cut,
    /// The link layer is not known.
    Unknown,
}

// EtherTypes (IEEE 802 numbers, <https://www.iana.org/assignments/ieee-802-numbers>).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
/// IEEE 802.1ad, the outer tag of `QinQ`.
const SERVICE_VLAN: u16 = 0x88a8;
/// What some switches wrote as the outer tag before 802.1ad.
const OLD_SERVICE_VLAN: u16 = 0x9100;
const PPPOE: u16 = 0x8864;

// PPP protocol numbers (RFC 1661 section 2, RFC 5072 section 3).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;

/// VLAN tags that are looked behind; networks use two.
const MAX_TAGS: usize = 4;

/// Looks into a packet.
pub(super) fn inside(link: LinkType, packet: &[u8]) -> Inside {
    match link {
        LinkType::Ethernet => ether_type(packet, 12),
        LinkType::Raw if packet.is_empty() => Inside::Cut,
        LinkType::Raw => Inside::Ip(0),
        LinkType::Loopback => family(packet),
        LinkType::Cooked => ether_type(packet, 14),
        // The protocol comes first here, and the header after it is 20 bytes long.
        LinkType::Cooked2 => match u16_at(packet, 0) {
            None => Inside::Cut,
            Some(VLAN | SERVICE_VLAN) => ether_type(packet, 22),
            Some(kind) => by_ether_type(packet, kind, 20),
        },
        LinkType::Ppp => {
            // RFC 1662: address and control may be there or not.
            let at = if packet.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
            ppp(packet, at)
        }
        LinkType::Other(_) => Inside::Unknown,
    }
}

/// The type at `at`, and what follows it.
fn ether_type(packet: &[u8], mut at: usize) -> Inside {
    for _ in 0..=MAX_TAGS {
        match u16_at(packet, at) {
            None => return Inside::Cut,
            Some(VLAN | SERVICE_VLAN | OLD_SERVICE_VLAN) => at += 4,
            Some(kind) => return by_ether_type(packet, kind, at + 2),
        }
    }
    Inside::Other
}

fn by_ether_type(packet: &[u8], kind: u16, payload: usize) -> Inside {
    match kind {
        IPV4 | IPV6 => Inside::Ip(payload),
        // RFC 2516 section 4: six bytes of header before the PPP protocol.
        PPPOE => ppp(packet, payload + 6),
        _ => Inside::Other,
    }
}

fn ppp(packet: &[u8], at: usize) -> Inside {
    // RFC 1661 section 6.5: a number below 256 may come in one byte. It is odd, and the first of two is even.
    if let Some(PPP_IPV4 | PPP_IPV6) = packet.get(at).map(|b| u16::from(*b)) {
        return Inside::Ip(at + 1);
    }
    match u16_at(packet, at) {
        None => Inside::Cut,
        Some(PPP_IPV4 | PPP_IPV6) => Inside::Ip(at + 2),
        Some(_) => Inside::Other,
    }
}

/// Address families of BSD's loopback: `AF_INET` is 2 everywhere, `AF_INET6` 10 on Linux and 24, 28 or 30 on the BSDs
/// and Darwin.
fn family(packet: &[u8]) -> Inside {
    let Some(&[a, b, c, d]) = packet.first_chunk::<4>() else {
        return Inside::Cut;
    };
    match u32::from_be_bytes([a, b, c, d]).min(u32::from_le_bytes([a, b, c, d])) {
        2 | 10 | 24 | 28 | 30 => Inside::Ip(4),
        _ => Inside::Other,
    }
}

fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    packet.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: u32, packet: &[u8], expected: Inside) {
        assert_eq!(inside(LinkType::from_number(number), packet), expected);
    }

    fn with(before: usize, kind: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; before];
        packet.extend_from_slice(kind);
        packet
    }

    #[test]
    fn ethernet_with_and_without_tags() {
        check(1, &with(12, &[8, 0]), Inside::Ip(14));
        check(1, &with(12, &[0x86, 0xdd]), Inside::Ip(14));
        check(1, &with(12, &[0x81, 0, 0, 7, 8, 0]), Inside::Ip(18));
        check(1, &with(12, &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0]), Inside::Ip(22));
        check(1, &with(12, &[0x91, 0, 0, 7, 0x81, 0, 0, 8, 8, 0]), Inside::Ip(22));
        check(1, &with(12, &[8, 6]), Inside::Other);
        check(1, &with(12, &[8]), Inside::Cut);
        check(1, &with(12, &[0x81, 0, 0, 7, 8]), Inside::Cut);
        check(1, &with(12, &[0x81, 0, 0, 7].repeat(9)), Inside::Other);
        check(
            1,
            &with(12, &[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0, 0x21]),
            Inside::Ip(22),
        );
    }

    #[test]
    fn the_others() {
        check(101, &[0x45], Inside::Ip(0));
        check(12, &[0x60], Inside::Ip(0));
        check(101, &[], Inside::Cut);
        check(113, &with(14, &[8, 0]), Inside::Ip(16));
        check(113, &with(14, &[0x81, 0, 0, 7, 8, 0]), Inside::Ip(20));
        check(276, &[&[8, 0][..], &[0; 18]].concat(), Inside::Ip(20));
        check(
            276,
            &[&[0x81, 0][..], &[0; 18], &[0, 7, 0x86, 0xdd]].concat(),
            Inside::Ip(24),
        );
        check(0, &[2, 0, 0, 0], Inside::Ip(4));
        check(108, &[0, 0, 0, 2], Inside::Ip(4));
        check(0, &[0, 0, 0, 30], Inside::Ip(4));
        check(0, &[30, 0, 0, 0], Inside::Ip(4));
        check(0, &[7, 0, 0, 0], Inside::Other);
        check(9, &[0xff, 3, 0, 0x21], Inside::Ip(4));
        check(9, &[0, 0x57], Inside::Ip(2));
        check(105, &[0; 64], Inside::Unknown);
    }
}
