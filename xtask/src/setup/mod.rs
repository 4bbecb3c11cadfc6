//! Making a machine ready: find out what it lacks, say so, install it, look again.
//!
//! Looking costs a tenth of a second and is done anew every time, so there is no record of a set-up that could be
//! out of date. What can be had is asked only where something is lacking.

mod apt;
mod compiler;
mod install;
mod linker;
mod needs;
mod plan;
mod version;

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};

pub(crate) use apt::is_root;
pub(crate) use compiler::{Compiler, Core, Origin, TARGET};
pub(crate) use install::path_with;
pub(crate) use linker::cargo_home;
pub(crate) use needs::Need;
pub(crate) use plan::Kit;

use apt::{Apt, Rights};
use linker::{Linker, Llvm};
use plan::{Found, Offer, Plan};

use crate::programs::find;
use crate::workspace::Workspace;

/// A plan is carried out and the machine looked at again: once for what was planned, once if rustup could not
/// download, once if a compiler's LLVM turned out newer than expected. Whatever is lacking then stays so.
const ROUNDS: usize = 3;

/// Makes everything ready that `need` names, and returns what to build with.
pub(crate) fn ready(workspace: &Workspace, need: Need) -> Result<Kit> {
    let mut rustup = true;
    for _ in 0..ROUNDS {
        let found = look(workspace, need)?;
        if let (Some(kit), true) = (found.kit(), found.missing.is_empty()) {
            return Ok(kit);
        }
        say("This machine lacks:", &found.lacks());
        let mut offer = offer(workspace, &found, rustup);
        if offer.rights != Rights::None && offer.apt.as_ref().is_some_and(|apt| apt.stale) {
            install::refresh(offer.rights);
            offer.apt = Apt::probe(&wanted(&found));
        }
        let plan = plan::plan(&found, &offer);
        rustup = carry_out(workspace, &plan, offer.rights)?;
    }
    let found = look(workspace, need)?;
    match found.kit() {
        Some(kit) if found.missing.is_empty() => Ok(kit),
        _ => bail!("still lacking after the set-up: {}", found.lacks().join("; ")),
    }
}

/// Installs one package that a command needs on top.
pub(crate) fn bring(workspace: &Workspace, package: &str, purpose: &str) -> Result<()> {
    let names = [package.to_owned()];
    let rights = Rights::find();
    say("This machine lacks:", &[purpose.to_owned()]);
    let offered = || Apt::probe(&names).filter(|apt| apt.offers(package).is_some());
    if offered().is_none() && rights != Rights::None && find("apt-get").is_some() {
        install::refresh(rights);
    }
    let mut plan = Plan::default();
    match offered() {
        Some(_) => plan.steps.push(plan::Step::Packages(names.to_vec())),
        None => plan.by_hand.push(format!("install {purpose} ({package} on Debian)")),
    }
    carry_out(workspace, &plan, rights).map(|_| ())
}

/// Says what is there and what would be installed, and changes nothing.
pub(crate) fn report(workspace: &Workspace, need: Need) -> Result<()> {
    let found = look(workspace, need)?;
    let compilers = found.compilers.iter().map(Compiler::describe);
    let linkers = found.linkers.iter().map(Linker::describe);
    say("Found:", &compilers.chain(linkers).collect::<Vec<_>>());
    if let Some(kit) = found.kit() {
        say("To build with:", &[kit.compiler.describe(), kit.linker.describe()]);
    }
    let lacks = found.lacks();
    if lacks.is_empty() {
        eprintln!("Nothing is lacking.");
        return Ok(());
    }
    say("This machine lacks:", &lacks);
    let offer = offer(workspace, &found, true);
    let plan = plan::plan(&found, &offer);
    if offer.apt.as_ref().is_some_and(|apt| apt.stale) {
        eprintln!("The package lists are old: installing refreshes them first, and may then offer more.");
    }
    say("Would be installed with `--install`:", &commands(&plan, offer.rights));
    say("Has to be done by hand:", &plan.by_hand);
    Ok(())
}

/// Looks at the machine.
fn look(workspace: &Workspace, need: Need) -> Result<Found> {
    let compilers = Compiler::all();
    if let Some(named) = env::var_os(compiler::NAMED_BY) {
        let named = PathBuf::from(named);
        match compilers.first() {
            Some(compiler) if compiler.is_ready() => {}
            Some(compiler) => bail!(
                "{} names a compiler that cannot build for the kernel: {}\nName another, or unset it and let one be found.",
                compiler::NAMED_BY,
                compiler.describe(),
            ),
            None => bail!(
                "{} names {}, which is no Rust compiler that starts",
                compiler::NAMED_BY,
                named.display()
            ),
        }
    }
    Ok(Found {
        compilers,
        linkers: Linker::all(workspace),
        missing: need.missing(),
    })
}

/// Finds out what could be had.
fn offer(workspace: &Workspace, found: &Found, rustup: bool) -> Offer {
    Offer {
        rights: Rights::find(),
        apt: Apt::probe(&wanted(found)),
        llvms: Llvm::all(),
        rustup,
        tools: linker::tools(workspace),
    }
}

/// Every package that a plan might want.
fn wanted(found: &Found) -> Vec<String> {
    let compiler = plan::COMPILER_PACKAGES.map(str::to_owned).into_iter();
    let programs = found
        .missing
        .iter()
        .flat_map(|program| program.packages)
        .map(|name| (*name).to_owned());
    compiler
        .chain(linker::LLVM.map(plan::llvm_package))
        .chain(programs)
        .collect()
}

/// Says what will be installed and installs it; false if rustup could not download. If the plan cannot be carried out
/// whole, nothing is changed and the commands to type are told.
fn carry_out(workspace: &Workspace, plan: &Plan, rights: Rights) -> Result<bool> {
    let needs_rights = plan.steps.iter().any(|step| matches!(step, plan::Step::Packages(_)));
    if !plan.by_hand.is_empty() || (needs_rights && rights == Rights::None) {
        let lines: Vec<_> = plan.by_hand.iter().cloned().chain(commands(plan, rights)).collect();
        bail!(
            "this cannot be installed from here. Type, then run this again:\n  {}",
            lines.join("\n  ")
        );
    }
    let steps: Vec<_> = plan.steps.iter().map(plan::Step::describe).collect();
    say("To be installed:", &steps);
    install::carry_out(workspace, plan, rights)
}

fn commands(plan: &Plan, rights: Rights) -> Vec<String> {
    plan.steps.iter().map(|step| step.show(rights)).collect()
}

/// Prints a list under a heading, or nothing if it is empty.
fn say(heading: &str, lines: &[String]) {
    if !lines.is_empty() {
        eprintln!("{heading}\n  - {}", lines.join("\n  - "));
    }
}
