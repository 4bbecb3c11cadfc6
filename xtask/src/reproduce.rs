//! `cargo xtask reproduce`: the kernel object, made twice in two places, must be the same bytes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::bpf;
use crate::setup::{self, Kit, Need};
use crate::workspace::Workspace;

/// Nothing to choose.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Builds in two folders of different depth and length, and compares.
pub(crate) fn reproduce(_args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let kit = setup::ready(&workspace, Need::Build)?;
    let object = check(&workspace, &kit)?;
    eprintln!("reproduced: {} bytes, the same in both places", object.len());
    Ok(())
}

/// The object, or where two of them differ.
pub(crate) fn check(workspace: &Workspace, kit: &Kit) -> Result<Vec<u8>> {
    let folder = env::temp_dir().join(format!("monitor-reproduce-{}", std::process::id()));
    let made = made_twice(workspace, kit, &folder);
    // Of no use to anybody, and in nobody's way.
    let _ = fs::remove_dir_all(&folder);
    let (first, second) = made?;
    let at = first.iter().zip(&second).position(|(a, b)| a != b);
    ensure!(
        first.len() == second.len() && at.is_none(),
        "the kernel object is not reproducible: {} and {} bytes, different from byte {} on",
        first.len(),
        second.len(),
        at.unwrap_or_else(|| first.len().min(second.len()))
    );
    Ok(first)
}

fn made_twice(workspace: &Workspace, kit: &Kit, folder: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let make = |name: &str| -> Result<Vec<u8>> {
        let root = folder.join(name);
        copy(&workspace.root, &root)?;
        let copied = Workspace {
            target: root.join("target"),
            artifacts: root.join("target"),
            root,
        };
        fs::create_dir_all(copied.bpf_target()).context("cannot make a target folder")?;
        bpf::build(&copied, kit)?;
        fs::read(copied.object()).context("the object was not made")
    };
    Ok((make("a")?, make("another/one further down")?))
}

/// What git knows of, as it is in the working tree.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let listed = Command::new("git")
        .current_dir(from)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("git is needed to know which files belong to the source")?;
    if !listed.status.success() {
        bail!(
            "{} is no git checkout: nobody knows which files are source",
            from.display()
        );
    }
    let names = String::from_utf8(listed.stdout).context("a file whose name is not UTF-8")?;
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let source = from.join(name);
        // Deleted and not yet committed.
        if !source.is_file() {
            continue;
        }
        let place: PathBuf = to.join(name);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::copy(&source, &place).with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(())
}
