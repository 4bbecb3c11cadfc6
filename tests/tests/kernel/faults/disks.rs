//! Disks that are full, or may not be written.

use monitor_tests::{Field, Host, Launch, wait};

use super::{AT_ONCE, Caller, Disk, PATIENCE, alerts, status, wait_for_error, whole_lines};

#[test]
fn alerts_wait_for_a_full_disk_and_rules_are_told_as_lost() {
    let Some(_host) = Host::claim(&["mount", "umount"]) else {
        return;
    };
    let caller = Caller::new();
    let launch = Launch::new()
        .config(&format!("{AT_ONCE}[output]\npath = \"log/records.jsonl\"\n"))
        .records("alert,incident,stats")
        .output_by_config();
    let log = Disk::mount(&launch.path("log"), "size=4m");
    let state = Disk::mount(&launch.path("state"), "size=16m");
    let daemon = launch.start();
    log.fill();
    state.fill();
    caller.call(0..40);
    let output = |field: &str| status(&daemon)["outputs"][0][field].clone();
    wait::until("alerts that wait", PATIENCE, || {
        (output("waiting").as_u64() >= Some(5)).then_some(())
    });
    assert_eq!(output("failing"), true);
    wait_for_error(&daemon, "alerts and incidents wait");
    let allow = |destination: &str| daemon.ask(&["allow", "-", "--comment", "a test", "--destination", destination]);
    assert!(allow("full.example.com").status.success());
    wait_for_error(
        &daemon,
        "an allow rule holds until the daemon stops, since it could not be written",
    );
    log.free();
    state.free();
    wait::until("nothing to wait", PATIENCE, || {
        (output("waiting") == 0 && output("failing") == false).then_some(())
    });
    assert!(allow("free.example.com").status.success());
    let raised = status(&daemon)["stats"]["alerts"].as_u64().unwrap_or_default();
    drop(daemon.stop());
    let lines = whole_lines(&launch.path("log/records.jsonl"));
    let told: std::collections::BTreeSet<&str> = lines
        .iter()
        .filter(|line| line.text("/type") == Some("alert"))
        .filter_map(|line| line.text("/id"))
        .collect();
    assert!(
        alerts(&lines) > 0 && told.len() as u64 >= raised,
        "{} of {raised} alerts",
        told.len()
    );
    let again = launch.start();
    let rules = String::from_utf8_lossy(&again.ask(&["allow", "list"]).stdout).into_owned();
    assert!(
        rules.contains("free.example.com") && !rules.contains("full.example.com"),
        "{rules}"
    );
    drop(again.stop());
}

#[test]
fn an_output_that_takes_nothing_is_told_and_its_loss_counted() {
    let Some(_host) = Host::claim(&[]) else { return };
    let caller = Caller::new();
    let launch = Launch::new()
        .config(&format!("{AT_ONCE}[output]\npath = \"/dev/full\"\n"))
        .records("alert,stats")
        .output_by_config();
    let daemon = launch.start();
    caller.call(0..3);
    wait::until("alerts that wait", PATIENCE, || {
        (status(&daemon)["outputs"][0]["waiting"].as_u64() >= Some(1)).then_some(())
    });
    let errors = launch.path("stderr");
    drop(daemon.stop());
    let said = std::fs::read_to_string(errors).unwrap_or_default();
    assert!(
        said.contains("/dev/full: cannot be written: No space left on device"),
        "{said}"
    );
    assert!(
        said.contains("alerts and incidents that waited for it are lost"),
        "{said}"
    );
}

/// The daemon does not start, and says why in one line.
#[track_caller]
fn check_refused(launch: &Launch, needles: &[&str]) {
    let output = launch.command().output().expect("run monitor");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    for needle in needles {
        assert!(said.contains(needle), "{needle} in {said}");
    }
}

#[test]
fn a_state_that_may_only_be_read_is_told_at_the_start() {
    let Some(_host) = Host::claim(&["mount", "umount"]) else {
        return;
    };
    let launch = Launch::new();
    let _state = Disk::mount(&launch.path("state"), "ro");
    check_refused(&launch, &["state", "Read-only file system", "--state DIR"]);
}

#[test]
fn an_output_that_cannot_be_opened_is_told_at_the_start() {
    let Some(_host) = Host::claim(&[]) else { return };
    let launch = Launch::new()
        .config("[output]\npath = \"nowhere/records.jsonl\"\n")
        .output_by_config();
    check_refused(
        &launch,
        &["cannot open the output", "No such file or directory", "--output"],
    );
}
