//! Connections over a wire that the test holds: one that loses packets, lets them overtake and brings them twice, and one
//! that shows what came first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use monitor_tests::host::{figure, tool};
use monitor_tests::namespace::succeed;
use monitor_tests::nginx::Setup;
use monitor_tests::relay::{Segment, Weather};
use monitor_tests::{ChildCgroup, Field, Host, Launch, Namespace, Records, Relay, Running, Script, wait};
use serde_json::Value;

use crate::compare_script;
use crate::overflow::each_open_has_one_close;

/// Two of a hundred lost, as many brought twice, ten late.
const ROUGH: Weather = Weather {
    lost: 20,
    late: 100,
    twice: 20,
};
const SMOOTH: Weather = Weather {
    lost: 0,
    late: 0,
    twice: 0,
};
const NETWORK: &str = "10.77.5.";
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 5, 2));
/// For packets to reach the wire, and for a server to listen.
const PATIENCE: Duration = Duration::from_secs(20);
const MIB_20: u64 = 20 << 20;

/// What both scripts begin with. `tell` waits until both FINs are acknowledged, so that nothing is sent again afterwards:
/// `tcpi_state` and `tcpi_total_retrans` of tcp(7), 7 is `TCP_CLOSE`.
const PRELUDE: &str = "import json, os, socket, struct, sys, threading, time
PORT = int(sys.argv[1])
FASTOPEN, DEFER_ACCEPT, QUICKACK, FASTOPEN_CONNECT = 23, 9, 12, 30
account = {'sent': 0, 'received': 0}
def listen(*options):
    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for name, value in options: l.setsockopt(socket.IPPROTO_TCP, name, value)
    l.bind(('10.77.5.2', PORT)); l.listen(8); print('ready', flush=True); return l
def send(s, data, *flags):
    view = memoryview(data)
    while view:
        n = s.send(view, *flags); account['sent'] += n; view = view[n:]
def receive(s, most=65536):
    data = s.recv(most); account['received'] += len(data); return data
def receive_all(s):
    while receive(s): pass
def both_ways(s, size):
    t = threading.Thread(target=receive_all, args=(s,)); t.start()
    send(s, bytes(size)); s.shutdown(socket.SHUT_WR); t.join()
def tell(s):
    info = lambda: s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    while info()[0] != 7: time.sleep(0.01)
    account['retransmits'] = struct.unpack_from('I', info(), 100)[0]
    print(json.dumps(account))
";

/// Whose sockets are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Both,
    ConnectingAlone,
}

/// What a case gave.
struct Outcome {
    records: Records,
    segments: Vec<Segment>,
}

/// Plays a script that listens and one that connects to it over this wire, and compares each end of a flow with the
/// account of the end that tells it.
#[track_caller]
fn check(port: u16, weather: Weather, watched: Watched, accepts: &str, connects: &str) -> Option<Outcome> {
    let _host = Host::claim(&["python3", "sh"])?;
    let (clients, servers, relay) = Relay::between(NETWORK, weather, u64::from(port));
    for end in [&clients, &servers] {
        // 1 = clients may, 2 = servers may (Documentation/networking/ip-sysctl.rst).
        end.set("net/ipv4/tcp_fastopen", "3");
    }
    let cgroup = ChildCgroup::new("relayed");
    let config = match watched {
        Watched::Both => String::new(),
        Watched::ConnectingAlone => format!("[capture]\nexclude_cgroups = [\"{}\"]\n", cgroup.name()),
    };
    let mut daemon = Launch::new().config(&config).start();
    let python = |net: &Namespace, script: &str| {
        let mut command = net.command(tool("python3"));
        command.args(["-c", &format!("{PRELUDE}{script}"), &port.to_string()]);
        command
    };
    let mut server = Running::start(
        cgroup
            .enter(&python(&servers, accepts))
            .stdin(Stdio::null())
            .stdout(Stdio::piped()),
    );
    let mut said = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let mut line = || said.next().and_then(Result::ok).expect("a line of the server");
    assert_eq!(line(), "ready");
    let output = succeed(python(&clients, connects).stdin(Stdio::null()));
    let told = |text: &str| serde_json::from_str::<Value>(text).expect("an account");
    let (connecting, accepting) = (told(&String::from_utf8_lossy(&output.stdout)), told(&line()));
    assert!(server.wait().expect("the server's end").success());
    daemon.wait_for_closes(port, connecting.number("/connections").unwrap_or(1) as usize);
    let records = daemon.stop();
    let account = match watched {
        Watched::Both => &accepting,
        Watched::ConnectingAlone => &connecting,
    };
    let closes = records.closes(port);
    for (ours, theirs) in [
        ("/bytes_sent", "/sent"),
        ("/bytes_acked", "/sent"),
        ("/bytes_received", "/received"),
        ("/retransmits", "/retransmits"),
    ] {
        let sum: u64 = closes.iter().filter_map(|close| close.number(ours)).sum();
        // A script that made several connections does not tell what was sent again.
        if let Some(counted) = account.number(theirs) {
            assert_eq!(
                sum, counted,
                "{ours} of {watched:?}, the account is {account}: {closes:#?}"
            );
        }
    }
    each_open_has_one_close(&records, port);
    assert_eq!(records.lost(), 0, "{}", records.stats());
    let segments = relay.segments();
    Some(Outcome { records, segments })
}

