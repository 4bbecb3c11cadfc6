//! `unknown_destination` from the kernel to the alert, and how it is silenced.

use std::net::IpAddr;

use monitor_tests::host::executable;
use monitor_tests::remote::RESOLVER;
use monitor_tests::{Daemon, Field, Host, Launch, Namespace, Records, Remote};
use serde_json::Value;

use crate::{text, zone};

const DETECTOR: &str = "unknown_destination";
/// Judges at once instead of learning for a week.
const AT_ONCE: &str = "[learning]\nperiod = \"0s\"\n";

/// A namespace whose remote hosts have names.
fn world() -> (Namespace, Remote) {
    let net = Namespace::new();
    let remote = Remote::start(&net, zone());
    net.resolve_by(IpAddr::V4(RESOLVER));
    (net, remote)
}

#[track_caller]
fn visit(net: &Namespace, remote: &Remote, daemon: &mut Daemon, name: &str) {
    net.run("curl", &["-s", "-o", "/dev/null", &format!("http://{name}/10")]);
    let counts = remote.ended();
    daemon.wait_for_closes(counts.client_port, 1);
}

/// Alerts on one destination, of this test's curl alone: the host has other programs.
fn alerts_on<'a>(records: &'a Records, destination: &str) -> Vec<&'a Value> {
    let alerts = records.alerts(DETECTOR).into_iter();
    alerts
        .filter(|alert| alert.text("/target/destination") == Some(destination))
        .collect()
}

#[test]
fn a_new_destination_raises_an_explained_alert() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let (net, remote) = world();
    let mut daemon = Launch::new().config(AT_ONCE).start();
    visit(&net, &remote, &mut daemon, "api.example.test");
    daemon.wait_for("an alert", |records| !alerts_on(records, "api.example.test").is_empty());
    let records = daemon.stop();
    let alert = alerts_on(&records, "api.example.test")[0];
    alert.expect("/state", "new");
    alert.expect("/ioc", 8);
    alert.expect("/pillar", "infrastructure");
    alert.expect("/actor/kind", "process");
    alert.expect("/actor/id", executable("curl"));
    alert.expect("/count", 1);
    for path in [
        "/id",
        "/title",
        "/summary",
        "/severity",
        "/first_seen",
        "/last_seen",
        "/evidence/method",
        "/evidence/would_not_alert",
    ] {
        assert!(
            alert.text(path).is_some_and(|text| !text.is_empty()),
            "{path} of {alert:#}"
        );
    }
    let summary = alert.text("/summary").unwrap_or_default();
    assert!(
        summary.contains("api.example.test") && summary.contains("curl"),
        "{summary}"
    );
    let samples = alert
        .pointer("/evidence/samples")
        .and_then(Value::as_array)
        .expect("samples");
    assert!((1..=5).contains(&samples.len()), "{samples:?}");
    samples[0].expect("/remote/name", "api.example.test");
    let confidence = alert
        .pointer("/confidence")
        .and_then(Value::as_f64)
        .expect("a confidence");
    assert!((0.0..=1.0).contains(&confidence));
}

#[test]
fn a_destination_without_a_name_is_its_network() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let (net, remote) = world();
    let mut daemon = Launch::new().config(AT_ONCE).start();
    visit(&net, &remote, &mut daemon, "203.0.113.9");
    daemon.wait_for("an alert", |records| !records.alerts(DETECTOR).is_empty());
    visit(&net, &remote, &mut daemon, "203.0.113.10");
    let records = daemon.stop();
    let mut ids: Vec<_> = records
        .alerts(DETECTOR)
        .into_iter()
        .filter(|alert| {
            alert
                .text("/target/destination")
                .is_some_and(|name| name.starts_with("203.0.113."))
        })
        .map(|alert| alert.text("/id"))
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "one network, one alert: {:#?}", records.alerts(DETECTOR));
}

#[test]
fn allow_resolves_at_once_and_outlives_the_daemon() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let (net, remote) = world();
    let launch = Launch::new().config(AT_ONCE);
    let mut daemon = launch.start();
    visit(&net, &remote, &mut daemon, "api.example.test");
    daemon.wait_for("an alert", |records| !alerts_on(records, "api.example.test").is_empty());
    let allowed = daemon.ask(&[
        "allow",
        DETECTOR,
        "--destination",
        "api.example.test",
        "--comment",
        "our own partner",
    ]);
    assert!(allowed.status.success(), "{allowed:?}");
    daemon.wait_for("the alert to be resolved", |records| {
        alerts_on(records, "api.example.test")
            .last()
            .and_then(|alert| alert.text("/state"))
            == Some("resolved")
    });
    let listed = text(&daemon.ask(&["allow", "list", "--json"]));
    assert!(listed.contains("our own partner"), "{listed}");
    visit(&net, &remote, &mut daemon, "api.example.test");
    visit(&net, &remote, &mut daemon, "cdn.example.test");
    daemon.wait_for("another alert", |records| {
        !alerts_on(records, "cdn.example.test").is_empty()
    });
    let records = daemon.stop();
    let news = |records: &Records, name: &str| {
        alerts_on(records, name)
            .into_iter()
            .filter(|alert| alert.text("/state") == Some("new"))
            .count()
    };
    assert_eq!(news(&records, "api.example.test"), 1, "{:#?}", records.alerts(DETECTOR));

    // The rule is kept; so is what was known, but the rule alone must do.
    let mut daemon = launch.start();
    visit(&net, &remote, &mut daemon, "api.example.test");
    let records = daemon.stop();
    assert_eq!(news(&records, "api.example.test"), 0, "{:#?}", records.alerts(DETECTOR));
}

#[test]
fn a_rule_of_the_configuration_silences() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let (net, remote) = world();
    let rule = "[[allow]]\ndetector = \"unknown_destination\"\ndestination = \"api.*\"\ncomment = \"ours\"\n";
    let mut daemon = Launch::new().config(&format!("{AT_ONCE}{rule}")).start();
    visit(&net, &remote, &mut daemon, "api.example.test");
    visit(&net, &remote, &mut daemon, "cdn.example.test");
    daemon.wait_for("an alert on the other", |records| {
        !alerts_on(records, "cdn.example.test").is_empty()
    });
    let records = daemon.stop();
    assert!(
        alerts_on(&records, "api.example.test").is_empty(),
        "{:#?}",
        records.alerts(DETECTOR)
    );
}

#[test]
fn while_it_learns_it_is_silent() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let (net, remote) = world();
    let mut daemon = Launch::new().start();
    visit(&net, &remote, &mut daemon, "api.example.test");
    let records = daemon.stop();
    assert!(
        alerts_on(&records, "api.example.test").is_empty(),
        "{:#?}",
        records.alerts(DETECTOR)
    );
    assert!(records.stats().number("/learning") >= Some(1), "{}", records.stats());
}
