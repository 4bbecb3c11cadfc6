//! Places that a request names: URLs, and hosts in its parameters. What makes a server call out is looked for among them.
//!
//! An ordinary request names none, and costs a look for `?` and `:` in its target, and for `:` in the part of its body that
//! was copied.

use std::net::{IpAddr, Ipv4Addr};

/// Bytes of a body that are looked into.
const MAX_BODY: usize = 1024;
/// Places kept of one request.
const MAX_LINKS: usize = 8;
/// Longest name (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;

/// Where a request names a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Where {
    /// In its target.
    Target,
    /// In a header field.
    Header,
    /// In `Referer`: as the page that it comes from.
    Referer,
    /// In its body.
    Body,
}

impl Where {
    /// In words: "in its …".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Header => "header",
            Self::Referer => "Referer",
            Self::Body => "body",
        }
    }
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// By name, in lower case, without the final dot.
    Name(Box<str>),
    /// By address, in whatever form it was written.
    Address(IpAddr),
}

/// A place that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its host.
    pub host: Host,
    /// Its port, where it is written.
    pub port: Option<u16>,
    /// Where it is named.
    pub named: Where,
}

/// The places that one request names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    found: Vec<Link>,
    /// Bytes of the body that were looked into.
    looked: u16,
}

impl Links {
    /// Whether this place was found.
    pub fn has(&self, host: &Host, port: Option<u16>) -> bool {
        self.found.iter().any(|link| (&link.host, link.port) == (host, port))
    }

    /// Looks into a target, as on the wire.
    pub fn target(&mut self, target: &str) {
        // Without these it names nothing.
        if memchr::memchr3(b':', b'%', b'.', target.as_bytes()).is_none() {
            return;
        }
        match target.split_once('?') {
            Some((path, query)) => {
                self.urls(path.as_bytes(), Where::Target);
                if query.contains(['.', ':', '%']) {
                    self.query(query);
                }
            }
            None => self.urls(target.as_bytes(), Where::Target),
        }
    }

    /// Looks into a header field that may name a place.
    pub fn header(&mut self, value: &[u8]) {
        self.urls(value, Where::Header);
        self.bare(value, Where::Header);
    }

    /// Looks at the page that a request comes from.
    pub fn referer(&mut self, value: &[u8]) {
        let scheme = value.iter().position(|b| *b == b':').unwrap_or_default();
        if let Some(rest) = value[scheme..].strip_prefix(b"://") {
            self.add(rest, Where::Referer);
        }
    }

    /// Looks into the next bytes of a body.
    pub fn body(&mut self, bytes: &[u8]) {
        let room = MAX_BODY.saturating_sub(self.looked.into());
        let bytes = &bytes[..bytes.len().min(room)];
        self.looked += bytes.len() as u16;
        self.urls(bytes, Where::Body);
        // A form: its values are percent-encoded.
        if bytes.windows(3).any(|three| three.eq_ignore_ascii_case(b"%3a")) {
            self.urls(&decode(bytes), Where::Body);
        }
    }

    /// What was found, but for places at `own`, the host that was asked, and pages of its site: those are where its clients
    /// come from.
    pub fn into_found(mut self, own: Option<&str>) -> Box<[Link]> {
        if let Some(own) = own.filter(|_| !self.found.is_empty()) {
            let own = host_of(own.as_bytes()).map(|(host, _)| host);
            let own_site = own.as_ref().and_then(site);
            let is_page =
                |link: &Link| link.named == Where::Referer && own_site.is_some() && site(&link.host) == own_site;
            self.found
                .retain(|link| Some(&link.host) != own.as_ref() && !is_page(link));
        }
        self.found.into()
    }

    fn query(&mut self, query: &str) {
        for parameter in query.split('&') {
            let value = parameter
                .split_once('=')
                .map_or(parameter, |(_, value)| value)
                .as_bytes();
            if !value.iter().any(|b| matches!(b, b'.' | b':' | b'%')) {
                continue;
            }
            let mut value = std::borrow::Cow::Borrowed(value);
            // Once is what servers do; twice is for those behind a proxy.
            for _ in 0..2 {
                if value.contains(&b'%') {
                    value = decode(&value).into();
                }
            }
            self.urls(&value, Where::Target);
            self.bare(&value, Where::Target);
        }
    }

