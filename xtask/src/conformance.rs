//! `cargo xtask conformance`: our reading of captures and vectors that others wrote, compared with theirs.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cargo;
use crate::programs::run;
use crate::workspace::Workspace;

/// Where the captures are.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder laid out as docs/conformance.md says
    folder: PathBuf,
}

/// Needs neither root nor a BPF toolchain.
pub(crate) fn conformance(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    // Cargo runs the program in the workspace's folder.
    let folder = std::path::absolute(&args.folder).with_context(|| args.folder.display().to_string())?;
    let mut command = cargo::host(&workspace, "run");
    command
        .args(["--quiet", "--package", "monitor-tests", "--bin", "conformance", "--"])
        .arg(folder);
    run(&mut command)
}