const BOTH_WAYS: [&str; 2] = [
    "l = listen(); s, _ = l.accept(); both_ways(s, 20 << 20); tell(s)",
    "s = socket.create_connection(('10.77.5.2', PORT)); both_ways(s, 20 << 20); tell(s)",
];

#[test]
fn twenty_mebibytes_each_way_over_a_rough_wire() {
    let began = Instant::now();
    let Some(outcome) = check(18_881, ROUGH, Watched::Both, BOTH_WAYS[0], BOTH_WAYS[1]) else {
        return;
    };
    rough(&outcome, 18_881, "local", began);
}

#[test]
fn the_connecting_end_over_a_rough_wire() {
    let began = Instant::now();
    let Some(outcome) = check(18_882, ROUGH, Watched::ConnectingAlone, BOTH_WAYS[0], BOTH_WAYS[1]) else {
        return;
    };
    rough(&outcome, 18_882, "outbound", began);
}

#[track_caller]
fn rough(outcome: &Outcome, port: u16, direction: &str, began: Instant) {
    let close = outcome.records.close(port);
    close.expect("/direction", direction);
    close.expect("/bytes_sent", MIB_20);
    close.expect("/bytes_received", MIB_20);
    let retransmits = close.number("/retransmits");
    assert!(retransmits > Some(0), "{close}");
    // What was carried twice is the wire's affair.
    let carried: u64 = outcome.segments.iter().map(|segment| segment.payload as u64).sum();
    assert!(carried > 2 * MIB_20, "nothing was sent again: {carried}");
    figure(
        "rough wire",
        &format!(
            "2 x {MIB_20} bytes, {carried} carried, {retransmits:?} segments sent again by the told end, {:.1} s",
            began.elapsed().as_secs_f64()
        ),
    );
}

#[test]
fn http_over_a_rough_wire() {
    const NGINX: u16 = 18_883;
    const PYTHON: u16 = 18_884;
    let Some(_host) = Host::claim(&["nginx", "ab", "python3", "curl"]) else {
        return;
    };
    let (clients, servers, relay) = Relay::between(NETWORK, ROUGH, 3);
    let nginx = Setup {
        address: "10.77.5.2",
        files: &[612, 300_000],
        ..Setup::on(NGINX)
    }
    .start(&servers);
    let python = Script::python(&servers, SERVER, PYTHON);
    let mut daemon = Launch::new().start();
    let url = |port: u16, path: &str| format!("http://{SERVER}:{port}/{path}");
    clients.run("ab", &["-q", "-k", "-n", "400", "-c", "8", &url(NGINX, "612")]);
    clients.run("ab", &["-q", "-n", "60", "-c", "4", &url(NGINX, "300000")]);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let body = format!("@{}", directory.path().join("body").display());
    std::fs::write(&body[1..], vec![b'u'; 700_000]).expect("a body to upload");
    let upload = url(PYTHON, "upload");
    for coding in ["Expect:", "Transfer-Encoding: chunked"] {
        clients.run("curl", &["-s", "-H", coding, "--data-binary", &body, &upload]);
    }
    clients.run(
        "curl",
        &[
            "-s",
            "-o",
            "/dev/null",
            &url(PYTHON, "chunked/3000"),
            "-o",
            "/dev/null",
            &url(PYTHON, "bytes/5"),
        ],
    );
    let again = relay.segments().len();
    let truth = nginx.truth(460);
    daemon.wait_for_http(NGINX, 460);
    daemon.wait_for_closes(NGINX, truth.connections());
    let records = compare_script("python over a rough wire", &python, daemon, 4, 3);
    truth.check("nginx over a rough wire", &records);
    figure("rough wire with HTTP", &format!("{again} segments"));
}

