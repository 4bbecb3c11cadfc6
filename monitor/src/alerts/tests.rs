//! The life of an alert, as the contract has it. Times are seconds; the detector's quiet time is two hours.

use super::*;
use crate::alert::{Quantity, Severity};
use crate::allow::AllowRule;
use crate::detectors::unknown_destination::DOC;
use crate::event::FlowId;
use crate::finding::tests::finding;
use crate::record::{Coverage, FlowEvent, FlowRecord};

struct Room {
    desk: Desk,
    rules: Rules,
    records: Vec<Record>,
}

impl Room {
    fn new(open_alerts: u32) -> Self {
        let open_alerts = open_alerts.try_into().unwrap();
        Self {
            desk: Desk::new(&Bounds { open_alerts }),
            rules: Rules::default(),
            records: Vec::new(),
        }
    }

    fn file(&mut self, at: u64, finding: Finding) {
        self.desk.handle_timeout(Timestamp::from_secs(at), &mut self.records);
        self.desk
            .file(Timestamp::from_secs(at), finding, None, &self.rules, &mut self.records);
        self.keep_alerts();
    }

    fn passes(&mut self, until: u64) {
        while let Some(due) = self
            .desk
            .poll_timeout()
            .filter(|due| *due <= Timestamp::from_secs(until))
        {
            self.desk.handle_timeout(due, &mut self.records);
            assert_ne!(self.desk.poll_timeout(), Some(due), "a timeout that is handled is over");
        }
        self.keep_alerts();
    }

    /// Of incidents there are tests of their own.
    fn keep_alerts(&mut self) {
        self.records.retain(|record| matches!(record.body, Body::Alert(_)));
    }

    /// (seconds, state, count) of every record since the last call.
    fn told(&mut self) -> Vec<(u64, AlertState, u64)> {
        let told = |record: &Record| {
            let alert = alert_of(record);
            (record.time.as_nanos() / 1_000_000_000, alert.state, alert.count)
        };
        self.keep_alerts();
        std::mem::take(&mut self.records).iter().map(told).collect()
    }
}

fn alert_of(record: &Record) -> Arc<Alert> {
    match &record.body {
        Body::Alert(alert) => alert.clone(),
        _ => panic!("{record:?} is no alert"),
    }
}

use AlertState::{New, Resolved, Update};

#[test]
fn new_then_doublings_then_quiet() {
    let mut room = Room::new(10);
    for at in 0..20 {
        room.file(at, finding("a", at));
    }
    assert_eq!(
        room.told(),
        [
            (0, New, 1),
            (1, Update, 2),
            (3, Update, 4),
            (7, Update, 8),
            (15, Update, 16)
        ]
    );
    // The rest is told a minute after the last word, the end two hours after the last observation.
    room.passes(100_000);
    assert_eq!(room.told(), [(75, Update, 20), (19 + 7_200, Resolved, 20)]);
    assert_eq!(room.desk.poll_timeout(), None);
    assert_eq!(room.desk.open().count(), 0);
}

#[test]
fn updates_come_at_most_once_a_minute_and_rarer_with_age() {
    let mut room = Room::new(10);
    let hour = 3_600;
    for at in 0..24 * hour {
        room.file(at, finding("a", at));
    }
    let told = room.told();
    let gaps: Vec<u64> = told.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let doubled = |pair: &[(u64, AlertState, u64)]| pair[1].2 >= 2 * pair[0].2;
    for (pair, gap) in told.windows(2).zip(&gaps) {
        assert!(*gap >= 60 || doubled(pair), "{pair:?}");
        assert!(*gap <= 60.max(pair[0].0 / 8 + 1), "{pair:?}");
    }
    assert!(told.len() < 70, "{} records in a day", told.len());
}

#[test]
fn a_rise_in_severity_is_told_at_once_and_severity_never_falls() {
    let mut room = Room::new(10);
    room.file(0, finding("a", 0));
    room.file(1, finding("a", 1));
    room.file(
        2,
        Finding {
            severity: Severity::High,
            ..finding("a", 2)
        },
    );
    room.file(
        3,
        Finding {
            severity: Severity::Low,
            confidence: 0.1,
            ..finding("a", 3)
        },
    );
    assert_eq!(room.told(), [(0, New, 1), (1, Update, 2), (2, Update, 3)]);
    let last = room.desk.open().next().unwrap();
    assert_eq!((last.severity, last.confidence), (Severity::High, 0.9));
    assert_eq!(last.summary, "curl went to a at 3", "the words are the latest");
}

