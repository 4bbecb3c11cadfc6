//! What fixtures of conversations do not cover: every segmentation, every cut, anything at all.

use proptest::prelude::*;

use super::*;
use crate::protocol::http1::Side;
use crate::time::Timestamp;

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

fn with_length(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u16).to_be_bytes()[..], data].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &with_length(body)].concat()
}

/// A client's hello with these extensions.
fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(with_length(&extensions.concat()));
    message(1, &body)
}

/// A server's.
fn answer(random: [u8; 32], cipher: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(random);
    body.push(0);
    body.extend(cipher.to_be_bytes());
    body.push(0);
    body.extend(with_length(&extensions.concat()));
    message(2, &body)
}

fn records(message: &[u8], each: usize) -> Vec<u8> {
    message
        .chunks(each)
        .flat_map(|part| [&[22, 3, 1][..], &with_length(part)].concat())
        .collect()
}

fn name(text: &[u8]) -> Vec<u8> {
    extension(0, &with_length(&[&[0][..], &with_length(text)].concat()))
}

fn usual() -> Vec<u8> {
    hello(&[
        extension(0x2a2a, b""),
        name(b"API.Example.org."),
        extension(16, &with_length(b"\x02h2\x02\x5a\x5a\x08http/1.1")),
        extension(43, b"\x06\x5a\x5a\x03\x04\x03\x03"),
    ])
}

fn expect() -> ClientHello {
    ClientHello {
        server_name: Some("api.example.org".to_owned()),
        alpn: vec!["h2".to_owned(), "http/1.1".to_owned()],
        version: "TLS 1.3",
        // SHA-256 of "1301" and of "002b".
        ja4: Some("t13d0103h2_0f2cb44170f4_b9a491fefe05".to_owned()),
        ech: false,
        truncated: false,
    }
}

fn give(handshake: &mut Handshake, side: Side, bytes: &[u8]) {
    handshake.data(side, bytes, Timestamp::ZERO);
}

/// What the client's bytes give, and nothing of the server.
fn read(bytes: &[u8]) -> Result<ClientHello, HelloError> {
    let mut handshake = Handshake::default();
    give(&mut handshake, Side::Client, bytes);
    handshake.give_up();
    let hellos = handshake.take_outcome().expect("an outcome once it is given up").hellos;
    hellos.map(|hellos| hellos.client)
}

/// What the server's bytes give, after the usual hello.
fn chosen(bytes: &[u8]) -> Option<ServerHello> {
    let mut handshake = Handshake::default();
    give(&mut handshake, Side::Client, &records(&usual(), 1000));
    assert_eq!(handshake.take_name().as_deref(), Some("api.example.org"));
    assert_eq!(handshake.take_outcome(), None);
    give(&mut handshake, Side::Server, bytes);
    if handshake.needs(Side::Server) {
        handshake.skip(Side::Server, Timestamp::ZERO);
    }
    let outcome = handshake.take_outcome().expect("an outcome once the server has spoken");
    outcome.hellos.unwrap().server
}

#[test]
fn any_fragmentation_gives_the_same() {
    let message = usual();
    for each in 1..=message.len() {
        let bytes = records(&message, each);
        assert_eq!(read(&bytes), Ok(expect()));
        let mut handshake = Handshake::default();
        for b in &bytes {
            assert!(handshake.needs(Side::Client));
            give(&mut handshake, Side::Client, &[*b]);
        }
        assert!(!handshake.needs(Side::Client));
        assert_eq!(handshake.understood(), bytes.len() as u64);
    }
}

#[test]
fn every_cut_gives_what_came() {
    let bytes = records(&usual(), 1000);
    for cut in 0..bytes.len() {
        match read(&bytes[..cut]) {
            Ok(hello) => {
                assert!(hello.truncated && hello.ja4.is_none());
                assert!(hello.server_name.is_none() || hello.server_name == expect().server_name);
                assert!(hello.alpn.is_empty() || hello.alpn == expect().alpn);
            }
            Err(error) => assert!(error == HelloError::Cut && cut < 11, "{error} at {cut}"),
        }
    }
}

#[test]
fn a_post_quantum_hello_is_two_segments_long() {
    // X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem): a share of 1216 bytes, and an X25519 one.
    let share = [
        &[0x11, 0xec][..],
        &with_length(&[9; 1216]),
        &[0, 29],
        &with_length(&[9; 32]),
    ]
    .concat();
    let message = hello(&[
        extension(51, &with_length(&share)),
        extension(43, b"\x02\x03\x04"),
        name(b"pq.example"),
    ]);
    let bytes = records(&message, 1 << 14);
    assert!(bytes.len() > 1300);
    let (first, second) = bytes.split_at(1208);
    let mut handshake = Handshake::default();
    give(&mut handshake, Side::Client, first);
    assert_eq!(handshake.take_name(), None);
    give(&mut handshake, Side::Client, second);
    assert_eq!(handshake.take_name().as_deref(), Some("pq.example"));
    // Its first segment alone, where the second one is lost.
    let hello = read(first).unwrap();
    assert_eq!((hello.truncated, hello.server_name, hello.ja4), (true, None, None));
}

