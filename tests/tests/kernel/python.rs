//! Python's `http.server` and curl: the shapes that messages take, compared with every byte that Python read and wrote.

use std::fs;
use std::path::Path;

use monitor_tests::{Field, Host, Launch, Namespace, Records, Script};
use tempfile::TempDir;

use crate::{LOCALHOST, compare_script};

/// A case: what curl is asked to do, and how many transactions on how many connections it makes of it.
struct Case<'a> {
    name: &'a str,
    port: u16,
    /// `URL` in an argument is replaced by the server's.
    curl: &'a [&'a str],
    transactions: usize,
    connections: usize,
}

/// Runs one case; `None` where it cannot run here.
#[track_caller]
fn check(case: &Case) -> Option<Records> {
    let _host = Host::claim(&["python3", "curl"])?;
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let server = Script::python(&net, LOCALHOST, case.port);
    let url = format!("http://127.0.0.1:{}", case.port);
    let arguments: Vec<_> = case.curl.iter().map(|argument| argument.replace("URL", &url)).collect();
    let arguments: Vec<_> = ["-s", "-S"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect();
    net.run("curl", &arguments);
    let name = format!("python, {}", case.name);
    Some(compare_script(
        &name,
        &server,
        daemon,
        case.transactions,
        case.connections,
    ))
}

/// A file of so many bytes that is not JSON, form or text.
#[track_caller]
fn file(size: u64) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("body");
    fs::File::create(&path)
        .and_then(|file| file.set_len(size))
        .expect("a file to send");
    let argument = upload(&path);
    (directory, argument)
}

fn upload(path: &Path) -> String {
    format!("@{}", path.display())
}

#[test]
fn head() {
    let curl = &[
        "-I",
        "URL/bytes/1000",
        "--next",
        "-s",
        "URL/bytes/1000",
        "--next",
        "-s",
        "-I",
        "URL/chunked/10",
    ];
    check(&Case {
        name: "HEAD between GETs",
        port: 18101,
        curl,
        transactions: 3,
        connections: 1,
    });
}

#[test]
fn chunked_response() {
    let curl = &["-o", "/dev/null", "URL/chunked/500", "-o", "/dev/null", "URL/bytes/10"];
    let Some(records) = check(&Case {
        name: "chunked response",
        port: 18102,
        curl,
        transactions: 2,
        connections: 1,
    }) else {
        return;
    };
    for record in records.http(18102) {
        record.expect("/complete", true);
    }
}

#[test]
fn chunked_response_past_the_copied_part() {
    // 20,000 chunks are about 380 kB: the end is found though most of the framing is not copied.
    let curl = &[
        "-o",
        "/dev/null",
        "URL/chunked/20000",
        "-o",
        "/dev/null",
        "URL/bytes/10",
    ];
    check(&Case {
        name: "chunked response of 380 kB",
        port: 18103,
        curl,
        transactions: 2,
        connections: 1,
    });
}

#[test]
fn chunked_upload() {
    let (_directory, body) = file(50_000);
    let curl = &[
        "-H",
        "Transfer-Encoding: chunked",
        "--data-binary",
        &body,
        "URL/upload",
        "--next",
        "-s",
        "URL/bytes/3",
    ];
    check(&Case {
        name: "chunked upload",
        port: 18104,
        curl,
        transactions: 2,
        connections: 1,
    });
}

#[test]
fn no_content() {
    let curl = &["URL/status/204", "URL/bytes/10", "-o", "/dev/null"];
    check(&Case {
        name: "204, then another",
        port: 18105,
        curl,
        transactions: 2,
        connections: 1,
    });
}

#[test]
fn not_modified() {
    let curl = &["URL/status/304", "URL/bytes/10", "-o", "/dev/null"];
    check(&Case {
        name: "304 with a length, then another",
        port: 18106,
        curl,
        transactions: 2,
        connections: 1,
    });
}

#[test]
fn continue_100() {
    let (_directory, body) = file(2_000_000);
    let curl = &["-H", "Expect: 100-continue", "--data-binary", &body, "URL/upload"];
    let Some(records) = check(&Case {
        name: "100-continue",
        port: 18107,
        curl,
        transactions: 1,
        connections: 1,
    }) else {
        return;
    };
    records.transaction(18107).expect("/response/status", 201);
}

#[test]
fn early_hints_103() {
    let curl = &["-o", "/dev/null", "URL/early", "-o", "/dev/null", "URL/bytes/5"];
    check(&Case {
        name: "103 before the response",
        port: 18108,
        curl,
        transactions: 2,
        connections: 1,
    });
}

#[test]
fn http_1_0() {
    let curl = &[
        "-0",
        "-o",
        "/dev/null",
        "URL/bytes/10",
        "-o",
        "/dev/null",
        "URL/until-close/70000",
    ];
    let Some(records) = check(&Case {
        name: "HTTP/1.0",
        port: 18109,
        curl,
        transactions: 2,
        connections: 2,
    }) else {
        return;
    };
    for record in records.http(18109) {
        record.expect("/version", "1.0");
    }
}

#[test]
fn body_until_the_connection_closes() {
    let curl = &["-o", "/dev/null", "URL/until-close/300000"];
    check(&Case {
        name: "body until close",
        port: 18110,
        curl,
        transactions: 1,
        connections: 1,
    });
}

#[test]
fn upload_of_five_megabytes() {
    let (_directory, body) = file(5_000_000);
    let curl = &["-H", "Expect:", "--data-binary", &body, "URL/upload"];
    let Some(records) = check(&Case {
        name: "upload of 5 MB",
        port: 18111,
        curl,
        transactions: 1,
        connections: 1,
    }) else {
        return;
    };
    records.transaction(18111).expect("/request/body_bytes", 5_000_000);
    // Counted whole, copied only in its beginning: records of the capture, not one for each of 3,400 segments.
    let events = records.stats().number("/events/received").expect("events");
    assert!(events < 1000, "{events} events for one upload");
}

#[test]
fn download_by_sendfile() {
    let curl = &[
        "-o",
        "/dev/null",
        "URL/sendfile/5000000",
        "-o",
        "/dev/null",
        "URL/bytes/1",
    ];
    check(&Case {
        name: "download of 5 MB by sendfile",
        port: 18112,
        curl,
        transactions: 2,
        connections: 1,
    });
}

#[test]
fn big_bodies_both_ways_on_one_connection() {
    let (_directory, body) = file(1_000_000);
    let curl = &[
        "-H",
        "Expect:",
        "--data-binary",
        &body,
        "URL/upload",
        "--next",
        "-s",
        "-o",
        "/dev/null",
        "URL/bytes/1000000",
        "--next",
        "-s",
        "-H",
        "Expect:",
        "--data-binary",
        &body,
        "URL/upload",
        "--next",
        "-s",
        "-o",
        "/dev/null",
        "URL/sendfile/1000000",
    ];
    check(&Case {
        name: "big bodies with keep-alive",
        port: 18113,
        curl,
        transactions: 4,
        connections: 1,
    });
}

#[test]
fn slow_response() {
    let curl = &["-o", "/dev/null", "URL/slow/400"];
    let Some(records) = check(&Case {
        name: "slow response",
        port: 18114,
        curl,
        transactions: 1,
        connections: 1,
    }) else {
        return;
    };
    let record = records.transaction(18114);
    let latency = record.number("/latency_us").expect("a latency");
    assert!(
        (400_000..600_000).contains(&latency),
        "the handler slept 400 ms: {record}"
    );
    assert!(record.number("/duration_us") >= Some(latency), "{record}");
}
