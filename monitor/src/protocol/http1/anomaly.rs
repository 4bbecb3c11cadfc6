//! What is odd in an HTTP message, by name. Names are part of the output.

/// One oddity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Anomaly {
    /// `Content-Length` and `Transfer-Encoding` together (RFC 9112 section 6.1: might be request smuggling).
    BothLengths,
    /// `Content-Length` more than once, with one value (RFC 9112 section 6.3).
    RepeatedLength,
    /// `Content-Length` more than once, with several values.
    DifferingLengths,
    /// `Content-Length` is no number.
    BadLength,
    /// `Transfer-Encoding` that is neither plain `chunked` nor a list of registered codings (RFC 9112 section 7).
    OddTransferEncoding,
    /// A request whose last transfer coding is not `chunked`: its end cannot be told (RFC 9112 section 6.3).
    UnchunkedRequest,
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112 section 6.1: faulty framing).
    EncodingInHttp10,
    /// A line ends in LF alone (RFC 9112 section 2.2).
    BareLf,
    /// CR without LF (RFC 9112 section 2.2).
    BareCr,
    /// A header line continues the one before (RFC 9112 section 5.2).
    ObsFold,
    /// White space between field name and colon (RFC 9112 section 5.1).
    SpaceBeforeColon,
    /// A header line without colon, or a name that is no token (RFC 9110 section 5.1).
    BadFieldName,
    /// Control bytes in a field value (RFC 9110 section 5.5).
    ControlBytes,
    /// HTTP/1.1 request without `Host` (RFC 9112 section 3.2).
    MissingHost,
    /// More than one `Host` (RFC 9112 section 3.2).
    RepeatedHost,
    /// Request line that is not method, target, version with one space between (RFC 9112 section 3).
    BadRequestLine,
    /// Status line that is not version, three digits, reason (RFC 9112 section 4).
    BadStatusLine,
    /// Bytes in the target that no URI has: control bytes, spaces, bytes above 127 (RFC 3986 section 2).
    BadTarget,
    /// Version that is neither HTTP/1.0 nor HTTP/1.1.
    BadVersion,
    /// More header lines than servers take.
    ManyFields,
    /// Chunk framing that cannot be read (RFC 9112 section 7.1).
    BadChunk,
    /// Bytes where a message should begin, that begin none.
    StrayBytes,
    /// The response began before its request was over.
    EarlyResponse,
}

const NAMES: [&str; 23] = [
    "both_lengths",
    "repeated_length",
    "differing_lengths",
    "bad_length",
    "odd_transfer_encoding",
    "unchunked_request",
    "encoding_in_http10",
    "bare_lf",
    "bare_cr",
    "obs_fold",
    "space_before_colon",
    "bad_field_name",
    "control_bytes",
    "missing_host",
    "repeated_host",
    "bad_request_line",
    "bad_status_line",
    "bad_target",
    "bad_version",
    "many_fields",
    "bad_chunk",
    "stray_bytes",
    "early_response",
];

/// A set of oddities; no allocation until it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Anomalies(u32);

impl Anomalies {
    /// Adds one.
    pub(super) fn add(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Whether it is in it.
    pub(super) const fn contains(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u8) != 0
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, anomaly: Anomaly) {
        self.0 &= !(1 << anomaly as u8);
    }

    /// Adds all of `others`.
    pub(super) fn extend(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Whether none is in it.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their names, in order of definition.
    pub(super) fn names(self) -> Vec<&'static str> {
        if self.is_empty() {
            return Vec::new();
        }
        NAMES
            .iter()
            .enumerate()
            .filter(|(i, _)| self.0 & (1 << i) != 0)
            .map(|(_, name)| *name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_of_definition() {
        let mut set = Anomalies::default();
        assert!(set.names().is_empty());
        set.add(Anomaly::EarlyResponse);
        set.add(Anomaly::BareLf);
        set.add(Anomaly::BothLengths);
        assert_eq!(set.names(), ["both_lengths", "bare_lf", "early_response"]);
    }
}
