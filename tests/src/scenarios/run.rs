//! All scenarios of some seeds: made, replayed, judged.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::judge::{Verdict, judge};
use super::replay;
use super::scenario::{Scenario, Size};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The binary.
    pub monitor: PathBuf,
    /// Seeds, each a set of scenarios.
    pub seeds: Vec<u64>,
    /// Only scenarios whose name, world or detector contains this.
    pub only: Option<String>,
    /// How large they are.
    pub size: Size,
    /// How many at a time.
    pub jobs: usize,
    /// Where results go: a folder a seed.
    pub results: PathBuf,
    /// Where captures stay; without it they are removed.
    pub keep: Option<PathBuf>,
}

/// What came of a seed; `results.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The seed.
    pub seed: u64,
    /// Detectors that the binary had.
    pub detectors: Vec<String>,
    /// Of each scenario.
    pub verdicts: Vec<Verdict>,
}

/// Runs all of it.
pub fn run(plan: &Plan) -> Result<Vec<Results>> {
    let detectors = replay::detectors(&plan.monitor)?;
    let mut tasks: Vec<(u64, Scenario)> = plan
        .seeds
        .iter()
        .flat_map(|&seed| {
            Scenario::all(plan.size, seed)
                .into_iter()
                .map(move |scenario| (seed, scenario))
        })
        .filter(|(_, scenario)| plan.only.as_ref().is_none_or(|only| is_called(scenario, only)))
        .collect();
    // The large ones first, so that the last job does not end long after the others.
    tasks.sort_by_key(|(_, scenario)| std::cmp::Reverse((scenario.days as f64 * scenario.scale * 1e3) as u64));
    let (next, progress) = (AtomicUsize::new(0), Progress::new(tasks.len()));
    let verdicts = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        while let Some((seed, scenario)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            progress.at(scenario);
            let verdict =
                one(plan, &detectors, *seed, scenario).with_context(|| format!("scenario {}", scenario.name()))?;
            verdicts.lock().expect("no panic").push((*seed, verdict));
        }
        Ok(())
    };
    std::thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..plan.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().expect("no panic")?;
        }
        Ok(())
    })?;
    drop(progress);
    let mut verdicts = verdicts.into_inner().expect("no panic");
    verdicts.sort_by(|(_, a), (_, b)| a.scenario.cmp(&b.scenario));
    let mut all = Vec::new();
    for &seed in &plan.seeds {
        let of_seed = verdicts.iter().filter(|(of, _)| *of == seed);
        let results = Results {
            seed,
            detectors: detectors.clone(),
            verdicts: of_seed.map(|(_, verdict)| verdict.clone()).collect(),
        };
        let folder = plan.results.join(seed.to_string());
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("results.json"), serde_json::to_vec_pretty(&results)?)?;
        all.push(results);
    }
    Ok(all)
}

/// One scenario, from nothing to a verdict. Its truth, configuration and alerts stay.
pub fn one(plan: &Plan, detectors: &[String], seed: u64, scenario: &Scenario) -> Result<Verdict> {
    let name = scenario.name();
    let folder = plan.results.join(seed.to_string()).join(&name);
    let written = scenario.write(seed, detectors, &folder)?;
    let told = replay::replay(&plan.monitor, &written.configuration, &written.capture)?;
    fs::write(folder.join("alerts.jsonl"), &told.lines)?;
    if let Some(keep) = &plan.keep {
        copy(&folder, &keep.join(seed.to_string()).join(&name))?;
    }
    for file in [
        "capture.pcap",
        "city.mmdb",
        "country.mmdb",
        "asn.mmdb",
        "bad.txt",
        "openapi.json",
        "identity.key",
    ] {
        fs::remove_file(folder.join(file))?;
    }
    Ok(judge(&written.truth, &told))
}

/// Copies all files of a scenario, so that the monitor can be run over them by hand.
fn copy(folder: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn is_called(scenario: &Scenario, only: &str) -> bool {
    let detectors = scenario.attack.map_or(&[][..], |variant| variant.detectors);
    scenario.name().contains(only) || detectors.iter().any(|detector| detector.contains(only))
}

/// A line on a terminal that is written over.
struct Progress {
    of: usize,
    done: AtomicUsize,
    shown: bool,
}

impl Progress {
    fn new(of: usize) -> Self {
        Self {
            of,
            done: AtomicUsize::new(0),
            shown: io::stderr().is_terminal(),
        }
    }

    fn at(&self, scenario: &Scenario) {
        let number = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.shown {
            let _ = write!(io::stderr(), "\r{number} of {}: {}\x1b[K", self.of, scenario.name());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
