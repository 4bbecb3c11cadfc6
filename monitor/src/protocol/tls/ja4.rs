//! JA4, the fingerprint of a TLS client: by its public description (technical details of JA4 at `FoxIO`, under BSD-3-Clause;
//! the other fingerprints of that family are under another licence, and not here).
//!
//! `a_b_c`: what can be read (transport, version, server name or not, numbers of suites and extensions, ALPN); a hash of
//! the sorted cipher suites; a hash of the sorted extensions and of the signature algorithms as they come. GREASE counts
//! nowhere.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{extension, is_grease};

/// What carries the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS over TCP.
    Tcp,
    /// QUIC.
    Quic,
}

/// Bytes of a hash that are shown, in hexadecimal digits.
const HASH_DIGITS: usize = 12;
/// Numbers of suites and extensions have two digits.
const MAX_COUNT: usize = 99;

/// Gathers what the fingerprint is made of.
#[derive(Debug)]
pub(super) struct Ja4 {
    transport: Transport,
    ciphers: Vec<u16>,
    extensions: Vec<u16>,
    algorithms: Vec<u16>,
    /// First and last character of the first protocol.
    alpn: Option<[char; 2]>,
}

impl Ja4 {
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport,
            ciphers: Vec::new(),
            extensions: Vec::new(),
            algorithms: Vec::new(),
            alpn: None,
        }
    }

    pub(super) fn ciphers(&mut self, ciphers: impl Iterator<Item = u16>) {
        self.ciphers.extend(ciphers.filter(|cipher| !is_grease(*cipher)));
    }

    pub(super) fn extension(&mut self, kind: u16) {
        if !is_grease(kind) {
            self.extensions.push(kind);
        }
    }

    pub(super) fn signature_algorithms(&mut self, algorithms: impl Iterator<Item = u16>) {
        self.algorithms.extend(algorithms.filter(|a| !is_grease(*a)));
    }

    /// A protocol that is offered; the first one counts.
    pub(super) fn alpn(&mut self, name: &[u8]) {
        let (Some(first), Some(last)) = (name.first(), name.last()) else {
            return;
        };
        let readable = first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric();
        // Else those of its hexadecimal form.
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        self.alpn.get_or_insert(if readable {
            [*first as char, *last as char]
        } else {
            [digit(first >> 4), digit(last & 15)]
        });
    }

    /// The fingerprint; `version` is the highest that is offered.
    pub(super) fn finish(mut self, version: u16) -> String {
        let transport = match self.transport {
            Transport::Tcp => 't',
            Transport::Quic => 'q',
        };
        let version = match version {
            0x0002 => "s2",
            0x0300 => "s3",
            0x0301 => "10",
            0x0302 => "11",
            0x0303 => "12",
            0x0304 => "13",
            _ => "00",
        };
        let named = self.extensions.contains(&extension::SERVER_NAME);
        let [first, last] = self.alpn.unwrap_or(['0', '0']);
        let (ciphers, extensions) = (self.ciphers.len(), self.extensions.len());
        self.ciphers.sort_unstable();
        self.extensions
            .retain(|kind| *kind != extension::SERVER_NAME && *kind != extension::ALPN);
        self.extensions.sort_unstable();
        let mut rest = list(&self.extensions);
        if !rest.is_empty() && !self.algorithms.is_empty() {
            rest.push('_');
            rest.push_str(&list(&self.algorithms));
        }
        format!(
            "{transport}{version}{}{:02}{:02}{first}{last}_{}_{}",
            if named { 'd' } else { 'i' },
            ciphers.min(MAX_COUNT),
            extensions.min(MAX_COUNT),
            hash(&list(&self.ciphers)),
            hash(&rest),
        )
    }
}

/// `1301,1302`.
fn list(numbers: &[u16]) -> String {
    let mut text = String::with_capacity(numbers.len() * 5);
    for number in numbers {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a String does not fail.
        let _ = write!(text, "{comma}{number:04x}");
    }
    text
}

/// Of nothing it is zeros.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(HASH_DIGITS);
    }
    let digest = Sha256::digest(text.as_bytes());
    let mut digits = String::with_capacity(HASH_DIGITS);
    for byte in digest.iter().take(HASH_DIGITS / 2) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIPHERS: [u16; 16] = [
        0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d,
        0x002f, 0x0035,
    ];
    const EXTENSIONS: [u16; 18] = [
        0x0a0a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01,
        0x000b, 0x000a, 0x0015, 0x3a3a,
    ];
    const ALGORITHMS: [u16; 8] = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

    fn of(transport: Transport, extensions: &[u16], algorithms: &[u16], alpn: &[u8]) -> String {
        let mut ja4 = Ja4::new(transport);
        ja4.ciphers(CIPHERS.into_iter());
        for kind in extensions {
            ja4.extension(*kind);
        }
        ja4.signature_algorithms(algorithms.iter().copied());
        ja4.alpn(alpn);
        ja4.finish(0x0304)
    }

    /// The worked example of the description.
    #[test]
    fn known_answer() {
        assert_eq!(
            of(Transport::Tcp, &EXTENSIONS, &ALGORITHMS, b"h2"),
            "t13d1516h2_8daaf6152771_e5627efa2ab1"
        );
        let quic = of(Transport::Quic, &EXTENSIONS, &ALGORITHMS, b"h3");
        assert_eq!(quic, "q13d1516h3_8daaf6152771_e5627efa2ab1");
    }

    /// Also of the description: the hash of the extensions alone.
    #[test]
    fn without_signature_algorithms() {
        assert_eq!(
            of(Transport::Tcp, &EXTENSIONS, &[], b"h2"),
            "t13d1516h2_8daaf6152771_6d807ffa2a79"
        );
    }

    #[test]
    fn edges() {
        assert_eq!(
            Ja4::new(Transport::Tcp).finish(0x0301),
            "t10i000000_000000000000_000000000000"
        );
        let alpn = |name: &[u8]| {
            let mut ja4 = Ja4::new(Transport::Tcp);
            ja4.alpn(name);
            ja4.alpn(b"h2");
            ja4.finish(0x7f1c)[..10].to_owned()
        };
        assert_eq!(alpn(b"http/1.1"), "t00i0000h1");
        assert_eq!(alpn(b"\xab"), "t00i0000ab");
        assert_eq!(alpn(b"0\xcd"), "t00i00003d");
        assert_eq!(alpn(b"h\0x"), "t00i0000hx");
        let mut ja4 = Ja4::new(Transport::Tcp);
        ja4.ciphers(0..200);
        assert!(ja4.finish(0x0303).starts_with("t12i9900"));
    }
}
