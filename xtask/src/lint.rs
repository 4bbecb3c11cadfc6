//! `cargo xtask lint`: what the repository asks of every change besides its tests.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::programs::{find, run};
use crate::setup::{self, Kit, Need, Origin};
use crate::workspace::Workspace;
use crate::{bpf, cargo};

/// Nothing to choose.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// The licence and source rules of `deny.toml`; its check of advisories needs a network and runs apart.
const DENY: [&str; 5] = ["deny", "check", "bans", "licenses", "sources"];

/// Warnings are failures here.
const STRICT: [&str; 3] = ["--", "-D", "warnings"];

/// Debian's package of the clippy for its compiler.
const PACKAGE: &str = "rust-web-clippy";

/// Checks formatting, host code, kernel code, and the dependencies if cargo-deny is there. All of it, so that one round
/// of mending is enough.
pub(crate) fn lint(_args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    for component in ["rustfmt", "cargo-clippy"] {
        ensure!(
            find(component).is_some(),
            "there is no {component}: rustup component add rustfmt clippy"
        );
    }
    let kit = setup::ready(&workspace, Need::Build)?;
    bpf::build(&workspace, &kit)?;
    let mut kernel = kernel(&workspace, &kit)?;

    let mut failed = Vec::new();
    let mut check = |name: &'static str, command: &mut Command| {
        eprintln!("== {name}");
        if let Err(error) = run(command) {
            eprintln!("{error:#}");
            failed.push(name);
        }
    };
    check(
        "formatting",
        cargo::host_plain(&workspace, "fmt").args(["--all", "--check"]),
    );
    let mut host = cargo::host(&workspace, "clippy");
    check(
        "clippy, host",
        host.args(["--workspace", "--exclude", "monitor-ebpf", "--all-targets"])
            .args(STRICT),
    );
    let mut core = cargo::host(&workspace, "clippy");
    check(
        "clippy, the core alone",
        core.args(["--package", "monitor", "--lib", "--no-default-features"])
            .args(STRICT),
    );
    let mut replay = cargo::host(&workspace, "clippy");
    check(
        "clippy, replay alone",
        replay
            .args([
                "--package",
                "monitor",
                "--all-targets",
                "--no-default-features",
                "--features",
                "replay",
            ])
            .args(STRICT),
    );
    check("clippy, kernel programs", kernel.args(STRICT));
    if find("cargo-deny").is_some() {
        check("dependencies", cargo::host_plain(&workspace, DENY[0]).args(&DENY[1..]));
    } else {
        eprintln!("== dependencies: left out, cargo-deny is not installed (cargo install cargo-deny --locked)");
    }
    ensure!(failed.is_empty(), "these complain, see above: {}", failed.join("; "));
    Ok(())
}

/// Clippy on the kernel programs, of the compiler that builds them. What rustup does not manage comes from a package.
fn kernel(workspace: &Workspace, kit: &Kit) -> Result<Command> {
    if let Some(command) = bpf::clippy(workspace, kit)? {
        return Ok(command);
    }
    let compiler = kit.compiler.describe();
    match &kit.compiler.origin {
        Origin::Rustup(name) => bail!("{compiler} has no clippy: rustup component add clippy --toolchain {name}"),
        Origin::Named | Origin::Path => {
            setup::bring(workspace, PACKAGE, "the clippy of the kernel programs' compiler")?;
        }
    }
    bpf::clippy(workspace, kit)?.with_context(|| format!("{PACKAGE} is not the clippy of {compiler}"))
}
