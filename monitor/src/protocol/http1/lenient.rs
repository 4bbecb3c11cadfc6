//! Headers that httparse refuses, and headers that were cut: what is there is read, and what is odd is named.
//!
//! Nothing is ever refused here. The framing found is what the fields say when read as generously as the most generous
//! server would, so that the connection stays in step; the anomaly tells that others may disagree.

use std::borrow::Cow;

use super::anomaly::{Anomalies, Anomaly};
use super::fields::{Fields, is_token};
use super::head::{MAX_FIELDS, RequestHead, ResponseHead};
use crate::protocol::taps::Taps;
use crate::record::HttpVersion;

/// Most header lines looked at; what comes after them frames nothing. Ten times what httparse is given room for.
const MAX_KEPT: usize = 10 * MAX_FIELDS;

/// Reads a request header; `whole` when it was not cut.
pub(super) fn request(bytes: &[u8], whole: bool, taps: &Taps) -> RequestHead {
    let mut anomalies = Anomalies::default();
    let (line, rest, line_whole) = first_line(bytes);
    let words: Vec<&[u8]> = line
        .split(|b| matches!(b, b' ' | b'\t'))
        .filter(|w| !w.is_empty())
        .collect();
    let (method, target, version) = match words[..] {
        [method, ref rest @ ..] if rest.len() > 1 && rest.iter().any(|word| is_version(word)) => {
            // The last, where there are several.
            let version = rest.iter().rfind(|word| is_version(word)).unwrap_or(&method);
            let from = offset(line, method) + method.len();
            (method, line[from..offset(line, version)].trim_ascii(), Some(*version))
        }
        [method, ref rest @ ..] => {
            let from = offset(line, method) + method.len();
            let end = match rest {
                // The beginning of a version that was cut off.
                [_, .., last] if !line_whole && b"HTTP/".starts_with(last) => offset(line, last),
                _ => line.len(),
            };
            (method, line[from..end].trim_ascii(), None)
        }
        [] => (&b""[..], &b""[..], None),
    };
    // The version may be the word that is cut off.
    let old = version.is_none() && line_whole;
    if line_whole {
        let shape = match version {
            Some(version) => [method, b" ", target, b" ", version].concat(),
            None => [method, b" ", target].concat(),
        };
        anomalies.add_if(
            shape != line || !is_token(method) || target.is_empty(),
            Anomaly::BadRequestLine,
        );
    }
    first_line_oddities(bytes, line, line_whole, &mut anomalies);
    let version = if old {
        anomalies.add(Anomaly::Http09);
        HttpVersion::Http10
    } else {
        http_version(version, line_whole, &mut anomalies)
    };
    let lines = field_lines(rest, whole, &mut anomalies);
    let fields = gather(&lines, anomalies);
    let mut head = RequestHead::new(method, target, version, &fields);
    head.taken = taps.take(
        &head.request,
        lines.iter().map(|(name, value)| (*name, &**value)),
        whole,
    );
    if !whole {
        head.anomalies.remove(Anomaly::MissingHost);
    }
    head
}

/// Reads a response header; `whole` when it was not cut.
pub(super) fn response(bytes: &[u8], whole: bool) -> ResponseHead {
    let mut anomalies = Anomalies::default();
    let (line, rest, line_whole) = first_line(bytes);
    let (version, rest_of_line) = word(line);
    let (code, reason) = word(rest_of_line);
    // As many clients read it: the digits that it begins with, however many.
    let digits = code.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = std::str::from_utf8(&code[..digits]).ok();
    let status = number.and_then(|number| number.parse().ok()).unwrap_or(0);
    let shape = [version, b" ", code].concat();
    anomalies.add_if(
        line_whole && (status == 0 || (digits, code.len()) != (3, 3) || !line.starts_with(&shape)),
        Anomaly::BadStatusLine,
    );
    first_line_oddities(bytes, line, line_whole, &mut anomalies);
    anomalies.add_if(
        reason
            .iter()
            .any(|b| b.is_ascii_control() && !matches!(b, b'\t' | b'\r')),
        Anomaly::ControlBytes,
    );
    let version = http_version(Some(version), line_whole, &mut anomalies);
    let lines = field_lines(rest, whole, &mut anomalies);
    let fields = gather(&lines, anomalies);
    ResponseHead::new(status, version, &fields)
}

