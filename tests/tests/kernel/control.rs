//! Questions to the running daemon: by the command line, by curl, and under load.

use std::process::Command;
use std::time::{Duration, Instant};

use monitor_tests::daemon::is_unoptimized;
use monitor_tests::host::{figure, tool};
use monitor_tests::namespace::succeed;
use monitor_tests::nginx::Setup;
use monitor_tests::{Daemon, Field, Host, Launch, Namespace, Nginx, Running};
use serde_json::Value;

use crate::text;

/// The promise: 99 of 100 answers within this.
const P99: Duration = Duration::from_millis(50);
/// Of a build without optimization, whose engine takes twenty times as long as that of a release.
const P99_UNOPTIMIZED: Duration = Duration::from_secs(2);

/// A daemon that has seen one request to this port.
#[track_caller]
fn after_one_request(port: u16) -> (Namespace, Nginx, Daemon) {
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup::on(port).start(&net);
    net.run(
        "curl",
        &["-s", "-o", "/dev/null", &format!("http://127.0.0.1:{port}/612")],
    );
    daemon.wait_for_http(port, 1);
    daemon.wait_for_closes(port, 1);
    (net, nginx, daemon)
}

#[track_caller]
fn lines(daemon: &Daemon, arguments: &[&str]) -> Vec<Value> {
    let output = daemon.ask(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    text(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn queries_give_json_lines() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (_net, _nginx, daemon) = after_one_request(18801);
    let requests = lines(&daemon, &["requests", "--json"]);
    let request = requests
        .iter()
        .find(|record| record.port("/server/port") == Some(18801))
        .expect("the request");
    request.expect("/type", "http");
    request.expect("/request/target", "/612");
    request.expect("/process/name", "nginx");
    let flows = lines(&daemon, &["flows", "--json"]);
    for flow in &flows {
        flow.expect("/type", "flow");
    }
    let [status] = lines(&daemon, &["status", "--json"])
        .try_into()
        .expect("one line of status");
    assert!(status.is_object(), "{status}");
    // The alerts of this host's other programs, if any; with the default week of learning there are none.
    for alert in lines(&daemon, &["alerts", "--json"]) {
        alert.expect("/type", "alert");
    }
}

#[test]
fn queries_give_tables() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (_net, _nginx, daemon) = after_one_request(18802);
    let requests = text(&daemon.ask(&["requests"]));
    assert!(
        requests
            .lines()
            .any(|line| line.contains("/612") && line.contains("200") && line.contains("nginx")),
        "{requests}"
    );
    for query in ["status", "flows", "alerts"] {
        let output = daemon.ask(&[query]);
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{query}: {output:?}"
        );
    }
}

#[test]
fn views_add_up() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (net, _nginx, daemon) = after_one_request(18804);
    for path in ["612", "612", "missing"] {
        net.run(
            "curl",
            &[
                "-s",
                "-o",
                "/dev/null",
                "-H",
                "X-Api-Key: planted",
                &format!("http://127.0.0.1:18804/{path}"),
            ],
        );
    }
    let mut daemon = daemon;
    daemon.wait_for_http(18804, 4);
    daemon.wait_for_closes(18804, 4);
    let endpoints = lines(&daemon, &["endpoints", "--json"]);
    let found = |name: &str| {
        let row = endpoints.iter().find(|row| row["endpoint"] == name);
        row.unwrap_or_else(|| panic!("no {name} in {endpoints:?}"))
    };
    assert_eq!(found("GET /{id}")["requests"], 3, "{endpoints:?}");
    assert_eq!(found("GET /*")["client_errors"], 1, "{endpoints:?}");
    let identities = lines(&daemon, &["identities", "--json"]);
    let key = identities.iter().find(|row| row["kind"] == "key").expect("the key");
    assert_eq!(
        (&key["requests"], &key["unproven"]),
        (&3.into(), &false.into()),
        "{key}"
    );
    assert!(!key["id"].as_str().expect("an id").contains("planted"), "{key}");
    let coverage = lines(&daemon, &["coverage", "--json"]);
    let service = coverage.iter().find(|row| row["port"] == 18804).expect("the service");
    assert_eq!(service["connections"], 4, "{service}");
    assert_eq!(service["understood_bytes"], service["counted_bytes"], "{service}");
    for view in ["endpoints", "identities", "coverage", "destinations"] {
        let output = daemon.ask(&[view]);
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{view}: {output:?}"
        );
    }
    let output = text(&daemon.ask(&["compare", "agents"]));
    assert!(!output.is_empty());
    assert_eq!(daemon.get("/v1/endpoints?follow=true").expect("an answer").0, 400);
}

#[test]
fn curl_can_ask_the_socket() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (_net, _nginx, daemon) = after_one_request(18803);
    let curl = |path: &str| {
        let mut command = Command::new(tool("curl"));
        command
            .args(["-s", "-S", "--fail", "--unix-socket"])
            .arg(daemon.socket());
        text(&succeed(command.arg(format!("http://monitor/v1/{path}"))))
    };
    let status: Value = serde_json::from_str(&curl("status")).expect("JSON");
    assert!(status.is_object(), "{status}");
    assert!(curl("requests").contains("/612"));
    assert_eq!(daemon.get("/v1/nothing-here").expect("an answer").0, 404);
}

