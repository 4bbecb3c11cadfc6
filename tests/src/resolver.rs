//! A DNS server of the test itself: answers that the test chose, over UDP.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
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

/// A resolver on a UDP socket of this host; ends when dropped.
#[derive(Debug)]
pub struct Resolver {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    /// Answers at `address` inside the namespace.
    #[track_caller]
    pub fn start(namespace: &Namespace, address: SocketAddr, zone: Zone) -> Self {
        let socket = namespace
            .inside(|| UdpSocket::bind(address))
            .unwrap_or_else(|error| panic!("{address}: {error}"));
        socket.set_read_timeout(Some(STEP)).expect("a read timeout");
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut query = [0; 512];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, asker)) = socket.recv_from(&mut query) else {
                    continue;
                };
                if let Some(response) = answer(&query[..length], &zone) {
                    let _ = socket.send_to(&response, asker);
                }
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
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
