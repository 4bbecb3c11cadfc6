//! `cargo xtask run`: build, ask this kernel what it offers, and start the daemon.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::build;
use crate::programs::{find, run as run_to_end, show};
use crate::setup::is_root;
use crate::workspace::Workspace;

/// How to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Optimise, as for real use and for measuring
    #[arg(long)]
    release: bool,
    /// Arguments of `monitor run`, after `--`
    #[arg(last = true)]
    monitor: Vec<OsString>,
}

/// Builds as whoever calls, checks and runs as root. Does not return: this process becomes the daemon.
pub(crate) fn run(args: &Args) -> Result<()> {
    let monitor = build::monitor(&Workspace::find()?, args.release)?;
    let root = is_root();
    if !root {
        let by_hand = "run it as root by other means, with the built monitor";
        find("sudo").with_context(|| {
            format!(
                "loading kernel programs needs root, and there is no sudo: {by_hand}: {} run",
                monitor.display()
            )
        })?;
        eprintln!("Loading kernel programs needs root: the monitor is started with sudo.");
    }
    let mut check = as_root(&monitor, root);
    check.arg("check");
    if run_to_end(&mut check).is_err() {
        bail!("this machine cannot run the monitor yet: see above what is missing and how to mend it");
    }
    let mut daemon = as_root(&monitor, root);
    daemon.arg("run").args(&args.monitor);
    let shown = show(&daemon);
    eprintln!("starting: {shown}");
    Err(daemon.exec()).with_context(|| format!("cannot start `{shown}`"))
}

/// The monitor, through sudo where we are not root.
fn as_root(monitor: &Path, root: bool) -> Command {
    if root {
        return Command::new(monitor);
    }
    let mut command = Command::new("sudo");
    command.arg(monitor);
    command
}
