//! `cargo xtask lint`: what the repository asks of every change besides its tests.

use anyhow::{Context as _, Result};

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

/// Checks formatting, host code, kernel code, and the dependencies if cargo-deny is there.
pub(crate) fn lint(_args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let kit = setup::ready(&workspace, Need::Build)?;
    eprintln!("== formatting");
    run(cargo::host_plain(&workspace, "fmt").args(["--all", "--check"])).context(COMPONENTS)?;
    bpf::build(&workspace, &kit)?;
    eprintln!("== clippy, host");
    let mut host = cargo::host(&workspace, "clippy");
    run(host
        .args(["--workspace", "--exclude", "monitor-ebpf", "--all-targets"])
        .args(STRICT))
    .context(COMPONENTS)?;
    eprintln!("== clippy, the core alone");
    let mut core = cargo::host(&workspace, "clippy");
    run(core
        .args(["--package", "monitor", "--lib", "--no-default-features"])
        .args(STRICT))?;
    kernel(&workspace, &kit)?;
    if find("cargo-deny").is_some() {
        eprintln!("== dependencies");
        run(cargo::host_plain(&workspace, DENY[0]).args(&DENY[1..]))?;
    } else {
        eprintln!("== dependencies: left out, cargo-deny is not installed (cargo install cargo-deny --locked)");
    }
    Ok(())
}

const COMPONENTS: &str = "if a component is missing: rustup component add rustfmt clippy";

/// Clippy on the kernel programs: with the target's own `core` if the compiler that builds them brings its clippy,
/// else with the host's clippy as if for the host, which sees the same code but for the target's details.
fn kernel(workspace: &Workspace, kit: &Kit) -> Result<()> {
    if let Some(mut command) = bpf::clippy(workspace, kit)? {
        eprintln!("== clippy, kernel programs");
        return run(command.args(STRICT));
    }
    eprintln!(
        "== clippy, kernel programs (as if for the host: {} brings no clippy)",
        kit.compiler.rustc.display()
    );
    let mut command = cargo::host(workspace, "clippy");
    command.args(["--package", "monitor-ebpf", "--bins"]).args(STRICT);
    run(command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_PROFILE_DEV_PANIC", "abort"))
}
