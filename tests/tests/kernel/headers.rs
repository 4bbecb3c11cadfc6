//! Headers: what is taken out of them, and those that are longer than what is copied.

use std::time::Duration;

use monitor_tests::host::tool;
use monitor_tests::namespace::succeed;
use monitor_tests::{Field, Host, Launch, Namespace, Script, wait};

use crate::LOCALHOST;
use crate::endings::PRELUDE;

#[test]
fn query_and_agent() {
    let curl = &["-A", "probe/1.0", "-o", "/dev/null", "URL/bytes/5?page=2&token=hunter2"];
    let Some(_host) = Host::claim(&["python3", "curl"]) else {
        return;
    };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let _server = Script::python(&net, LOCALHOST, 18115);
    let arguments: Vec<_> = curl
        .iter()
        .map(|argument| argument.replace("URL", "http://127.0.0.1:18115"))
        .collect();
    net.run("curl", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    daemon.wait_for_http(18115, 1);
    let records = daemon.stop();
    let record = records.transaction(18115);
    record.expect("/request/path", "/bytes/5");
    record.expect("/request/user_agent", "probe/1.0");
    record.expect("/request/host", "127.0.0.1:18115");
    record.expect("/response/content_type", "application/octet-stream");
    let target = record.text("/request/target").expect("a target");
    assert!(
        target.starts_with("/bytes/5?page=2&token=") && !target.contains("hunter2"),
        "{target}"
    );
}

#[test]
fn header_that_is_longer_than_the_copied_part() {
    let Some(_host) = Host::claim(&["python3", "curl"]) else {
        return;
    };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let server = Script::python(&net, LOCALHOST, 18116);
    // Twice the 8 KiB of a request that are copied at first.
    let cookie = format!("Cookie: long={}", "c".repeat(16 * 1024));
    let ask = || {
        net.run(
            "curl",
            &[
                "-s",
                "-o",
                "/dev/null",
                "-H",
                &cookie,
                "http://127.0.0.1:18116/bytes/10",
            ],
        )
    };
    ask();
    daemon.wait_for_http(18116, 1);
    daemon.records().transaction(18116).expect("/complete", false);
    daemon
        .records()
        .transaction(18116)
        .expect("/incomplete", "header_truncated");
    // What does not fit raises the copied part for requests to come: 8, 16, 32 KiB, each after it has settled.
    let mut asked = 1;
    wait::until("a request that is read whole", Duration::from_secs(10), || {
        std::thread::sleep(Duration::from_millis(200));
        ask();
        asked += 1;
        daemon.wait_for_http(18116, asked);
        (daemon.records().http(18116).last()?["complete"] == true).then_some(())
    });
    let records = daemon.stop();
    let truth = server.truth(asked, asked);
    let last = truth.transactions.last().expect("transactions");
    let record = *records.http(18116).last().expect("transactions");
    record.expect("/complete", true);
    record.expect(
        "/request/header_bytes",
        last.request_header.expect("Python counts headers"),
    );
    record.expect("/response/status", 200);
}

#[test]
fn white_space_and_empty_lines_before_a_request() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    for (port, before) in [
        (18_117, " "),
        (18_118, "\\t"),
        (18_119, "\\r\\n\\r\\n"),
        (18_120, "\\n "),
    ] {
        let (net, mut daemon) = (Namespace::new(), Launch::new().start());
        let script = format!(
            "{PRELUDE}c, s = pair()
c.sendall(b'{before}GET /after HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n'); s.recv(999)
s.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n'); c.recv(999)
s.close(); c.close()"
        );
        succeed(net.command(tool("python3")).args(["-c", &script, &port.to_string()]));
        daemon.wait_for_http(port, 1);
        let records = daemon.stop();
        let record = records.transaction(port);
        record.expect("/request/path", "/after");
        record.expect("/response/status", 200);
        record.expect("/complete", true);
    }
}
