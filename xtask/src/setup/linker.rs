//! bpf-linker: the linker that makes one kernel object of compiled Rust.
//!
//! It reads LLVM bitcode, so its LLVM must be at least as new as the compiler's. Ours is built from its crate against
//! the distribution's LLVM and kept in the user's cache folder: it outlives `cargo clean` and serves every checkout.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::version::{Version, leading};
use crate::programs::{ask, find_all, is_executable};
use crate::workspace::Workspace;

/// The release that we build where none is found.
pub(crate) const RELEASE: &str = "0.13.0";

/// The LLVM versions that this release can be built against: its cargo features `llvm-21` to `llvm-23`.
pub(crate) const LLVM: RangeInclusive<u32> = 21..=23;

/// The oldest release that understands the bitcode and debug information of compilers that we accept.
pub(crate) const OLDEST: Version = (0, 10);

/// A bpf-linker that starts.
#[derive(Clone, Debug)]
pub(crate) struct Linker {
    /// The program; its folder goes first into the build's `PATH`.
    pub(crate) path: PathBuf,
    /// Its version.
    pub(crate) version: Version,
    /// The major version of its LLVM, unknown where that is linked statically.
    pub(crate) llvm: Option<u32>,
}

impl Linker {
    /// Every bpf-linker of this machine: those built by us, then `PATH`, then cargo's folder of installed programs.
    pub(crate) fn all(workspace: &Workspace) -> Vec<Self> {
        let ours = fs::read_dir(tools(workspace)).into_iter().flatten().flatten();
        let ours = ours
            .map(|entry| entry.path().join("bin/bpf-linker"))
            .filter(|path| is_executable(path));
        let cargo = cargo_home()
            .map(|home| home.join("bin/bpf-linker"))
            .filter(|path| is_executable(path));
        let mut paths: Vec<_> = ours.chain(find_all("bpf-linker")).chain(cargo).collect();
        let mut seen = Vec::new();
        paths.retain(|path| {
            let new = !seen.contains(path);
            seen.push(path.clone());
            new
        });
        paths.iter().filter_map(|path| Self::probe(path)).collect()
    }

    /// Asks a linker for its version, and the dynamic loader which LLVM it would load.
    fn probe(path: &Path) -> Option<Self> {
        let answer = ask(Command::new(path).arg("--version"))?;
        let version = leading(answer.trim().strip_prefix("bpf-linker ")?)?;
        let libraries = ask(Command::new(path).arg("--version").env("LD_TRACE_LOADED_OBJECTS", "1"));
        Some(Self {
            path: path.to_path_buf(),
            version,
            llvm: libraries.as_deref().and_then(loaded_llvm),
        })
    }

    /// Whether it can link what a compiler with this LLVM writes, as far as can be known without trying.
    pub(crate) fn fits(&self, llvm: u32) -> bool {
        self.version >= OLDEST && self.llvm.is_none_or(|own| own >= llvm)
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        let llvm = self
            .llvm
            .map_or_else(|| "LLVM built in".to_owned(), |llvm| format!("LLVM {llvm}"));
        format!(
            "bpf-linker {}.{} ({llvm}) {}",
            self.version.0,
            self.version.1,
            self.path.display()
        )
    }
}

/// An LLVM with what is needed to build bpf-linker against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Llvm {
    pub(crate) major: u32,
    /// The folder of its `llvm-config`; bpf-linker's build takes the first in `PATH`.
    pub(crate) bin: PathBuf,
}

impl Llvm {
    /// The installed ones that bpf-linker can be built against: in `PATH`, then where Debian's packages put them.
    pub(crate) fn all() -> Vec<Self> {
        let debian = LLVM
            .map(|major| Self::debian(major).bin.join("llvm-config"))
            .filter(|path| is_executable(path));
        let has_library = |bin: &Path| {
            let prefix = bin.parent().unwrap_or(bin);
            ["lib64", "lib"]
                .iter()
                .any(|lib| prefix.join(lib).join("libLLVM.so").exists())
        };
        let all = find_all("llvm-config").into_iter().chain(debian).filter_map(|config| {
            let (major, _) = leading(&ask(Command::new(&config).arg("--version"))?)?;
            let bin = config.parent()?.to_path_buf();
            (LLVM.contains(&major) && has_library(&bin)).then_some(Self { major, bin })
        });
        all.collect()
    }

    /// The one that Debian's package of this version installs.
    pub(crate) fn debian(major: u32) -> Self {
        Self {
            major,
            bin: format!("/usr/lib/llvm-{major}/bin").into(),
        }
    }
}

/// The folder of tools that we build for ourselves.
pub(crate) fn tools(workspace: &Workspace) -> PathBuf {
    let set = |name| {
        env::var_os(name)
            .filter(|value: &OsString| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(named) = set("MONITOR_TOOLS") {
        return named;
    }
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache.map_or_else(|| workspace.target.join("tools"), |cache| cache.join("monitor-xtask"))
}

/// Cargo's own folder: registry and installed programs.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

/// Reads LLVM's major version from the loader's list: `libLLVM.so.22.1 => …`, before LLVM 18 `libLLVM-17.so.1 => …`.
fn loaded_llvm(libraries: &str) -> Option<u32> {
    let (_, after) = libraries.split_once("libLLVM")?;
    let number = after.find(|c: char| c.is_ascii_digit())?;
    Some(leading(&after[number..])?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_llvm_that_is_loaded() {
        let list = "\tlinux-vdso.so.1 (0x00007f)\n\tlibLLVM.so.22.1 => /usr/lib/llvm-22/lib/libLLVM.so.22.1 (0x7f)\n";
        assert_eq!(loaded_llvm(list), Some(22));
        assert_eq!(
            loaded_llvm("\tlibLLVM-17.so.1 => /lib/libLLVM-17.so.1 (0x7f)"),
            Some(17)
        );
        assert_eq!(
            loaded_llvm("bpf-linker 0.13.0\n"),
            None,
            "linked statically: the program itself answered"
        );
    }

    #[test]
    fn fits_a_compiler_with_the_same_or_an_older_llvm() {
        let linker = |version, llvm| Linker {
            path: "bpf-linker".into(),
            version,
            llvm,
        };
        assert!(linker((0, 13), Some(22)).fits(22));
        assert!(linker((0, 13), Some(22)).fits(21));
        assert!(!linker((0, 13), Some(22)).fits(23));
        assert!(linker((0, 10), None).fits(22));
        assert!(!linker((0, 9), None).fits(19));
    }
}
