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

impl Fingerprint {
    /// What [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, order) = text.split_once(':')?;
        let version = match version {
            "h10" => HttpVersion::Http10,
            "h1" => HttpVersion::Http11,
            "h2" => HttpVersion::Http2,
            _ => return None,
        };
        let order = FieldOrder::of_number(u64::from_str_radix(order, 16).ok()?);
        Some(Self { version, order })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        for version in [HttpVersion::Http10, HttpVersion::Http11, HttpVersion::Http2] {
            let mut order = FieldOrder::default();
            order.add(b"host");
            let fingerprint = Fingerprint { version, order };
            assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        }
        for text in ["", "h1", "h3:12", "h1:xyz"] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }
}
