//! Bytes by every way that moves them, against what the calls returned to the programs that made them.

use std::net::{SocketAddr, TcpStream};

use monitor_tests::host::tool;
use monitor_tests::namespace::succeed;
use monitor_tests::peer::{Behaviour, exchange, write_noise};
use monitor_tests::{Field, Host, Launch, Namespace, Peer};
use serde_json::Value;

use crate::endings::PRELUDE;
use crate::here;

/// What the scripts have beside [`PRELUDE`]: an account of the accepting end, and helpers that count.
const ACCOUNT: &str = "import ctypes, json, threading
libc = ctypes.CDLL(None, use_errno=True)
account = {'sent': 0, 'received': 0, 'unread': 0}
def send(s, data, *flags):
    view = memoryview(data)
    while view:
        n = s.send(view, *flags); account['sent'] += n; view = view[n:]
def recv(s, most, *flags):
    data = s.recv(most, *flags); account['received'] += len(data); return data
def recv_all(s):
    while recv(s, 65536): pass
def reads(c):
    t = threading.Thread(target=until_it_ended, args=(c,)); t.start(); return t
def writes(c, data):
    t = threading.Thread(target=lambda: (c.sendall(data), c.shutdown(socket.SHUT_WR))); t.start(); return t
def tell(): print(json.dumps(account))
";

/// Plays a script in which `s` accepts, and compares the flow's counts with the script's account. Gives the end.
#[track_caller]
fn check(port: u16, script: &str) -> Option<Value> {
    let _host = Host::claim(&["python3"])?;
    Some(compare(port, script).0)
}

/// The same, on a host that was claimed; gives the account too.
#[track_caller]
pub(crate) fn compare(port: u16, script: &str) -> (Value, Value) {
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let script = format!("{PRELUDE}{ACCOUNT}{script}\ntell()");
    let output = succeed(
        net.command(tool("python3"))
            .args(["-c", &script, &port.to_string()])
            .stdin(std::process::Stdio::null()),
    );
    let account: Value = serde_json::from_slice(&output.stdout).expect("the script's account");
    daemon.wait_for_closes(port, 1);
    let records = daemon.stop();
    let close = records.close(port);
    for (ours, theirs) in [
        ("/bytes_sent", "/sent"),
        ("/bytes_received", "/received"),
        ("/bytes_unread", "/unread"),
    ] {
        assert_eq!(
            close.number(ours),
            account.number(theirs),
            "{ours}, the account is {account}: {close}"
        );
    }
    assert_eq!(records.lost(), 0, "{}", records.stats());
    (close.clone(), account)
}

#[test]
fn sendfile() {
    let close = check(
        18_851,
        "import tempfile
c, s = pair(); t = reads(c)
with tempfile.TemporaryFile() as f:
    f.write(b'x' * 3_000_001); f.flush()
    at = 0
    while at < 3_000_001: at += os.sendfile(s.fileno(), f.fileno(), at, 3_000_001 - at)
account['sent'] = at
s.close(); t.join(); c.close()",
    );
    if let Some(close) = close {
        close.expect("/bytes_acked", 3_000_001);
    }
}

#[test]
fn many_buffers_in_one_call() {
    check(
        18_852,
        "c, s = pair(); t = reads(c)
for i in range(200): account['sent'] += s.sendmsg([bytes(k) for k in range(i % 97 + 1)])
account['sent'] += os.writev(s.fileno(), [b'abc', b'', b'de'])
s.close(); t.join(); c.close()",
    );
}

#[test]
fn zerocopy_send() {
    check(
        18_853,
        "SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
c, s = pair(); t = reads(c)
s.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
data = bytes(200_000)
for _ in range(20): send(s, data, MSG_ZEROCOPY)
s.close(); t.join(); c.close()",
    );
}

