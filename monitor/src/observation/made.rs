//! Observations made up for the tests of detectors, and a host on which one detector runs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{Destination, FlowObservation, Observation};
use crate::alert::{Alert, AlertState};
use crate::alerts::Desk;
use crate::allow::Rules;
use crate::config::Config;
use crate::detectors::Detector;
use crate::enrich::fingerprint::Fingerprint;
use crate::enrich::identity::login::LoginOutcome;
use crate::enrich::identity::{Identity, IdentityKind, IdentitySource};
use crate::enrich::networks::Whereabouts;
use crate::event::{Counters, FlowId, Owner, Program};
use crate::flow::{FiveTuple, Transport};
use crate::protocol::taps::FieldOrder;
use crate::record::{
    Body, Client, Coverage, FlowDirection, FlowEvent, FlowRecord, HttpRecord, HttpRole, HttpVersion, NameSource,
    ProcessRef, Record, Request, Response,
};
use crate::time::Timestamp;

/// A transaction about to be observed.
#[derive(Clone, Debug)]
pub(crate) struct Made(pub(crate) HttpRecord);

/// A request of `client` for `endpoint` (`METHOD /path`), answered with `status`.
pub(crate) fn request(client: &str, endpoint: &str, status: u16) -> Made {
    let (method, path) = endpoint.split_once(' ').unwrap();
    Made(HttpRecord {
        start: Timestamp::ZERO,
        flow: FlowId {
            cookie: 1,
            generation: 1,
        },
        turn: 1,
        role: HttpRole::Server,
        version: HttpVersion::Http11,
        client: Some(Client {
            ip: client.parse::<IpAddr>().unwrap(),
            port: None,
            via: Vec::new(),
            whereabouts: None,
        }),
        server: Some("192.0.2.10:80".parse().unwrap()),
        server_name: None,
        process: None,
        request: Some(Box::new(Request {
            method: method.into(),
            target: path.into(),
            path: path.into(),
            endpoint: Some(endpoint.into()),
            header_bytes: 200,
            ..Request::default()
        })),
        response: Some(Response {
            status,
            header_bytes: 100,
            ..Response::default()
        }),
        grpc: None,
        latency_us: Some(1_000),
        duration_us: 1_000,
        identity: Vec::new(),
        login: None,
        fingerprint: None,
        anomalies: Vec::new(),
        request_anomalies: 0,
        links: Box::default(),
        expected: false,
        relayed: false,
        incomplete: None,
    })
}

/// A login as `user` from `client`; it fails unless `succeeds`. The account is known here if it succeeds.
pub(crate) fn login(client: &str, user: &str, succeeds: bool) -> Made {
    let (status, outcome) = if succeeds {
        (200, LoginOutcome::Success)
    } else {
        (401, LoginOutcome::Failure)
    };
    let mut made = request(client, "POST /login", status).who(IdentityKind::Account, user, succeeds);
    made.0.login = Some(outcome);
    made.0.identity[0].source = IdentitySource::Login;
    made
}

impl Made {
    /// It carries this identity, which was `proven` or not.
    pub(crate) fn who(mut self, kind: IdentityKind, id: &str, proven: bool) -> Self {
        self.0.identity.push(Identity {
            kind,
            id: id.into(),
            source: match kind {
                IdentityKind::Key => IdentitySource::Header,
                IdentityKind::Token => IdentitySource::Bearer,
                IdentityKind::Account => IdentitySource::Jwt,
                IdentityKind::Session => IdentitySource::Cookie,
            },
            unproven: !proven,
        });
        self
    }

    /// It says that it is this agent, and writes its fields in the order of that number.
    pub(crate) fn agent(mut self, agent: &str, order: u8) -> Self {
        if let Some(request) = &mut self.0.request {
            request.user_agent = Some(agent.into());
        }
        let mut fields = FieldOrder::default();
        fields.add(&[b'x', order]);
        self.0.fingerprint = Some(Fingerprint {
            version: HttpVersion::Http11,
            order: fields,
        });
        self
    }

    /// Its client is there.
    pub(crate) fn at(mut self, place: &Arc<Whereabouts>) -> Self {
        if let Some(client) = &mut self.0.client {
            client.whereabouts = Some(Arc::clone(place));
        }
        self
    }
}

