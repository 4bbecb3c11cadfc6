//! What transactions are told of beyond their bytes.

use super::*;

/// An engine with this configuration.
fn bench(toml: &str) -> Bench {
    Bench::with(&Config::parse(toml, std::path::Path::new("/etc/monitor.toml")).unwrap())
}

/// A server, and what it is asked with these header lines.
fn ask(bench: &mut Bench, server: &mut Socket, line: &str, fields: &str) {
    server.hear(bench, format!("{line} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes());
    server.say(bench, &ok(b"hi"));
}

fn server(bench: &mut Bench, remote: &str) -> Socket {
    let mut server = Socket::new(1, Role::Passive, "10.0.0.1:80", remote).owned(7);
    server.open(bench);
    server
}

#[test]
fn the_client_is_behind_the_proxies_that_are_trusted() {
    let mut bench = bench("[clients]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let mut nginx = server(&mut bench, "127.0.0.1:40000");
    ask(
        &mut bench,
        &mut nginx,
        "GET /",
        "X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\n",
    );
    ask(&mut bench, &mut nginx, "GET /", "");
    let mut stranger = Socket::new(2, Role::Passive, "10.0.0.1:80", "203.0.113.9:5000").owned(7);
    stranger.open(&mut bench);
    ask(&mut bench, &mut stranger, "GET /", "X-Forwarded-For: 198.51.100.7\r\n");
    let clients: Vec<_> = bench.http().iter().map(|http| http.client.clone().unwrap()).collect();
    let ip = |text: &str| text.parse::<std::net::IpAddr>().unwrap();
    assert_eq!((clients[0].ip, clients[0].port), (ip("198.51.100.7"), None));
    assert_eq!(clients[0].via, [ip("127.0.0.1")]);
    assert_eq!((clients[1].ip, clients[1].port), (ip("127.0.0.1"), Some(40_000)));
    assert_eq!((clients[2].ip, clients[2].port), (ip("203.0.113.9"), Some(5000)));
    bench.finish();
    let left_out = &bench.stats().last().unwrap().left_out;
    assert!(left_out.contains(&("forwarded_untrusted", 1)), "{left_out:?}");
}

#[test]
fn a_fingerprint_is_of_the_program_and_not_of_the_request() {
    let mut bench = Bench::new();
    let mut server = server(&mut bench, "192.0.2.9:40000");
    ask(&mut bench, &mut server, "GET /", "User-Agent: a\r\nAccept: */*\r\n");
    ask(
        &mut bench,
        &mut server,
        "POST /other",
        "Content-Length: 0\r\nUser-Agent: b\r\nCookie: x=y\r\nAccept: text/html\r\n",
    );
    ask(&mut bench, &mut server, "GET /", "accept: */*\r\nUser-Agent: a\r\n");
    let seen: Vec<String> = bench
        .http()
        .iter()
        .map(|http| http.fingerprint.unwrap().to_string())
        .collect();
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
    assert!(seen[0].starts_with("h1:") && seen[0].len() == 19, "{}", seen[0]);
}
