//! What fixtures of conversations do not cover: every segmentation, every cut, anything at all.

use proptest::prelude::*;

use super::*;

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

fn with_length(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u16).to_be_bytes()[..], data].concat()
}

/// A hello with these extensions.
fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(with_length(&extensions.concat()));
    [&[1, 0][..], &with_length(&body)].concat()
}

fn records(message: &[u8], each: usize) -> Vec<u8> {
    message
        .chunks(each)
        .flat_map(|part| [&[22, 3, 1][..], &with_length(part)].concat())
        .collect()
}

fn usual() -> Vec<u8> {
    let name = [&[0][..], &with_length(b"API.Example.org.")].concat();
    hello(&[
        extension(0x2a2a, b""),
        extension(0, &with_length(&name)),
        extension(16, &with_length(b"\x02h2\x02\x5a\x5a\x08http/1.1")),
        extension(43, b"\x06\x5a\x5a\x03\x04\x03\x03"),
    ])
}

fn read(bytes: &[u8]) -> Hello {
    let mut reader = HelloReader::default();
    match reader.read(bytes) {
        Hello::More => reader.finish(),
        read => read,
    }
}

fn expect() -> ClientHello {
    ClientHello {
        server_name: Some("api.example.org".to_owned()),
        alpn: vec!["h2".to_owned(), "http/1.1".to_owned()],
        version: "TLS 1.3",
        truncated: false,
    }
}

#[test]
fn any_fragmentation_gives_the_same() {
    let message = usual();
    for each in 1..=message.len() {
        let bytes = records(&message, each);
        let whole = Hello::Read {
            hello: expect(),
            bytes: bytes.len() as u64,
        };
        assert_eq!(read(&bytes), whole);
        let mut reader = HelloReader::default();
        let last = bytes
            .iter()
            .map(|b| reader.read(&[*b]))
            .find(|hello| *hello != Hello::More);
        assert_eq!(last, Some(whole));
    }
}

#[test]
fn every_cut_gives_what_came() {
    let bytes = records(&usual(), 1000);
    for cut in 0..bytes.len() {
        match read(&bytes[..cut]) {
            Hello::Read { hello, .. } => {
                assert!(hello.truncated);
                assert!(hello.server_name.is_none() || hello.server_name == expect().server_name);
                assert!(hello.alpn.is_empty() || hello.alpn == expect().alpn);
            }
            Hello::Unreadable => assert!(cut < 60, "{cut}"),
            Hello::More => panic!("finished readers do not ask for more"),
        }
    }
}

#[test]
fn old_versions_and_no_extensions() {
    let mut message = hello(&[]);
    message.truncate(message.len() - 2);
    let length = message.len() - 4;
    message[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    let Hello::Read { hello, .. } = read(&records(&message, 1000)) else {
        panic!("a hello without extensions");
    };
    assert_eq!((hello.version, hello.server_name), ("TLS 1.2", None));
}

#[test]
fn what_is_no_hello_is_refused() {
    assert_eq!(read(b"\x15\x03\x03\x00\x02\x01\x00"), Hello::Unreadable);
    assert_eq!(read(b"\x16\x03\x01\x00\x00"), Hello::Unreadable);
    // A length that nobody would send.
    assert_eq!(read(b"\x16\x03\x01\x00\x04\x01\xff\xff\xff"), Hello::Unreadable);
}

proptest! {
    #[test]
    fn reads_anything(bytes: Vec<u8>, at in 0..200usize, b: u8) {
        let _ = read(&bytes);
        let mut changed = records(&usual(), 50);
        if let Some(old) = changed.get_mut(at) {
            *old = b;
        }
        let _ = read(&changed);
        let _ = read(&records(&[&[1, 0][..], &with_length(&bytes)].concat(), 100));
    }
}
