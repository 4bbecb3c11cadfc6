//! What belongs together, what does not, and how rarely it is told. Times are seconds.

use super::*;
use crate::alert::{Actor, ActorKind, Severity, Target};
use crate::alerts::Desk;
use crate::allow::{AllowRule, Rules};
use crate::detectors::{DetectorDoc, doc};
use crate::enrich::identity::IdentityKind;
use crate::finding::Finding;
use crate::finding::tests::finding;
use crate::observation::made::{self, Made};
use crate::record::ParentRef;

const HOUR: u64 = 3_600;

struct Room {
    desk: Desk,
    rules: Rules,
    records: Vec<Record>,
}

impl Room {
    fn new() -> Self {
        Self {
            desk: Desk::new(&Bounds::default()),
            rules: Rules::default(),
            records: Vec::new(),
        }
    }

    fn file(&mut self, finding: Finding) {
        let now = finding.last_seen;
        self.desk.handle_timeout(now, &mut self.records);
        self.desk.file(now, finding, None, &self.rules, &mut self.records);
    }

    fn passes(&mut self, until: u64) {
        while let Some(due) = self.desk.poll_timeout()
            && due <= Timestamp::from_secs(until)
        {
            self.desk.handle_timeout(due, &mut self.records);
            assert_ne!(self.desk.poll_timeout(), Some(due), "a timeout that is handled is over");
        }
    }

    fn told(&self) -> Vec<&Incident> {
        self.records
            .iter()
            .filter_map(|record| match &record.body {
                Body::Incident(incident) => Some(&**incident),
                Body::Http(_) | Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Alert(_) | Body::Stats(_) => None,
            })
            .collect()
    }

    /// How many incidents go on, and the last word on the only one.
    #[track_caller]
    fn only(&self) -> Incident {
        let open: Vec<_> = self.desk.incidents().collect();
        assert_eq!(
            open.len(),
            1,
            "{:#?}",
            open.iter().map(|one| &one.title).collect::<Vec<_>>()
        );
        (*open[0]).clone()
    }

    fn count(&self) -> usize {
        self.desk.incidents().count()
    }
}