#[test]
fn zerocopy_receive() {
    // Pages that a pipe took whole are handed over as they are, and can be mapped where they arrive; what cannot, the
    // kernel asks to read. EIO is the end of the stream (tcp_zerocopy_receive in net/ipv4/tcp.c).
    let close = check(
        18_866,
        "import errno
TCP_ZEROCOPY_RECEIVE, PAGE, PAGES = 35, 4096, 64
libc.mmap.restype = ctypes.c_void_p
c, s = pair()
def feed():
    r, w = os.pipe()
    for _ in range(20):
        left = os.write(w, bytes(16 * PAGE))
        while left: left -= os.splice(r, c.fileno(), left)
    c.sendall(bytes(777)); c.shutdown(socket.SHUT_WR)
t = threading.Thread(target=feed); t.start()
window = libc.mmap(None, ctypes.c_size_t(PAGES * PAGE), 1, 1, s.fileno(), ctypes.c_long(0))
mapped = 0
while True:
    ask = ctypes.create_string_buffer(struct.pack('QIIIiQIIQQII', window, PAGES * PAGE, *[0] * 10), 64)
    size = ctypes.c_uint(64)
    if libc.getsockopt(s.fileno(), socket.IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, ask, ctypes.byref(size)):
        assert ctypes.get_errno() == errno.EIO, os.strerror(ctypes.get_errno())
        break
    _, length, to_read = struct.unpack_from('QII', ask)
    mapped += length; account['received'] += length
    if to_read or not length: recv(s, to_read or PAGE)
assert mapped > 100 * PAGE, f'{mapped} bytes mapped: the case was not reached'
assert account['received'] == 20 * 16 * PAGE + 777
s.close(); t.join(); c.close()",
    );
    if let Some(close) = close {
        close.expect("/process/name", "python3");
    }
}

#[test]
fn a_relay_that_splices() {
    const FRONT: u16 = 18_854;
    const BACK: u16 = 18_855;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    // Both ways between a client and a server behind: neither end of the relay reads or writes a byte itself.
    let script = format!(
        "{PRELUDE}{ACCOUNT}
c, front = pair()
PORT = {BACK}
back, s = pair()
def relay(a, b):
    r, w = os.pipe()
    while True:
        n = os.splice(a.fileno(), w, 1 << 16)
        if n == 0: break
        while n: n -= os.splice(r, b.fileno(), n)
    b.shutdown(socket.SHUT_WR)
ways = [threading.Thread(target=relay, args=way) for way in ((front, back), (back, front))]
for way in ways: way.start()
asks, answers = writes(c, bytes(700_000)), writes(s, bytes(1_300_000))
t = reads(c); recv_all(s)
for thread in ways + [asks, answers, t]: thread.join()
for end in (front, back, c, s): end.close()
tell()"
    );
    let output = succeed(net.command(tool("python3")).args(["-c", &script, &FRONT.to_string()]));
    let account: Value = serde_json::from_slice(&output.stdout).expect("the account");
    assert_eq!(account.number("/received"), Some(700_000));
    daemon.wait_for_closes(FRONT, 1);
    daemon.wait_for_closes(BACK, 1);
    let records = daemon.stop();
    for (port, received, sent) in [(FRONT, 700_000, 1_300_000), (BACK, 700_000, 1_300_000)] {
        let close = records.close(port);
        close.expect("/bytes_received", received);
        close.expect("/bytes_sent", sent);
        close.expect("/bytes_unread", 0);
    }
}

#[test]
fn a_peek_is_no_read() {
    check(
        18_856,
        "c, s = pair(); c.sendall(bytes(1000)); time.sleep(0.05)
assert len(s.recv(500, socket.MSG_PEEK)) == 500
recv(s, 200)
account['unread'] = 800
s.close(); until_it_ended(c); c.close()",
    );
}

#[test]
fn what_is_thrown_away_by_the_reader_is_read() {
    // MSG_TRUNC of TCP (tcp(7)): bytes are taken from the stream and not copied.
    check(
        18_857,
        "c, s = pair(); c.sendall(bytes(1000)); time.sleep(0.05)
buffer = ctypes.create_string_buffer(600)
n = libc.recv(s.fileno(), buffer, 600, socket.MSG_TRUNC)
assert n == 600, n
account['received'] += n
recv(s, 400)
c.close(); recv_all(s); s.close()",
    );
}

#[test]
fn reading_on_after_the_others_close() {
    check(
        18_858,
        "c, s = pair(); c.sendall(bytes(50_000)); c.close(); time.sleep(0.1)
recv_all(s); s.close()",
    );
}

#[test]
fn writing_on_after_the_others_half_close() {
    let close = check(
        18_859,
        "c, s = pair(); c.sendall(b'0123456789'); c.shutdown(socket.SHUT_WR); recv_all(s)
t = reads(c); send(s, bytes(2_000_000)); s.close(); t.join(); c.close()",
    );
    if let Some(close) = close {
        close.expect("/bytes_acked", 2_000_000);
        close.expect("/end_reason", "fin_remote");
    }
}

