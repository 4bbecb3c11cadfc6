use std::sync::Arc;

use super::*;
use crate::alert::{Actor, ActorKind};
use crate::enrich::networks::Whereabouts;
use crate::observation::made::{Made, login, request};
use crate::record::{CoverageReason, FlowDirection, FlowEvent};
use crate::sinks::json::examples;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn see(views: &mut Views, made: Made) {
    views.observe(&Observation::Transaction(Arc::new(made.0)));
}

fn endpoint(views: &Views, name: &str) -> Endpoint {
    let Rows::Endpoints(rows) = views.rows(at(100), View::Endpoints, &[], &Services::default()) else {
        panic!("not the endpoints");
    };
    rows.into_iter().find(|(of, _)| **of == *name).unwrap().1
}

#[test]
fn endpoints_add_up() {
    let mut views = Views::default();
    for status in [200, 200, 404, 401, 403, 500] {
        see(&mut views, request("192.0.2.9", "GET /orders/{id}", status));
    }
    see(&mut views, login("192.0.2.9", "alice", true));
    see(&mut views, login("192.0.2.9", "alice", false));
    let orders = endpoint(&views, "GET /orders/{id}");
    let counts = (
        orders.requests,
        orders.refused,
        orders.client_errors,
        orders.server_errors,
    );
    assert_eq!(counts, (6, 2, 1, 1));
    assert_eq!((orders.received_bytes, orders.sent_bytes), (6 * 200, 6 * 100));
    let logins = endpoint(&views, "POST /login");
    assert_eq!((logins.logins_succeeded, logins.logins_failed), (1, 1));
    let Rows::Endpoints(rows) = views.rows(at(100), View::Endpoints, &[], &Services::default()) else {
        panic!("not the endpoints");
    };
    assert_eq!(&*rows[0].0, "GET /orders/{id}", "the busiest comes first");
}

#[test]
fn identities_have_addresses() {
    let mut views = Views::default();
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.1"] {
        see(&mut views, login(client, "alice", true));
    }
    see(&mut views, login("192.0.2.3", "mallory", false));
    let Rows::Identities(rows) = views.rows(at(100), View::Identities, &[], &Services::default()) else {
        panic!("not the identities");
    };
    let ((kind, id), alice) = &rows[0];
    assert_eq!((*kind, &**id), (IdentityKind::Account, "alice"));
    assert_eq!((alice.requests, alice.addresses.count(), alice.unproven), (4, 2, false));
    let mallory = &rows[1].1;
    assert_eq!((mallory.refused, mallory.unproven), (1, true));
}

fn flow(event: FlowEvent, counted: u64, understood: u64) -> FlowObservation {
    let mut record = examples::flow();
    record.event = event;
    record.direction = Some(FlowDirection::Outbound);
    record.counters.sent = counted;
    record.counters.received = 0;
    record.coverage.understood_bytes = understood;
    record.coverage.reason = (understood < counted).then_some(CoverageReason::Encrypted);
    FlowObservation {
        time: at(10),
        record: Arc::new(record),
        destination: Some(crate::observation::Destination {
            name: Some("api.partner.example".into()),
            address: "198.51.100.7".parse().unwrap(),
            port: 443,
            network: "198.51.100.0/24".parse().unwrap(),
        }),
    }
}

#[test]
fn flows_that_live_and_flows_that_ended_are_one_sum() {
    let (mut views, mut services) = (Views::default(), Services::default());
    for event in [FlowEvent::Open, FlowEvent::Update, FlowEvent::Close] {
        let flow = flow(event, 1_000, 100);
        services.see(flow.time, &flow.record);
        views.observe(&Observation::Flow(flow));
    }
    let live = [flow(FlowEvent::Update, 500, 500)];
    let Rows::Destinations(rows) = views.rows(at(100), View::Destinations, &live, &services) else {
        panic!("not the destinations");
    };
    let ((_, name, port), row) = &rows[0];
    assert_eq!((rows.len(), &**name, *port), (1, "api.partner.example", 443));
    assert_eq!((row.flows, row.open, row.sent), (2, 1, 1_500));
    let Rows::Coverage(rows) = views.rows(at(100), View::Coverage, &live, &services) else {
        panic!("not the coverage");
    };
    let row = &rows[0];
    assert_eq!(
        (rows.len(), row.connections, row.counted, row.understood),
        (1, 2, 1_500, 600)
    );
    assert_eq!(row.missed[CoverageReason::Encrypted as usize], 900);
}

#[test]
fn what_an_alert_names_is_told_apart_from_then_on() {
    let mut views = Views::default();
    let ask = |client: &str, agent: &str| {
        let mut made = request(client, "GET /", 401);
        if let Some(request) = &mut made.0.request {
            request.user_agent = Some(agent.into());
        }
        if let Some(client) = &mut made.0.client {
            client.whereabouts = Some(Arc::new(Whereabouts {
                org: Some("Example Hosting".into()),
                ..Whereabouts::default()
            }));
        }
        made
    };
    see(&mut views, ask("192.0.2.66", "sqlmap/1.8"));
    let mut alert = examples::alert();
    alert.actor = Some(Actor {
        kind: ActorKind::Ip,
        id: "192.0.2.66".into(),
    });
    views.flag(&alert);
    see(&mut views, ask("192.0.2.66", "sqlmap/1.8"));
    see(&mut views, ask("192.0.2.1", "Mozilla/5.0"));
    let rows = |by| {
        let Rows::Compare(rows) = views.rows(at(100), View::Compare(by), &[], &Services::default()) else {
            panic!("not a comparison");
        };
        rows.into_iter()
            .map(|(value, count)| (value.to_string(), count.flagged, count.rest))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rows(By::Agents),
        [("sqlmap/1.8".to_owned(), 1, 0), ("Mozilla/5.0".to_owned(), 0, 1)]
    );
    assert_eq!(rows(By::Organizations), [("Example Hosting".to_owned(), 1, 1)]);
    assert_eq!(rows(By::Fingerprints), []);
}