fn detector(name: &str) -> &'static DetectorDoc {
    doc(name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// A finding about `actor`, done to `endpoint`, that these records show.
fn found(name: &str, at: u64, actor: Option<(ActorKind, &str)>, endpoint: &str, samples: &[&Made]) -> Finding {
    let mut finding = finding("", at);
    finding.detector = detector(name);
    finding.actor = actor.map(|(kind, id)| Actor { kind, id: id.into() });
    finding.target = Target {
        endpoint: Some(endpoint.into()),
        ..Target::default()
    };
    finding.title = format!("{name} at {at}");
    finding.summary = format!("{name} was there at {at}");
    finding.evidence.samples = samples
        .iter()
        .enumerate()
        .map(|(n, made)| {
            let mut record = made.0.clone();
            // Each a request of its own.
            record.flow.cookie = at * 10 + n as u64;
            Sample::Http(Arc::new(record))
        })
        .collect();
    finding
}

fn refused(client: &str, order: u8) -> Made {
    made::login(client, "somebody", false).agent("agent", order)
}

#[test]
fn one_alert_is_an_incident_that_is_told_before_it() {
    let mut room = Room::new();
    room.file(finding("evil.example", 10));
    let [incident, alert] = &room.records[..] else {
        panic!("{:#?}", room.records)
    };
    let (Body::Incident(incident), Body::Alert(alert)) = (&incident.body, &alert.body) else {
        panic!("{:#?}", room.records)
    };
    assert_eq!(alert.incident.as_ref(), Some(&incident.id));
    assert_eq!(
        (incident.state, &*incident.alerts),
        (AlertState::New, &[Arc::clone(&alert.id)][..])
    );
    assert_eq!((&incident.title, &incident.summary), (&alert.title, &alert.summary));
    assert_eq!((incident.count, incident.first_seen), (1, Timestamp::from_secs(10)));
    assert_eq!(incident.severity, Severity::Medium);
    // Computed apart from this code, in Python: names do not change from release to release.
    assert_eq!(name_of("1d025cb6c0694845"), "inc-47a95ecfe2eeac6c".into());
}

// Passwords are tried, one works, the account does what it never did, and takes everything away from elsewhere.
#[test]
fn a_take_over_is_one_incident_from_end_to_end() {
    let mut room = Room::new();
    let source = (ActorKind::Ip, "203.0.113.5");
    let account = (ActorKind::Account, "anna");
    let failed = refused("203.0.113.5", 1);
    room.file(found("credential_stuffing", 0, Some(source), "POST /login", &[&failed]));
    let let_in = made::login("203.0.113.5", "anna", true).agent("agent", 1);
    let mut success = found("credential_stuffing", 60, Some(source), "POST /login", &[&let_in]);
    success.severity = Severity::High;
    room.file(success);
    let elsewhere = made::request("198.51.100.7", "GET /orders", 200)
        .who(IdentityKind::Account, "anna", true)
        .agent("other", 2);
    room.file(found(
        "credential_sharing",
        2 * HOUR,
        Some(account),
        "GET /orders",
        &[&elsewhere],
    ));
    let mut away = found(
        "response_volume",
        5 * HOUR,
        Some((ActorKind::Ip, "198.51.100.7")),
        "GET /export",
        &[],
    );
    away.evidence.samples = found("response_volume", 5 * HOUR, None, "", &[&elsewhere])
        .evidence
        .samples;
    away.severity = Severity::High;
    room.file(away);
    let incident = room.only();
    assert_eq!(incident.alerts.len(), 3);
    assert_eq!(incident.severity, Severity::Critical, "two pillars agree");
    assert!(
        incident.pillars.credentials > 0.5 && incident.pillars.behavior > 0.5,
        "{incident:#?}"
    );
    assert!(incident.score > incident.pillars.credentials && incident.score <= 1.0);
    assert_eq!(
        incident.title,
        "credential stuffing, then a shared credential and far too large responses against POST /login from 2 addresses"
    );
    assert!(
        incident.advice.starts_with("Lock or renew anna and end"),
        "{}",
        incident.advice
    );
    assert!(
        incident.advice.contains("block 198.51.100.7 and 203.0.113.5"),
        "{}",
        incident.advice
    );
    assert!(
        incident
            .summary
            .starts_with("3 alerts of 3 detectors; first: credential_stuffing was there at 60"),
        "{}",
        incident.summary
    );
}

// The account that was got into is used from elsewhere, with a session that nothing else ties to it.
#[test]
fn an_account_that_was_got_into_is_followed_to_where_it_is_let_in() {
    let mut room = Room::new();
    let program = (ActorKind::Fingerprint, "h1:1");
    for n in 0..200u64 {
        let seen = refused(&format!("203.0.{n}.5"), 1);
        room.file(found("credential_stuffing", n, Some(program), "POST /login", &[&seen]));
    }
    let let_in = made::login("203.0.7.5", "anna", true).agent("agent", 1);
    room.file(found(
        "credential_stuffing",
        300,
        Some(program),
        "POST /login",
        &[&let_in],
    ));
    let at = 4 * HOUR;
    let session = |later: u64, client: &str, id: &str, order: u8, endpoint: &str| {
        let seen = made::request(client, endpoint, 200)
            .who(IdentityKind::Session, id, true)
            .agent("other", order);
        found(
            "response_volume",
            at + later,
            Some((ActorKind::Session, id)),
            endpoint,
            &[&seen],
        )
    };
    let login = made::login("198.51.100.7", "anna", true).0;
    room.desk.notice(Timestamp::from_secs(at), &login);
    // Somebody else's is none of it.
    room.file(session(60, "198.51.100.8", "session:1", 2, "GET /a"));
    assert_eq!(room.count(), 2);
    room.file(session(120, "198.51.100.7", "session:2", 3, "GET /b"));
    assert_eq!(room.count(), 2, "two alerts in the first, one in the second");
    assert!(
        room.desk
            .incidents()
            .any(|incident| incident.severity == Severity::High),
        "two pillars agree"
    );
}

// Hours after the login the address says little; the session that followed it is still the account's.
#[test]
fn a_session_that_follows_the_login_is_the_accounts() {
    let mut room = Room::new();
    let stuffing = |at, seen: &Made| {
        found(
            "credential_stuffing",
            at,
            Some((ActorKind::Fingerprint, "h1:1")),
            "POST /login",
            &[seen],
        )
    };
    room.file(stuffing(0, &refused("203.0.113.5", 1)));
    room.file(stuffing(
        60,
        &made::login("203.0.113.5", "anna", true).agent("agent", 1),
    ));
    assert!(!room.desk.awaits_session());
    let at = |hours: u64| Timestamp::from_secs(hours * HOUR);
    let shows = |client: &str, id: &str, agent: &str| {
        made::request(client, "GET /a", 200)
            .who(IdentityKind::Session, id, true)
            .agent(agent, 2)
    };
    // Nobody of an incident.
    room.desk.notice(at(2), &made::login("198.51.100.7", "ben", true).0);
    assert!(!room.desk.awaits_session());
    room.desk
        .notice(at(2), &made::login("198.51.100.7", "anna", true).agent("curl", 2).0);
    assert!(room.desk.awaits_session());
    let on = |flow: u64, made: Made| {
        let mut record = made.0;
        record.flow.cookie = flow;
        record
    };
    // Another's at the same address, and another address.
    room.desk
        .notice(at(2), &on(7, shows("198.51.100.7", "session:other", "browser")));
    room.desk
        .notice(at(2), &on(8, shows("198.51.100.8", "session:far", "curl")));
    room.desk
        .notice(at(2), &on(9, shows("198.51.100.7", "session:hers", "curl")));
    assert!(!room.desk.awaits_session(), "one session a login");
    for (hours, id) in [(5u8, "session:hers"), (6, "session:other"), (7, "session:far")] {
        let seen = shows(&format!("198.51.{hours}.77"), id, "curl").agent("curl", hours);
        let actor = Some((ActorKind::Session, id));
        room.file(found(
            "response_volume",
            u64::from(hours) * HOUR,
            actor,
            &format!("GET /{hours}"),
            &[&seen],
        ));
    }
    assert_eq!(
        room.count(),
        3,
        "hers belongs to the first, the others are by themselves"
    );
    assert!(
        room.desk
            .incidents()
            .any(|incident| incident.alerts.len() == 2 && incident.title.starts_with("credential stuffing"))
    );
}

#[test]
fn two_attackers_of_one_endpoint_are_two_unless_they_are_one_program() {
    let attack = |room: &mut Room, at, client: &str, order| {
        let seen = refused(client, order);
        room.file(found(
            "auth_failures",
            at,
            Some((ActorKind::Ip, client)),
            "POST /login",
            &[&seen],
        ));
    };
    let mut room = Room::new();
    attack(&mut room, 0, "203.0.113.5", 1);
    attack(&mut room, 30, "198.51.100.7", 2);
    assert_eq!(room.count(), 2);

    let mut room = Room::new();
    attack(&mut room, 0, "203.0.113.5", 1);
    attack(&mut room, 30, "198.51.100.7", 1);
    let incident = room.only();
    assert_eq!(
        incident.title,
        "failed logins against POST /login from 2 addresses with one client fingerprint"
    );
    // The same program a day later may be anybody.
    attack(&mut room, 20 * HOUR, "192.0.2.9", 1);
    assert_eq!(room.count(), 2);
}

#[test]
fn a_wave_is_one_incident_whatever_its_programs() {
    let mut room = Room::new();
    for n in 0..200u64 {
        let client = format!("203.0.{n}.5");
        let order = u8::try_from(n).unwrap();
        let seen = refused(&client, order);
        let actor = Some((ActorKind::Ip, client.as_str()));
        room.file(found("auth_failures", n * 2, actor, "POST /login", &[&seen]));
    }
    let incident = room.only();
    assert_eq!((incident.alerts.len(), incident.count), (200, 200));
    assert_eq!(incident.actors.len(), 50);
    assert_eq!(incident.left_out, 150);
    assert!(
        incident.title.contains("against POST /login from "),
        "{}",
        incident.title
    );
    let merged = room
        .told()
        .iter()
        .filter(|incident| incident.merged_into.is_some())
        .count();
    assert_eq!(merged, 2, "the fourth makes it a wave");
    let told = room.told().len();
    assert!(told < 25, "{told} records");
    // All open alerts belong to it.
    assert!(
        room.desk
            .open()
            .all(|alert| alert.incident.as_ref() == Some(&incident.id))
    );
}

#[test]
fn clients_behind_one_address_are_not_one() {
    let by = |account: &str, agent| {
        made::request("198.51.100.1", "GET /a", 200)
            .who(IdentityKind::Account, account, true)
            .agent("agent", agent)
    };
    let mut room = Room::new();
    for (at, account, agent, endpoint) in [(0, "anna", 1, "GET /a"), (60, "ben", 2, "GET /b")] {
        let actor = Some((ActorKind::Account, account));
        room.file(found("credential_sharing", at, actor, endpoint, &[&by(account, agent)]));
    }
    assert_eq!(room.count(), 2);
    // One that uses both is.
    let mut room = Room::new();
    for (at, account, endpoint) in [(0, "anna", "GET /a"), (60, "ben", "GET /b")] {
        let actor = Some((ActorKind::Account, account));
        room.file(found("credential_sharing", at, actor, endpoint, &[&by(account, 1)]));
    }
    assert_eq!(room.count(), 1);
}

#[test]
fn a_key_that_every_copy_of_an_app_has_ties_nobody() {
    let mut room = Room::new();
    for (at, client, order) in [(0, "203.0.113.5", 1), (60, "198.51.100.7", 2)] {
        let seen = made::request(client, "GET /a", 200)
            .who(IdentityKind::Key, "key:1", true)
            .agent("agent", order);
        room.file(found(
            "request_anomaly",
            at,
            Some((ActorKind::Ip, client)),
            "GET /a",
            &[&seen],
        ));
    }
    assert_eq!(room.count(), 2);
}

#[test]
fn names_of_whoever_is_refused_tie_nobody() {
    let mut room = Room::new();
    for (at, client, order) in [(0, "203.0.113.5", 1), (60, "198.51.100.7", 2)] {
        let seen = made::login(client, "admin", false).agent("agent", order);
        room.file(found(
            "request_anomaly",
            at,
            Some((ActorKind::Ip, client)),
            "GET /a",
            &[&seen],
        ));
    }
    assert_eq!(room.count(), 2);
}

#[test]
fn an_address_in_a_network_that_is_named_belongs_to_it() {
    let mut room = Room::new();
    let network = Some((ActorKind::Network, "203.0.113.0/24"));
    room.file(found("credential_stuffing", 0, network, "POST /login", &[]));
    room.file(found(
        "user_agent",
        60,
        Some((ActorKind::Ip, "203.0.113.77")),
        "GET /a",
        &[],
    ));
    room.file(found(
        "user_agent",
        60,
        Some((ActorKind::Ip, "203.0.114.77")),
        "GET /a",
        &[],
    ));
    assert_eq!(room.count(), 2);
}

// What is said of the endpoint as a whole is said of whoever is at it.
#[test]
fn an_alert_that_names_nobody_belongs_to_who_is_at_its_endpoint() {
    let mut room = Room::new();
    room.file(found("auth_failures", 0, None, "POST /login", &[]));
    room.file(found(
        "credential_stuffing",
        60,
        Some((ActorKind::Ip, "203.0.113.5")),
        "POST /login",
        &[],
    ));
    room.file(found(
        "request_anomaly",
        60,
        Some((ActorKind::Ip, "203.0.113.6")),
        "GET /a",
        &[],
    ));
    assert_eq!(room.count(), 2);
}

// A request makes this host connect: both ends are one incident.
#[test]
fn an_outbound_connection_belongs_to_the_request_behind_it() {
    let mut room = Room::new();
    let request = made::request("203.0.113.5", "POST /import", 200);
    let inbound = found(
        "request_anomaly",
        0,
        Some((ActorKind::Ip, "203.0.113.5")),
        "POST /import",
        &[&request],
    );
    room.file(inbound);
    let mut outbound = finding("evil.example", 5);
    let mut flow = crate::sinks::json::examples::flow();
    flow.parent = Some(ParentRef {
        flow: crate::event::FlowId {
            cookie: 9_999,
            generation: 1,
        },
        turn: 7,
        request: None,
        client: Some("203.0.113.5".parse().unwrap()),
        in_flight: 1,
        confidence: 1.0,
    });
    outbound.evidence.samples = vec![Sample::Flow(Arc::new(flow.clone()))];
    room.file(outbound.clone());
    assert_eq!(room.only().alerts.len(), 2);
    // One of many requests that ran then may be another's.
    let mut room = Room::new();
    room.file(found(
        "request_anomaly",
        0,
        Some((ActorKind::Ip, "203.0.113.5")),
        "POST /import",
        &[&request],
    ));
    if let Some(parent) = &mut flow.parent {
        parent.confidence = 0.25;
    }
    outbound.evidence.samples = vec![Sample::Flow(Arc::new(flow))];
    room.file(outbound);
    assert_eq!(room.count(), 2);
}

// A program of this host, known or not, that goes to one new place after the other.
#[test]
fn what_one_program_does_within_an_hour_is_one_incident() {
    let to = |place: &str, minute: u64, known: bool| {
        let mut finding = finding(place, minute * 60);
        if !known {
            finding.actor = None;
        }
        finding
    };
    for known in [true, false] {
        let mut room = Room::new();
        room.file(to("a.example", 0, known));
        room.file(to("b.example", 50, known));
        assert_eq!(room.count(), 1);
        room.file(to("c.example", 180, known));
        assert_eq!(room.count(), 2);
        // Another detector says other things of it.
        let mut lookups = to("d.example", 220, known);
        lookups.detector = detector("dns_tunnel");
        room.file(lookups);
        assert_eq!(room.count(), 3);
    }
}

#[test]
fn two_that_turn_out_to_be_one_go_on_under_the_older_name() {
    let mut room = Room::new();
    let (one, other) = ((ActorKind::Ip, "203.0.113.5"), (ActorKind::Account, "anna"));
    room.file(found("user_agent", 0, Some(one), "GET /a", &[]));
    room.file(found("credential_sharing", 60, Some(other), "GET /b", &[]));
    assert_eq!(room.count(), 2);
    let older = room.told()[0].id.clone();
    let younger = room.told()[1].id.clone();
    // The account is seen at that address.
    let seen = made::request("203.0.113.5", "GET /b", 200).who(IdentityKind::Account, "anna", true);
    room.records.clear();
    room.file(found("credential_sharing", 120, Some(other), "GET /b", &[&seen]));
    let told = room.told();
    assert_eq!((&told[0].id, told[0].state), (&younger, AlertState::Resolved));
    assert_eq!(told[0].merged_into, Some(older.clone()));
    assert_eq!((&told[1].id, told[1].alerts.len()), (&older, 2));
    assert_eq!(room.only().id, older);
    assert!(room.desk.open().all(|alert| alert.incident.as_ref() == Some(&older)));
}

#[test]
fn it_is_told_as_rarely_as_an_alert() {
    let mut room = Room::new();
    for at in 0..4 * HOUR {
        room.file(finding("evil.example", at));
    }
    let told = room.told();
    assert!(told.len() < 60, "{} records in four hours", told.len());
    assert!(told.windows(2).all(|pair| pair[0].count < pair[1].count));
    room.desk.finish(Timestamp::from_secs(4 * HOUR), &mut room.records);
    assert_eq!(room.told().last().map(|incident| incident.count), Some(4 * HOUR));
}

#[test]
fn it_is_over_when_its_alerts_are_and_nothing_has_come_for_a_day() {
    let mut room = Room::new();
    room.file(finding("evil.example", 0));
    room.passes(25 * HOUR);
    assert_eq!(room.desk.open().count(), 0);
    assert_eq!(room.count(), 1);
    // The same again is the next occurrence of the alert, and the same incident.
    room.file(finding("evil.example", 25 * HOUR));
    assert_eq!(room.only().alerts.len(), 2);
    room.passes(60 * HOUR);
    let last = room.told().pop().unwrap().clone();
    assert_eq!(
        (last.state, last.resolved_by.as_deref()),
        (AlertState::Resolved, Some("quiet for 26 h"))
    );
    assert_eq!((room.count(), room.desk.poll_timeout()), (0, None));
    room.file(finding("evil.example", 100 * HOUR));
    assert_ne!(room.only().id, last.id);
}

#[test]
fn a_rule_that_ends_all_its_alerts_ends_it() {
    let mut room = Room::new();
    room.file(finding("a.example", 0));
    room.file(finding("b.example", 1));
    assert_eq!(room.only().alerts.len(), 2, "one program within minutes");
    let rule = |place: &str| AllowRule {
        destination: Some(place.parse().unwrap()),
        ..AllowRule::default()
    };
    room.desk
        .apply_rule(Timestamp::from_secs(5), &rule("a.example"), &mut room.records);
    assert_eq!(room.count(), 1);
    room.desk
        .apply_rule(Timestamp::from_secs(6), &rule("b.example"), &mut room.records);
    assert_eq!(room.count(), 0);
    let last = room.told().pop().unwrap();
    assert!(
        last.resolved_by
            .as_deref()
            .is_some_and(|by| by.starts_with("allowed by allow-")),
        "{last:#?}"
    );
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_given_up_is_counted() {
    let mut room = Room::new();
    for n in 0..6_000u64 {
        let actor = format!("account-{n}");
        let endpoint = format!("GET /{n}");
        room.file(found(
            "credential_sharing",
            n,
            Some((ActorKind::Account, &actor)),
            &endpoint,
            &[],
        ));
    }
    assert!(room.count() <= 1_024);
    assert_eq!(room.desk.incident_counts().raised, 6_000);
    assert!(room.desk.incident_counts().evicted >= 6_000 - 1_024);
    // The same events give the same records.
    let mut again = Room::new();
    for n in 0..6_000u64 {
        let actor = format!("account-{n}");
        let endpoint = format!("GET /{n}");
        again.file(found(
            "credential_sharing",
            n,
            Some((ActorKind::Account, &actor)),
            &endpoint,
            &[],
        ));
    }
    assert_eq!(again.records, room.records);
}

#[test]
fn a_flood_from_one_source_stays_one() {
    let mut room = Room::new();
    for n in 0..2_000u64 {
        let endpoint = format!("GET /{n}");
        room.file(found(
            "shadow_endpoint",
            n,
            Some((ActorKind::Ip, "203.0.113.5")),
            &endpoint,
            &[],
        ));
    }
    let incident = room.only();
    assert_eq!(incident.alerts.len(), book::MOST_OF_ONE);
    assert!(incident.left_out >= 1_700, "{}", incident.left_out);
    let told = room.told().len();
    assert!(told < 60, "{told} records");
}
