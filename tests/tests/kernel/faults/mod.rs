//! What goes wrong around the daemon, and what comes of it: each fault has one outcome, and none is the daemon's end.

mod clients;
mod disks;
mod files;
mod kills;
mod places;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use monitor_tests::host::tool;
use monitor_tests::namespace::succeed;
use monitor_tests::{Daemon, Field, Namespace, wait};
use serde_json::Value;

/// For what the daemon does within a second or two, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Judges at once, and watches for nothing but new destinations.
const AT_ONCE: &str = "[learning]\nperiod = \"0s\"\n";

/// A namespace that calls out: whatever network is called first raises an alert. Nobody answers.
struct Caller {
    net: Namespace,
    _gateway: Namespace,
}

impl Caller {
    #[track_caller]
    fn new() -> Self {
        let (net, gateway) = Namespace::pair("192.0.2.");
        net.ip(&["route", "add", "default", "via", "192.0.2.2"]);
        Self { net, _gateway: gateway }
    }

    /// Sends a datagram to each of these networks.
    #[track_caller]
    fn call(&self, networks: impl Iterator<Item = u16> + Send) {
        self.net.inside(|| {
            let socket = UdpSocket::bind((Ipv4Addr::new(192, 0, 2, 1), 0)).expect("a socket");
            for network in networks {
                let [high, low] = network.to_be_bytes();
                let there = SocketAddr::from((Ipv4Addr::new(198, 51 + high, low, 7), 4_000));
                // A full queue of the link loses one: others come.
                let _ = socket.send_to(b"call", there);
            }
        });
    }
}

/// A file system of its own, of a certain size; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    #[track_caller]
    fn mount(path: &Path, options: &str) -> Self {
        std::fs::create_dir_all(path).expect("make the mount point");
        succeed(
            Command::new(tool("mount"))
                .args(["-t", "tmpfs", "-o", options, "tmpfs"])
                .arg(path),
        );
        Self(path.to_owned())
    }

    /// Takes all the room that is left.
    #[track_caller]
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.0.join("filler")).expect("make a file");
        let mut block = 4_096;
        while block > 0 {
            if file.write_all(&vec![0; block]).is_err() {
                block /= 2;
            }
        }
    }

    #[track_caller]
    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("remove the file");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new(tool("umount")).arg("-l").arg(&self.0).output();
    }
}

#[track_caller]
fn status(daemon: &Daemon) -> Value {
    let (code, body) = daemon.get("/v1/status").expect("an answer");
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

/// Every line of an output, each whole.
#[track_caller]
fn whole_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has an end");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines.collect()
}

fn alerts(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line.text("/type") == Some("alert")).count()
}

#[track_caller]
fn wait_for_error(daemon: &Daemon, words: &str) {
    wait::until(&format!("`{words}` on standard error"), PATIENCE, || {
        daemon.errors().contains(words).then_some(())
    });
}
