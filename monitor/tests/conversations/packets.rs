//! The same conversation as packets: Ethernet, IPv4 and TCP with handshake and end, written as a capture file, read
//! back, and through the whole engine. A small corpus of the project's own, made anew each time.

use std::fmt::Write;

use bytes::Bytes;
use monitor::config::Config;
use monitor::enrich::privacy::Query;
use monitor::event::Direction;
use monitor::packet::hosts::Hosts;
use monitor::packet::{LinkType, Packet, Tracker};
use monitor::pipeline::{Output, Pipeline};
use monitor::protocol::conversation::{Origin, StreamEnd};
use monitor::protocol::transaction::Transaction;
use monitor::record::{Body, Incomplete, Request, Response};
use monitor::time::Timestamp;

use crate::fixture::Fixture;
use crate::replay::{START, Sent, Wire};

const HERE: [u8; 4] = [192, 0, 2, 1];
const THERE: [u8; 4] = [198, 51, 100, 7];
const SERVER_PORT: u16 = 80;
const CLIENT_PORT: u16 = 40_000;
const ETHERNET: usize = 14;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// The transactions of a fixture's packets, a line each.
pub(crate) fn transactions(fixture: &Fixture, wire: &Wire) -> String {
    let packets = through_a_file(&packets(fixture, wire));
    let mut config = Config::default();
    config.privacy.query = Query::None;
    let mut pipeline = Pipeline::new(&config, [0; 32]);
    pipeline.tell_stats_at_the_end_only();
    let mut tracker = Tracker::new(Hosts::new([HERE.into()]));
    let (mut events, mut out, mut now) = (Vec::new(), Output::default(), START);
    for packet in packets {
        now = tracker.packet(&packet, &mut events);
        for (time, event) in events.drain(..) {
            pipeline.handle(time, event, &mut out);
        }
    }
    tracker.finish(&mut events);
    for (time, event) in events.drain(..) {
        pipeline.handle(time, event, &mut out);
    }
    pipeline.finish(now, &mut out);
    let mut text = String::new();
    for record in &out.records {
        if let Body::Http(http) = &record.body {
            text += &line(
                http.request.as_deref(),
                http.response.as_ref(),
                http.incomplete,
                &http.anomalies,
            );
        }
    }
    text
}

/// The same line of what the conversation gave.
pub(crate) fn expected(http: &Transaction) -> String {
    line(
        http.request.as_deref(),
        http.response.as_ref(),
        http.incomplete,
        &http.anomalies,
    )
}

/// What both ways of reading can tell alike.
fn line(
    request: Option<&Request>,
    response: Option<&Response>,
    incomplete: Option<Incomplete>,
    anomalies: &[&str],
) -> String {
    let mut text = match request {
        Some(r) => {
            let host = r.host.as_deref().unwrap_or("-");
            format!("{} {host} {}+{}", r.method, r.header_bytes, r.body_bytes)
        }
        None => "-".to_owned(),
    };
    let _ = match response {
        Some(r) => write!(text, " -> {} {}+{}", r.status, r.header_bytes, r.body_bytes),
        None => write!(text, " -> -"),
    };
    let why = incomplete.map(Incomplete::name);
    let _ = writeln!(text, " {why:?} {}", anomalies.join(","));
    text
}

/// Both ends of the connection while it is written down.
struct Ends {
    /// Next sequence numbers: received, sent.
    next: [u32; 2],
    /// This end is the one that accepts.
    accepts: bool,
    packets: Vec<Packet>,
}

