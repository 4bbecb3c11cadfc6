//! What a stream speaks, told from its first bytes and never from its port.

use super::dns::shape::{self, Shape};
use super::http1::Side;
use super::http2::frame;

/// Protocol of the first bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// An HTTP/1.x request line: this is the client's direction.
    HttpRequest,
    /// An HTTP/1.x status line: this is the server's direction.
    HttpResponse,
    /// HTTP/2 with prior knowledge (RFC 9113 section 3.4).
    Http2,
    /// Frames of HTTP/2 whose beginning was not seen, and who sends them, where that shows.
    Http2Frames(Option<Side>),
    /// The first frame of an HTTP/2 server: this is the server's direction.
    Http2Settings,
    /// A TLS `ClientHello` (RFC 8446 section 4.1.2): this is the client's direction.
    TlsClient,
    /// TLS, some other record (RFC 8446 section 5.1).
    Tls,
    /// A DNS query behind its length (RFC 1035 section 4.2.2): this is the client's direction.
    DnsQuery,
    /// A DNS response likewise: this is the server's direction.
    DnsResponse,
    /// Nothing that is read.
    Other,
    /// More bytes decide.
    More,
    /// A known method, a space and the start of a target: an HTTP request, unless its line ends in another version. Or a
    /// line that ends without one: HTTP/0.9, unless more follows.
    LikelyRequest,
}

/// Whether bytes begin a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// They do.
    Yes,
    /// As far as they go, and a known method was seen whole.
    Likely,
    /// They may.
    More,
    /// They do not.
    No,
}

/// Longest method told from its shape alone; the longest registered one, `UPDATEREDIRECTREF`, has 17 bytes.
const MAX_METHOD: usize = 32;
/// Empty lines before a request that are passed over (RFC 9112 section 2.2 asks for at least one), and spaces, over which
/// some servers pass as well.
const MAX_LEADING: usize = 16;
/// What an HTTP/2 client sends first, up to the end of its first line.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Methods of RFC 9110 section 9, RFC 5789 and `WebDAV` (RFC 4918) whose first line need not be seen whole.
const METHODS: [&[u8]; 18] = [
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"CONNECT",
    b"TRACE",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
];

/// What `bytes`, the first of a direction, speak.
pub fn first_bytes(bytes: &[u8]) -> Guess {
    match bytes.first() {
        None => Guess::More,
        Some(0x14..=0x17) => tls(bytes),
        Some(0x80..) => ssl2(bytes),
        // The high byte of a length: queries are short.
        Some(0..=3) => match shape::of_stream(bytes) {
            Shape::Query => Guess::DnsQuery,
            Shape::Response => Guess::DnsResponse,
            Shape::More => Guess::More,
            Shape::No => match frame::server_preface(bytes) {
                Start::Yes => Guess::Http2Settings,
                Start::More => Guess::More,
                Start::Likely | Start::No => Guess::Other,
            },
        },
        Some(_) => match response_start(bytes) {
            Start::Yes => Guess::HttpResponse,
            Start::No | Start::More | Start::Likely if is_prefix(bytes, HTTP2_PREFACE) => {
                if bytes.len() >= HTTP2_PREFACE.len() {
                    Guess::Http2
                } else {
                    Guess::More
                }
            }
            // "H" may become HTTP/1.1 or HEAD.
            Start::More | Start::Likely => Guess::More,
            Start::No => match request_start(bytes) {
                Start::Yes => Guess::HttpRequest,
                Start::Likely => Guess::LikelyRequest,
                Start::More => Guess::More,
                Start::No => Guess::Other,
            },
        },
    }
}

/// What `bytes` speak, which are the first that were seen of a direction that had begun before.
pub fn later_bytes(bytes: &[u8]) -> Guess {
    match (frame::start(bytes), first_bytes(bytes)) {
        ((Start::Yes, side), _) => Guess::Http2Frames(side),
        // Settings alone may be those of a later time, or no frame at all.
        ((Start::More, _), Guess::Other | Guess::Http2Settings) => Guess::More,
        ((Start::Likely | Start::No, _), Guess::Http2Settings) => Guess::Other,
        ((Start::More | Start::Likely | Start::No, _), guess) => guess,
    }
}

