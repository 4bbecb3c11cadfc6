//! Many plain TCP connections at once, driven by threads of the test itself, whose counts are the truth.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::namespace::Namespace;

/// For one read or write, on a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(1);
/// Threads that serve; they wait for the network most of the time.
const SERVERS: usize = 8;

/// Bytes that a server read and wrote, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Connections that were served to their end.
    pub connections: u64,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

#[derive(Debug, Default)]
struct Tally {
    connections: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
}

/// A server that reads each connection to its end, answers with so many bytes, and closes.
#[derive(Debug)]
pub struct Server {
    tally: Arc<Tally>,
    stopped: Arc<AtomicBool>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens at `address` inside the namespace.
    #[track_caller]
    pub fn start(namespace: &Namespace, address: SocketAddr, answer: usize) -> Self {
        let listener = namespace
            .inside(|| TcpListener::bind(address))
            .unwrap_or_else(|error| panic!("{address}: {error}"));
        let (tally, stopped) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let (give, take) = mpsc::channel::<TcpStream>();
        let take = Arc::new(std::sync::Mutex::new(take));
        let workers = (0..SERVERS)
            .map(|_| {
                let (take, tally) = (Arc::clone(&take), Arc::clone(&tally));
                std::thread::spawn(move || {
                    loop {
                        let Ok(stream) = take.lock().expect("no thread panics with the lock").recv() else {
                            return;
                        };
                        serve(stream, answer, &tally);
                    }
                })
            })
            .collect();
        let over = Arc::clone(&stopped);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    let _ = give.send(stream);
                }
            }
        });
        Self {
            tally,
            stopped,
            address,
            acceptor: Some(acceptor),
            workers,
        }
    }

    /// Waits until all that was accepted has been served, and gives the sum. The listener goes.
    #[track_caller]
    pub fn finish(mut self, namespace: &Namespace) -> Sum {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the acceptor; it is not served.
        drop(namespace.inside(|| TcpStream::connect(self.address)));
        for thread in self.acceptor.take().into_iter().chain(self.workers.drain(..)) {
            thread.join().expect("a server's thread");
        }
        Sum {
            connections: self.tally.connections.load(Ordering::Relaxed),
            read: self.tally.read.load(Ordering::Relaxed),
            written: self.tally.written.load(Ordering::Relaxed),
        }
    }
}

fn serve(mut stream: TcpStream, answer: usize, tally: &Tally) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut buffer = [0; 16 * 1024];
    let mut read = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => read += n as u64,
        }
    }
    let noise = vec![1; answer];
    let written = stream.write_all(&noise).map_or(0, |()| answer as u64);
    let _ = stream.shutdown(Shutdown::Both);
    drop(stream);
    tally.read.fetch_add(read, Ordering::Relaxed);
    tally.written.fetch_add(written, Ordering::Relaxed);
    tally.connections.fetch_add(1, Ordering::Relaxed);
}

/// Connects, sends, shuts down, reads to the end: gives the bytes read.
///
/// # Errors
/// Those of the socket.
pub fn converse(address: SocketAddr, bytes: &[u8]) -> std::io::Result<u64> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.len() as u64)
}

/// A full backlog and ports in `TIME_WAIT` pass.
fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut tries = 0;
    loop {
        match TcpStream::connect(address) {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable && tries < 100 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}
