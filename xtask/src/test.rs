//! `cargo xtask test`: every test there is.

use std::io::IsTerminal as _;
use std::process::Command;

use anyhow::Result;

use crate::programs::{ask, find, run};
use crate::setup::{self, Need, is_root};
use crate::workspace::Workspace;
use crate::{bpf, cargo};

/// The kernel tests skip themselves, with this reason, while this variable says `kernel`.
const SKIP: &str = "MONITOR_TEST_SKIP";

/// The tests that need root and this kernel: a target of the `tests` member.
const KERNEL_TARGET: [&str; 4] = ["--package", "monitor-tests", "--test", "kernel"];

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the tests that load programs into this kernel
    #[arg(long)]
    no_kernel: bool,
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// Runs them: first the core and replay alone, as they build on any machine, then everything together.
pub(crate) fn test(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let kit = setup::ready(&workspace, Need::Test)?;
    bpf::build(&workspace, &kit)?;
    if args.filter.is_none() {
        eprintln!("== the core, without kernel, files and clock");
        run(cargo::host(&workspace, "test").args(["--package", "monitor", "--lib", "--no-default-features"]))?;
        eprintln!("== replay alone, without kernel, sockets and database");
        run(cargo::host(&workspace, "test").args([
            "--package",
            "monitor",
            "--no-default-features",
            "--features",
            "replay",
        ]))?;
    }
    // Tests of the command line start the built monitor, which `cargo test` alone would not build.
    let members = ["--workspace", "--exclude", "monitor-ebpf"];
    run(cargo::host(&workspace, "build").args(members))?;
    let kernel = Kernel::choose(args.no_kernel);
    eprintln!("== the workspace, {}", kernel.describe());
    let mut all = cargo::host(&workspace, "test");
    all.args(members).args(&args.filter);
    if kernel != Kernel::WithTheRest {
        all.env(SKIP, "kernel");
    }
    run(&mut all)?;
    if kernel == Kernel::ThroughSudo {
        eprintln!("== the real kernel, as root through sudo");
        let mut tests = cargo::host(&workspace, "test");
        tests
            .args(KERNEL_TARGET)
            .args(["--config", "target.'cfg(unix)'.runner=['sudo', '-E']"])
            .args(&args.filter);
        run(&mut tests)?;
    }
    Ok(())
}

/// How the tests on the real kernel are run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kernel {
    WithTheRest,
    ThroughSudo,
    LeftOut,
    NoRights,
}

impl Kernel {
    fn choose(no_kernel: bool) -> Self {
        if no_kernel {
            Self::LeftOut
        } else if is_root() {
            Self::WithTheRest
        } else if find("sudo").is_some() && (std::io::stdin().is_terminal() || sudo_asks_nothing()) {
            Self::ThroughSudo
        } else {
            Self::NoRights
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::WithTheRest => "with the real kernel",
            Self::ThroughSudo => "the real kernel after it",
            Self::LeftOut => "without the real kernel, as asked",
            Self::NoRights => "WITHOUT the real kernel: its tests need root or sudo",
        }
    }
}

fn sudo_asks_nothing() -> bool {
    ask(Command::new("sudo").args(["-n", "true"])).is_some()
}
