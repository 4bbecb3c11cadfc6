//! Servers of several processes: each transaction is of the process that was first to read it, by its own answer.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use monitor_tests::host::{executable, tool};
use monitor_tests::nginx::Setup;
use monitor_tests::shared::{Answer, Shared, ask, check};
use monitor_tests::{ChildCgroup, Field, Host, Launch, Namespace, Records, Running, wait};
use serde_json::Value;

use crate::{LOCALHOST, compare_nginx, here};

/// The user that `servers/shared.py` becomes.
const STRANGER: u64 = 61_234;
/// For a server to start, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn preforked_workers() {
    let Some(told) = told("prefork") else {
        return;
    };
    told.by_several();
    told.one_owner_a_flow();
}

#[test]
fn workers_with_a_socket_each() {
    let Some(told) = told("reuseport") else {
        return;
    };
    told.by_several();
    told.one_owner_a_flow();
}

#[test]
fn threads_are_their_process() {
    let Some(told) = told("threads") else {
        return;
    };
    assert_eq!(told.pids().len(), 1);
    told.one_owner_a_flow();
}

#[test]
fn accepted_by_one_and_served_by_another() {
    let Some(told) = told("dispatched") else {
        return;
    };
    told.by_several();
    told.one_owner_a_flow();
}

#[test]
fn each_request_of_a_connection_by_another_process() {
    let Some(told) = told("in_turns") else {
        return;
    };
    assert_eq!(told.pids().len(), 2);
    for close in told.records.closes(18_505) {
        // The first, and who read the end.
        let first = told
            .answers
            .iter()
            .find(|answer| Some(answer.client_port) == close.port("/remote/port"));
        close.expect("/process/pid", first.expect("an answer").pid);
        assert_ne!(
            close.number("/last_process/pid"),
            close.number("/process/pid"),
            "{close:#}"
        );
        assert!(close.get("last_process").is_some(), "{close:#}");
    }
}

#[test]
fn handed_on_in_the_midst_of_a_request() {
    let Some(told) = told("midway") else {
        return;
    };
    // Who began to read each of them.
    assert_eq!(told.pids().len(), 1);
}

#[test]
fn a_socket_inherited_as_from_systemd() {
    let Some(told) = told("inherited") else {
        return;
    };
    assert_eq!(told.pids().len(), 1);
    assert_ne!(*told.pids().first().expect("a pid"), u64::from(told.first_pid));
    told.one_owner_a_flow();
}

#[test]
fn another_user_from_the_accept_on() {
    let Some(told) = told("other_user_before") else {
        return;
    };
    for record in told.records.http(18_508) {
        record.expect("/process/uid", STRANGER);
    }
}

#[test]
fn another_user_from_the_first_request_on() {
    let Some(told) = told("other_user_after") else {
        return;
    };
    // The user of the moment when the process came to the connection.
    for record in told.records.http(18_509) {
        record.expect("/process/uid", 0);
    }
}

