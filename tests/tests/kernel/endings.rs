//! How connections end: each in one `close`, with the reason that the two ends made it have.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use monitor_tests::burst::{Server, converse};
use monitor_tests::daemon::is_unoptimized;
use monitor_tests::host::{figure, tool};
use monitor_tests::namespace::succeed;
use monitor_tests::records::only;
use monitor_tests::{Daemon, Field, Host, Launch, Namespace};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::Value;

use crate::here;
use crate::overflow::each_open_has_one_close;

/// What every script begins with: the listening end `server()`, the connecting one `client()`, and a close that resets.
pub(crate) const PRELUDE: &str = "import os, socket, struct, sys, time
PORT = int(sys.argv[1])
def listen(backlog=8):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('127.0.0.1', PORT)); s.listen(backlog); return s
def connect(source=None):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if source: s.bind(('127.0.0.1', source))
    s.connect(('127.0.0.1', PORT)); return s
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()
def pair():
    l = listen(); c = connect(); s, _ = l.accept(); l.close(); return c, s
def until_it_ended(s):
    try:
        while s.recv(65536): pass
    except OSError: pass
";

/// Plays a script to its end.
#[track_caller]
fn play(net: &Namespace, port: u16, script: &str) {
    let script = format!("{PRELUDE}{script}");
    succeed(net.command(tool("python3")).args(["-c", &script, &port.to_string()]));
}

/// One connection that `script` makes and ends: its only end has this reason, and its open came before.
#[track_caller]
fn check(port: u16, script: &str, reason: &str) -> Option<Value> {
    let _host = Host::claim(&["python3"])?;
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    play(&net, port, script);
    daemon.wait_for_closes(port, 1);
    let records = daemon.stop();
    let close = records.close(port);
    close.expect("/end_reason", reason);
    each_open_has_one_close(&records, port);
    assert_eq!(records.lost(), 0, "{}", records.stats());
    Some(close.clone())
}

#[test]
fn fin_of_the_client_first() {
    check(
        18_801,
        "c, s = pair(); c.sendall(b'x' * 10); c.close(); until_it_ended(s); s.close()",
        "fin_remote",
    );
}

#[test]
fn fin_of_the_server_first_leaves_time_wait_and_is_told_at_once() {
    // The server's socket is in TIME_WAIT for a minute; the test waits for ten seconds at most.
    check(
        18_802,
        "c, s = pair(); s.sendall(b'x' * 10); s.close(); until_it_ended(c); c.close()",
        "fin_local",
    );
}

#[test]
fn reset_by_the_client() {
    check(
        18_803,
        "c, s = pair(); c.sendall(b'x'); s.recv(1); reset(c); until_it_ended(s); s.close()",
        "reset_remote",
    );
}

#[test]
fn reset_by_the_server() {
    check(
        18_804,
        "c, s = pair(); c.sendall(b'x'); s.recv(1); reset(s); until_it_ended(c); c.close()",
        "reset_local",
    );
}

#[test]
fn reset_since_the_server_did_not_read() {
    // Closing with unread bytes resets (RFC 2525 section 2.17).
    let close = check(
        18_805,
        "c, s = pair(); c.sendall(b'x' * 5); s.recv(2); time.sleep(0.05); s.close(); until_it_ended(c); c.close()",
        "reset_local",
    );
    if let Some(close) = close {
        close.expect("/bytes_received", 2);
        close.expect("/bytes_unread", 3);
    }
}

#[test]
fn refused() {
    let close = check(
        18_806,
        "try: connect()\nexcept ConnectionRefusedError: pass\nelse: sys.exit(1)",
        "refused",
    );
    if let Some(close) = close {
        assert_eq!(close.text("/peer_process/name"), Some("python3"), "{close}");
    }
}

#[test]
fn unanswered() {
    const PORT: u16 = 18_807;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, _there) = Namespace::pair("192.0.2.");
    let mut daemon = Launch::new().start();
    // An address that nobody has, and one repetition of the SYN.
    let nobody = ["lladdr", "02:00:00:00:00:09", "dev", net.name()];
    net.ip(&[&["neighbour", "add", "192.0.2.9"], &nobody[..]].concat());
    net.set("net/ipv4/tcp_syn_retries", "1");
    play(
        &net,
        PORT,
        "s = socket.socket()\ntry: s.connect(('192.0.2.9', PORT))\nexcept TimeoutError: pass\nelse: sys.exit(1)",
    );
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let close = records.close(PORT);
    close.expect("/end_reason", "timeout");
    close.expect("/direction", "outbound");
    each_open_has_one_close(&records, PORT);
}

