//! An API behind nginx, used as APIs are and then attacked: what is ordinary raises nothing, each attack its alert with the
//! right actor and program.
//!
//! Where clients are said to be is in `X-Forwarded-For`, as behind a load balancer: the attackers have many addresses, and
//! all of it is on loopback.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};

use monitor_tests::host::executable;
use monitor_tests::nginx::{Nginx, Setup};
use monitor_tests::remote::RESOLVER;
use monitor_tests::{Daemon, Field, Host, Launch, Namespace, Records, Remote, Script};
use serde_json::Value;

use crate::{LOCALHOST, here, zone};

const FRONT: u16 = 18801;
const BEHIND: u16 = 18802;
const CONFIG: &str = r#"
[clients]
trusted_proxies = ["127.0.0.0/8"]
[[login]]
endpoint = "POST /login"
user_field = "username"
"#;

/// Server, proxy, and the daemon that watches both.
struct Shop {
    daemon: Daemon,
    net: Namespace,
    _remote: Remote,
    _nginx: Nginx,
    _api: Script,
    asked: usize,
}

impl Shop {
    #[track_caller]
    fn open() -> Self {
        let net = Namespace::new();
        let remote = Remote::start(&net, zone());
        net.resolve_by(IpAddr::V4(RESOLVER));
        let daemon = Launch::new().config(CONFIG).start();
        let api = Script::shop(&net, LOCALHOST, BEHIND);
        let nginx = Setup {
            proxied: Some(BEHIND),
            ..Setup::on(FRONT)
        };
        Self {
            daemon,
            _nginx: nginx.start(&net),
            net,
            _remote: remote,
            _api: api,
            asked: 0,
        }
    }

    /// One request of the client at `from`, on a connection of its own; the status that it got.
    #[track_caller]
    fn ask(&mut self, from: &str, line: &str, fields: &str, body: &str) -> u16 {
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        let request = format!(
            "{line} HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: {from}\r\nAccept: */*\r\n{fields}{length}\
             Connection: close\r\n\r\n{body}"
        );
        let mut stream = self.net.inside(|| TcpStream::connect(here(FRONT))).expect("connect");
        stream.write_all(request.as_bytes()).expect("ask");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        self.asked += 1;
        answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    #[track_caller]
    fn login(&mut self, from: &str, user: &str, password: &str) -> u16 {
        let body = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
        self.ask(from, "POST /login", BROWSER, &body)
    }

    /// Every transaction so far has been told at the proxy, and what there was to say of it.
    #[track_caller]
    fn settle(&mut self) {
        let asked = self.asked;
        self.daemon.wait_for_http(FRONT, asked);
        // What is found is told a second later, with all that came since.
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
}

const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept-Language: en\r\nAccept-Encoding: gzip\r\n";
const PARTNER: &str = "User-Agent: python-requests/2.32\r\nX-Api-Key: key-of-a-partner\r\n";

/// People, one of whom mistypes; a partner by pages; health checks; a crawler; an import from where imports come from.
#[track_caller]
fn ordinary(shop: &mut Shop) {
    for person in 0..25 {
        let (from, user) = (format!("198.18.{person}.7"), format!("person{person}"));
        if person % 8 == 0 {
            assert_eq!(shop.login(&from, &user, "a slip"), 401);
        }
        assert_eq!(shop.login(&from, &user, &format!("right of {user}")), 200);
        for page in 0..4 {
            shop.ask(&from, &format!("GET /products?page={page}"), BROWSER, "");
        }
    }
    for order in 0..40 {
        assert_eq!(
            shop.ask("198.18.200.1", &format!("GET /orders/{order}"), PARTNER, ""),
            200
        );
        shop.ask("127.0.0.1", "GET /health", "User-Agent: kube-probe/1.31\r\n", "");
    }
    for page in 0..6 {
        let crawler = "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)\r\n";
        shop.ask("198.18.210.1", &format!("GET /old/{page}"), crawler, "");
    }
}

/// The alerts of a detector on an actor.
fn on<'a>(records: &'a Records, detector: &str, actor: &str) -> Vec<&'a Value> {
    let alerts = records.alerts(detector).into_iter();
    alerts.filter(|alert| alert.text("/actor/id") == Some(actor)).collect()
}

