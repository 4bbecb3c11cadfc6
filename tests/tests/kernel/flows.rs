//! Byte counts of flows against what both applications counted.

use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use monitor_tests::host::figure;
use monitor_tests::peer::{Behaviour, exchange, write_noise};
use monitor_tests::{Field, Host, Launch, Namespace, Peer};

use crate::here;

#[test]
fn noise_both_ways_is_counted_and_not_copied() {
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let peer = Peer::start(&net, here(18501), Behaviour::Exchange(20_000_000), 1);
    let stream = net.inside(|| TcpStream::connect(here(18501))).expect("connect");
    let (read, written) = exchange(&stream, 20_000_000);
    drop(stream);
    let counts = peer.ended();
    assert_eq!((counts.read, counts.written), (written, read));
    daemon.wait_for_closes(18501, 1);
    let records = daemon.stop();
    let close = records.close(18501);
    close.expect("/direction", "local");
    close.expect("/bytes_sent", counts.written);
    close.expect("/bytes_received", counts.read);
    close.expect("/bytes_acked", counts.written);
    close.expect("/bytes_unread", 0);
    assert_eq!(close.get("app"), None, "{close}");
    let events = records.stats().number("/events/received").expect("events");
    figure("40 MB of noise", &format!("{events} events from the kernel"));
    // Updates once a mebibyte and a few chunks at the start; a copy of it all would be thousands.
    assert!(events < 600, "{events} events for an opaque connection");
    assert_eq!(records.lost(), 0);
}

#[test]
fn many_small_writes() {
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let peer = Peer::start(&net, here(18502), Behaviour::Sink, 1);
    let stream = net.inside(|| TcpStream::connect(here(18502))).expect("connect");
    stream.set_nodelay(true).expect("no delay");
    for size in 1..=500 {
        assert_eq!(write_noise(&stream, size), size);
    }
    drop(stream);
    let counts = peer.ended();
    daemon.wait_for_closes(18502, 1);
    let records = daemon.stop();
    assert_eq!(counts.read, 125_250);
    let close = records.close(18502);
    close.expect("/bytes_received", counts.read);
    close.expect("/bytes_sent", 0);
    close.expect("/end_reason", "fin_remote");
}

#[test]
fn a_long_flow_reports_while_it_lives() {
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let peer = Peer::start(&net, here(18503), Behaviour::Sink, 1);
    let stream = net.inside(|| TcpStream::connect(here(18503))).expect("connect");
    // 2 MiB/s for 4 s: progress is told once a second or a mebibyte, whichever is later.
    let mut written = 0;
    for _ in 0..16 {
        written += write_noise(&stream, 512 * 1024);
        std::thread::sleep(Duration::from_millis(250));
    }
    let alive = daemon.records().flows_with(18503, "update").len();
    assert!((3..=6).contains(&alive), "{alive} updates in 4 s");
    drop(stream);
    assert_eq!(peer.ended().read, written);
    daemon.wait_for_closes(18503, 1);
    let records = daemon.stop();
    records.close(18503).expect("/bytes_received", written);
    let counts: Vec<_> = records
        .flows_with(18503, "update")
        .iter()
        .filter_map(|update| update.number("/bytes_received"))
        .collect();
    assert!(
        counts.is_sorted() && counts.first() > Some(&0) && counts.last() <= Some(&written),
        "{counts:?}"
    );
    assert_eq!(records.flows_with(18503, "open").len(), 1);
}

#[test]
fn a_reset_with_bytes_unread() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let script = "import socket, time
listener = socket.create_server(('127.0.0.1', 18504))
client = socket.create_connection(('127.0.0.1', 18504))
server, _ = listener.accept()
client.sendall(b'\\xff' * 3000)
time.sleep(0.2)
server.recv(1000, socket.MSG_WAITALL)
server.close()
time.sleep(0.2)
client.close()";
    net.run("python3", &["-c", script]);
    daemon.wait_for_closes(18504, 1);
    let records = daemon.stop();
    let close = records.close(18504);
    close.expect("/bytes_received", 1000);
    close.expect("/bytes_unread", 2000);
    // RFC 1122 section 4.2.2.13: closing with data unread resets.
    close.expect("/end_reason", "reset_local");
}

#[test]
fn datagrams_are_counted_by_payload() {
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let bind = |port| net.inside(|| UdpSocket::bind(here(port))).expect("bind");
    let (server, client) = (bind(18505), bind(18506));
    client.connect(here(18505)).expect("connect");
    let mut buffer = [0; 2048];
    for size in 1..=100 {
        client.send(&vec![0xff; size * 10]).expect("send");
        let (length, from) = server.recv_from(&mut buffer).expect("receive");
        assert_eq!(length, size * 10);
        if size % 2 == 0 {
            server.send_to(&[0xfe; 200], from).expect("answer");
            client.recv(&mut buffer).expect("receive");
        }
    }
    drop((server, client));
    daemon.wait_for("the end of the flow", |records| !records.closes(18505).is_empty());
    let records = daemon.stop();
    // One flow, told from the end that was asked; both sockets are on this host.
    let close = records.close(18505);
    close.expect("/protocol", "udp");
    close.expect("/direction", "local");
    close.expect("/local/port", 18505);
    close.expect("/remote/port", 18506);
    close.expect("/bytes_received", 50_500);
    close.expect("/packets_received", 100);
    close.expect("/bytes_sent", 10_000);
    close.expect("/packets_sent", 50);
    close.expect("/end_reason", "released");
}
