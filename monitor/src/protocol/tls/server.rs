//! What a server chose (RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3).

use tls_parser::TlsCipherSuite;

use super::cursor::{Cursor, are_whole, extensions};
use super::{HelloError, extension, version_name};
use crate::protocol::text::{MAX_TEXT, printable};

/// The random of a hello that asks the client for another one (RFC 8446 section 4.1.3): SHA-256 of "`HelloRetryRequest`".
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a server chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The version.
    pub version: &'static str,
    /// The cipher suite, by its name in the IANA registry, else `0xNNNN`.
    pub cipher: String,
    /// The protocol (RFC 7301); from TLS 1.3 on it is encrypted.
    pub alpn: Option<String>,
    /// It is a `HelloRetryRequest`: the client is to send another hello. Version and suite stay (section 4.1.4).
    pub retry: bool,
}

impl ServerHello {
    /// Reads the body of the message, after the handshake header; `truncated` when there is more than what is given.
    pub fn read(body: &[u8], truncated: bool) -> Result<Self, HelloError> {
        let failure = if truncated {
            HelloError::Cut
        } else {
            HelloError::Malformed
        };
        let mut rest = Cursor(body);
        let mut fields = || {
            Some((
                rest.u16()?,
                rest.take(RETRY.len())?,
                rest.short()?,
                rest.u16()?,
                rest.u8()?,
            ))
        };
        let (mut version, random, _session, cipher, _compression) = fields().ok_or(failure)?;
        // The suites of TLS 1.3 are used with no other version (RFC 8446 appendix B.4), and post-quantum key shares, which may
        // stand before the version, are longer than what is copied of a response.
        if cipher >> 8 == 0x13 {
            version = 0x0304;
        }
        let mut alpn = None;
        if let Some(length) = rest.u16() {
            let block = rest.0.get(..usize::from(length));
            if !truncated && block.is_none_or(|block| !are_whole(block)) {
                return Err(failure);
            }
            for (kind, mut content) in extensions(block.unwrap_or(rest.0)) {
                match kind {
                    extension::SUPPORTED_VERSIONS => version = content.u16().unwrap_or(version),
                    extension::ALPN => {
                        let name = content.long().and_then(|names| Cursor(names).short());
                        alpn = name.map(|name| printable(name, MAX_TEXT).into());
                    }
                    // Others say nothing that is kept.
                    _ => {}
                }
            }
        }
        Ok(Self {
            version: version_name(version),
            cipher: TlsCipherSuite::from_id(cipher)
                .map_or_else(|| format!("0x{cipher:04x}"), |suite| suite.name.to_owned()),
            alpn,
            retry: random == RETRY,
        })
    }
}
