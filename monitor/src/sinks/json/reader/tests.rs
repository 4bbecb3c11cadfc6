use super::*;
use crate::record::Record;
use crate::sinks::json::{examples, write_record};

/// What is told of a record is told of what was read of it, but for what is found anew.
#[track_caller]
fn check(body: Body) {
    let record = Record {
        time: examples::START,
        body,
    };
    let told = line(&record);
    let read = read_line(&told).unwrap();
    assert_eq!((read.time, read.kind), (record.time, RecordType::of(&record.body)));
    let body = read.body.unwrap();
    let again = Record {
        time: read.time,
        body: match (&record.body, body) {
            (Body::Http(of), Body::Http(read)) => {
                let mut read = Arc::unwrap_or_clone(read);
                if let (Some(client), Some(of)) = (&mut read.client, &of.client) {
                    client.whereabouts.clone_from(&of.whereabouts);
                }
                if let (Some(request), Some(of)) = (&mut read.request, &of.request) {
                    request.agent_class = of.agent_class;
                }
                Body::Http(read.into())
            }
            (Body::Flow(of), Body::Flow(read)) => {
                let mut read = Arc::unwrap_or_clone(read);
                read.remote_whereabouts.clone_from(&of.remote_whereabouts);
                Body::Flow(read.into())
            }
            (_, other) => other,
        },
    };
    let again = line(&again);
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&told));
}

fn line(record: &Record) -> Vec<u8> {
    let mut line = Vec::new();
    write_record(&mut line, record, record.time, Some("api-1")).unwrap();
    line
}

#[test]
fn what_is_read_is_told_alike() {
    let mut told = 0;
    for Record { body, .. } in examples::every() {
        match body {
            Body::Http(_) | Body::Flow(_) | Body::Dns(_) => {
                told += 1;
                check(body);
            }
            // Read for their time.
            Body::Tls(_) | Body::Alert(_) | Body::Incident(_) | Body::Stats(_) => {
                let record = Record {
                    time: examples::START,
                    body,
                };
                let read = read_line(&line(&record)).unwrap();
                assert_eq!((read.time, read.body), (examples::START, None));
            }
        }
    }
    assert_eq!(told, 6);
    for reason in flow::REASONS {
        let flow = crate::record::FlowRecord {
            end_reason: Some(reason),
            ..examples::flow()
        };
        check(Body::Flow(flow.into()));
    }
    for why in crate::record::Incomplete::ALL {
        let http = crate::record::HttpRecord {
            incomplete: Some(why),
            ..examples::http()
        };
        check(Body::Http(http.into()));
    }
}

#[test]
fn what_is_no_record_says_why() {
    let http = String::from_utf8(line(&Record {
        time: examples::START,
        body: Body::Http(examples::http().into()),
    }))
    .unwrap();
    for (wrong, why) in [
        ("{}".to_owned(), "missing field `type`"),
        ("7".to_owned(), "invalid type"),
        (http[..http.len() / 2].to_owned(), "EOF"),
        (http.replace("bare_lf", "bare_xx"), "the anomaly `bare_xx` is not known"),
        (http.replace("\"h1:", "\"h9:"), "the fingerprint"),
        (
            http.replace("\"kind\":\"account\"", "\"kind\":\"x\""),
            "the kind of identity `x`",
        ),
    ] {
        let error = read_line(wrong.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
