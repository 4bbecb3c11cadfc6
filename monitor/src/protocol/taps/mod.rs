//! What is kept of a request's header beyond what every record shows: the values of the few fields that enrichment asks
//! for, and the order of all fields.
//!
//! Both HTTP/1.x and HTTP/2 fill it, each from its own list of fields, so that what is made of them knows of no wire
//! format. A request that has none of those fields costs no allocation.

mod bodies;
mod links;
mod order;

use std::fmt;

pub use self::bodies::{Login, Logins, Said, Start, is_form, is_json, is_login};
pub use self::links::{Host, Link, Links, Where};
pub use self::order::FieldOrder;
use crate::record::Request;

/// Fields that name a place to go to: of proxies and frameworks that route by them, and of callbacks.
pub const PLACES: [(&str, Tap); 5] = [
    ("x-forwarded-host", Tap::Place),
    ("x-original-url", Tap::Place),
    ("x-rewrite-url", Tap::Place),
    ("x-callback-url", Tap::Place),
    // The page that a request comes from: programs that count visits look at it.
    ("referer", Tap::Page),
];

/// Bytes kept of the values of one request, marks included. Servers refuse longer headers (8 KiB, nginx and Apache).
const MAX_KEPT: usize = 8 * 1024;
/// Bytes kept of a list of addresses, from its end, where the nearest proxy writes: sixteen hops of the longest form.
const MAX_ROUTE: usize = 1024;

/// Why a field's value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tap {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    ForwardedFor,
    /// Either of these where nobody is trusted to send it: noted, not kept.
    Claim,
    /// `Authorization`.
    Authorization,
    /// An API key.
    Key,
    /// A user named by a gateway.
    User,
    /// `Cookie`: of it the values of the cookies that are asked for.
    Cookie,
    /// A place: looked into, not kept.
    Place,
    /// `Referer`, likewise.
    Page,
}

impl Tap {
    const ALL: [Self; 9] = [
        Self::Forwarded,
        Self::ForwardedFor,
        Self::Claim,
        Self::Authorization,
        Self::Key,
        Self::User,
        Self::Cookie,
        Self::Place,
        Self::Page,
    ];
}

/// Which fields are asked for; one for all connections.
#[derive(Debug, Default)]
pub struct Taps {
    /// Names in lower case.
    names: Vec<(Box<[u8]>, Tap)>,
    /// The lengths of those names, modulo 64, as bits: most names are passed over by this alone.
    lengths: u64,
    /// Names of cookies.
    cookies: Vec<Box<[u8]>>,
    logins: Logins,
}

/// What was kept of one request. Secrets are in clear.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The order of its fields; absent where they were not all seen.
    pub order: Option<FieldOrder>,
    /// It has a field of [`Tap::Claim`].
    pub claims: bool,
    /// There was more than is kept.
    pub cut: bool,
    /// What the two ends said, if it is a login.
    pub said: Option<Box<Said>>,
    /// The places that it names.
    pub links: Links,
    /// A mark, a length of two bytes and a value, again and again.
    kept: Vec<u8>,
}

/// What is kept of a request while its fields come.
#[derive(Clone, Debug, Default)]
pub struct Taking {
    order: FieldOrder,
    taken: Taken,
}

impl Taps {
    /// Asks for these fields and cookies, and for what is said at these logins.
    pub fn new<'a>(
        names: impl IntoIterator<Item = (&'a str, Tap)>,
        cookies: impl IntoIterator<Item = &'a str>,
        logins: Logins,
    ) -> Self {
        let mut taps = Self {
            cookies: cookies.into_iter().map(|name| name.as_bytes().into()).collect(),
            logins,
            ..Self::default()
        };
        for (name, tap) in names {
            taps.lengths |= bit(name.as_bytes());
            taps.names.push((name.to_ascii_lowercase().into_bytes().into(), tap));
        }
        taps
    }

    /// Keeps what is asked for of `request`, which has these fields; `whole` where none is missing. If it is a login,
    /// [`Taken::said`] waits for the bodies.
    pub fn take<'a>(
        &self,
        request: &Request,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        whole: bool,
    ) -> Taken {
        let mut taking = Taking::default();
        for (name, value) in fields {
            self.field(&mut taking, name, value);
        }
        self.finish(taking, request, whole)
    }

    /// Likewise where fields come one by one: the next one.
    pub fn field(&self, taking: &mut Taking, name: &[u8], value: &[u8]) {
        taking.order.add(name);
        if self.lengths & bit(name) != 0
            && let Some((_, tap)) = self.names.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))
        {
            self.keep(&mut taking.taken, *tap, value);
        }
    }

    /// All fields were there.
    pub fn finish(&self, taking: Taking, request: &Request, whole: bool) -> Taken {
        let Taking { order, mut taken } = taking;
        taken.said = self.logins.find(request).map(|login| Box::new(Said::new(login)));
        taken.order = Some(order).filter(|order| whole && !order.is_empty());
        taken
    }

    fn keep(&self, taken: &mut Taken, tap: Tap, value: &[u8]) {
        match tap {
            Tap::Forwarded | Tap::ForwardedFor => taken.keep(tap, end_of_list(value)),
            Tap::Authorization | Tap::Key | Tap::User => taken.keep(tap, value),
            Tap::Claim => taken.claims = true,
            Tap::Place => taken.links.header(value),
            Tap::Page => taken.links.referer(value),
            Tap::Cookie => {
                // RFC 6265 section 4.2.1.
                for pair in value.split(|b| *b == b';') {
                    let pair = pair.trim_ascii();
                    let equals = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
                    if self.cookies.iter().any(|known| **known == pair[..equals]) {
                        taken.keep(tap, pair.get(equals + 1..).unwrap_or_default());
                    }
                }
            }
        }
    }
}

