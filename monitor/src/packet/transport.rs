//! TCP and UDP headers.

/// A TCP segment (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) source: u16,
    pub(super) destination: u16,
    pub(super) seq: u32,
    /// Absent where the segment acknowledges nothing, or its header is cut before it.
    pub(super) ack: Option<u32>,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    /// Bytes of payload; `payload` may hold fewer.
    pub(super) len: u32,
    pub(super) payload: &'a [u8],
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
/// Up to the flags and the window, which are the last that is looked at.
const LEAST_HEADER: usize = 14;

impl<'a> Segment<'a> {
    /// Reads one of `len` bytes, of which `bytes` were captured. Options are passed over, and need not be there.
    pub(super) fn read(bytes: &'a [u8], len: u32) -> Option<Self> {
        let header: &[u8; LEAST_HEADER] = bytes.first_chunk()?;
        let u16_at = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let u32_at = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let header_len = usize::from(header[12] >> 4) * 4;
        let flags = header[13];
        if header_len < 20 {
            return None;
        }
        Some(Self {
            source: u16_at(0),
            destination: u16_at(2),
            seq: u32_at(4),
            ack: (flags & ACK != 0).then(|| u32_at(8)),
            syn: flags & SYN != 0,
            fin: flags & FIN != 0,
            rst: flags & RST != 0,
            len: len.checked_sub(header_len as u32)?,
            payload: bytes.get(header_len..).unwrap_or_default(),
        })
    }
}

/// A UDP datagram (RFC 768).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UdpDatagram<'a> {
    pub(super) source: u16,
    pub(super) destination: u16,
    /// Bytes of payload; `payload` may hold fewer.
    pub(super) len: u32,
    pub(super) payload: &'a [u8],
}

const UDP_HEADER: usize = 8;

impl<'a> UdpDatagram<'a> {
    /// Reads one of `len` bytes by IP's account, of which `bytes` were captured.
    pub(super) fn read(bytes: &'a [u8], len: u32) -> Option<Self> {
        let header: &[u8; UDP_HEADER] = bytes.first_chunk()?;
        let u16_at = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let announced = match u32::from(u16_at(4)) {
            // A jumbogram, or one that the network card cuts (RFC 2675 section 4).
            0 => len,
            // Lies are cut to what IP has.
            announced => announced.min(len),
        };
        let (source, destination) = (u16_at(0), u16_at(2));
        let len = announced.checked_sub(UDP_HEADER as u32)?;
        let rest = &bytes[UDP_HEADER..];
        Some(Self {
            source,
            destination,
            len,
            payload: &rest[..rest.len().min(len as usize)],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(offset: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x90, 0, 80, 0, 0, 0, 5, 0, 0, 0, 7, offset << 4, flags];
        bytes.extend([0; 6]);
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn segments() {
        let whole = tcp(5, ACK | FIN, b"abc");
        let segment = Segment::read(&whole, 23).unwrap();
        assert_eq!((segment.source, segment.destination, segment.seq), (8080, 80, 5));
        assert_eq!(
            (segment.ack, segment.fin, segment.syn, segment.rst),
            (Some(7), true, false, false)
        );
        assert_eq!((segment.len, segment.payload), (3, &b"abc"[..]));
        // Cut within the payload, within the header, and before what is needed of it.
        let cut = |n: usize| Segment::read(&whole[..n], 1460).map(|s| (s.len, s.payload.len()));
        assert_eq!(cut(21), Some((1440, 1)));
        assert_eq!(cut(14), Some((1440, 0)));
        assert_eq!(cut(13), None);
        // A header longer than the segment, and one shorter than a header.
        assert_eq!(Segment::read(&tcp(15, 0, b""), 20), None);
        assert_eq!(Segment::read(&tcp(4, 0, b""), 20), None);
        assert_eq!(Segment::read(&tcp(6, SYN, b"ooooab"), 26).unwrap().payload, b"ab");
    }

    #[test]
    fn datagrams() {
        let bytes = [0, 53, 1, 0, 0, 10, 0, 0, b'a', b'b', 0, 0];
        let datagram = UdpDatagram::read(&bytes, 12).unwrap();
        assert_eq!((datagram.source, datagram.destination, datagram.len), (53, 256, 2));
        assert_eq!(datagram.payload, b"ab");
        assert_eq!(
            UdpDatagram::read(&bytes[..9], 10).map(|d| (d.len, d.payload.len())),
            Some((2, 1))
        );
        assert_eq!(UdpDatagram::read(&bytes[..7], 10), None);
    }
}
