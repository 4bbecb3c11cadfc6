//! Captures that are made up: the same bytes every time.

use std::io::{self, Write};

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Few connections that live long, small responses.
    KeepAlive,
    /// Uploads and downloads from some hundred bytes to some hundred thousand.
    Mixed,
    /// A connection for each request.
    ManyFlows,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::KeepAlive, Self::Mixed, Self::ManyFlows];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep-alive",
            Self::Mixed => "mixed-sizes",
            Self::ManyFlows => "many-flows",
        }
    }
}

/// Payload of a full segment on Ethernet with the timestamp option.
const SEGMENT: usize = 1_448;
/// Connections that are open at a time.
const OPEN: usize = 256;
/// Ethernet, IPv4 and TCP with the timestamp option.
const HEADERS: usize = 14 + 20 + 32;
/// Nanoseconds between packets.
const STEP: u64 = 2_000;
/// The server.
const SERVER: ([u8; 4], u16) = ([192, 0, 2, 10], 8080);
/// Address of the server, for `--host-ip`.
pub const HOST: &str = "192.0.2.10";

/// Writes a pcap file with so many transactions; gives the number of its bytes.
pub fn write(to: &mut impl Write, shape: Shape, transactions: u64) -> io::Result<u64> {
    let mut file = File {
        to,
        time: 1_700_000_000_000_000_000,
        bytes: 0,
        id: 0,
    };
    file.header()?;
    let mut open: Vec<Connection> = (0..OPEN as u32).map(Connection::new).collect();
    if shape != Shape::ManyFlows {
        for connection in &mut open {
            connection.open(&mut file)?;
        }
    }
    let mut chance = Chance(1);
    let mut clients = OPEN as u32;
    for number in 0..transactions {
        let at = chance.below(OPEN as u64) as usize;
        let connection = &mut open[at];
        let (upload, download) = match shape {
            Shape::KeepAlive | Shape::ManyFlows => (0, 200 + chance.below(600) as usize),
            Shape::Mixed => {
                let upload = if chance.below(8) == 0 {
                    1 << (8 + chance.below(9))
                } else {
                    0
                };
                (upload, (1 << (7 + chance.below(11))) + chance.below(100) as usize)
            }
        };
        if shape == Shape::ManyFlows {
            connection.open(&mut file)?;
        }
        connection.transaction(&mut file, number, upload, download)?;
        if shape == Shape::ManyFlows {
            connection.close(&mut file)?;
            *connection = Connection::new(clients);
            clients += 1;
        }
    }
    if shape != Shape::ManyFlows {
        for connection in &mut open {
            connection.close(&mut file)?;
        }
    }
    file.to.flush()?;
    Ok(file.bytes)
}

struct File<'a, W> {
    to: &'a mut W,
    time: u64,
    bytes: u64,
    id: u16,
}

impl<W: Write> File<'_, W> {
    /// pcap with nanoseconds, Ethernet.
    fn header(&mut self) -> io::Result<()> {
        let fields = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1u32];
        let bytes: Vec<u8> = fields.into_iter().flat_map(u32::to_le_bytes).collect();
        self.bytes += bytes.len() as u64;
        self.to.write_all(&bytes)
    }

    fn packet(&mut self, from_server: bool, connection: &Connection, flags: u8, payload: &[u8]) -> io::Result<()> {
        self.time += STEP;
        self.id = self.id.wrapping_add(1);
        let (client, server) = (connection.client, SERVER);
        let (source, destination) = if from_server {
            (server, client)
        } else {
            (client, server)
        };
        let (seq, ack) = if from_server {
            (connection.server_seq, connection.client_seq)
        } else {
            (connection.client_seq, connection.server_seq)
        };
        let len = (HEADERS + payload.len()) as u32;
        let mut head = Vec::with_capacity(16 + HEADERS);
        for field in [
            (self.time / 1_000_000_000) as u32,
            (self.time % 1_000_000_000) as u32,
            len,
            len,
        ] {
            head.extend(field.to_le_bytes());
        }
        head.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
        head.extend([0x45, 0]);
        head.extend((len as u16 - 14).to_be_bytes());
        head.extend(self.id.to_be_bytes());
        head.extend([0x40, 0, 64, 6, 0, 0]);
        head.extend(source.0);
        head.extend(destination.0);
        head.extend(source.1.to_be_bytes());
        head.extend(destination.1.to_be_bytes());
        head.extend(seq.to_be_bytes());
        head.extend(if flags & ACK == 0 { 0 } else { ack }.to_be_bytes());
        head.extend([0x80, flags, 0xff, 0xff, 0, 0, 0, 0]);
        head.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
        self.bytes += (head.len() + payload.len()) as u64;
        self.to.write_all(&head)?;
        self.to.write_all(payload)
    }
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const PUSH: u8 = 8;
const ACK: u8 = 16;

