//! A client as a subject: its address, or of IPv6 the network that one line has.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};

use crate::alert::{Actor, ActorKind};

/// A subscriber has a /64 at least and takes any address in it (RFC 6177, RFC 8981): one that changes within it is one.
const LINE: u8 = 64;

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An address of IPv4.
    V4(u32),
    /// A /64 of IPv6, its upper half.
    V6(u64),
}

impl From<IpAddr> for Source {
    #[inline]
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl Source {
    /// It as whoever did something. `seen` is an address of it: where that is the only one, it is named itself.
    pub fn actor(self, seen: IpAddr, only: bool) -> Actor {
        let id: Arc<str> = match self.network() {
            Some(network) if !only => network.to_string().into(),
            Some(_) | None => seen.to_canonical().to_string().into(),
        };
        let kind = if self.network().is_some() && !only {
            ActorKind::Network
        } else {
            ActorKind::Ip
        };
        Actor { kind, id }
    }

    /// The network that it is, where it is one.
    pub fn network(self) -> Option<IpNet> {
        match self {
            Self::V4(_) => None,
            Self::V6(upper) => Ipv6Net::new(Ipv6Addr::from_bits(u128::from(upper) << 64), LINE)
                .ok()
                .map(IpNet::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv4_or_a_line_of_ipv6() {
        let of = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("::ffff:198.51.100.7"), of("198.51.100.7"));
        assert_ne!(of("198.51.100.8"), of("198.51.100.7"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn the_actor_is_as_narrow_as_what_was_seen() {
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let source = Source::from(v6);
        assert_eq!(&*source.actor(v6, true).id, "2001:db8::1");
        let many = source.actor(v6, false);
        assert_eq!((many.kind, &*many.id), (ActorKind::Network, "2001:db8::/64"));
        let v4: IpAddr = "198.51.100.7".parse().unwrap();
        assert_eq!(Source::from(v4).actor(v4, false).kind, ActorKind::Ip);
    }
}