    /// `scheme://host`, also as PHP writes it in JSON (`:\/\/`), and a value that begins with `//host`.
    fn urls(&mut self, text: &[u8], named: Where) {
        let mut rest = text;
        while let Some(colon) = memchr::memchr(b':', rest) {
            let before = rest[..colon].last();
            rest = &rest[colon + 1..];
            let slashes: &[u8] = if rest.starts_with(b"//") {
                b"//"
            } else if rest.starts_with(b"\\/\\/") {
                b"\\/\\/"
            } else {
                continue;
            };
            rest = &rest[slashes.len()..];
            if before.is_some_and(u8::is_ascii_alphanumeric) {
                self.add(rest, named);
            }
        }
    }

    /// A value that is a host itself, with or without port and path.
    fn bare(&mut self, value: &[u8], named: Where) {
        let value = value.strip_prefix(b"//").unwrap_or(value);
        let end = value
            .iter()
            .position(|b| matches!(b, b'/' | b'?' | b'#'))
            .unwrap_or(value.len());
        let is_host = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
        if end > 0 && value[..end].iter().all(is_host) {
            let place = host_of(&value[..end]).filter(|(host, _)| is_plain(host, &value[..end]));
            self.keep(place, named);
        }
    }

    /// Adds the authority at the beginning of `text`.
    fn add(&mut self, text: &[u8], named: Where) {
        let ends = |b: &u8| {
            !(b.is_ascii_graphic())
                || matches!(
                    b,
                    b'/' | b'?' | b'#' | b'\\' | b'"' | b'\'' | b'<' | b'>' | b'&' | b',' | b')'
                )
        };
        let end = text.iter().position(ends).unwrap_or(text.len());
        let authority = &text[..end];
        let at = authority.iter().rposition(|b| *b == b'@').map_or(0, |at| at + 1);
        self.keep(host_of(&authority[at..]), named);
    }

    fn keep(&mut self, place: Option<(Host, Option<u16>)>, named: Where) {
        if let Some((host, port)) = place {
            let link = Link { host, port, named };
            if !self.has(&link.host, link.port) && self.found.len() < MAX_LINKS {
                self.found.push(link);
            }
        }
    }
}

/// The end of a name by which pages of one site are taken as its own: two labels, or nothing of an address.
fn site(host: &Host) -> Option<&str> {
    match host {
        Host::Name(name) => {
            let from = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
            name.get(from..)
        }
        Host::Address(_) => None,
    }
}

/// Without a scheme before it `1.5` is a number: an address must have its four parts.
fn is_plain(host: &Host, text: &[u8]) -> bool {
    match host {
        Host::Name(_) => true,
        Host::Address(address) => address.is_ipv6() || text.split(|b| *b == b'.').count() == 4,
    }
}

