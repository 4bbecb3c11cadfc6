//! What a run changed against an earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::judge::Verdict;
use super::run::Results;
use super::score::score;

/// Reads the results of an earlier run: of the folder itself, or of those of seeds in it.
pub fn read(folder: &Path) -> Result<Vec<Results>> {
    let mut paths = vec![folder.join("results.json")];
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        paths.push(entry?.path().join("results.json"));
    }
    paths.sort();
    let mut all = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(path)?;
        all.push(serde_json::from_str(&text).with_context(|| path.display().to_string())?);
    }
    ensure!(!all.is_empty(), "{} holds no results.json", folder.display());
    Ok(all)
}

/// What is otherwise now, a line each. Scenarios of seeds that both runs have are compared one by one, others by the
/// table alone.
pub fn differences(before: &[Results], now: &[Results]) -> Vec<String> {
    let mut lines = Vec::new();
    for results in now {
        let Some(old) = before.iter().find(|old| old.seed == results.seed) else {
            continue;
        };
        for verdict in &results.verdicts {
            if let Some(old) = old.verdicts.iter().find(|old| old.scenario == verdict.scenario) {
                of_scenario(results.seed, old, verdict, &mut lines);
            }
        }
    }
    let table = |of: &[Results]| {
        let verdicts: Vec<Verdict> = of.iter().flat_map(|results| results.verdicts.clone()).collect();
        let detectors: BTreeSet<String> = of.iter().flat_map(|results| results.detectors.clone()).collect();
        score(&verdicts, &detectors.into_iter().collect::<Vec<_>>()).rows
    };
    let (old, new) = (table(before), table(now));
    for row in &new {
        let Some(was) = old.iter().find(|was| was.detector == row.detector) else {
            lines.push(format!("{}: new", row.detector));
            continue;
        };
        let figures = |row: &super::score::Row| {
            let share = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.3}"));
            format!(
                "recall {}, precision {}, {:.2} false incidents a week",
                share(row.recall()),
                share(row.precision()),
                row.false_incidents_a_week()
            )
        };
        if figures(was) != figures(row) {
            lines.push(format!("{}: {} -> {}", row.detector, figures(was), figures(row)));
        }
    }
    lines
}

fn of_scenario(seed: u64, old: &Verdict, new: &Verdict, lines: &mut Vec<String>) {
    for find in &new.found {
        let was = old.found.iter().find(|was| was.detector == find.detector);
        let was = was.and_then(|was| was.after_s);
        let line = match (was, find.after_s) {
            (None, Some(after)) => format!("found now, after {after:.0} s"),
            (Some(_), None) => "not found any more".to_owned(),
            (Some(was), Some(after)) if (was - after).abs() > 0.1 * was.max(1.0) => {
                format!("found after {after:.0} s, was {was:.0} s")
            }
            (_, _) => continue,
        };
        lines.push(format!("{seed}/{} {}: {line}", new.scenario, find.detector));
    }
    let (was, is) = (wrong(old), wrong(new));
    for (name, count) in &is {
        let before = was.get(name).copied().unwrap_or(0);
        if before != *count {
            lines.push(format!(
                "{seed}/{} {name}: {count} false alerts, was {before}",
                new.scenario
            ));
        }
    }
    for (name, count) in was.iter().filter(|(name, _)| !is.contains_key(*name)) {
        lines.push(format!("{seed}/{} {name}: no false alert, was {count}", new.scenario));
    }
}

fn wrong(verdict: &Verdict) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for judged in verdict.alerts.iter().filter(|judged| judged.of.is_none()) {
        *counts.entry(judged.alert.detector.as_str()).or_default() += 1;
    }
    counts
}
