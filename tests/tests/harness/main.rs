//! The harness itself: the truths are true before anything is compared with them. No daemon takes part.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::Output;

use monitor_tests::nginx::Setup;
use monitor_tests::peer::{Behaviour, exchange};
use monitor_tests::remote::{HTTP, RESOLVER};
use monitor_tests::resolver::{Resolver, Zone};
use monitor_tests::{ChildCgroup, Host, Namespace, Peer, Remote, Script, namespace};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn nginx_tells_what_curl_counted() {
    let Some(_host) = Host::claim_without_daemon(&["nginx", "curl"]) else {
        return;
    };
    let net = Namespace::new();
    let nginx = Setup::on(17001).start(&net);
    let client = net.run(
        "curl",
        &["-s", "-o", "/dev/null", "-w", COUNTS, "http://127.0.0.1:17001/612"],
    );
    let truth = nginx.truth(1);
    let [transaction] = truth.transactions.as_slice() else {
        panic!("{truth:?}")
    };
    let counted = format!(
        "{} {} {} {}",
        transaction.request.unwrap_or(0),
        transaction.response_header.unwrap_or(0),
        transaction.response_body.unwrap_or(0),
        transaction.client_port
    );
    assert_eq!(text(&client), counted);
    assert_eq!(truth.connections(), 1);
}

#[test]
fn python_tells_what_curl_counted() {
    let Some(_host) = Host::claim_without_daemon(&["python3", "curl"]) else {
        return;
    };
    let net = Namespace::new();
    let server = Script::python(&net, LOCALHOST, 17002);
    let client = net.run(
        "curl",
        &[
            "-s",
            "-o",
            "/dev/null",
            "-w",
            COUNTS,
            "http://127.0.0.1:17002/bytes/70000",
            "--next",
            "-s",
            "-o",
            "/dev/null",
            "-I",
            "-w",
            COUNTS,
            "http://127.0.0.1:17002/bytes/70000",
        ],
    );
    let truth = server.truth(2, 1);
    let counted = truth.transactions.iter().map(|transaction| {
        let number = |count: Option<u64>| count.expect("Python counts everything");
        assert_eq!(number(transaction.request_body), 0);
        let (request, header) = (number(transaction.request_header), number(transaction.response_header));
        let body = number(transaction.response_body);
        format!("{request} {header} {body} {}", transaction.client_port)
    });
    assert_eq!(text(&client), counted.collect::<String>());
    let (read, written) = truth.connections[&truth.transactions[0].client_port][0];
    let sum = |count: fn(&monitor_tests::Transaction) -> Option<u64>| {
        truth.transactions.iter().filter_map(count).sum::<u64>()
    };
    assert_eq!(read, sum(|transaction| transaction.request_header));
    assert_eq!(
        written,
        sum(|transaction| transaction.response_header) + sum(|transaction| transaction.response_body)
    );
}

#[test]
fn python_reads_chunked_uploads_with_their_framing() {
    let Some(_host) = Host::claim_without_daemon(&["python3", "curl"]) else {
        return;
    };
    let net = Namespace::new();
    let server = Script::python(&net, LOCALHOST, 17003);
    let client = net.run(
        "curl",
        &[
            "-s",
            "-H",
            "Transfer-Encoding: chunked",
            "-d",
            "0123456789",
            "http://127.0.0.1:17003/upload",
        ],
    );
    assert_eq!(text(&client), "10");
    let truth = server.truth(1, 1);
    // "a\r\n" + 10 bytes + "\r\n" + "0\r\n\r\n"
    assert_eq!(truth.transactions[0].request_body, Some(20));
}