/// Whether `bytes` begin an HTTP/1.x request.
pub fn request_start(bytes: &[u8]) -> Start {
    let leading = bytes
        .iter()
        .take_while(|b| matches!(b, b'\r' | b'\n' | b' ' | b'\t'))
        .count();
    if leading > MAX_LEADING {
        return Start::No;
    }
    let spaces = bytes[..leading].iter().any(|b| matches!(b, b' ' | b'\t'));
    let bytes = &bytes[leading..];
    let token = bytes.iter().take_while(|b| is_tchar(**b)).count();
    if token > MAX_METHOD {
        return Start::No;
    }
    let known = METHODS.contains(&&bytes[..token]);
    if spaces && !known && token < bytes.len() {
        return Start::No;
    }
    let Some(rest) = bytes.get(token + 1..) else {
        return if token == bytes.len() || (token > 0 && bytes[token] == b' ') {
            Start::More
        } else {
            Start::No
        };
    };
    if token == 0 || bytes[token] != b' ' {
        return Start::No;
    }
    match rest.iter().position(|b| *b == b'\n') {
        Some(end) if has_http_version(&rest[..end]) => Start::Yes,
        Some(end) if known && is_lone_target(&rest[..end]) => Start::Likely,
        None if known && !rest.is_empty() => Start::Likely,
        None if known || !rest.iter().any(|b| b.is_ascii_control() && *b != b'\r') => Start::More,
        Some(_) | None => Start::No,
    }
}