/// The first word of a line, and what follows it; white space before it is passed over.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_start();
    line.split_at(
        line.iter()
            .position(|b| matches!(b, b' ' | b'\t'))
            .unwrap_or(line.len()),
    )
}

/// The first line without its end, what follows, and whether its end was there.
fn first_line(bytes: &[u8]) -> (&[u8], &[u8], bool) {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(end) => {
            let line = &bytes[..end];
            (line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..], true)
        }
        None => (bytes, &[], false),
    }
}

/// Whether a word is a protocol and its version, whatever they are.
fn is_version(word: &[u8]) -> bool {
    word.iter().position(|b| *b == b'/').is_some_and(|slash| {
        let (name, number) = word.split_at(slash);
        name.eq_ignore_ascii_case(b"HTTP")
            || (is_token(name) && number[1..].iter().all(|b| b.is_ascii_digit() || *b == b'.'))
    })
}

/// What is odd in a first line of any kind.
fn first_line_oddities(bytes: &[u8], line: &[u8], whole: bool, anomalies: &mut Anomalies) {
    // Of a line that was cut, a last CR may be half of its end.
    let inner = if whole {
        line
    } else {
        line.strip_suffix(b"\r").unwrap_or(line)
    };
    anomalies.add_if(inner.contains(&b'\r'), Anomaly::BareCr);
    anomalies.add_if(line.contains(&0), Anomaly::NulByte);
    anomalies.add_if(whole && bytes.get(line.len()) == Some(&b'\n'), Anomaly::BareLf);
}

fn http_version(word: Option<&[u8]>, line_whole: bool, anomalies: &mut Anomalies) -> HttpVersion {
    match word {
        Some(b"HTTP/1.0") => HttpVersion::Http10,
        Some(b"HTTP/1.1") => HttpVersion::Http11,
        Some(_) | None => {
            // Of a line that was cut, the version may be, too.
            let whole = line_whole || word.is_some_and(|word| word.len() >= b"HTTP/1.1".len());
            anomalies.add_if(whole, Anomaly::BadVersion);
            HttpVersion::Http11
        }
    }
}

type Line<'a> = (&'a [u8], Cow<'a, [u8]>);

/// Names and values; a cut last line is left out.
fn field_lines<'a>(mut rest: &'a [u8], whole: bool, anomalies: &mut Anomalies) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        let line = line.strip_suffix(b"\r").unwrap_or_else(|| {
            anomalies.add(Anomaly::BareLf);
            line
        });
        if line.contains(&b'\r') {
            anomalies.add(Anomaly::BareCr);
        }
        if line.iter().any(|b| b.is_ascii_control() && !matches!(b, b'\t' | b'\r')) {
            anomalies.add(Anomaly::ControlBytes);
        }
        anomalies.add_if(line.contains(&0), Anomaly::NulByte);
        match line {
            [] => break,
            [b' ' | b'\t', folded @ ..] => {
                let Some((_, value)) = lines.last_mut() else {
                    anomalies.add(Anomaly::SpaceBeforeFields);
                    continue;
                };
                anomalies.add(Anomaly::ObsFold);
                let value = value.to_mut();
                if !value.is_empty() {
                    value.push(b' ');
                }
                value.extend_from_slice(folded.trim_ascii());
            }
            line => {
                let Some(colon) = line.iter().position(|b| *b == b':') else {
                    anomalies.add(Anomaly::BadFieldName);
                    continue;
                };
                let name = line[..colon].trim_ascii_end();
                if name.len() != colon {
                    anomalies.add(Anomaly::SpaceBeforeColon);
                }
                if !is_token(name) {
                    anomalies.add(Anomaly::BadFieldName);
                }
                lines.push((name, Cow::Borrowed(line[colon + 1..].trim_ascii())));
            }
        }
        if lines.len() > MAX_FIELDS {
            anomalies.add(Anomaly::ManyFields);
        }
        if lines.len() >= MAX_KEPT {
            return lines;
        }
    }
    // What there is of a line that was cut; its last CR may be half of its end.
    let cut = rest.strip_suffix(b"\r").unwrap_or(rest);
    anomalies.add_if(cut.contains(&b'\r'), Anomaly::BareCr);
    anomalies.add_if(cut.contains(&0), Anomaly::NulByte);
    if cut.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
        anomalies.add(if lines.is_empty() {
            Anomaly::SpaceBeforeFields
        } else {
            Anomaly::ObsFold
        });
    }
    anomalies.add_if(whole && !rest.is_empty(), Anomaly::BadFieldName);
    lines
}

