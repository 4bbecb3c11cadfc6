//! nginx with a directory of its own, whose access log is an independent truth.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::host::{executable, tool};
use crate::namespace::Namespace;
use crate::records::Field;
use crate::truth::{Transaction, Truth};
use crate::wait;

/// To bind, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How an nginx is to run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Port, also the key by which records are found.
    pub port: u16,
    /// Arguments of `listen` after the port: `deferred`, `fastopen=16`.
    pub listen: &'static str,
    /// Address to listen on.
    pub address: &'static str,
    /// Worker processes.
    pub workers: u8,
    /// Whether files are sent by sendfile(2).
    pub sendfile: bool,
    /// Whether it keeps the log that makes it a truth; a benchmark does without.
    pub access_log: bool,
    /// Port of a server on the same address that it stands before; then it serves no files.
    pub proxied: Option<u16>,
    /// Sizes of the files to serve; each is served as `/SIZE`.
    pub files: &'static [u64],
}

impl Setup {
    /// One worker, 612-byte file (the size of nginx's own welcome page), on 127.0.0.1.
    pub fn on(port: u16) -> Self {
        Self {
            port,
            listen: "",
            address: "127.0.0.1",
            workers: 1,
            sendfile: true,
            access_log: true,
            proxied: None,
            files: &[612],
        }
    }

    /// Starts it in the namespace, and waits until it listens.
    #[track_caller]
    pub fn start(self, namespace: &Namespace) -> Nginx {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Workers run as nobody and must reach the files.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("open the directory");
        for size in self.files {
            let file = File::create(directory.path().join(size.to_string())).expect("a file to serve");
            file.set_len(*size).expect("a file of that size");
        }
        fs::write(directory.path().join("nginx.conf"), self.configuration()).expect("write nginx.conf");
        let mut command = namespace.command(tool("nginx"));
        command
            .arg("-p")
            .arg(directory.path())
            .args(["-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]);
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let nginx = Nginx {
            setup: self,
            directory,
            child,
        };
        // nginx writes its pid once every socket listens; a probing connection would be a flow of its own.
        wait::until("nginx to listen", PATIENCE, || {
            fs::read_to_string(nginx.path("nginx.pid"))
                .ok()
                .filter(|text| !text.is_empty())
        });
        nginx
    }

    fn configuration(&self) -> String {
        let Self {
            port,
            listen,
            address,
            workers,
            ..
        } = self;
        let sendfile = if self.sendfile { "on" } else { "off" };
        // As its manual has it: what the client says of others before it, and the client.
        let proxy = self.proxied.map_or_else(String::new, |port| {
            format!(
                "location / {{ proxy_pass http://{address}:{port}; proxy_http_version 1.1; \
                 proxy_set_header Connection \"\"; proxy_set_header Host $host; \
                 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }}"
            )
        });
        let access_log = if self.access_log { "access.log truth" } else { "off" };
        format!(
            r#"user nobody nogroup;
worker_processes {workers};
pid nginx.pid;
worker_rlimit_nofile 16384;
events {{ worker_connections 12288; }}
http {{
    log_format truth escape=json '{{"method":"$request_method","target":"$request_uri","status":$status,'
        '"bytes_sent":$bytes_sent,"body_bytes_sent":$body_bytes_sent,"request_length":$request_length,'
        '"connection":$connection,"client_port":$remote_port,"time":$msec,"seconds":$request_time,"pid":$pid}}';
    access_log {access_log};
    sendfile {sendfile};
    tcp_nodelay on;
    keepalive_requests 10000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    large_client_header_buffers 8 32k;
    server {{
        listen {address}:{port} {listen};
        root .;
        # Reads a body of up to 10 MiB whole, and answers as for the file.
        location = /upload {{
            client_max_body_size 0;
            client_body_buffer_size 11m;
            proxy_pass_request_body off;
            proxy_method GET;
            proxy_set_header Content-Length "";
            proxy_pass http://{address}:{port}/612;
        }}
        {proxy}
    }}
}}
"#
        )
    }
}

/// A running nginx; ended when dropped.
#[derive(Debug)]
pub struct Nginx {
    setup: Setup,
    directory: TempDir,
    child: Child,
}

impl Nginx {
    /// Waits until the log has at least `lines`, ends the server, and gives its account.
    #[track_caller]
    pub fn truth(mut self, lines: usize) -> Truth {
        wait::until(&format!("{lines} lines of nginx's log"), PATIENCE, || {
            (self.log().len() >= lines).then_some(())
        });
        // Requests that a client has left behind are logged by then too.
        self.end();
        let mut truth = Truth {
            port: self.setup.port,
            name: "nginx".to_owned(),
            exe: executable("nginx"),
            ..Truth::default()
        };
        let mut last_serial = BTreeMap::new();
        for line in self.log() {
            let number = |path: &str| line.number(path).unwrap_or_else(|| panic!("{path} of {line}"));
            let client_port = line.port("/client_port").expect("a client port");
            let (sent, body, received) = (
                number("/bytes_sent"),
                number("/body_bytes_sent"),
                number("/request_length"),
            );
            let connections = truth.connections.entry(client_port).or_default();
            // `$connection` is a serial number: a port that comes again has another.
            if last_serial.insert(client_port, number("/connection")) != Some(number("/connection")) {
                connections.push((0, 0));
            }
            if let Some((all_read, all_written)) = connections.last_mut() {
                *all_read += received;
                *all_written += sent;
            }
            truth.transactions.push(Transaction {
                client_port,
                method: line.text("/method").unwrap_or_default().to_owned(),
                target: line.text("/target").unwrap_or_default().to_owned(),
                status: u16::try_from(number("/status")).expect("a status code"),
                request: Some(received),
                response_header: Some(sent - body),
                response_body: Some(body),
                pid: Some(number("/pid")),
                ..Transaction::default()
            });
        }
        truth
    }

    /// Lines of the access log so far.
    #[track_caller]
    pub fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("access.log")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // The master ends its workers; killing the master alone would leave them.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        if wait::at_most(PATIENCE, || self.child.try_wait().ok().flatten()).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!(
                "--- nginx ---\n{}---",
                fs::read_to_string(self.path("error.log")).unwrap_or_default()
            );
        }
    }
}
