//! Python's and Node's own HTTP servers, run by the scripts in `servers/`, whose logs are independent truths.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::host::{executable, tool};
use crate::namespace::Namespace;
use crate::records::Field;
use crate::truth::{Transaction, Truth};
use crate::wait;

/// For a line that belongs to traffic that has passed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Script {
    interpreter: &'static str,
    port: u16,
    directory: TempDir,
    child: Child,
}

impl Script {
    /// Python's `http.server`, a thread a connection.
    #[track_caller]
    pub fn python(namespace: &Namespace, address: IpAddr, port: u16) -> Self {
        Self::start("python3", "server.py", namespace, address, port)
    }

    /// An API with weaknesses, on Python's `http.server`. It keeps no log.
    #[track_caller]
    pub fn shop(namespace: &Namespace, address: IpAddr, port: u16) -> Self {
        Self::start("python3", "shop.py", namespace, address, port)
    }

    /// Node's `http`, one thread for all.
    #[track_caller]
    pub fn node(namespace: &Namespace, address: IpAddr, port: u16) -> Self {
        Self::start("node", "server.js", namespace, address, port)
    }

    #[track_caller]
    fn start(interpreter: &'static str, script: &str, namespace: &Namespace, address: IpAddr, port: u16) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(script);
        let mut command = namespace.command(tool(interpreter));
        command
            .arg(path)
            .arg(address.to_string())
            .arg(port.to_string())
            .arg(directory.path().join("log"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut ready = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output)
            .read_line(&mut ready)
            .expect("the server's first line");
        assert_eq!(ready, "ready\n", "{script} did not start");
        Self {
            interpreter,
            port,
            directory,
            child,
        }
    }

    /// Process id, which `ip netns exec` hands on.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the log tells of so many transactions and ended connections, and gives the server's account.
    #[track_caller]
    pub fn truth(&self, transactions: usize, connections: usize) -> Truth {
        let what = format!(
            "{transactions} transactions and {connections} ended connections in {}'s log",
            self.interpreter
        );
        wait::until(&what, PATIENCE, || {
            let truth = self.account();
            (truth.transactions.len() >= transactions && truth.connections() >= connections).then_some(truth)
        })
    }

    /// Lines of the log so far.
    #[track_caller]
    pub fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.log_path()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn account(&self) -> Truth {
        let mut truth = Truth {
            port: self.port,
            name: if self.interpreter == "node" {
                "node".to_owned()
            } else {
                "python3".to_owned()
            },
            exe: executable(self.interpreter),
            ..Truth::default()
        };
        for line in self.log() {
            if let Some(client_port) = line.port("/connection") {
                let counts = line.number("/bytes_read").zip(line.number("/bytes_written"));
                let ended = truth.connections.entry(client_port).or_default();
                ended.push(counts.expect("counts of the connection"));
                continue;
            }
            truth.transactions.push(Transaction {
                client_port: line.port("/client_port").expect("a client port"),
                method: line.text("/method").unwrap_or_default().to_owned(),
                target: line.text("/target").unwrap_or_default().to_owned(),
                status: line.port("/status").expect("a status code"),
                request_header: line.number("/request_header_bytes"),
                request_body: line.number("/request_body_bytes"),
                request: line.number("/request_bytes"),
                response_header: line.number("/response_header_bytes"),
                response_body: line.number("/response_body_bytes"),
                response: line.number("/response_bytes"),
                pid: line.number("/pid"),
            });
        }
        truth
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
