//! A plain TCP server of the test itself, with its own exact counts by connection.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::namespace::Namespace;

/// For a connection to end after its client has.
const PATIENCE: Duration = Duration::from_secs(20);
/// Read and write size.
const PIECE: usize = 64 * 1024;

/// What passed on one connection, as the server counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Port of the client.
    pub client_port: u16,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

/// What the server does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Reads to the end and writes nothing.
    Sink,
    /// Reads to the end while it writes so many bytes of noise, then closes.
    Exchange(u64),
}

/// A listening server; its thread ends with the last expected connection.
#[derive(Debug)]
pub struct Peer {
    counts: Receiver<Counts>,
}

impl Peer {
    /// Listens at `address` inside the namespace, and serves so many connections, one after the other.
    #[track_caller]
    pub fn start(namespace: &Namespace, address: SocketAddr, behaviour: Behaviour, connections: usize) -> Self {
        let listener = namespace
            .inside(|| TcpListener::bind(address))
            .unwrap_or_else(|error| panic!("{address}: {error}"));
        let (tell, counts) = channel();
        std::thread::spawn(move || {
            for _ in 0..connections {
                let Ok((stream, client)) = listener.accept() else {
                    return;
                };
                let (read, written) = serve(&stream, behaviour);
                drop(stream);
                if tell
                    .send(Counts {
                        client_port: client.port(),
                        read,
                        written,
                    })
                    .is_err()
                {
                    return;
                }
            }
        });
        Self { counts }
    }

    /// Waits for the next ended connection.
    #[track_caller]
    pub fn ended(&self) -> Counts {
        self.counts.recv_timeout(PATIENCE).expect("a connection ends")
    }
}

fn serve(stream: &TcpStream, behaviour: Behaviour) -> (u64, u64) {
    match behaviour {
        Behaviour::Sink => (read_all(stream), 0),
        Behaviour::Exchange(size) => exchange(stream, size),
    }
}

/// Reads to the end.
pub fn read_all(mut stream: &TcpStream) -> u64 {
    let mut piece = vec![0; PIECE];
    let mut total = 0;
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        total += count as u64;
    }
    total
}

/// Writes `size` bytes of noise and shuts down, while another thread reads to the end: bytes read, bytes written.
pub fn exchange(stream: &TcpStream, size: u64) -> (u64, u64) {
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_all(stream));
        let written = write_noise(stream, size);
        let _ = stream.shutdown(Shutdown::Write);
        (reader.join().unwrap_or(0), written)
    })
}

/// Writes `size` bytes that look like no protocol: bytes written.
pub fn write_noise(mut stream: &TcpStream, size: u64) -> u64 {
    // xorshift64 (Marsaglia 2003); the first byte of HTTP, TLS or DNS over TCP would be another.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut piece = Vec::with_capacity(PIECE);
    while piece.len() < PIECE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        piece.extend(state.to_le_bytes());
    }
    piece[0] = 0xff;
    let mut written = 0;
    while written < size {
        let count = (size - written).min(PIECE as u64) as usize;
        if stream.write_all(&piece[..count]).is_err() {
            break;
        }
        written += count as u64;
    }
    written
}
