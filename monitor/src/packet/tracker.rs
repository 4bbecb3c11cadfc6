//! Packets to events: the table of connections and UDP flows, and what becomes of each packet.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};

use super::connection::{Beginning, Connection, Early, Step};
use super::datagrams::{DNS_PORT, Datagrams};
use super::fragments::Fragments;
use super::hosts::Hosts;
use super::ip::{self, NoDatagram};
use super::link::{self, Inside};
use super::transport::{Segment, UdpDatagram};
use super::{Events, Packet, PacketCounts};
use crate::event::{Direction, Event, FlowId, Role};
use crate::flow::{FiveTuple, Transport};
use crate::time::Timestamp;

/// Connections and UDP flows that are followed at a time, those that ended a moment ago included: more than the engine
/// follows, so that it decides what goes.
const MAX_FOLLOWED: usize = 262_144;
/// Longest packet: twice what Linux makes of segments that belong together (`GRO_MAX_SIZE` in include/linux/netdevice.h).
/// What a file says beyond it is made up.
const MAX_PACKET: u32 = 1 << 20;
/// Ports that were seen to accept; told from them is which end of a connection is the server whose beginning is missing.
const MAX_SERVERS: usize = 65_536;

/// Both ends of a flow, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    low: (u128, u16),
    high: (u128, u16),
    transport: u8,
}

#[derive(Debug)]
enum Followed {
    Tcp(Connection),
    Udp(Datagrams),
}

/// Follows what the packets of one or more captures belong to.
#[derive(Debug)]
pub struct Tracker {
    hosts: Hosts,
    now: Timestamp,
    followed: FxHashMap<Key, Box<Followed>>,
    /// When each is looked at next, by its cookie.
    due: BTreeMap<(Timestamp, u64), Key>,
    servers: FxHashSet<SocketAddr>,
    fragments: Fragments,
    early: Early,
    /// Flows are numbered in the order in which they were first seen.
    cookies: u64,
    counts: PacketCounts,
}

impl Tracker {
    /// One that has seen nothing.
    pub fn new(hosts: Hosts) -> Self {
        Self {
            hosts,
            now: Timestamp::ZERO,
            followed: FxHashMap::default(),
            due: BTreeMap::new(),
            servers: FxHashSet::default(),
            fragments: Fragments::default(),
            early: Early::default(),
            cookies: 0,
            counts: PacketCounts::default(),
        }
    }

    /// Takes a packet; what came of it is appended to `out`, in order of time. A stamp that goes back counts as the
    /// latest. Gives the time that it is now.
    pub fn packet(&mut self, packet: &Packet, out: &mut Vec<(Timestamp, Event)>) -> Timestamp {
        self.counts.packets += 1;
        self.counts.stamps_back += u64::from(packet.time < self.now);
        let now = packet.time.max(self.now);
        self.expire(now, out);
        self.now = now;
        self.link(packet, out);
        now
    }

    /// The input is over: the last counts of what is still open, and what became of the packets.
    pub fn finish(&mut self, out: &mut Vec<(Timestamp, Event)>) {
        self.fragments.finish();
        let mut open: Vec<(u64, &Followed)> = self.followed.values().map(|f| (f.cookie(), &**f)).collect();
        open.sort_unstable_by_key(|(cookie, _)| *cookie);
        for (_, followed) in open {
            match followed {
                Followed::Tcp(connection) => connection.take_stock(self.now, out),
                Followed::Udp(flow) => flow.take_stock(self.now, out),
            }
        }
        out.push((self.now, Event::Packets(self.counts())));
    }

    /// What became of the packets so far.
    pub fn counts(&self) -> PacketCounts {
        PacketCounts {
            fragments_dropped: self.fragments.dropped,
            ..self.counts
        }
    }

    fn link(&mut self, packet: &Packet, out: &mut Events) {
        let (at, bytes) = match link::inside(packet.link, &packet.data) {
            Inside::Ip(at) => (at, packet.data.get(at..).unwrap_or_default()),
            Inside::Cut => return self.counts.cut_headers += 1,
            Inside::Other => return self.counts.other_protocol += 1,
            Inside::Unknown => return self.counts.unknown_link += 1,
        };
        let wire = packet.wire_len.min(MAX_PACKET).saturating_sub(at as u32);
        let datagram = match ip::read(bytes, wire) {
            Ok(datagram) => datagram,
            Err(NoDatagram::Cut) => return self.counts.cut_headers += 1,
            Err(NoDatagram::Other) => return self.counts.other_protocol += 1,
        };
        let ends = (datagram.source, datagram.destination);
        let Some(fragment) = datagram.fragment else {
            return self.transport(
                ends,
                (datagram.protocol, datagram.len, datagram.payload),
                &packet.data,
                out,
            );
        };
        if let Some(whole) = self.fragments.take(self.now, &datagram, fragment) {
            self.transport(ends, (whole.protocol, whole.len, &whole.payload), &whole.payload, out);
        }
    }

