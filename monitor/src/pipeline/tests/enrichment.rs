//! What transactions are told of beyond their bytes.

use super::*;
use crate::enrich::identity::login::LoginOutcome;

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
fn endpoints_are_documented_or_learned() {
    let mut bench = Bench::new();
    let mut server = server(&mut bench, "192.0.2.9:40000");
    ask(&mut bench, &mut server, "GET /orders/42?x=1", "");
    let mut documented = crate::enrich::endpoints::Documented::default();
    documented
        .add("openapi: 3.0.0\npaths: { \"/orders/{order}\": { get: {} } }")
        .unwrap();
    bench.pipeline.refer(crate::enrich::reference::Reference {
        documented: Arc::new(documented),
        has_documents: true,
        ..crate::enrich::reference::Reference::default()
    });
    ask(&mut bench, &mut server, "GET /orders/43", "");
    ask(&mut bench, &mut server, "GET /admin", "");
    let told: Vec<_> = bench.http().iter().map(|http| http.request.clone().unwrap()).collect();
    let told: Vec<_> = told
        .iter()
        .map(|request| (request.endpoint.as_deref().unwrap(), request.documented))
        .collect();
    let expected = [
        ("GET /orders/{id}", None),
        ("GET /orders/{order}", Some(true)),
        ("GET /admin", Some(false)),
    ];
    assert_eq!(told, expected);
}

#[test]
fn clients_and_destinations_are_looked_up() {
    let mut bench = bench("[clients]\ntrusted_proxies = [\"10.0.0.0/8\"]\n");
    let mut data = crate::enrich::networks::NetworkData::default();
    data.lists.add("bad.txt", "198.51.100.0/24\nevil.example\n");
    bench.pipeline.refer(crate::enrich::reference::Reference {
        networks: Arc::new(data),
        ..crate::enrich::reference::Reference::default()
    });
    let mut nginx = server(&mut bench, "10.0.0.5:40000");
    ask(
        &mut bench,
        &mut nginx,
        "GET /",
        "X-Forwarded-For: 198.51.100.7\r\nUser-Agent: curl/8\r\n",
    );
    let mut out = Socket::client(2, "203.0.113.5:80");
    out.open(&mut bench);
    out.say(&mut bench, b"GET / HTTP/1.1\r\nHost: www.evil.example\r\n\r\n");
    out.hear(&mut bench, &ok(b"hi"));
    out.close(&mut bench);
    let http = bench.http()[0];
    let client = http.client.as_ref().unwrap().whereabouts.as_ref().unwrap();
    assert_eq!(client.listed.as_deref(), Some("bad.txt"));
    let class = http.request.as_ref().unwrap().agent_class;
    assert_eq!(class, Some(crate::enrich::agents::AgentClass::Library));
    let (inbound, outbound): (Vec<_>, Vec<_>) = bench.flows().into_iter().partition(|flow| flow.flow.cookie == 1);
    let kind = inbound[0].remote_whereabouts.as_ref().unwrap().kind;
    assert_eq!(kind, Some(crate::enrich::networks::NetworkKind::Internal));
    let listed = outbound.last().unwrap().remote_whereabouts.as_ref().unwrap();
    assert_eq!(listed.listed.as_deref(), Some("bad.txt"));
    bench.finish();
    let alerts = bench.alerts();
    let listed = alerts.iter().filter(|alert| alert.detector == "listed_source");
    let told: std::collections::BTreeSet<_> = listed
        .map(|alert| {
            (
                alert.actor.as_ref().map(|actor| &*actor.id),
                alert.target.destination.as_deref(),
            )
        })
        .collect();
    let expected = [(None, Some("www.evil.example")), (Some("198.51.100.7"), None)];
    assert_eq!(told, expected.into(), "{alerts:#?}");
}

#[test]
fn a_balancer_names_its_client_once_for_all_requests() {
    for (peer, ip) in [("10.0.0.5:40000", "198.51.100.7"), ("203.0.113.9:40000", "203.0.113.9")] {
        let mut bench = bench("[clients]\ntrusted_proxies = [\"10.0.0.0/8\"]\n");
        let mut server = server(&mut bench, peer);
        server.hear(&mut bench, b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\n");
        ask(&mut bench, &mut server, "GET /a", "");
        ask(&mut bench, &mut server, "GET /b", "");
        let ips: Vec<String> = bench
            .http()
            .iter()
            .map(|http| http.client.as_ref().unwrap().ip.to_string())
            .collect();
        assert_eq!(ips, [ip, ip]);
    }
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

/// A login as a client sends it.
fn login(path: &str, kind: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\r\n{body}")
        .into_bytes()
}

/// Who wants in by this request, and whether that is let by this response. The request comes in pieces of `size` bytes.
fn try_login(toml: &str, request: &[u8], response: &str, size: usize) -> (Vec<String>, Option<LoginOutcome>, bool) {
    let mut bench = bench(toml);
    let mut server = server(&mut bench, "192.0.2.9:40000");
    for piece in request.chunks(size) {
        server.hear(&mut bench, piece);
    }
    server.say(&mut bench, response.as_bytes());
    let http = bench.http()[0];
    let ids = http.identity.iter().map(|identity| identity.id.to_string()).collect();
    (ids, http.login, http.identity.iter().all(|identity| identity.unproven))
}

const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const NO: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";

#[test]
fn logins_tell_who_and_how_they_ended() {
    let json = login(
        "/api/login",
        "application/json",
        r#"{"username":"alice","password":"pw"}"#,
    );
    for size in [1, 7, 150, 1_000] {
        let alice = vec!["alice".to_owned()];
        let success = Some(LoginOutcome::Success);
        assert_eq!(
            try_login("", &json, YES, size),
            (alice.clone(), success, false),
            "{size}"
        );
        assert_eq!(
            try_login("", &json, NO, size),
            (alice, Some(LoginOutcome::Failure), true),
            "{size}"
        );
    }
    let off = "[identity]\nrecognize_logins = false\n";
    assert_eq!(try_login(off, &json, YES, 1_000), (Vec::new(), None, true));
    let named = "[[login]]\nendpoint = \"POST /v{n}/enter\"\nuser_field = \"who\"\nfailure_redirect = \"/enter*\"\n";
    let form = login("/v2/enter", "application/x-www-form-urlencoded", "pw=x&who=bob");
    let redirect = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    let (who, outcome, _) = try_login(named, &form, &redirect("/enter?again"), 1_000);
    assert_eq!((who, outcome), (vec!["bob".to_owned()], Some(LoginOutcome::Failure)));
    assert_eq!(
        try_login(named, &form, &redirect("/"), 1_000).1,
        Some(LoginOutcome::Success)
    );
}

#[test]
fn a_body_that_is_not_seen_names_nobody_and_its_end_is_found() {
    let mut bench = Bench::new();
    let mut server = server(&mut bench, "192.0.2.9:40000");
    let head = "POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{\"username\":\"al";
    server.hear_of(&mut bench, head.as_bytes(), head.len() + 8_986);
    server.say(&mut bench, NO.as_bytes());
    ask(&mut bench, &mut server, "GET /", "");
    let http = bench.http();
    assert_eq!(
        (http[0].identity.len(), http[0].login),
        (0, Some(LoginOutcome::Failure))
    );
    assert_eq!(http[0].request.as_ref().map(|request| request.body_bytes), Some(9_000));
    assert_eq!(http.len(), 2);
}
