//! `cargo xtask lint`: what the repository asks of every change besides its tests.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::programs::{find, run};
use crate::setup::{self, Kit, Need};
use crate::workspace::Workspace;
use crate::{bpf, cargo};

/// Nothing to choose.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// The licence and source rules of `deny.toml`; its check of advisories needs a network and runs apart.
const DENY: [&str; 5] = ["deny", "check", "bans", "licenses", "sources"];

/// Warnings are failures here.
const STRICT: [&str; 3] = ["--", "-D", "warnings"];

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
    let (name, mut kernel) = kernel(&workspace, &kit)?;
    check(name, kernel.args(STRICT));
    if find("cargo-deny").is_some() {
        check("dependencies", cargo::host_plain(&workspace, DENY[0]).args(&DENY[1..]));
    } else {
        eprintln!("== dependencies: left out, cargo-deny is not installed (cargo install cargo-deny --locked)");
    }
    ensure!(failed.is_empty(), "these complain, see above: {}", failed.join("; "));
    Ok(())
}

/// Clippy on the kernel programs: with the target's own `core` if the compiler that builds them brings its clippy,
/// else with the host's clippy as if for the host, which sees the same code but for the target's details.
fn kernel(workspace: &Workspace, kit: &Kit) -> Result<(&'static str, Command)> {
    if let Some(command) = bpf::clippy(workspace, kit)? {
        return Ok(("clippy, kernel programs", command));
    }
    let mut command = cargo::host(workspace, "clippy");
    command.args(["--package", "monitor-ebpf", "--bins"]);
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_PROFILE_DEV_PANIC", "abort");
    Ok((
        "clippy, kernel programs (as if for the host: their compiler brings no clippy)",
        command,
    ))
}
