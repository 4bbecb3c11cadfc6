//! Other watchers, beside the same load.

use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::host::{find, tool};
use crate::namespace::Namespace;

/// A packet sniffer or tracer that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Every packet of loopback, whole, written nowhere.
    Tcpdump,
    /// Every packet through its protocol parsers, without rules; its log of transactions goes nowhere.
    Suricata,
    /// A count of `tcp_sendmsg` and `tcp_recvmsg` by process and their bytes: the least that a tracer does.
    Bpftrace,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcpdump, Self::Suricata, Self::Bpftrace];

    /// Its name, which is that of its program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcpdump => "tcpdump",
            Self::Suricata => "suricata",
            Self::Bpftrace => "bpftrace",
        }
    }

    /// Whether it is installed here.
    pub fn is_here(self) -> bool {
        find(self.name()).is_some()
    }

    /// Until it is at work, after it was started.
    const fn settles(self) -> Duration {
        match self {
            Self::Tcpdump => Duration::from_millis(500),
            // Measured: seven seconds to start (7.0.10, no rules), three more of bpftrace to compile.
            Self::Suricata => Duration::from_secs(10),
            Self::Bpftrace => Duration::from_secs(4),
        }
    }

    fn command(self, net: &Namespace, logs: &str) -> Command {
        let mut command = net.command(tool(self.name()));
        match self {
            Self::Tcpdump => command.args(["-i", "lo", "-w", "/dev/null", "-B", "16384"]),
            Self::Suricata => command.args(["--af-packet=lo", "-S", "/dev/null", "-l", logs, "--runmode", "workers"]),
            Self::Bpftrace => command.args([
                "-e",
                "kprobe:tcp_sendmsg,kprobe:tcp_recvmsg { @[probe, pid] = count(); @bytes[probe, pid] = sum(arg2); }",
            ]),
        };
        command
    }

    /// Does `work` beside it.
    #[track_caller]
    pub(super) fn beside<T>(self, net: &Namespace, work: impl FnOnce() -> T) -> T {
        let logs = tempfile::tempdir().expect("a directory for logs");
        let mut command = self.command(net, &logs.path().to_string_lossy());
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Running(
            silent
                .spawn()
                .unwrap_or_else(|error| panic!("{}: {error}", self.name())),
        );
        std::thread::sleep(self.settles());
        let outcome = work();
        drop(running);
        outcome
    }
}

/// Ended when dropped, also by a failure.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.0.wait();
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|peer| peer.name() == name)
            .ok_or_else(|| format!("no watcher is called {name}: {known}"))
    }
}
