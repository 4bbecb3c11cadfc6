//! `cargo xtask scenarios`: how well the detectors tell attacks from the rest, on captures that are made up.

use anyhow::Result;

use crate::cargo;
use crate::programs::run;
use crate::workspace::Workspace;

/// What to run.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Passed on; `--help` lists them. `--debug` builds without optimization
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Needs neither root nor a BPF toolchain.
pub(crate) fn scenarios(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let debug = args.arguments.iter().any(|argument| argument == "--debug");
    let profile = if debug { &[][..] } else { &["--release"] };
    // Features of two builds that differ would build everything twice: the monitor is built as the tests use it.
    let package = ["--package", "monitor", "--no-default-features", "--features", "replay"];
    run(cargo::host(&workspace, "build").args(profile).args(package))?;
    let mut command = cargo::host(&workspace, "run");
    command
        .args(profile)
        .args(["--quiet", "--package", "monitor-tests", "--bin", "scenarios", "--"])
        .args(["--results".as_ref(), workspace.target.join("scenarios").as_os_str()])
        .args(args.arguments.iter().filter(|argument| *argument != "--debug"))
        .env("MONITOR_BIN", workspace.monitor(!debug));
    run(&mut command)
}
