//! Headers of requests and responses, read by httparse, and what frames the body after them.

use std::mem::MaybeUninit;

use compact_str::CompactString;
use httparse::Status;

use super::anomaly::{Anomalies, Anomaly};
use super::fields::{Coding, Fields};
use crate::protocol::identify::is_tchar;
use crate::protocol::reading::Reading;
use crate::protocol::taps::{Taken, Taking};
use crate::protocol::text::{MAX_TARGET, MAX_TEXT, printable};
use crate::record::{App, HttpVersion, Request};

/// Header lines that httparse is given room for; Apache's `LimitRequestFields` is 100. More are read leniently.
pub(super) const MAX_FIELDS: usize = 100;

/// What decides how a response is framed (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    /// `HEAD`: the response has no body.
    Head,
    /// `CONNECT`: a 2xx response begins a tunnel.
    Connect,
    /// Any other.
    #[default]
    Other,
}

/// What follows a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The next message.
    Nothing,
    /// So many bytes, at least one.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Bytes until the connection ends.
    UntilClose,
    /// A body whose end cannot be told from the header.
    Unknown,
    /// Something that is not HTTP/1.x.
    Tunnel(Option<App>),
}

/// A request's header.
#[derive(Clone, Debug)]
pub(super) struct RequestHead {
    /// As records show it; sizes are not filled yet.
    pub request: Box<Request>,
    /// Version.
    pub version: HttpVersion,
    /// Method, as far as framing cares.
    pub method: Method,
    /// What follows.
    pub framing: Framing,
    /// `Content-Length`.
    pub length: Option<u64>,
    /// `Transfer-Encoding`.
    pub coding: Coding,
    /// Another request may follow (RFC 9112 section 9.3).
    pub persists: bool,
    /// What else is asked for.
    pub taken: Taken,
    /// Oddities.
    pub anomalies: Anomalies,
}

/// A response's header.
#[derive(Clone, Debug)]
pub(super) struct ResponseHead {
    /// Status code; 0 where it cannot be read.
    pub status: u16,
    /// Version.
    pub version: HttpVersion,
    /// `Content-Type`, printable.
    pub content_type: Option<CompactString>,
    /// `Content-Length`.
    pub length: Option<u64>,
    /// `Transfer-Encoding`.
    pub coding: Coding,
    /// `Upgrade`.
    pub upgrade: Option<App>,
    /// `Location` of a redirect, printable.
    pub location: Option<CompactString>,
    /// Another response may follow.
    pub persists: bool,
    /// Oddities.
    pub anomalies: Anomalies,
}

/// Result of reading.
#[derive(Clone, Debug)]
pub(super) enum Read<T> {
    /// A whole header of so many bytes.
    Complete(usize, T),
    /// More bytes are needed.
    Partial,
    /// Not by the grammar.
    Refused,
}

/// Reads a request header at the start of `bytes`.
pub(super) fn request(bytes: &[u8], reading: &Reading) -> Read<RequestHead> {
    let taps = &reading.taps;
    let familiar = request_line(bytes).and_then(|line| Some((line, block(bytes, line.len)?)));
    let unknown = match familiar {
        Some((line, block)) => match reading.memo().find(block) {
            Ok((fields, taking)) => {
                let mut head = RequestHead::new(line.method, line.target, line.version, &fields);
                head.taken = taps.finish(taking, &head.request, true);
                return Read::Complete(line.len + block.len(), head);
            }
            Err(unknown) => Some((unknown, block)),
        },
        None => None,
    };
    let mut lines = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut read = httparse::Request::new(&mut []);
    let length = match read.parse_with_uninit_headers(bytes, &mut lines) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Read::Partial,
        Err(_) => return Read::Refused,
    };
    let (Some(method), Some(target), Some(minor)) = (read.method, read.path, read.version) else {
        return Read::Refused;
    };
    let fields = gather(bytes, length, read.headers);
    let mut taking = Taking::default();
    for line in read.headers.iter() {
        taps.field(&mut taking, line.name.as_bytes(), line.value);
    }
    if let Some((unknown, block)) = unknown.filter(|(_, block)| ends_at(bytes, block, length)) {
        reading.memo().keep(unknown, block, &fields, &taking);
    }
    let mut head = RequestHead::new(method.as_bytes(), target.as_bytes(), version(minor), &fields);
    head.taken = taps.finish(taking, &head.request, true);
    Read::Complete(length, head)
}

