//! A DNS server of the test itself: answers that the test chose, over UDP and TCP.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::namespace::Namespace;

/// Names in lower case and their addresses.
pub type Zone = BTreeMap<&'static str, Ipv4Addr>;

/// RFC 1035 section 4.1.1: length of the header.
const HEADER: usize = 12;
/// RFC 1035 section 3.2.2.
const TYPE_A: [u8; 2] = [0, 1];
/// Seconds; longer than any test.
const TTL: [u8; 4] = 300_u32.to_be_bytes();
/// Between two looks at whether to end.
const STEP: Duration = Duration::from_millis(50);

/// How much of an answer fits into a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagrams {
    /// All of it.
    Whole,
    /// Nothing: whoever asks is to ask again over TCP (RFC 1035 section 4.2.1, TC).
    Cut,
}

/// A resolver on a UDP and a TCP socket of this host; ends when dropped.
#[derive(Debug)]
pub struct Resolver {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Resolver {
    /// Answers at `address` inside the namespace.
    #[track_caller]
    pub fn start(namespace: &Namespace, address: SocketAddr, zone: Zone) -> Self {
        Self::with(namespace, address, zone, Datagrams::Whole)
    }

    /// Likewise, with so much of each answer in datagrams.
    #[track_caller]
    pub fn with(namespace: &Namespace, address: SocketAddr, zone: Zone, datagrams: Datagrams) -> Self {
        let sockets = namespace.inside(|| Ok::<_, Error>((UdpSocket::bind(address)?, TcpListener::bind(address)?)));
        let (socket, listener) = sockets.unwrap_or_else(|error| panic!("{address}: {error}"));
        socket.set_read_timeout(Some(STEP)).expect("a read timeout");
        listener.set_nonblocking(true).expect("a listener that does not wait");
        let over = Arc::new(AtomicBool::new(false));
        let (end, zone_too) = (Arc::clone(&over), zone.clone());
        let by_udp = std::thread::spawn(move || {
            let mut query = [0; 512];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, asker)) = socket.recv_from(&mut query) else {
                    continue;
                };
                if let Some(mut response) = answer(&query[..length], &zone) {
                    if datagrams == Datagrams::Cut {
                        response = cut(&query[..length]);
                    }
                    let _ = socket.send_to(&response, asker);
                }
            }
        });
        let end = Arc::clone(&over);
        let by_tcp = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match listener.accept() {
                    // One after the other: each asker closes before long.
                    Ok((connection, _)) => drop(serve(connection, &zone_too, &end)),
                    Err(_) => std::thread::sleep(STEP),
                }
            }
        });
        Self {
            over,
            threads: vec![by_udp, by_tcp],
        }
    }
}

/// Answers queries behind their lengths (RFC 1035 section 4.2.2), until the asker closes.
fn serve(mut connection: TcpStream, zone: &Zone, over: &AtomicBool) -> std::io::Result<()> {
    connection.set_nonblocking(false)?;
    connection.set_read_timeout(Some(STEP))?;
    let mut bytes = Vec::new();
    let mut piece = [0; 512];
    while !over.load(Ordering::Relaxed) {
        match connection.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error),
        }
        connection.write_all(&answers(&mut bytes, zone))?;
    }
    Ok(())
}

/// Takes whole queries off the front, and gives their answers, with lengths.
pub fn answers(bytes: &mut Vec<u8>, zone: &Zone) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk()
        && let Some(query) = rest.get(..usize::from(u16::from_be_bytes(*length)))
    {
        if let Some(response) = answer(query, zone) {
            let length = u16::try_from(response.len()).expect("a short answer");
            out.extend(length.to_be_bytes());
            out.extend(response);
        }
        bytes.drain(..2 + query.len());
    }
    out
}

/// The query, as a response that was cut before its answers.
fn cut(query: &[u8]) -> Vec<u8> {
    let mut response = query.to_vec();
    // QR, TC and RD; RA. No more than the question is counted.
    response[2..4].copy_from_slice(&[0x83, 0x80]);
    response[6..HEADER].fill(0);
    response.truncate(HEADER + name(&query[HEADER..]).map_or(0, |(_, length)| length + 4));
    response
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The response to one query (RFC 1035 section 4): the address, no data for another type, NXDOMAIN for another name.
pub fn answer(query: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let question = query.get(HEADER..)?;
    let (name, length) = name(question)?;
    let question = question.get(..length + 4)?;
    let address = zone.get(name.as_str());
    let answers = address.filter(|_| question[length..length + 2] == TYPE_A);
    // QR, opcode 0, RD and RA set; RCODE 3 is NXDOMAIN.
    let flags = [0x81, if address.is_some() { 0x80 } else { 0x83 }];
    let mut response = query[..2].to_vec();
    response.extend(flags);
    response.extend([0, 1, 0, u8::from(answers.is_some()), 0, 0, 0, 0]);
    response.extend(question);
    if let Some(address) = answers {
        // The name is a pointer to the question's, at offset 12 (section 4.1.4).
        response.extend([0xc0, 12, 0, 1, 0, 1]);
        response.extend(TTL);
        response.extend([0, 4]);
        response.extend(address.octets());
    }
    Some(response)
}

/// The name that a question begins with, and how many bytes it takes.
fn name(question: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut place = 0;
    loop {
        let length = usize::from(*question.get(place)?);
        place += 1;
        if length == 0 {
            return Some((labels.join("."), place));
        }
        let label = question.get(place..place + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        place += length;
    }
}
