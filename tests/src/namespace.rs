//! A network namespace of the test's own, so that nothing outside it is loaded and its ports are free.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::host::tool;
use crate::wait;

/// RFC 863; nobody listens there in a fresh namespace.
const DISCARD: u16 = 9;
/// One try to connect.
const ATTEMPT: Duration = Duration::from_millis(50);
/// For a link to come up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A network namespace with `lo` up; gone when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A fresh one.
    #[track_caller]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // An interface name has 15 bytes; veth ends are named after their namespace.
        let name = format!("mt{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Two, joined by a veth pair; each end has one address of `network` (a /24 or /64 written up to its host part).
    #[track_caller]
    pub fn pair(network: &str) -> (Self, Self) {
        let (left, right) = (Self::new(), Self::new());
        let prefix = if network.contains(':') { 64 } else { 24 };
        ip(&[
            "link",
            "add",
            &left.name,
            "netns",
            &left.name,
            "type",
            "veth",
            "peer",
            "name",
            &right.name,
            "netns",
            &right.name,
        ]);
        for (end, host) in [(&left, 1), (&right, 2)] {
            let address = format!("{network}{host}/{prefix}");
            // `nodad`: an IPv6 address is usable at once.
            let detection: &[&str] = if prefix == 64 { &["nodad"] } else { &[] };
            end.ip(&[&["address", "add", &address, "dev", &end.name], detection].concat());
            end.ip(&["link", "set", &end.name, "up"]);
        }
        // A link takes a moment, and a SYN that is lost to it comes again after a whole second: refused is reached.
        let other: IpAddr = format!("{network}2")
            .parse()
            .unwrap_or_else(|error| panic!("{network}2: {error}"));
        wait::until("the veth pair to carry", PATIENCE, || {
            let refused = left.inside(|| TcpStream::connect_timeout(&SocketAddr::new(other, DISCARD), ATTEMPT));
            refused
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
                .then_some(())
        });
        (left, right)
    }

    /// Its name, which is also that of its end of a pair.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` inside.
    #[track_caller]
    pub fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.name], arguments].concat());
    }

    /// Sets a kernel parameter of this namespace, `net/ipv4/…`.
    #[track_caller]
    pub fn set(&self, parameter: &str, value: &str) {
        let path = format!("/proc/sys/{parameter}");
        self.inside(|| fs::write(&path, value))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Programs started here ask this server for names.
    #[track_caller]
    pub fn resolve_by(&self, server: IpAddr) {
        self.resolve(server, "");
    }

    /// Likewise, over TCP alone.
    #[track_caller]
    pub fn resolve_over_tcp_by(&self, server: IpAddr) {
        self.resolve(server, "options use-vc\n");
    }

    #[track_caller]
    fn resolve(&self, server: IpAddr, more: &str) {
        let directory = self.etc();
        fs::create_dir_all(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        // `ip netns exec` mounts this file over /etc/resolv.conf. One try of two seconds: a test must not hang on a name.
        let text = format!("nameserver {server}\noptions timeout:2 attempts:1\n{more}");
        fs::write(directory.join("resolv.conf"), text)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    }

    /// A command that will run inside; the process that `ip` starts is the program itself, by exec.
    #[track_caller]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(tool("ip"));
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a program inside to its end, and fails the test unless it succeeds.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Output {
        succeed(self.command(tool(program)).args(arguments))
    }

    /// Runs `work` on a thread inside; sockets made there stay inside wherever they are used later.
    #[track_caller]
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = self.open();
        let outcome = std::thread::scope(|scope| scope.spawn(move || enter(&file, work)).join());
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Starts `work` on a thread inside.
    #[track_caller]
    pub fn spawn_inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let file = self.open();
        std::thread::spawn(move || enter(&file, work))
    }

    /// Its file, to enter it by.
    #[track_caller]
    pub(crate) fn open(&self) -> File {
        let path = PathBuf::from("/run/netns").join(&self.name);
        File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn etc(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.etc());
        let _ = Command::new(tool("ip")).args(["netns", "delete", &self.name]).output();
    }
}

/// Runs a command to its end, and fails the test unless it succeeds.
#[track_caller]
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs `work` inside, and leaves the thread there.
pub(crate) fn enter<T>(namespace: &File, work: impl FnOnce() -> T) -> T {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("enter the namespace");
    work()
}

#[track_caller]
fn ip(arguments: &[&str]) {
    succeed(Command::new(tool("ip")).args(arguments));
}
