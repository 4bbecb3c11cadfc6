//! One record of each type with every field known, and one with as little as can be; for the tests of the edges.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Actor, ActorKind, Alert, AlertState, Evidence, Pillar, Quantity, Sample, Severity, Target};
use crate::enrich::agents::AgentClass;
use crate::enrich::fingerprint::Fingerprint;
use crate::enrich::identity::login::LoginOutcome;
use crate::enrich::identity::{Identity, IdentityKind, IdentitySource};
use crate::enrich::networks::{NetworkKind, Whereabouts};
use crate::event::{Counters, FlowId, Owner, Program, ProgramId};
use crate::flow::{FiveTuple, Transport};
use crate::incident::{Incident, Pillars};
use crate::protocol::taps::{FieldOrder, Host, Link, Where};
use crate::protocol::tls::ServerHello;
use crate::record::{
    App, Body, Client, Coverage, CoverageReason, DnsRecord, EndReason, FlowDirection, FlowEvent, FlowRecord, GrpcCall,
    HttpRecord, HttpRole, HttpVersion, Incomplete, NameSource, Nat, ParentRef, ProcessRef, Record, Request, Response,
    StatsRecord, TlsRecord,
};
use crate::time::Timestamp;
use crate::views::coverage::Service;

/// 2023-11-14T22:13:20Z.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

pub(crate) const FLOW: FlowId = FlowId {
    cookie: 0x4c1f,
    generation: 1,
};

pub(crate) fn process() -> ProcessRef {
    let id = ProgramId {
        pid: 4711,
        exec_id: 1,
        start_ns: 5,
    };
    ProcessRef {
        owner: Owner {
            program: id,
            tid: 4712,
            uid: 33,
            cgroup: 99,
        },
        program: Some(Arc::new(Program {
            id,
            namespace_pid: 7,
            parent_pid: 1,
            uid: 33,
            name: "gunicorn".to_owned(),
            exe: "/usr/bin/python3.11".to_owned(),
            cgroup: "/system.slice/api.service".to_owned(),
        })),
        container: Some(Arc::from("c0ffee")),
    }
}

pub(crate) fn whereabouts() -> Whereabouts {
    Whereabouts {
        country: Some(Arc::from("NL")),
        city: Some(Arc::from("Utrecht")),
        position: Some((52.09, 5.12)),
        asn: Some(64_501),
        org: Some(Arc::from("Example Hosting")),
        kind: Some(NetworkKind::Hosting),
        listed: Some(Arc::from("bad.txt")),
    }
}

pub(crate) fn http() -> HttpRecord {
    HttpRecord {
        start: START,
        flow: FLOW,
        turn: 1,
        role: HttpRole::Server,
        version: HttpVersion::Http11,
        client: Some(Client {
            ip: "198.51.100.7".parse().unwrap(),
            port: Some(50_123),
            via: vec!["192.0.2.20".parse().unwrap()],
            whereabouts: Some(Arc::new(whereabouts())),
        }),
        server: Some("192.0.2.10:8080".parse().unwrap()),
        server_name: Some(Arc::from("api.example.com")),
        process: Some(process()),
        request: Some(Box::new(Request {
            method: "POST".into(),
            target: "/orders?token=key:3fa9c1d2".into(),
            path: "/orders".into(),
            endpoint: Some(Arc::from("POST /orders")),
            documented: Some(true),
            host: Some("api.example.com".into()),
            user_agent: Some("curl/8.0".into()),
            agent_class: Some(AgentClass::Library),
            content_type: Some("application/json".into()),
            protocol: Some("websocket".into()),
            header_bytes: 180,
            body_bytes: 52,
            decoded_bytes: Some(40),
        })),
        response: Some(Response {
            status: 201,
            content_type: Some("application/json".into()),
            header_bytes: 120,
            body_bytes: 33,
            decoded_bytes: Some(33),
            announced_bytes: Some(33),
        }),
        grpc: Some(Box::new(GrpcCall {
            service: "shop.Orders".to_owned(),
            method: "Create".to_owned(),
            status: Some(0),
        })),
        latency_us: Some(1_500),
        duration_us: 2_000,
        identity: vec![Identity {
            kind: IdentityKind::Account,
            id: Arc::from("alice"),
            source: IdentitySource::Jwt,
            unproven: true,
        }],
        login: Some(LoginOutcome::Failure),
        fingerprint: Some(Fingerprint {
            version: HttpVersion::Http11,
            order: FieldOrder::default(),
        }),
        anomalies: vec!["bare_lf", "bad_length"],
        request_anomalies: 1,
        links: Box::new([
            Link {
                host: Host::Name("hooks.example.org".into()),
                port: Some(8_443),
                named: Where::Body,
            },
            Link {
                host: Host::Name("hidden.example.org".into()),
                port: None,
                named: Where::Target,
            },
        ]),
        expected: false,
        relayed: false,
        incomplete: None,
    }
}

