//! Which addresses are this host's: said, or told from the packets themselves.

use std::net::{IpAddr, SocketAddr};

use rustc_hash::{FxHashMap, FxHashSet};

use super::Packet;
use super::datagrams::DNS_PORT;
use super::ip;
use super::link::{self, Inside};

/// The addresses that count as this host. Loopback is always this host's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    addresses: FxHashSet<IpAddr>,
}

impl Hosts {
    /// These.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            addresses: addresses.into_iter().map(|address| address.to_canonical()).collect(),
        }
    }

    /// Whether `address` is this host's.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.contains(&address)
    }
}

/// Connections that are looked at before it is decided.
const MAX_CONNECTIONS: usize = 65_536;
/// Addresses that are found at most.
const MAX_ADDRESSES: usize = 16;
/// A further address of the host takes part in one of this many of all connections at least.
const SHARE: u32 = 20;

/// Guesses which addresses are the host's that captured: the one that takes part in the most connections, accepting
/// before connecting where two are alike; then, among the connections without it, the next such that never talks to
/// one of those before.
#[derive(Debug, Default)]
pub struct Guess {
    /// The accepting end (as far as can be told) and the other, with what speaks for them.
    connections: FxHashMap<(IpAddr, IpAddr, u16, u16, u8), Seen>,
    order: Vec<(IpAddr, IpAddr, u16, u16, u8)>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The end that accepts.
    server: Option<IpAddr>,
    /// That is certain.
    certain: bool,
}

/// One address that was found, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The address.
    pub address: IpAddr,
    /// Connections that it takes part in, of those without the addresses before it.
    pub connections: u32,
    /// Of which it accepts.
    pub accepted: u32,
    /// All of those.
    pub of: u32,
}

impl Guess {
    /// Looks at a packet. False when enough has been seen.
    pub fn look(&mut self, packet: &Packet) -> bool {
        if let Inside::Ip(at) = link::inside(packet.link, &packet.data)
            && let Some(bytes) = packet.data.get(at..)
            && let Ok(datagram) = ip::read(bytes, packet.wire_len.saturating_sub(at as u32))
            && matches!(datagram.protocol, ip::TCP | ip::UDP)
            && datagram.fragment.is_none_or(|fragment| fragment.offset == 0)
            && let Some(&[a, b, c, d]) = datagram.payload.first_chunk::<4>()
        {
            let flags = datagram
                .payload
                .get(13)
                .copied()
                .filter(|_| datagram.protocol == ip::TCP);
            let source = SocketAddr::new(datagram.source, u16::from_be_bytes([a, b]));
            let destination = SocketAddr::new(datagram.destination, u16::from_be_bytes([c, d]));
            self.note(source, destination, datagram.protocol, flags);
        }
        self.order.len() < MAX_CONNECTIONS
    }