#[test]
fn a_peer_that_vanishes() {
    const PORT: u16 = 18_808;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    // Loopback goes down under the connection: nothing is answered any more. The accepting end gives up after a second;
    // the connecting one is never told.
    let script = "c, s = pair()
USER_TIMEOUT = 18
s.setsockopt(socket.IPPROTO_TCP, USER_TIMEOUT, 1000)
os.system('ip link set lo down')
s.sendall(b'x' * 10)
try: s.recv(1)
except TimeoutError: pass
else: sys.exit(1)
s.close()";
    play(&net, PORT, script);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let close = records.close(PORT);
    close.expect("/end_reason", "timeout");
    close.expect("/bytes_sent", 10);
    close.expect("/bytes_acked", 0);
    each_open_has_one_close(&records, PORT);
}

#[test]
fn never_accepted() {
    // The listener goes while the connection waits in its backlog: the kernel resets it, and nobody owned it.
    let close = check(
        18_809,
        "l = listen(); c = connect(); c.sendall(b'x' * 7); time.sleep(0.05); l.close(); until_it_ended(c); c.close()",
        "reset_local",
    );
    if let Some(close) = close {
        assert_eq!(close.pointer("/process"), None, "{close}");
        close.expect("/bytes_received", 0);
        close.expect("/bytes_unread", 7);
    }
}

#[test]
fn an_orphan_that_waits_for_the_other_fin() {
    const PORT: u16 = 18_810;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    // The server's process has closed; its socket stays for the client's FIN, which comes later than it is waited for.
    net.set("net/ipv4/tcp_fin_timeout", "1");
    play(
        &net,
        PORT,
        "c, s = pair(); s.sendall(b'bye'); s.close(); until_it_ended(c); time.sleep(2.5); c.close()",
    );
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let close = records.close(PORT);
    close.expect("/end_reason", "fin_local");
    close.expect("/bytes_sent", 3);
    each_open_has_one_close(&records, PORT);
}

#[test]
fn a_killed_process() {
    const PORT: u16 = 18_811;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let script = format!(
        "{PRELUDE}l = listen()\nwhile True:\n    s, _ = l.accept(); s.recv(4); print('read', flush=True); time.sleep(60)"
    );
    let mut server = started(net.command(tool("python3")).args(["-c", &script, &PORT.to_string()]));
    let mut stream = monitor_tests::wait::until("the server to listen", Duration::from_secs(20), || {
        net.inside(|| TcpStream::connect(here(PORT))).ok()
    });
    stream.write_all(b"four").expect("write");
    let mut line = String::new();
    let output = server.stdout.as_mut().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("the server's line");
    kill_process(Pid::from_child(&server), Signal::KILL).expect("kill the server");
    server.wait().expect("its end");
    // The kernel closes for it: with a FIN, since all was read.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the end of the stream");
    drop(stream);
    daemon.wait_for("its end", |records| {
        let closes = records.closes(PORT).into_iter();
        closes
            .filter(|close| close.text("/end_reason") != Some("refused"))
            .count()
            == 1
    });
    let records = daemon.stop();
    // Those before were refused, while the server did not listen yet.
    let closes = records.closes(PORT).into_iter();
    let close = only(
        &closes
            .filter(|close| close.text("/end_reason") != Some("refused"))
            .collect::<Vec<_>>(),
    );
    close.expect("/end_reason", "fin_local");
    close.expect("/bytes_received", 4);
    assert_eq!(close.number("/process/pid"), Some(u64::from(server.id())), "{close}");
    each_open_has_one_close(&records, PORT);
}

#[test]
fn a_port_that_comes_again_at_once() {
    const PORT: u16 = 18_812;
    const TIMES: u64 = 20;
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    // A reset leaves no TIME_WAIT, so the same two ports meet again within a millisecond.
    let script = format!(
        "l = listen()\nfor i in range({TIMES}):\n    c = connect(45678); s, _ = l.accept(); c.sendall(b'x' * (i + 1))\n    \
         while len(s.recv(100)) < i + 1: pass\n    reset(c); until_it_ended(s); s.close()"
    );
    play(&net, PORT, &script);
    daemon.wait_for_closes(PORT, TIMES as usize);
    let records = daemon.stop();
    let closes = records.closes(PORT);
    let mut received: Vec<_> = closes
        .iter()
        .filter_map(|close| close.number("/bytes_received"))
        .collect();
    received.sort_unstable();
    assert_eq!(received, (1..=TIMES).collect::<Vec<_>>());
    for close in &closes {
        close.expect("/remote/port", 45_678);
        close.expect("/end_reason", "reset_remote");
    }
    each_open_has_one_close(&records, PORT);
}

