//! A short soak; `cargo xtask bench soak` is the long one.

use std::time::Duration;

use monitor_tests::host::figure;
use monitor_tests::soak::{Plan, run};

#[test]
fn servers_come_and_go() {
    let plan = Plan {
        servers: 3,
        life: Duration::from_secs(3),
    };
    let Some(report) = run(plan) else { return };
    figure("soak", &report.to_string());
    assert_eq!(report.lost, 0);
    let (first, last) = (report.lives[0], report.lives[2]);
    // What a moment's work opens may be among them.
    assert!(last.threads <= first.threads + 2, "{report}");
    assert!(last.descriptors <= first.descriptors + 2, "{report}");
}
