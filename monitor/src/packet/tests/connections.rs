//! The lives of connections.

use super::wire::{ACK, FIN, RST, SYN, Talk, captured, datagram, segment};
use super::*;

#[track_caller]
fn check(packets: &[Vec<u8>], expected: &[&str]) {
    assert_eq!(replay(in_order(packets)).told(), expected.join("\n"));
}

const GET: &str = "GET /1 0 -> 200 5 None []";
const INBOUND: &str = "Inbound Some(Http1) sent 43 received 36 acked 43 late false FinRemote";

#[test]
fn from_first_to_last_packet() {
    check(&Talk::new().open().exchange(1, 5).close().packets, &[GET, INBOUND]);
    // The same seen from the client, which is the host.
    let mut out = Talk::new();
    (out.client, out.server) = (([192, 0, 2, 1], 40_000), ([203, 0, 113, 9], 80));
    check(
        &out.open().exchange(1, 5).close().packets,
        &[
            GET,
            "Outbound Some(Http1) sent 36 received 43 acked 36 late false FinLocal",
        ],
    );
    // Both ends are here.
    let mut own = Talk::new();
    own.client.0 = [127, 0, 0, 1];
    own.server.0 = [127, 0, 0, 1];
    check(
        &own.open().exchange(1, 5).close().packets,
        &[
            GET,
            "Local Some(Http1) sent 43 received 36 acked 43 late false FinRemote",
        ],
    );
    // Neither is: told from the accepting one.
    let mut far = Talk::new();
    far.server.0 = [203, 0, 113, 9];
    check(&far.open().exchange(1, 5).close().packets, &[GET, INBOUND]);
}

#[test]
fn still_open_at_the_end_and_silent_for_too_long() {
    let open = "Inbound Some(Http1) sent 43 received 36 acked 0 late false StillOpen";
    check(&Talk::new().open().exchange(1, 5).packets, &[GET, open]);
    let mut packets = in_order(&Talk::new().open().exchange(1, 5).packets);
    let mut other = Talk::new();
    other.client.1 = 40_001;
    let mut after = in_order(&other.open().packets);
    later(&mut after, Duration::from_hours(3));
    packets.extend(after);
    let replayed = replay(packets);
    let first = replayed.closes()[0];
    assert_eq!(format!("{:?}", first.end_reason), "Some(Timeout)");
    assert_eq!(first.duration, STEP * 4);
}

#[test]
fn resets() {
    let mut talk = Talk::new();
    talk.open().exchange(1, 5).client(RST, b"");
    let reset = "Inbound Some(Http1) sent 43 received 36 acked 0 late false ResetRemote";
    check(&talk.packets, &[GET, reset]);
    // Forged, far from where the connection is: nobody believes it.
    let mut forged = Talk::new();
    forged.open().exchange(1, 5);
    let seq = forged.client_seq.wrapping_add(1 << 20);
    forged
        .packets
        .push(segment(forged.client, forged.server, seq, 0, RST, b""));
    let before = replay(in_order(&forged.exchange(2, 5).close().packets));
    assert_eq!((before.http().len(), before.closes().len()), (2, 1));
    assert_eq!(before.counts.out_of_window, 1);
    // Refused, as the host itself is told.
    let mut refused = Talk::new();
    (refused.client, refused.server) = (([192, 0, 2, 1], 40_000), ([203, 0, 113, 9], 80));
    refused.client(SYN, b"").server_seq = 0;
    refused.server(RST | ACK, b"");
    check(
        &refused.packets,
        &["Outbound None sent 0 received 0 acked 0 late false Refused"],
    );
    // A port that nothing listens on is no connection of this host, as live.
    let mut scan = Talk::new();
    scan.client(SYN, b"").server_seq = 0;
    scan.server(RST | ACK, b"");
    check(&scan.packets, &[]);
}

