//! Carrying out a plan, step by step and visibly.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::apt::{Apt, Rights};
use super::linker::{self, Llvm};
use super::plan::{Plan, Step, install_args};
use crate::cargo;
use crate::programs::{run, show};
use crate::workspace::Workspace;

/// rustup tries as often again where a download fails; more would only delay the other way.
const RUSTUP_RETRIES: &str = "1";

impl Step {
    /// What it brings, for the list that is shown before anything is done.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::RustSrc { toolchain } => format!("rust-src for the toolchain {toolchain}, by rustup"),
            Self::Packages(names) => format!("packages, by apt: {}", names.join(" ")),
            Self::Linker { llvm, root } => {
                let (major, root) = (llvm.major, root.display());
                format!(
                    "bpf-linker {} built against LLVM {major} (about a minute), into {root}",
                    linker::RELEASE
                )
            }
        }
    }

    /// Its command as one would type it.
    pub(crate) fn show(&self, rights: Rights) -> String {
        match self {
            Self::RustSrc { toolchain } => show(&rust_src(toolchain)),
            Self::Packages(names) => show(&Apt::install(rights, names)),
            Self::Linker { llvm, root } => {
                let mut command = Command::new("cargo");
                command.args(install_args(llvm.major)).arg("--root").arg(root);
                format!("PATH={}:$PATH {}", llvm.bin.display(), show(&command))
            }
        }
    }
}

/// Does what is planned. False if rustup could not download: then the rest waits for another plan.
pub(crate) fn carry_out(workspace: &Workspace, plan: &Plan, rights: Rights) -> Result<bool> {
    let all = plan.steps.len();
    for (at, step) in plan.steps.iter().enumerate() {
        let began = Instant::now();
        eprintln!("[{}/{all}] {}", at + 1, step.show(rights));
        match step {
            Step::RustSrc { toolchain } => {
                if let Err(error) = add_rust_src(toolchain) {
                    eprintln!(
                        "[{}/{all}] rustup cannot bring rust-src ({error:#}): looking for another way",
                        at + 1
                    );
                    return Ok(false);
                }
            }
            Step::Packages(names) => {
                run(&mut Apt::install(rights, names)).context("the packages could not be installed")?;
                quiet_nginx(names, rights)?;
            }
            Step::Linker { llvm, root } => build_linker(workspace, llvm, root)?,
        }
        eprintln!("[{}/{all}] done in {:.0} s", at + 1, began.elapsed().as_secs_f64());
    }
    Ok(true)
}

/// Fetches the package lists. A failure is only told: what the lists hold may do.
pub(crate) fn refresh(rights: Rights) {
    let mut command = Apt::update(rights);
    eprintln!("Refreshing the package lists: {}", show(&command));
    if let Err(error) = run(&mut command) {
        eprintln!("{error:#}: going on with the lists that are there");
    }
}

fn rust_src(toolchain: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["component", "add", "rust-src", "--toolchain", toolchain]);
    command
}

/// Adds rust-src, to the end: a rustup that is killed half-way may leave a toolchain that no longer works.
fn add_rust_src(toolchain: &str) -> Result<()> {
    run(rust_src(toolchain)
        .env("RUSTUP_MAX_RETRIES", RUSTUP_RETRIES)
        .env("RUSTUP_AUTO_INSTALL", "0")
        .env_remove("RUST_BACKTRACE"))
}

/// Builds bpf-linker where it is looked for first.
fn build_linker(workspace: &Workspace, llvm: &Llvm, root: &Path) -> Result<()> {
    let mut command = cargo::isolated(workspace, &cargo::program());
    command
        .args(install_args(llvm.major))
        .arg("--root")
        .arg(root)
        .env("PATH", path_with(&llvm.bin)?);
    run(&mut command).context("bpf-linker could not be built")
}

/// `PATH` with a folder before all others.
pub(crate) fn path_with(first: &Path) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_path_buf()).chain(env::split_paths(&path));
    env::join_paths(all).with_context(|| format!("{} cannot stand in PATH", first.display()))
}

/// The tests start an nginx of their own. Where systemd has just started the package's on port 80, it is stopped again.
fn quiet_nginx(names: &[String], rights: Rights) -> Result<()> {
    if !names.iter().any(|name| name == "nginx-light") || !Path::new("/run/systemd/system").exists() {
        return Ok(());
    }
    let mut command = match rights {
        Rights::Sudo => Command::new("sudo"),
        Rights::Root | Rights::None => Command::new("env"),
    };
    command.args(["systemctl", "disable", "--now", "nginx"]);
    eprintln!("nginx is wanted as a program, not as a service: {}", show(&command));
    run(&mut command)
}
