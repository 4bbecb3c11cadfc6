//! Kernels of other Debian releases, through apt with a state of its own: nothing on this machine changes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::programs::{ask, find, run};

/// Depends on the kernel of a release for virtual machines: small, and with all that the monitor needs.
const PACKAGE: &str = "linux-image-cloud-amd64";
/// Signs all releases.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An image of each release.
pub(crate) fn fetch(releases: &[String], refresh: bool) -> Result<Vec<PathBuf>> {
    let folder = folder()?;
    releases.iter().map(|release| one(&folder, release, refresh)).collect()
}

fn one(folder: &Path, release: &str, refresh: bool) -> Result<PathBuf> {
    ensure!(
        !release.is_empty() && release.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
        "`{release}` is no name of a release"
    );
    let folder = folder.join(release);
    if !refresh && let Some(image) = kept(&folder) {
        return Ok(image);
    }
    ensure!(
        find("apt-get").is_some() && find("dpkg-deb").is_some() && Path::new(KEYRING).is_file(),
        "kernels are taken from Debian's packages, which needs apt and {KEYRING}: name an image of yours with --image"
    );
    eprintln!("== fetching the kernel of {release}");
    let apt = Apt::new(&folder.join("apt"), release)?;
    run(apt.command("apt-get").args(["-q", "update"]))?;
    let packages = apt.kernel()?;
    let packed = folder.join("packages");
    let _ = fs::remove_dir_all(&packed);
    fs::create_dir_all(&packed)?;
    run(apt
        .command("apt-get")
        .args(["-q", "download"])
        .args(&packages)
        .current_dir(&packed))?;
    let unpacked = folder.join("unpacked");
    let _ = fs::remove_dir_all(&unpacked);
    for package in fs::read_dir(&packed)? {
        run(Command::new("dpkg-deb").arg("-x").arg(package?.path()).arg(&unpacked))?;
    }
    let image = image_in(&unpacked).context("the packages hold no kernel image")?;
    let name = packages.first().map_or(release, String::as_str);
    let version = name.trim_start_matches("linux-image-").trim_end_matches("-cloud-amd64");
    let kept = folder.join(format!("vmlinuz-{version}"));
    fs::copy(&image, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
    // Modules and lists are a hundred times as large.
    for rest in ["apt", "packages", "unpacked"] {
        let _ = fs::remove_dir_all(folder.join(rest));
    }
    Ok(kept)
}

/// Where they are kept.
fn folder() -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.or_else(home).context("HOME is not set: where is the cache?")?;
    Ok(cache.join("monitor-xtask").join("kernels"))
}

/// The image that was fetched before.
fn kept(folder: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    entries.find(|path| is_image(path))
}

/// Debian had it in `boot`; newer packages have it beside the modules.
fn image_in(folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).ok()?.filter_map(Result::ok) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && is_image(&entry.path()) => return Some(entry.path()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    None
}

fn is_image(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
}

/// apt, for one release, in a folder.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn new(folder: &Path, release: &str) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let list = folder.join("sources.list");
        fs::write(folder.join("status"), "")?;
        fs::write(
            &list,
            format!("deb [signed-by={KEYRING}] {} {release} main\n", mirror()?),
        )?;
        let at = |option: &str, path: &str| format!("{option}={}", folder.join(path).display());
        Ok(Self {
            options: vec![
                at("Dir::State::lists", "lists"),
                at("Dir::State::status", "status"),
                at("Dir::Cache", "cache"),
                at("Dir::Etc::sourcelist", "sources.list"),
                "Dir::Etc::sourceparts=/dev/null".to_owned(),
                "Acquire::Languages=none".to_owned(),
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
                "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false".to_owned(),
                // Downloads go to a folder that apt's own user may not enter.
                "APT::Sandbox::User=root".to_owned(),
            ],
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C");
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }

    /// The package that the release's kernel is in, and the one that holds its image where that is another.
    fn kernel(&self) -> Result<Vec<String>> {
        let image = self.dependency(PACKAGE, "linux-image-")?;
        let image = image.with_context(|| format!("no kernel that {PACKAGE} depends on"))?;
        let binary = self.dependency(&image, "linux-binary-")?;
        Ok([image].into_iter().chain(binary).collect())
    }

    fn dependency(&self, package: &str, prefix: &str) -> Result<Option<String>> {
        let text = ask(self.command("apt-cache").args(["depends", package]));
        let text = text.with_context(|| format!("the release has no package {package}"))?;
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).find(|name| name.starts_with(prefix)))
    }
}

/// Where this machine has Debian's packages from.
fn mirror() -> Result<String> {
    let targets =
        ask(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)", "Identifier: Packages"]));
    let targets = targets.unwrap_or_default();
    match targets
        .lines()
        .find(|uri| uri.trim_end_matches('/').ends_with("/debian"))
    {
        Some(uri) => Ok(uri.to_owned()),
        None => bail!("this machine's apt has no source of Debian's packages: name an image of yours with --image"),
    }
}
