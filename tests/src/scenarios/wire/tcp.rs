//! One TCP connection, as its host sees it pass.

use std::net::SocketAddr;

use super::packet::{ACK, FIN, PUSH, RST, SYN, Segment, claim, tcp};
use super::tape::Tape;
use crate::scenarios::calendar::SECOND;

/// Payload of a full segment on Ethernet.
const SEGMENT: usize = 1_448;
/// Bulk goes in super-segments, as a host with segmentation offload captures it; what IPv4's length field allows.
const BULK: usize = 60_000;
/// Bulk is what is longer than this.
const LARGE: u64 = 3_000;
/// Nanoseconds between two segments that follow each other.
const GAP: u64 = 12_000;
/// What of a super-segment is put down; the capture's snap length cuts the rest anyway.
const SHOWN: usize = 2_100;

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Who connected.
    Client,
    /// Who accepted.
    Server,
}

/// A connection in the making.
#[derive(Debug)]
pub struct Connection<'a> {
    tape: &'a mut Tape,
    client: SocketAddr,
    server: SocketAddr,
    /// Where the capture is taken: the other end's packets take the way.
    here: End,
    /// Next sequence number of client and server.
    next: [u32; 2],
    /// There and back, nanoseconds.
    rtt: u64,
    now: u64,
}

impl<'a> Connection<'a> {
    /// The handshake; its first packet passes at `at`.
    pub fn open(tape: &'a mut Tape, at: u64, (client, server): (SocketAddr, SocketAddr), here: End, rtt: u64) -> Self {
        let first = (at ^ u64::from(client.port()) << 13) as u32;
        let mut connection = Self {
            tape,
            client,
            server,
            here,
            next: [first, first.rotate_left(11) ^ 0x5bd1_e995],
            rtt,
            now: at,
        };
        connection.tape.counts.connections += 1;
        connection.segment(End::Client, SYN, &[]);
        connection.advance(End::Client, 1);
        connection.turn(End::Server);
        connection.segment(End::Server, SYN | ACK, &[]);
        connection.advance(End::Server, 1);
        connection.turn(End::Client);
        connection.segment(End::Client, ACK, &[]);
        connection
    }

    /// A connection that is refused: nobody listens.
    pub fn refused(tape: &'a mut Tape, at: u64, (client, server): (SocketAddr, SocketAddr)) {
        let first = at as u32;
        let syn = Segment {
            ends: (client, server),
            numbers: (first, 0),
            flags: SYN,
        };
        let rst = Segment {
            ends: (server, client),
            numbers: (0, first.wrapping_add(1)),
            flags: RST | ACK,
        };
        for (time, segment) in [(at, syn), (at + GAP, rst)] {
            let frame = tcp(segment, &[]);
            tape.packet(time, &frame, frame.len());
        }
    }

    /// When the last packet passed.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Nothing happens before `at`.
    pub fn until(&mut self, at: u64) {
        self.now = self.now.max(at);
    }

    /// What is counted.
    pub fn counts(&mut self) -> &mut super::Counts {
        &mut self.tape.counts
    }

    /// Sends these bytes and then `more` of no meaning, and has them acknowledged.
    pub fn send(&mut self, from: End, bytes: &[u8], more: u64) {
        for piece in bytes.chunks(SEGMENT) {
            self.segment(from, PUSH | ACK, piece);
            self.advance(from, piece.len() as u32);
            self.now += GAP;
        }
        let size = if more > LARGE { BULK } else { SEGMENT };
        let filler: Vec<u8> = b"{\"item\":\"some text of no meaning\"},"
            .iter()
            .copied()
            .cycle()
            .take(SHOWN.min(size))
            .collect();
        let mut left = more;
        while left > 0 {
            let len = left.min(size as u64) as usize;
            self.cut_segment(from, &filler[..len.min(filler.len())], len);
            self.advance(from, len as u32);
            // 10 Gbit/s.
            self.now += GAP + len as u64 * 8 / 10;
            left -= len as u64;
        }
        let other = from.other();
        let at = self.now;
        if other != self.here {
            self.now += self.rtt;
        }
        self.segment(other, ACK, &[]);
        // The acknowledgment stops nobody.
        self.now = at + GAP;
    }

    /// Both ends close, `first` before the other.
    pub fn close(mut self, first: End) {
        self.now += self.rtt + GAP;
        for from in [first, first.other()] {
            self.segment(from, FIN | ACK, &[]);
            self.advance(from, 1);
            self.turn(from.other());
        }
        self.now += GAP;
        self.segment(first, ACK, &[]);
    }

    /// One end breaks it off.
    pub fn reset(mut self, from: End) {
        self.now += GAP;
        self.segment(from, RST | ACK, &[]);
    }

    /// Passes the word to the other end, whose packet takes its way.
    fn turn(&mut self, to: End) {
        self.now += if to == self.here { GAP } else { self.rtt };
    }

    fn segment(&mut self, from: End, flags: u8, payload: &[u8]) {
        self.put(from, flags, payload, payload.len());
    }

    fn cut_segment(&mut self, from: End, shown: &[u8], len: usize) {
        self.put(from, PUSH | ACK, shown, len);
    }

    fn put(&mut self, from: End, flags: u8, shown: &[u8], len: usize) {
        let [client, server] = self.next;
        let (ends, (seq, ack)) = match from {
            End::Client => ((self.client, self.server), (client, server)),
            End::Server => ((self.server, self.client), (server, client)),
        };
        let segment = Segment {
            ends,
            numbers: (seq, if flags & ACK == 0 { 0 } else { ack }),
            flags,
        };
        let mut frame = tcp(segment, shown);
        let whole = frame.len() + len - shown.len();
        if len > shown.len() {
            claim(&mut frame, whole);
        }
        self.tape.packet(self.now, &frame, whole);
    }

    fn advance(&mut self, from: End, len: u32) {
        let at = match from {
            End::Client => 0,
            End::Server => 1,
        };
        self.next[at] = self.next[at].wrapping_add(len);
    }
}

impl End {
    /// The one it talks to.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Time to live of an idle connection at servers, nanoseconds: what nginx has by default is 75 s, less is common.
pub const KEEP_ALIVE: u64 = 60 * SECOND;