#[test]
fn a_reset_with_bytes_unsent() {
    let close = check(
        18_860,
        "c, s = pair(); s.setblocking(False)
while True:
    try: account['sent'] += s.send(bytes(65536))
    except BlockingIOError: break
reset(s); until_it_ended(c); c.close()",
    );
    if let Some(close) = close {
        assert!(close.number("/bytes_acked") < close.number("/bytes_sent"), "{close}");
        close.expect("/end_reason", "reset_local");
    }
}

#[test]
fn one_byte_segments() {
    check(
        18_861,
        "c, s = pair(); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1); t = reads(c)
for _ in range(3000): send(s, b'x')
s.close(); t.join(); c.close()",
    );
}

#[test]
fn one_socket_connected_twice() {
    const PORT: u16 = 18_862;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    // connect(2): AF_UNSPEC dissolves the association.
    let script = format!(
        "{PRELUDE}{ACCOUNT}
l = listen(); c = connect(); s, _ = l.accept(); c.sendall(bytes(100))
while account['received'] < 100: recv(s, 100)
assert libc.connect(c.fileno(), bytes(16), 16) == 0
until_it_ended(s); s.close()
c.connect(('127.0.0.1', PORT)); s, _ = l.accept(); c.sendall(bytes(250)); c.close(); recv_all(s); s.close()"
    );
    succeed(net.command(tool("python3")).args(["-c", &script, &PORT.to_string()]));
    daemon.wait_for_closes(PORT, 2);
    let records = daemon.stop();
    let mut received: Vec<_> = records
        .closes(PORT)
        .iter()
        .map(|close| close.number("/bytes_received"))
        .collect();
    received.sort_unstable();
    assert_eq!(received, [Some(100), Some(250)]);
}

#[test]
fn older_than_the_monitor_is_counted_from_its_first_sight() {
    const PORT: u16 = 18_863;
    let Some(_host) = Host::claim(&[]) else { return };
    let net = Namespace::new();
    let peer = Peer::start(&net, here(PORT), Behaviour::Sink, 1);
    let stream = net.inside(|| TcpStream::connect(here(PORT))).expect("connect");
    assert_eq!(write_noise(&stream, 12_345), 12_345);
    let mut daemon = Launch::new().start();
    assert_eq!(write_noise(&stream, 6_789), 6_789);
    drop(stream);
    assert_eq!(peer.ended().read, 12_345 + 6_789);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let close = records.close(PORT);
    close.expect("/joined_late", true);
    close.expect("/bytes_received", 6_789);
}

#[test]
fn a_gibibyte_each_way() {
    const PORT: u16 = 18_864;
    const GIBIBYTE: u64 = 1 << 30;
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().records("flow,stats").start());
    let peer = Peer::start(&net, here(PORT), Behaviour::Exchange(GIBIBYTE), 1);
    let stream = net.inside(|| TcpStream::connect(here(PORT))).expect("connect");
    let (read, written) = exchange(&stream, GIBIBYTE);
    drop(stream);
    let counts = peer.ended();
    assert_eq!(
        (read, written, counts.read, counts.written),
        (GIBIBYTE, GIBIBYTE, GIBIBYTE, GIBIBYTE)
    );
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let close = records.close(PORT);
    close.expect("/bytes_received", GIBIBYTE);
    close.expect("/bytes_sent", GIBIBYTE);
    close.expect("/bytes_acked", GIBIBYTE);
    assert_eq!(records.lost(), 0, "{}", records.stats());
}

#[test]
fn more_than_sequence_numbers_count() {
    const PORT: u16 = 18_865;
    /// Over 2^32, so that the numbers come around at least once.
    const BYTES: u64 = (1 << 32) + 12_345_678;
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().records("flow,stats").start());
    let peer = Peer::start(&net, here(PORT), Behaviour::Sink, 1);
    let stream = net.inside(|| TcpStream::connect(here(PORT))).expect("connect");
    assert_eq!(write_noise(&stream, BYTES), BYTES);
    drop(stream);
    assert_eq!(peer.ended().read, BYTES);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let close = records.close(PORT);
    close.expect("/bytes_received", BYTES);
    assert_eq!(records.lost(), 0, "{}", records.stats());
}

#[test]
fn jumbo_frames_without_offload() {
    let Some(_host) = Host::claim(&[]) else { return };
    let ends = Namespace::pair("10.77.4.");
    segment_by_segment(&ends, "9000");
    // 9,000 less the headers of IPv4 and TCP with its timestamps.
    exact_both_ways(&ends, ([10, 77, 4, 2], 18_867).into(), 8_948);
}

