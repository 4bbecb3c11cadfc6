//! The PROXY protocol, versions 1 and 2 (its specification of 2020, section 2): what a load balancer says of its client
//! before anything else on a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest line of version 1, bytes, its end included (section 2.1).
const MAX_LINE: usize = 107;
/// What version 2 begins with (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Most bytes of addresses and extensions in version 2. The length has 16 bits; what is in use has some hundred.
const MAX_BLOCK: usize = 4 * 1024;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preface {
    /// No header of this protocol.
    None,
    /// It may become one.
    More,
    /// A header of so many bytes, and the client where it names one (a health check of the balancer itself does not).
    Whole(usize, Option<SocketAddr>),
}

/// Reads the start of a connection.
pub fn read(bytes: &[u8]) -> Preface {
    match bytes.first() {
        Some(b'P') => line(bytes),
        Some(b'\r') => binary(bytes),
        Some(_) => Preface::None,
        None => Preface::More,
    }
}

fn line(bytes: &[u8]) -> Preface {
    const START: &[u8] = b"PROXY ";
    let common = START.len().min(bytes.len());
    if bytes[..common] != START[..common] {
        return Preface::None;
    }
    let within = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_LINE {
            Preface::More
        } else {
            Preface::None
        };
    };
    let Ok(text) = std::str::from_utf8(&within[START.len()..end]) else {
        return Preface::None;
    };
    let mut words = text.split(' ');
    let client = match words.next() {
        Some("UNKNOWN") => None,
        Some("TCP4" | "TCP6") => {
            let (Some(ip), Some(_), Some(port), Some(_), None) =
                (words.next(), words.next(), words.next(), words.next(), words.next())
            else {
                return Preface::None;
            };
            match (ip.parse::<IpAddr>(), port.parse::<u16>()) {
                (Ok(ip), Ok(port)) => Some(SocketAddr::new(ip, port)),
                (Ok(_) | Err(_), Ok(_) | Err(_)) => return Preface::None,
            }
        }
        Some(_) | None => return Preface::None,
    };
    Preface::Whole(end + 2, client)
}

fn binary(bytes: &[u8]) -> Preface {
    let common = SIGNATURE.len().min(bytes.len());
    if bytes[..common] != SIGNATURE[..common] {
        return Preface::None;
    }
    let Some((head, rest)) = bytes.split_at_checked(16) else {
        return Preface::More;
    };
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if head[12] >> 4 != 2 || length > MAX_BLOCK {
        return Preface::None;
    }
    let Some(block) = rest.get(..length) else {
        return Preface::More;
    };
    // LOCAL: the balancer speaks for itself.
    let client = if head[12] & 15 == 1 {
        address(head[13] >> 4, block)
    } else {
        None
    };
    Preface::Whole(16 + length, client)
}

fn address(family: u8, block: &[u8]) -> Option<SocketAddr> {
    match family {
        1 => {
            let (ip, rest) = block.split_first_chunk::<4>()?;
            let port = rest.get(4..6)?;
            Some((Ipv4Addr::from(*ip), u16::from_be_bytes([port[0], port[1]])).into())
        }
        2 => {
            let (ip, rest) = block.split_first_chunk::<16>()?;
            let port = rest.get(16..18)?;
            Some((Ipv6Addr::from(*ip), u16::from_be_bytes([port[0], port[1]])).into())
        }
        // Unix sockets, and what is not specified.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn lines() {
        for (text, expected) in [
            (
                "PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\nGET",
                Preface::Whole(44, Some(end("198.51.100.7:4711"))),
            ),
            (
                "PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n",
                Preface::Whole(45, Some(end("[2001:db8::7]:4711"))),
            ),
            ("PROXY UNKNOWN\r\n", Preface::Whole(15, None)),
            ("PROXY UNKNOWN a b c d\r\n", Preface::Whole(23, None)),
            ("PROXY TCP4 198.51.100.7", Preface::More),
            ("P", Preface::More),
            ("", Preface::More),
            ("POST / HTTP/1.1\r\n", Preface::None),
            ("PROXY / HTTP/1.1\r\n", Preface::None),
            ("PROXY TCP4 a b c d\r\n", Preface::None),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 3\r\n", Preface::None),
            ("GET / HTTP/1.1\r\n", Preface::None),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(read(format!("PROXY {}", "x".repeat(200)).as_bytes()), Preface::None);
    }

    fn binary_of(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[command, family]);
        bytes.extend_from_slice(&(block.len() as u16).to_be_bytes());
        bytes.extend_from_slice(block);
        bytes
    }

    #[test]
    fn binary_headers() {
        let v4 = [198, 51, 100, 7, 192, 0, 2, 1, 0x12, 0x67, 1, 187];
        let whole = binary_of(0x21, 0x11, &v4);
        assert_eq!(read(&whole), Preface::Whole(28, Some(end("198.51.100.7:4711"))));
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), Preface::More, "{cut}");
        }
        let more = binary_of(0x21, 0x11, &[&v4[..], b"\x04\0\x01x"].concat());
        assert_eq!(read(&more), Preface::Whole(32, Some(end("198.51.100.7:4711"))));
        assert_eq!(read(&binary_of(0x20, 0x11, &v4)), Preface::Whole(28, None));
        assert_eq!(read(&binary_of(0x21, 0x11, &v4[..5])), Preface::Whole(21, None));
        assert_eq!(read(&binary_of(0x11, 0x11, &v4)), Preface::None);
        let mut v6 = Ipv6Addr::LOCALHOST.octets().to_vec();
        v6.extend_from_slice(&[0; 16]);
        v6.extend_from_slice(&[0, 80, 0, 81]);
        assert_eq!(
            read(&binary_of(0x21, 0x21, &v6)),
            Preface::Whole(52, Some(end("[::1]:80")))
        );
        assert_eq!(read(b"\r\n\r\nGET / HTTP/1.1\r\n"), Preface::None);
    }

    proptest! {
        #[test]
        fn reads_anything(bytes: Vec<u8>, block: Vec<u8>, command: u8, family: u8) {
            let _ = read(&bytes);
            let bytes = binary_of(command, family, &block);
            if let Preface::Whole(len, _) = read(&bytes) {
                prop_assert_eq!(len, bytes.len());
            }
        }
    }
}
