//! The registry: its rooms, its documentation, and what it tells of a subject.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::baseline::knowledge::Value;
use crate::enrich::identity::IdentityKind;
use crate::observation::made::{outbound, request};
use crate::record::{FlowEvent, FlowRecord};

// A detector whose file is there and which nobody runs would be a promise not kept.
#[test]
fn every_file_is_registered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/detectors");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|stem| !matches!(stem.as_str(), "mod" | "tests"))
        .collect();
    let registered: BTreeSet<String> = DOCS.iter().map(|doc| doc.name.to_owned()).collect();
    assert_eq!(files, registered);
    assert_eq!(registered, NAMES.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn every_page_says_all_there_is_to_say() {
    for doc in DOCS {
        for text in [doc.detects, doc.why, doc.how, doc.limits, doc.false_positives] {
            assert!(text.len() > 80, "{}: says too little: {text}", doc.name);
        }
        assert!(!doc.references.is_empty() && !doc.quiet.is_zero(), "{}", doc.name);
        assert!(doc.ioc.is_none_or(|row| (1..=10).contains(&row)), "{}", doc.name);
        let page = doc.page();
        let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(
            headings,
            [
                "What it detects",
                "Why it matters",
                "How",
                "Limits and evasions",
                "False positives",
                "References"
            ]
        );
    }
}

/// Two weeks of a request a quarter by day, by an account, and of a call an hour.
#[test]
fn what_is_known_of_a_subject_is_told() {
    let mut registry = Registry::new(&Config::default());
    let (start, quarter) = (Timestamp::from_secs(1_800_000_000), Duration::from_mins(15));
    let (mut now, mut findings) = (start, Vec::new());
    for number in 0..14 * 24 * 4 {
        now = now + quarter;
        registry.expire(now, &mut findings);
        if number % 96 < 48 {
            let status = if number % 20 == 0 { 500 } else { 200 };
            let mut made = request("198.51.100.7", "GET /orders", status).who(IdentityKind::Account, "alice", true);
            (made.0.start, made.0.latency_us, made.0.duration_us) = (now, Some(2_000), 2_500);
            if let Some(response) = &mut made.0.response {
                response.body_bytes = 20_000;
            }
            registry.observe(now, &Observation::Transaction(made.0.into()), &mut findings);
        }
        if number % 4 == 0 {
            let mut call = outbound(now, number, Some("api.example.com"), "203.0.113.5:443");
            call.record = FlowRecord {
                event: FlowEvent::Close,
                ..FlowRecord::clone(&call.record)
            }
            .into();
            registry.observe(now, &Observation::Flow(call), &mut findings);
        }
    }
    let facts = |subject: &str| -> BTreeSet<(&str, &str, bool)> {
        let known = registry.known(now, &Sought::new(subject));
        let of = |(detector, known): &(&'static str, Knowledge)| {
            let (detector, learning) = (*detector, known.is_learning);
            known
                .facts
                .iter()
                .map(|fact| (detector, fact.name, learning))
                .collect::<Vec<_>>()
        };
        known.iter().flat_map(of).collect()
    };
    let of_endpoint = facts("GET /orders");
    for wanted in [
        ("request_rate", "requests_an_hour", false),
        ("latency_shift", "latency_us", false),
        ("error_surge", "usual_share_of_5xx", false),
        ("response_volume", "response_bytes", false),
    ] {
        assert!(of_endpoint.contains(&wanted), "{wanted:?} is not in {of_endpoint:?}");
    }
    assert!(
        facts("alice").contains(&("account_anomaly", "days_seen_by_hour", false)),
        "{:?}",
        facts("alice")
    );
    assert!(facts("host").contains(&("request_rate", "requests_an_hour", false)));
    for subject in ["api.example.com", "API.example.com"] {
        let of = facts(subject);
        assert!(of.contains(&("unknown_destination", "observations", false)), "{of:?}");
    }
    assert!(facts("GET /nothing").is_empty() && facts("").is_empty());
    // Half of the day is quiet: those hours were not seen, or nothing came in them.
    let known = registry.known(now, &Sought::new("GET /orders"));
    let week = known
        .iter()
        .flat_map(|(_, known)| &known.facts)
        .find_map(|fact| match &fact.value {
            Value::Week(hours) => Some(hours),
            Value::Number(_) | Value::Day(_) | Value::Quantiles { .. } | Value::Names(..) => None,
        });
    let busy = week
        .unwrap()
        .iter()
        .filter(|mean| mean.is_some_and(|mean| mean > 3.0))
        .count();
    assert!((77..=91).contains(&busy), "{busy} of 168 hours");
}

#[test]
fn a_disabled_detector_does_not_run() {
    let mut config = Config::default();
    assert_eq!(Registry::new(&config).detectors.len(), DOCS.len());
    config.detectors.unknown_destination.enabled = false;
    assert_eq!(Registry::new(&config).detectors.len(), DOCS.len() - 1);
}
