//! The command line where it meets the kernel and its rights; the rest of it is tested beside the binary.

mod top;
mod unit;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use monitor_tests::daemon::binary;
use monitor_tests::host::tool;
use monitor_tests::{Host, Launch};

fn run(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("run monitor")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// The same binary where another user can reach it.
fn for_everyone() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("open the directory");
    let copy = directory.path().join("monitor");
    fs::copy(binary(), &copy).expect("copy the binary");
    (directory, copy)
}

#[test]
fn check_says_that_this_kernel_will_do() {
    let Some(_host) = Host::claim(&[]) else { return };
    let output = run(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in ["cgroup", "TLS"] {
        assert!(table.contains(word), "{word} in {table}");
    }
}

#[test]
fn without_root_it_says_so_in_one_line() {
    let Some(_host) = Host::claim(&["setpriv"]) else { return };
    let (directory, monitor) = for_everyone();
    let state = directory.path().join("state");
    let mut command = Command::new(tool("setpriv"));
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&monitor);
    let output = command
        .arg("run")
        .arg("--state")
        .arg(&state)
        .output()
        .expect("run monitor");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = errors(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("root") || said.contains("CAP_"), "{said}");

    let mut command = Command::new(tool("setpriv"));
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&monitor);
    let output = command.arg("check").output().expect("run monitor");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn an_unknown_key_of_the_configuration_is_named_with_its_line() {
    let Some(_host) = Host::claim(&[]) else { return };
    let launch = Launch::new().config("[host]\nname = \"a\"\n\n[capture]\nexclude_port = [80]\n");
    let output = launch.command().output().expect("run monitor");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = errors(&output);
    assert!(
        said.contains("exclude_port") && said.contains("exclude_ports") && said.contains('5'),
        "{said}"
    );
}
