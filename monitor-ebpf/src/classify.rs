//! "Could be HTTP, TLS or DNS?" from the first bytes of a connection. Parsing is the daemon's work.

use monitor_common::{CLASS_DNS, CLASS_HTTP, CLASS_HTTP2, CLASS_OPAQUE, CLASS_TLS, Tuple};

/// Port of DNS (RFC 1035 section 4.2).
pub(crate) const DNS_PORT: u16 = 53;

/// Class of a connection by the first four bytes that its opener sent (or that were seen first, where it is older than
/// the monitor).
#[inline(always)]
pub(crate) fn first_bytes(first: [u8; 4], tuple: &Tuple) -> u8 {
    if is_dns(tuple) {
        return CLASS_DNS;
    }
    // TLS record: handshake (22), version 3.x (RFC 8446 section 5.1).
    if first[0] == 22 && first[1] == 3 {
        return CLASS_TLS;
    }
    if first == *b"PRI " {
        return CLASS_HTTP2;
    }
    let letters = letter(first[0]) && letter(first[1]) && letter(first[2]) && (letter(first[3]) || first[3] == b' ');
    // Empty lines before a request (RFC 9112 section 2.2), and spaces, over which some servers pass as well.
    if letters || matches!(first[0], b'\r' | b'\n' | b' ' | b'\t') {
        return CLASS_HTTP;
    }
    CLASS_OPAQUE
}

/// Whether DNS is spoken there: by the port, since four bytes of it (a length, a number) tell nothing.
#[inline(always)]
pub(crate) fn is_dns(tuple: &Tuple) -> bool {
    tuple.remote_port == DNS_PORT || tuple.local_port == DNS_PORT
}

/// Whether a message starts so in all likelihood: the methods in use (RFC 9110 section 9, RFC 5789, RFC 4918's most common)
/// or a response. A stream of other bytes gets no budget for looking like this by chance.
#[inline(always)]
pub(crate) fn message_start(first: [u8; 4]) -> bool {
    matches!(
        &first,
        b"GET "
            | b"HTTP"
            | b"POST"
            | b"PUT "
            | b"HEAD"
            | b"DELE"
            | b"PATC"
            | b"OPTI"
            | b"CONN"
            | b"TRAC"
            | b"PROP"
            | b"REPO"
            | b"SEAR"
            | b"PRI "
    )
}

#[inline(always)]
fn letter(byte: u8) -> bool {
    (byte & !0x20).wrapping_sub(b'A') < 26
}
