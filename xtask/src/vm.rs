//! `cargo xtask vm`: the monitor on other kernels, booted under qemu.

mod kernels;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::programs::run;
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use crate::{bpf, cargo};

/// Which kernels.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A Debian release whose kernel is booted: bookworm (6.1), trixie (6.12), sid (the newest); several by repeating it
    #[arg(long = "release", value_name = "NAME", default_values = ["bookworm", "trixie", "sid"])]
    releases: Vec<String>,
    /// A kernel image of yours, instead
    #[arg(long, value_name = "FILE", conflicts_with = "releases")]
    image: Vec<PathBuf>,
    /// Fetch kernels anew that were fetched before
    #[arg(long)]
    refresh: bool,
    /// Give a kernel up after so many seconds
    #[arg(long, default_value_t = 300)]
    limit: u32,
    /// Build the monitor without optimization
    #[arg(long)]
    debug: bool,
}

/// Fetches them, builds the monitor, boots each, and checks what the monitor told there.
pub(crate) fn vm(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let kit = setup::ready(&workspace, Need::Guests)?;
    let images = if args.image.is_empty() {
        kernels::fetch(&args.releases, args.refresh)?
    } else {
        args.image.clone()
    };
    if let Some(image) = images.iter().find(|image| !image.is_file()) {
        bail!("{} is no kernel image", image.display());
    }
    bpf::build(&workspace, &kit)?;
    let profile = if args.debug { &[][..] } else { &["--release"] };
    run(cargo::host(&workspace, "build")
        .args(profile)
        .args(["--package", "monitor"]))?;
    let mut command = cargo::host(&workspace, "run");
    command
        .args(["--quiet", "--package", "monitor-tests", "--bin", "guests", "--"])
        .args(["--limit", &args.limit.to_string()])
        .arg("--console")
        .arg(workspace.target.join("guests"))
        .args(images)
        .env("MONITOR_BIN", workspace.monitor(!args.debug));
    run(&mut command)
}
