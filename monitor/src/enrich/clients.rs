//! Who asks, behind the proxies that are trusted.
//!
//! A proxy writes whom it speaks for at the right end of `X-Forwarded-For` (or `Forwarded`, RFC 7239); what is left of it
//! came with the request, and anyone can write that. So the list is read from the right, and the first address that is no
//! trusted proxy is the client. From a peer that is not trusted itself nothing is believed.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::taps::{Taken, Tap};
use crate::record::Client;

/// Proxies passed through at most; more in a row are a loop or a lie.
const MAX_HOPS: usize = 16;

/// Which proxies say for whom they speak.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Networks of proxies that are trusted to say for whom they ask, in `X-Forwarded-For`, `Forwarded` or the PROXY
    /// protocol. A proxy on this host is `127.0.0.0/8`. Empty: the client is whoever connected.
    #[serde(with = "crate::config::networks")]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
}

impl Settings {
    /// The fields that must be kept of requests.
    pub fn taps(&self) -> [(&'static str, Tap); 2] {
        let trusts = !self.trusted_proxies.is_empty();
        [
            ("forwarded", if trusts { Tap::Forwarded } else { Tap::Claim }),
            ("x-forwarded-for", if trusts { Tap::ForwardedFor } else { Tap::Claim }),
        ]
    }
}

/// What was not believed, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// Requests whose peer is not trusted to say for whom it asks, and said.
    pub untrusted: u64,
    /// Requests with an element, written by a trusted proxy, that is no address (`unknown`, a token).
    pub unreadable: u64,
    /// Requests whose `Forwarded` and `X-Forwarded-For` name different clients.
    pub differing: u64,
}

/// Finds clients.
#[derive(Debug)]
pub struct Clients {
    trusted: Vec<IpNet>,
    doubts: Doubts,
}

impl Clients {
    /// As configured.
    pub fn new(settings: &Settings) -> Self {
        Self {
            trusted: settings.trusted_proxies.clone(),
            doubts: Doubts::default(),
        }
    }

    /// Who asked, where `peer` is at the other end of the connection; `proxied` is whom it speaks for on all of it, by the
    /// PROXY protocol.
    pub fn client(&mut self, peer: SocketAddr, proxied: Option<SocketAddr>, taken: &Taken) -> Client {
        let mut direct = Client::from(peer);
        let mut told = [Tap::ForwardedFor, Tap::Forwarded]
            .into_iter()
            .filter(|tap| taken.values(*tap).next().is_some());
        if !self.trusts(direct.ip) {
            self.doubts.untrusted += u64::from(taken.claims || proxied.is_some() || told.next().is_some());
            return direct;
        }
        if let Some(proxied) = proxied {
            let via = direct.ip;
            direct = Client::from(proxied);
            direct.via.push(via);
        }
        let Some(first) = told.next() else { return direct };
        let client = self.walk(direct.clone(), taken, first);
        // One that writes the first leaves the second as it came, and the other way around. The first is in far wider
        // use.
        if let Some(second) = told.next()
            && self.walk(direct, taken, second).ip != client.ip
        {
            self.doubts.differing += 1;
        }
        client
    }

    /// Whether `address` is a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// What was not believed.
    pub fn doubts(&self) -> Doubts {
        self.doubts
    }

    fn walk(&mut self, from: Client, taken: &Taken, tap: Tap) -> Client {
        let mut client = from;
        for element in from_the_right(taken, tap) {
            if !self.trusts(client.ip) || client.via.len() == MAX_HOPS {
                break;
            }
            let address = if tap == Tap::Forwarded {
                forwarded_for(element)
            } else {
                Some(element)
            };
            let Some((ip, port)) = address.and_then(node) else {
                self.doubts.unreadable += 1;
                break;
            };
            client.via.insert(0, client.ip);
            (client.ip, client.port) = (ip, port);
        }
        client
    }
}

/// The elements of all values of `tap` as one list (RFC 9110 section 5.3), the last first.
fn from_the_right(taken: &Taken, tap: Tap) -> impl Iterator<Item = &[u8]> {
    let lines = taken.values(tap).count();
    (0..lines)
        .rev()
        .filter_map(move |line| taken.values(tap).nth(line))
        .flat_map(|line| Elements { rest: Some(line) })
        .filter(|element| !element.is_empty())
}

/// Elements of a list from its end; a comma within quotes separates nothing.
struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut quoted = false;
        let comma = rest.iter().rposition(|b| {
            quoted ^= *b == b'"';
            *b == b',' && !quoted
        });
        let (left, element) = match comma {
            Some(comma) => (Some(&rest[..comma]), &rest[comma + 1..]),
            None => (None, rest),
        };
        self.rest = left;
        Some(element.trim_ascii())
    }
}

/// The value of `for` in an element of `Forwarded` (RFC 7239 section 4).
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    element.split(|b| *b == b';').find_map(|pair| {
        let equals = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        name.eq_ignore_ascii_case(b"for").then_some(value)
    })
}

/// An address with or without port, brackets and quotes (RFC 7239 section 6, and what proxies write besides).
fn node(text: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    let text = text
        .strip_prefix(b"\"")
        .and_then(|t| t.strip_suffix(b"\""))
        .unwrap_or(text);
    let text = std::str::from_utf8(text).ok()?;
    let (ip, port) = if let Ok(ip) = text.parse::<IpAddr>() {
        (ip, None)
    } else if let Ok(end) = text.parse::<SocketAddr>() {
        (end.ip(), Some(end.port()))
    } else {
        // An obfuscated port (`_x`), or brackets without one.
        let (ip, _) = text
            .strip_prefix('[')
            .map_or_else(|| text.split_once(':'), |t| t.split_once(']'))?;
        (ip.parse().ok()?, None)
    };
    Some((ip.to_canonical(), port.filter(|port| *port != 0)))
}
