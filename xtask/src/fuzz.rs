//! `cargo xtask fuzz`: the targets in `fuzz/` under libFuzzer. Needs a nightly toolchain, which rustup has or gets.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo;
use crate::programs::{find, run};
use crate::workspace::Workspace;

/// Longest input, bytes: more makes each run slower, and finds nothing new.
const MAX_LEN: &str = "-max_len=8192";
/// An input that takes so many seconds is a find.
const TIMEOUT: &str = "-timeout=10";

/// What to run, and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this target; all of them if not said
    target: Option<String>,
    /// How long each runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Writes the seeds, then lets libFuzzer change them, a target after the other. Ends at the first find.
pub(crate) fn fuzz(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let folder = workspace.root.join("fuzz");
    let mut targets = targets(&folder)?;
    if let Some(wanted) = &args.target {
        ensure!(
            targets.contains(wanted),
            "no target {wanted}: there are {}",
            targets.join(", ")
        );
        targets = vec![wanted.clone()];
    }
    let rustup = find("cargo").context("there is no cargo in PATH: with rustup it takes +nightly")?;
    let nightly = |arguments: &[&str]| {
        let mut command = cargo::isolated(&workspace, &rustup);
        command.arg("+nightly").args(arguments);
        command
    };
    if run(nightly(&["--version"]).stdout(std::process::Stdio::null())).is_err() {
        bail!("fuzzing needs a nightly toolchain: rustup toolchain install nightly --profile minimal");
    }
    if find("cargo-fuzz").is_none() {
        eprintln!("== cargo-fuzz is not installed: cargo install cargo-fuzz --locked");
        run(cargo::isolated(&workspace, &rustup).args(["install", "cargo-fuzz", "--locked"]))?;
    }
    let corpus = folder.join("corpus");
    eprintln!("== seeds, from the conversations, into {}", corpus.display());
    run(seeds(&workspace).env("MONITOR_FUZZ_SEEDS", &corpus))?;
    for target in &targets {
        eprintln!("== {target}, for {} s", args.seconds);
        let time = format!("-max_total_time={}", args.seconds);
        run(&mut nightly(&["fuzz", "run", target, "--", &time, TIMEOUT, MAX_LEN])).with_context(|| {
            format!(
                "a find is in fuzz/artifacts/{target}: mend it, and keep the input in fuzz/finds/{target}, which every test \
                 run tries"
            )
        })?;
    }
    Ok(())
}

/// The test that writes them; it needs no kernel object.
fn seeds(workspace: &Workspace) -> Command {
    let mut command = cargo::host(workspace, "test");
    command.args(["--quiet", "--package", "monitor", "--no-default-features"]);
    command.args(["--features", "replay", "--test", "fuzz", "seeds_are_written"]);
    command
}

/// Names of the targets.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("fuzz_targets");
    let entries = path
        .read_dir()
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
