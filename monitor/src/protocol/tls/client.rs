//! What a client says of itself (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2).

use super::cursor::{Cursor, are_whole, extensions};
use super::ja4::{Ja4, Transport};
use super::{HelloError, extension, is_grease, is_grease_name, version_name};
use crate::protocol::text::{MAX_TEXT, printable};

/// Most ALPN names kept; browsers offer two or three.
const MAX_ALPN: usize = 16;
/// Kind of name in a server name list that is a host's (RFC 6066 section 3).
const HOST_NAME: u8 = 0;

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `server_name` (RFC 6066 section 3), printable, lower case, no final dot.
    pub server_name: Option<String>,
    /// ALPN protocols offered (RFC 7301), printable, without GREASE.
    pub alpn: Vec<String>,
    /// Highest version offered.
    pub version: &'static str,
    /// JA4 of the client; absent where the hello was not seen whole.
    pub ja4: Option<String>,
    /// There is an `encrypted_client_hello` (RFC 9849), or GREASE in its place, which looks the same: the server name above
    /// is the outer one, and may not be the name that is asked for.
    pub ech: bool,
    /// The end of it was not seen; what is absent above may be in there.
    pub truncated: bool,
}

impl ClientHello {
    /// Reads the body of the message, after the handshake header; `truncated` when there is more than what is given.
    pub fn read(body: &[u8], truncated: bool, transport: Transport) -> Result<Self, HelloError> {
        let failure = if truncated {
            HelloError::Cut
        } else {
            HelloError::Malformed
        };
        let mut rest = Cursor(body);
        let mut version = rest.u16().ok_or(failure)?;
        let mut hello = Self {
            truncated,
            ..Self::default()
        };
        let mut ja4 = Ja4::new(transport);
        match fields(&mut rest) {
            Some(ciphers) => ja4.ciphers(Cursor(ciphers).numbers()),
            None if truncated => {
                hello.version = version_name(version);
                return Ok(hello);
            }
            None => return Err(failure),
        }
        // A hello without extensions ends here (RFC 5246).
        if let Some(length) = rest.u16() {
            let block = rest.0.get(..usize::from(length));
            if !truncated && block.is_none_or(|block| !are_whole(block)) {
                return Err(failure);
            }
            for (kind, content) in extensions(block.unwrap_or(rest.0)) {
                ja4.extension(kind);
                hello.extension(kind, content, &mut version, &mut ja4);
            }
        } else if !rest.0.is_empty() && !truncated {
            return Err(failure);
        }
        hello.version = version_name(version);
        hello.ja4 = (!truncated).then(|| ja4.finish(version));
        Ok(hello)
    }

    /// One that cannot be read is left out, as a server would refuse it.
    fn extension(&mut self, kind: u16, mut content: Cursor<'_>, version: &mut u16, ja4: &mut Ja4) {
        match kind {
            extension::SERVER_NAME => {
                let Some(mut names) = content.long().map(Cursor) else {
                    return;
                };
                while let (Some(kind), Some(name)) = (names.u8(), names.long()) {
                    if kind == HOST_NAME && !name.is_empty() && self.server_name.is_none() {
                        let name = name.strip_suffix(b".").unwrap_or(name);
                        self.server_name = Some(printable(&name.to_ascii_lowercase(), MAX_TEXT).into());
                    }
                }
            }
            extension::ALPN => {
                let Some(mut names) = content.long().map(Cursor) else {
                    return;
                };
                while let Some(name) = names.short() {
                    ja4.alpn(name);
                    if self.alpn.len() < MAX_ALPN && !is_grease_name(name) {
                        self.alpn.push(printable(name, MAX_TEXT).into());
                    }
                }
            }
            extension::SUPPORTED_VERSIONS => {
                // RFC 8446 section 4.2.1: where it is present, it alone counts.
                let versions = content.short().map(|bytes| Cursor(bytes).numbers());
                let highest = versions.and_then(|versions| versions.filter(|v| !is_grease(*v)).max());
                *version = highest.unwrap_or(*version);
            }
            extension::SIGNATURE_ALGORITHMS => {
                if let Some(algorithms) = content.long() {
                    ja4.signature_algorithms(Cursor(algorithms).numbers());
                }
            }
            extension::ENCRYPTED_CLIENT_HELLO => self.ech = true,
            // Others say nothing that is kept.
            _ => {}
        }
    }
}

/// What comes after the version and before the extensions: the cipher suites, of all that.
fn fields<'a>(rest: &mut Cursor<'a>) -> Option<&'a [u8]> {
    const RANDOM: usize = 32;
    rest.take(RANDOM)?;
    let _session = rest.short()?;
    let ciphers = rest.long()?;
    let _compression = rest.short()?;
    Some(ciphers)
}
