//! The lines against the contract: field for field, and against their own schemas.

use serde_json::{Value, json};

use super::*;
use crate::record::{Body, EndReason, FlowEvent, Record};

fn line(record: &Record) -> Value {
    let mut out = Vec::new();
    write_record(&mut out, record, record.time, Some("api-1")).unwrap();
    assert_eq!(out.pop(), Some(b'\n'));
    assert!(!out.contains(&b'\n'), "one object a line");
    serde_json::from_slice(&out).unwrap()
}

fn record(body: Body) -> Record {
    Record {
        time: examples::START,
        body,
    }
}

#[test]
fn http_as_in_the_contract() {
    assert_eq!(
        line(&record(Body::Http(examples::http().into()))),
        json!({
            "type": "http", "time": "2023-11-14T22:13:20.000000Z", "host": "api-1",
            "start": "2023-11-14T22:13:20.000000Z", "flow": "4c1f:1", "turn": 1, "role": "server", "version": "1.1",
            "client": { "ip": "198.51.100.7", "port": 50123, "via": ["192.0.2.20"],
                "country": "NL", "city": "Utrecht", "asn": 64501, "org": "Example Hosting", "network": "hosting",
                "listed": "bad.txt" },
            "server": { "ip": "192.0.2.10", "port": 8080, "name": "api.example.com" },
            "process": {
                "pid": 4711, "namespace_pid": 7, "name": "gunicorn", "exe": "/usr/bin/python3.11", "uid": 33, "container": "c0ffee",
                "cgroup": "/system.slice/api.service",
            },
            "request": {
                "method": "POST", "target": "/orders?token=key:3fa9c1d2", "path": "/orders",
                "endpoint": "POST /orders", "documented": true,
                "host": "api.example.com", "user_agent": "curl/8.0", "agent_class": "library", "content_type": "application/json",
                "protocol": "websocket", "header_bytes": 180, "body_bytes": 52, "decoded_bytes": 40,
            },
            "response": {
                "status": 201, "content_type": "application/json", "header_bytes": 120, "body_bytes": 33,
                "decoded_bytes": 33, "announced_bytes": 33,
            },
            "grpc": { "service": "shop.Orders", "method": "Create", "status": 0 },
            "latency_us": 1500, "duration_us": 2000,
            "identity": [
                { "kind": "account", "id": "alice", "source": "jwt", "verified": false, "unproven": true },
            ],
            "login": "failure", "fingerprint": "h1:243f6a8885a308d3", "anomalies": ["bare_lf", "bad_length"],
            "request_anomalies": 1, "links": [{ "host": "hooks.example.org", "port": 8443, "in": "body" }], "encrypted": false, "complete": true,
        })
    );
}

#[test]
fn flow_as_in_the_contract() {
    let got = line(&record(Body::Flow(examples::flow().into())));
    for (field, expected) in [
        ("event", json!("close")),
        ("direction", json!("outbound")),
        ("protocol", json!("tcp")),
        ("app", json!("tls")),
        ("local", json!({ "ip": "192.0.2.10", "port": 43210 })),
        (
            "remote",
            json!({ "ip": "203.0.113.5", "port": 443, "name": "pay.example.net", "name_source": "dns",
                    "country": "NL", "city": "Utrecht", "asn": 64501, "org": "Example Hosting", "network": "hosting",
                    "listed": "bad.txt" }),
        ),
        ("bytes_sent", json!(1000)),
        ("bytes_acked", json!(900)),
        ("bytes_unread", json!(10)),
        ("rtt_us", json!(350)),
        ("duration_ms", json!(1234)),
        ("state", json!("closed")),
        ("end_reason", json!("fin_remote")),
        ("joined_late", json!(true)),
        (
            "parent",
            json!({ "flow": "4c1f:1", "turn": 3, "request": "POST /orders", "client": "198.51.100.7", "in_flight": 4, "confidence": 0.25 }),
        ),
        ("coverage", json!({ "understood_bytes": 517, "reason": "encrypted" })),
    ] {
        assert_eq!(got[field], expected, "{field}");
    }
    assert!(got["community_id"].as_str().unwrap().starts_with("1:"));
}

