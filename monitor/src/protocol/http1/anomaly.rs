//! What is odd in an HTTP message, by name. Names are part of the output, and `docs/records.md` lists them.

/// Declares the oddities and their names, so that the two cannot part.
macro_rules! anomalies {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// One oddity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Anomaly {
            $($(#[$doc])+ $variant,)+
        }

        /// Names, in order of definition.
        pub(in crate::protocol) const NAMES: &[&str] = &[$($name),+];
    };
}

anomalies! {
    /// `Content-Length` and `Transfer-Encoding` together (RFC 9112 section 6.1: might be request smuggling).
    BothLengths = "both_lengths",
    /// `Content-Length` more than once, with one value (RFC 9112 section 6.3).
    RepeatedLength = "repeated_length",
    /// `Content-Length` more than once, with several values.
    DifferingLengths = "differing_lengths",
    /// `Content-Length` is no number.
    BadLength = "bad_length",
    /// A length or coding in a response that has no body by its status (RFC 9112 section 6.1, RFC 9110 section 8.6).
    LengthWithoutBody = "length_without_body",
    /// `Transfer-Encoding` that is neither plain `chunked` nor a list of registered codings (RFC 9112 section 7).
    OddTransferEncoding = "odd_transfer_encoding",
    /// A request whose last transfer coding is not `chunked`: its end cannot be told (RFC 9112 section 6.3).
    UnchunkedRequest = "unchunked_request",
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112 section 6.1: faulty framing).
    EncodingInHttp10 = "encoding_in_http10",
    /// A name that becomes `Content-Length` or `Transfer-Encoding` where `-` and other signs are taken as one, as CGI
    /// does (RFC 3875 section 4.1.18).
    LookalikeField = "lookalike_field",
    /// A request with content whose method gives that no meaning: some servers refuse it, some overlook it (RFC 9110
    /// sections 9.3.1, 9.3.2, 9.3.5, 9.3.6, 9.3.8).
    UnusualBody = "unusual_body",
    /// A line ends in LF alone (RFC 9112 section 2.2).
    BareLf = "bare_lf",
    /// CR without LF (RFC 9112 section 2.2).
    BareCr = "bare_cr",
    /// A header line continues the one before (RFC 9112 section 5.2).
    ObsFold = "obs_fold",
    /// White space before the first header line, which some drop and some read (RFC 9112 section 2.2).
    SpaceBeforeFields = "space_before_fields",
    /// White space between field name and colon (RFC 9112 section 5.1).
    SpaceBeforeColon = "space_before_colon",
    /// A header line without colon, or a name that is no token (RFC 9110 section 5.1).
    BadFieldName = "bad_field_name",
    /// Control bytes in a field value, a reason phrase or a chunk extension (RFC 9110 section 5.5).
    ControlBytes = "control_bytes",
    /// NUL in a header: some end a text there (RFC 9110 section 5.5).
    NulByte = "nul_byte",
    /// HTTP/1.1 request without `Host` (RFC 9112 section 3.2).
    MissingHost = "missing_host",
    /// More than one `Host` (RFC 9112 section 3.2).
    RepeatedHost = "repeated_host",
    /// `Host` that is no host and port (RFC 9112 section 3.2, RFC 3986 section 3.2.2).
    BadHost = "bad_host",
    /// The target names another host than `Host` (RFC 9112 section 3.2.2: the target counts).
    HostMismatch = "host_mismatch",
    /// Request line that is not method, target, version with one space between (RFC 9112 section 3).
    BadRequestLine = "bad_request_line",
    /// Status line that is not version, three digits, reason (RFC 9112 section 4).
    BadStatusLine = "bad_status_line",
    /// Bytes in the target that no URI has: control bytes and spaces (RFC 3986 section 2).
    BadTarget = "bad_target",
    /// Bytes above 127 in the target (RFC 3986 section 2.5: they are to be percent-encoded). Often a careless client.
    NonAsciiTarget = "non_ascii_target",
    /// Version that is neither HTTP/1.0 nor HTTP/1.1.
    BadVersion = "bad_version",
    /// A request line without version: HTTP/0.9 (RFC 1945 section 4.1), of which no response is read.
    Http09 = "http09",
    /// More header lines than servers take.
    ManyFields = "many_fields",
    /// A header longer than what is read of one.
    LongHeader = "long_header",
    /// Chunk framing that cannot be read (RFC 9112 section 7.1).
    BadChunk = "bad_chunk",
    /// A chunk size with white space about it, or with more digits than 64 bits have.
    OddChunkSize = "odd_chunk_size",
    /// A chunk extension that is not by the grammar (RFC 9112 section 7.1.1).
    OddChunkExtension = "odd_chunk_extension",
    /// A chunk extension longer than any use of one.
    LongChunkExtension = "long_chunk_extension",
    /// A trailer field that frames, routes or authenticates (RFC 9110 section 6.5.1).
    ForbiddenTrailer = "forbidden_trailer",
    /// Bytes where a message should begin, that begin none.
    StrayBytes = "stray_bytes",
    /// The response began before its request was over.
    EarlyResponse = "early_response",
    /// A message after one that said it was the last of its direction (RFC 9112 section 9.6).
    AfterClose = "after_close",
    /// Bytes of the message were sent again with other content: the two ends may have read different ones.
    DifferingRetransmission = "differing_retransmission",
}

/// A set of oddities; no allocation until it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Anomalies(u64);

const _: () = assert!(NAMES.len() <= u64::BITS as usize, "a set has one bit each");

impl Anomalies {
    /// Adds one.
    pub(super) fn add(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Adds one, if `so`.
    pub(super) fn add_if(&mut self, so: bool, anomaly: Anomaly) {
        self.0 |= u64::from(so) << anomaly as u8;
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

    /// Those that are not in `others`.
    pub(super) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
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

    #[test]
    fn every_name_is_documented() {
        let page = include_str!("../../../../docs/records.md");
        let missing: Vec<_> = NAMES
            .iter()
            .filter(|name| !page.contains(&format!("| `{name}` |")))
            .collect();
        assert!(missing.is_empty(), "docs/records.md says nothing of {missing:?}");
    }
}
