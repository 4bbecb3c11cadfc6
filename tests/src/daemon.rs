//! `monitor run` as a child of the test, and what it wrote.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::records::Records;
use crate::{control, wait};

/// Every type of record there is.
pub const ALL_RECORDS: &str = "http,flow,dns,tls,alert,incident,stats";
/// Loading and verifying the programs takes about a second here; other builds may hold both cores.
const START: Duration = Duration::from_secs(30);
/// To close the books after SIGTERM.
const STOP: Duration = Duration::from_secs(20);
/// For a record to come out after the traffic that it tells of.
const RECORD: Duration = Duration::from_secs(10);

/// The binary under test: `MONITOR_BIN`, else the one built beside the tests.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MONITOR_BIN") {
        return path.into();
    }
    // target/PROFILE/deps/TEST -> target/PROFILE/monitor
    let test = std::env::current_exe().unwrap_or_default();
    let profile = test.ancestors().nth(2).unwrap_or(Path::new("target/debug"));
    let beside = profile.join("monitor");
    let release = profile.with_file_name("release").join("monitor");
    if !beside.is_file() && release.is_file() {
        release
    } else {
        beside
    }
}

/// Whether the binary is a build without optimization, by the folder that cargo put it into. Its engine takes about ten
/// times as long, and a load generator at full speed shares two cores with it.
pub fn is_unoptimized() -> bool {
    binary().parent().is_some_and(|folder| folder.ends_with("debug"))
}

/// How a daemon is to be started; keep it to start another on the same state.
#[derive(Clone, Debug)]
pub struct Launch {
    directory: Rc<TempDir>,
    config: String,
    records: String,
    by_config: bool,
    empty_programs: bool,
    /// A command that ends with the daemon's own in its place.
    behind: Vec<String>,
}

