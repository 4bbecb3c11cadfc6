//! A resolver and its clients: questions and answers of DNS, one datagram each, on loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::load::{Run, host_cpu};
use crate::namespace::Namespace;

/// Where names are asked for (RFC 1035 section 4.2.1).
const DNS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 53);
/// An answer that takes longer is lost.
const PATIENCE: Duration = Duration::from_millis(500);
/// Questions under way at a time, each from a socket of its own, as resolvers' libraries ask.
const CLIENTS: usize = 16;
/// Latencies that are kept, of the first questions.
const KEPT: usize = 1 << 20;

/// Asks for as long as said, as fast as it goes.
#[track_caller]
pub(super) fn run(net: &Namespace, length: Duration) -> Run {
    let over = Arc::new(AtomicBool::new(false));
    let server = net.inside(|| UdpSocket::bind(DNS)).expect("bind the resolver");
    server.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
    let until = Arc::clone(&over);
    let serving = std::thread::spawn(move || serve(&server, &until));
    let clients: Vec<_> = net.inside(|| {
        (0..CLIENTS)
            .map(|_| {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a client");
                socket.connect(DNS).expect("a resolver");
                socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
                socket
            })
            .collect()
    });
    let before = host_cpu();
    let began = Instant::now();
    let latencies = ask(&clients, began + length);
    let (took, busy) = (began.elapsed(), host_cpu().saturating_sub(before));
    over.store(true, Ordering::Relaxed);
    serving.join().expect("the resolver ends");
    of(latencies, took, busy)
}

fn of(mut latencies: Vec<Duration>, took: Duration, busy: Duration) -> Run {
    let requests = latencies.len() as u64;
    latencies.truncate(KEPT);
    latencies.sort_unstable();
    let at = |percent: usize| {
        let place = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies
            .get(place)
            .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    };
    Run {
        requests,
        rate: requests as f64 / took.as_secs_f64(),
        busy,
        p50_us: at(50),
        p99_us: at(99),
    }
}

/// All clients ask, then each is answered, until it is time. One thread: what is measured are the datagrams.
fn ask(clients: &[UdpSocket], until: Instant) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let (mut id, mut answer) = (0u16, [0; 512]);
    while Instant::now() < until {
        let mut asked = Vec::with_capacity(clients.len());
        for client in clients {
            id = id.wrapping_add(1);
            asked.push((Instant::now(), id));
            client.send(&question(id)).expect("ask");
        }
        for (client, (at, id)) in clients.iter().zip(asked) {
            // Loopback loses none but where a buffer is full: then it is no transaction.
            if client.recv(&mut answer).is_ok() && answer[..2] == id.to_be_bytes() {
                latencies.push(at.elapsed());
            }
        }
    }
    latencies
}

/// A question for one of a thousand names (RFC 1035 section 4.1).
fn question(id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let label = format!("host-{:03}", id % 1_000);
    for label in [label.as_str(), "bench", "example"] {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// Answers each with one address.
fn serve(server: &UdpSocket, over: &AtomicBool) {
    let mut message = [0; 512];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, asker)) = server.recv_from(&mut message) else {
            continue;
        };
        let mut answer = message[..length].to_vec();
        answer[2] |= 0x80;
        answer[7] = 1;
        // The name of the question, A, IN, a minute, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53]);
        let _ = server.send_to(&answer, asker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_in_order() {
        let latencies = (1..=200).rev().map(Duration::from_micros).collect();
        let run = of(latencies, Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(run.requests, 200);
        for (found, expected) in [(run.rate, "100"), (run.p50_us, "101"), (run.p99_us, "199")] {
            assert_eq!(format!("{found:.0}"), expected);
        }
        assert!(of(Vec::new(), Duration::from_secs(1), Duration::ZERO).p50_us.is_nan());
    }
}
