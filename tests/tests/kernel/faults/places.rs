//! Things that are not where they usually are.

use monitor_tests::{Host, Launch, cgroup};

use super::{AT_ONCE, Caller, status};

#[test]
fn without_a_mount_of_cgroup_v2_the_daemon_makes_its_own() {
    let Some(_host) = Host::claim(&["unshare", "umount"]) else {
        return;
    };
    let Some(mounted) = cgroup::mount_point() else {
        return monitor_tests::host::skip("no cgroup v2 is mounted here");
    };
    let caller = Caller::new();
    // Lazily: another test's cgroups may be in use.
    let inside = format!("umount -l '{}' && exec \"$@\"", mounted.display());
    let launch = Launch::new()
        .config(AT_ONCE)
        .behind(&["unshare", "--mount", "sh", "-c", &inside, "sh"]);
    let mut daemon = launch.start();
    assert!(!status(&daemon)["capture"].to_string().contains("missing"));
    caller.call(0..3);
    daemon.wait_for("what is seen by the packet hooks", |records| {
        records.flows(4_000).len() >= 3
    });
    drop(daemon.stop());
    // The mount was in the daemon's own view.
    let table = std::fs::read_to_string("/proc/self/mountinfo").expect("the mount table");
    assert!(!table.contains(&launch.path("state").display().to_string()), "{table}");
}