pub(crate) fn least_http() -> HttpRecord {
    HttpRecord {
        client: None,
        server: None,
        server_name: None,
        process: None,
        request: None,
        response: None,
        grpc: None,
        latency_us: None,
        identity: Vec::new(),
        login: None,
        fingerprint: None,
        anomalies: Vec::new(),
        request_anomalies: 0,
        links: Box::default(),
        expected: false,
        relayed: false,
        incomplete: Some(Incomplete::NoRequest),
        ..http()
    }
}

pub(crate) fn flow() -> FlowRecord {
    FlowRecord {
        start: START,
        flow: FLOW,
        event: FlowEvent::Close,
        direction: Some(FlowDirection::Outbound),
        transport: Transport::Tcp,
        app: Some(App::Tls),
        tuple: Some(FiveTuple {
            transport: Transport::Tcp,
            local: "192.0.2.10:43210".parse().unwrap(),
            remote: "203.0.113.5:443".parse().unwrap(),
        }),
        remote_name: Some((Arc::from("pay.example.net"), NameSource::Dns)),
        remote_whereabouts: Some(Arc::new(whereabouts())),
        process: Some(process()),
        last_process: Some(process()),
        peer_process: Some(process()),
        nat: Some(Nat {
            named: Some("198.51.100.1:443".parse().unwrap()),
            other: Some(FLOW),
        }),
        counters: Counters {
            sent: 1_000,
            received: 2_000,
            acked: 900,
            unread: 10,
            packets_sent: 4,
            packets_received: 5,
            retransmits: 1,
            rtt_us: 350,
            sent_end: None,
            received_end: Some((7, START + Duration::from_secs(1))),
        },
        counted_remotely: false,
        duration: Duration::from_millis(1_234),
        end_reason: Some(EndReason::FinRemote),
        tcp_state: 7,
        joined_late: true,
        parent: Some(ParentRef {
            flow: FLOW,
            turn: 3,
            request: Some(Arc::from("POST /orders")),
            client: Some("198.51.100.7".parse().unwrap()),
            in_flight: 4,
            confidence: 0.25,
        }),
        coverage: Coverage {
            understood_bytes: 517,
            reason: Some(CoverageReason::Encrypted),
        },
    }
}

pub(crate) fn least_flow() -> FlowRecord {
    FlowRecord {
        event: FlowEvent::Open,
        direction: None,
        transport: Transport::Udp,
        app: None,
        tuple: None,
        remote_name: None,
        remote_whereabouts: None,
        process: None,
        last_process: None,
        peer_process: None,
        nat: None,
        counters: Counters::default(),
        counted_remotely: false,
        duration: Duration::ZERO,
        end_reason: None,
        tcp_state: 0,
        joined_late: false,
        parent: None,
        coverage: Coverage::default(),
        ..flow()
    }
}

pub(crate) fn alert() -> Alert {
    Alert {
        id: Arc::from("unknown_destination-1f2e3d4c"),
        state: AlertState::New,
        detector: "unknown_destination",
        ioc: Some(8),
        pillar: Pillar::Infrastructure,
        severity: Severity::High,
        confidence: 0.9,
        title: "New destination".to_owned(),
        summary: "python3.11 sent 1.0 kB to pay.example.net, where it never went before.".to_owned(),
        actor: Some(Actor {
            kind: ActorKind::Process,
            id: Arc::from("/usr/bin/python3.11"),
        }),
        target: Target {
            endpoint: None,
            destination: Some(Arc::from("pay.example.net")),
            process: Some(Arc::from("/usr/bin/python3.11")),
            file: None,
        },
        evidence: Evidence {
            observed: Quantity::Text("pay.example.net".to_owned()),
            expected: Quantity::List(vec!["db.internal".to_owned()]),
            threshold: Quantity::Number(0.0),
            unit: None,
            window_s: 0,
            method: "not among the destinations learned for this executable",
            would_not_alert: "A destination that was seen while learning.".to_owned(),
            samples: vec![Sample::Flow(Arc::new(flow())), Sample::Http(Arc::new(http()))],
        },
        count: 3,
        first_seen: START,
        last_seen: START + Duration::from_secs(5),
        incident: Some(Arc::from("inc-0123456789abcdef")),
        coverage: Some(0.5),
        service: Some(service()),
        owasp_api: &["API10"],
        attack: &["T1071"],
        resolved_by: None,
    }
}

