//! nginx under load generators: every line of its access log is one record.

use std::fs;

use monitor_tests::daemon::is_unoptimized;
use monitor_tests::nginx::Setup;
use monitor_tests::{Field, Host, Launch, Namespace};

use crate::{compare_nginx, text};

#[test]
fn keep_alive_requests_of_ab() {
    let Some(_host) = Host::claim(&["nginx", "ab"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup::on(18001).start(&net);
    net.run(
        "ab",
        &["-q", "-k", "-n", "2000", "-c", "8", "http://127.0.0.1:18001/612"],
    );
    compare_nginx("nginx, ab with keep-alive", nginx, daemon, 2000);
}

#[test]
fn connections_of_one_request_each() {
    let Some(_host) = Host::claim(&["nginx", "ab"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup::on(18002).start(&net);
    net.run("ab", &["-q", "-n", "2000", "-c", "8", "http://127.0.0.1:18002/612"]);
    let records = compare_nginx("nginx, ab with a connection a request", nginx, daemon, 2000);
    for close in records.closes(18002) {
        // nginx closes after each response; ab closes a connection itself that it had opened for one request too many.
        let answered = close.number("/bytes_sent") > Some(0);
        close.expect("/end_reason", if answered { "fin_local" } else { "fin_remote" });
    }
}

#[test]
fn as_fast_as_wrk_can() {
    let Some(_host) = Host::claim(&["nginx", "wrk"]) else {
        return;
    };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup::on(18003).start(&net);
    let mut arguments = vec!["-t1", "-c8", "-d2s"];
    if is_unoptimized() {
        arguments.extend(["-s", concat!(env!("CARGO_MANIFEST_DIR"), "/servers/pace.lua")]);
    }
    arguments.push("http://127.0.0.1:18003/612");
    let summary = net.run("wrk", &arguments);
    let summary = text(&summary);
    let counted = summary
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse::<usize>().ok());
    let counted = counted.unwrap_or_else(|| panic!("wrk's count in {summary}"));
    let mut truth = nginx.truth(counted);
    // wrk leaves its connections in the middle of a transaction.
    truth.last_may_be_cut = true;
    daemon.wait_for_http(18003, counted);
    daemon.wait_for_closes(18003, 8);
    let records = daemon.stop();
    truth.check("nginx, wrk for 2 s", &records);
    assert_eq!(records.lost(), 0, "{}", records.stats());
}

#[test]
fn deferred_accept() {
    let Some(_host) = Host::claim(&["nginx", "ab"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup {
        listen: "deferred",
        ..Setup::on(18004)
    }
    .start(&net);
    net.run("ab", &["-q", "-n", "500", "-c", "4", "http://127.0.0.1:18004/612"]);
    net.run(
        "ab",
        &["-q", "-k", "-n", "500", "-c", "4", "http://127.0.0.1:18004/612"],
    );
    compare_nginx("nginx, deferred accept", nginx, daemon, 1000);
}

#[test]
fn tcp_fast_open() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    // 1 = clients may, 2 = servers may (Documentation/networking/ip-sysctl.rst).
    net.set("net/ipv4/tcp_fastopen", "3");
    let nginx = Setup {
        listen: "fastopen=16",
        ..Setup::on(18005)
    }
    .start(&net);
    for _ in 0..10 {
        net.run(
            "curl",
            &["-s", "-o", "/dev/null", "--tcp-fastopen", "http://127.0.0.1:18005/612"],
        );
    }
    let opened = counter(&net, "TCPFastOpenPassive");
    // The first connection fetches the cookie.
    assert!(
        opened >= 9,
        "data on the SYN of {opened} connections only: the case was not reached"
    );
    compare_nginx("nginx, TCP Fast Open", nginx, daemon, 10);
}

#[test]
fn several_workers() {
    let Some(_host) = Host::claim(&["nginx", "ab"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup {
        workers: 4,
        listen: "reuseport",
        ..Setup::on(18006)
    }
    .start(&net);
    net.run("ab", &["-q", "-n", "1000", "-c", "8", "http://127.0.0.1:18006/612"]);
    let records = compare_nginx("nginx, four workers with SO_REUSEPORT", nginx, daemon, 1000);
    let pids: std::collections::BTreeSet<_> = records
        .http(18006)
        .iter()
        .filter_map(|record| record.number("/process/pid"))
        .collect();
    assert_eq!(pids.len(), 4, "{pids:?}");
    for record in records.http(18006) {
        record.expect("/process/uid", nobody());
    }
}

#[test]
fn five_megabytes_by_sendfile() {
    five_megabytes("nginx, 5 MB by sendfile", 18007, true);
}

#[test]
fn five_megabytes_by_writev() {
    five_megabytes("nginx, 5 MB by writev", 18008, false);
}

#[test]
fn what_the_server_refuses() {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup::on(18009).start(&net);
    let url = |path: &str| format!("http://127.0.0.1:18009{path}");
    net.run(
        "curl",
        &[
            "-s",
            "-o",
            "/dev/null",
            &url("/missing?x=1"),
            "-o",
            "/dev/null",
            &url("/612"),
        ],
    );
    net.run(
        "curl",
        &[
            "-s",
            "-o",
            "/dev/null",
            "-X",
            "DELETE",
            &url("/612"),
            "--next",
            "-s",
            "-I",
            &url("/612"),
        ],
    );
    net.run("curl", &["-s", "-o", "/dev/null", "-r", "100-199", &url("/612")]);
    let records = compare_nginx("nginx, 404, 405, HEAD, 206", nginx, daemon, 5);
    let mut statuses: Vec<_> = records
        .http(18009)
        .iter()
        .filter_map(|record| record.number("/response/status"))
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 206, 404, 405]);
}

#[track_caller]
fn five_megabytes(case: &str, port: u16, sendfile: bool) {
    let Some(_host) = Host::claim(&["nginx", "curl"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup {
        sendfile,
        files: &[5_000_000],
        ..Setup::on(port)
    }
    .start(&net);
    let url = format!("http://127.0.0.1:{port}/5000000");
    for _ in 0..5 {
        net.run("curl", &["-s", "-o", "/dev/null", &url, "-o", "/dev/null", &url]);
    }
    compare_nginx(case, nginx, daemon, 10);
}

/// A counter of `/proc/net/netstat`: two lines a group, names and numbers.
#[track_caller]
fn counter(net: &Namespace, name: &str) -> u64 {
    // `/proc/net` would be the namespace of the main thread.
    let table = net
        .inside(|| fs::read_to_string("/proc/thread-self/net/netstat"))
        .expect("read the counters");
    let lines: Vec<_> = table.lines().collect();
    let found = lines.chunks_exact(2).find_map(|pair| {
        let place = pair[0].split(' ').position(|word| word == name)?;
        pair[1].split(' ').nth(place)?.parse().ok()
    });
    found.unwrap_or_else(|| panic!("{name} in {table}"))
}

/// The user that nginx's workers run as.
#[track_caller]
fn nobody() -> u64 {
    let users = fs::read_to_string("/etc/passwd").expect("read the users");
    let line = users
        .lines()
        .find_map(|line| line.strip_prefix("nobody:"))
        .expect("a user named nobody");
    line.split(':')
        .nth(1)
        .and_then(|number| number.parse().ok())
        .expect("a user id")
}