fn gather<'a>(lines: &'a [Line<'a>], anomalies: Anomalies) -> Fields<&'a [u8]> {
    let mut fields = Fields {
        anomalies,
        ..Fields::default()
    };
    for (name, value) in lines {
        fields.add(name, value);
    }
    fields
}

/// Where `part`, a slice of `of`, begins.
fn offset(of: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - of.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::http1::fields::Coding;

    #[track_caller]
    fn check(header: &str, target: &str, anomalies: &[&str]) -> RequestHead {
        let head = request(header.as_bytes(), true, &Taps::default());
        assert_eq!(head.request.target, target);
        assert_eq!(head.anomalies.names(), anomalies);
        head
    }

    #[test]
    fn names_what_is_odd() {
        check("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "/a b", &["bad_target"]);
        check("GET  /a HTTP/1.1\r\nHost: h\r\n\r\n", "/a", &["bad_request_line"]);
        for version in ["HTTP/1.2", "http/1.1", "HTTP/", "HTTP/11", "ICE/1.0"] {
            check(&format!("GET /a {version}\r\nHost: h\r\n\r\n"), "/a", &["bad_version"]);
        }
        check("GET /a\r\nHost: h\r\n\r\n", "/a", &["http09"]);
        check("GET\t/a\tHTTP/1.1\r\nHost: h\r\n\r\n", "/a", &["bad_request_line"]);
        check(
            "GET /a HTTP/1.1\nHost: h\r\nX\0: a\r\n\r\n",
            "/a",
            &["bare_lf", "bad_field_name", "control_bytes", "nul_byte"],
        );
        check(
            "GET /a HTTP/1.1\r\n Host: g\r\nHost: h\r\n\r\n",
            "/a",
            &["space_before_fields"],
        );
        check(
            "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n",
            "/a\\x00b",
            &["nul_byte", "bad_target"],
        );
        check("GET /a HTTP/1.1\r\nHost : h\r\n\r\n", "/a", &["space_before_colon"]);
        check(
            "GET /a HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
            "/a",
            &["control_bytes", "nul_byte"],
        );
        check(
            "GET /a HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n",
            "/a",
            &["bad_field_name"],
        );
        check(
            "GET /a HTTP/1.1\r\nHost: h\r\nX: a\rb\n\r\n",
            "/a",
            &["bare_lf", "bare_cr"],
        );
    }

    #[test]
    fn folded_coding_still_frames() {
        let head = check(
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
            "/a",
            &["obs_fold"],
        );
        assert_eq!(head.coding, Coding::Chunked);
    }

    #[test]
    fn a_cut_header_gives_what_it_has() {
        let head = request(b"GET /a HTTP/1.1\r\nHost: h\r\nCookie: abc", false, &Taps::default());
        assert_eq!(
            (head.request.method.as_str(), head.request.host.as_deref()),
            ("GET", Some("h"))
        );
        assert!(head.anomalies.is_empty());
        let head = request(b"GET /very/long", false, &Taps::default());
        assert_eq!(head.request.target, "/very/long");
        assert!(head.anomalies.is_empty());
        assert_eq!(response(b"HTTP/1.1 200 OK\r\nContent-Le", false).status, 200);
    }

    proptest! {
        #[test]
        fn reads_anything(bytes: Vec<u8>, whole: bool) {
            let _ = request(&bytes, whole, &Taps::default());
            let _ = response(&bytes, whole);
        }
    }
}