#[test]
fn node_tells_what_curl_counted() {
    let Some(_host) = Host::claim_without_daemon(&["node", "curl"]) else {
        return;
    };
    let net = Namespace::new();
    let server = Script::node(&net, LOCALHOST, 17004);
    let client = net.run(
        "curl",
        &[
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{size_request} %{local_port}",
            "http://127.0.0.1:17004/bytes/300",
        ],
    );
    let truth = server.truth(1, 1);
    let transaction = &truth.transactions[0];
    assert_eq!(
        text(&client),
        format!("{} {}", transaction.request.unwrap_or(0), transaction.client_port)
    );
    let (read, written) = truth.connections[&transaction.client_port][0];
    assert_eq!((Some(read), Some(written)), (transaction.request, transaction.response));
}

#[test]
fn both_ends_of_an_exchange_agree() {
    let Some(_host) = Host::claim_without_daemon(&[]) else {
        return;
    };
    let (left, right) = Namespace::pair("10.98.0.");
    let address = SocketAddr::from(([10, 98, 0, 2], 17005));
    let peer = Peer::start(&right, address, Behaviour::Exchange(3_000_000), 1);
    let stream = left.inside(|| TcpStream::connect(address)).expect("connect over veth");
    let (read, written) = exchange(&stream, 2_000_000);
    let counts = peer.ended();
    assert_eq!((counts.read, counts.written), (written, read));
    assert_eq!((read, written), (3_000_000, 2_000_000));
}

#[test]
fn remote_hosts_answer_by_name() {
    let Some(_host) = Host::claim_without_daemon(&["curl"]) else {
        return;
    };
    let net = Namespace::new();
    let remote = Remote::start(&net, zone());
    net.resolve_by(IpAddr::V4(RESOLVER));
    let client = net.run(
        "curl",
        &["-s", "-o", "/dev/null", "-w", COUNTS, "http://api.example.test/100000"],
    );
    let counts = remote.ended();
    assert_eq!((counts.address, counts.port), (Ipv4Addr::new(198, 51, 100, 7), HTTP));
    let header = counts.written - 100_000;
    assert_eq!(
        text(&client),
        format!("{} {header} 100000 {}", counts.read, counts.client_port)
    );
    let again = net.run(
        "curl",
        &[
            "-s",
            "-o",
            "/dev/null",
            "-w",
            COUNTS,
            "-d",
            "0123456789",
            "http://api.example.test/5",
        ],
    );
    let counts = remote.ended();
    // curl counts a body that goes out with its header as part of the request.
    assert_eq!(
        text(&again),
        format!("{} {} 5 {}", counts.read, counts.written - 5, counts.client_port)
    );
}

#[test]
fn a_local_resolver_answers() {
    let Some(_host) = Host::claim_without_daemon(&["getent"]) else {
        return;
    };
    let net = Namespace::new();
    // getent asks for addresses of families that the namespace has, and loopback does not count (AI_ADDRCONFIG).
    net.ip(&["address", "add", "10.98.1.1/32", "dev", "lo"]);
    let _resolver = Resolver::start(&net, SocketAddr::from(([127, 0, 0, 1], 53)), zone());
    net.resolve_by(LOCALHOST);
    let found = net.run("getent", &["ahostsv4", "api.example.test"]);
    assert!(text(&found).starts_with("198.51.100.7 "), "{found:?}");
    let unknown = net
        .command("getent")
        .args(["ahostsv4", "other.example.test"])
        .output()
        .expect("run getent");
    assert!(!unknown.status.success());
}

#[test]
fn a_command_enters_its_cgroup() {
    let Some(_host) = Host::claim_without_daemon(&["cat"]) else {
        return;
    };
    let (net, cgroup) = (Namespace::new(), ChildCgroup::new("pod/one"));
    let mut command = net.command("cat");
    let entered = namespace::succeed(&mut cgroup.enter(command.arg("/proc/self/cgroup")));
    assert!(
        text(&entered)
            .lines()
            .any(|line| line == format!("0::{}", cgroup.name())),
        "{entered:?}"
    );
}

/// What curl itself counted: request, response header, response body, and the port that names the connection.
const COUNTS: &str = "%{size_request} %{size_header} %{size_download} %{local_port}";

fn zone() -> Zone {
    Zone::from([("api.example.test", Ipv4Addr::new(198, 51, 100, 7))])
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
