//! What the host itself asks for and reaches.

use std::net::{IpAddr, SocketAddr};

use super::dns::{self, Answer, Kind};
use super::packet::udp;
use super::tape::Tape;
use super::tcp::{Connection, End};
use super::tls::{self, Stack};
use crate::scenarios::calendar::{MILLI, SECOND};
use crate::scenarios::chance::Chance;

/// Something that leaves the host.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// When, nanoseconds since 1970.
    pub at: u64,
    /// What.
    pub what: What,
}

/// What leaves.
#[derive(Clone, Debug)]
pub enum What {
    /// A name is asked for.
    Lookup {
        /// The name.
        name: String,
        /// What of it.
        kind: Kind,
        /// What comes back.
        answer: Answer,
    },
    /// A TLS connection.
    Tls {
        /// Where to.
        to: SocketAddr,
        /// The name in its hello; empty where there is none.
        name: String,
        /// Who speaks.
        stack: Stack,
        /// Bytes sent.
        up: u64,
        /// Bytes received.
        down: u64,
    },
    /// An HTTP request.
    Http {
        /// Where to.
        to: SocketAddr,
        /// Its bytes.
        request: String,
        /// The answer's.
        response: String,
    },
    /// A connection of a protocol that is none of ours.
    Other {
        /// Where to.
        to: SocketAddr,
        /// What it begins with.
        begin: &'static [u8],
        /// Bytes received.
        down: u64,
    },
    /// A connection of a protocol that is none of ours, by which something is sent for as long as it takes.
    Upload {
        /// Where to.
        to: SocketAddr,
        /// What it begins with.
        begin: &'static [u8],
        /// Bytes sent.
        up: u64,
        /// How long it takes, nanoseconds.
        lasts: u64,
    },
    /// Somebody is asked what time it is (NTP, RFC 5905).
    Time {
        /// Whom.
        to: SocketAddr,
    },
    /// A connection that nobody accepts.
    Refused {
        /// Where to.
        to: SocketAddr,
    },
}

/// The host's addresses outside and inside, and its resolver.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// IPv4, for the world.
    pub v4: IpAddr,
    /// IPv6, for the world.
    pub v6: IpAddr,
    /// For its own network.
    pub inside: IpAddr,
    /// Whom it asks for names.
    pub resolver: SocketAddr,
}

/// Puts them down.
pub fn put(tape: &mut Tape, all: &[Outbound], host: Host, chance: &mut Chance) {
    for (number, outbound) in all.iter().enumerate() {
        let port = 32_768 + (number as u64 * 6_607 % 28_000) as u16;
        let from = |to: &SocketAddr| {
            let address = match to.ip() {
                IpAddr::V4(address) if address.is_private() || address.is_link_local() => host.inside,
                IpAddr::V4(_) => host.v4,
                IpAddr::V6(_) => host.v6,
            };
            (SocketAddr::new(address, port), *to)
        };
        let rtt = chance.between(1, 60) * MILLI;
        match &outbound.what {
            What::Lookup { name, kind, answer } => {
                let ends = (SocketAddr::new(host.inside, port), host.resolver);
                let id = chance.below(65_536) as u16;
                let question = udp(ends.0, ends.1, &dns::question(id, name, *kind));
                tape.packet(outbound.at, &question, question.len());
                let answer = udp(ends.1, ends.0, &dns::answer(id, name, *kind, answer));
                tape.packet(outbound.at + rtt / 3 + MILLI / 5, &answer, answer.len());
                tape.counts.lookups += 1;
            }
            What::Tls {
                to,
                name,
                stack,
                up,
                down,
            } => {
                let mut connection = Connection::open(tape, outbound.at, from(to), End::Client, rtt);
                connection.send(End::Client, &tls::client_hello(*stack, name, chance), 0);
                let later = connection.now() + rtt;
                connection.until(later);
                connection.send(End::Server, &tls::server_hello(chance), 0);
                connection.send(End::Server, &tls::application(3_000), 3_000);
                connection.send(End::Client, &tls::application(*up), *up);
                let later = connection.now() + rtt + SECOND / 20;
                connection.until(later);
                connection.send(End::Server, &tls::application(*down), *down);
                connection.close(End::Client);
            }
            What::Http { to, request, response } => {
                let mut connection = Connection::open(tape, outbound.at, from(to), End::Client, rtt);
                connection.send(End::Client, request.as_bytes(), 0);
                let later = connection.now() + rtt;
                connection.until(later);
                connection.send(End::Server, response.as_bytes(), 0);
                connection.close(End::Client);
            }
            What::Other { to, begin, down } => {
                let mut connection = Connection::open(tape, outbound.at, from(to), End::Client, rtt);
                connection.send(End::Client, begin, 0);
                connection.send(End::Server, &[], *down);
                connection.close(End::Client);
            }
            What::Upload { to, begin, up, lasts } => {
                let mut connection = Connection::open(tape, outbound.at, from(to), End::Client, rtt);
                connection.send(End::Client, begin, 0);
                let pieces = (lasts / (20 * SECOND)).max(1);
                for piece in 0..pieces {
                    connection.until(outbound.at + lasts / pieces * piece);
                    connection.send(End::Client, &[], up / pieces);
                }
                connection.close(End::Client);
            }
            What::Time { to } => {
                let ends = from(to);
                // Version 4, a client; version 4, a server. The times in them mean nothing here.
                for (first, at, (from, to)) in [(0x23, outbound.at, ends), (0x24, outbound.at + rtt, (ends.1, ends.0))]
                {
                    let mut payload = [0; 48];
                    payload[0] = first;
                    let datagram = udp(from, to, &payload);
                    tape.packet(at, &datagram, datagram.len());
                }
            }
            What::Refused { to } => Connection::refused(tape, outbound.at, from(to)),
        }
    }
}
