//! A wire between two namespaces that the test holds in its hand: two TUN devices, and a thread that carries packets
//! from one to the other, loses some, lets others overtake, and brings some twice.
//!
//! A TUN device without offloads gets and gives packets of its MTU, as they would be on a cable.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use smoltcp::phy::{Device, Medium, RxToken, TunTapInterface, TxToken};
use smoltcp::wire::{Ipv4Packet, TcpPacket};

use crate::chance::Chance;
use crate::namespace::{Namespace, enter};

const DEVICE: &str = "relay0";
/// Between two looks while packets pass: the round-trip time of the wire is some of these.
const SHORT: Duration = Duration::from_micros(50);
/// Between two looks after a lull.
const LONG: Duration = Duration::from_millis(1);
/// So long without a packet.
const LULL: Duration = Duration::from_millis(20);
/// How long at most a packet that is late is late, microseconds.
const LATE_US: u64 = 3_000;

/// What happens to packets, each direction alike; times of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Lost.
    pub lost: u64,
    /// Up to three milliseconds late, so that others overtake.
    pub late: u64,
    /// Brought twice.
    pub twice: u64,
}

/// A TCP segment that came to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Whether the left one sent it.
    pub from_left: bool,
    /// With SYN.
    pub syn: bool,
    /// With FIN.
    pub fin: bool,
    /// Bytes of payload.
    pub payload: usize,
}

/// What the test and the thread share.
#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    held: AtomicBool,
    segments: Mutex<Vec<Segment>>,
}

/// The wire; gone when dropped.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Two namespaces on such a wire; they have the addresses 1 and 2 of `network`, a /24 written up to its host part.
    #[track_caller]
    pub fn between(network: &str, weather: Weather, seed: u64) -> (Namespace, Namespace, Self) {
        let (left, right) = (Namespace::new(), Namespace::new());
        for (end, host) in [(&left, 1), (&right, 2)] {
            end.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tun"]);
            end.ip(&["address", "add", &format!("{network}{host}/24"), "dev", DEVICE]);
            end.ip(&["link", "set", DEVICE, "up"]);
        }
        let (shared, other) = (Arc::new(Shared::default()), right.open());
        let carried = Arc::clone(&shared);
        let thread = left.spawn_inside(move || {
            let left = TunTapInterface::new(DEVICE, Medium::Ip).expect("the left TUN device");
            let right = enter(&other, || TunTapInterface::new(DEVICE, Medium::Ip)).expect("the right TUN device");
            Wire {
                ends: [left, right],
                weather,
                chance: Chance::of(seed),
                waiting: BTreeMap::new(),
                count: 0,
                shared: carried,
            }
            .carry();
        });
        let thread = Some(thread);
        (left, right, Self { shared, thread })
    }

    /// Packets wait from now on.
    pub fn hold(&self) {
        self.shared.held.store(true, Ordering::Release);
    }

    /// Those that wait go on, in their order, and all that come after them.
    pub fn release(&self) {
        self.shared.held.store(false, Ordering::Release);
    }

    /// TCP segments that came so far, in their order; lost ones too.
    #[track_caller]
    pub fn segments(&self) -> Vec<Segment> {
        self.shared.segments.lock().expect("the relay lives").clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Wire {
    /// Left and right.
    ends: [TunTapInterface; 2],
    weather: Weather,
    chance: Chance,
    /// By when it is due and its number: where it goes, and the packet.
    waiting: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    count: u64,
    shared: Arc<Shared>,
}

impl Wire {
    fn carry(mut self) {
        let mut last = Instant::now();
        while !self.shared.over.load(Ordering::Acquire) {
            let came = self.take_in(0) | self.take_in(1);
            let gone = !self.shared.held.load(Ordering::Acquire) && self.give_out();
            if came || gone {
                last = Instant::now();
            } else {
                std::thread::sleep(if last.elapsed() < LULL { SHORT } else { LONG });
            }
        }
    }

    /// All that one end has sent; whether there was anything.
    fn take_in(&mut self, from: usize) -> bool {
        let mut any = false;
        while let Some((token, _)) = self.ends[from].receive(smoltcp::time::Instant::now()) {
            any = true;
            let packet = token.consume(<[u8]>::to_vec);
            // Others are IPv6's own affairs.
            let Some(segment) = segment(&packet, from == 0) else {
                continue;
            };
            let mut segments = self.shared.segments.lock().expect("nobody panics with the lock");
            segments.push(segment);
            drop(segments);
            if self.chance.per_mille(self.weather.lost) {
                continue;
            }
            for _ in 0..=usize::from(self.chance.per_mille(self.weather.twice)) {
                let late = if self.chance.per_mille(self.weather.late) {
                    self.chance.below(LATE_US)
                } else {
                    0
                };
                let due = Instant::now() + Duration::from_micros(late);
                self.count += 1;
                self.waiting.insert((due, self.count), (1 - from, packet.clone()));
            }
        }
        any
    }

    /// What is due; whether there was anything.
    fn give_out(&mut self) -> bool {
        let mut any = false;
        while let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= Instant::now()
        {
            any = true;
            let (to, packet) = entry.remove();
            if let Some(token) = self.ends[to].transmit(smoltcp::time::Instant::now()) {
                token.consume(packet.len(), |buffer| buffer.copy_from_slice(&packet));
            }
        }
        any
    }
}

fn segment(packet: &[u8], from_left: bool) -> Option<Segment> {
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    Some(Segment {
        from_left,
        syn: tcp.syn(),
        fin: tcp.fin(),
        payload: tcp.payload().len(),
    })
}
