//! Whether the detectors that are there tell attacks from the rest.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use monitor_tests::daemon::binary;
use monitor_tests::scenarios::judge::Verdict;
use monitor_tests::scenarios::replay::detectors;
use monitor_tests::scenarios::run::{Plan, one};
use monitor_tests::scenarios::scenario::{Scenario, Size, is_benign};

/// Fixed: what fails here fails everywhere.
const SEED: u64 = 3;

/// An attack of each detector; in benign worlds are all the look-alikes.
const SCENARIOS: [&str; 21] = [
    "benign-storefront",
    "benign-offices",
    "benign-balanced",
    "listed-loud",
    "password-guessing-fast",
    "stuffing-one-source",
    "take-over-one-source",
    "announced-100-tb",
    "announced-60-gb",
    "upload-in-pieces",
    "beacon-fast-address",
    "smuggling-both-lengths",
    "traversal-many",
    "scanner-loud",
    "says-it-is-chrome",
    "key-in-many-networks",
    "metadata-named",
    "shadow-debug",
    "tunnel-fast",
    "new-destination-named",
    "evades-by-address-fast",
];

#[test]
fn benign_worlds_are_silent_and_attacks_are_found() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let plan = Plan {
        monitor: binary(),
        seeds: vec![SEED],
        only: None,
        size: Size::Small,
        jobs: 2,
        results: folder.path().to_path_buf(),
        keep: None,
    };
    let built = detectors(&plan.monitor).expect("the binary names its detectors");
    let wanted = |scenario: &Scenario| {
        let name = scenario.name();
        let named = SCENARIOS.contains(&name.as_str());
        let can_be_found = scenario.attack.is_none_or(|attack| {
            attack
                .detectors
                .iter()
                .any(|detector| built.iter().any(|built| built == detector))
        });
        named && can_be_found
    };
    let scenarios: Vec<Scenario> = Scenario::all(plan.size, SEED).into_iter().filter(wanted).collect();
    assert!(scenarios.len() > 3, "{} scenarios", scenarios.len());
    let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = one(&plan, &built, SEED, scenario).expect("it runs");
                    verdicts.lock().expect("no panic").push(verdict);
                }
            });
        }
    });
    let verdicts: Vec<Verdict> = verdicts.into_inner().expect("no panic");
    let mut wrong = Vec::new();
    for verdict in &verdicts {
        for find in verdict
            .found
            .iter()
            .filter(|find| find.after_s.is_none() && built.contains(&find.detector))
        {
            wrong.push(format!(
                "{} does not find {} in {}",
                find.detector, find.attack, verdict.world
            ));
        }
        if verdict.parts.iter().any(|parts| *parts > 1) {
            wrong.push(format!(
                "{}: one attack, {:?} incidents",
                verdict.scenario, verdict.parts
            ));
        }
        if is_benign(&verdict.scenario) {
            for judged in &verdict.alerts {
                let alert = &judged.alert;
                wrong.push(format!(
                    "{}: {} of {:?}: {}",
                    verdict.scenario, alert.detector, alert.actor, alert.summary
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
