//! The rest of the world: hosts behind a TUN device, with a TCP stack of their own.
//!
//! A peer in another namespace is still a socket of this host, and the flow to it is `local`. What answers here is no
//! socket of this kernel, so flows to it are outbound.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Medium, TunTapInterface, wait as phy_wait};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use crate::namespace::Namespace;
use crate::resolver::{Zone, answer, answers};

/// Where names are asked for.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// Port of the web server that every remote address has; `/N` answers with N bytes.
pub const HTTP: u16 = 80;
/// Port that reads everything and answers nothing.
pub const SINK: u16 = 9000;

const DNS: u16 = 53;
const DEVICE: &str = "remote0";
/// The documentation networks (RFC 5737): they can be nobody's.
const NETWORKS: [&str; 2] = ["198.51.100.0/24", "203.0.113.0/24"];
const HERE: &str = "192.0.2.1/24";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// Sockets that listen on each port, which is how many connections it can have at once.
const BACKLOG: usize = 8;
/// Send and receive buffer of a connection.
const BUFFER: usize = 64 * 1024;
/// Longest sleep, so that the end is seen.
const STEP: smoltcp::time::Duration = smoltcp::time::Duration::from_millis(5);
/// For a connection to end after its client has.
const PATIENCE: Duration = Duration::from_secs(20);

/// What passed on one connection, as the remote host counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Address that was asked.
    pub address: Ipv4Addr,
    /// Port that was asked.
    pub port: u16,
    /// Port of the client.
    pub client_port: u16,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

/// Remote hosts, all on one thread; gone when dropped.
#[derive(Debug)]
pub struct Remote {
    counts: Receiver<Counts>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Remote {
    /// Routes the documentation networks of the namespace to remote hosts, and resolves these names at [`RESOLVER`].
    #[track_caller]
    pub fn start(namespace: &Namespace, zone: Zone) -> Self {
        namespace.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tun"]);
        namespace.ip(&["address", "add", HERE, "dev", DEVICE]);
        namespace.ip(&["link", "set", DEVICE, "up"]);
        for network in NETWORKS {
            namespace.ip(&["route", "add", network, "dev", DEVICE]);
        }
        let (tell, counts) = channel();
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        let thread = namespace.spawn_inside(move || {
            let mut stack = Stack::new(zone, tell);
            while !end.load(Ordering::Relaxed) {
                stack.turn();
            }
        });
        Self {
            counts,
            over,
            thread: Some(thread),
        }
    }

    /// Waits for the next ended connection.
    #[track_caller]
    pub fn ended(&self) -> Counts {
        self.counts
            .recv_timeout(PATIENCE)
            .expect("a connection to a remote host ends")
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Stack {
    device: TunTapInterface,
    interface: Interface,
    sockets: SocketSet<'static>,
    dns: SocketHandle,
    connections: Vec<Connection>,
    zone: Zone,
    tell: Sender<Counts>,
}

impl Stack {
    fn new(zone: Zone, tell: Sender<Counts>) -> Self {
        let mut device = TunTapInterface::new(DEVICE, Medium::Ip).expect("the TUN device");
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::now());
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(IpAddress::Ipv4(GATEWAY), 24))
                .expect("room for an address");
        });
        // A route to itself: it answers for every address (AnyIP).
        interface
            .routes_mut()
            .add_default_ipv4_route(GATEWAY)
            .expect("room for a route");
        interface.set_any_ip(true);
        let mut sockets = SocketSet::new(Vec::new());
        let datagrams = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; BUFFER]);
        let mut dns = udp::Socket::new(datagrams(), datagrams());
        dns.bind(DNS).expect("bind the resolver");
        let dns = sockets.add(dns);
        let connections = [HTTP, SINK, DNS].into_iter().flat_map(|port| [port; BACKLOG]);
        let connections = connections.map(|port| Connection::new(port, &mut sockets)).collect();
        Self {
            device,
            interface,
            sockets,
            dns,
            connections,
            zone,
            tell,
        }
    }

    fn turn(&mut self) {
        self.interface.poll(Instant::now(), &mut self.device, &mut self.sockets);
        for connection in &mut self.connections {
            let ended = connection.serve(self.sockets.get_mut(connection.handle), &self.zone);
            // Lookups are no traffic of the test's own.
            if let Some(ended) = ended.filter(|ended| ended.port != DNS) {
                let _ = self.tell.send(ended);
            }
        }
        let dns = self.sockets.get_mut::<udp::Socket>(self.dns);
        while let Ok((query, asker)) = dns.recv() {
            if let Some(response) = answer(query, &self.zone) {
                let _ = dns.send_slice(&response, asker);
            }
        }
        let now = Instant::now();
        self.interface.poll(now, &mut self.device, &mut self.sockets);
        let pause = self
            .interface
            .poll_delay(now, &self.sockets)
            .map_or(STEP, |delay| delay.min(STEP));
        let _ = phy_wait(self.device.as_raw_fd(), Some(pause));
    }
}

