//! The systemd unit, by systemd's own judgement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use monitor_tests::daemon::binary;
use monitor_tests::host::find;

/// Exposure that `systemd-analyze security` may see, in tenths of its 0 to 10: root, the rights in the bounding set and the
/// view of other processes are what the daemon works with.
const EXPOSURE: &str = "20";

/// The unit with the program under test in place of the installed one, which `verify` looks for.
fn unit(directory: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/monitor.service");
    let text = fs::read_to_string(source).expect("the unit");
    let text = text.replace("/usr/local/bin/monitor", &binary().display().to_string());
    let path = directory.join("monitor.service");
    fs::write(&path, text).expect("write the unit");
    path
}

#[test]
fn the_unit_is_right_and_exposes_little() {
    let Some(analyze) = find("systemd-analyze") else {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let unit = unit(directory.path());
    let verified = Command::new(&analyze).args(["verify", "--man=no"]).arg(&unit).output();
    let verified = verified.expect("run systemd-analyze");
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && said.trim().is_empty(), "{said}");
    let secure = Command::new(&analyze)
        .args(["security", "--offline=yes", "--no-pager", "--threshold", EXPOSURE])
        .arg(&unit)
        .output()
        .expect("run systemd-analyze");
    let said = String::from_utf8_lossy(&secure.stdout).into_owned();
    assert!(secure.status.success(), "{said}");
    assert!(said.contains("Overall exposure level"), "{said}");
}