/// Reads a response header at the start of `bytes`.
pub(super) fn response(bytes: &[u8], reading: &Reading) -> Read<ResponseHead> {
    let familiar = status_line(bytes).and_then(|line| Some((line, block(bytes, line.len)?)));
    let unknown = match familiar {
        Some((line, block)) => match reading.memo().find(block) {
            Ok((fields, _)) => {
                let head = ResponseHead::new(line.status, line.version, &fields);
                return Read::Complete(line.len + block.len(), head);
            }
            Err(unknown) => Some((unknown, block)),
        },
        None => None,
    };
    let mut lines = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut read = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let length = match parser.parse_response_with_uninit_headers(&mut read, bytes, &mut lines) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Read::Partial,
        Err(_) => return Read::Refused,
    };
    let (Some(status), Some(minor)) = (read.code, read.version) else {
        return Read::Refused;
    };
    let fields = gather(bytes, length, read.headers);
    if let Some((unknown, block)) = unknown.filter(|(_, block)| ends_at(bytes, block, length)) {
        reading.memo().keep(unknown, block, &fields, &Taking::default());
    }
    Read::Complete(length, ResponseHead::new(status, version(minor), &fields))
}

/// A request line as nearly all write it, with its CRLF. Others are left to httparse.
#[derive(Clone, Copy, Debug)]
struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    version: HttpVersion,
    len: usize,
}

fn request_line(bytes: &[u8]) -> Option<RequestLine<'_>> {
    let (method, rest) = bytes.split_at(bytes.iter().position(|b| !is_tchar(*b))?);
    let rest = rest.strip_prefix(b" ")?;
    let (target, rest) = rest.split_at(rest.iter().position(|b| !b.is_ascii_graphic())?);
    let version = match rest.get(..11)? {
        b" HTTP/1.1\r\n" => HttpVersion::Http11,
        b" HTTP/1.0\r\n" => HttpVersion::Http10,
        _ => return None,
    };
    let len = method.len() + 1 + target.len() + 11;
    (!method.is_empty() && !target.is_empty()).then_some(RequestLine {
        method,
        target,
        version,
        len,
    })
}

/// Likewise a status line.
#[derive(Clone, Copy, Debug)]
struct StatusLine {
    status: u16,
    version: HttpVersion,
    len: usize,
}

fn status_line(bytes: &[u8]) -> Option<StatusLine> {
    let (first, rest) = bytes.split_first_chunk::<9>()?;
    let version = match first {
        b"HTTP/1.1 " => HttpVersion::Http11,
        b"HTTP/1.0 " => HttpVersion::Http10,
        _ => return None,
    };
    let (code, rest) = rest.split_first_chunk::<3>()?;
    let status = code.iter().try_fold(0, |status, b| {
        Some(status * 10 + u16::from(b.is_ascii_digit().then(|| b - b'0')?))
    })?;
    let rest = rest.strip_prefix(b" ")?;
    let reason = rest.iter().position(|b| !matches!(b, b' '..=b'~'))?;
    rest[reason..].starts_with(b"\r\n").then_some(StatusLine {
        status,
        version,
        len: 9 + 3 + 1 + reason + 2,
    })
}

/// The fields after a first line of so many bytes, up to the empty line at their end, with that.
fn block(bytes: &[u8], line: usize) -> Option<&[u8]> {
    // Without a field the first line's end is the beginning of the end.
    let from = line - 2;
    let mut ends = memchr::memchr_iter(b'\n', &bytes[from..]).map(|at| from + at);
    let end = ends.find(|end| bytes[end - 1] == b'\r' && bytes[end + 1..].starts_with(b"\r\n"))?;
    Some(&bytes[line..end + 3])
}

/// Whether `block` is the last of the first `length` of `bytes`, as httparse read them: a bare LF may end a header, too.
fn ends_at(bytes: &[u8], block: &[u8], length: usize) -> bool {
    block.as_ptr_range().end.addr() == bytes.as_ptr().addr() + length
}

