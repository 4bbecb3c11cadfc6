//! HTTP in shapes that last, switch or overtake: the test itself is both ends, so it knows each byte.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use monitor_tests::{Daemon, Field, Host, Launch, Namespace};

use crate::here;
use crate::overflow::each_open_has_one_close;

/// A connection whose both ends the test holds.
struct Talk {
    client: TcpStream,
    server: TcpStream,
    /// Bytes to the server and to the client.
    said: [u64; 2],
}

impl Talk {
    #[track_caller]
    fn start(net: &Namespace, port: u16) -> Self {
        let listener = net.inside(|| TcpListener::bind(here(port))).expect("listen");
        let client = net.inside(|| TcpStream::connect(here(port))).expect("connect");
        let (server, _) = listener.accept().expect("accept");
        for end in [&client, &server] {
            end.set_nodelay(true).expect("no delay");
        }
        Self {
            client,
            server,
            said: [0; 2],
        }
    }

    /// The client says it, and the server has read all of it.
    #[track_caller]
    fn ask(&mut self, bytes: &[u8]) {
        self.said[0] += bytes.len() as u64;
        pass(&self.client, &self.server, bytes);
    }

    /// The server says it, and the client has read all of it.
    #[track_caller]
    fn answer(&mut self, bytes: &[u8]) {
        self.said[1] += bytes.len() as u64;
        pass(&self.server, &self.client, bytes);
    }
}

#[track_caller]
fn pass(mut from: &TcpStream, mut to: &TcpStream, bytes: &[u8]) {
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || from.write_all(bytes));
        let mut read = vec![0; bytes.len()];
        to.read_exact(&mut read).expect("read");
        writer.join().expect("the writer").expect("write");
        assert!(read == bytes, "other bytes came");
    });
}