/// Two connections: the first gets the cookie, the second brings data with its SYN (RFC 7413).
const FAST_OPEN: &str = "def fast_open(data):
    s = socket.socket(); account['sent'] += s.sendto(data, socket.MSG_FASTOPEN, ('10.77.5.2', PORT)); return s
for data in (b'first', b'second'):
    s = fast_open(data); s.shutdown(socket.SHUT_WR); receive_all(s); s.close()
account['connections'] = 2
print(json.dumps(account))";
const TWICE: &str = "for _ in range(2):
    s, _ = l.accept(); receive_all(s); send(s, bytes(3000)); s.close()
print(json.dumps(account))";

/// Segments with SYN and data from the connecting end.
fn early(segments: &[Segment]) -> Vec<usize> {
    let with = segments.iter().filter(|segment| segment.from_left && segment.syn);
    with.map(|segment| segment.payload)
        .filter(|payload| *payload > 0)
        .collect()
}

#[test]
fn data_on_a_syn() {
    for (port, watched) in [(18_885, Watched::Both), (18_886, Watched::ConnectingAlone)] {
        let accepts = format!("l = listen((FASTOPEN, 16))\n{TWICE}");
        let Some(outcome) = check(port, SMOOTH, watched, &accepts, FAST_OPEN) else {
            return;
        };
        assert_eq!(early(&outcome.segments), [6], "no data on a SYN");
        assert_eq!(outcome.records.closes(port).len(), 2);
    }
}

#[test]
fn data_on_a_syn_by_a_connect_that_waits() {
    // TCP_FASTOPEN_CONNECT (tcp(7)): connect returns at once, and the first write is what connects.
    let connects = FAST_OPEN.replace(
        "account['sent'] += s.sendto(data, socket.MSG_FASTOPEN, ('10.77.5.2', PORT)); return s",
        "s.setsockopt(socket.IPPROTO_TCP, FASTOPEN_CONNECT, 1); s.connect(('10.77.5.2', PORT)); send(s, data); return s",
    );
    for (port, watched) in [(18_887, Watched::Both), (18_888, Watched::ConnectingAlone)] {
        let accepts = format!("l = listen((FASTOPEN, 16))\n{TWICE}");
        let Some(outcome) = check(port, SMOOTH, watched, &accepts, &connects) else {
            return;
        };
        assert_eq!(early(&outcome.segments), [6], "no data on a SYN");
    }
}

#[test]
fn data_on_a_syn_that_is_not_taken() {
    // After the cookie the listener takes no more early data: it acknowledges the SYN alone, and all comes again.
    for (port, watched) in [(18_889, Watched::Both), (18_890, Watched::ConnectingAlone)] {
        let accepts = format!(
            "l = listen((FASTOPEN, 16))\n{}",
            TWICE.replace(
                "s, _ = l.accept();",
                "s, _ = l.accept(); open('/proc/sys/net/ipv4/tcp_fastopen', 'w').write('0');"
            )
        );
        let Some(outcome) = check(port, SMOOTH, watched, &accepts, FAST_OPEN) else {
            return;
        };
        assert_eq!(early(&outcome.segments), [6], "no data on a SYN");
    }
}

/// Without quick acknowledgements the handshake's last waits for what the program writes first (tcp(7), `TCP_QUICKACK`).
const ON_THE_THIRD: &str = "s = socket.socket(); s.setsockopt(socket.IPPROTO_TCP, QUICKACK, 0)
s.connect(('10.77.5.2', PORT)); send(s, b'GET /early HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')
receive(s); s.shutdown(socket.SHUT_WR); receive_all(s); tell(s)";
const ANSWERS: &str = "s, _ = l.accept(); receive(s); send(s, b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')
receive_all(s); s.shutdown(socket.SHUT_WR); tell(s)";

#[test]
fn data_on_the_third_acknowledgement() {
    for (port, watched, options) in [
        (18_891, Watched::Both, ""),
        (18_892, Watched::ConnectingAlone, ""),
        // The listener wakes nobody before the first bytes: these are they.
        (18_893, Watched::Both, "(DEFER_ACCEPT, 2)"),
        (18_894, Watched::ConnectingAlone, "(DEFER_ACCEPT, 2)"),
    ] {
        let accepts = format!("l = listen({options})\n{ANSWERS}");
        let Some(outcome) = check(port, SMOOTH, watched, &accepts, ON_THE_THIRD) else {
            return;
        };
        let mut from_left = outcome.segments.iter().filter(|segment| segment.from_left);
        assert!(from_left.next().is_some_and(|segment| segment.syn));
        let third = from_left.next().expect("a second segment");
        assert!(third.payload > 0, "the last acknowledgement came alone");
        let transaction = outcome.records.transaction(port);
        transaction.expect("/complete", true);
        transaction.expect("/request/target", "/early");
        transaction.expect("/response/body_bytes", 2);
        let role = if watched == Watched::Both { "server" } else { "client" };
        transaction.expect("/role", role);
    }
}