/// What was kept is nothing to print.
impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken")
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

impl Taken {
    /// The values kept for `tap`, in order.
    pub fn values(&self, tap: Tap) -> impl Iterator<Item = &[u8]> {
        self.all().filter(move |(of, _)| *of == tap).map(|(_, value)| value)
    }

    fn keep(&mut self, tap: Tap, value: &[u8]) {
        let len = u16::try_from(value.len()).ok();
        let Some(len) = len.filter(|_| self.kept.len() + 3 + value.len() <= MAX_KEPT) else {
            self.cut = true;
            return;
        };
        self.kept.reserve_exact(3 + value.len());
        self.kept.push(tap as u8);
        self.kept.extend_from_slice(&len.to_le_bytes());
        self.kept.extend_from_slice(value);
    }

    /// All values kept, in order.
    pub fn all(&self) -> impl Iterator<Item = (Tap, &[u8])> {
        let mut rest = &self.kept[..];
        std::iter::from_fn(move || {
            let (&[tap, low, high], tail) = rest.split_first_chunk()?;
            let (value, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
            rest = tail;
            Some((*Tap::ALL.get(usize::from(tap))?, value))
        })
    }
}

fn bit(name: &[u8]) -> u64 {
    1 << (name.len() % 64)
}

/// The last elements of a list, as many as fit.
fn end_of_list(list: &[u8]) -> &[u8] {
    let Some(from) = list.len().checked_sub(MAX_ROUTE) else {
        return list;
    };
    let end = &list[from..];
    let whole = end.iter().position(|b| *b == b',').map_or(end.len(), |comma| comma + 1);
    &end[whole..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taps() -> Taps {
        let names = [
            ("Forwarded", Tap::Forwarded),
            ("x-forwarded-for", Tap::ForwardedFor),
            ("authorization", Tap::Authorization),
            ("cookie", Tap::Cookie),
        ];
        Taps::new(names, ["sid", "session"], Logins::default())
    }

    fn take(fields: &[(&str, &str)]) -> Taken {
        taps().take(
            &Request::default(),
            fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())),
            true,
        )
    }

    #[test]
    fn keeps_what_is_asked_for_in_order() {
        let taken = take(&[
            ("Host", "h"),
            ("X-Forwarded-For", "192.0.2.1"),
            ("FORWARDED", "for=192.0.2.2"),
            ("x-forwarded-for", "192.0.2.3"),
            ("X-Forwarded-Foo", "no"),
        ]);
        let values: Vec<&[u8]> = taken.values(Tap::ForwardedFor).collect();
        assert_eq!(values, [b"192.0.2.1", b"192.0.2.3"]);
        assert_eq!(taken.values(Tap::Forwarded).count(), 1);
    }

    #[test]
    fn a_request_without_them_keeps_nothing() {
        let taken = take(&[("Host", "h"), ("Accept", "*/*")]);
        assert_eq!(taken.kept.capacity(), 0);
        assert!(taken.order.is_some());
        let cut = taps().take(&Request::default(), [(&b"Host"[..], &b"h"[..])], false);
        assert_eq!(cut.order, None);
    }

    #[test]
    fn of_cookies_those_asked_for() {
        let taken = take(&[
            ("Cookie", "a=b; sid=first; Sid=no; sidx=no; session=t=w;o"),
            ("cookie", "sid=three; sid"),
        ]);
        let values: Vec<&[u8]> = taken.values(Tap::Cookie).collect();
        assert_eq!(values, [&b"first"[..], b"t=w", b"three", b""]);
        assert!(!format!("{taken:?}").contains("first"));
    }

    #[test]
    fn too_much_is_noted() {
        let long = "x".repeat(MAX_KEPT);
        let taken = take(&[("Authorization", &long), ("Cookie", "sid=one")]);
        assert!(taken.cut);
        assert_eq!(taken.all().count(), 1);
    }

    #[test]
    fn of_a_long_list_the_end_is_kept() {
        let list = format!("{}192.0.2.1, 192.0.2.2", "203.0.113.77, ".repeat(100));
        let taken = take(&[("X-Forwarded-For", &list)]);
        let value = taken.values(Tap::ForwardedFor).next().unwrap();
        assert!(value.len() < MAX_ROUTE && value.ends_with(b" 192.0.2.2"));
        assert!(value.starts_with(b" 203.0.113.77,"));
    }

    proptest! {
        #[test]
        fn is_bounded_and_reads_back(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..30)) {
            let fields = values.iter().map(|value| (&b"forwarded"[..], &value[..]));
            let taken = taps().take(&Request::default(), fields, true);
            prop_assert!(taken.kept.len() <= MAX_KEPT);
            let read: Vec<&[u8]> = taken.values(Tap::Forwarded).collect();
            prop_assert!(read.len() <= values.len());
            prop_assert!(read.iter().all(|value| values.iter().any(|given| given == value)));
        }
    }
}