#[test]
fn a_forged_reset_that_fits() {
    let mut talk = Talk::new();
    talk.open().exchange(1, 5).client(ACK, b"");
    talk.packets
        .push(segment(talk.client, talk.server, talk.client_seq, 0, RST, b""));
    talk.exchange(2, 5).exchange(3, 5);
    let replayed = replay(in_order(&talk.packets));
    // The client goes on: the second connection is the rest of the first.
    assert_eq!(replayed.http().len(), 3, "{}", replayed.told());
}

#[test]
fn ports_come_again() {
    // After the end, and without one that was captured.
    for closed in [true, false] {
        let mut talk = Talk::new();
        talk.open().exchange(1, 5);
        if closed {
            talk.close();
        }
        (talk.client_seq, talk.server_seq) = (77, 99);
        let replayed = replay(in_order(&talk.open().exchange(2, 5).close().packets));
        assert_eq!(
            (replayed.http().len(), replayed.closes().len()),
            (2, 2),
            "{}",
            replayed.told()
        );
        assert_ne!(replayed.closes()[0].flow, replayed.closes()[1].flow);
    }
    // A SYN that nobody answers begins nothing.
    let mut talk = Talk::new();
    talk.open().exchange(1, 5);
    talk.packets
        .push(segment(talk.client, talk.server, 12_345, 0, SYN, b""));
    check(
        &talk.exchange(2, 5).close().packets,
        &[
            GET,
            "GET /2 0 -> 200 5 None []",
            "Inbound Some(Http1) sent 86 received 72 acked 86 late false FinRemote",
        ],
    );
}

#[test]
fn both_open_at_once() {
    let mut talk = Talk::new();
    talk.client(SYN, b"");
    let (client, server) = (talk.client_seq, talk.server_seq);
    talk.packets
        .push(segment(talk.server, talk.client, server, 0, SYN, b""));
    talk.server_seq = server.wrapping_add(1);
    talk.packets.push(segment(
        talk.client,
        talk.server,
        client.wrapping_sub(1),
        talk.server_seq,
        SYN | ACK,
        b"",
    ));
    talk.packets
        .push(segment(talk.server, talk.client, server, client, SYN | ACK, b""));
    check(&talk.exchange(1, 5).close().packets, &[GET, INBOUND]);
}

#[test]
fn joined_in_the_middle() {
    let late = "Inbound Some(Http1) sent 43 received 36 acked 43 late true FinRemote";
    check(&Talk::new().exchange(1, 5).close().packets, &[GET, late]);
    let mut talk = Talk::new();
    talk.server(ACK, b"...the rest of a response").exchange(1, 5).close();
    assert_eq!(replay(in_order(&talk.packets)).http().len(), 1);
    let mut talk = Talk::new();
    talk.client(ACK, b"...the rest of a request")
        .exchange(1, 5)
        .exchange(2, 5)
        .close();
    let replayed = replay(in_order(&talk.packets));
    assert!(
        replayed.told().contains("GET /2 0 -> 200 5 None []"),
        "{}",
        replayed.told()
    );
}

#[test]
fn one_side_alone() {
    let whole = Talk::new().open().exchange(1, 5).exchange(2, 5).close().packets.clone();
    let of = |source: [u8; 4]| -> Vec<Vec<u8>> {
        whole
            .iter()
            .filter(|packet| packet[12..16] == source)
            .cloned()
            .collect()
    };
    // Of the other side it is known how much was confirmed.
    let requests = replay(in_order(&of([198, 51, 100, 7])));
    assert_eq!(requests.http().len(), 2, "{}", requests.told());
    let flow = requests.closes()[0];
    assert_eq!((flow.counters.sent, flow.counters.received), (86, 72));
    let responses = replay(in_order(&of([192, 0, 2, 1])));
    assert_eq!(responses.http().len(), 2, "{}", responses.told());
    let flow = responses.closes()[0];
    assert_eq!((flow.counters.sent, flow.counters.received), (86, 72));
}