/// Both ends open, each with ten bytes of the other.
fn greeted(clients: &Namespace, servers: &Namespace, port: u16) -> (TcpStream, TcpStream) {
    let address = SocketAddr::new(SERVER, port);
    let listener = servers.inside(|| TcpListener::bind(address)).expect("listen");
    let left = clients.inside(|| TcpStream::connect(address)).expect("connect");
    let (right, _) = listener.accept().expect("accept");
    for (mut from, mut to) in [(&left, &right), (&right, &left)] {
        from.write_all(b"0123456789").expect("write");
        to.read_exact(&mut [0; 10]).expect("read");
    }
    (left, right)
}

#[test]
fn simultaneous_close() {
    const PORT: u16 = 18_895;
    let Some(_host) = Host::claim(&[]) else { return };
    let (clients, servers, relay) = Relay::between(NETWORK, SMOOTH, 0);
    let mut daemon = Launch::new().start();
    let (mut left, mut right) = greeted(&clients, &servers, PORT);
    relay.hold();
    for end in [&left, &right] {
        end.shutdown(Shutdown::Write).expect("shut down");
    }
    let fins = |from_left| move |segment: &&Segment| segment.fin && segment.from_left == from_left;
    wait::until("a FIN each way", PATIENCE, || {
        let segments = relay.segments();
        let crossed = [true, false].map(|from_left| segments.iter().filter(fins(from_left)).count());
        (crossed[0] > 0 && crossed[1] > 0).then_some(())
    });
    relay.release();
    for end in [&mut left, &mut right] {
        assert_eq!(end.read(&mut [0; 1]).expect("the end of the stream"), 0);
    }
    drop((left, right));
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let close = records.close(PORT);
    close.expect("/direction", "local");
    for field in ["/bytes_sent", "/bytes_received", "/bytes_acked"] {
        close.expect(field, 10);
    }
    // Each end closed before it knew of the other; the told one is the accepting one.
    close.expect("/end_reason", "fin_local");
    each_open_has_one_close(&records, PORT);
}

#[test]
fn simultaneous_open() {
    const PORT: u16 = 18_896;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (left, right, relay) = Relay::between(NETWORK, SMOOTH, 0);
    let mut daemon = Launch::new().start();
    relay.hold();
    // RFC 9293 section 3.5: both SYNs cross, nobody listens.
    let start = |net: &Namespace, here: &str, there: &str, size: u32| {
        let script = format!(
            "import socket
s = socket.socket(); s.bind(('{here}', {PORT})); s.connect(('{there}', {PORT}))
s.sendall(b'\\xff' * {size}); s.shutdown(socket.SHUT_WR); n = 0
while data := s.recv(65536): n += len(data)
print(n)"
        );
        let mut command = net.command(tool("python3"));
        command
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command.spawn().expect("start python3")
    };
    let ends = [
        start(&left, "10.77.5.1", "10.77.5.2", 1_000),
        start(&right, "10.77.5.2", "10.77.5.1", 70_000),
    ];
    wait::until("a SYN each way", PATIENCE, || {
        let segments = relay.segments();
        let has = |from_left| {
            segments
                .iter()
                .any(|segment| segment.syn && segment.from_left == from_left)
        };
        (has(true) && has(false)).then_some(())
    });
    relay.release();
    let read = ends.map(|end| {
        let output = end.wait_with_output().expect("an end of the connection");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    });
    assert_eq!(read, ["70000", "1000"]);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let close = records.close(PORT);
    close.expect("/direction", "local");
    let mut bytes = [close.number("/bytes_sent"), close.number("/bytes_received")];
    bytes.sort_unstable();
    assert_eq!(bytes, [Some(1_000), Some(70_000)], "{close}");
    // None accepted. It is told of one of the two that connected, as the other one would have it.
    for field in ["bytes_acked", "bytes_unread", "retransmits"] {
        assert_eq!(close.get(field), None, "{close}");
    }
    each_open_has_one_close(&records, PORT);
}
