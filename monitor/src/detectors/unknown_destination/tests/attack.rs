//! What must be caught, and what the alert then says.

use super::*;
use crate::alert::{ActorKind, AlertState, Quantity};
use crate::allow::allow_line;

// Data goes where this program never went.
#[test]
fn a_new_destination_is_an_alert_that_says_it_all() {
    let mut world = World::that_learned(&habits());
    world.happens(&Flow {
        sent: 41_000_000,
        received: 1_200,
        parent: Some("POST /import"),
        ..flow(CURL, "files.example.net", "198.51.100.7:443")
    });
    let alert = world.only_alert();
    assert_eq!(
        alert.summary,
        "curl (pid 812, uid 33), during POST /import, sent 41 MB to files.example.net (198.51.100.7:443) and received \
         1.2 kB, a destination never seen before from /usr/bin/curl; 14 known destinations"
    );
    assert_eq!(alert.title, "New destination for curl: files.example.net");
    assert_eq!(alert.target.destination.as_deref(), Some("files.example.net"));
    assert_eq!(alert.actor.as_ref().map(|actor| &*actor.id), Some(CURL));
    assert_eq!(
        (alert.detector, alert.ioc, alert.severity),
        ("unknown_destination", Some(8), Severity::High)
    );
    assert!(alert.confidence > 0.9, "{}", alert.confidence);
    let observed = Quantity::Text("files.example.net (198.51.100.7:443)".to_owned());
    assert_eq!(alert.evidence.observed, observed);
    let Quantity::List(expected) = &alert.evidence.expected else {
        panic!("{:?}", alert.evidence.expected);
    };
    assert_eq!((expected.len(), expected[5].as_str()), (6, "and 9 more"));
    assert_eq!((alert.evidence.samples.len(), alert.count), (1, 1));
    assert_eq!(
        allow_line(&alert),
        "monitor allow unknown_destination --process /usr/bin/curl --destination files.example.net --comment 'why \
         this is normal'"
    );
}

// A dropper: a program that nobody knew calls home, and then elsewhere.
#[test]
fn a_new_program_is_one_alert_on_a_host_that_has_learned() {
    let mut world = World::that_learned(&habits());
    for home in ["", "c2.example.net", "paste.example.net"] {
        world.happens(&flow("/tmp/.x/kdevtmp", home, "198.51.100.7:8443"));
        world.passes(Duration::from_mins(20));
    }
    let alert = world.only_alert();
    assert_eq!(alert.title, "kdevtmp calls out for the first time: 198.51.100.7");
    assert_eq!(
        (alert.severity, alert.count),
        (Severity::High, 3),
        "it runs from where anyone may write"
    );
    assert_eq!(
        alert.summary,
        "kdevtmp (pid 812, uid 33) sent 1.5 kB to 198.51.100.7:8443 and 2 other new destinations and received 6.0 kB \
         in 3 connections; /tmp/.x/kdevtmp was never seen to call out before on this host"
    );
    // When its day is over it learns like any other.
    world.passes(2 * DAY);
    world.happens(&flow("/tmp/.x/kdevtmp", "d.example.net", "198.51.100.8:443"));
    world.only_alert();
}

#[test]
fn an_attempt_counts_even_if_it_failed() {
    let mut world = World::that_learned(&habits());
    world.happens(&Flow {
        sent: 0,
        received: 0,
        end: EndReason::Refused,
        ..flow(CURL, "", "198.51.100.7:4444")
    });
    let summary = world.only_alert().summary.clone();
    assert!(
        summary.starts_with("curl (pid 812, uid 33) tried in vain to reach 198.51.100.7:4444, "),
        "{summary}"
    );
}

#[test]
fn severity_follows_what_is_at_stake() {
    let mut world = World::that_learned(&habits());
    let sends = |sent, name: &str, remote: &str| Flow {
        sent,
        ..flow(CURL, name, remote)
    };
    for (flow, severity) in [
        (sends(500, "db.internal", "10.1.2.3:5432"), Severity::Low),
        (sends(50_000_000, "", "10.9.2.3:5432"), Severity::Low),
        (sends(9_999_999, "x.example.net", "198.51.100.7:443"), Severity::Medium),
        (sends(10_000_000, "y.example.org", "198.51.100.7:443"), Severity::High),
    ] {
        world.happens(&flow);
        let alerts = world.alerts();
        let alert = alerts.last().unwrap();
        assert_eq!(alert.severity, severity, "{}", alert.summary);
    }
}

#[test]
fn the_metadata_service_is_a_destination_and_worse_during_a_request() {
    for (parent, severity) in [(None, Severity::Medium), (Some("GET /fetch"), Severity::High)] {
        let mut world = World::that_learned(&habits());
        world.happens(&Flow {
            parent,
            ..flow(CURL, "", "169.254.169.254:80")
        });
        assert_eq!(world.only_alert().severity, severity);
    }
}

