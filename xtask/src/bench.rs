//! `cargo xtask bench`: what the monitor costs the application that it watches.

use anyhow::Result;

use crate::programs::run;
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use crate::{bpf, cargo};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Throughput that nginx keeps with the monitor on, in alternating pairs with a sleeping control
    Overhead {
        /// Passed on: --rounds N, --seconds N, --connections N, --records LIST, --json FILE, --floor SHARE
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Builds the monitor as users run it, and measures.
pub(crate) fn bench(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let kit = setup::ready(&workspace, Need::Test)?;
    bpf::build(&workspace, &kit)?;
    run(cargo::host(&workspace, "build").args(["--release", "--package", "monitor"]))?;
    match &args.what {
        What::Overhead { arguments } => {
            let mut command = cargo::host(&workspace, "run");
            command
                .args([
                    "--release",
                    "--quiet",
                    "--package",
                    "monitor-tests",
                    "--bin",
                    "overhead",
                    "--",
                ])
                .args(arguments)
                .env("MONITOR_BIN", workspace.monitor(true));
            run(&mut command)
        }
    }
}
