//! The names of a request's fields, in their order and letter case, as a number.
//!
//! Programs write their fields in an order of their own, whatever they say of themselves in `User-Agent`. This is a hash
//! of this project (no published fingerprint has the same form):
//!
//! - Names that depend on the request and not on the program that sends it are left out (`Content-Length`, `Cookie`,
//!   `If-None-Match`, …), and so are those that proxies add (`X-Forwarded-For`, `Via`, …): see [`is_of_request`].
//! - Of each other name, as written, eight bytes at a time are taken as a little-endian number (the last one filled up
//!   with zeros); then comes its length. Each is mixed in by `h = fold((h ^ word) * K)`, where `fold` is the high half of
//!   the 128-bit product xor the low one, `K` is `0x9E37_79B9_7F4A_7C15`, and the first `h` `0x243F_6A88_85A3_08D3`.

/// 2^64 divided by the golden ratio, odd.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// The first 64 bits of the fraction of pi.
const SEED: u64 = 0x243F_6A88_85A3_08D3;

/// Order and letter case of a request's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldOrder(u64);

impl Default for FieldOrder {
    fn default() -> Self {
        Self(SEED)
    }
}

impl FieldOrder {
    /// The one of which [`Self::number`] is this.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The next field.
    pub fn add(&mut self, name: &[u8]) {
        if is_of_request(name) {
            return;
        }
        let (words, rest) = name.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(word));
        }
        self.mix(name.len() as u64);
    }

    /// Nothing was added that counts.
    pub fn is_empty(self) -> bool {
        self.0 == SEED
    }

    /// The one of this number.
    pub const fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(FACTOR);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

/// Whether a field is there because of what is asked, or because of who passed it on, and says nothing of the program
/// that asks.
fn is_of_request(name: &[u8]) -> bool {
    let is_one_of = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    match name.len() {
        3 => is_one_of(&["via"]),
        5 => is_one_of(&["range"]),
        6 => is_one_of(&["cookie", "expect", "origin", "pragma"]),
        7 => is_one_of(&["referer"]),
        8 => is_one_of(&["if-match", "if-range"]),
        9 => is_one_of(&["forwarded", "x-real-ip"]),
        10 => is_one_of(&["tracestate"]),
        11 => is_one_of(&["traceparent"]),
        12 => is_one_of(&["content-type", "x-request-id"]),
        13 => is_one_of(&["authorization", "cache-control", "if-none-match"]),
        14 => is_one_of(&[
            "content-length",
            "sec-fetch-dest",
            "sec-fetch-mode",
            "sec-fetch-site",
            "sec-fetch-user",
        ]),
        15 => is_one_of(&["x-forwarded-for"]),
        16 => is_one_of(&["content-encoding", "x-forwarded-host", "x-forwarded-port"]),
        17 => is_one_of(&["transfer-encoding", "if-modified-since", "x-forwarded-proto"]),
        18 => is_one_of(&["x-forwarded-server", "x-forwarded-prefix", "x-forwarded-scheme"]),
        19 => is_one_of(&["if-unmodified-since", "proxy-authorization"]),
        25 => is_one_of(&["upgrade-insecure-requests"]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(names: &[&str]) -> u64 {
        let mut order = FieldOrder::default();
        for name in names {
            order.add(name.as_bytes());
        }
        order.number()
    }

    // The definition is public: what was written to a record last year must be comparable.
    #[test]
    fn stays_what_it_is() {
        assert_eq!(order(&["Host", "User-Agent", "Accept"]), 0x60f9_771c_7e29_b3ea);
    }

    #[test]
    fn order_and_case_count() {
        let one = order(&["Host", "User-Agent", "Accept"]);
        for other in [
            &["User-Agent", "Host", "Accept"][..],
            &["host", "User-Agent", "Accept"],
            &["Host", "User-Agent"],
            &["HostUser-Agent", "Accept"],
        ] {
            assert_ne!(one, order(other), "{other:?}");
        }
    }

    #[test]
    fn the_request_itself_does_not_count() {
        let get = order(&["Host", "User-Agent", "Accept"]);
        assert_eq!(
            get,
            order(&[
                "Host",
                "Content-Length",
                "User-Agent",
                "authorization",
                "Accept",
                "Cookie",
                "X-Forwarded-For"
            ])
        );
        let mut nothing = FieldOrder::default();
        nothing.add(b"Content-Type");
        assert!(nothing.is_empty());
    }

    proptest! {
        #[test]
        fn a_swap_shows(a in "[A-Za-z-]{1,30}", b in "[A-Za-z-]{1,30}") {
            prop_assume!(a != b && !is_of_request(a.as_bytes()) && !is_of_request(b.as_bytes()));
            prop_assert_ne!(order(&[&a, &b]), order(&[&b, &a]));
        }
    }
}