#[test]
fn pipelined_past_what_is_copied() {
    const PORT: u16 = 18_925;
    const REQUESTS: usize = 100;
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let mut talk = Talk::start(&net, PORT);
    let requests: Vec<_> = (0..REQUESTS)
        .map(|n| format!("GET /{n:0180} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    talk.ask(requests.concat().as_bytes());
    talk.answer(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            .repeat(REQUESTS)
            .as_bytes(),
    );
    talk.ask(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.answer(b"HTTP/1.1 204 No Content\r\n\r\n");
    let said = talk.said;
    drop(talk);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    // 8 KiB of the requests are copied, and 1 KiB of the answers.
    let told = records.http(PORT);
    let target = |n: usize| told[n].text("/request/target").expect("a target").to_owned();
    let whole: Vec<_> = told.iter().filter(|record| record["complete"] == true).collect();
    let (last, first) = whole.split_last().expect("transactions");
    // None has the answer of another.
    assert!(first.len() > 20, "{} whole", first.len());
    for (n, record) in first.iter().enumerate() {
        assert_eq!(target(n), format!("/{n:0180}"));
        record.expect("/response/status", 200);
        record.expect("/response/body_bytes", 2);
    }
    last.expect("/request/target", "/last");
    last.expect("/response/status", 204);
    // Those of which one part was copied say that; those of which none was are bytes that were not understood.
    let cut: Vec<_> = told.iter().filter(|record| record["complete"] == false).collect();
    assert!(
        cut.len() > 10 && told.len() < REQUESTS,
        "{} of {} cut",
        cut.len(),
        told.len()
    );
    for record in cut {
        let why = record.text("/incomplete").expect("a reason");
        assert!(["header_truncated", "gap"].contains(&why), "{record}");
        assert_eq!(record.list("/anomalies"), Vec::<&str>::new(), "{record}");
    }
    let close = records.close(PORT);
    close.expect("/bytes_received", said[0]);
    close.expect("/bytes_sent", said[1]);
    close.expect("/coverage/reason", "truncated");
    assert!(
        close.number("/coverage/understood_bytes") < Some(said[0] + said[1]),
        "{close}"
    );
    let stats = records.stats();
    assert!(stats.number("/events/left_out/truncated_turn") >= Some(2), "{stats}");
    assert_eq!(records.lost(), 0, "{stats}");
}

const EVENTS: u64 = 20;
const ASKS_FOR_EVENTS: &[u8] = b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";

/// A stream of events with this header, each a write of its own; nothing is told before its end.
#[track_caller]
fn trickle(talk: &mut Talk, daemon: &mut Daemon, port: u16, header: &str, chunked: bool) -> u64 {
    talk.ask(ASKS_FOR_EVENTS);
    talk.answer(format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{header}\r\n").as_bytes());
    let mut body = 0;
    for n in 0..EVENTS {
        let event = format!("id: {n}\ndata: {}\n\n", "x".repeat(n as usize * 20));
        let piece = if chunked {
            format!("{:x}\r\n{event}\r\n", event.len())
        } else {
            event
        };
        talk.answer(piece.as_bytes());
        body += piece.len() as u64;
        std::thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(daemon.records().http(port).len(), 0, "told before its end");
    body
}

#[test]
fn a_stream_of_events_until_the_connection_closes() {
    const PORT: u16 = 18_921;
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let mut talk = Talk::start(&net, PORT);
    let body = trickle(&mut talk, &mut daemon, PORT, "Connection: close\r\n", false);
    drop(talk.server);
    drop(talk.client);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let transaction = records.transaction(PORT);
    transaction.expect("/complete", true);
    transaction.expect("/response/content_type", "text/event-stream");
    transaction.expect("/response/body_bytes", body);
    // Thirty milliseconds between events: it lasted as long, and its first byte came at once.
    let lasted = (EVENTS - 1) * 30_000;
    assert!(transaction.number("/duration_us") >= Some(lasted), "{transaction}");
    assert!(transaction.number("/latency_us") < Some(lasted), "{transaction}");
    assert_eq!(records.lost(), 0, "{}", records.stats());
}

#[test]
fn a_stream_of_events_in_chunks() {
    const PORT: u16 = 18_922;
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let mut talk = Talk::start(&net, PORT);
    let body = trickle(&mut talk, &mut daemon, PORT, "Transfer-Encoding: chunked\r\n", true);
    talk.answer(b"0\r\n\r\n");
    // Its framing is beyond what is copied: the next request says that it is over.
    talk.ask(b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.answer(b"HTTP/1.1 204 No Content\r\n\r\n");
    drop(talk);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let told = records.http(PORT);
    assert_eq!(told.len(), 2, "{told:#?}");
    told[0].expect("/complete", true);
    told[0].expect("/response/body_bytes", body + 5);
    told[1].expect("/request/target", "/after");
    told[1].expect("/response/status", 204);
    assert_eq!(records.lost(), 0, "{}", records.stats());
}

#[test]
fn a_stream_of_events_when_the_monitor_stops() {
    const PORT: u16 = 18_923;
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let mut talk = Talk::start(&net, PORT);
    let body = trickle(&mut talk, &mut daemon, PORT, "Transfer-Encoding: chunked\r\n", true);
    let said = talk.said;
    let records = daemon.stop();
    drop(talk);
    let transaction = records.transaction(PORT);
    transaction.expect("/complete", false);
    transaction.expect("/incomplete", "still_open");
    transaction.expect("/response/body_bytes", body);
    let close = records.close(PORT);
    close.expect("/state", "open");
    close.expect("/bytes_received", said[0]);
    close.expect("/bytes_sent", said[1]);
}

#[test]
fn web_socket() {
    const PORT: u16 = 18_924;
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let mut talk = Talk::start(&net, PORT);
    // The handshake of RFC 6455 section 1.3.
    talk.ask(
        b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    talk.answer(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLBkYxZDYMpbGFdHFNh3Ijks=\r\n\r\n",
    );
    // Told at once: the handshake is all of it.
    daemon.wait_for_http(PORT, 1);
    // Frames (section 5.2): text of 100 bytes, masked from the client; one holds what looks like a request.
    for n in 0..50_u8 {
        let text = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), &[n; 73]].concat();
        talk.ask(&[&[0x81, 0x80 | 0x64, 0, 0, 0, 0], text.as_slice()].concat());
        talk.answer(&[&[0x81, 0x64], text.as_slice()].concat());
    }
    let said = talk.said;
    drop(talk);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let transaction = records.transaction(PORT);
    transaction.expect("/complete", true);
    transaction.expect("/request/target", "/chat");
    transaction.expect("/response/status", 101);
    let close = records.close(PORT);
    close.expect("/app", "websocket");
    close.expect("/bytes_received", said[0]);
    close.expect("/bytes_sent", said[1]);
    each_open_has_one_close(&records, PORT);
    assert_eq!(records.lost(), 0, "{}", records.stats());
}

/// A response that is whole after a third of the request's body; then the rest of it, and in the same turn another request.
#[track_caller]
fn refused_early(net: &Namespace, port: u16, body: usize) -> [u64; 2] {
    let mut talk = Talk::start(net, port);
    talk.ask(format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {body}\r\n\r\n").as_bytes());
    talk.ask(&vec![b'u'; body / 3]);
    talk.answer(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nlong");
    talk.ask(&vec![b'u'; body - body / 3]);
    talk.ask(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    talk.said
}

#[test]
fn a_response_that_ends_before_its_request() {
    const SMALL: u16 = 18_926;
    const LARGE: u16 = 18_928;
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let cases = [(SMALL, 6_000), (LARGE, 600_000)].map(|(port, body)| (port, body, refused_early(&net, port, body)));
    for (port, ..) in cases {
        daemon.wait_for_closes(port, 1);
    }
    let records = daemon.stop();
    for (port, body, said) in cases {
        let told = records.http(port);
        assert_eq!(told.len(), 2, "{told:#?}");
        told[0].expect("/complete", true);
        told[0].expect("/request/target", "/up");
        told[0].expect("/request/body_bytes", body);
        told[0].expect("/response/status", 413);
        told[0].expect("/response/body_bytes", 4);
        assert_eq!(told[0].list("/anomalies"), ["early_response"]);
        told[1].expect("/response/status", 200);
        told[1].expect("/response/body_bytes", 2);
        if port == SMALL {
            told[1].expect("/complete", true);
            told[1].expect("/request/target", "/next");
        } else {
            // The rest of the body was more than is copied of a turn, and what came after it in that turn was not seen.
            told[1].expect("/incomplete", "no_request");
        }
        let close = records.close(port);
        close.expect("/bytes_received", said[0]);
        close.expect("/bytes_sent", said[1]);
    }
    assert_eq!(records.lost(), 0, "{}", records.stats());
}

#[test]
fn a_response_that_begins_before_its_request_ends() {
    const PORT: u16 = 18_927;
    let Some(_host) = Host::claim(&[]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let mut talk = Talk::start(&net, PORT);
    // What is asked comes back, piece by piece.
    talk.ask(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    talk.ask(b"3e8\r\n");
    talk.ask(&[b'q'; 1_000]);
    talk.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..10 {
        talk.answer(&[b"3e8\r\n".as_slice(), &[b'q'; 1_000], b"\r\n"].concat());
        talk.ask(&[b"\r\n3e8\r\n".as_slice(), &[b'q'; 1_000]].concat());
    }
    talk.ask(b"\r\n0\r\n\r\n");
    talk.answer(b"0\r\n\r\n");
    let said = talk.said;
    drop(talk);
    daemon.wait_for_closes(PORT, 1);
    let records = daemon.stop();
    let transaction = records.transaction(PORT);
    transaction.expect("/complete", true);
    transaction.expect("/request/body_bytes", 11 * 1_007 + 5_u64);
    transaction.expect("/response/body_bytes", 10 * 1_007 + 5_u64);
    let close = records.close(PORT);
    close.expect("/bytes_received", said[0]);
    close.expect("/bytes_sent", said[1]);
    assert_eq!(records.lost(), 0, "{}", records.stats());
}
