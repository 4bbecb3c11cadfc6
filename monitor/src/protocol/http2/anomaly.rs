//! What is odd in HTTP/2, by name. Names are part of the output; those that HTTP/1.x has too mean the same there.

/// One oddity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Anomaly {
    /// A field name with capital letters (RFC 9113 section 8.2.1).
    UppercaseFieldName,
    /// A field that belongs to one connection of HTTP/1.x, or `te` that asks for more than trailers (section 8.2.2).
    ConnectionField,
    /// A name that is no token (RFC 9110 section 5.1).
    BadFieldName,
    /// NUL, CR or LF in a value, or white space at its ends (section 8.2.1).
    ControlBytes,
    /// A request without method, scheme or path, or a response without status (sections 8.3.1 and 8.3.2).
    MissingPseudoHeader,
    /// One pseudo-header field twice (section 8.3).
    RepeatedPseudoHeader,
    /// A pseudo-header field after an ordinary one, or in trailers (section 8.3).
    LatePseudoHeader,
    /// A pseudo-header field that is not defined for this message (section 8.3).
    UnknownPseudoHeader,
    /// `host` differs from `:authority` (section 8.3.1: the latter counts).
    HostMismatch,
    /// `content-length` is no number.
    BadLength,
    /// `content-length` more than once, with several values.
    DifferingLengths,
    /// The body has another length than `content-length` says (section 8.1.1).
    LengthMismatch,
    /// Bytes in the path that no URI has: control bytes and spaces.
    BadTarget,
    /// Bytes above 127 in the path.
    NonAsciiTarget,
    /// A header block that cannot be decoded (section 4.3).
    BadHeaderBlock,
    /// More header fields than are read.
    ManyFields,
    /// A frame within a header block that does not continue it (section 6.10).
    InterruptedHeaders,
    /// CONTINUATION that continues nothing (section 6.10).
    StrayContinuation,
    /// Trailers that do not end their stream (section 8.1).
    BadTrailers,
    /// A stream's number where it may not be (section 5.1.1): of the wrong parity, used before, or 0.
    BadStreamId,
    /// A frame after the end of its stream (section 5.1).
    FrameAfterEnd,
    /// A frame longer than was allowed, or not as long as such a frame is (section 4.2).
    BadFrameSize,
    /// Padding longer than its frame (section 6.1).
    BadPadding,
    /// Bytes where the client's preface should be (section 3.4).
    BadPreface,
    /// The response ended before its request.
    EarlyResponse,
    /// A header block in very many frames.
    ContinuationFlood,
    /// Very many streams reset by the client within a second.
    RapidReset,
    /// Very many PING frames within a second.
    PingFlood,
    /// Very many SETTINGS frames within a second.
    SettingsFlood,
    /// Very many frames within a second that carry nothing.
    EmptyFrameFlood,
}

pub(in crate::protocol) const NAMES: [&str; 30] = [
    "uppercase_field_name",
    "connection_field",
    "bad_field_name",
    "control_bytes",
    "missing_pseudo_header",
    "repeated_pseudo_header",
    "late_pseudo_header",
    "unknown_pseudo_header",
    "host_mismatch",
    "bad_length",
    "differing_lengths",
    "length_mismatch",
    "bad_target",
    "non_ascii_target",
    "bad_header_block",
    "many_fields",
    "interrupted_headers",
    "stray_continuation",
    "bad_trailers",
    "bad_stream_id",
    "frame_after_end",
    "bad_frame_size",
    "bad_padding",
    "bad_preface",
    "early_response",
    "continuation_flood",
    "rapid_reset",
    "ping_flood",
    "settings_flood",
    "empty_frame_flood",
];
const _: () = assert!(NAMES.len() == Anomaly::EmptyFrameFlood as usize + 1);

/// A set of oddities; no allocation until it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Anomalies(u32);

impl Anomalies {
    /// Adds one.
    pub(super) fn add(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Adds all of `others`.
    pub(super) fn extend(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Those that are not in `others`.
    pub(super) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Their names, in order of definition.
    pub(super) fn names(self) -> Vec<&'static str> {
        if self.0 == 0 {
            return Vec::new();
        }
        let held = |i: usize| self.0 & (1 << i) != 0;
        (0..NAMES.len()).filter(|i| held(*i)).map(|i| NAMES[i]).collect()
    }
}