#[test]
fn nginx_with_several_workers() {
    let Some(_host) = Host::claim(&["nginx"]) else { return };
    let (net, daemon) = (Namespace::new(), Launch::new().start());
    let nginx = Setup {
        workers: 4,
        ..Setup::on(18_510)
    }
    .start(&net);
    // All open at once, so that no worker takes them all.
    let streams: Vec<TcpStream> = (0..32)
        .map(|_| net.inside(|| TcpStream::connect(here(18_510))).expect("connect"))
        .collect();
    for stream in &streams {
        use std::io::{Read as _, Write as _};
        let mut stream = stream;
        write!(stream, "GET /612 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("ask");
        stream.read_to_end(&mut Vec::new()).expect("an answer");
    }
    drop(streams);
    // Compares the process of each transaction with nginx's log.
    let records = compare_nginx("nginx with four workers", nginx, daemon, 32);
    let pids: BTreeSet<_> = records.http(18_510).iter().map(|r| r.number("/process/pid")).collect();
    println!("{} workers served", pids.len());
}

#[test]
fn gunicorn_with_sync_workers() {
    let Some(_host) = Host::claim(&["gunicorn"]) else {
        return;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let application = "import os
def app(environ, start_response):
    body = str(os.getpid()).encode()
    start_response('200 OK', [('Content-Length', str(len(body)))])
    return [body]
";
    fs::write(directory.path().join("application.py"), application).expect("write the application");
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let pid_file = directory.path().join("pid");
    let mut command = net.command(tool("gunicorn"));
    command
        .args([
            "--workers",
            "3",
            "--bind",
            "127.0.0.1:18511",
            "--log-level",
            "error",
            "--pid",
        ])
        .arg(&pid_file)
        .arg("--chdir")
        .arg(directory.path())
        .arg("application:app");
    let server = Running::start(command.stdin(Stdio::null()));
    // Its workers accept some time after the socket listens.
    let listens = || {
        let listening = fs::read_to_string(format!("/proc/{}/net/tcp", server.id())).unwrap_or_default();
        listening.contains(":484F 00000000:0000 0A").then_some(())
    };
    wait::until("gunicorn to listen", PATIENCE, listens);
    let answers: Vec<Answer> = (0..12).flat_map(|_| ask(&net, here(18_511), 1)).collect();
    daemon.wait_for_http(18_511, answers.len());
    daemon.wait_for_closes(18_511, answers.len());
    let records = daemon.stop();
    // The arbiter ends its workers.
    let arbiter = rustix::process::Pid::from_child(&server);
    let _ = rustix::process::kill_process(arbiter, rustix::process::Signal::TERM);
    let mut server = server;
    wait::until("gunicorn to end", PATIENCE, || server.try_wait().ok().flatten());
    check(&records, 18_511, &answers);
    for record in records.http(18_511) {
        record.expect("/process/name", "gunicorn");
        record.expect("/process/exe", executable("python3"));
        assert_ne!(
            record.number("/process/pid"),
            Some(u64::from(server.id())),
            "the arbiter: {record}"
        );
    }
}

#[test]
fn a_server_in_a_container_with_pids_of_its_own() {
    let Some(_host) = Host::claim(&["python3", "unshare", "sh"]) else {
        return;
    };
    let id = "0af7651916cd43dd8448eb211c80319c0af7651916cd43dd8448eb211c80319c";
    let cgroup = ChildCgroup::new(&format!("docker/{id}"));
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let mut command = net.command(tool("unshare"));
    command.args(["--pid", "--fork", "--kill-child"]);
    command.arg(tool("python3"));
    command.args(
        Shared::command(&net, "prefork", LOCALHOST, 18_512)
            .get_args()
            // `netns exec NAME python3`
            .skip(4),
    );
    let server = Shared::run(cgroup.enter(&command));
    let answers: Vec<Answer> = (0..6).flat_map(|_| ask(&net, here(18_512), 1)).collect();
    let hosts: Vec<(u64, u64)> = pids_inside();
    daemon.wait_for_http(18_512, answers.len());
    daemon.wait_for_closes(18_512, answers.len());
    drop(server);
    let records = daemon.stop();
    let http = records.http(18_512);
    assert_eq!(http.len(), answers.len());
    for answer in &answers {
        let record = http
            .iter()
            .find(|record| record.text("/request/target") == Some(&answer.target));
        let record = record.unwrap_or_else(|| panic!("no record of {answer:?}"));
        // The answer's pid is the inner one.
        record.expect("/process/namespace_pid", answer.pid);
        let host = record.number("/process/pid").expect("a pid");
        assert!(hosts.contains(&(host, answer.pid)), "{hosts:?} {record:#}");
        assert_ne!(host, answer.pid);
        record.expect("/process/container", id);
        record.expect("/process/cgroup", cgroup.name());
    }
}

#[test]
fn a_client_that_becomes_another_program() {
    let Some(_host) = Host::claim(&["python3", "sh"]) else {
        return;
    };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let server = Shared::start(&net, "threads", LOCALHOST, 18_513);
    let script = "import os, socket
s = socket.create_connection(('127.0.0.1', 18513))
os.set_inheritable(s.fileno(), True)
print(os.getpid(), s.getsockname()[1], flush=True)
request = r'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'
os.execv('/bin/sh', ['sh', '-c', f'printf \"{request}\" >&{s.fileno()}; read -r line <&{s.fileno()}'])";
    let output = net.run("python3", &["-c", script]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (pid, port) = text.trim().split_once(' ').expect("pid and port");
    daemon.wait_for_http(18_513, 1);
    daemon.wait_for_closes(18_513, 1);
    drop(server);
    let records = daemon.stop();
    let close = records.close(port.parse().expect("a port"));
    // The program that connected.
    close.expect("/peer_process/pid", pid.parse::<u64>().expect("a pid"));
    close.expect("/peer_process/exe", executable("python3"));
}

#[test]
fn clients_that_live_a_millisecond() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let server = Shared::start(&net, "threads", LOCALHOST, 18_514);
    let script = "import os, socket, time
for _ in range(50):
    begin = time.monotonic_ns()
    pid = os.fork()
    if pid == 0:
        s = socket.create_connection(('127.0.0.1', 18514))
        s.sendall(b'GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')
        os.write(1, b'%d %d\\n' % (os.getpid(), s.getsockname()[1]))
        os._exit(0)
    os.waitpid(pid, 0)
    print('#', time.monotonic_ns() - begin, flush=True)";
    let output = net.run("python3", &["-c", script]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (lives, clients): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
    println!(
        "shortest and longest life, ns: {:?}",
        (lives.iter().min(), lives.iter().max())
    );
    assert_eq!(clients.len(), 50);
    daemon.wait_for_closes(18_514, clients.len());
    drop(server);
    let records = daemon.stop();
    for client in clients {
        let (pid, port) = client.split_once(' ').expect("pid and port");
        let close = records.close(port.parse().expect("a port"));
        close.expect("/peer_process/pid", pid.parse::<u64>().expect("a pid"));
        close.expect("/peer_process/name", "python3");
        close.expect("/peer_process/exe", executable("python3"));
    }
}

/// What came of a server that several share.
struct Told {
    mode: &'static str,
    port: u16,
    records: Arc<Records>,
    answers: Vec<Answer>,
    /// The process that was started first.
    first_pid: u32,
}

impl Told {
    fn pids(&self) -> BTreeSet<u64> {
        self.answers.iter().map(|answer| answer.pid).collect()
    }

    #[track_caller]
    fn by_several(&self) {
        assert!(self.pids().len() > 1, "one served all: {:?}", self.answers);
    }

    /// The flow's process is the one of its transactions.
    #[track_caller]
    fn one_owner_a_flow(&self) {
        for answer in &self.answers {
            let closes = self.records.closes(self.port);
            let close = closes
                .iter()
                .find(|close| close.port("/remote/port") == Some(answer.client_port));
            let close: &Value = close.unwrap_or_else(|| panic!("no end of {answer:?}"));
            close.expect("/process/pid", answer.pid);
            assert_eq!(close.get("last_process"), None, "{close:#}");
        }
    }
}

/// Servers that `servers/shared.py` has, with the connections that are made to each, open at once, and the requests on each.
/// Of reuseport the kernel chooses by the client's port: 24 connections to one of three alone is one in 3^23.
const MODES: [(&str, u16, usize, usize); 9] = [
    ("prefork", 18_501, 12, 2),
    ("reuseport", 18_502, 24, 1),
    ("threads", 18_503, 6, 2),
    ("dispatched", 18_504, 9, 2),
    ("in_turns", 18_505, 4, 7),
    ("midway", 18_506, 4, 5),
    ("inherited", 18_507, 3, 2),
    ("other_user_before", 18_508, 2, 2),
    ("other_user_after", 18_509, 2, 2),
];

/// What came of the server in this mode, compared with its answers. All of them share one daemon, and the first test that
/// asks starts it.
#[track_caller]
fn told(mode: &str) -> Option<&'static Told> {
    static ALL: LazyLock<Option<Vec<Told>>> = LazyLock::new(all);
    let told = ALL.as_ref()?.iter().find(|told| told.mode == mode).expect("a mode");
    check(&told.records, told.port, &told.answers);
    Some(told)
}

fn all() -> Option<Vec<Told>> {
    let _host = Host::claim(&["python3"])?;
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let asked = MODES.map(|(mode, port, connections, requests)| {
        let server = Shared::start(&net, mode, LOCALHOST, port);
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..connections)
                .map(|_| scope.spawn(|| ask(&net, here(port), requests)))
                .collect();
            let answers = askers.into_iter().flat_map(|asker| asker.join().expect("answers"));
            answers.collect()
        });
        (server, answers)
    });
    for ((_, answers), (_, port, connections, _)) in asked.iter().zip(MODES) {
        daemon.wait_for_http(port, answers.len());
        daemon.wait_for_closes(port, connections);
    }
    let records = Arc::new(daemon.stop());
    assert_eq!(records.lost(), 0, "{}", records.stats());
    let told = asked
        .into_iter()
        .zip(MODES)
        .map(|((server, answers), (mode, port, ..))| Told {
            mode,
            port,
            records: Arc::clone(&records),
            answers,
            first_pid: server.pid(),
        });
    Some(told.collect())
}

/// Pids on the host and inside, of processes in other pid namespaces (`NSpid` in proc(5)).
fn pids_inside() -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let pids: Vec<u64> = pids
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
        if let [host, .., inside] = pids[..] {
            found.push((host, inside));
        }
    }
    found
}
