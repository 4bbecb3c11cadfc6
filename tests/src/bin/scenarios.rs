//! Makes scenarios, replays them, and says how well the detectors tell attacks from the rest.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;

use clap::Parser;
use monitor_tests::daemon;
use monitor_tests::scenarios::judge::{Judged, Verdict};
use monitor_tests::scenarios::run::{Plan, Results, run};
use monitor_tests::scenarios::scenario::Size;
use monitor_tests::scenarios::{compare, score};
use serde_json::json;

/// Make worlds and attacks, replay them, and hold the alerts against the truth
#[derive(Parser)]
#[command(name = "cargo xtask scenarios")]
struct Arguments {
    /// How many fresh seeds; each is all scenarios once
    #[arg(long, default_value_t = 1)]
    seeds: usize,
    /// This seed instead of fresh ones, any number of times
    #[arg(long)]
    seed: Vec<u64>,
    /// Only scenarios whose name or detector contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Keep captures and all that belongs to them here
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Scenarios at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Small worlds, as the tests have them
    #[arg(long)]
    small: bool,
    /// Say what changed against the results in this folder (target/scenarios of an earlier run, copied)
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// False alerts that are shown of each detector
    #[arg(long, default_value_t = 3)]
    examples: usize,
    /// Where results go
    #[arg(long, hide = true, default_value = "target/scenarios")]
    results: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let seeds = if arguments.seed.is_empty() {
        // Short, so that they can be typed again.
        (0..arguments.seeds as u64)
            .map(|number| RandomState::new().hash_one(number) % 1_000_000)
            .collect()
    } else {
        arguments.seed
    };
    let plan = Plan {
        monitor: daemon::binary(),
        seeds,
        only: arguments.only,
        size: if arguments.small { Size::Small } else { Size::Full },
        jobs: arguments.jobs,
        results: arguments.results,
        keep: arguments.keep,
    };
    // Read first: the folder may be the one that is written.
    let before = arguments.against.as_deref().map(compare::read).transpose()?;
    let all = run(&plan)?;
    let verdicts: Vec<Verdict> = all.iter().flat_map(|results| results.verdicts.clone()).collect();
    let detectors = all.first().map(|results| results.detectors.clone()).unwrap_or_default();
    let table = score::score(&verdicts, &detectors);
    let changes = before.map(|before| compare::differences(&before, &all));
    if arguments.json {
        let out = json!({ "seeds": plan.seeds, "table": table, "missed": missed(&all), "changes": changes });
        println!("{out}");
        return Ok(());
    }
    let seeds: Vec<String> = plan.seeds.iter().map(|seed| format!("--seed {seed}")).collect();
    let small = if plan.size == Size::Small { " --small" } else { "" };
    println!("again: cargo xtask scenarios {}{small}\n", seeds.join(" "));
    println!("{table}");
    for line in missed(&all) {
        println!("missed: {line}");
    }
    examples(&all, arguments.examples);
    for line in changes.iter().flatten() {
        println!("changed: {line}");
    }
    println!("\nraw: {}", plan.results.display());
    Ok(())
}

/// Attacks that a detector which is there did not find.
fn missed(all: &[Results]) -> Vec<String> {
    let mut lines = Vec::new();
    for results in all {
        for verdict in &results.verdicts {
            for find in verdict.found.iter().filter(|find| find.after_s.is_none()) {
                if results.detectors.contains(&find.detector) {
                    lines.push(format!(
                        "{}/{} in {}: {}",
                        results.seed, find.attack, verdict.world, find.detector
                    ));
                }
            }
        }
    }
    lines
}

/// Some false alerts of each detector.
fn examples(all: &[Results], most: usize) {
    let mut by_detector: BTreeMap<&str, Vec<(u64, &str, &Judged)>> = BTreeMap::new();
    for results in all {
        for verdict in &results.verdicts {
            for judged in verdict.alerts.iter().filter(|judged| judged.of.is_none()) {
                let list = by_detector.entry(&judged.alert.detector).or_default();
                list.push((results.seed, &verdict.scenario, judged));
            }
        }
    }
    for (detector, list) in by_detector {
        println!("false: {detector}: {} alerts", list.len());
        for (seed, scenario, judged) in list.into_iter().take(most) {
            let alert = &judged.alert;
            let fooled = judged
                .fooled_by
                .as_ref()
                .map_or(String::new(), |name| format!(" (fooled by: {name})"));
            // What an alert says is captured text.
            println!("  {seed}/{scenario} {:?} {:?}{fooled}", alert.actor, alert.summary);
        }
    }
}