impl Launch {
    /// In a directory of its own, with no configuration.
    #[track_caller]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self {
            directory: Rc::new(directory),
            config: String::new(),
            records: ALL_RECORDS.to_owned(),
            by_config: false,
            empty_programs: false,
            behind: Vec::new(),
        }
    }

    /// With this configuration (TOML).
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        text.clone_into(&mut self.config);
        self
    }

    /// With these types of record.
    #[must_use]
    pub fn records(mut self, list: &str) -> Self {
        list.clone_into(&mut self.records);
        self
    }

    /// With kernel programs that return at once.
    #[must_use]
    pub fn with_empty_programs(mut self) -> Self {
        self.empty_programs = true;
        self
    }

    /// Where records go is for the configuration to say, which then must name `records.jsonl`.
    #[must_use]
    pub fn output_by_config(mut self) -> Self {
        self.by_config = true;
        self
    }

    /// Started by this command, which is given the daemon's command line and becomes it (`setpriv`, `unshare`).
    #[must_use]
    pub fn behind(mut self, command: &[&str]) -> Self {
        self.behind = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// A path in the daemon's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The command line, not started.
    #[track_caller]
    pub fn command(&self) -> Command {
        let mut config = self.config.clone();
        if !config.contains("[budget]") {
            // A build that was not optimized costs more than any budget, and tests want to see everything.
            config.push_str("\n[budget]\ncpu_percent = 100\n");
        }
        fs::write(self.path("monitor.toml"), config).expect("write the configuration");
        let mut command = match self.behind.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        command.args(["run", "--records", &self.records]);
        for (flag, name) in [
            ("--config", "monitor.toml"),
            ("--output", "records.jsonl"),
            ("--socket", "socket"),
            ("--state", "state"),
        ] {
            if flag != "--output" || !self.by_config {
                command.arg(flag).arg(self.path(name));
            }
        }
        if self.empty_programs {
            command.arg("--empty-programs");
        }
        command
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    pub fn start(&self) -> Daemon {
        let _ = fs::remove_file(self.path("records.jsonl"));
        self.start_again()
    }

    /// Starts it on what another has written, and waits until it answers.
    #[track_caller]
    pub fn start_again(&self) -> Daemon {
        let mut daemon = self.spawn();
        wait::until("the daemon's first answer", START, || {
            if let Ok(Some(status)) = daemon.child.try_wait() {
                panic!("the daemon ended at once, {status}");
            }
            matches!(daemon.get("/v1/status"), Ok((200, _))).then_some(())
        });
        daemon
    }

    /// Starts it, and does not wait.
    #[track_caller]
    pub fn spawn(&self) -> Daemon {
        let errors = File::create(self.path("stderr")).expect("a file for standard error");
        let child = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", binary().display()));
        Daemon {
            launch: self.clone(),
            child,
            read: 0,
            partial: Vec::new(),
            records: Records::default(),
        }
    }
}

impl Default for Launch {
    fn default() -> Self {
        Self::new()
    }
}

/// A running daemon. Stopped when dropped; if the test is failing then, its standard error is shown.
#[derive(Debug)]
pub struct Daemon {
    launch: Launch,
    child: Child,
    read: u64,
    partial: Vec<u8>,
    records: Records,
}

impl Daemon {
    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Path of the control socket.
    pub fn socket(&self) -> PathBuf {
        self.launch.path("socket")
    }

    /// Asks the control socket: status code and body.
    pub fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        control::get(&self.socket(), path)
    }

    /// Runs `monitor` with these arguments against this daemon.
    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--socket").arg(self.socket());
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// What it has written so far.
    #[track_caller]
    pub fn records(&mut self) -> &Records {
        self.catch_up();
        &self.records
    }

    /// Waits until the records satisfy `test`.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, test: impl Fn(&Records) -> bool) -> &Records {
        if wait::at_most(RECORD, || test(self.records()).then_some(())).is_none() {
            let tail = self
                .records
                .0
                .iter()
                .rev()
                .take(20)
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n");
            panic!("waited in vain for {what}; the last records, latest first:\n{tail}");
        }
        &self.records
    }

    /// Waits for `count` transactions with a server on `port`.
    #[track_caller]
    pub fn wait_for_http(&mut self, port: u16, count: usize) {
        self.wait_for(&format!("{count} transactions on port {port}"), |records| {
            records.http(port).len() >= count
        });
    }

    /// Waits for `count` ends of flows with `port`.
    #[track_caller]
    pub fn wait_for_closes(&mut self, port: u16, count: usize) {
        self.wait_for(&format!("{count} ends of flows with port {port}"), |records| {
            records.closes(port).len() >= count
        });
    }

    /// Stops it, and gives everything that it wrote.
    #[track_caller]
    pub fn stop(mut self) -> Records {
        let status = self.end().expect("the daemon ends within its time after SIGTERM");
        assert!(status.success(), "the daemon ended with {status}");
        self.catch_up();
        std::mem::take(&mut self.records)
    }

    /// Kills it as `kill -9` does, and waits for its end.
    #[track_caller]
    pub fn kill(mut self) {
        self.child.kill().expect("kill the daemon");
        self.reap();
    }

    /// Waits for the end of a daemon that the test has killed.
    #[track_caller]
    pub fn reap(&mut self) {
        self.child.wait().expect("the daemon's end");
    }

    /// What it has said on standard error.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.launch.path("stderr")).unwrap_or_default()
    }

    fn end(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).ok()?;
        wait::at_most(STOP, || self.child.try_wait().ok().flatten())
    }

    /// Reads what has been appended since the last look; whole lines only.
    #[track_caller]
    fn catch_up(&mut self) {
        let Ok(mut file) = File::open(self.launch.path("records.jsonl")) else {
            return;
        };
        file.seek(SeekFrom::Start(self.read)).expect("seek in the records");
        self.read += file.read_to_end(&mut self.partial).expect("read the records") as u64;
        let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') else {
            return;
        };
        let rest = self.partial.split_off(end + 1);
        let lines = std::mem::replace(&mut self.partial, rest);
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record = serde_json::from_slice(line);
            self.records
                .0
                .push(record.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line))));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.end().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's standard error ---\n{}---", self.errors());
        }
    }
}
