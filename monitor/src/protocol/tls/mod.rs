//! TLS as far as it is in the clear: the hellos, from any segmentation, and the fingerprint of the client.
//!
//! Read by hand, since a hello may be cut, and what was seen of one counts; tls-parser knows the names of cipher suites.

mod client;
mod cursor;
mod handshake;
mod ja4;
mod records;
mod server;
#[cfg(test)]
mod tests;

pub use self::client::ClientHello;
pub use self::handshake::{Handshake, Hellos, Outcome};
pub use self::ja4::Transport;
pub use self::server::ServerHello;

use thiserror::Error;

/// Why something is no hello. Its name in `stats` is `hello_` and the text, with underscores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HelloError {
    /// A record of another kind in its place, or within it.
    #[error("other record")]
    OtherRecord,
    /// A record of no bytes, or of more than there may be (RFC 8446 sections 5.1, 5.2).
    #[error("record length")]
    RecordLength,
    /// Another handshake message in its place.
    #[error("other message")]
    OtherMessage,
    /// Longer than what is read.
    #[error("too long")]
    TooLong,
    /// Lengths that do not add up.
    #[error("malformed")]
    Malformed,
    /// Too little of it was seen.
    #[error("cut")]
    Cut,
}

impl HelloError {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::OtherRecord,
        Self::RecordLength,
        Self::OtherMessage,
        Self::TooLong,
        Self::Malformed,
        Self::Cut,
    ];

    /// Name in `stats`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OtherRecord => "hello_other_record",
            Self::RecordLength => "hello_record_length",
            Self::OtherMessage => "hello_other_message",
            Self::TooLong => "hello_too_long",
            Self::Malformed => "hello_malformed",
            Self::Cut => "hello_cut",
        }
    }
}

/// Extensions (IANA registry "TLS `ExtensionType` Values") that say what is kept.
mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(super) const ALPN: u16 = 16;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
    /// RFC 9849.
    pub(super) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
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
        0x0002 => "SSL 2.0",
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 | 0x7f00..=0x7fff => "TLS 1.3",
        _ => "unknown",
    }
}