#[test]
fn segments_that_the_receiver_joins() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let ends = Namespace::pair("10.77.7.");
    for end in [&ends.0, &ends.1] {
        // ETHTOOL_STSO off: the kernel cuts what is sent into segments of 1,448 bytes just before the device. ETHTOOL_SGRO
        // on: the other end joins them again. By SIOCETHTOOL (linux/ethtool.h, linux/sockios.h).
        let script = format!(
            "import ctypes, fcntl, socket, struct
def ask(command, value):
    asked = ctypes.create_string_buffer(struct.pack('II', command, value), 8)
    request = struct.pack('16sP', b'{}', ctypes.addressof(asked)) + bytes(16)
    fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)
    return struct.unpack('II', asked.raw)[1]
ask(0x1f, 0)
ask(0x2c, 1)
assert ask(0x2b, 0) == 1, 'no GRO'",
            end.name()
        );
        end.run("python3", &["-c", &script]);
    }
    exact_both_ways(&ends, ([10, 77, 7, 2], 18_869).into(), 1_448);
    // IP counts what is joined as one packet.
    let received = ip_packets_received(&ends.1);
    assert!(received < BOTH_WAYS / 1_448, "{received} packets: nothing was joined");
}

/// `InReceives` of RFC 4293, in a namespace.
#[track_caller]
fn ip_packets_received(end: &Namespace) -> u64 {
    let text = end.run("cat", &["/proc/net/snmp"]).stdout;
    let text = String::from_utf8_lossy(&text);
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("Ip: ")?.split(' ').collect()))
        .collect();
    let at = rows[0]
        .iter()
        .position(|name| *name == "InReceives")
        .expect("its column");
    rows[1][at].parse().expect("a number")
}

/// One segment a packet, of this size with its headers.
#[track_caller]
fn segment_by_segment((left, right): &(Namespace, Namespace), mtu: &str) {
    for end in [left, right] {
        end.ip(&["link", "set", end.name(), "mtu", mtu, "gso_max_segs", "1"]);
    }
}

/// Bytes each way of [`exact_both_ways`].
const BOTH_WAYS: u64 = 20_000_000;

/// 20 MB each way, in packets of at most so many bytes of payload.
#[track_caller]
fn exact_both_ways((left, right): &(Namespace, Namespace), address: SocketAddr, most: u64) {
    const BYTES: u64 = BOTH_WAYS;
    let port = address.port();
    let mut daemon = Launch::new().records("flow,stats").start();
    let peer = Peer::start(right, address, Behaviour::Exchange(BYTES), 1);
    let stream = left.inside(|| TcpStream::connect(address)).expect("connect");
    let (read, written) = exchange(&stream, BYTES);
    drop(stream);
    let counts = peer.ended();
    assert_eq!(
        (read, written, counts.read, counts.written),
        (BYTES, BYTES, BYTES, BYTES)
    );
    daemon.wait_for_closes(port, 1);
    let records = daemon.stop();
    let close = records.close(port);
    close.expect("/bytes_received", BYTES);
    close.expect("/bytes_sent", BYTES);
    close.expect("/bytes_acked", BYTES);
    assert!(close.number("/packets_sent") >= Some(BYTES / most), "{close}");
    assert_eq!(records.lost(), 0, "{}", records.stats());
}

#[test]
fn what_is_neither_tcp_nor_udp() {
    const PORT: u16 = 18_868;
    const DATAGRAMS: u64 = 30;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    // UDP-Lite (RFC 3828) is IP protocol 136.
    let script = format!(
        "import socket
make = lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
a, b = make(), make(); b.bind(('127.0.0.1', {PORT}))
for _ in range({DATAGRAMS}): a.sendto(b'x' * 100, ('127.0.0.1', {PORT})); assert len(b.recv(200)) == 100"
    );
    net.run("python3", &["-c", &script]);
    let records = daemon.stop();
    assert!(records.flows(PORT).is_empty(), "{:#?}", records.flows(PORT));
    // Seen on the way out and on the way in.
    let stats = records.stats();
    assert!(
        stats.number("/events/left_out/other_protocol") >= Some(2 * DATAGRAMS),
        "{stats}"
    );
    assert_eq!(records.lost(), 0, "{stats}");
}
