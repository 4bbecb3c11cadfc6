//! Rust compilers on this machine, and whether each can compile for the kernel.
//!
//! A compiler can do so in one of two ways: its sysroot holds `core` compiled for [`TARGET`] (some distributions
//! package that), or it holds the source of `core` (rustup's component `rust-src`), which cargo then compiles along.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::version::{Version, leading};
use crate::programs::{ask, find_all, is_executable};

/// The target of the kernel programs: BPF, little-endian as every host we build for.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// The variable by which a user names the compiler; no other is considered then.
pub(crate) const NAMED_BY: &str = "MONITOR_BPF_RUSTC";

/// The oldest compiler that the workspace builds with, from its `rust-version`.
pub(crate) fn oldest() -> Version {
    leading(env!("CARGO_PKG_RUST_VERSION")).unwrap_or_default()
}

/// One Rust compiler.
#[derive(Clone, Debug)]
pub(crate) struct Compiler {
    /// The compiler itself, never rustup's stand-in for it.
    pub(crate) rustc: PathBuf,
    /// Its folder of libraries; local paths in it are kept out of the kernel object.
    pub(crate) sysroot: PathBuf,
    /// Who installed it, since that decides how something is added to it.
    pub(crate) origin: Origin,
    /// Its version as it writes it, such as `1.97.0-nightly`.
    pub(crate) release: String,
    /// The major version of its LLVM: a linker with an older one cannot read what it writes.
    pub(crate) llvm: u32,
    /// How it comes by `core` for the kernel.
    pub(crate) core: Core,
}

/// Where a compiler was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The user named it in the environment.
    Named,
    /// rustup manages it under this toolchain name.
    Rustup(String),
    /// It stands in `PATH`, usually from a distribution's package.
    Path,
}

/// How a compiler comes by `core` for [`TARGET`]. In order of preference: compiled needs no unstable cargo feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Core {
    Precompiled,
    Source,
    Absent,
}

impl Compiler {
    /// Every compiler of this machine, the one to prefer first.
    pub(crate) fn all() -> Vec<Self> {
        let mut compilers: Vec<_> = match env::var_os(NAMED_BY) {
            Some(named) => Self::probe(&PathBuf::from(named), Origin::Named).into_iter().collect(),
            None => places()
                .into_iter()
                .filter_map(|(rustc, origin)| Self::probe(&rustc, origin))
                .collect(),
        };
        compilers.sort_by_key(Self::rank);
        compilers
    }

    /// Asks a compiler what it is and what it has.
    fn probe(rustc: &Path, origin: Origin) -> Option<Self> {
        // The user may have named rustup's stand-in; a question must not make it install anything.
        let question = |args: &[&str]| ask(Command::new(rustc).args(args).env("RUSTUP_AUTO_INSTALL", "0"));
        let (release, llvm) = identity(&question(&["-vV"])?)?;
        let folders = question(&["--print", "sysroot", "--print", "target-libdir", "--target", TARGET])?;
        let (sysroot, libraries) = folders.trim_end().split_once('\n')?;
        let core = core_in(Path::new(sysroot), Path::new(libraries));
        Some(Self {
            rustc: rustc.to_path_buf(),
            sysroot: sysroot.into(),
            origin,
            release,
            llvm,
            core,
        })
    }

    /// Its version as numbers.
    pub(crate) fn version(&self) -> Version {
        leading(&self.release).unwrap_or_default()
    }

    /// Whether it can compile the kernel programs as it is.
    pub(crate) fn is_ready(&self) -> bool {
        self.core != Core::Absent && self.version() >= oldest()
    }

    /// Order of preference: what has `core` compiled, then a release rather than a nightly, then the newest.
    pub(crate) fn rank(&self) -> (Core, bool, std::cmp::Reverse<Version>) {
        (self.core, self.release.contains('-'), std::cmp::Reverse(self.version()))
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        let core = match self.core {
            Core::Precompiled => "core compiled",
            Core::Source => "core from source",
            Core::Absent => "no core for BPF",
        };
        format!(
            "rustc {} (LLVM {}, {core}) {}",
            self.release,
            self.llvm,
            self.rustc.display()
        )
    }
}

