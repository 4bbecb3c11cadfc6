//! Clients of the control socket that do not behave.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use monitor_tests::{Daemon, Host, Launch, wait};

use super::{AT_ONCE, Caller, PATIENCE, status};

/// Connections at a time of those who may change things (docs/control-socket.md).
const SEATS: usize = 64;

#[track_caller]
fn connect(daemon: &Daemon) -> UnixStream {
    let stream = UnixStream::connect(daemon.socket()).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// What comes back for these bytes until the end; a daemon that closes early refuses the rest of them.
fn answer(daemon: &Daemon, bytes: &[u8]) -> String {
    let mut stream = connect(daemon);
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn garbage_idle_clients_and_a_follower_that_stops_reading_hold_nobody_up() {
    let Some(_host) = Host::claim(&[]) else { return };
    let caller = Caller::new();
    let daemon = Launch::new().config(AT_ONCE).records("alert").start();
    // Nothing of this is a request.
    let long = [b"GET /v1/status HTTP/1.1\r\nx: ".as_slice(), &vec![b'a'; 1 << 20]].concat();
    for garbage in [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".as_slice(),
        &[0xff; 4_096],
        &long,
    ] {
        let said = answer(&daemon, garbage);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let huge = "{".repeat(1 << 17);
    let said = answer(
        &daemon,
        format!(
            "POST /v1/allow HTTP/1.0\r\ncontent-length: {}\r\n\r\n{huge}",
            huge.len()
        )
        .as_bytes(),
    );
    assert!(
        said.starts_with("HTTP/1.0 413") || said.starts_with("HTTP/1.1 413"),
        "{said}"
    );

    // Who comes when all seats are taken is told so at once, and is served when there is one again.
    let idle: Vec<UnixStream> = (0..SEATS).map(|_| connect(&daemon)).collect();
    let full = answer(&daemon, b"");
    assert!(
        full.starts_with("HTTP/1.1 503") && full.contains("connections"),
        "{full}"
    );
    drop(idle);
    wait::until("a seat", PATIENCE, || {
        daemon
            .get("/v1/status")
            .is_ok_and(|(code, _)| code == 200)
            .then_some(())
    });

    // It asks for everything, and reads nothing.
    let mut follower = connect(&daemon);
    follower
        .write_all(b"GET /v1/flows?follow=true HTTP/1.0\r\n\r\n")
        .expect("ask");
    let before = status(&daemon)["stats"]["rss_bytes"].as_u64().unwrap_or_default();
    for _ in 0..4 {
        caller.call(0..3_000);
        let asked = Instant::now();
        status(&daemon);
        assert!(asked.elapsed() < Duration::from_secs(5), "others are answered");
    }
    wait::until("the flows", PATIENCE, || {
        (status(&daemon)["stats"]["flows"]["total"].as_u64() >= Some(2_500)).then_some(())
    });
    let after = status(&daemon)["stats"]["rss_bytes"].as_u64().unwrap_or_default();
    assert!(after < before + (256 << 20), "{before} bytes became {after}");
    drop(follower);
    drop(daemon.stop());
}
