use proptest::prelude::*;

use super::*;
use crate::protocol::taps::{Logins, Taps};
use crate::record::Request;

fn settings(trusted: &[&str]) -> Settings {
    Settings {
        trusted_proxies: trusted.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn taps(settings: &Settings) -> Taps {
    Taps::new(settings.taps(), [], Logins::default())
}

fn ask(trusted: &[&str], peer: &str, fields: &[(&str, &str)]) -> (Client, Doubts) {
    let settings = settings(trusted);
    let taps = taps(&settings);
    let taken = taps.take(
        &Request::default(),
        fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())),
        true,
    );
    let mut clients = Clients::new(&settings);
    let client = clients.client(peer.parse().unwrap(), None, &taken);
    (client, clients.doubts())
}

/// `10.0.0.5` asks, and all of `10.0.0.0/8` is trusted.
#[track_caller]
fn check(fields: &[(&str, &str)], ip: &str, port: Option<u16>, via: &[&str]) -> Doubts {
    let (client, doubts) = ask(&["10.0.0.0/8", "fd00::/8"], "10.0.0.5:4000", fields);
    let via: Vec<IpAddr> = via.iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!((client.ip, client.port, client.via), (ip.parse().unwrap(), port, via));
    doubts
}

const XFF: &str = "X-Forwarded-For";

#[test]
fn the_first_from_the_right_that_is_no_proxy() {
    check(&[(XFF, "198.51.100.7")], "198.51.100.7", None, &["10.0.0.5"]);
    check(
        &[(XFF, "1.1.1.1, 198.51.100.7, 10.0.0.9")],
        "198.51.100.7",
        None,
        &["10.0.0.9", "10.0.0.5"],
    );
    // Several lines are one list.
    check(
        &[(XFF, "1.1.1.1"), (XFF, "198.51.100.7:4711")],
        "198.51.100.7",
        Some(4711),
        &["10.0.0.5"],
    );
    // All of them are ours: the first of them asked.
    check(
        &[(XFF, "10.1.1.1, 10.2.2.2")],
        "10.1.1.1",
        None,
        &["10.2.2.2", "10.0.0.5"],
    );
    check(&[], "10.0.0.5", Some(4000), &[]);
    check(&[(XFF, "")], "10.0.0.5", Some(4000), &[]);
}

#[test]
fn forwarded_in_its_forms() {
    for (value, ip, port) in [
        ("for=198.51.100.7", "198.51.100.7", None),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60", None),
        ("by=10.0.0.1; For=\"198.51.100.7:80\"", "198.51.100.7", Some(80)),
        ("for=\"[2001:db8::17]:4711\"", "2001:db8::17", Some(4711)),
        ("for=\"[2001:db8::17]\"", "2001:db8::17", None),
        ("for=\"198.51.100.7:_port\"", "198.51.100.7", None),
        (
            "for=1.1.1.1;host=\"a,b\", for=198.51.100.7;host=\"c,d\"",
            "198.51.100.7",
            None,
        ),
        ("for=\"[::ffff:198.51.100.7]\"", "198.51.100.7", None),
    ] {
        check(&[("Forwarded", value)], ip, port, &["10.0.0.5"]);
    }
}

#[test]
fn what_is_no_address_ends_it() {
    for value in ["for=unknown", "for=_hidden", "proto=http", "for=", "for=\"[::1\""] {
        let doubts = check(&[("Forwarded", value)], "10.0.0.5", Some(4000), &[]);
        assert_eq!(doubts.unreadable, 1, "{value}");
    }
}

#[test]
fn nothing_is_believed_from_a_stranger() {
    for trusted in [&[][..], &["10.0.0.0/8"]] {
        for name in [XFF, "Forwarded"] {
            let (client, doubts) = ask(trusted, "203.0.113.9:1234", &[(name, "for=10.0.0.1")]);
            assert_eq!((client.ip, client.via.len()), ("203.0.113.9".parse().unwrap(), 0));
            assert_eq!(doubts.untrusted, 1);
        }
    }
    let (_, doubts) = ask(&["10.0.0.0/8"], "203.0.113.9:1234", &[("Host", "h")]);
    assert_eq!(doubts, Doubts::default());
}

// nginx adds to the one and passes the other on as it came.
#[test]
fn of_two_that_differ_the_common_one_is_taken() {
    let fields = [("Forwarded", "for=1.1.1.1"), (XFF, "1.1.1.1, 198.51.100.7")];
    let doubts = check(&fields, "198.51.100.7", None, &["10.0.0.5"]);
    assert_eq!(doubts.differing, 1);
    let fields = [("Forwarded", "for=198.51.100.7"), (XFF, "198.51.100.7")];
    assert_eq!(check(&fields, "198.51.100.7", None, &["10.0.0.5"]).differing, 0);
}

#[test]
fn the_proxy_protocol_comes_before_the_fields() {
    let of = |peer: &str, proxied: &str, list: &str| {
        let settings = settings(&["10.0.0.0/8"]);
        let fields = [(&b"x-forwarded-for"[..], list.as_bytes())];
        let taken = taps(&settings).take(&Request::default(), fields, true);
        let mut clients = Clients::new(&settings);
        let client = clients.client(peer.parse().unwrap(), Some(proxied.parse().unwrap()), &taken);
        (
            client.ip.to_string(),
            client.port,
            client.via.len(),
            clients.doubts().untrusted,
        )
    };
    // The balancer's client is a proxy of ours, and says more.
    assert_eq!(
        of("10.0.0.5:1", "10.0.0.6:2", "198.51.100.7"),
        ("198.51.100.7".to_owned(), None, 2, 0)
    );
    // It is the client itself: what it writes is its own affair.
    assert_eq!(
        of("10.0.0.5:1", "198.51.100.7:2", "1.1.1.1"),
        ("198.51.100.7".to_owned(), Some(2), 1, 0)
    );
    assert_eq!(
        of("203.0.113.9:1", "198.51.100.7:2", ""),
        ("203.0.113.9".to_owned(), Some(1), 0, 1)
    );
}

#[test]
fn a_loop_ends() {
    let (client, _) = ask(&["10.0.0.0/8"], "10.0.0.5:1", &[(XFF, &"10.0.0.6,".repeat(60))]);
    assert_eq!(client.via.len(), MAX_HOPS);
}

proptest! {
    // What the client writes cannot change who it is, as long as its proxy writes after it.
    #[test]
    fn the_left_part_has_no_say(lie in "[ -~]{0,80}") {
        let list = format!("{lie}, 198.51.100.7");
        let (client, _) = ask(&["10.0.0.0/8"], "10.0.0.5:1", &[(XFF, &list)]);
        prop_assert_eq!(client.ip, "198.51.100.7".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn reads_anything(value: Vec<u8>) {
        let settings = settings(&["0.0.0.0/0", "::/0"]);
        let fields = [(&b"forwarded"[..], &value[..]), (b"x-forwarded-for", &value)];
        let taken = taps(&settings).take(&Request::default(), fields, true);
        let _ = Clients::new(&settings).client("10.0.0.5:1".parse().unwrap(), None, &taken);
    }
}