impl RequestHead {
    /// From the parts of the request line and the fields.
    pub(super) fn new(method: &[u8], target: &[u8], version: HttpVersion, fields: &Fields<&[u8]>) -> Self {
        let mut anomalies = fields.anomalies;
        if !target.iter().all(u8::is_ascii_graphic) {
            let bad = target.iter().any(|b| b.is_ascii() && !b.is_ascii_graphic());
            anomalies.add_if(bad, Anomaly::BadTarget);
            anomalies.add_if(!target.is_ascii(), Anomaly::NonAsciiTarget);
        }
        let (authority, path) = split_target(target);
        // RFC 9112 section 3.2: the target counts, in authority form too.
        let named = if method == b"CONNECT" { Some(target) } else { authority };
        let host = named.or(fields.host);
        if let (Some(named), Some(host)) = (named, fields.host) {
            anomalies.add_if(!same_host(named, host), Anomaly::HostMismatch);
        }
        if fields.host.is_none() && version == HttpVersion::Http11 {
            anomalies.add(Anomaly::MissingHost);
        }
        let framing = request_framing(version, fields, &mut anomalies);
        let has_body = matches!(framing, Framing::Length(_) | Framing::Chunked);
        let meaningless = matches!(method, b"GET" | b"HEAD" | b"DELETE" | b"CONNECT" | b"TRACE");
        anomalies.add_if(has_body && meaningless, Anomaly::UnusualBody);
        let shown = printable(target, MAX_TARGET);
        // Where nothing had to be changed the path is the beginning of it.
        let as_it_is = (shown.as_bytes() == target && target.starts_with(path))
            .then(|| shown.get(..path.len()))
            .flatten();
        let path = as_it_is.map_or_else(|| printable(path, MAX_TARGET), CompactString::from);
        Self {
            request: Box::new(Request {
                method: printable(method, MAX_TEXT),
                target: shown,
                path,
                endpoint: None,
                documented: None,
                host: host.map(|v| printable(v, MAX_TEXT)),
                user_agent: fields.user_agent.map(|v| printable(v, MAX_TEXT)),
                agent_class: None,
                content_type: fields.content_type.map(|v| printable(v, MAX_TEXT)),
                ..Request::default()
            }),
            version,
            method: match method {
                b"HEAD" => Method::Head,
                b"CONNECT" => Method::Connect,
                _ => Method::Other,
            },
            framing,
            length: fields.length,
            coding: fields.coding,
            persists: persists(version, fields),
            taken: Taken::default(),
            anomalies,
        }
    }
}

impl ResponseHead {
    /// From the status line and the fields.
    pub(super) fn new(status: u16, version: HttpVersion, fields: &Fields<&[u8]>) -> Self {
        let mut anomalies = fields.anomalies;
        if fields.coding != Coding::None {
            if fields.length.is_some() {
                anomalies.add(Anomaly::BothLengths);
            }
            if version == HttpVersion::Http10 {
                anomalies.add(Anomaly::EncodingInHttp10);
            }
        }
        let announces = fields.coding != Coding::None || fields.length.is_some_and(|length| length > 0);
        anomalies.add_if(
            announces && matches!(status, 100..200 | 204),
            Anomaly::LengthWithoutBody,
        );
        Self {
            status,
            version,
            content_type: fields.content_type.map(|v| printable(v, MAX_TEXT)),
            length: fields.length,
            coding: fields.coding,
            upgrade: fields.upgrade,
            location: fields
                .location
                .filter(|_| (300..400).contains(&status))
                .map(|v| printable(v, MAX_TARGET)),
            persists: persists(version, fields),
            anomalies,
        }
    }

    /// An interim response: the final one follows (RFC 9110 section 15.2). 101 is final for HTTP/1.1.
    pub(super) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// What follows it, as the answer to `method` (RFC 9112 section 6.3); `None` where the request was not seen.
    pub(super) fn framing(&self, method: Option<Method>) -> Framing {
        match (self.status, method) {
            (101, _) => Framing::Tunnel(self.upgrade),
            (200..300, Some(Method::Connect)) => Framing::Tunnel(None),
            (_, Some(Method::Head)) | (100..200 | 204 | 304, _) => Framing::Nothing,
            (_, Some(Method::Other | Method::Connect) | None) => match (self.coding, self.length, method) {
                (Coding::Chunked, _, _) => Framing::Chunked,
                (Coding::None, Some(0), _) => Framing::Nothing,
                (Coding::None, Some(length), _) => Framing::Length(length),
                // It may have answered HEAD, so that nothing follows.
                (Coding::None | Coding::Other, _, None) => Framing::Unknown,
                (Coding::None | Coding::Other, _, Some(_)) => Framing::UntilClose,
            },
        }
    }
}

