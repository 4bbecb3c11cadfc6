//! The fields of one header block that matter for framing and for records.

use compact_str::CompactString;

use super::anomaly::{Anomalies, Anomaly};
use super::hpack::Field;
use crate::protocol::identify::is_tchar;
use crate::protocol::text::{MAX_TARGET, MAX_TEXT, printable};

/// Fields of one block; text is printable.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// `:method`.
    pub method: Option<CompactString>,
    /// `:path`, with query.
    pub target: Option<CompactString>,
    /// `:path` up to its query.
    pub path: Option<CompactString>,
    /// `:authority`.
    pub authority: Option<CompactString>,
    /// `:protocol` (RFC 8441).
    pub protocol: Option<CompactString>,
    /// `:status`; 0 where it is no number of three digits.
    pub status: Option<u16>,
    /// First `host`.
    pub host: Option<CompactString>,
    /// First `user-agent`.
    pub user_agent: Option<CompactString>,
    /// First `content-type`.
    pub content_type: Option<CompactString>,
    /// `location`.
    pub location: Option<CompactString>,
    /// First readable `content-length`.
    pub length: Option<u64>,
    /// First readable `grpc-status`.
    pub grpc_status: Option<u16>,
    /// Oddities.
    pub anomalies: Anomalies,
    /// Some fields refer to what was not seen.
    pub unknown: bool,
    scheme: bool,
    /// An ordinary field came.
    ordinary: bool,
}

impl Fields {
    /// Takes a field.
    pub(super) fn add(&mut self, field: Field<'_>) {
        let (Some(name), Some(value)) = (field.name, field.value) else {
            self.unknown = true;
            return;
        };
        if name.first() == Some(&b':') {
            return self.add_pseudo(name, value);
        }
        self.ordinary = true;
        if !name.iter().all(|b| is_tchar(*b)) || name.is_empty() {
            self.anomalies.add(Anomaly::BadFieldName);
        } else if name.iter().any(u8::is_ascii_uppercase) {
            self.anomalies.add(Anomaly::UppercaseFieldName);
        }
        self.check_value(value);
        match name {
            b"host" => keep(&mut self.host, value),
            b"user-agent" => keep(&mut self.user_agent, value),
            b"content-type" => keep(&mut self.content_type, value),
            b"location" if self.location.is_none() => self.location = Some(printable(value, MAX_TARGET)),
            b"content-length" => self.add_length(value),
            b"grpc-status" => self.grpc_status = self.grpc_status.or_else(|| digits(value)?.try_into().ok()),
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
                self.anomalies.add(Anomaly::ConnectionField);
            }
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => self.anomalies.add(Anomaly::ConnectionField),
            _ => {}
        }
    }

    /// Whether this is a request; what speaks against it as one goes into the anomalies.
    pub(super) fn check_request(&mut self) {
        if self.status.is_some() {
            self.anomalies.add(Anomaly::UnknownPseudoHeader);
        }
        if self.unknown {
            return;
        }
        // CONNECT has neither scheme nor path, unless extended (RFC 9113 section 8.5, RFC 8441 section 4).
        let connects = self.method.as_deref() == Some("CONNECT") && self.protocol.is_none();
        let whole = self.method.is_some() && (connects || (self.scheme && self.target.is_some()));
        if !whole {
            self.anomalies.add(Anomaly::MissingPseudoHeader);
        }
        if let (Some(authority), Some(host)) = (&self.authority, &self.host)
            && !authority.eq_ignore_ascii_case(host)
        {
            self.anomalies.add(Anomaly::HostMismatch);
        }
    }

    /// Likewise for a response.
    pub(super) fn check_response(&mut self) {
        if self.method.is_some() || self.target.is_some() || self.authority.is_some() || self.scheme {
            self.anomalies.add(Anomaly::UnknownPseudoHeader);
        }
        if self.status.is_none() && !self.unknown {
            self.anomalies.add(Anomaly::MissingPseudoHeader);
        }
    }

    /// Whether it holds any pseudo-header field.
    pub(super) fn has_pseudo(&self) -> bool {
        self.method.is_some()
            || self.target.is_some()
            || self.authority.is_some()
            || self.status.is_some()
            || self.scheme
    }

    fn add_pseudo(&mut self, name: &[u8], value: &[u8]) {
        if self.ordinary {
            self.anomalies.add(Anomaly::LatePseudoHeader);
        }
        self.check_value(value);
        let repeated = match name {
            b":method" => replace(&mut self.method, value),
            b":authority" => replace(&mut self.authority, value),
            b":protocol" => replace(&mut self.protocol, value),
            b":path" => {
                if !value.iter().all(u8::is_ascii_graphic) {
                    let bad = value.iter().any(|b| b.is_ascii() && !b.is_ascii_graphic());
                    let above = !value.is_ascii();
                    for (holds, anomaly) in [(bad, Anomaly::BadTarget), (above, Anomaly::NonAsciiTarget)] {
                        if holds {
                            self.anomalies.add(anomaly);
                        }
                    }
                }
                let end = value
                    .iter()
                    .position(|b| matches!(b, b'?' | b'#'))
                    .unwrap_or(value.len());
                let before = self.target.is_some();
                if !before {
                    self.target = Some(printable(value, MAX_TARGET));
                    self.path = Some(printable(&value[..end], MAX_TARGET));
                }
                before
            }
            b":scheme" => std::mem::replace(&mut self.scheme, true),
            b":status" => {
                let status = digits(value).filter(|_| value.len() == 3).map_or(0, |n| n as u16);
                let before = self.status.is_some();
                self.status.get_or_insert(status);
                before
            }
            _ => {
                self.anomalies.add(Anomaly::UnknownPseudoHeader);
                false
            }
        };
        if repeated {
            self.anomalies.add(Anomaly::RepeatedPseudoHeader);
        }
    }

    fn check_value(&mut self, value: &[u8]) {
        let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
        // No early exit, so that it is done in vectors.
        let control = value.iter().fold(false, |odd, b| odd | matches!(b, 0 | b'\r' | b'\n'));
        if control || blank(value.first()) || blank(value.last()) {
            self.anomalies.add(Anomaly::ControlBytes);
        }
    }

    fn add_length(&mut self, value: &[u8]) {
        match (digits(value), self.length) {
            (None, _) => self.anomalies.add(Anomaly::BadLength),
            (Some(length), Some(before)) if length != before => self.anomalies.add(Anomaly::DifferingLengths),
            (Some(length), _) => self.length = Some(length),
        }
    }
}

