//! Node's `http` and curl: an event loop whose sockets count their own bytes.

use monitor_tests::{Host, Launch, Namespace, Script};

use crate::{LOCALHOST, compare_script};

#[test]
fn every_shape_on_kept_connections() {
    let Some(_host) = Host::claim(&["node", "curl"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let server = Script::node(&net, LOCALHOST, 18201);
    let url = |path: &str| format!("http://127.0.0.1:18201{path}");
    let get = |path: &str| ["-o".to_owned(), "/dev/null".to_owned(), url(path)];
    let gets: Vec<_> = [
        "/bytes/300",
        "/chunked/100",
        "/status/204",
        "/status/304",
        "/bytes/200000",
        "/slow/50",
    ]
    .into_iter()
    .flat_map(get)
    .collect();
    let gets: Vec<_> = ["-s"].into_iter().chain(gets.iter().map(String::as_str)).collect();
    net.run("curl", &gets);
    let body = "b".repeat(100_000);
    net.run(
        "curl",
        &[
            "-s",
            "-I",
            &url("/bytes/50"),
            "--next",
            "-s",
            "-d",
            &body,
            &url("/upload"),
        ],
    );
    net.run(
        "curl",
        &["-s", "-H", "Transfer-Encoding: chunked", "-d", &body, &url("/upload")],
    );
    net.run("curl", &["-s", "-0", "-o", "/dev/null", &url("/bytes/12")]);
    compare_script("node, every shape", &server, daemon, 10, 4);
}

#[test]
fn many_connections_on_one_thread() {
    let Some(_host) = Host::claim(&["node", "ab"]) else {
        return;
    };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let server = Script::node(&net, LOCALHOST, 18202);
    net.run(
        "ab",
        &["-q", "-k", "-n", "1000", "-c", "10", "http://127.0.0.1:18202/bytes/100"],
    );
    compare_script("node, ab with keep-alive", &server, daemon, 1000, 10);
}