#[test]
fn what_is_not_known_is_absent() {
    let flow = line(&record(Body::Flow(examples::least_flow().into())));
    for absent in [
        "local",
        "remote",
        "community_id",
        "process",
        "bytes_acked",
        "rtt_us",
        "retransmits",
        "end_reason",
    ] {
        assert_eq!(flow.get(absent), None, "{absent}");
    }
    let http = line(&record(Body::Http(examples::least_http().into())));
    assert_eq!(http["complete"], json!(false));
    assert_eq!(http["incomplete"], json!("no_request"));
    let mut out = Vec::new();
    write_record(&mut out, &examples::every()[0], examples::START, None).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap().get("host"), None);
}

#[track_caller]
fn check_state(event: FlowEvent, end: Option<EndReason>, tcp_state: u8, state: &str, reason: Option<&str>) {
    let mut flow = examples::flow();
    flow.event = event;
    flow.end_reason = end;
    flow.tcp_state = tcp_state;
    let got = line(&record(Body::Flow(flow.into())));
    assert_eq!(got["state"], json!(state));
    assert_eq!(got.get("end_reason"), reason.map(|r| json!(r)).as_ref());
}

#[test]
fn the_state_says_whether_the_flow_goes_on() {
    check_state(FlowEvent::Update, None, 1, "established", None);
    check_state(FlowEvent::Open, None, 2, "syn_sent", None);
    check_state(FlowEvent::Update, None, 0, "open", None);
    check_state(
        FlowEvent::Close,
        Some(EndReason::ResetLocal),
        1,
        "closed",
        Some("reset_local"),
    );
    check_state(FlowEvent::Close, Some(EndReason::StillOpen), 1, "open", None);
    check_state(FlowEvent::Close, Some(EndReason::Evicted), 1, "open", Some("evicted"));
}

#[test]
fn numbers_of_evidence_are_numbers_and_words_are_words() {
    let alert = line(&record(Body::Alert(examples::least_alert().into())));
    assert_eq!(alert["evidence"]["observed"], json!(1.5));
    assert_eq!(alert["evidence"]["expected"], json!("inf"));
    assert_eq!(alert["evidence"]["threshold"].to_string(), "0");
    assert_eq!(alert["confidence"].to_string(), "0.9");
}

#[test]
fn every_line_reads_back_as_what_was_written() {
    #[track_caller]
    fn check<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) {
        let read: Line<'static, T> = serde_json::from_value(value.clone()).unwrap();
        let mut out = Vec::new();
        append_line(&mut out, &read).unwrap();
        assert_eq!(&serde_json::from_slice::<Value>(&out).unwrap(), value);
    }
    for record in examples::every() {
        let value = line(&record);
        match record.body {
            Body::Http(_) => check::<Http<'static>>(&value),
            Body::Flow(_) => check::<Flow<'static>>(&value),
            Body::Dns(_) => check::<Dns<'static>>(&value),
            Body::Tls(_) => check::<Tls<'static>>(&value),
            Body::Alert(_) => check::<Alert<'static>>(&value),
            Body::Incident(_) => check::<Incident<'static>>(&value),
            Body::Stats(_) => check::<Stats<'static>>(&value),
        }
    }
}

#[test]
fn every_line_is_valid_by_its_schema_and_by_the_one_for_all() {
    let any = jsonschema::validator_for(&schema::any()).unwrap();
    for record in examples::every() {
        let value = line(&record);
        let own = schema::of(RecordType::of(&record.body)).unwrap();
        let own = jsonschema::options().should_validate_formats(true).build(&own).unwrap();
        assert_eq!(
            own.iter_errors(&value).map(|e| e.to_string()).collect::<Vec<_>>(),
            Vec::<String>::new()
        );
        assert!(any.is_valid(&value), "{value}");

        let mut wrong = value;
        wrong["type"] = json!("nothing");
        assert!(!own.is_valid(&wrong) && !any.is_valid(&wrong));
        wrong.as_object_mut().unwrap().remove("time");
        assert!(!own.is_valid(&wrong));
    }
}