/// Whether `bytes` begin an HTTP/1.x response (RFC 9112 section 4), or one that gives itself another number.
pub fn response_start(bytes: &[u8]) -> Start {
    const NAME: &[u8] = b"HTTP/";
    let n = bytes.len().min(NAME.len());
    if !bytes[..n].eq_ignore_ascii_case(&NAME[..n]) {
        return Start::No;
    }
    match bytes.get(NAME.len()..).unwrap_or_default() {
        [b'1', b'.', ..] => Start::Yes,
        [a, b'.', b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => Start::Yes,
        [] => Start::More,
        [a] | [a, b'.'] if a.is_ascii_digit() => Start::More,
        _ => Start::No,
    }
}

/// Whether a word of a request line, after the method, is a version of HTTP. The last, unless the line is odd.
fn has_http_version(line: &[u8]) -> bool {
    line.rsplit(|b| *b == b' ').any(|word| word.starts_with(b"HTTP/"))
}

/// The rest of a request line that has no version (RFC 1945 section 4.1): a path or an absolute URI, and nothing else.
fn is_lone_target(line: &[u8]) -> bool {
    let target = line.strip_suffix(b"\r").unwrap_or(line);
    target.iter().all(|b| !b.is_ascii_control() && *b != b' ')
        && (target.starts_with(b"/") || target.starts_with(b"http://") || target.starts_with(b"https://"))
}

/// One is the start of the other.
fn is_prefix(bytes: &[u8], of: &[u8]) -> bool {
    let n = bytes.len().min(of.len());
    bytes[..n] == of[..n]
}

/// RFC 9110 section 5.6.2.
pub(crate) fn is_tchar(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Record header: type, version (major 3), length; then the type of the handshake message.
fn tls(bytes: &[u8]) -> Guess {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    match bytes {
        [_, major, ..] if *major != 3 => Guess::Other,
        [_, _, minor, ..] if *minor > 4 => Guess::Other,
        // A record has bytes, and no more than 2^14 (RFC 8446 section 5.1).
        [HANDSHAKE, _, _, high, low, ..] if !(1..=1 << 14).contains(&u16::from_be_bytes([*high, *low])) => Guess::Other,
        [HANDSHAKE, _, _, _, _, CLIENT_HELLO, ..] => Guess::TlsClient,
        [HANDSHAKE, _, _, _, _, _, ..] => Guess::Tls,
        [HANDSHAKE, ..] | [_] | [_, _] => Guess::More,
        _ => Guess::Tls,
    }
}

/// A hello in the form of SSL 2.0 from a client that speaks newer versions too (RFC 5246 appendix E.2). It has no
/// extensions, and is not read.
fn ssl2(bytes: &[u8]) -> Guess {
    let start = match bytes {
        [_, _, kind, ..] if *kind != 1 => false,
        [_, _, _, major, ..] if *major != 3 => false,
        [_, _, _, _, minor, ..] if *minor > 4 => false,
        _ => true,
    };
    match (start, bytes.len()) {
        (false, _) => Guess::Other,
        (true, ..5) => Guess::More,
        (true, _) => Guess::Tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DNS_QUERY: &[u8] = b"\x00\x15\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03api\x00\x00\x01\x00\x01";

    #[track_caller]
    fn check(bytes: &[u8], guess: Guess) {
        assert_eq!(first_bytes(bytes), guess, "{}", bytes.escape_ascii());
    }

    #[test]
    fn tells_protocols_apart() {
        check(b"GET / HTTP/1.1\r\n", Guess::HttpRequest);
        check(b"\r\n\r\nGET / HTTP/1.1\r\n", Guess::HttpRequest);
        check(b"GET / HTTP/1.0\n", Guess::HttpRequest);
        check(b"BREW /pot HTTP/1.1\r\n", Guess::HttpRequest);
        check(b"GET /a/long/path", Guess::LikelyRequest);
        check(b"BREW /pot HT", Guess::More);
        check(b"GET /\r\n", Guess::LikelyRequest);
        check(b"HTTP/1.1 200 OK", Guess::HttpResponse);
        check(b"HEAD / HTTP/1.1\r\n", Guess::HttpRequest);
        check(b" GET / HTTP/1.1\r\n", Guess::HttpRequest);
        check(b"http/1.0 200 ok", Guess::HttpResponse);
        check(b"HTTP/0.9 200", Guess::HttpResponse);
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Guess::Http2);
        check(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", Guess::Http2Settings);
        check(b"\0\0\0\x04\0\0\0\0\0", Guess::Http2Settings);
        check(b"PROPFIND / HTTP/1.1\r\n", Guess::HttpRequest);
        check(b"\x16\x03\x01\x02\x00\x01\x00", Guess::TlsClient);
        check(b"\x16\x03\x03\x02\x00\x02\x00", Guess::Tls);
        check(b"\x17\x03\x03", Guess::Tls);
        check(b"\x80\x2e\x01\x03\x01\x00\x15", Guess::Tls);
        check(DNS_QUERY, Guess::DnsQuery);
    }

    #[test]
    fn refuses_the_rest() {
        check(b"SSH-2.0-OpenSSH_9.6\r\n", Guess::Other);
        check(b"*3\r\n$3\r\nSET\r\n", Guess::Other);
        check(b"EHLO example.org\r\n", Guess::Other);
        check(b"OPTIONS rtsp://h/ RTSP/1.0\r\n", Guess::Other);
        check(b"get key\r\n", Guess::Other);
        check(b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Guess::Other);
        check(b"\x16\x09", Guess::Other);
        check(b"\x16\x03\x01\x00\x00", Guess::Other);
        check(b"\x16\x03\x01\x40\x01", Guess::Other);
        check(b"\x80\x2e\x04", Guess::Other);
        check(b"GET key\r\n", Guess::Other);
        check(b" x / HTTP/1.1\r\n", Guess::Other);
        check(b"GET /a b\r\n", Guess::Other);
    }

    #[test]
    fn never_decides_against_what_follows() {
        for whole in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"HTTP/1.1 200 OK\r\n",
            b"PRI * HTTP/2.0\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            DNS_QUERY,
            b"\0\0\x12\x04\0\0\0\0\0",
        ] {
            for n in 0..whole.len() {
                let guess = first_bytes(&whole[..n]);
                assert!(
                    matches!(guess, Guess::More | Guess::LikelyRequest) || guess == first_bytes(whole),
                    "{} gives {guess:?}",
                    whole[..n].escape_ascii()
                );
            }
        }
    }
}
