//! SIGKILL at moments that nobody chose.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monitor_tests::{Host, Launch, wait};

use super::{AT_ONCE, Caller, PATIENCE, alerts, whole_lines};
use crate::attaching::{Objects, held_by, objects};

/// Rounds where nothing else is said: each takes two or three seconds.
const ROUNDS: u64 = 6;
/// Every other round it is killed within so long of its start, while it loads and attaches ...
const LOADING_MS: u64 = 2_500;
/// ... and in the rest within so long of its first answer, while it writes.
const WRITING_MS: u64 = 800;

/// `MONITOR_TEST_KILLS=100` for a hundred.
#[test]
fn killed_at_any_moment_it_leaves_whole_lines_and_nothing_in_the_kernel() {
    let Some(_host) = Host::claim(&["bpftool"]) else { return };
    let asked = std::env::var("MONITOR_TEST_KILLS").ok();
    let rounds = asked.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let caller = Caller::new();
    let launch = Launch::new().config(AT_ONCE);
    let first = launch.start();
    assert!(
        first
            .ask(&["allow", "-", "--comment", "a test", "--destination", "*.example.com"])
            .status
            .success()
    );
    first.kill();
    let stop = AtomicBool::new(false);
    let mut held = Objects::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                caller.call(0..200);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        for round in 0..rounds {
            // Spread without a pattern, and the same in every run.
            let mut chance = DefaultHasher::new();
            chance.write_u64(round);
            let (daemon, within) = if round % 2 == 0 {
                (launch.spawn(), LOADING_MS)
            } else {
                (launch.start_again(), WRITING_MS)
            };
            std::thread::sleep(Duration::from_millis(chance.finish() % within));
            held.extend(held_by(daemon.pid()));
            daemon.kill();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(held.len() >= 8, "some lived long enough to attach: {held:?}");
    // The kernel frees maps after a grace period.
    wait::until("programs and maps to go", PATIENCE, || {
        held.is_disjoint(&objects()).then_some(())
    });
    let last = launch.start_again();
    let errors = last.errors();
    assert!(!errors.contains("damaged"), "{errors}");
    let rules = last.ask(&["allow", "list"]);
    assert!(
        String::from_utf8_lossy(&rules.stdout).contains("*.example.com"),
        "{rules:?}"
    );
    drop(last.stop());
    let lines = whole_lines(&launch.path("records.jsonl"));
    assert!(alerts(&lines) > 0, "{} lines", lines.len());
}
