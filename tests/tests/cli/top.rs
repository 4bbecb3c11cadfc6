//! `monitor top` on a terminal of its own: what it shows, how it ends, and that the terminal is as it was.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use monitor_tests::daemon::binary;
use monitor_tests::{Host, Launch, wait};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// To show or do something.
const PATIENCE: Duration = Duration::from_secs(20);
/// Leaves the alternate screen (xterm's control sequences, DECRST 1049).
const BACK: &str = "\u{1b}[?1049l";

/// A terminal, and `monitor top` on it.
struct Screen {
    terminal: OwnedFd,
    /// Keeps the terminal's other end open, so that its settings can be read after the program has ended.
    other_end: OwnedFd,
    program: Child,
    shown: Arc<Mutex<String>>,
}

impl Screen {
    #[track_caller]
    fn start(socket: &std::path::Path) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).expect("grant the terminal");
        unlockpt(&terminal).expect("unlock the terminal");
        let size = Winsize {
            ws_row: 40,
            ws_col: 200,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).expect("set its size");
        let name = ptsname(&terminal, Vec::new()).expect("its name");
        let other_end = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end");
        let end = || other_end.try_clone().expect("a handle");
        let mut command = Command::new(binary());
        command.arg("top").arg("--socket").arg(socket).env("TERM", "xterm");
        let program = command.stdin(end()).stdout(end()).stderr(end()).spawn();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut reader, to) = (File::from(terminal.try_clone().expect("a handle")), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..n]).into_owned();
                to.lock().expect("no thread panics with the lock").push_str(&text);
            }
        });
        Self {
            terminal,
            other_end,
            program: program.expect("start monitor"),
            shown,
        }
    }

    fn shown(&self) -> String {
        self.shown.lock().expect("no thread panics with the lock").clone()
    }

    /// Waits for a word; between words the terminal may be told to move.
    #[track_caller]
    fn wait_for(&self, word: &str) {
        let came = wait::at_most(PATIENCE, || self.shown().contains(word).then_some(()));
        assert!(came.is_some(), "waited in vain for {word}: {:?}", self.shown());
    }

    fn is_raw(&self) -> bool {
        let settings = tcgetattr(&self.other_end).expect("the terminal's settings");
        !settings.local_modes.contains(LocalModes::ICANON)
    }

    #[track_caller]
    fn press(&self, keys: &str) {
        let mut terminal = File::from(self.terminal.try_clone().expect("a handle"));
        terminal.write_all(keys.as_bytes()).expect("type");
    }

    /// It ends by itself, and leaves the terminal as it was.
    #[track_caller]
    fn ends(mut self) -> ExitStatus {
        let status = wait::until("its end", PATIENCE, || self.program.try_wait().ok().flatten());
        self.wait_for(BACK);
        assert!(!self.is_raw(), "the terminal is still raw");
        status
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn without_a_daemon_it_says_so_and_q_ends_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let screen = Screen::start(&directory.path().join("socket"));
    screen.wait_for("trying");
    assert!(screen.is_raw());
    screen.press("?");
    screen.wait_for("quit");
    screen.press("q");
    assert_eq!(screen.ends().code(), Some(0));
}

#[test]
fn signals_end_it_and_give_the_terminal_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for signal in [Signal::TERM, Signal::INT] {
        let screen = Screen::start(&directory.path().join("socket"));
        screen.wait_for("trying");
        kill_process(Pid::from_child(&screen.program), signal).expect("signal it");
        assert_eq!(screen.ends().code(), Some(0), "{signal:?}");
    }
}

#[test]
fn it_follows_a_daemon_and_outlives_it() {
    let Some(_host) = Host::claim(&[]) else { return };
    let launch = Launch::new();
    let daemon = launch.start();
    let screen = Screen::start(&daemon.socket());
    screen.wait_for(&format!("{},", daemon.pid()));
    screen.wait_for("Busiest");
    daemon.stop();
    screen.wait_for("trying");
    // Another in its place is found by itself.
    let daemon = launch.start();
    screen.wait_for(&format!("{},", daemon.pid()));
    screen.press("q");
    assert_eq!(screen.ends().code(), Some(0));
}
