//! How libraries write their requests: the fields that do not depend on the request, in order.

use rustc_hash::FxHashMap;

use crate::protocol::taps::FieldOrder;

/// Name and fields over HTTP/1.1, with `User-Agent` set by the program. Measured with the versions that the detector's page
/// names, on the loopback; Go's by its source.
const ORDERS: &[(&str, &[&str])] = &[
    ("curl", &["Host", "User-Agent", "Accept"]),
    ("curl", &["Host", "User-Agent", "Accept", "Accept-Encoding"]),
    (
        "Wget",
        &["Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"],
    ),
    (
        "Python's urllib",
        &["Accept-Encoding", "Host", "User-Agent", "Connection"],
    ),
    (
        "Python's requests",
        &["Host", "User-Agent", "Accept-Encoding", "Accept", "Connection"],
    ),
    ("Go's net/http", &["Host", "User-Agent", "Accept-Encoding"]),
    ("Node's http", &["User-Agent", "Host", "Connection"]),
    (
        "Node's fetch",
        &[
            "host",
            "connection",
            "User-Agent",
            "accept",
            "accept-language",
            "sec-fetch-mode",
            "accept-encoding",
        ],
    ),
    (
        "Java's HttpClient",
        &["Connection", "Host", "HTTP2-Settings", "Upgrade", "User-Agent"],
    ),
    (
        "Java's HttpURLConnection",
        &["User-Agent", "Host", "Accept", "Connection"],
    ),
    ("Perl's HTTP::Tiny", &["Host", "User-Agent"]),
];

/// Libraries by the number of their order.
#[derive(Debug)]
pub(super) struct Libraries(FxHashMap<u64, &'static str>);

impl Libraries {
    pub(super) fn new() -> Self {
        let number = |fields: &[&str]| {
            let mut order = FieldOrder::default();
            for field in fields {
                order.add(field.as_bytes());
            }
            order.number()
        };
        Self(ORDERS.iter().map(|(name, fields)| (number(fields), *name)).collect())
    }

    /// The library that writes so.
    pub(super) fn find(&self, order: FieldOrder) -> Option<&'static str> {
        self.0.get(&order.number()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_libraries_write_alike() {
        let libraries = Libraries::new();
        assert_eq!(libraries.0.len(), ORDERS.len());
    }
}
