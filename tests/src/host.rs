//! The host while one kernel test has it for itself, and the reasons why a kernel test cannot run.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::{daemon, wait};

/// Where Debian keeps programs, before `PATH`: a version manager's shim in front of an interpreter would be a process of
/// its own in the records.
const PROGRAM_DIRECTORIES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/// For its turn: four times what all kernel tests took together when this was written.
const TURN: Duration = Duration::from_mins(15);

/// Proof that no other kernel test runs: one daemon watches the whole host, so they take turns, across test binaries too.
#[derive(Debug)]
pub struct Host {
    _lock: File,
}

impl Host {
    /// Waits for its turn; `None` where this machine cannot run the test, with the reason on standard error.
    ///
    /// With `kernel` in the variable `MONITOR_TEST_SKIP` that is a reason too; with `kernel` in `MONITOR_TEST_REQUIRE`
    /// every reason is a failure.
    #[track_caller]
    pub fn claim(tools: &[&str]) -> Option<Self> {
        let binary = daemon::binary();
        let missing = (!binary.is_file()).then(|| format!("{} is not built", binary.display()));
        Self::unless(reason_to_skip(tools).or(missing))
    }

    /// The same for a test of the harness, which needs no daemon.
    #[track_caller]
    pub fn claim_without_daemon(tools: &[&str]) -> Option<Self> {
        Self::unless(reason_to_skip(tools))
    }

    #[track_caller]
    fn unless(reason: Option<String>) -> Option<Self> {
        let Some(reason) = reason else {
            return Some(Self::lock());
        };
        skip(&reason);
        None
    }

    #[track_caller]
    fn lock() -> Self {
        let path = std::env::temp_dir().join("monitor-tests.lock");
        let file = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // One at a time the tests of a binary wait for each other: the last of them for as long as all take together.
        let locked = || flock(&file, FlockOperation::NonBlockingLockExclusive).ok();
        wait::until(
            &format!("{}, held by another kernel test", path.display()),
            TURN,
            locked,
        );
        Self { _lock: file }
    }
}

/// Path of a program of this machine.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    PROGRAM_DIRECTORIES
        .iter()
        .map(PathBuf::from)
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// Path of a program that [`Host::claim`] found.
#[track_caller]
pub fn tool(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| panic!("{program} is not installed"))
}

/// The executable as the kernel knows it: symbolic links followed.
#[track_caller]
pub fn executable(program: &str) -> String {
    let path = tool(program);
    std::fs::canonicalize(&path).unwrap_or(path).display().to_string()
}

/// Says that a test cannot run here and why; fails it where the kernel tests are required.
#[track_caller]
pub fn skip(reason: &str) {
    let required = std::env::var("MONITOR_TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required.contains("kernel"),
        "kernel tests are required here, but {reason}"
    );
    // Past libtest's capture: a skip that nobody reads is a test that nobody runs.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// Tells a measured figure: on standard error, and appended to the file that `MONITOR_TEST_FIGURES` names.
pub fn figure(name: &str, value: &str) {
    eprintln!("figure: {name}: {value}");
    let Some(path) = std::env::var_os("MONITOR_TEST_FIGURES") else {
        return;
    };
    let line = format!("{name}: {value}\n");
    let written = File::options()
        .create(true)
        .append(true)
        .open(Path::new(&path))
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        eprintln!("{}: {error}", path.display());
    }
}

fn reason_to_skip(tools: &[&str]) -> Option<String> {
    if std::env::var("MONITOR_TEST_SKIP").is_ok_and(|skip| skip.contains("kernel")) {
        return Some("MONITOR_TEST_SKIP says so".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return Some("it takes root to load programs into the kernel".to_owned());
    }
    for tool in ["ip"].iter().chain(tools) {
        if find(tool).is_none() {
            return Some(format!("{tool} is not installed"));
        }
    }
    None
}
