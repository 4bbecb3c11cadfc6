//! From the bytes of a request to an alert about how it is written, or what it asks for.

use super::*;
use crate::alert::Severity;
use crate::enrich::reference::Reference;

/// The alerts of one detector, each as it was told at last.
fn alerts<'a>(bench: &'a Bench, detector: &str) -> Vec<&'a Alert> {
    let mut latest: Vec<&Alert> = Vec::new();
    for alert in bench.alerts() {
        match latest.iter_mut().find(|known| known.id == alert.id) {
            Some(known) => *known = alert,
            None if alert.detector == detector => latest.push(alert),
            None => {}
        }
    }
    latest
}

/// One connection on which these were asked and answered.
fn conversation(config: &Config, turns: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::with(config);
    let mut server = Socket::server(1);
    server.open(&mut bench);
    for (request, response) in turns {
        server.hear(&mut bench, request.as_bytes());
        bench.wait(2);
        server.say(&mut bench, response.as_bytes());
        bench.wait(500);
    }
    server.close(&mut bench);
    bench.finish();
    bench
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

#[test]
fn smuggling_is_told_and_what_a_server_writes_is_not() {
    let smuggled =
        "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let bench = conversation(&Config::default(), &[(smuggled, OK), (smuggled, OK)]);
    let found = alerts(&bench, "request_anomaly");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].severity, found[0].count), (Severity::High, 2));
    assert_eq!(found[0].actor.as_ref().map(|actor| &*actor.id), Some("192.0.2.9"));

    let plain = "GET /orders HTTP/1.1\r\nHost: a\r\n\r\n";
    let odd = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let bench = conversation(&Config::default(), &[(plain, odd), (plain, odd)]);
    let record = bench.http()[0];
    assert_eq!(
        (&record.anomalies[..], record.request_anomalies),
        (&["both_lengths"][..], 0)
    );
    assert!(alerts(&bench, "request_anomaly").is_empty());
}

#[test]
fn path_traversal_is_told_and_a_comparison_of_versions_is_not() {
    let traversal = "GET /files/..%2f..%2fetc/passwd HTTP/1.1\r\nHost: a\r\n\r\n";
    let bench = conversation(&Config::default(), &[(traversal, NOT_FOUND), (traversal, OK)]);
    let found = alerts(&bench, "request_anomaly");
    assert_eq!(found.iter().map(|alert| alert.severity).max(), Some(Severity::High));
    let compare = "GET /compare/v1..v2?path=src%2Fmain.rs HTTP/1.1\r\nHost: a\r\n\r\n";
    let bench = conversation(&Config::default(), &[(compare, OK), (compare, NOT_FOUND)]);
    assert!(alerts(&bench, "request_anomaly").is_empty());
}

#[test]
fn scanners_and_undocumented_endpoints_are_told() {
    let mut documented = crate::enrich::endpoints::Documented::default();
    let document = "{\"openapi\":\"3.1.0\",\"paths\":{\"/orders/{id}\":{\"get\":{}}}}";
    documented.add(document).unwrap();
    let mut bench = Bench::new();
    bench.pipeline.refer(Reference {
        documented: documented.into(),
        has_documents: true,
        ..Reference::default()
    });
    let mut server = Socket::server(1);
    server.open(&mut bench);
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    for (path, response) in [("/orders/42", json), ("/debug", json), ("/nothing", NOT_FOUND)] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nUser-Agent: ffuf/2.1\r\n\r\n");
        server.hear(&mut bench, request.as_bytes());
        bench.wait(2);
        server.say(&mut bench, response.as_bytes());
        bench.wait(2_000);
    }
    bench.finish();
    let shadows = alerts(&bench, "shadow_endpoint");
    assert_eq!(shadows.len(), 1, "{shadows:#?}");
    assert_eq!(shadows[0].target.endpoint.as_deref(), Some("GET /debug"));
    let scanners = alerts(&bench, "user_agent");
    assert_eq!(
        scanners.iter().map(|alert| alert.count).sum::<u64>(),
        3,
        "{scanners:#?}"
    );
}

#[test]
fn a_library_that_says_it_is_a_browser_is_told() {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let library = format!("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n");
    let bench = conversation(&Config::default(), &[(&library, OK)]);
    assert_eq!(alerts(&bench, "client_fingerprint").len(), 1);
    let browser =
        format!("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\nAccept: */*\r\nAccept-Language: de\r\n\r\n");
    let bench = conversation(&Config::default(), &[(&browser, OK)]);
    assert!(alerts(&bench, "client_fingerprint").is_empty());
}

/// A request that makes this host call `remote`, as the kernel tells of it, or as a capture does.
fn forgery(request: &str, remote: &str, by_kernel: bool) -> Bench {
    let mut config = Config::default();
    config.learning.period = "0s".parse().unwrap();
    let mut bench = Bench::with(&config);
    bench.program(9, "/usr/bin/app");
    let mut server = Socket::server(1).owned(9);
    server.open(&mut bench);
    server.hear(&mut bench, request.as_bytes());
    bench.wait(5);
    let mut client = Socket::client(2, remote);
    if by_kernel {
        client.snapshot.parent = Some(crate::event::Parent {
            flow: server.snapshot.id,
            turn: 1,
            in_flight: 1,
        });
    }
    client.open(&mut bench);
    bench.wait(300);
    client.close(&mut bench);
    server.say(&mut bench, OK.as_bytes());
    bench.wait(70_000);
    bench.finish();
    bench
}

#[test]
fn a_call_that_a_request_named_is_told() {
    let target = "GET /fetch?url=http%3A%2F%2F169.254.169.254%2Flatest HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let body = "POST /fetch HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n\
                {\"url\":\"http://10.0.0.66:9200/\"";
    for (request, remote, severity) in [
        (target, "169.254.169.254:80", Severity::Critical),
        (body, "10.0.0.66:9200", Severity::High),
    ] {
        for (by_kernel, confidence) in [(true, 0.95), (false, if remote.ends_with(":80") { 0.8 } else { 0.75 })] {
            let bench = forgery(request, remote, by_kernel);
            let found = alerts(&bench, "request_forgery");
            assert_eq!(found.len(), 1, "{remote} {by_kernel}: {found:#?}");
            assert_eq!((found[0].severity, found[0].confidence), (severity, confidence));
            assert_eq!(found[0].actor.as_ref().map(|actor| &*actor.id), Some("192.0.2.9"));
            assert_eq!(found[0].target.process.as_deref(), Some("/usr/bin/app"));
        }
    }
}

#[test]
fn a_call_that_no_request_named_is_silent() {
    let own = "GET /next?to=https://a.example/home&v=1.2.3 HTTP/1.1\r\nHost: a.example\r\nReferer: https://a.example/10.0.0.66/\r\n\r\n";
    for by_kernel in [true, false] {
        let bench = forgery(own, "10.0.0.66:80", by_kernel);
        assert!(alerts(&bench, "request_forgery").is_empty());
    }
}