    /// Takes what IP carries: `payload`, which is a part of `base`.
    fn transport(
        &mut self,
        (source, destination): (IpAddr, IpAddr),
        (protocol, len, payload): (u8, u32, &[u8]),
        base: &Bytes,
        out: &mut Events,
    ) {
        match protocol {
            ip::TCP => match Segment::read(payload, len) {
                Some(segment) => self.tcp(source, destination, &segment, base, out),
                None => self.counts.cut_headers += 1,
            },
            ip::UDP => match UdpDatagram::read(payload, len) {
                Some(datagram) => self.udp(source, destination, &datagram, base, out),
                None => self.counts.cut_headers += 1,
            },
            _ => self.counts.other_protocol += 1,
        }
    }

    fn tcp(&mut self, source: IpAddr, destination: IpAddr, segment: &Segment<'_>, base: &Bytes, out: &mut Events) {
        let source = SocketAddr::new(source, segment.source);
        let destination = SocketAddr::new(destination, segment.destination);
        let key = Key::new(source, destination, Transport::Tcp);
        let now = self.now;
        let mut before = None;
        if let Some(Followed::Tcp(connection)) = self.followed.get_mut(&key).map(AsMut::as_mut) {
            let direction = direction(connection.tuple, source, destination);
            match connection.segment(now, direction, segment, base, &mut self.early, out) {
                Step::Taken => {}
                Step::Stray => self.counts.stray_segments += 1,
                Step::OutOfWindow => self.counts.out_of_window += 1,
                Step::Another(syn) => {
                    connection.give_up(now, out);
                    let syn = syn.map(|(of, isn, at)| (direction == of, isn, at));
                    before = Some((connection.tuple, syn));
                }
            }
            let (id, due, deadline) = (connection.id, connection.due, connection.deadline());
            if before.is_none() {
                if deadline < due {
                    connection.due = deadline;
                    self.due.remove(&(due, id.cookie));
                    self.due.insert((deadline, id.cookie), key);
                }
                return;
            }
            self.due.remove(&(due, id.cookie));
        }
        let syn = before.and_then(|(_, syn)| syn);
        // A connection is made by what may be its beginning, or by payload.
        if before.is_none() && (segment.rst || (segment.fin && segment.len == 0)) {
            self.counts.stray_segments += 1;
            return;
        }
        let opening = match (segment.syn, segment.ack, syn) {
            (true, None, _) => Some(source),
            (true, Some(_), _) => Some(destination),
            (false, _, Some((same, ..))) => Some(if same { source } else { destination }),
            (false, _, None) => None,
        };
        let (tuple, role, local) = self.ends(source, destination, opening, Transport::Tcp);
        let mut connection = Connection::new(Beginning {
            id: self.next_id(),
            tuple,
            role,
            local,
            joined_late: opening.is_none(),
            now,
        });
        let direction = direction(tuple, source, destination);
        if let Some((same, isn, at)) = syn {
            connection.opened_by((if same { direction } else { direction.reverse() }, isn, at));
        }
        connection.segment(now, direction, segment, base, &mut self.early, out);
        connection.due = connection.deadline();
        self.follow(key, connection.due, Followed::Tcp(connection));
    }

    fn udp(&mut self, source: IpAddr, destination: IpAddr, datagram: &UdpDatagram<'_>, base: &Bytes, out: &mut Events) {
        let source = SocketAddr::new(source, datagram.source);
        let destination = SocketAddr::new(destination, datagram.destination);
        let key = Key::new(source, destination, Transport::Udp);
        if let Some(Followed::Udp(flow)) = self.followed.get_mut(&key).map(AsMut::as_mut) {
            let direction = direction(flow.tuple(), source, destination);
            flow.take(self.now, direction, datagram, base, out);
            return;
        }
        let (tuple, role, local) = self.ends(source, destination, Some(source), Transport::Udp);
        let mut flow = Datagrams::new(self.next_id(), tuple, role, local, self.now);
        flow.take(self.now, direction(tuple, source, destination), datagram, base, out);
        flow.due = flow.deadline();
        self.follow(key, flow.due, Followed::Udp(flow));
    }

