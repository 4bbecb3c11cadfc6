//! tcpdump in a namespace: every packet whole, in a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::host::tool;
use crate::namespace::Namespace;
use crate::wait;

/// To start, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the kernel keeps for it, KiB: all that a test sends.
const BUFFER_KIB: &str = "131072";

/// A capture that runs; ended when dropped.
#[derive(Debug)]
pub struct Dump {
    directory: TempDir,
    child: Child,
}

impl Dump {
    /// Captures on a device of the namespace; each packet is in the file as soon as it has passed.
    #[track_caller]
    pub fn start(namespace: &Namespace, device: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = namespace.command(tool("tcpdump"));
        command.args([
            "-i",
            device,
            "-s",
            "0",
            "-B",
            BUFFER_KIB,
            "-U",
            "--immediate-mode",
            "-Z",
            "root",
            "-w",
        ]);
        command.arg(directory.path().join("capture.pcap"));
        let errors = File::create(directory.path().join("stderr")).expect("a file for standard error");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn();
        let dump = Self {
            child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")),
            directory,
        };
        wait::until("tcpdump to listen", PATIENCE, || {
            dump.said().contains("listening on").then_some(())
        });
        dump
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("capture.pcap")
    }

    /// Ends it, and sees that it had every packet.
    #[track_caller]
    pub fn end(&mut self) {
        self.stop();
        let said = self.said();
        assert!(said.contains("\n0 packets dropped by kernel"), "tcpdump said: {said}");
    }

    fn said(&self) -> String {
        fs::read_to_string(self.directory.path().join(Path::new("stderr"))).unwrap_or_default()
    }

    fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        if wait::at_most(PATIENCE, || self.child.try_wait().ok().flatten()).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        self.stop();
    }
}