#[test]
fn keep_alive_probes_are_no_payload() {
    let mut talk = Talk::new();
    talk.open().exchange(1, 5);
    for probe in [&b""[..], b"\0"] {
        let seq = talk.client_seq.wrapping_sub(1);
        talk.packets
            .push(segment(talk.client, talk.server, seq, talk.server_seq, ACK, probe));
        talk.server(ACK, b"");
    }
    let replayed = replay(in_order(&talk.exchange(2, 5).close().packets));
    assert_eq!(
        (replayed.http().len(), replayed.closes()[0].counters.retransmits),
        (2, 0)
    );
}

#[test]
fn repetitions_are_counted_once() {
    let mut talk = Talk::new();
    talk.open().exchange(1, 5);
    talk.packets.push(talk.packets[talk.packets.len() - 1].clone());
    let replayed = replay(in_order(&talk.close().packets));
    assert_eq!(replayed.told(), [GET, INBOUND].join("\n"));
    assert_eq!(replayed.closes()[0].counters.retransmits, 1);
}

#[test]
fn packets_cut_by_the_capture() {
    let whole = Talk::new()
        .open()
        .exchange(1, 5_000)
        .exchange(2, 5_000)
        .close()
        .packets
        .clone();
    let cut = |snap: usize| -> Vec<Packet> {
        let mut packets = in_order(&whole);
        for packet in &mut packets {
            packet.data.truncate(snap);
        }
        packets
    };
    let told = "GET /1 0 -> 200 5000 None []\nGET /2 0 -> 200 5000 None []";
    for snap in [96, 200, 1_000] {
        assert!(
            replay(cut(snap)).told().starts_with(told),
            "{snap}: {}",
            replay(cut(snap)).told()
        );
    }
    // Headers alone: nothing is known but how much passed.
    let flow = replay(cut(40));
    assert_eq!(flow.http().len(), 0);
    let counters = flow.closes()[0].counters;
    assert_eq!((counters.sent, counters.received), (2 * 5_041, 72));
    assert!(replay(cut(30)).counts.cut_headers > 0);
}

#[test]
fn half_closed_and_data_on_the_syn() {
    let mut talk = Talk::new();
    let request = b"GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n";
    talk.client(SYN, b"");
    let (seq, isn) = (talk.client_seq, talk.client_seq.wrapping_sub(1));
    talk.packets[0] = segment(talk.client, talk.server, isn, 0, SYN, request);
    talk.client_seq = seq.wrapping_add(request.len() as u32);
    talk.server(SYN | ACK, b"").client(FIN | ACK, b"");
    talk.server(ACK, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nxxxxx")
        .server(FIN | ACK, b"")
        .client(ACK, b"");
    check(
        &talk.packets,
        &[
            GET,
            "Inbound Some(Http1) sent 43 received 36 acked 43 late false FinRemote",
        ],
    );
}

#[test]
fn datagrams_and_names() {
    let (host, resolver) = (([192, 0, 2, 1], 40_000), ([192, 0, 2, 53], 53));
    let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01";
    let mut answer = question.to_vec();
    answer[2] = 0x81;
    answer[3] = 0x80;
    answer[7] = 1;
    answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xcb\0\x71\x09");
    let mut packets = in_order(&[datagram(host, resolver, question), datagram(resolver, host, &answer)]);
    packets.push(captured(
        START + Duration::from_mins(1),
        datagram(([192, 0, 2, 1], 9), ([203, 0, 113, 1], 9), b"x"),
    ));
    let replayed = replay(packets);
    let names: Vec<_> = replayed
        .bodies
        .iter()
        .filter_map(|body| {
            if let Body::Dns(dns) = body {
                Some((&*dns.name, dns.answers.clone()))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(names, [("a.example", vec!["203.0.113.9".to_owned()])]);
    let flow = replayed.closes()[0];
    assert_eq!((flow.counters.sent, flow.counters.received), (27, 43));
    assert_eq!(
        format!("{:?} {:?}", flow.direction, flow.end_reason),
        "Some(Outbound) Some(Idle)"
    );
}