    fn note(&mut self, source: SocketAddr, destination: SocketAddr, protocol: u8, flags: Option<u8>) {
        let odd = |ip: IpAddr| {
            ip.is_loopback()
                || ip.is_multicast()
                || ip.is_unspecified()
                || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[3] == 255)
        };
        if odd(source.ip()) || odd(destination.ip()) {
            return;
        }
        let (low, high) = if source <= destination {
            (source, destination)
        } else {
            (destination, source)
        };
        let key = (low.ip(), high.ip(), low.port(), high.port(), protocol);
        let by_port = match low.port().cmp(&high.port()) {
            std::cmp::Ordering::Less => Some(low.ip()),
            std::cmp::Ordering::Greater => Some(high.ip()),
            std::cmp::Ordering::Equal => None,
        };
        let order = &mut self.order;
        let seen = self.connections.entry(key).or_insert_with(|| {
            order.push(key);
            Seen {
                server: if low.port() == DNS_PORT {
                    // A resolver is asked by the hosts around it, which capture more often than it does.
                    Some(high.ip())
                } else if high.port() == DNS_PORT {
                    Some(low.ip())
                } else {
                    by_port
                },
                certain: false,
            }
        });
        match flags.map(|flags| flags & 0x12) {
            // Who asks for names is the host, over TCP as well.
            Some(_) if low.port() == DNS_PORT || high.port() == DNS_PORT => {}
            Some(0x02) if !seen.certain => {
                *seen = Seen {
                    server: Some(destination.ip()),
                    certain: true,
                }
            }
            Some(0x12) if !seen.certain => {
                *seen = Seen {
                    server: Some(source.ip()),
                    certain: true,
                }
            }
            Some(_) | None => {}
        }
    }

    /// What was found.
    pub fn found(&self) -> Vec<Found> {
        let mut left: Vec<_> = self.order.clone();
        let all = left.len() as u32;
        let mut found: Vec<Found> = Vec::new();
        let mut peers = FxHashSet::default();
        while found.len() < MAX_ADDRESSES && !left.is_empty() {
            let mut tally: FxHashMap<IpAddr, (u32, u32)> = FxHashMap::default();
            for key in &left {
                let server = self.connections.get(key).and_then(|seen| seen.server);
                for address in [key.0, key.1] {
                    let (takes_part, accepts) = tally.entry(address).or_default();
                    *takes_part += 1;
                    *accepts += u32::from(server == Some(address));
                }
            }
            let best = tally
                .into_iter()
                .filter(|(address, _)| !peers.contains(address))
                .max_by_key(|(address, (takes_part, accepts))| (*takes_part, *accepts, std::cmp::Reverse(*address)));
            let Some((address, (connections, accepted))) = best else {
                break;
            };
            if !found.is_empty() && connections * SHARE < all {
                break;
            }
            found.push(Found {
                address,
                connections,
                accepted,
                of: left.len() as u32,
            });
            left.retain(|key| {
                let takes_part = key.0 == address || key.1 == address;
                if takes_part {
                    peers.insert(if key.0 == address { key.1 } else { key.0 });
                }
                !takes_part
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: Option<u8> = Some(2);
    const ACK: Option<u8> = Some(16);

    #[track_caller]
    fn check(connections: &[(&str, &str, u8, Option<u8>)], expected: &[&str]) {
        let mut guess = Guess::default();
        for (source, destination, protocol, flags) in connections {
            guess.note(source.parse().unwrap(), destination.parse().unwrap(), *protocol, *flags);
        }
        let found: Vec<_> = guess.found().iter().map(|found| found.address.to_string()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_one_that_all_talk_to() {
        check(
            &[
                ("198.51.100.1:4000", "192.0.2.1:443", 6, SYN),
                ("198.51.100.2:4000", "192.0.2.1:443", 6, SYN),
                ("192.0.2.1:5000", "203.0.113.9:443", 6, SYN),
            ],
            &["192.0.2.1"],
        );
        // Of two alone the one that accepts; where that cannot be told, the one with the lower port.
        check(&[("192.0.2.1:80", "198.51.100.1:4000", 6, ACK)], &["192.0.2.1"]);
        check(&[("198.51.100.1:80", "192.0.2.1:4000", 6, SYN)], &["192.0.2.1"]);
        // The one that asks for names.
        check(&[("198.51.100.1:4000", "192.0.2.1:53", 17, None)], &["198.51.100.1"]);
        check(&[("198.51.100.1:4000", "192.0.2.1:53", 6, SYN)], &["198.51.100.1"]);
        check(&[], &[]);
    }

    #[test]
    fn a_host_with_two_addresses() {
        check(
            &[
                ("198.51.100.1:4000", "192.0.2.1:443", 6, SYN),
                ("198.51.100.2:4000", "192.0.2.1:443", 6, SYN),
                ("[2001:db8::9]:4000", "[2001:db8::1]:443", 6, SYN),
            ],
            &["192.0.2.1", "2001:db8::1"],
        );
        // Chatter of the neighbours: one of them is known to be somebody else.
        check(
            &[
                ("198.51.100.1:4000", "192.0.2.1:443", 6, SYN),
                ("198.51.100.1:4001", "192.0.2.1:443", 6, SYN),
                ("198.51.100.1:4000", "224.0.0.251:5353", 17, None),
            ],
            &["192.0.2.1"],
        );
    }
}