#[test]
fn more_of_the_same_adds_nothing_to_the_count() {
    let mut room = Room::new(10);
    room.file(0, finding("a", 0));
    room.file(
        30,
        Finding {
            count: 0,
            ..finding("a", 30)
        },
    );
    assert_eq!(room.told(), [(0, New, 1)]);
    room.passes(60);
    assert_eq!(room.told(), [(60, Update, 1)]);
}

#[test]
fn the_next_occurrence_has_a_new_id_and_its_own_first_sight() {
    let mut room = Room::new(10);
    room.file(0, finding("a", 0));
    room.file(7_199, finding("a", 7_199));
    room.file(20_000, finding("a", 20_000));
    let ids: Vec<_> = room.records.iter().map(|record| alert_of(record).id.clone()).collect();
    assert_eq!(
        (ids[0] == ids[1], ids[1] == ids[2], ids[2] == ids[3]),
        (true, true, false)
    );
    let second = alert_of(&room.records[3]);
    assert_eq!((second.first_seen, second.count), (Timestamp::from_secs(20_000), 1));
    assert_eq!(
        room.told(),
        [(0, New, 1), (7_199, Update, 2), (20_000, Resolved, 2), (20_000, New, 1)]
    );
}

// Also if nobody called on time: an occurrence is over when its quiet time has passed.
#[test]
fn an_occurrence_is_not_stretched_by_a_late_call() {
    let mut room = Room::new(10);
    room.file(0, finding("a", 0));
    room.desk.file(
        Timestamp::from_secs(9_000),
        finding("a", 9_000),
        None,
        &room.rules,
        &mut room.records,
    );
    assert_eq!(room.told(), [(0, New, 1), (9_000, Resolved, 1), (9_000, New, 1)]);
}

#[test]
fn ids_derive_from_content_and_event_time() {
    let id = |finding: Finding| {
        let mut room = Room::new(10);
        // When it is filed makes no difference.
        room.file(finding.first_seen.as_nanos() / 1_000_000_000 + 5, finding);
        alert_of(&room.records[0]).id.clone()
    };
    let base = id(finding("a", 0));
    assert_eq!(base, id(finding("a", 0)));
    assert_eq!(base.len(), 16);
    assert_ne!(base, id(finding("b", 0)));
    assert_ne!(base, id(finding("a", 1)));
    assert_ne!(
        base,
        id(Finding {
            actor: None,
            ..finding("a", 0)
        })
    );
    let elsewhere = Target {
        process: Some("a".into()),
        ..Target::default()
    };
    assert_ne!(
        base,
        id(Finding {
            target: elsewhere,
            ..finding("a", 0)
        })
    );
    // Computed apart from this code, in Python: ids do not change from release to release.
    assert_eq!(&*base, "1d025cb6c0694845");
}

#[test]
fn every_record_carries_the_whole_alert() {
    let mut room = Room::new(10);
    room.file(0, finding("a", 0));
    let alert = alert_of(&room.records[0]);
    assert_eq!(
        (alert.detector, alert.ioc, alert.pillar),
        (DOC.name, DOC.ioc, DOC.pillar)
    );
    assert_eq!((alert.owasp_api, alert.attack), (DOC.owasp_api, DOC.attack));
    room.passes(10_000);
    let resolved = alert_of(&room.records[1]);
    let mut expected = (*alert).clone();
    expected.state = Resolved;
    expected.resolved_by = Some("quiet for 7200 s".to_owned());
    assert_eq!(*resolved, expected);
}

