//! What program a client is, by how it writes its requests.

use std::fmt;

use crate::protocol::taps::FieldOrder;
use crate::record::HttpVersion;

/// The order and letter case of a request's fields, under one version of HTTP: `h1:60f9771c7e29b3ea`.
///
/// Equal for the requests of one release of one program, but for fields that it sends with some of them alone; what a
/// proxy rewrites is its own. See [`FieldOrder`] for what goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Version of the request.
    pub version: HttpVersion,
    /// Its fields.
    pub order: FieldOrder,
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            HttpVersion::Http10 => "h10",
            HttpVersion::Http11 => "h1",
            HttpVersion::Http2 => "h2",
        };
        write!(f, "{version}:{:016x}", self.order.number())
    }
}
