//! `cargo xtask package`: one archive with the binary and all that goes with it.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::programs::{ask, run};
use crate::sbom::{self, Part};
use crate::workspace::Workspace;
use crate::{build, cargo};

/// Shells whose completions go along, and where in `share` each looks for them.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/monitor"),
    ("zsh", "zsh/site-functions/_monitor"),
    ("fish", "fish/vendor_completions.d/monitor.fish"),
];

/// Files that go along as they are: from the checkout, to the archive.
const COPIED: [(&str, &str); 6] = [
    ("packaging/monitor.service", "lib/systemd/system/monitor.service"),
    ("README.md", "share/doc/monitor/README.md"),
    ("LICENSE-MIT", "share/doc/monitor/LICENSE-MIT"),
    ("LICENSE-APACHE", "share/doc/monitor/LICENSE-APACHE"),
    ("LICENSE-GPL2", "share/doc/monitor/LICENSE-GPL2"),
    ("CONTRIBUTING.md", "share/doc/monitor/CONTRIBUTING.md"),
];

/// What the texts of licences are called in the sources of packages.
const LICENCE_NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"];

/// How to build what goes in.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Without optimization; for a look at the archive
    #[arg(long)]
    debug: bool,
}

/// Builds, gathers, and says where the archive is.
pub(crate) fn package(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let monitor = build::monitor(&workspace, !args.debug)?;
    let version = ask(Command::new(&monitor).arg("--version")).context("the built monitor does not start")?;
    let version = version.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    let name = format!("monitor-{version}-{ARCH}-linux");
    let folder = workspace.target.join("package");
    let root = folder.join(&name);
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot clear {}", root.display()))?;
    }
    gather(&workspace, &monitor, &version, &root)?;
    let archive = pack(&workspace, &folder, &name)?;
    eprintln!("made {}", archive.display());
    Ok(())
}

fn gather(workspace: &Workspace, monitor: &Path, version: &str, root: &Path) -> Result<()> {
    put(root, "bin/monitor", &fs::read(monitor)?)?;
    fs::set_permissions(
        root.join("bin/monitor"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    for (from, to) in COPIED {
        let content = fs::read(workspace.root.join(from)).with_context(|| format!("cannot read {from}"))?;
        put(root, to, &content)?;
    }
    for folder in ["docs", "schemas"] {
        for entry in fs::read_dir(workspace.root.join(folder)).with_context(|| format!("cannot read {folder}"))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let name = format!("share/doc/monitor/{folder}/{}", entry.file_name().to_string_lossy());
                put(root, &name, &fs::read(entry.path())?)?;
            }
        }
    }
    let said = |arguments: &[&str]| {
        ask(Command::new(monitor).args(arguments)).with_context(|| format!("monitor {} failed", arguments.join(" ")))
    };
    put(
        root,
        "share/doc/monitor/monitor.toml",
        said(&["config", "default"])?.as_bytes(),
    )?;
    for (shell, place) in SHELLS {
        put(
            root,
            &format!("share/{place}"),
            said(&["completions", shell])?.as_bytes(),
        )?;
    }
    let manual = root.join("share/man/man1");
    fs::create_dir_all(&manual)?;
    said(&["man", &manual.to_string_lossy()])?;
    let parts = parts(workspace)?;
    let bill = serde_json::to_string_pretty(&sbom::cyclonedx(&parts, version))?;
    put(root, "share/doc/monitor/sbom.cdx.json", format!("{bill}\n").as_bytes())?;
    put(
        root,
        "share/doc/monitor/LICENSES-OF-OTHERS",
        licences(&parts)?.as_bytes(),
    )
}

fn parts(workspace: &Workspace) -> Result<BTreeMap<String, Part>> {
    let platform = format!("{ARCH}-unknown-linux-gnu");
    let mut metadata = cargo::host_plain(workspace, "metadata");
    metadata.args(["--format-version", "1", "--locked", "--filter-platform", &platform]);
    let metadata = ask(&mut metadata).context("cargo metadata failed: is Cargo.lock up to date?")?;
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    sbom::parts(&serde_json::from_str(&metadata)?, &lock)
}

/// The texts that others' licences ask for beside a binary, each once, with the packages that it is of.
fn licences(parts: &BTreeMap<String, Part>) -> Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut out = String::from("Packages of others in this binary:\n\n");
    for part in parts.values().filter(|part| part.foreign) {
        let who = format!("{} {}", part.name, part.version);
        writeln!(
            out,
            "{who}: {}",
            part.license.as_deref().unwrap_or("see its text below")
        )?;
        let entries = fs::read_dir(&part.folder).with_context(|| format!("cannot read {}", part.folder))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().to_uppercase();
            if LICENCE_NAMES.iter().any(|licence| name.starts_with(licence)) && entry.path().is_file() {
                let text = String::from_utf8_lossy(&fs::read(entry.path())?).trim().to_owned();
                texts.entry(text).or_default().push(who.clone());
            }
        }
    }
    ensure!(!texts.is_empty(), "no licence was found in the sources of the packages");
    for (text, of) in texts {
        write!(out, "\n{}\n{}:\n\n{text}\n", "-".repeat(72), of.join(", "))?;
    }
    Ok(out)
}

fn put(root: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = root.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// The archive, and its SHA-256 beside it. Names are in order, and times are the commit's: the same files give the same bytes.
fn pack(workspace: &Workspace, folder: &Path, name: &str) -> Result<PathBuf> {
    let time = ask(Command::new("git")
        .current_dir(&workspace.root)
        .args(["log", "-1", "--format=%ct"]));
    let time = time.map_or_else(|| "0".to_owned(), |time| time.trim().to_owned());
    let archive = format!("{name}.tar.gz");
    run(Command::new("tar")
        .current_dir(folder)
        .env("GZIP", "")
        .args([
            "--sort=name",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--mode=u+rw,go=rX",
        ])
        .arg(format!("--mtime=@{time}"))
        // No time of packing in the gzip header (gzip(1), -n).
        .args(["--use-compress-program=gzip -n -9", "-cf", &archive, name]))?;
    let sum = ask(Command::new("sha256sum").current_dir(folder).arg(&archive)).context("sha256sum failed")?;
    fs::write(folder.join(format!("{archive}.sha256")), sum)?;
    Ok(folder.join(archive))
}