fn service() -> Arc<Service> {
    let mut missed = [0; CoverageReason::ALL.len()];
    missed[CoverageReason::Encrypted as usize] = 30;
    Arc::new(Service {
        program: Arc::from("/usr/bin/python3"),
        direction: Some(FlowDirection::Inbound),
        port: Some(443),
        connections: 4,
        counted: 1_000,
        understood: 970,
        missed,
    })
}

pub(crate) fn least_alert() -> Alert {
    let mut alert = alert();
    alert.actor = None;
    alert.ioc = None;
    alert.coverage = None;
    alert.service = None;
    alert.incident = None;
    alert.target = Target::default();
    alert.evidence.samples.clear();
    alert.evidence.observed = Quantity::Number(1.5);
    alert.evidence.expected = Quantity::Number(f64::INFINITY);
    alert
}

pub(crate) fn incident() -> Incident {
    let alert = alert();
    Incident {
        id: Arc::from("inc-0123456789abcdef"),
        state: AlertState::Update,
        title: "a new destination, then exfiltration against pay.example.net".to_owned(),
        summary: "2 alerts of 2 detectors".to_owned(),
        advice: "Cut this host off from pay.example.net.".to_owned(),
        severity: Severity::Critical,
        score: 0.912_3,
        pillars: Pillars {
            infrastructure: 0.675,
            behavior: 0.75,
            ..Pillars::default()
        },
        actors: alert.actor.into_iter().collect(),
        targets: vec![alert.target],
        alerts: vec![alert.id, Arc::from("exfiltration-1")],
        services: vec![service()],
        left_out: 3,
        count: 12,
        first_seen: START,
        last_seen: START + Duration::from_mins(1),
        reaction_s: Some(40.0),
        merged_into: None,
        resolved_by: None,
    }
}

pub(crate) fn least_incident() -> Incident {
    Incident {
        state: AlertState::Resolved,
        actors: Vec::new(),
        targets: Vec::new(),
        services: Vec::new(),
        left_out: 0,
        reaction_s: None,
        merged_into: Some(Arc::from("inc-0000000000000001")),
        ..incident()
    }
}

pub(crate) fn stats() -> StatsRecord {
    StatsRecord {
        events_received: 12,
        bytes_copied: 3_400,
        lost: vec![("payload_ring_full", 2), ("close_lost", 0)],
        left_out: vec![("truncated_turn", 7)],
        flows_active: 3,
        flows_total: 9,
        flows_evicted: 1,
        transactions: 100,
        incomplete: 2,
        bytes_counted: 5_000,
        bytes_understood: 4_000,
        alerts: 1,
        incidents: 1,
        learning: 2,
        cpu_ms: Some(250),
        rss_bytes: Some(30_000_000),
    }
}

/// Every type, whole and least.
pub(crate) fn every() -> Vec<Record> {
    let dns = DnsRecord {
        flow: FLOW,
        process: Some(process()),
        name: Arc::from("pay.example.net"),
        qtype: "A".to_owned(),
        rcode: Some("NOERROR".to_owned()),
        answers: vec!["203.0.113.5".to_owned()],
        truncated: true,
        latency_us: Some(900),
    };
    let least_dns = DnsRecord {
        process: None,
        rcode: None,
        answers: Vec::new(),
        latency_us: None,
        ..dns.clone()
    };
    let tls = TlsRecord {
        flow: FLOW,
        direction: Some(FlowDirection::Outbound),
        server_name: Some(Arc::from("pay.example.net")),
        alpn: vec!["h2".to_owned()],
        version: "TLS 1.3",
        ja4: Some("t13d1516h2_8daaf6152771_e5627efa2ab1".to_owned()),
        ech: true,
        truncated: true,
        negotiated: Some(ServerHello {
            version: "TLS 1.2",
            cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".to_owned(),
            alpn: Some("h2".to_owned()),
            retry: true,
        }),
    };
    let least_tls = TlsRecord {
        direction: None,
        server_name: None,
        alpn: Vec::new(),
        ja4: None,
        ech: false,
        truncated: false,
        negotiated: None,
        ..tls.clone()
    };
    [
        Body::Http(Arc::new(http())),
        Body::Http(Arc::new(least_http())),
        Body::Flow(Arc::new(flow())),
        Body::Flow(Arc::new(least_flow())),
        Body::Dns(Arc::new(dns)),
        Body::Dns(Arc::new(least_dns)),
        Body::Tls(Arc::new(tls)),
        Body::Tls(Arc::new(least_tls)),
        Body::Alert(Arc::new(alert())),
        Body::Alert(Arc::new(least_alert())),
        Body::Incident(Arc::new(incident())),
        Body::Incident(Arc::new(least_incident())),
        Body::Stats(Arc::new(stats())),
        Body::Stats(Arc::new(StatsRecord::default())),
    ]
    .into_iter()
    .map(|body| Record { time: START, body })
    .collect()
}
