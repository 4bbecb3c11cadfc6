//! Messages of one size both ways, on kept connections and on new ones, as fast as both ends can: so many that what became
//! of each can only be counted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::namespace::Namespace;

/// Bytes of each request and of each answer: what was copied, by this, is how many of both.
pub const SIZE: usize = 200;

/// What a server has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Connections that were accepted and have ended.
    pub connections: u64,
    /// Requests that were answered.
    pub exchanges: u64,
}

#[derive(Debug, Default)]
struct Tally {
    begun: AtomicU64,
    ended: AtomicU64,
    exchanges: AtomicU64,
    over: AtomicBool,
}

/// A server that answers each request of [`SIZE`] bytes with as many.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    tally: Arc<Tally>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens at `address` inside the namespace.
    #[track_caller]
    pub fn start(namespace: &Namespace, address: SocketAddr) -> Self {
        let listener = namespace
            .inside(|| TcpListener::bind(address))
            .unwrap_or_else(|error| panic!("{address}: {error}"));
        let tally = Arc::new(Tally::default());
        let counted = Arc::clone(&tally);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if counted.over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                counted.begun.fetch_add(1, Ordering::Relaxed);
                let tally = Arc::clone(&counted);
                std::thread::spawn(move || {
                    serve(stream, &tally.exchanges);
                    tally.ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self {
            address,
            tally,
            acceptor: Some(acceptor),
        }
    }

    /// What it has counted, once every connection has ended. The listener goes.
    #[track_caller]
    pub fn finish(mut self, namespace: &Namespace) -> Sum {
        self.tally.over.store(true, Ordering::Relaxed);
        // Wakes the acceptor; it is not served.
        drop(namespace.inside(|| TcpStream::connect(self.address)));
        if let Some(thread) = self.acceptor.take() {
            thread.join().expect("the acceptor's thread");
        }
        let ended = || {
            let ended = self.tally.ended.load(Ordering::Relaxed);
            (ended == self.tally.begun.load(Ordering::Relaxed)).then_some(ended)
        };
        let connections = crate::wait::until("every connection to end", std::time::Duration::from_secs(10), ended);
        Sum {
            connections,
            exchanges: self.tally.exchanges.load(Ordering::Relaxed),
        }
    }
}

fn serve(mut stream: TcpStream, exchanges: &AtomicU64) {
    let head =
        |body: usize| format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body:>3}\r\n\r\n");
    let mut answer = head(SIZE - head(0).len()).into_bytes();
    answer.resize(SIZE, b'a');
    let mut request = [0; SIZE];
    while stream.read_exact(&mut request).is_ok() {
        // Counted before it is answered: whoever has the answer finds it counted.
        exchanges.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

/// A request of [`SIZE`] bytes, for `/load`.
pub fn request() -> String {
    let head = "GET /load HTTP/1.1\r\nHost: here\r\nX-Pad: ";
    let pad = "p".repeat(SIZE - head.len() - 4);
    format!("{head}{pad}\r\n\r\n")
}

/// For python3: asks on so many kept connections in turn, and on one new connection for each turn, for so many seconds; says how
/// many it asked and how many connections it made. Then it asks once more, for `/next`, when it is told to.
pub const CLIENT: &str = "import socket, sys, time
port, kept, seconds, request = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4].encode().decode('unicode_escape').encode()
def connect(): return socket.create_connection(('127.0.0.1', port))
def read(s):
    left = len(request)
    while left: left -= len(s.recv(left))
streams = [connect() for _ in range(kept)]
asked, made, until = 0, kept, time.monotonic() + seconds
while time.monotonic() < until:
    new = connect(); made += 1
    for s in streams + [new]: s.sendall(request)
    for s in streams + [new]: read(s)
    asked += kept + 1
    new.close()
for s in streams: s.close()
print(asked, made, flush=True)
sys.stdin.readline()
new = connect(); new.sendall(request.replace(b'/load', b'/next')); read(new); new.close()";
