//! Tunnels, and names that only look like one.

use super::*;
use crate::event::{FlowId, Owner, Program, ProgramId};
use crate::observation::made::World;
use crate::record::ProcessRef;

fn world() -> World<DnsTunnel> {
    World::new("[learning]\nperiod = \"0s\"\n", DnsTunnel::new)
}

/// Coded as `n` and `salt` say.
fn code(n: u64, salt: u64, len: usize) -> String {
    const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut state = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xd134_2543_de82_ef95);
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(BASE32[(state >> 59) as usize])
        })
        .collect()
}

fn asks(world: &mut World<DnsTunnel>, name: &str, qtype: &str) {
    let record = DnsRecord {
        flow: FlowId::default(),
        process: Some(ProcessRef {
            owner: Owner {
                program: ProgramId::default(),
                ..Owner::default()
            },
            program: Some(Arc::new(Program {
                exe: "/tmp/x".to_owned(),
                ..Program::default()
            })),
            container: None,
        }),
        name: name.into(),
        qtype: qtype.to_owned(),
        rcode: Some("NOERROR".to_owned()),
        answers: Vec::new(),
        truncated: false,
        latency_us: None,
    };
    let time = world.now;
    world.observes(&Observation::Lookup(Lookup {
        time,
        record: Arc::new(record),
    }));
}

fn connects(world: &mut World<DnsTunnel>, name: &str) {
    let flow = crate::observation::made::outbound(world.now, 1, Some(name), "203.0.113.5:443");
    world.observes(&Observation::Flow(flow));
}

#[test]
fn a_tunnel_is_told_within_two_minutes() {
    let mut world = world();
    for n in 0..600 {
        asks(
            &mut world,
            &format!("{}.{}.t.example.net", code(n, 1, 50), code(n, 2, 30)),
            "TXT",
        );
        world.passes_secs(1);
        if n == 120 {
            assert_eq!(world.raised().len(), 1);
        }
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let alert = raised[0];
    assert_eq!((alert.ioc, alert.severity), (Some(8), Severity::High));
    assert_eq!(alert.target.destination.as_deref(), Some("example.net"));
    assert_eq!(alert.actor.as_ref().map(|actor| &*actor.id), Some("/tmp/x"));
}

#[test]
fn a_dripping_tunnel_is_told_within_hours() {
    let mut world = world();
    for n in 0..340 {
        asks(&mut world, &format!("{}.example.co.uk", code(n, 3, 40)), "A");
        world.passes_secs(60);
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(
        (raised[0].severity, raised[0].evidence.window_s),
        (Severity::Medium, 6 * 3_600)
    );
    assert_eq!(raised[0].target.destination.as_deref(), Some("example.co.uk"));
}

#[test]
fn names_that_are_coded_for_a_reason_are_silent() {
    let mut world = world();
    for n in 0..3_000u64 {
        // A content network and an object store with hashed names, which are connected to.
        let hashed = format!("{}.cdn.example.com", code(n, 4, 24));
        asks(&mut world, &hashed, "A");
        connects(&mut world, &hashed);
        asks(&mut world, &format!("{}.s3.amazonaws.com", code(n, 5, 24)), "A");
        asks(&mut world, &format!("{}.cloudfront.net", code(n, 6, 24)), "A");
        // Lists, reverse lookups, service discovery.
        asks(&mut world, &format!("{}.avqs.mcafee.com", code(n, 7, 40)), "A");
        asks(
            &mut world,
            &format!("{}.{}.2.0.192.zen.spamhaus.org", n / 250, n % 250),
            "A",
        );
        asks(&mut world, &format!("{}.ip6.arpa", "1.0.0.0.".repeat(8)), "PTR");
        asks(
            &mut world,
            &format!("{}.default.svc.cluster.local", code(n, 8, 30)),
            "A",
        );
        // A crawler behind a resolver that adds its own domain.
        asks(
            &mut world,
            &format!("www.shop-number-{n}.example.org.corp.example.net"),
            "A",
        );
        if n % 300 == 0 {
            asks(&mut world, &format!("{}._domainkey.example.org", code(n, 9, 32)), "TXT");
            asks(&mut world, "_acme-challenge.www.example.org", "TXT");
        }
        world.passes_secs(1);
    }
    world.is_silent();
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..3_000 {
        asks(&mut world, &format!("{}.example{n}.net", code(n, 1, 40)), "A");
    }
    assert!(world.detector.domains.len() <= MOST_DOMAINS);
    assert!(
        world
            .detector
            .left_out()
            .iter()
            .any(|(cause, count)| *cause == "coded_domains_evicted" && *count > 0)
    );
}