impl Ends {
    /// A segment with `payload`, of which the capture holds `payload` and the wire had `len` bytes.
    fn write(&mut self, time: Timestamp, direction: Direction, seq: u32, flags: u8, payload: &[u8], len: u32) {
        let received = direction == Direction::Received;
        let ports = if received == self.accepts {
            (CLIENT_PORT, SERVER_PORT)
        } else {
            (SERVER_PORT, CLIENT_PORT)
        };
        let (source, destination) = if received { (THERE, HERE) } else { (HERE, THERE) };
        let mut data = vec![0; 12];
        data.extend_from_slice(&[8, 0]);
        let total = (40 + len) as u16;
        data.extend_from_slice(&[0x45, 0]);
        data.extend_from_slice(&total.to_be_bytes());
        data.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        data.extend_from_slice(&source);
        data.extend_from_slice(&destination);
        data.extend_from_slice(&ports.0.to_be_bytes());
        data.extend_from_slice(&ports.1.to_be_bytes());
        data.extend_from_slice(&seq.to_be_bytes());
        let ack = if flags & ACK == 0 {
            0
        } else {
            self.next[usize::from(received)]
        };
        data.extend_from_slice(&ack.to_be_bytes());
        data.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        data.extend_from_slice(payload);
        self.packets.push(Packet {
            time,
            link: LinkType::Ethernet,
            wire_len: ETHERNET as u32 + 40 + len,
            data: Bytes::from(data),
        });
    }
}

/// The fixture on the wire.
fn packets(fixture: &Fixture, wire: &Wire) -> Vec<Packet> {
    let mut ends = Ends {
        next: wire.first,
        accepts: fixture.origin != Origin::Local,
        packets: Vec::new(),
    };
    let at = |direction| usize::from(direction == Direction::Sent);
    let client = if ends.accepts {
        Direction::Received
    } else {
        Direction::Sent
    };
    if !fixture.joined_late && fixture.origin != Origin::Unknown {
        let seq = |direction: Direction| wire.first[at(direction)].wrapping_sub(1);
        ends.write(START, client, seq(client), SYN, &[], 0);
        ends.write(START, client.reverse(), seq(client.reverse()), SYN | ACK, &[], 0);
        ends.write(START, client, wire.first[at(client)], ACK, &[], 0);
    }
    for Sent { time, segment, lost } in &wire.segments {
        // No packet is longer than what IPv4 can say; the rest of what is left out follows.
        let mut seq = segment.seq;
        let mut copied = segment.copied.as_slice();
        let mut left = segment.len;
        while left > 0 {
            let len = left.min(60_000);
            let (here, rest) = copied.split_at(copied.len().min(len as usize));
            if !lost {
                ends.write(*time, segment.direction, seq, PSH | ACK, here, len);
            }
            (copied, left, seq) = (rest, left - len, seq.wrapping_add(len));
        }
        let next = &mut ends.next[at(segment.direction)];
        if seq.wrapping_sub(*next).cast_signed() > 0 {
            *next = seq;
        }
    }
    let (server, [received, sent]) = (client.reverse(), ends.next);
    let next = |direction| {
        if direction == Direction::Received {
            received
        } else {
            sent
        }
    };
    match fixture.end {
        StreamEnd::Closed => {
            ends.write(wire.end, server, next(server), FIN | ACK, &[], 0);
            ends.next[at(server)] = next(server).wrapping_add(1);
            ends.write(wire.end, client, next(client), FIN | ACK, &[], 0);
            ends.next[at(client)] = next(client).wrapping_add(1);
            ends.write(wire.end, server, next(server).wrapping_add(1), ACK, &[], 0);
        }
        StreamEnd::Reset => ends.write(wire.end, client, next(client), RST | ACK, &[], 0),
        StreamEnd::TimedOut | StreamEnd::StillOpen | StreamEnd::Evicted => {}
    }
    ends.packets
}

/// As a pcap file with stamps in nanoseconds, and back.
#[cfg(feature = "replay")]
fn through_a_file(packets: &[Packet]) -> Vec<Packet> {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 0x0004_0000, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for packet in packets {
        let nanos = packet.time.as_nanos();
        let words = [
            (nanos / 1_000_000_000) as u32,
            (nanos % 1_000_000_000) as u32,
            packet.data.len() as u32,
            packet.wire_len,
        ];
        for word in words {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&packet.data);
    }
    let mut reader = monitor::capture::pcap::Reader::new(file.as_slice()).expect("a capture");
    let mut read = Vec::new();
    while let Some(packet) = reader.packet().expect("a whole record") {
        read.push(packet);
    }
    assert_eq!(read, packets, "what was written is read");
    read
}

/// The core alone has no files.
#[cfg(not(feature = "replay"))]
fn through_a_file(packets: &[Packet]) -> Vec<Packet> {
    packets.to_vec()
}