#[test]
fn a_full_desk_closes_the_least_severe_and_longest_quiet() {
    let mut room = Room::new(3);
    let severe = |name, at, severity| Finding {
        severity,
        ..finding(name, at)
    };
    room.file(0, severe("high", 0, Severity::High));
    room.file(1, severe("old", 1, Severity::Medium));
    room.file(2, severe("young", 2, Severity::Medium));
    room.file(3, severe("next", 3, Severity::Medium));
    let closed = alert_of(&room.records[3]);
    assert_eq!(
        (closed.target.destination.as_deref(), closed.state),
        (Some("old"), Resolved)
    );
    // One less severe than all finds no room.
    room.file(4, severe("small", 4, Severity::Low));
    let open: Vec<_> = room
        .desk
        .open()
        .filter_map(|alert| alert.target.destination.clone())
        .collect();
    assert_eq!(open, ["high".into(), "next".into(), "young".into()] as [Arc<str>; 3]);
    let counts = DeskCounts {
        raised: 4,
        allowed: 0,
        expected: 0,
        evicted: 1,
        crowded_out: 1,
    };
    assert_eq!(room.desk.counts(), counts);
}

#[test]
fn a_flood_leaves_the_grave_ones_open() {
    let mut room = Room::new(8);
    room.file(
        0,
        Finding {
            severity: Severity::Critical,
            ..finding("grave", 0)
        },
    );
    for at in 0..5_000 {
        room.file(at, finding(&format!("n{at}"), at));
    }
    assert_eq!(room.desk.open().count(), 8);
    assert!(room.desk.open().any(|alert| alert.severity == Severity::Critical));
}

#[test]
fn rules_act_before_and_after() {
    let mut room = Room::new(10);
    let rule = AllowRule {
        destination: Some("*.example.com".parse().unwrap()),
        comment: "payment provider".to_owned(),
        ..AllowRule::default()
    };
    room.file(0, finding("a.example.com", 0));
    room.file(0, finding("b.example.net", 0));
    assert_eq!(
        room.desk.apply_rule(Timestamp::from_secs(5), &rule, &mut room.records),
        1
    );
    let ended = alert_of(&room.records[2]);
    let by = format!("allowed by {}: payment provider", rule.id());
    assert_eq!(
        (ended.state, ended.resolved_by.as_deref()),
        (Resolved, Some(by.as_str()))
    );
    room.rules.add(rule).unwrap();
    room.file(6, finding("c.example.com", 6));
    assert_eq!((room.desk.open().count(), room.desk.counts().allowed), (1, 1));
}

#[test]
fn samples_are_the_first_and_the_latest() {
    let sample = |cookie: u64, at: u64| Sample::Flow(Arc::new(flow_record(cookie, at)));
    let mut room = Room::new(10);
    for at in 0..9 {
        let mut finding = finding("a", at);
        finding.evidence.samples = vec![sample(at, at)];
        room.file(at, finding);
    }
    let mut again = finding("a", 9);
    again.evidence.samples = vec![sample(2, 9)];
    again.evidence.observed = Quantity::Text("latest".to_owned());
    room.file(9, again);
    let alert = room.desk.open().next().unwrap().clone();
    let kept: Vec<(u64, u64)> = alert
        .evidence
        .samples
        .iter()
        .map(|sample| match sample {
            Sample::Flow(flow) => (flow.flow.cookie, flow.start.as_nanos()),
            Sample::Http(_) | Sample::Dns(_) => panic!("{sample:?}"),
        })
        .collect();
    assert_eq!(kept, [(0, 0), (1, 1), (2, 9), (3, 3), (8, 8)]);
    assert_eq!(alert.evidence.observed, Quantity::Text("latest".to_owned()));
}

#[test]
fn the_end_of_the_input_tells_what_is_untold_and_ends_nothing() {
    let mut room = Room::new(10);
    for at in 0..3 {
        room.file(at, finding("a", at));
    }
    room.told();
    room.desk.finish(Timestamp::from_secs(3), &mut room.records);
    room.desk.finish(Timestamp::from_secs(3), &mut room.records);
    assert_eq!(room.told(), [(3, Update, 3)]);
}

fn flow_record(cookie: u64, at: u64) -> FlowRecord {
    FlowRecord {
        start: Timestamp::from_nanos(at),
        flow: FlowId { cookie, generation: 1 },
        event: FlowEvent::Open,
        direction: None,
        transport: crate::flow::Transport::Tcp,
        app: None,
        tuple: None,
        remote_name: None,

        remote_whereabouts: None,
        process: None,
        last_process: None,
        peer_process: None,
        nat: None,
        counters: crate::event::Counters::default(),
        counted_remotely: false,
        duration: Duration::ZERO,
        end_reason: None,
        tcp_state: 0,
        joined_late: false,
        parent: None,
        coverage: Coverage::default(),
    }
}