    /// Which end is told of as the local one, which role it has, and whether both are this host's.
    ///
    /// Of two ends here the accepting one is told of, as on a live host. Of two that are both elsewhere (the capture of
    /// a switch, or of a host that was not named) likewise. Names are read where they are asked for.
    fn ends(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        opening: Option<SocketAddr>,
        transport: Transport,
    ) -> (FiveTuple, Role, bool) {
        let accepting = match opening {
            Some(opening) => Some(if opening == source { destination } else { source }),
            None if self.servers.contains(&source) => Some(source),
            None if self.servers.contains(&destination) => Some(destination),
            None => None,
        };
        if let Some(server) = accepting
            && transport == Transport::Tcp
            && self.servers.len() < MAX_SERVERS
        {
            self.servers.insert(server);
        }
        let asks = |end: SocketAddr, other: SocketAddr| {
            transport == Transport::Udp && other.port() == DNS_PORT && end.port() != DNS_PORT
        };
        let here = (self.hosts.contains(source.ip()), self.hosts.contains(destination.ip()));
        let local = match here {
            (true, false) => source,
            (false, true) => destination,
            (true, true) | (false, false) if asks(source, destination) => source,
            (true, true) | (false, false) if asks(destination, source) => destination,
            (true, true) | (false, false) => accepting.unwrap_or(
                if (source.port(), source.ip()) <= (destination.port(), destination.ip()) {
                    source
                } else {
                    destination
                },
            ),
        };
        let role = match accepting {
            Some(server) if server == local => Role::Passive,
            Some(_) => Role::Active,
            None => Role::Unknown,
        };
        let tuple = FiveTuple {
            transport,
            local,
            remote: if local == source { destination } else { source },
        };
        (tuple, role, here == (true, true))
    }

    fn next_id(&mut self) -> FlowId {
        self.cookies += 1;
        FlowId {
            cookie: self.cookies,
            generation: 1,
        }
    }

    fn follow(&mut self, key: Key, due: Timestamp, followed: Followed) {
        self.due.insert((due, followed.cookie()), key);
        self.followed.insert(key, Box::new(followed));
        while self.followed.len() > MAX_FOLLOWED {
            self.evict();
        }
    }

    /// Forgets the one that has the least time left; what has just spoken has the most.
    fn evict(&mut self) {
        while let Some(((due, cookie), key)) = self.due.pop_first() {
            let Some(followed) = self.followed.get_mut(&key) else {
                continue;
            };
            let deadline = followed.deadline();
            if deadline > due {
                followed.set_due(deadline);
                self.due.insert((deadline, cookie), key);
                continue;
            }
            self.counts.evicted += u64::from(!followed.has_ended());
            self.followed.remove(&key);
            return;
        }
    }

    /// Ends what has been silent for too long, each at its own time.
    fn expire(&mut self, now: Timestamp, out: &mut Events) {
        while let Some((&(due, cookie), &key)) = self.due.first_key_value()
            && due <= now
        {
            self.due.pop_first();
            let Some(followed) = self.followed.get_mut(&key) else {
                continue;
            };
            let deadline = followed.deadline();
            if deadline > due {
                followed.set_due(deadline);
                self.due.insert((deadline, cookie), key);
                continue;
            }
            match &mut **followed {
                Followed::Tcp(connection) if connection.has_ended() => {
                    self.followed.remove(&key);
                }
                Followed::Tcp(connection) => {
                    connection.give_up(due, out);
                    let deadline = connection.deadline();
                    connection.due = deadline;
                    self.due.insert((deadline, cookie), key);
                }
                Followed::Udp(flow) => {
                    flow.give_up(due, out);
                    self.followed.remove(&key);
                }
            }
        }
    }
}

impl Followed {
    fn cookie(&self) -> u64 {
        match self {
            Self::Tcp(connection) => connection.id.cookie,
            Self::Udp(flow) => flow.id.cookie,
        }
    }

    fn deadline(&self) -> Timestamp {
        match self {
            Self::Tcp(connection) => connection.deadline(),
            Self::Udp(flow) => flow.deadline(),
        }
    }

    fn set_due(&mut self, due: Timestamp) {
        match self {
            Self::Tcp(connection) => connection.due = due,
            Self::Udp(flow) => flow.due = due,
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Tcp(connection) => connection.has_ended(),
            Self::Udp(_) => false,
        }
    }
}

impl Key {
    fn new(a: SocketAddr, b: SocketAddr, transport: Transport) -> Self {
        let end = |end: SocketAddr| {
            let address = match end.ip() {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
                IpAddr::V6(v6) => v6.to_bits(),
            };
            (address, end.port())
        };
        let (a, b) = (end(a), end(b));
        Self {
            low: a.min(b),
            high: a.max(b),
            transport: transport.number(),
        }
    }
}

/// Which way a packet goes, as the local end sees it. From an end to itself it is received.
fn direction(tuple: FiveTuple, source: SocketAddr, destination: SocketAddr) -> Direction {
    if tuple.local == source && tuple.local != destination {
        Direction::Sent
    } else {
        Direction::Received
    }
}