/// A socket that listens, serves one connection, and listens again.
struct Connection {
    handle: SocketHandle,
    port: u16,
    request: Vec<u8>,
    response: VecDeque<u8>,
    current: Option<Counts>,
}

impl Connection {
    fn new(port: u16, sockets: &mut SocketSet<'static>) -> Self {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.listen(port).expect("listen");
        let handle = sockets.add(socket);
        Self {
            handle,
            port,
            request: Vec::new(),
            response: VecDeque::new(),
            current: None,
        }
    }

    /// Moves the connection on; gives its counts once it has ended.
    fn serve(&mut self, socket: &mut tcp::Socket, zone: &Zone) -> Option<Counts> {
        let Some(counts) = &mut self.current else {
            if !socket.is_open() {
                self.request.clear();
                self.response.clear();
                socket.listen(self.port).expect("listen again");
            }
            self.current = begun(socket, self.port);
            return None;
        };
        while socket.can_recv() {
            let Ok(piece) = socket.recv(|piece| (piece.len(), piece.to_vec())) else {
                break;
            };
            counts.read += piece.len() as u64;
            match self.port {
                HTTP => {
                    self.request.extend(piece);
                    self.response.extend(respond(&mut self.request));
                }
                DNS => {
                    self.request.extend(piece);
                    self.response.extend(answers(&mut self.request, zone));
                }
                _ => {}
            }
        }
        while socket.can_send() && !self.response.is_empty() {
            let Ok(count) = socket.send_slice(self.response.as_slices().0) else {
                break;
            };
            self.response.drain(..count);
            counts.written += count as u64;
        }
        if !socket.may_recv() && self.response.is_empty() && socket.may_send() {
            socket.close();
        }
        // TIME-WAIT is this side's own affair: the conversation is over.
        let over = !socket.is_open() || socket.state() == tcp::State::TimeWait;
        if over && socket.is_open() {
            socket.abort();
        }
        if over { self.current.take() } else { None }
    }
}

fn begun(socket: &tcp::Socket, port: u16) -> Option<Counts> {
    let (local, remote) = socket.local_endpoint().zip(socket.remote_endpoint())?;
    let IpAddress::Ipv4(address) = local.addr;
    Some(Counts {
        address,
        port,
        client_port: remote.port,
        read: 0,
        written: 0,
    })
}

/// Takes a whole request off the front, and gives its response.
fn respond(request: &mut Vec<u8>) -> Vec<u8> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(header) = request.windows(END.len()).position(|window| window == END) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&request[..header]).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let end = header + END.len() + length.unwrap_or(0);
    if request.len() < end {
        return Vec::new();
    }
    request.drain(..end);
    let size = text
        .split(' ')
        .nth(1)
        .and_then(|target| target.trim_start_matches('/').parse().ok())
        .unwrap_or(0);
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    response.resize(response.len() + size, b'r');
    response
}
