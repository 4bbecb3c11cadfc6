//! `cargo xtask toolchain`: what building for the kernel needs here.

use anyhow::Result;

use crate::setup::{self, Need};
use crate::workspace::Workspace;

/// What to look for, and whether to install it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install what is lacking
    #[arg(long)]
    install: bool,
    /// Also what the tests need: servers, clients, load generators
    #[arg(long)]
    tests: bool,
}

/// Says what was found and what would be installed, or installs it.
pub(crate) fn toolchain(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let need = if args.tests { Need::Test } else { Need::Build };
    if args.install {
        setup::ready(&workspace, need)?;
    }
    setup::report(&workspace, need)
}
