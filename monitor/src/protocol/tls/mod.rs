//! TLS as far as it is in the clear: the `ClientHello`, read by tls-parser from any segmentation.

#[cfg(test)]
mod tests;

use tls_parser::{TlsExtension, TlsMessageHandshake, parse_tls_extension, parse_tls_handshake_msg_client_hello};

use super::text::{MAX_TEXT, printable};

/// Longest hello read, bytes. The field would allow 2^24 (RFC 8446 section 4); with post-quantum key shares they have
/// about two kibibytes, and a record holds 2^14 (section 5.1).
const MAX_HELLO: usize = 16 * 1024;
/// Most ALPN names kept; browsers offer two or three.
const MAX_ALPN: usize = 16;
/// Handshake header (RFC 8446 section 4): type and 24 bits of length.
const HANDSHAKE_HEADER: usize = 4;
/// Content type of handshake records.
const HANDSHAKE: u8 = 22;

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `server_name` (RFC 6066 section 3), printable, lower case, no final dot.
    pub server_name: Option<String>,
    /// ALPN protocols offered (RFC 7301), printable.
    pub alpn: Vec<String>,
    /// Highest version offered.
    pub version: &'static str,
    /// The end of it was not seen; what is absent above may be in there.
    pub truncated: bool,
}

/// What reading gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// More bytes are needed.
    More,
    /// The hello, and how many bytes on the wire it took.
    Read {
        /// What it says.
        hello: ClientHello,
        /// Bytes on the wire, record headers included.
        bytes: u64,
    },
    /// It is none.
    Unreadable,
}

/// Gathers a hello out of records (which may fragment it, RFC 8446 section 5.1) out of segments.
#[derive(Debug, Default)]
pub struct HelloReader {
    /// Header of the record under way, as far as it came.
    record: Vec<u8>,
    /// Bytes of that record to come.
    record_left: usize,
    /// The handshake message.
    message: Vec<u8>,
    /// Bytes taken.
    wire: u64,
}

impl HelloReader {
    /// Bytes held.
    pub fn held_bytes(&self) -> usize {
        self.record.len() + self.message.len()
    }

    /// Reads on.
    pub fn read(&mut self, mut bytes: &[u8]) -> Hello {
        while let Some(b) = bytes.first() {
            if self.record_left == 0 {
                self.record.push(*b);
                self.wire += 1;
                bytes = &bytes[1..];
                if let [content, major, _, high, low] = self.record[..] {
                    self.record.clear();
                    self.record_left = usize::from(u16::from_be_bytes([high, low]));
                    if content != HANDSHAKE || major != 3 || self.record_left == 0 {
                        return Hello::Unreadable;
                    }
                }
                continue;
            }
            let here = self.record_left.min(bytes.len());
            self.message.extend_from_slice(&bytes[..here]);
            self.record_left -= here;
            self.wire += here as u64;
            bytes = &bytes[here..];
            match self.length() {
                Some(length) if self.message.len() >= length => return self.parse(length, false),
                Some(_) if self.message.len() > MAX_HELLO => return self.finish(),
                Some(_) | None => {}
            }
        }
        Hello::More
    }

    /// No more will come: gives what there is.
    pub fn finish(&mut self) -> Hello {
        match self.length() {
            Some(length) => self.parse(length, true),
            None => Hello::Unreadable,
        }
    }

    /// Length of the handshake message with its header, once known.
    fn length(&self) -> Option<usize> {
        let [_, a, b, c, ..] = self.message[..] else {
            return None;
        };
        Some(HANDSHAKE_HEADER + u32::from_be_bytes([0, a, b, c]) as usize)
    }

    fn parse(&mut self, length: usize, truncated: bool) -> Hello {
        let mut message = std::mem::take(&mut self.message);
        if length > MAX_HELLO {
            // Nobody sends that; what it claims can not be trusted to be a hello.
            return Hello::Unreadable;
        }
        let seen = message.len().min(length);
        // tls-parser reads whole messages only: what was not seen is read as zeros and left out below.
        message.resize(length, 0);
        let Ok((_, TlsMessageHandshake::ClientHello(contents))) =
            parse_tls_handshake_msg_client_hello(message.get(HANDSHAKE_HEADER..).unwrap_or_default())
        else {
            return Hello::Unreadable;
        };
        let mut hello = ClientHello {
            truncated,
            ..ClientHello::default()
        };
        let mut version = contents.version.0;
        let extensions = contents.ext.unwrap_or_default();
        let missing = (length - seen).min(extensions.len());
        read_extensions(&extensions[..extensions.len() - missing], &mut hello, &mut version);
        hello.version = version_name(version);
        Hello::Read {
            hello,
            bytes: self.wire,
        }
    }
}

fn read_extensions(mut rest: &[u8], hello: &mut ClientHello, version: &mut u16) {
    while let [_, _, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if after.len() < length {
            break;
        }
        let (extension, next) = rest.split_at(4 + length);
        rest = next;
        match parse_tls_extension(extension) {
            Ok((_, TlsExtension::SNI(names))) => {
                if let Some((_, name)) = names.first()
                    && !name.is_empty()
                    && hello.server_name.is_none()
                {
                    let name = name.strip_suffix(b".").unwrap_or(name);
                    hello.server_name = Some(printable(&name.to_ascii_lowercase(), MAX_TEXT));
                }
            }
            Ok((_, TlsExtension::ALPN(names))) => {
                hello.alpn.extend(
                    names
                        .iter()
                        .filter(|name| !is_grease_name(name))
                        .map(|name| printable(name, MAX_TEXT)),
                );
                hello.alpn.truncate(MAX_ALPN);
            }
            Ok((_, TlsExtension::SupportedVersions(versions))) => {
                // RFC 8446 section 4.2.1: where it is present, it alone counts.
                *version = versions
                    .iter()
                    .map(|v| v.0)
                    .filter(|v| !is_grease(*v))
                    .max()
                    .unwrap_or(*version);
            }
            // Other extensions say nothing that is kept; one that cannot be read is left out, as a server would refuse it.
            Ok(_) | Err(_) => {}
        }
    }
}

/// RFC 8701 section 2.
fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// RFC 8701 section 2: two bytes of the same kind.
fn is_grease_name(name: &[u8]) -> bool {
    matches!(name, [high, low] if is_grease(u16::from_be_bytes([*high, *low])))
}

/// Names as people write them; draft versions of 1.3 (0x7fNN) count as it.
fn version_name(version: u16) -> &'static str {
    match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 | 0x7f00..=0x7fff => "TLS 1.3",
        _ => "unknown",
    }
}