/// The first value stays.
fn keep(field: &mut Option<CompactString>, value: &[u8]) {
    if field.is_none() {
        *field = Some(printable(value, MAX_TEXT));
    }
}

/// The first value stays; true where there was one.
fn replace(field: &mut Option<CompactString>, value: &[u8]) -> bool {
    let before = field.is_some();
    keep(field, value);
    before
}

/// Only digits: at least one, within 64 bits.
fn digits(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |sum, b| {
        let digit = (*b as char).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(fields: &[(&str, &str)]) -> Fields {
        let mut all = Fields::default();
        for (name, value) in fields {
            all.add(Field {
                name: Some(name.as_bytes()),
                value: Some(value.as_bytes()),
            });
        }
        all
    }

    const GET: [(&str, &str); 4] = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/a?b"),
        (":authority", "h"),
    ];

    #[track_caller]
    fn check(more: &[(&str, &str)], anomalies: &[&str]) {
        let mut fields = all(&[&GET[..], more].concat());
        fields.check_request();
        assert_eq!(fields.anomalies.names(), anomalies);
        assert_eq!(fields.target.as_deref(), Some("/a?b"));
        assert_eq!(fields.path.as_deref(), Some("/a"));
    }

    #[test]
    fn requests() {
        check(&[("user-agent", "x"), ("te", "trailers")], &[]);
        check(&[("User-Agent", "x")], &["uppercase_field_name"]);
        check(&[("connection", "close")], &["connection_field"]);
        check(&[("te", "gzip")], &["connection_field"]);
        check(&[("a b", "c")], &["bad_field_name"]);
        check(&[("a", "b\r\nc: d")], &["control_bytes"]);
        check(&[(":path", "/other")], &["repeated_pseudo_header"]);
        check(
            &[("a", "b"), (":x", "")],
            &["late_pseudo_header", "unknown_pseudo_header"],
        );
        check(&[("host", "other")], &["host_mismatch"]);
        check(&[("host", "H")], &[]);
        check(&[("content-length", "5"), ("content-length", "5")], &[]);
        check(
            &[("content-length", "5"), ("content-length", "6")],
            &["differing_lengths"],
        );
        check(&[("content-length", "+5")], &["bad_length"]);
    }

    #[test]
    fn what_a_message_must_have() {
        #[track_caller]
        fn request(fields: &[(&str, &str)], anomalies: &[&str]) {
            let mut fields = all(fields);
            fields.check_request();
            assert_eq!(fields.anomalies.names(), anomalies);
        }
        request(&[(":method", "CONNECT"), (":authority", "h:1")], &[]);
        request(&[(":method", "GET"), (":authority", "h:1")], &["missing_pseudo_header"]);
        let mut response = all(&[("a", "b")]);
        response.check_response();
        assert_eq!(response.anomalies.names(), ["missing_pseudo_header"]);
        let mut response = all(&[(":status", "20")]);
        response.check_response();
        assert_eq!(response.status, Some(0));
    }
}