/// Host and port of an authority without user: an address in any form, or a name with a dot (and `localhost`).
fn host_of(text: &[u8]) -> Option<(Host, Option<u16>)> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        let address: IpAddr = inside.split('%').next()?.parse().ok()?;
        let port = after.strip_prefix(':').and_then(|port| port.parse().ok());
        return Some((Host::Address(address.to_canonical()), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    if let Some(address) = any_ipv4(host) {
        return Some((Host::Address(address.into()), port));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let top = host.rsplit('.').next()?;
    let is_top = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is_name = host.contains('.')
        && top.len() > 1
        && top.bytes().all(is_top)
        && !top.starts_with(|c: char| c.is_ascii_digit());
    let is_known = host.eq_ignore_ascii_case("localhost");
    ((is_name || is_known) && host.len() <= MAX_NAME).then(|| (Host::Name(host.to_ascii_lowercase().into()), port))
}

/// An address of IPv4 as `inet_aton` takes it: one to four parts, decimal, octal or hexadecimal, the last of which fills the
/// rest. A number alone only where it is too large to be another thing.
fn any_ipv4(text: &str) -> Option<Ipv4Addr> {
    if !text.bytes().next()?.is_ascii_digit() {
        return None;
    }
    let mut parts = [0u32; 4];
    let mut count = 0;
    for part in text.split('.') {
        let lower = part.to_ascii_lowercase();
        let number = if let Some(hex) = lower.strip_prefix("0x") {
            u32::from_str_radix(hex, 16).ok()?
        } else if lower.len() > 1 && lower.starts_with('0') {
            u32::from_str_radix(&lower, 8).ok()?
        } else {
            lower.parse().ok()?
        };
        *parts.get_mut(count)? = number;
        count += 1;
    }
    let last = parts[count - 1];
    let leading = &parts[..count - 1];
    if leading.iter().any(|part| *part > 255) || (count == 1 && last < 1 << 24) {
        return None;
    }
    let room = 32 - 8 * leading.len() as u32;
    if room < 32 && last >> room != 0 {
        return None;
    }
    let high = leading
        .iter()
        .enumerate()
        .fold(0, |sum, (n, part)| sum | part << (24 - 8 * n));
    Some(Ipv4Addr::from_bits(high | last))
}

fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let mut byte = *first;
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            byte = (high << 4 | low) as u8;
            rest = after;
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(links: Links) -> Vec<String> {
        let show = |link: &Link| {
            let host = match &link.host {
                Host::Name(name) => name.to_string(),
                Host::Address(address) => address.to_string(),
            };
            link.port.map_or(host.clone(), |port| format!("{host} {port}"))
        };
        links.into_found(Some("api.example:8080")).iter().map(show).collect()
    }

    #[track_caller]
    fn check(target: &str, expected: &[&str]) {
        let mut links = Links::default();
        links.target(target);
        assert_eq!(shown(links), expected, "{target}");
    }

    #[test]
    fn places_in_targets() {
        check("/fetch?url=http://169.254.169.254/latest", &["169.254.169.254"]);
        check(
            "/fetch?url=https%3A%2F%2FEvil.example.net%3A8443%2Fx",
            &["evil.example.net 8443"],
        );
        check("/fetch?url=http%253a%252f%252f10.0.0.5%252f", &["10.0.0.5"]);
        check("/fetch?url=http://user:pass@10.0.0.5:6379/", &["10.0.0.5 6379"]);
        check("/fetch?host=10.0.0.5&port=22", &["10.0.0.5"]);
        check("/fetch?u=//evil.example/x", &["evil.example"]);
        check("/proxy/http://[::ffff:10.0.0.5]:80/", &["10.0.0.5 80"]);
        check("/fetch?url=gopher://localhost:6379/_", &["localhost 6379"]);
        for odd in [
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "0xa9.0xfe.0xa9.0xfe",
        ] {
            check(&format!("/f?u=http://{odd}/"), &["169.254.169.254"]);
        }
    }

    #[test]
    fn ordinary_targets_name_nothing() {
        for target in [
            "/orders/42?page=3",
            "/orders?from=2026-11-27T10:00:00Z&v=1.2",
            "/a:b/c?x=1:2",
            "/search?q=100%25&t=a.b:c",
            "/next?to=https://api.example/home",
            "/f?n=16777215&m=1.5",
        ] {
            check(target, &[]);
        }
        let mut links = Links::default();
        links.target("/orders/42?page=3");
        assert_eq!(links.found.capacity(), 0);
    }

    #[test]
    fn places_in_bodies() {
        for body in [
            "{\"url\":\"http://10.0.0.5:9200/_all\"}",
            "{\"url\":\"http:\\/\\/10.0.0.5:9200\\/_all\"}",
            "url=http%3A%2F%2F10.0.0.5%3A9200%2F_all",
            "<!ENTITY x SYSTEM \"http://10.0.0.5:9200/x\">",
        ] {
            let mut links = Links::default();
            links.body(body.as_bytes());
            assert_eq!(shown(links), ["10.0.0.5 9200"], "{body}");
        }
        let mut links = Links::default();
        links.body(&[b' '; MAX_BODY]);
        links.body(b"http://10.0.0.5/");
        assert!(links.found.is_empty());
    }

    proptest! {
        #[test]
        fn is_bounded(target in ".{0,200}", body in prop::collection::vec(any::<u8>(), 0..3000)) {
            let mut links = Links::default();
            links.target(&target);
            links.body(&body);
            links.header(&body);
            prop_assert!(links.found.len() <= MAX_LINKS);
        }
    }

    #[test]
    fn pages_of_other_sites_are_places_and_those_of_its_own_are_not() {
        let found = |referer: &str, own: &str| {
            let mut links = Links::default();
            links.referer(referer.as_bytes());
            let found = links.into_found(Some(own));
            found
                .iter()
                .map(|link| (link.host.clone(), link.named))
                .collect::<Vec<_>>()
        };
        let other = Host::Name("cb.interact.example".into());
        assert_eq!(
            found("http://cb.interact.example/landing?x=1", "api.shop.test"),
            [(other, Where::Referer)]
        );
        let address = Host::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 66)));
        assert_eq!(found("http://10.0.0.66/", "10.0.0.1"), [(address, Where::Referer)]);
        for (referer, own) in [
            ("https://www.shop.test/cart", "api.shop.test"),
            ("https://api.shop.test/", "api.shop.test:443"),
            ("about:blank", "api.shop.test"),
            ("://", "api.shop.test"),
            ("", "api.shop.test"),
        ] {
            assert_eq!(found(referer, own), [], "{referer}");
        }
    }
}