#[test]
fn an_encrypted_hello_has_an_outer_name() {
    let hello = read(&records(
        &hello(&[name(b"public.example"), extension(0xfe0d, &[0; 60])]),
        1000,
    ))
    .unwrap();
    assert_eq!(
        (hello.ech, hello.server_name.as_deref()),
        (true, Some("public.example"))
    );
}

#[test]
fn old_versions_and_no_extensions() {
    let mut message = hello(&[]);
    message.truncate(message.len() - 2);
    let length = message.len() - 4;
    message[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    let hello = read(&records(&message, 1000)).unwrap();
    assert_eq!((hello.version, hello.server_name), ("TLS 1.2", None));
    assert_eq!(hello.ja4.as_deref(), Some("t12i010000_0f2cb44170f4_000000000000"));
}

#[test]
fn what_is_no_hello_is_refused_by_name() {
    let check = |bytes: &[u8], error| assert_eq!(read(bytes), Err(error));
    check(b"\x15\x03\x03\x00\x02\x01\x00", HelloError::OtherRecord);
    check(b"\x16\x03\x01\x00\x00", HelloError::RecordLength);
    check(b"\x16\x03\x01\x40\x01\x01", HelloError::RecordLength);
    check(b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", HelloError::TooLong);
    check(b"\x16\x03\x01\x00\x04\x0e\x00\x00\x00", HelloError::OtherMessage);
    check(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", HelloError::Malformed);
    check(b"\x16\x03\x01\x00", HelloError::Cut);
    // An extension that is longer than their block.
    let mut message = hello(&[extension(5, b"abc")]);
    let at = message.len() - 4;
    message[at] = 4;
    check(&records(&message, 1000), HelloError::Malformed);
}

#[test]
fn what_the_server_chose() {
    let versions = extension(43, b"\x03\x04");
    let modern = records(&answer([1; 32], 0x1302, std::slice::from_ref(&versions)), 1000);
    let expected = ServerHello {
        version: "TLS 1.3",
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        alpn: None,
        retry: false,
    };
    assert_eq!(chosen(&modern), Some(expected.clone()));
    let old = records(&answer([1; 32], 0xc02f, &[extension(16, b"\0\x03\x02h2")]), 7);
    let by_old = ServerHello {
        version: "TLS 1.2",
        cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".to_owned(),
        alpn: Some("h2".to_owned()),
        retry: false,
    };
    assert_eq!(chosen(&old), Some(by_old));
    // A post-quantum share before the version, cut by the capture: the suite tells the version.
    let long = records(
        &answer([1; 32], 0x1302, &[extension(51, &[0; 1124]), versions]),
        1 << 14,
    );
    assert_eq!(chosen(&long[..1024]), Some(expected.clone()));
    let retry = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";
    let retry: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&retry[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let retry = records(&answer(retry.try_into().unwrap(), 0x1302, &[]), 1000);
    assert_eq!(
        chosen(&retry),
        Some(ServerHello {
            retry: true,
            ..expected
        })
    );
    let unnamed = chosen(&records(&answer([1; 32], 0xeeee, &[]), 1000)).unwrap();
    assert_eq!(unnamed.cipher, "0xeeee");
    // It refuses, or says something else, or too little.
    for other in [
        &b"\x15\x03\x03\x00\x02\x02\x28"[..],
        b"HTTP/1.1 400 Bad Request",
        b"\x16\x03",
    ] {
        assert_eq!(chosen(other), None);
    }
}

#[test]
fn the_server_is_waited_for_three_seconds() {
    let mut handshake = Handshake::default();
    assert_eq!(handshake.poll_timeout(), None);
    handshake.data(Side::Client, &records(&usual(), 1000), Timestamp::from_secs(10));
    assert_eq!(handshake.poll_timeout(), Some(Timestamp::from_secs(13)));
    handshake.handle_timeout(Timestamp::from_secs(12));
    assert_eq!(handshake.take_outcome(), None);
    handshake.handle_timeout(Timestamp::from_secs(13));
    let hellos = handshake.take_outcome().unwrap().hellos.unwrap();
    assert_eq!((hellos.client, hellos.server), (expect(), None));
}

proptest! {
    #[test]
    fn reads_anything(bytes: Vec<u8>, at in 0..200usize, b: u8) {
        let _ = read(&bytes);
        let _ = chosen(&bytes);
        let mut changed = records(&usual(), 50);
        if let Some(old) = changed.get_mut(at) {
            *old = b;
        }
        let _ = read(&changed);
        let _ = read(&records(&message(1, &bytes), 100));
        let _ = chosen(&records(&message(2, &bytes), 100));
    }
}
