//! A server that several processes share, which says in each answer which of them was first to read from the request;
//! and a client that asks it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::host::tool;
use crate::namespace::Namespace;
use crate::records::{Field, Records};
use crate::running::Running;

/// For an answer on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running server; killed when dropped, with all its processes.
#[derive(Debug)]
pub struct Shared {
    server: Running,
}

impl Shared {
    /// The command that runs the script in this mode.
    #[track_caller]
    pub fn command(namespace: &Namespace, mode: &str, address: IpAddr, port: u16) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/shared.py");
        let mut command = namespace.command(tool("python3"));
        command
            .arg(script)
            .args([mode, &address.to_string(), &port.to_string()]);
        command
    }

    /// Starts it, and waits until it listens.
    #[track_caller]
    pub fn start(namespace: &Namespace, mode: &str, address: IpAddr, port: u16) -> Self {
        Self::run(Self::command(namespace, mode, address, port))
    }

    /// Starts a command that runs it somehow.
    #[track_caller]
    pub fn run(mut command: Command) -> Self {
        let mut server = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut ready = String::new();
        let output = server.stdout.take().expect("a pipe");
        BufReader::new(output)
            .read_line(&mut ready)
            .expect("the server's first line");
        assert_eq!(ready, "ready\n", "{command:?} did not start");
        Self { server }
    }

    /// Process id of the first of its processes.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Port of the client.
    pub client_port: u16,
    /// What was asked for; another with each request.
    pub target: String,
    /// The pid in it.
    pub pid: u64,
}

/// Asks so many times on one connection made in the namespace.
#[track_caller]
pub fn ask(namespace: &Namespace, server: SocketAddr, times: usize) -> Vec<Answer> {
    let mut stream = namespace
        .inside(|| TcpStream::connect_timeout(&server, PATIENCE))
        .unwrap_or_else(|error| panic!("{server}: {error}"));
    stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
    let client_port = stream.local_addr().expect("an address").port();
    let mut answers = Vec::new();
    for time in 0..times {
        let target = format!("/{client_port}/{time}");
        let last = if time + 1 == times { "Connection: close\r\n" } else { "" };
        let request = format!("GET {target} HTTP/1.1\r\nHost: shared.test\r\n{last}\r\n");
        stream.write_all(request.as_bytes()).expect("ask");
        answers.push(Answer {
            client_port,
            target,
            pid: pid_in(&stream),
        });
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
    answers
}

/// Reads one response: its body is a pid.
#[track_caller]
fn pid_in(mut stream: &TcpStream) -> u64 {
    let mut response = String::new();
    let mut piece = [0; 1024];
    loop {
        let count = stream.read(&mut piece).expect("an answer");
        assert!(count > 0, "the connection ended in {response:?}");
        response.push_str(&String::from_utf8_lossy(&piece[..count]));
        let Some((head, body)) = response.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        });
        if length.is_none_or(|length: usize| body.len() >= length) {
            return body.parse().unwrap_or_else(|error| panic!("{error}: {response:?}"));
        }
    }
}

/// Every answer is one transaction of the server on `port`, of the process that it says.
#[track_caller]
pub fn check(records: &Records, port: u16, answers: &[Answer]) {
    let http = records.http(port);
    assert_eq!(http.len(), answers.len(), "transactions on port {port}: {http:#?}");
    for answer in answers {
        let record = http
            .iter()
            .find(|record| record.text("/request/target") == Some(&answer.target))
            .unwrap_or_else(|| panic!("no record of {answer:?}"));
        record.expect("/role", "server");
        record.expect("/client/port", answer.client_port);
        record.expect("/process/pid", answer.pid);
    }
}