/// RFC 9112 section 9.3.
const fn persists(version: HttpVersion, fields: &Fields<&[u8]>) -> bool {
    match version {
        HttpVersion::Http10 => fields.keep_alive && !fields.close,
        HttpVersion::Http11 | HttpVersion::Http2 => !fields.close,
    }
}

/// RFC 9112 section 6.3 for requests.
fn request_framing(version: HttpVersion, fields: &Fields<&[u8]>, anomalies: &mut Anomalies) -> Framing {
    if fields.coding != Coding::None {
        if fields.length.is_some() {
            anomalies.add(Anomaly::BothLengths);
        }
        if version == HttpVersion::Http10 {
            anomalies.add(Anomaly::EncodingInHttp10);
        }
    }
    match (fields.coding, fields.length) {
        (Coding::Chunked, _) => Framing::Chunked,
        (Coding::Other, _) => {
            anomalies.add(Anomaly::UnchunkedRequest);
            Framing::Unknown
        }
        (Coding::None, None) if anomalies.contains(Anomaly::BadLength) => Framing::Unknown,
        (Coding::None, Some(length)) if length > 0 => Framing::Length(length),
        (Coding::None, Some(_) | None) => Framing::Nothing,
    }
}

fn gather<'a>(bytes: &[u8], length: usize, lines: &[httparse::Header<'a>]) -> Fields<&'a [u8]> {
    let mut fields = Fields::default();
    for line in lines {
        fields.add(line.name.as_bytes(), line.value);
        let at = line.name.as_ptr().addr() - bytes.as_ptr().addr();
        if at >= 2 && bytes[at - 2] != b'\r' {
            fields.anomalies.add(Anomaly::BareLf);
        }
    }
    if !bytes[..length].ends_with(b"\r\n\r\n") {
        fields.anomalies.add(Anomaly::BareLf);
    }
    fields
}

const fn version(minor: u8) -> HttpVersion {
    match minor {
        0 => HttpVersion::Http10,
        _ => HttpVersion::Http11,
    }
}

/// Authority and path of a target in any of its forms (RFC 9112 section 3.2).
fn split_target(target: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let path = |from: &'_ [u8]| from.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(from.len());
    if target.first() == Some(&b'/') {
        return (None, &target[..path(target)]);
    }
    let Some(colon) = target.windows(3).take(16).position(|w| w == b"://") else {
        // Asterisk and authority form have no path.
        return (None, &target[..path(target)]);
    };
    let rest = &target[colon + 3..];
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    // User information is a secret, and no part of the name.
    let authority = authority.rsplit(|b| *b == b'@').next().unwrap_or(authority);
    (Some(authority), &rest[..path(rest)])
}

/// Whether two authorities name one host: in any case, with the port where both have one (RFC 3986 section 6.2.3 makes a
/// default port equal to none, whatever the scheme).
fn same_host(a: &[u8], b: &[u8]) -> bool {
    let ((a, a_port), (b, b_port)) = (split_port(a), split_port(b));
    a.eq_ignore_ascii_case(b) && (a_port.is_empty() || b_port.is_empty() || a_port == b_port)
}

/// Host and port; the colons of an IPv6 address are within brackets.
fn split_port(authority: &[u8]) -> (&[u8], &[u8]) {
    match authority.iter().rposition(|b| matches!(b, b':' | b']')) {
        Some(at) if authority[at] == b':' => (&authority[..at], &authority[at + 1..]),
        Some(_) | None => (authority, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared() {
        for (a, b) in [("h", "H"), ("h:80", "h"), ("[::1]:80", "[::1]"), ("h:1", "h:1")] {
            assert!(same_host(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
        for (a, b) in [("h", "g"), ("h:80", "h:81"), ("[::1]", "[::2]"), ("h", "h.")] {
            assert!(!same_host(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
    }

    #[track_caller]
    fn check(target: &str, authority: Option<&str>, path: &str) {
        let (a, p) = split_target(target.as_bytes());
        assert_eq!((a, p), (authority.map(str::as_bytes), path.as_bytes()));
    }

    #[test]
    fn targets_in_all_forms() {
        check("/a/b?c=d", None, "/a/b");
        check("http://user:pw@example.org:8080/a?b", Some("example.org:8080"), "/a");
        check("http://example.org", Some("example.org"), "");
        check("*", None, "*");
        check("example.org:443", None, "example.org:443");
    }
}
