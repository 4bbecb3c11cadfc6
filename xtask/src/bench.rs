//! `cargo xtask bench`: what the monitor costs the application that it watches, how it fares for long, and how fast it
//! replays captures.

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
        /// Passed on: --loads LIST (all, or some of small, churn, download, upload, half, idle, crowd, datagrams),
        /// --rounds N, --seconds N, --connections N, --records LIST, --budget PERCENT, --beside LIST (of tcpdump, suricata,
        /// bpftrace), --json FILE, --plot FILE, --least SHARE, --noisy true
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// One daemon for an hour while servers come and go under load: each transaction against their logs, memory, descriptors
    Soak {
        /// Passed on: --minutes N, --life SECONDS
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Transactions a second of CPU time when captures are replayed, and the memory that takes; beside Suricata where
    /// that is installed
    Replay {
        /// Passed on: --transactions N, --rounds N, --directory DIR (default: in the target folder)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Builds the monitor as users run it, and measures.
pub(crate) fn bench(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    match &args.what {
        What::Overhead { arguments } => {
            live(&workspace)?;
            measure(&workspace, "overhead", arguments)
        }
        What::Soak { arguments } => {
            live(&workspace)?;
            measure(&workspace, "soak", arguments)
        }
        What::Replay { arguments } => {
            let package = ["--package", "monitor", "--no-default-features", "--features", "replay"];
            run(cargo::host(&workspace, "build").arg("--release").args(package))?;
            let captures = workspace.target.join("replay").display().to_string();
            let directory = ["--directory".to_owned(), captures];
            measure(&workspace, "replay", &[&directory, arguments.as_slice()].concat())
        }
    }
}

/// Builds what watches a live host.
fn live(workspace: &Workspace) -> Result<()> {
    let kit = setup::ready(workspace, Need::Test)?;
    bpf::build(workspace, &kit)?;
    run(cargo::host(workspace, "build").args(["--release", "--package", "monitor"]))
}

/// Runs a measurement of the member `tests` on the release build.
fn measure(workspace: &Workspace, program: &str, arguments: &[String]) -> Result<()> {
    let mut command = cargo::host(workspace, "run");
    command
        .args([
            "--release",
            "--quiet",
            "--package",
            "monitor-tests",
            "--bin",
            program,
            "--",
        ])
        .args(arguments)
        .env("MONITOR_BIN", workspace.monitor(true));
    run(&mut command)
}
