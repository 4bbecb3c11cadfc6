//! From what was found and what can be had to what will be done. Pure decisions: nothing is asked or changed here.

use std::path::PathBuf;
use std::process::Command;

use super::apt::{Apt, Rights};
use super::compiler::{Compiler, Core, Origin, TARGET, oldest};
use super::linker::{self, Linker, Llvm};
use super::needs::Program;

/// Debian's packages of a compiler with `core` compiled for the kernel.
pub(crate) const COMPILER_PACKAGES: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];

/// What is on this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// The one to prefer first.
    pub(crate) compilers: Vec<Compiler>,
    /// The one to prefer first.
    pub(crate) linkers: Vec<Linker>,
    /// Programs that are needed and not there.
    pub(crate) missing: Vec<&'static Program>,
}

/// What could be brought to this machine.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) rights: Rights,
    /// Absent where the distribution is not a Debian.
    pub(crate) apt: Option<Apt>,
    /// LLVMs to build the linker against.
    pub(crate) llvms: Vec<Llvm>,
    /// Whether rustup may be able to download; false once it could not.
    pub(crate) rustup: bool,
    /// Where tools of our own are put.
    pub(crate) tools: PathBuf,
}

/// A compiler and a linker that can read what it writes.
#[derive(Clone, Debug)]
pub(crate) struct Kit {
    pub(crate) compiler: Compiler,
    pub(crate) linker: Linker,
}

/// What will be done, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// What nothing here can bring, as a sentence that says what to type.
    pub(crate) by_hand: Vec<String>,
}

/// One installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// rustup adds the source of `core` to one of its toolchains.
    RustSrc { toolchain: String },
    /// apt installs packages.
    Packages(Vec<String>),
    /// cargo builds bpf-linker against this LLVM.
    Linker { llvm: Llvm, root: PathBuf },
}

impl Found {
    /// The compiler and the linker to build with, if there are such.
    pub(crate) fn kit(&self) -> Option<Kit> {
        self.compilers
            .iter()
            .filter(|compiler| compiler.is_ready())
            .find_map(|compiler| {
                let linker = self.linkers.iter().find(|linker| linker.fits(compiler.llvm))?;
                Some(Kit {
                    compiler: compiler.clone(),
                    linker: linker.clone(),
                })
            })
    }

    /// What is lacking, one line each.
    pub(crate) fn lacks(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        if self.kit().is_none() {
            let ready = self.compilers.iter().find(|compiler| compiler.is_ready());
            if ready.is_none() {
                let (major, minor) = oldest();
                lacks.push(format!("a rustc {major}.{minor} or newer with core for {TARGET}"));
            }
            let llvm = ready.map_or(String::new(), |compiler| {
                format!(" and with LLVM {} or newer", compiler.llvm)
            });
            if ready.is_some() || self.linkers.is_empty() {
                let (major, minor) = linker::OLDEST;
                lacks.push(format!("bpf-linker {major}.{minor} or newer{llvm}"));
            }
        }
        lacks.extend(
            self.missing
                .iter()
                .map(|program| format!("{} ({})", program.name, program.purpose)),
        );
        lacks
    }
}

/// The cheapest way from what was found to all that is needed.
pub(crate) fn plan(found: &Found, offer: &Offer) -> Plan {
    let mut plan = Plan::default();
    let mut packages = Vec::new();
    if found.kit().is_none() {
        match ways(found, offer).next() {
            Some((compiler, linker)) => {
                if let CompilerWay::RustSrc(toolchain) = compiler {
                    plan.steps.push(Step::RustSrc { toolchain });
                } else if compiler == CompilerWay::Packages {
                    packages.extend(COMPILER_PACKAGES.map(str::to_owned));
                }
                if let LinkerWay::PackagedLlvm(major) = linker {
                    packages.push(llvm_package(major));
                }
                plan.steps.extend(linker.build(offer));
            }
            None => plan.by_hand.extend(by_hand(found, offer)),
        }
    }
    for program in &found.missing {
        let offered = |name: &&str| offer.apt.as_ref().is_some_and(|apt| apt.offers(name).is_some());
        if program.packages.iter().all(offered) {
            packages.extend(program.packages.iter().map(|name| (*name).to_owned()));
        } else {
            plan.by_hand
                .push(format!("install `{}` ({})", program.name, program.purpose));
        }
    }
    packages.retain(|name| offer.apt.as_ref().is_some_and(|apt| apt.would_change(name)));
    if !packages.is_empty() {
        // Before the linker, which is built against one of them; after rust-src, whose failure changes the list.
        let at = plan
            .steps
            .iter()
            .position(|step| matches!(step, Step::Linker { .. }))
            .unwrap_or(plan.steps.len());
        plan.steps.insert(at, Step::Packages(packages));
    }
    plan
}

/// How to come by a compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CompilerWay {
    Present,
    RustSrc(String),
    Packages,
}

/// How to come by a linker for it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LinkerWay {
    Present,
    InstalledLlvm(Llvm),
    PackagedLlvm(u32),
}