#[test]
fn what_is_ordinary_is_quiet_and_attacks_are_told() {
    let Some(_host) = Host::claim(&["nginx", "python3"]) else {
        return;
    };
    let mut shop = Shop::open();
    ordinary(&mut shop);
    shop.settle();

    // Names and passwords from elsewhere, tried one after the other.
    for user in 0..120 {
        assert_eq!(shop.login("203.0.113.66", &format!("victim{user}"), "hunter2"), 401);
    }
    // What a scanner asks for, and how it calls itself.
    for target in ["/..%2f..%2fetc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd"] {
        shop.ask("203.0.113.77", &format!("GET {target}"), BROWSER, "");
    }
    for id in 0..12 {
        shop.ask(
            "203.0.113.88",
            &format!("GET /products?id={id}%27"),
            "User-Agent: sqlmap/1.8.2#stable (https://sqlmap.org)\r\n",
            "",
        );
    }
    // One key, all over the world.
    for network in 0..24 {
        let from = format!("{}.{}.3.4", 60 + network, 7 * network);
        let key = "User-Agent: curl/8.5.0\r\nX-Api-Key: key-in-many-hands\r\n";
        assert_eq!(shop.ask(&from, &format!("GET /orders/{network}"), key, ""), 200);
    }
    // The server is told where to go.
    let body = r#"{"url":"http://api.example.test/10"}"#;
    assert_eq!(shop.ask("203.0.113.99", "POST /import", BROWSER, body), 200);
    shop.settle();
    let records = shop.daemon.stop();

    for (detector, actor) in [
        ("credential_stuffing", "203.0.113.66"),
        ("request_anomaly", "203.0.113.77"),
        ("user_agent", "203.0.113.88"),
    ] {
        assert!(
            !on(&records, detector, actor).is_empty(),
            "{detector}: {:#?}",
            records.alerts(detector)
        );
    }
    let shared = records.alerts("credential_sharing");
    assert!(
        shared.iter().any(|alert| alert.text("/actor/kind") == Some("key")),
        "credential_sharing: {shared:#?}"
    );
    let forged = records.alerts("request_forgery");
    let forged = forged
        .iter()
        .find(|alert| alert.text("/target/destination") == Some("api.example.test"));
    let forged = forged.unwrap_or_else(|| panic!("request_forgery: {:#?}", records.alerts("request_forgery")));
    assert_eq!(
        forged.text("/target/process"),
        Some(&*executable("python3")),
        "{forged:#}"
    );
    let summary = forged.text("/summary").unwrap_or_default();
    assert!(summary.contains("POST /import"), "{summary}");

    // One request, seen at two servers, is one.
    let scanner = on(&records, "user_agent", "203.0.113.88");
    let counted = scanner.last().and_then(|alert| alert.number("/count"));
    assert_eq!(counted, Some(12), "{scanner:#?}");
    let relayed = |port| {
        records
            .http(port)
            .into_iter()
            .filter(|http| http["relayed"] == true)
            .count()
    };
    // The first is over behind the proxy before anything is known of the proxy.
    assert_eq!((relayed(FRONT), relayed(BEHIND)), (0, records.http(BEHIND).len() - 1));

    // Nobody else is blamed.
    let attackers = ["203.0.113.66", "203.0.113.77", "203.0.113.88", "203.0.113.99"];
    for alert in records.of("alert") {
        let actor = alert.text("/actor/id").unwrap_or_default();
        let kind = alert.text("/actor/kind").unwrap_or_default();
        let ordinary = actor.starts_with("198.18.") || actor.contains("person") || actor.contains("Firefox");
        assert!(!ordinary, "{alert:#}");
        assert!(
            kind != "ip" || attackers.contains(&actor) || !actor.starts_with("127."),
            "{alert:#}"
        );
    }
}

#[test]
fn an_ordinary_hour_raises_nothing() {
    let Some(_host) = Host::claim(&["nginx", "python3"]) else {
        return;
    };
    let mut shop = Shop::open();
    for _ in 0..3 {
        ordinary(&mut shop);
    }
    shop.settle();
    let records = shop.daemon.stop();
    let alerts: Vec<_> = records.of("alert").collect();
    // Other programs of this host may call out meanwhile; what came over this API is ordinary.
    let about_us = |alert: &&&Value| alert.text("/actor/kind") != Some("process");
    let ours: Vec<_> = alerts.iter().filter(about_us).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}