/// Where compilers are: rustup's toolchains, then `PATH`, each once.
fn places() -> Vec<(PathBuf, Origin)> {
    let mut seen = BTreeSet::new();
    let rustup = rustup_toolchains()
        .into_iter()
        .map(|(name, dir)| (dir.join("bin/rustc"), Origin::Rustup(name)));
    let path = find_all("rustc")
        .into_iter()
        .filter(|rustc| !is_stand_in(rustc))
        .map(|rustc| (rustc, Origin::Path));
    rustup
        .chain(path)
        .filter(|(rustc, _)| is_executable(rustc) && seen.insert(fs::canonicalize(rustc).unwrap_or_default()))
        .collect()
}

/// Names and folders of rustup's toolchains; none where there is no rustup. One question for all, and unlike
/// `rustup which` it never installs anything.
fn rustup_toolchains() -> Vec<(String, PathBuf)> {
    let list = ask(Command::new("rustup").args(["toolchain", "list", "--verbose"])).unwrap_or_default();
    list.lines().filter_map(rustup_line).collect()
}

/// Reads `stable-x86_64-unknown-linux-gnu (active, default) /root/.rustup/toolchains/…`.
fn rustup_line(line: &str) -> Option<(String, PathBuf)> {
    let (name, rest) = line.split_once(char::is_whitespace)?;
    Some((name.to_owned(), rest.get(rest.find('/')?..)?.trim_end().into()))
}

/// Whether this `rustc` is rustup in disguise (a link to it, hard or symbolic).
fn is_stand_in(rustc: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    inode(rustc).is_some() && inode(rustc) == inode(&rustc.with_file_name("rustup"))
}

/// Reads release and LLVM's major version from `rustc -vV`.
fn identity(verbose: &str) -> Option<(String, u32)> {
    let field = |name| verbose.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let release = field("release:")?;
    let llvm = leading(field("LLVM version:")?)?;
    Some((release.to_owned(), llvm.0))
}

/// Looks for `core` in a compiler's folders.
fn core_in(sysroot: &Path, libraries: &Path) -> Core {
    let is_core = |name: &str| name.starts_with("libcore-") && Path::new(name).extension().is_some_and(|e| e == "rlib");
    let compiled = fs::read_dir(libraries).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_str().is_some_and(is_core))
    });
    if compiled {
        Core::Precompiled
    } else if sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").is_file() {
        Core::Source
    } else {
        Core::Absent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_compiler_says_of_itself() {
        let verbose = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n\
                       release: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        assert_eq!(identity(verbose), Some(("1.97.0-nightly".to_owned(), 22)));
        assert_eq!(identity("rustc 1.97.0"), None);
    }

    #[test]
    fn reads_rustup_lines() {
        let line = "stable-x86_64-unknown-linux-gnu (active, default) /home/a b/.rustup/toolchains/stable";
        let expected = (
            "stable-x86_64-unknown-linux-gnu".to_owned(),
            "/home/a b/.rustup/toolchains/stable".into(),
        );
        assert_eq!(rustup_line(line), Some(expected));
        assert_eq!(
            rustup_line("nightly\t/opt/n"),
            Some(("nightly".to_owned(), "/opt/n".into()))
        );
        assert_eq!(rustup_line("no installed toolchains"), None);
    }

    #[test]
    fn finds_core_compiled_before_its_source() -> std::io::Result<()> {
        let sysroot = env::temp_dir().join(format!("xtask-sysroot-{}", std::process::id()));
        let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
        assert_eq!(core_in(&sysroot, &libraries), Core::Absent);
        fs::create_dir_all(sysroot.join("lib/rustlib/src/rust/library"))?;
        fs::write(sysroot.join("lib/rustlib/src/rust/library/Cargo.lock"), "")?;
        assert_eq!(core_in(&sysroot, &libraries), Core::Source);
        fs::create_dir_all(&libraries)?;
        fs::write(libraries.join("libcore-8056e5e5b270ef4d.rmeta"), "")?;
        assert_eq!(
            core_in(&sysroot, &libraries),
            Core::Source,
            "metadata alone cannot be linked"
        );
        fs::write(libraries.join("libcore-8056e5e5b270ef4d.rlib"), "")?;
        assert_eq!(core_in(&sysroot, &libraries), Core::Precompiled);
        fs::remove_dir_all(sysroot)
    }
}