#[test]
fn another_user_is_refused() {
    let Some(_host) = Host::claim(&["curl", "setpriv", "chmod"]) else {
        return;
    };
    let daemon = Launch::new().start();
    // The socket's own mode and that of its directory would do; peer credentials must too.
    let directory = daemon.socket().parent().expect("a directory").to_owned();
    succeed(Command::new(tool("chmod")).arg("755").arg(&directory));
    succeed(Command::new(tool("chmod")).arg("777").arg(daemon.socket()));
    let mut stranger = Command::new(tool("setpriv"));
    stranger.args(["--reuid", "61234", "--clear-groups"]).arg(tool("curl"));
    stranger
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket"])
        .arg(daemon.socket());
    let output = stranger.arg("http://monitor/v1/status").output().expect("run curl");
    assert_ne!(text(&output), "200");
    assert_eq!(daemon.get("/v1/status").expect("root is answered").0, 200);
}

#[test]
fn answers_come_in_time_under_load() {
    let Some(_host) = Host::claim(&["nginx", "wrk"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().records("alert,stats").start());
    let _nginx = Setup::on(18804).start(&net);
    let mut load = net.command(tool("wrk"));
    load.args(["-t1", "-c32", "-d4s", "http://127.0.0.1:18804/612"])
        .stdout(std::process::Stdio::null());
    let mut load = Running::start(&mut load);
    let mut times = ["/v1/status", "/v1/flows", "/v1/requests"].map(|path| (path, Vec::new()));
    while matches!(load.try_wait(), Ok(None)) {
        for (path, times) in &mut times {
            let start = Instant::now();
            assert_eq!(daemon.get(path).expect("an answer").0, 200);
            times.push(start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let limit = if is_unoptimized() { P99_UNOPTIMIZED } else { P99 };
    for (path, mut times) in times {
        times.sort_unstable();
        let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        figure(
            &format!("{path} under wrk -c32"),
            &format!("{} asked, median {median:?}, p99 {p99:?}", times.len()),
        );
        assert!(times.len() >= 5, "{} queries of {path} in 4 s", times.len());
        assert!(p99 < limit, "p99 of {path} is {p99:?}");
    }
    drop(daemon.stop());
}

// The rules that a person gives, and the configuration, read again.
#[test]
fn what_it_is_taught_holds_at_once() {
    let Some(_host) = Host::claim(&[]) else { return };
    let launch = Launch::new().config("[host]\nname = \"one\"\n");
    let daemon = launch.start();
    let path = launch.path("monitor.toml");
    let said = |arguments: &[&str]| {
        let output = daemon.ask(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output).trim().to_owned()
    };
    assert_eq!(said(&["reload"]), "nothing has changed");
    std::fs::write(
        &path,
        "[host]\nname = \"two\"\n[[allow]]\ndestination = \"*.example.com\"\n[detectors.dns_tunnel]\nenabled = false\n",
    )
    .expect("write the configuration");
    let changed = said(&["reload"]);
    assert!(changed.starts_with("changed: allow, detectors\n"), "{changed}");
    // The tests' own budget is not in it.
    assert!(changed.ends_with("holds after a restart: host, budget"), "{changed}");
    assert!(said(&["allow", "list"]).contains("*.example.com"));
    assert!(!said(&["status"]).contains("dns_tunnel"));
    std::fs::write(&path, "[host]\nnmae = \"three\"\n").expect("write the configuration");
    let output = daemon.ask(&["reload"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        error.contains(":2: unknown key `nmae`; did you mean `name`?"),
        "{error}"
    );
    assert!(said(&["allow", "list"]).contains("*.example.com"), "the old one stays");

    let expect = [
        "expect",
        "--from",
        "2026-11-27",
        "--until",
        "2126-11-28",
        "--comment",
        "sale",
    ];
    let id = said(&expect).split(' ').next().unwrap_or_default().to_owned();
    assert!(id.starts_with("expect-"), "{id}");
    for query in [&["expect", "list"][..], &["status"]] {
        assert!(said(query).contains(&id), "{query:?}");
    }
    assert_eq!(said(&["expect", "remove", &id]), format!("{id} removed"));

    assert!(!said(&["baseline", "show"]).is_empty());
    assert!(said(&["baseline", "show", "host"]).contains("request_rate"));
    assert!(said(&["baseline", "show", "/no/such/program"]).starts_with("nothing is learned of /no/such/program"));
    let rows = said(&["baseline", "export"]);
    let file = launch.path("baseline.jsonl");
    std::fs::write(&file, &rows).expect("write the rows");
    assert!(said(&["baseline", "reset", "--all"]).starts_with("forgotten: "));
    let learned = said(&["baseline", "learn", "--from", "2026-11-01", "--to", "2026-11-02"]);
    assert!(
        learned.ends_with("ended: 0 alerts\n") || learned.ends_with("ended: 0 alerts"),
        "{learned}"
    );
    if !rows.is_empty() {
        let taken = said(&["baseline", "import", &file.to_string_lossy()]);
        assert!(taken.contains("taken in: "), "{taken}");
    }
}
