//! The header fields that matter for framing and for records, gathered as they are met. No other value is kept.

use super::anomaly::{Anomalies, Anomaly};
use crate::protocol::identify::is_tchar;
use crate::record::App;

/// What `Transfer-Encoding` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    /// Nothing.
    #[default]
    None,
    /// `chunked` is the last coding.
    Chunked,
    /// Another coding is the last one.
    Other,
}

/// Fields of one header, whose values are `V`: bytes, or where these are.
#[derive(Clone, Debug)]
pub(super) struct Fields<V> {
    /// First `Host`.
    pub host: Option<V>,
    /// First `User-Agent`.
    pub user_agent: Option<V>,
    /// First `Content-Type`.
    pub content_type: Option<V>,
    /// First `Location`.
    pub location: Option<V>,
    /// First readable `Content-Length`.
    pub length: Option<u64>,
    /// `Transfer-Encoding`, all of them.
    pub coding: Coding,
    /// What `Upgrade` offers or grants.
    pub upgrade: Option<App>,
    /// `Connection: close`.
    pub close: bool,
    /// `Connection: keep-alive`.
    pub keep_alive: bool,
    /// Oddities among them.
    pub anomalies: Anomalies,
}

impl<V> Default for Fields<V> {
    fn default() -> Self {
        Self {
            host: None,
            user_agent: None,
            content_type: None,
            location: None,
            length: None,
            coding: Coding::None,
            upgrade: None,
            close: false,
            keep_alive: false,
            anomalies: Anomalies::default(),
        }
    }
}

impl<V> Fields<V> {
    /// The same with other values.
    pub(super) fn map<'a, W>(&'a self, to: impl Fn(&'a V) -> W) -> Fields<W> {
        let Self {
            host,
            user_agent,
            content_type,
            location,
            length,
            coding,
            upgrade,
            close,
            keep_alive,
            anomalies,
        } = self;
        Fields {
            host: host.as_ref().map(&to),
            user_agent: user_agent.as_ref().map(&to),
            content_type: content_type.as_ref().map(&to),
            location: location.as_ref().map(&to),
            length: *length,
            coding: *coding,
            upgrade: *upgrade,
            close: *close,
            keep_alive: *keep_alive,
            anomalies: *anomalies,
        }
    }
}

impl<'a> Fields<&'a [u8]> {
    /// One field; white space around the value is gone already.
    pub(super) fn add(&mut self, name: &[u8], value: &'a [u8]) {
        match name.len() {
            4 if is(name, b"Host") => {
                if self.host.is_some() {
                    self.anomalies.add(Anomaly::RepeatedHost);
                } else {
                    self.host = Some(value);
                    self.anomalies.add_if(!is_host(value), Anomaly::BadHost);
                }
            }
            7 if is(name, b"Upgrade") => self.upgrade = self.upgrade.or_else(|| upgrade(value)),
            10 if is(name, b"Connection") => self.add_connection(value),
            8 if is(name, b"Location") => {
                self.location.get_or_insert(value);
            }
            10 if is(name, b"User-Agent") => {
                self.user_agent.get_or_insert(value);
            }
            12 if is(name, b"Content-Type") => {
                self.content_type.get_or_insert(value);
            }
            14 if is(name, b"Content-Length") => self.add_length(value),
            17 if is(name, b"Transfer-Encoding") => self.add_coding(value),
            14 => self
                .anomalies
                .add_if(looks_like(name, b"content-length"), Anomaly::LookalikeField),
            17 => self
                .anomalies
                .add_if(looks_like(name, b"transfer-encoding"), Anomaly::LookalikeField),
            _ => {}
        }
    }

    /// RFC 9112 section 6.3 (5): one number, or a list of equal ones.
    fn add_length(&mut self, value: &[u8]) {
        let before = self.length;
        let mut first = before;
        for item in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            let Some(length) = digits(item) else {
                self.anomalies.add(Anomaly::BadLength);
                continue;
            };
            match first {
                None => first = Some(length),
                Some(earlier) if earlier == length => self.anomalies.add(Anomaly::RepeatedLength),
                Some(_) => self.anomalies.add(Anomaly::DifferingLengths),
            }
        }
        self.length = first;
    }

    /// RFC 9112 section 9.1.
    fn add_connection(&mut self, value: &[u8]) {
        // What nearly all say.
        if value.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
            return;
        }
        for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// RFC 9112 section 6.1 and 7.
    fn add_coding(&mut self, value: &[u8]) {
        const CODINGS: [&[u8]; 6] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress", b"identity"];
        for item in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            if item.is_empty() {
                // An element that is to be passed over (RFC 9110 section 5.6.1.2), and that some read as another coding.
                self.anomalies.add(Anomaly::OddTransferEncoding);
            } else if item.eq_ignore_ascii_case(b"chunked") {
                if self.coding == Coding::Chunked {
                    self.anomalies.add(Anomaly::OddTransferEncoding);
                }
                self.coding = Coding::Chunked;
            } else {
                if !CODINGS.iter().any(|known| item.eq_ignore_ascii_case(known)) || self.coding == Coding::Chunked {
                    self.anomalies.add(Anomaly::OddTransferEncoding);
                }
                self.coding = Coding::Other;
            }
        }
    }
}

