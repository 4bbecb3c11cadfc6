//! Building the kernel programs into one object.

use std::env::consts::ARCH;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::cargo;
use crate::programs::{ask, is_executable, run};
use crate::setup::{Compiler, Core, Kit, Origin, TARGET, cargo_home, path_with};
use crate::workspace::Workspace;

/// What an ELF file begins with, and the machine number of BPF (`EM_BPF` in the kernel's `elf-em.h`).
const ELF_MAGIC: &[u8] = b"\x7fELF";
const EM_BPF: u16 = 247;
/// Cargo profile of the kernel programs: BTF is made from debug information, of which `release` keeps too little.
const PROFILE: &str = "bpf";
/// Where the machine number stands in an ELF header (`e_machine`).
const ELF_MACHINE: std::ops::Range<usize> = 18..20;

/// Builds the object and puts it where `monitor/build.rs` takes it from.
pub(crate) fn build(workspace: &Workspace, kit: &Kit) -> Result<()> {
    let mut command = command(workspace, kit, &cargo_of(&kit.compiler), "build")?;
    run(&mut command).with_context(|| {
        format!(
            "the kernel programs could not be built with\n  {}\n  {}",
            kit.compiler.describe(),
            kit.linker.describe()
        )
    })?;
    let built = workspace.bpf_target().join(TARGET).join(PROFILE).join("monitor-ebpf");
    let object = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    ensure!(
        is_bpf(&object),
        "{} is not a BPF object: which linker made it?",
        built.display()
    );
    replace(&workspace.object(), &object)
}

/// The kit's own clippy on the kernel programs, if the compiler came with one: another's could not read its libraries.
pub(crate) fn clippy(workspace: &Workspace, kit: &Kit) -> Result<Option<Command>> {
    let program = kit.compiler.rustc.with_file_name("cargo-clippy");
    let release = ask(Command::new(kit.compiler.rustc.with_file_name("clippy-driver")).args(["--rustc", "--version"]));
    if !is_executable(&program) || !release.is_some_and(|release| release.contains(&kit.compiler.release)) {
        return Ok(None);
    }
    let mut command = command(workspace, kit, &program, "clippy")?;
    command.env("CARGO", cargo_of(&kit.compiler));
    Ok(Some(command))
}

/// A cargo subcommand set up to compile the kernel programs.
fn command(workspace: &Workspace, kit: &Kit, program: &Path, subcommand: &str) -> Result<Command> {
    let mut command = cargo::isolated(workspace, program);
    let linker_folder = kit.linker.path.parent().context("the linker is in no folder")?;
    command
        .arg(subcommand)
        .args([
            "--profile",
            PROFILE,
            "--package",
            "monitor-ebpf",
            "--bin",
            "monitor-ebpf",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(workspace.bpf_target())
        .env("RUSTC", &kit.compiler.rustc)
        // Both the programs and cargo's build-std use unstable features; on a stable compiler this opens them.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, &kit.compiler))
        .env("PATH", path_with(linker_folder)?);
    if let Origin::Rustup(name) = &kit.compiler.origin {
        command.env("RUSTUP_TOOLCHAIN", name);
    }
    if kit.compiler.core == Core::Source {
        command.args(["-Z", "build-std=core"]);
    }
    Ok(command)
}

/// The cargo to build with. Compiling `core` from source is a contract between one cargo and one source, so a rustup
/// toolchain's compiler is used with its own; `core` that is compiled already is no cargo's concern.
fn cargo_of(compiler: &Compiler) -> PathBuf {
    match compiler.origin {
        Origin::Rustup(_) => compiler.rustc.with_file_name("cargo"),
        Origin::Named | Origin::Path => cargo::program(),
    }
}

/// Compiler flags, in cargo's encoding: separated by the ASCII unit separator, so that paths may hold spaces.
fn flags(workspace: &Workspace, compiler: &Compiler) -> OsString {
    let architecture = format!("--cfg=bpf_target_arch=\"{ARCH}\"");
    let mut flags = OsString::from(architecture);
    flags.push("\x1f-Clink-arg=--btf");
    // No path of this machine gets into the object: the same source gives the same bytes anywhere, which `cargo xtask
    // reproduce` checks. The last match counts.
    let cargo_home = cargo_home().unwrap_or_default();
    let local = [
        (cargo_home.as_path(), "/cargo"),
        (workspace.root.as_path(), "/monitor"),
        (workspace.target.as_path(), "/target"),
        (compiler.sysroot.as_path(), "/rust"),
    ];
    for (path, name) in local.iter().filter(|(path, _)| !path.as_os_str().is_empty()) {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(path);
        flags.push("=");
        flags.push(name);
    }
    flags
}

/// Whether this is a relocatable BPF file, little-endian as [`TARGET`].
fn is_bpf(object: &[u8]) -> bool {
    let machine = object
        .get(ELF_MACHINE)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u16::from_le_bytes);
    object.starts_with(ELF_MAGIC) && machine == Some(EM_BPF)
}

/// Writes a file only if its content changes, so that nothing that depends on it is built anew for nothing.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let partial = path.with_extension("partial");
    fs::write(&partial, content).with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_bpf_objects_from_others() {
        let mut header = [0; 64];
        header[..4].copy_from_slice(ELF_MAGIC);
        assert!(!is_bpf(&header));
        header[ELF_MACHINE].copy_from_slice(&EM_BPF.to_le_bytes());
        assert!(is_bpf(&header));
        assert!(!is_bpf(&header[..10]) && !is_bpf(b""));
    }

    #[test]
    fn an_unchanged_object_keeps_its_time() -> Result<()> {
        let path = std::env::temp_dir().join(format!("xtask-object-{}", std::process::id()));
        replace(&path, b"one")?;
        let past = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options().append(true).open(&path)?.set_modified(past)?;
        replace(&path, b"one")?;
        assert_eq!(fs::metadata(&path)?.modified()?, past);
        replace(&path, b"two")?;
        assert_ne!(fs::metadata(&path)?.modified()?, past);
        assert_eq!(fs::read(&path)?, b"two");
        Ok(fs::remove_file(path)?)
    }
}
