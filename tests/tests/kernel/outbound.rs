//! Connections to hosts that are not this one: a TCP stack behind a TUN device keeps the other end's count.

use monitor_tests::host::executable;
use monitor_tests::remote::{HTTP, SINK};
use monitor_tests::{Field, Host, Launch, Namespace, Remote};

use crate::zone;

#[test]
fn a_download_is_an_outbound_flow_and_a_client_transaction() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    net.run("curl", &["-s", "-o", "/dev/null", "http://198.51.100.7/100000"]);
    let counts = remote.ended();
    daemon.wait_for_http(HTTP, 1);
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    let close = records.close(counts.client_port);
    close.expect("/direction", "outbound");
    close.expect("/local/ip", "192.0.2.1");
    close.expect("/remote/ip", "198.51.100.7");
    close.expect("/remote/port", HTTP);
    close.expect("/bytes_sent", counts.read);
    close.expect("/bytes_received", counts.written);
    close.expect("/bytes_acked", counts.read);
    close.expect("/process/name", "curl");
    close.expect("/process/exe", executable("curl"));
    close.expect("/app", "http1");
    assert_eq!(close.get("peer_process"), None, "{close}");
    let record = records.transaction(HTTP);
    record.expect("/role", "client");
    record.expect("/complete", true);
    record.expect("/process/name", "curl");
    record.expect("/request/target", "/100000");
    record.expect("/response/body_bytes", 100_000);
    assert_eq!(record.text("/flow"), close.text("/flow"));
}

#[test]
fn an_upload_to_a_server_that_is_silent() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    let script = format!(
        "import socket; s = socket.create_connection(('203.0.113.9', {SINK})); s.sendall(b'\\xff' * 700000); s.close()"
    );
    net.run("python3", &["-c", &script]);
    let counts = remote.ended();
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    assert_eq!(counts.read, 700_000);
    let close = records.close(counts.client_port);
    close.expect("/direction", "outbound");
    close.expect("/bytes_sent", 700_000);
    close.expect("/bytes_received", 0);
    close.expect("/end_reason", "fin_local");
    assert_eq!(records.http(SINK).len(), 0);
}

#[test]
fn a_refused_connection() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let net = Namespace::new();
    let (_remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    // The remote host answers SYNs to other ports with a RST.
    let refused = net
        .command("curl")
        .args(["-s", "http://198.51.100.7:81/"])
        .status()
        .expect("run curl");
    // curl(1): "Failed to connect to host".
    assert_eq!(refused.code(), Some(7));
    daemon.wait_for_closes(81, 1);
    let records = daemon.stop();
    let close = records.close(81);
    close.expect("/direction", "outbound");
    close.expect("/end_reason", "refused");
    close.expect("/bytes_sent", 0);
    close.expect("/process/name", "curl");
}

#[test]
fn a_tls_client_hello() {
    let Some(_host) = Host::claim(&["curl"]) else { return };
    let net = Namespace::new();
    let (remote, mut daemon) = (Remote::start(&net, zone()), Launch::new().start());
    let resolve = format!("api.example.test:{SINK}:198.51.100.7");
    let url = format!("https://api.example.test:{SINK}/");
    let ended = net
        .command("curl")
        .args(["-s", "-m", "1", "--resolve", &resolve, &url])
        .status()
        .expect("run curl");
    // curl(1): "Operation timeout": nobody answers.
    assert_eq!(ended.code(), Some(28));
    let counts = remote.ended();
    daemon.wait_for_closes(counts.client_port, 1);
    let records = daemon.stop();
    let hello = records
        .of("tls")
        .find(|record| record.text("/server_name") == Some("api.example.test"));
    let hello = hello.expect("a tls record");
    hello.expect("/direction", "outbound");
    assert!(hello.list("/alpn").contains(&"http/1.1"), "{hello}");
    let close = records.close(counts.client_port);
    close.expect("/app", "tls");
    close.expect("/remote/name", "api.example.test");
    close.expect("/remote/name_source", "sni");
    close.expect("/bytes_sent", counts.read);
    assert_eq!(close.text("/flow"), hello.text("/flow"));
}