/// Whether a field has this name; as most write it, without a look at each letter.
#[inline]
fn is(name: &[u8], usual: &[u8]) -> bool {
    name == usual || name.eq_ignore_ascii_case(usual)
}

/// Only digits: no sign, no white space, at least one, within 64 bits.
fn digits(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |sum, b| {
        let digit = (*b as char).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Whether a name is `of` but for signs in the place of its letters' dashes.
fn looks_like(name: &[u8], of: &[u8]) -> bool {
    name.iter()
        .zip(of)
        .all(|(a, b)| a.eq_ignore_ascii_case(b) || (*b == b'-' && !a.is_ascii_alphanumeric()))
}

/// RFC 3986 section 3.2.2 and 3.2.3, by characters: what a host and port are made of. An empty one is allowed (RFC 9112
/// section 3.2).
fn is_host(value: &[u8]) -> bool {
    /// By byte, since every request has one.
    const OF_HOST: [bool; 256] = {
        let mut of_host = [false; 256];
        let mut b = b'!';
        while b <= b'~' {
            of_host[b as usize] = !matches!(
                b,
                b'"' | b'#' | b'/' | b'<' | b'>' | b'?' | b'@' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
            );
            b += 1;
        }
        of_host
    };
    value.iter().all(|b| OF_HOST[usize::from(*b)])
}

/// RFC 9110 section 7.8: a list of protocol names, the first that is known.
fn upgrade(value: &[u8]) -> Option<App> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).find_map(|name| {
        if name.eq_ignore_ascii_case(b"websocket") {
            Some(App::Websocket)
        } else if name.eq_ignore_ascii_case(b"h2c") {
            Some(App::Http2)
        } else {
            None
        }
    })
}

/// Whether a field name or method is a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| is_tchar(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[(&str, &str)], length: Option<u64>, coding: Coding, anomalies: &[&str]) {
        let mut all = Fields::default();
        for (name, value) in fields {
            all.add(name.as_bytes(), value.as_bytes());
        }
        assert_eq!((all.length, all.coding), (length, coding));
        assert_eq!(all.anomalies.names(), anomalies);
    }

    #[test]
    fn lengths() {
        check(&[("Content-Length", "5")], Some(5), Coding::None, &[]);
        check(
            &[("content-length", "5, 5")],
            Some(5),
            Coding::None,
            &["repeated_length"],
        );
        check(
            &[("Content-Length", "5"), ("Content-Length", "6")],
            Some(5),
            Coding::None,
            &["differing_lengths"],
        );
        for bad in ["", "+5", "-1", "0x10", "5 5", "99999999999999999999"] {
            check(&[("Content-Length", bad)], None, Coding::None, &["bad_length"]);
        }
    }

    #[test]
    fn codings() {
        check(&[("Transfer-Encoding", "Chunked")], None, Coding::Chunked, &[]);
        check(&[("Transfer-Encoding", "gzip, chunked")], None, Coding::Chunked, &[]);
        check(&[("Transfer-Encoding", "gzip")], None, Coding::Other, &[]);
        check(
            &[("Transfer-Encoding", "chunked, gzip")],
            None,
            Coding::Other,
            &["odd_transfer_encoding"],
        );
        check(
            &[("Transfer-Encoding", "xchunked")],
            None,
            Coding::Other,
            &["odd_transfer_encoding"],
        );
        let empty = [("Transfer-Encoding", "chunked,")];
        check(&empty, None, Coding::Chunked, &["odd_transfer_encoding"]);
        check(
            &[("Transfer-Encoding", "")],
            None,
            Coding::None,
            &["odd_transfer_encoding"],
        );
        let twice = [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")];
        check(&twice, None, Coding::Chunked, &["odd_transfer_encoding"]);
    }

    #[test]
    fn names_that_look_like_framing() {
        for name in ["Content_Length", "content.length", "TRANSFER_ENCODING"] {
            check(&[(name, "5")], None, Coding::None, &["lookalike_field"]);
        }
        for name in [
            "Content-Lengths",
            "X-Content-Lengt",
            "Contentxlength",
            "Accept-Encodings_",
        ] {
            check(&[(name, "5")], None, Coding::None, &[]);
        }
    }

    #[test]
    fn hosts() {
        for good in ["h", "example.org:80", "[::1]:8080", "a_b", "192.0.2.1", ""] {
            check(&[("Host", good)], None, Coding::None, &[]);
        }
        for bad in ["a b", "a/b", "user@h", "a\\b", "h\u{e9}", "<h>", "a\u{0}"] {
            check(&[("Host", bad)], None, Coding::None, &["bad_host"]);
        }
    }
}