struct Connection {
    client: ([u8; 4], u16),
    client_seq: u32,
    server_seq: u32,
}

impl Connection {
    /// Of the client with this number: no two of the last few million have the same ends.
    fn new(number: u32) -> Self {
        let [_, a, b, _] = (number / 50_000).to_be_bytes();
        Self {
            client: ([198, 18 + a % 2, b, 7], 10_000 + (number % 50_000) as u16),
            client_seq: number.wrapping_mul(2_654_435_761),
            server_seq: number.wrapping_mul(40_503) ^ 0x5555_0000,
        }
    }

    fn open<W: Write>(&mut self, file: &mut File<'_, W>) -> io::Result<()> {
        file.packet(false, self, SYN, b"")?;
        self.client_seq = self.client_seq.wrapping_add(1);
        file.packet(true, self, SYN | ACK, b"")?;
        self.server_seq = self.server_seq.wrapping_add(1);
        file.packet(false, self, ACK, b"")
    }

    fn close<W: Write>(&mut self, file: &mut File<'_, W>) -> io::Result<()> {
        file.packet(false, self, FIN | ACK, b"")?;
        self.client_seq = self.client_seq.wrapping_add(1);
        file.packet(true, self, FIN | ACK, b"")?;
        self.server_seq = self.server_seq.wrapping_add(1);
        file.packet(false, self, ACK, b"")
    }

    fn transaction<W: Write>(
        &mut self,
        file: &mut File<'_, W>,
        number: u64,
        upload: usize,
        download: usize,
    ) -> io::Result<()> {
        let id = number % 5_000;
        let common = "Host: api.example.test\r\nUser-Agent: bench/1.0 (made up)\r\nAccept: */*\r\n\
                      Authorization: Bearer 3fa9c1d2e4b5a69788796a5b4c3d2e1f\r\n";
        let mut request = if upload == 0 {
            format!("GET /api/v1/orders/{id}?page=2 HTTP/1.1\r\n{common}\r\n")
        } else {
            format!("POST /api/v1/orders HTTP/1.1\r\n{common}Content-Type: application/json\r\nContent-Length: {upload}\r\n\r\n")
        }
        .into_bytes();
        request.resize(request.len() + upload, b'u');
        self.send(file, false, &request)?;
        let mut response = format!(
            "HTTP/1.1 200 OK\r\nServer: made-up\r\nDate: Fri, 01 Jan 2027 00:00:00 GMT\r\nContent-Type: application/json\r\n\
             Content-Length: {download}\r\nConnection: keep-alive\r\n\r\n"
        )
        .into_bytes();
        response.resize(response.len() + download, b'd');
        self.send(file, true, &response)?;
        // The client acknowledges what it has read, unless its next request does.
        if number.is_multiple_of(4) {
            file.packet(false, self, ACK, b"")
        } else {
            Ok(())
        }
    }

    fn send<W: Write>(&mut self, file: &mut File<'_, W>, from_server: bool, bytes: &[u8]) -> io::Result<()> {
        for (number, segment) in bytes.chunks(SEGMENT).enumerate() {
            file.packet(from_server, self, PUSH | ACK, segment)?;
            let seq = if from_server {
                &mut self.server_seq
            } else {
                &mut self.client_seq
            };
            *seq = seq.wrapping_add(segment.len() as u32);
            if number % 2 == 1 {
                file.packet(!from_server, self, ACK, b"")?;
            }
        }
        Ok(())
    }
}

/// Numbers that look random and are the same every time (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
