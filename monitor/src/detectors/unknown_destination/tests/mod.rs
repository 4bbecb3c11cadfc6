//! The rules of the detector, as a host lives through them: observations in, alerts out.

mod attack;
mod benign;
mod life;

use std::net::SocketAddr;

use super::*;
use crate::alert::{Alert, Severity};
use crate::alerts::Desk;
use crate::allow::Rules;
use crate::event::{Counters, Owner, Program, ProgramId};
use crate::flow::{FiveTuple, Transport};
use crate::record::{Body, Coverage, EndReason, FlowDirection, FlowRecord, NameSource, ParentRef, ProcessRef, Record};

const DAY: Duration = Duration::from_hours(24);
const CURL: &str = "/usr/bin/curl";

/// A host with this detector alone.
struct World {
    detector: UnknownDestination,
    desk: Desk,
    rules: Rules,
    now: Timestamp,
    cookie: u64,
    records: Vec<Record>,
}

/// A flow about to happen.
#[derive(Clone)]
struct Flow {
    exe: Option<&'static str>,
    container: Option<&'static str>,
    name: Option<String>,
    remote: SocketAddr,
    sent: u64,
    received: u64,
    end: EndReason,
    parent: Option<&'static str>,
    app: Option<App>,
}

fn flow(exe: &'static str, name: &str, remote: &str) -> Flow {
    Flow {
        exe: Some(exe),
        container: None,
        name: (!name.is_empty()).then(|| name.to_owned()),
        remote: remote.parse().unwrap(),
        sent: 500,
        received: 2_000,
        end: EndReason::FinLocal,
        parent: None,
        app: Some(App::Tls),
    }
}

/// What `curl` on this host does every hour.
fn habits() -> Vec<Flow> {
    let of = |n| flow(CURL, &format!("api{n}.example{n}.com"), "203.0.113.5:443");
    (0..14).map(of).collect()
}

impl World {
    fn new(configuration: &str) -> Self {
        let config = Config::parse(configuration, std::path::Path::new("monitor.toml")).unwrap();
        Self {
            detector: UnknownDestination::new(&config),
            desk: Desk::new(&config.bounds),
            rules: Rules::new(&config),
            now: Timestamp::from_secs(1_800_000_000),
            cookie: 0,
            records: Vec::new(),
        }
    }

    /// One that has seen `flows` hourly for eight days.
    fn that_learned(flows: &[Flow]) -> Self {
        let mut world = Self::new("");
        for _ in 0..8 * 24 {
            for flow in flows {
                world.happens(flow);
            }
            world.passes(Duration::from_hours(1));
        }
        world.is_silent();
        world
    }

    /// Time passes; whoever wanted to be called is called on time.
    fn passes(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(due) = [self.detector.next_timeout(), self.desk.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
        {
            if due > until {
                break;
            }
            self.now = self.now.max(due);
            let mut findings = Vec::new();
            self.detector.expire(self.now, &mut findings);
            self.file(findings);
            self.desk.handle_timeout(self.now, &mut self.records);
        }
        self.now = until;
    }

    fn file(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            self.desk.file(self.now, finding, None, &self.rules, &mut self.records);
        }
    }

    fn observes(&mut self, cookie: u64, event: FlowEvent, flow: &Flow) {
        let observation = observation(self.now, cookie, event, flow);
        let mut findings = Vec::new();
        self.detector.observe(&observation, &mut findings);
        self.file(findings);
    }

    /// Opens, and gives the flow's number.
    fn opens(&mut self, flow: &Flow) -> u64 {
        self.cookie += 1;
        let opening = Flow {
            sent: 0,
            received: 0,
            app: None,
            ..flow.clone()
        };
        self.observes(self.cookie, FlowEvent::Open, &opening);
        self.cookie
    }

    /// Opens and, a second later, ends.
    fn happens(&mut self, flow: &Flow) {
        let cookie = self.opens(flow);
        self.passes(Duration::from_secs(1));
        self.observes(cookie, FlowEvent::Close, flow);
    }

    /// The latest word of every alert so far, in order of the first.
    fn alerts(&self) -> Vec<Arc<Alert>> {
        let mut latest: Vec<Arc<Alert>> = Vec::new();
        for record in &self.records {
            let Body::Alert(alert) = &record.body else {
                continue;
            };
            match latest.iter_mut().find(|known| known.id == alert.id) {
                Some(known) => *known = alert.clone(),
                None => latest.push(alert.clone()),
            }
        }
        latest
    }

    #[track_caller]
    fn only_alert(&self) -> Arc<Alert> {
        let alerts = self.alerts();
        let titles: Vec<&str> = alerts.iter().map(|alert| alert.title.as_str()).collect();
        assert_eq!(titles.len(), 1, "{titles:?}");
        alerts[0].clone()
    }

    #[track_caller]
    fn is_silent(&self) {
        let alerts = self.alerts();
        let summaries: Vec<&str> = alerts.iter().map(|alert| alert.summary.as_str()).collect();
        assert!(summaries.is_empty(), "{summaries:?}");
    }
}

fn observation(now: Timestamp, cookie: u64, event: FlowEvent, flow: &Flow) -> Observation {
    let (local, prefix) = match flow.remote {
        SocketAddr::V4(_) => ("192.0.2.10:40000", 24),
        SocketAddr::V6(_) => ("[2001:db8::10]:40000", 48),
    };
    let process = |exe: &str| ProcessRef {
        owner: Owner {
            program: ProgramId {
                pid: 812,
                exec_id: 1,
                start_ns: 1,
            },
            tid: 812,
            uid: 33,
            cgroup: 1,
        },
        program: Some(Arc::new(Program {
            exe: exe.to_owned(),
            name: exe.rsplit('/').next().unwrap_or_default().to_owned(),
            ..Program::default()
        })),
        container: flow.container.map(Arc::from),
    };
    let parent = |request: &str| ParentRef {
        flow: FlowId::default(),
        turn: 1,
        request: Some(request.into()),
        client: None,
        in_flight: 1,
        confidence: 1.0,
    };
    let name: Option<Arc<str>> = flow.name.as_deref().map(Arc::from);
    Observation::Flow(FlowObservation {
        time: now,
        destination: Some(Destination {
            name: name.clone(),
            address: flow.remote.ip(),
            port: flow.remote.port(),
            network: ipnet::IpNet::new(flow.remote.ip(), prefix).unwrap().trunc(),
        }),
        record: Arc::new(FlowRecord {
            start: now,
            flow: FlowId { cookie, generation: 1 },
            event,
            direction: Some(FlowDirection::Outbound),
            transport: Transport::Tcp,
            app: flow.app,
            tuple: Some(FiveTuple {
                transport: Transport::Tcp,
                local: local.parse().unwrap(),
                remote: flow.remote,
            }),
            remote_name: name.map(|name| (name, NameSource::Dns)),

            remote_whereabouts: None,
            process: flow.exe.map(process),
            last_process: None,
            peer_process: None,
            nat: None,
            counters: Counters {
                sent: flow.sent,
                received: flow.received,
                ..Counters::default()
            },
            counted_remotely: false,
            duration: Duration::ZERO,
            end_reason: (event == FlowEvent::Close).then_some(flow.end),
            tcp_state: 0,
            joined_late: false,
            parent: flow.parent.map(parent),
            coverage: Coverage::default(),
        }),
    })
}