#[test]
fn a_flow_without_a_process_is_told_with_less_confidence() {
    let orphan = |name: &str| Flow {
        exe: None,
        ..flow("", name, "203.0.113.5:443")
    };
    let mut world = World::that_learned(&[orphan("a.example.com")]);
    world.happens(&orphan("b.example.net"));
    let alert = world.only_alert();
    assert_eq!(alert.actor, None);
    assert!(alert.confidence < 0.5, "{}", alert.confidence);
    let begins = "a process that is not known sent 500 bytes to b.example.net";
    assert!(alert.summary.starts_with(begins), "{}", alert.summary);
}

#[test]
fn many_new_destinations_at_once_share_an_alert() {
    let mut world = World::that_learned(&habits());
    for n in 0..300 {
        world.happens(&flow(CURL, "", &format!("198.{}.{}.7:22", 51 + n / 250, n % 250)));
    }
    world.passes(Duration::from_mins(1));
    let alerts = world.alerts();
    assert_eq!(alerts.len(), MOST_ALONE + 1);
    let shared = alerts.last().unwrap();
    assert_eq!((shared.target.destination.as_deref(), shared.count), (None, 290));
    assert_eq!(shared.title, "Many new destinations for curl");
    let words = "198.51.10.7:22 and 289 other new destinations and received 580 kB in 290 connections";
    assert!(shared.summary.contains(words), "{}", shared.summary);
}

// An alert names an actor or a target.
#[test]
fn many_destinations_of_nobody_known_are_those_of_an_address() {
    let orphan = |remote: &str| Flow {
        exe: None,
        ..flow("", "", remote)
    };
    let mut world = World::that_learned(&[orphan("203.0.113.5:443")]);
    for n in 0..60 {
        world.happens(&orphan(&format!("198.51.{n}.7:22")));
    }
    world.passes(Duration::from_mins(1));
    let alerts = world.alerts();
    let shared = alerts.last().unwrap();
    assert_eq!(shared.target.destination, None);
    assert_eq!(
        shared.actor.as_ref().map(|actor| (actor.kind, &*actor.id)),
        Some((ActorKind::Ip, "192.0.2.10"))
    );
}

#[test]
fn another_tenants_bucket_is_new() {
    let bucket = |name: &str| flow(CURL, &format!("{name}.s3.amazonaws.com"), "203.0.113.5:443");
    let usual: Vec<Flow> = (0..20).map(|n| bucket(&format!("ours{n}"))).collect();
    let mut world = World::that_learned(&usual);
    world.happens(&bucket("theirs"));
    let alert = world.only_alert();
    assert_eq!(alert.target.destination.as_deref(), Some("theirs.s3.amazonaws.com"));
}

// A container with a history of its own is not covered by what others of its kind do.
#[test]
fn kin_do_not_speak_for_a_container_with_a_history() {
    let node = |container, name: &str| Flow {
        container: Some(container),
        ..flow("/usr/bin/node", name, "203.0.113.5:443")
    };
    let mut world = World::that_learned(&[node("shop", "pay.example.com"), node("crawler", "www.example.org")]);
    world.happens(&node("shop", "www.example.org"));
    let alert = world.only_alert();
    assert_eq!(alert.target.destination.as_deref(), Some("www.example.org"));
}

#[test]
fn a_growing_upload_is_told_while_it_happens() {
    let mut world = World::that_learned(&habits());
    let upload = |sent| Flow {
        sent,
        ..flow(CURL, "drop.example.net", "198.51.100.7:443")
    };
    let cookie = world.opens(&upload(0));
    for second in 1..=20_u64 {
        world.passes(Duration::from_secs(1));
        world.observes(cookie, FlowEvent::Update, &upload(second * 1_000_000));
    }
    let told: Vec<_> = world
        .records
        .iter()
        .filter_map(|record| match &record.body {
            Body::Alert(alert) => Some((alert.state, alert.severity, alert.count)),
            _ => None,
        })
        .collect();
    let expected = [
        (AlertState::New, Severity::Medium, 1),
        (AlertState::Update, Severity::High, 1),
    ];
    assert_eq!(told, expected);
    world.passes(Duration::from_mins(1));
    let alert = world.only_alert();
    assert!(alert.summary.contains(" sent 20 MB to "), "{}", alert.summary);
    assert_eq!(alert.evidence.samples.len(), 1, "one flow, its latest record");
}

// A connection that was told of, kept open, and used when nobody looks any more.
#[test]
fn a_quiet_connection_that_wakes_up_is_told_again() {
    let mut world = World::that_learned(&habits());
    let shell = |sent| Flow {
        sent,
        ..flow(CURL, "", "198.51.100.7:443")
    };
    let cookie = world.opens(&shell(0));
    world.passes(Duration::from_hours(5));
    assert_eq!(world.only_alert().state, AlertState::Resolved);
    world.observes(cookie, FlowEvent::Update, &shell(20_000_000));
    let alerts = world.alerts();
    assert_eq!(alerts.len(), 2);
    assert_eq!((alerts[1].state, alerts[1].severity), (AlertState::New, Severity::High));
}