/// A flow that the program `/usr/bin/app` opens now, to `remote`.
pub(crate) fn outbound(now: Timestamp, cookie: u64, name: Option<&str>, remote: &str) -> FlowObservation {
    let remote: SocketAddr = remote.parse().unwrap();
    let name: Option<Arc<str>> = name.map(Arc::from);
    FlowObservation {
        time: now,
        destination: Some(Destination {
            name: name.clone(),
            address: remote.ip(),
            port: remote.port(),
            network: remote.ip().into(),
        }),
        record: Arc::new(FlowRecord {
            start: now,
            flow: FlowId { cookie, generation: 2 },
            event: FlowEvent::Open,
            direction: Some(FlowDirection::Outbound),
            transport: Transport::Tcp,
            app: None,
            tuple: Some(FiveTuple {
                transport: Transport::Tcp,
                local: "192.0.2.10:40000".parse().unwrap(),
                remote,
            }),
            remote_name: name.map(|name| (name, NameSource::Dns)),
            remote_whereabouts: None,
            process: Some(ProcessRef {
                owner: Owner::default(),
                program: Some(Arc::new(Program {
                    exe: "/usr/bin/app".to_owned(),
                    name: "app".to_owned(),
                    ..Program::default()
                })),
                container: None,
            }),
            last_process: None,
            peer_process: None,
            nat: None,
            counters: Counters::default(),
            counted_remotely: false,
            duration: Duration::ZERO,
            end_reason: None,
            tcp_state: 1,
            joined_late: false,
            parent: None,
            coverage: Coverage::default(),
        }),
    }
}

/// A host with one detector.
pub(crate) struct World<D> {
    pub(crate) detector: D,
    pub(crate) now: Timestamp,
    desk: Desk,
    rules: Rules,
    records: Vec<Record>,
    turn: u32,
}

impl<D: Detector> World<D> {
    /// As `configuration` says.
    pub(crate) fn new(configuration: &str, make: impl FnOnce(&Config) -> D) -> Self {
        let config = Config::parse(configuration, std::path::Path::new("monitor.toml")).unwrap();
        Self {
            detector: make(&config),
            now: Timestamp::from_secs(1_800_000_000),
            desk: Desk::new(&config.bounds),
            rules: Rules::new(&config),
            records: Vec::new(),
            turn: 0,
        }
    }

    /// A transaction ends now.
    pub(crate) fn sees(&mut self, made: &Made) {
        self.turn += 1;
        let record = HttpRecord {
            start: self.now.saturating_sub(Duration::from_micros(made.0.duration_us)),
            turn: self.turn,
            ..made.0.clone()
        };
        self.observes(&Observation::Transaction(Arc::new(record)));
    }

    pub(crate) fn observes(&mut self, observation: &Observation) {
        let mut findings = Vec::new();
        self.detector.observe(observation, &mut findings);
        self.file(findings);
    }

    fn file(&mut self, findings: Vec<crate::finding::Finding>) {
        for finding in findings {
            self.desk.file(self.now, finding, None, &self.rules, &mut self.records);
        }
    }

    /// Time passes; whoever wanted to be called is called on time.
    pub(crate) fn passes(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(due) = [self.detector.next_timeout(), self.desk.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
            && due <= until
        {
            self.now = self.now.max(due);
            let mut findings = Vec::new();
            self.detector.expire(self.now, &mut findings);
            self.file(findings);
            self.desk.handle_timeout(self.now, &mut self.records);
        }
        self.now = until;
    }

    pub(crate) fn passes_secs(&mut self, secs: u64) {
        self.passes(Duration::from_secs(secs));
    }

    /// The input ends.
    pub(crate) fn ends(&mut self) {
        let mut findings = Vec::new();
        self.detector.finish(self.now, &mut findings);
        self.file(findings);
        self.desk.finish(self.now, &mut self.records);
    }

    /// Every alert record so far.
    pub(crate) fn alerts(&self) -> Vec<&Alert> {
        self.records
            .iter()
            .filter_map(|record| match &record.body {
                Body::Alert(alert) => Some(&**alert),
                Body::Http(_) | Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Incident(_) | Body::Stats(_) => {
                    None
                }
            })
            .collect()
    }

    /// The alerts raised, as they were told at last.
    pub(crate) fn raised(&self) -> Vec<&Alert> {
        let alerts = self.alerts();
        let new = alerts.iter().filter(|alert| alert.state == AlertState::New);
        new.map(|new| *alerts.iter().rfind(|alert| alert.id == new.id).unwrap())
            .collect()
    }

    #[track_caller]
    pub(crate) fn is_silent(&mut self) {
        self.ends();
        assert!(self.alerts().is_empty(), "{:#?}", self.alerts());
    }
}