impl LinkerWay {
    fn build(self, offer: &Offer) -> Option<Step> {
        let llvm = match self {
            Self::Present => return None,
            Self::InstalledLlvm(llvm) => llvm,
            Self::PackagedLlvm(major) => Llvm::debian(major),
        };
        let root = offer
            .tools
            .join(format!("bpf-linker-{}-llvm-{}", linker::RELEASE, llvm.major));
        Some(Step::Linker { llvm, root })
    }
}

/// Every way to a kit that could work here, the cheapest first.
fn ways<'a>(found: &'a Found, offer: &'a Offer) -> impl Iterator<Item = (CompilerWay, LinkerWay)> + 'a {
    let present = found.compilers.iter().filter(|compiler| compiler.is_ready());
    let present = present.map(|compiler| (CompilerWay::Present, Some(compiler.llvm)));
    let source = found.compilers.iter().filter_map(|compiler| match &compiler.origin {
        Origin::Rustup(name) if offer.rustup && compiler.core == Core::Absent && compiler.version() >= oldest() => {
            Some((CompilerWay::RustSrc(name.clone()), Some(compiler.llvm)))
        }
        Origin::Rustup(_) | Origin::Named | Origin::Path => None,
    });
    let packaged = offer.apt.iter().filter(|apt| {
        COMPILER_PACKAGES
            .iter()
            .all(|name| apt.offers(name).is_some_and(|version| version >= oldest()))
    });
    let packaged = packaged.map(|_| (CompilerWay::Packages, None));
    present
        .chain(source)
        .chain(packaged)
        .filter_map(|(compiler, llvm)| Some((compiler, linker_for(found, offer, llvm)?)))
}

/// How to come by a linker for a compiler with this LLVM, or, where that is not known before it is installed, by the
/// newest one.
fn linker_for(found: &Found, offer: &Offer, llvm: Option<u32>) -> Option<LinkerWay> {
    if found.linkers.iter().any(|linker| linker.fits(llvm.unwrap_or(0))) {
        return Some(LinkerWay::Present);
    }
    let enough = |major: u32| linker::LLVM.contains(&major) && llvm.is_none_or(|llvm| major >= llvm);
    let installed = offer
        .llvms
        .iter()
        .filter(|llvm| enough(llvm.major))
        .max_by_key(|llvm| llvm.major);
    let apt = offer.apt.as_ref();
    let offered = |major: u32| apt.is_some_and(|apt| apt.offers(&llvm_package(major)).is_some());
    let packaged = linker::LLVM.rev().find(|&major| enough(major) && offered(major));
    match (installed, packaged) {
        (Some(installed), Some(packaged)) if llvm.is_none() && packaged > installed.major => {
            Some(LinkerWay::PackagedLlvm(packaged))
        }
        (Some(installed), _) => Some(LinkerWay::InstalledLlvm(installed.clone())),
        (None, packaged) => packaged.map(LinkerWay::PackagedLlvm),
    }
}

/// Debian's package of an LLVM to build against.
pub(crate) fn llvm_package(major: u32) -> String {
    format!("llvm-{major}-dev")
}

/// What to type where no way is open.
fn by_hand(found: &Found, offer: &Offer) -> Vec<String> {
    let mut lines = Vec::new();
    let eligible = found.compilers.iter().find(|compiler| compiler.version() >= oldest());
    match eligible {
        Some(compiler) if compiler.is_ready() => {}
        Some(Compiler {
            origin: Origin::Rustup(name),
            ..
        }) => {
            lines.push(format!("rustup component add rust-src --toolchain {name}"));
        }
        Some(Compiler {
            origin: Origin::Named | Origin::Path,
            ..
        })
        | None => {
            lines.push("rustup toolchain install nightly --component rust-src    (rustup: https://rustup.rs)".into());
        }
    }
    let llvm = eligible.map_or(*linker::LLVM.end(), |compiler| compiler.llvm.max(*linker::LLVM.start()));
    if linker_for(found, offer, Some(llvm)).is_none() {
        let install = show_install(llvm);
        lines.push(format!(
            "cargo binstall bpf-linker    (compiled; or install LLVM {llvm} with its development files, then: {install})"
        ));
    }
    lines
}

/// The command that builds bpf-linker, as one would type it.
fn show_install(llvm: u32) -> String {
    crate::programs::show(Command::new("cargo").args(install_args(llvm)))
}

/// Cargo's arguments that build bpf-linker against this LLVM. Forced, since one that is there does not start.
pub(crate) fn install_args(llvm: u32) -> Vec<String> {
    let args = [
        "install",
        "bpf-linker",
        "--version",
        linker::RELEASE,
        "--locked",
        "--force",
        "--no-default-features",
    ];
    let mut args: Vec<String> = args.map(str::to_owned).into();
    args.extend(["--features".to_owned(), format!("llvm-{llvm}")]);
    args
}

#[cfg(test)]
mod tests;
