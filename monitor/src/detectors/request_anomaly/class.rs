//! What an anomaly of a request means.

/// How bad an anomaly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Old-fashioned or careless: never told alone.
    Careless,
    /// No client in common use writes this, and servers read it differently.
    Malformed,
    /// It wears the server out.
    Flood,
    /// Where the request ends is read differently by different servers.
    Desync,
}

/// The end of the message depends on who reads it (RFC 9112 sections 6.1, 6.3 and 11.2, RFC 9113 section 8.1.1).
const DESYNC: &[&str] = &[
    "both_lengths",
    "differing_lengths",
    "odd_transfer_encoding",
    "unchunked_request",
    "encoding_in_http10",
    "lookalike_field",
    "length_mismatch",
];

/// RFC 9113 section 10.5.
const FLOODS: &[&str] = &[
    "continuation_flood",
    "rapid_reset",
    "ping_flood",
    "settings_flood",
    "empty_frame_flood",
];

/// Beyond the grammar, where servers differ or break.
const MALFORMED: &[&str] = &[
    "bad_length",
    "bare_cr",
    "space_before_fields",
    "space_before_colon",
    "bad_field_name",
    "control_bytes",
    "nul_byte",
    "repeated_host",
    "bad_host",
    "host_mismatch",
    "bad_request_line",
    "bad_target",
    "bad_version",
    "many_fields",
    "long_header",
    "bad_chunk",
    "odd_chunk_size",
    "odd_chunk_extension",
    "long_chunk_extension",
    "forbidden_trailer",
    "stray_bytes",
    "differing_retransmission",
    "uppercase_field_name",
    "connection_field",
    "missing_pseudo_header",
    "repeated_pseudo_header",
    "late_pseudo_header",
    "unknown_pseudo_header",
    "bad_header_block",
    "interrupted_headers",
    "stray_continuation",
    "bad_trailers",
    "bad_stream_id",
    "frame_after_end",
    "bad_frame_size",
    "bad_padding",
    "bad_preface",
];

/// Written by hand, by old programs or by careless ones every day, or of responses alone.
#[cfg(test)]
const CARELESS: &[&str] = &[
    "repeated_length",
    "length_without_body",
    "unusual_body",
    "bare_lf",
    "obs_fold",
    "missing_host",
    "bad_status_line",
    "non_ascii_target",
    "http09",
    "early_response",
    "after_close",
];

impl Class {
    /// The class of an anomaly by its name.
    pub(super) fn of(name: &str) -> Self {
        if DESYNC.contains(&name) {
            Self::Desync
        } else if FLOODS.contains(&name) {
            Self::Flood
        } else if MALFORMED.contains(&name) {
            Self::Malformed
        } else {
            Self::Careless
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    // A new anomaly has to be thought of here.
    #[test]
    fn every_anomaly_has_one_class() {
        let page = include_str!("../../../../docs/records.md");
        let section = page
            .split("### Anomalies")
            .nth(1)
            .unwrap()
            .split("\n## ")
            .next()
            .unwrap();
        let named = |line: &str| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned());
        let documented: BTreeSet<String> = section.lines().filter_map(named).collect();
        assert!(documented.len() > 50);
        let classed: Vec<&str> = [DESYNC, FLOODS, MALFORMED, CARELESS].concat();
        let distinct: BTreeSet<String> = classed.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(classed.len(), distinct.len());
        assert_eq!(documented, distinct);
        assert!(CARELESS.iter().all(|name| Class::of(name) == Class::Careless));
    }
}
