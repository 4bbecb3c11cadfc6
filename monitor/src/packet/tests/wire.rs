//! Packets made by hand: a client and a server on one TCP connection.

use bytes::Bytes;

use crate::packet::{LinkType, Packet};
use crate::time::Timestamp;

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;

/// The first stamp; any would do.
pub(super) const START: Timestamp = Timestamp::from_secs(1_700_000_000);
/// Between two packets.
pub(super) const STEP: std::time::Duration = std::time::Duration::from_micros(100);

/// A segment as an IPv4 packet without a link layer.
pub(super) fn segment(
    from: ([u8; 4], u16),
    to: ([u8; 4], u16),
    seq: u32,
    ack: u32,
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let len = 40 + payload.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(len.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 6, 0, 0]);
    packet.extend(from.0);
    packet.extend(to.0);
    packet.extend(from.1.to_be_bytes());
    packet.extend(to.1.to_be_bytes());
    packet.extend(seq.to_be_bytes());
    packet.extend(if flags & ACK == 0 { 0 } else { ack }.to_be_bytes());
    packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}

/// A datagram as an IPv4 packet without a link layer.
pub(super) fn datagram(from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
    let len = 28 + payload.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(len.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(from.0);
    packet.extend(to.0);
    packet.extend(from.1.to_be_bytes());
    packet.extend(to.1.to_be_bytes());
    packet.extend((len - 20).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

/// In fragments of so many bytes, a multiple of eight.
pub(super) fn fragments(packet: &[u8], id: u16, size: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(20);
    let last = payload.len().div_ceil(size) - 1;
    let part = |(number, bytes): (usize, &[u8])| {
        let mut part = header.to_vec();
        part[2..4].copy_from_slice(&(20 + bytes.len() as u16).to_be_bytes());
        part[4..6].copy_from_slice(&id.to_be_bytes());
        let more = if number < last { 0x2000 } else { 0 };
        part[6..8].copy_from_slice(&((number * size / 8) as u16 | more).to_be_bytes());
        part.extend(bytes);
        part
    };
    payload.chunks(size).enumerate().map(part).collect()
}

/// As captured at that time.
pub(super) fn captured(time: Timestamp, packet: Vec<u8>) -> Packet {
    Packet {
        time,
        link: LinkType::Raw,
        wire_len: packet.len() as u32,
        data: Bytes::from(packet),
    }
}

/// A connection, from the packets that it exchanges.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) client: ([u8; 4], u16),
    pub(super) server: ([u8; 4], u16),
    pub(super) client_seq: u32,
    pub(super) server_seq: u32,
    pub(super) packets: Vec<Vec<u8>>,
}

impl Talk {
    pub(super) fn new() -> Self {
        Self {
            client: ([198, 51, 100, 7], 40_000),
            server: ([192, 0, 2, 1], 80),
            client_seq: u32::MAX - 50,
            server_seq: u32::MAX - 20,
            packets: Vec::new(),
        }
    }

    /// One of the client's; a SYN and a FIN take a number.
    pub(super) fn client(&mut self, flags: u8, payload: &[u8]) -> &mut Self {
        let packet = segment(
            self.client,
            self.server,
            self.client_seq,
            self.server_seq,
            flags,
            payload,
        );
        self.client_seq = self
            .client_seq
            .wrapping_add(payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0));
        self.packets.push(packet);
        self
    }

    /// One of the server's.
    pub(super) fn server(&mut self, flags: u8, payload: &[u8]) -> &mut Self {
        let packet = segment(
            self.server,
            self.client,
            self.server_seq,
            self.client_seq,
            flags,
            payload,
        );
        self.server_seq = self
            .server_seq
            .wrapping_add(payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0));
        self.packets.push(packet);
        self
    }

    pub(super) fn open(&mut self) -> &mut Self {
        self.client(SYN, b"").server(SYN | ACK, b"").client(ACK, b"")
    }

    pub(super) fn close(&mut self) -> &mut Self {
        self.client(FIN | ACK, b"").server(FIN | ACK, b"").client(ACK, b"")
    }

    /// A request and its response.
    pub(super) fn exchange(&mut self, number: u32, body: usize) -> &mut Self {
        self.client(
            ACK,
            format!("GET /{number} HTTP/1.1\r\nHost: a.example\r\n\r\n").as_bytes(),
        );
        let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {body}\r\n\r\n").into_bytes();
        response.resize(response.len() + body, b'x');
        self.server(ACK, &response)
    }
}
