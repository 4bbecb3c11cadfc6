//! `cargo xtask build`: the kernel object, then the monitor that carries it.

use std::path::PathBuf;

use anyhow::Result;

use crate::programs::run;
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use crate::{bpf, cargo};

/// How to build.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Optimise; the result can be copied to another machine
    #[arg(long)]
    release: bool,
}

/// Makes the machine ready, builds, and says where the result is.
pub(crate) fn build(args: &Args) -> Result<()> {
    let monitor = monitor(&Workspace::find()?, args.release)?;
    eprintln!("built {}", monitor.display());
    Ok(())
}

/// Builds the monitor and returns its path.
pub(crate) fn monitor(workspace: &Workspace, release: bool) -> Result<PathBuf> {
    let kit = setup::ready(workspace, Need::Build)?;
    bpf::build(workspace, &kit)?;
    let mut command = cargo::host(workspace, "build");
    command.args(["--package", "monitor"]);
    if release {
        command.arg("--release");
    }
    run(&mut command)?;
    Ok(workspace.monitor(release))
}
