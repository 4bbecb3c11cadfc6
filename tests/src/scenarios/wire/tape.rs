//! The capture: packets put down in any order, written in order of time.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// Bytes kept of a packet, as `tcpdump -s 2048` does: headers whole, of the bulk only the beginning.
const SNAP: usize = 2_048;
/// Link type Ethernet.
const ETHERNET: u32 = 1;

/// Packets of a host.
#[derive(Debug, Default)]
pub struct Tape {
    bytes: Vec<u8>,
    packets: Vec<Packet>,
    /// What was put on it.
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    time: u64,
    at: usize,
    kept: u32,
    len: u32,
}

/// What a reader of the capture must find in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// HTTP transactions whose both messages are whole.
    pub transactions: u64,
    /// How many were answered with which status.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of request bodies on the wire.
    pub request_body_bytes: u64,
    /// Bytes of response bodies on the wire.
    pub response_body_bytes: u64,
    /// Transactions that were cut off, and requests written by hand.
    pub odd: u64,
    /// TCP connections that were established.
    pub connections: u64,
    /// DNS questions with their answers.
    pub lookups: u64,
    /// Packets.
    pub packets: u64,
}

impl Tape {
    /// Puts down a packet of `len` bytes, of which those in `frame` are at hand.
    pub fn packet(&mut self, time: u64, frame: &[u8], len: usize) {
        let kept = frame.len().min(SNAP);
        self.packets.push(Packet {
            time,
            at: self.bytes.len(),
            kept: kept as u32,
            len: len as u32,
        });
        self.bytes.extend_from_slice(&frame[..kept]);
        self.counts.packets += 1;
    }

    /// Writes a pcap file with nanoseconds.
    pub fn write(&mut self, to: &mut impl Write) -> io::Result<()> {
        self.packets.sort_by_key(|packet| packet.time);
        for field in [0xa1b2_3c4d, 0x0004_0002, 0, 0, SNAP as u32, ETHERNET] {
            to.write_all(&u32::to_le_bytes(field))?;
        }
        for packet in &self.packets {
            let fields = [
                (packet.time / 1_000_000_000) as u32,
                (packet.time % 1_000_000_000) as u32,
                packet.kept,
                packet.len,
            ];
            for field in fields {
                to.write_all(&field.to_le_bytes())?;
            }
            to.write_all(&self.bytes[packet.at..packet.at + packet.kept as usize])?;
        }
        to.flush()
    }
}

impl Counts {
    /// A whole transaction.
    pub fn whole(&mut self, status: u16, request_body: u64, response_body: u64) {
        self.transactions += 1;
        *self.statuses.entry(status).or_default() += 1;
        self.request_body_bytes += request_body;
        self.response_body_bytes += response_body;
    }
}