#[test]
fn twenty_thousand_short_ones_in_a_burst() {
    const PORT: u16 = 18_813;
    const CLIENTS: usize = 8;
    const EACH: usize = 2_500;
    let Some(_host) = Host::claim(&[]) else { return };
    // Some 100,000 records in a second or two: an engine that was not optimized needs a place for all of them.
    let config = if is_unoptimized() {
        "[capture]\nlifecycle_ring = 67108864\n"
    } else {
        ""
    };
    let launch = Launch::new().records("flow,stats").config(config);
    let (net, mut daemon) = (Namespace::new(), launch.start());
    let addresses: Vec<SocketAddr> = (1..=2)
        .map(|last| SocketAddr::from(([127, 0, 0, last], PORT)))
        .collect();
    let servers: Vec<_> = addresses
        .iter()
        .map(|address| Server::start(&net, *address, 20))
        .collect();
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let address = addresses[client % addresses.len()];
            net.spawn_inside(move || {
                (0..EACH)
                    .map(|_| converse(address, b"0123456789").expect("a conversation"))
                    .sum::<u64>()
            })
        })
        .collect();
    let answered: u64 = clients.into_iter().map(|client| client.join().expect("a client")).sum();
    let took = began.elapsed().as_secs_f64();
    let all = CLIENTS * EACH;
    assert_eq!(answered, all as u64 * 20);
    wait_for_closes(&mut daemon, PORT, all);
    for server in servers {
        server.finish(&net);
    }
    let records = daemon.stop();
    let full = |close: &&Value| close.number("/bytes_received") == Some(10) && close.number("/bytes_sent") == Some(20);
    let closes = records.closes(PORT);
    assert_eq!(
        closes.iter().copied().filter(|close| full(close)).count(),
        all,
        "{}",
        records.stats()
    );
    assert!(closes.len() <= all + 2, "more ends than connections: {}", closes.len());
    assert_eq!(records.lost(), 0, "{}", records.stats());
    each_open_has_one_close(&records, PORT);
    figure("burst", &format!("{all} connections in {took:.1} s"));
}

#[test]
fn ten_thousand_open_ones() {
    const PORT: u16 = 18_814;
    const OPEN: usize = 10_000;
    let Some(_host) = Host::claim(&[]) else { return };
    allow_files(OPEN as u64 + 1_000);
    let (net, mut daemon) = (Namespace::new(), Launch::new().records("flow,stats").start());
    // Each end in a process of its own: a process may hold so many files.
    let script = format!(
        "{PRELUDE}l = listen(4096); print('ready', flush=True)\nkept = [l.accept() for _ in range({OPEN})]\nprint('all', flush=True); sys.stdin.read()"
    );
    let mut server = net.command(tool("python3"));
    server.args(["-c", &script, &PORT.to_string()]).stdin(Stdio::piped());
    let mut server = server.stdout(Stdio::piped()).spawn().expect("start the server");
    let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let mut said = |what: &str| assert_eq!(lines.next().and_then(Result::ok).as_deref(), Some(what));
    said("ready");
    let streams = net.inside(|| {
        let connect = |_| TcpStream::connect(here(PORT)).expect("connect");
        (0..OPEN).map(connect).collect::<Vec<_>>()
    });
    said("all");
    daemon.wait_for("all of them open", |records| {
        records.flows_with(PORT, "open").len() >= OPEN
    });
    let (status, body) = daemon.get("/v1/status").expect("an answer");
    assert_eq!(status, 200, "{body}");
    let status: Value = serde_json::from_str(&body).expect("JSON");
    assert!(
        status.number("/stats/flows/active") >= Some(OPEN as u64),
        "fewer than are open: {status}"
    );
    drop(streams);
    drop(server.stdin.take());
    assert!(server.wait().expect("the server's end").success());
    wait_for_closes(&mut daemon, PORT, OPEN);
    let records = daemon.stop();
    assert_eq!(records.closes(PORT).len(), OPEN);
    assert_eq!(records.lost(), 0, "{}", records.stats());
    each_open_has_one_close(&records, PORT);
}

/// Many ends, told by a daemon that may be slow: as long as more of them come.
#[track_caller]
fn wait_for_closes(daemon: &mut Daemon, port: u16, all: usize) {
    loop {
        let so_far = daemon.records().closes(port).len();
        if so_far >= all {
            return;
        }
        daemon.wait_for(&format!("more than {so_far} of {all} ends"), |records| {
            records.closes(port).len() > so_far
        });
    }
}

#[track_caller]
fn started(command: &mut Command) -> Child {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    child.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// As many files as the test needs, where the limit that root has to heed lets it.
#[track_caller]
fn allow_files(number: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < number) {
        let wanted = Rlimit {
            current: Some(number),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, wanted).expect("more files");
    }
}
