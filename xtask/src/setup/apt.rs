//! Debian's package manager: what it offers, and how to call it with the rights that we have.

use std::collections::BTreeMap;
use std::fs;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::version::{Version, leading};
use crate::programs::{ask, find};

/// Package lists older than this name versions that mirrors may no longer hold.
const STALE: Duration = Duration::from_hours(24);

/// By what right packages may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    Root,
    Sudo,
    None,
}

impl Rights {
    /// Root, else sudo where somebody can type a password or none is asked for.
    pub(crate) fn find() -> Self {
        if is_root() {
            Self::Root
        } else if find("sudo").is_some()
            && (std::io::stdin().is_terminal() || ask(Command::new("sudo").args(["-n", "true"])).is_some())
        {
            Self::Sudo
        } else {
            Self::None
        }
    }
}

/// Whether this process is root: the owner of its entry in /proc is its effective user.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// What apt knows of one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) installed: Option<String>,
    /// The version that would be installed; absent where no source has the package.
    pub(crate) candidate: Option<String>,
}

/// What apt offers, of the packages that it was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Apt {
    packages: BTreeMap<String, Package>,
    /// The lists were never fetched, or long ago.
    pub(crate) stale: bool,
}

impl Apt {
    /// Asks for these packages; `None` where there is no apt.
    pub(crate) fn probe(names: &[String]) -> Option<Self> {
        find("apt-get")?;
        let policy = ask(Command::new("apt-cache").arg("policy").args(names).env("LC_ALL", "C")).unwrap_or_default();
        Some(Self {
            packages: parse(&policy),
            stale: lists_are_stale(Path::new("/var/lib/apt/lists")),
        })
    }

    /// The version of `name` that can be had.
    pub(crate) fn offers(&self, name: &str) -> Option<Version> {
        leading(strip_epoch(self.packages.get(name)?.candidate.as_deref()?))
    }

    /// Whether installing `name` would change anything.
    pub(crate) fn would_change(&self, name: &str) -> bool {
        self.packages
            .get(name)
            .is_none_or(|package| package.installed != package.candidate)
    }

    /// The command that refreshes the lists.
    pub(crate) fn update(rights: Rights) -> Command {
        command(rights, &["update", "-q"])
    }

    /// The command that installs packages, and what they need, without asking.
    pub(crate) fn install(rights: Rights, names: &[String]) -> Command {
        let mut command = command(rights, &["install", "-y", "-q", "--no-install-recommends"]);
        command.args(names);
        command
    }
}

/// apt-get, waiting up to two minutes for another one that runs.
fn command(rights: Rights, args: &[&str]) -> Command {
    let mut command = match rights {
        Rights::Root => Command::new("env"),
        // Shown to be typed where there are no rights, hence the same.
        Rights::Sudo | Rights::None => {
            let mut command = Command::new("sudo");
            command.arg("env");
            command
        }
    };
    command
        .args([
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-o",
            "DPkg::Lock::Timeout=120",
        ])
        .args(args);
    command
}

/// Whether the lists were fetched long ago or, as in fresh container images, are not there at all.
fn lists_are_stale(folder: &Path) -> bool {
    let any = fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains("_Packages")))
    });
    let fetched = fs::metadata(folder).and_then(|meta| meta.modified()).ok();
    !any || fetched
        .and_then(|time| time.elapsed().ok())
        .is_none_or(|age| age > STALE)
}

/// Reads `apt-cache policy`: a package's name at the line's start, its versions below.
fn parse(policy: &str) -> BTreeMap<String, Package> {
    let mut packages = BTreeMap::new();
    let mut current: Option<&mut Package> = None;
    for line in policy.lines() {
        if !line.starts_with(' ') {
            current = line
                .strip_suffix(':')
                .map(|name| packages.entry(name.to_owned()).or_default());
        } else if let (Some(package), Some((key, value))) = (current.as_deref_mut(), line.trim().split_once(": ")) {
            let version = (value != "(none)").then(|| value.to_owned());
            match key {
                "Installed" => package.installed = version,
                "Candidate" => package.candidate = version,
                _ => {}
            }
        }
    }
    packages
}

/// `1:22.1.8-1` is version 22.1.8; the epoch before the colon only orders renamed versions.
fn strip_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An apt that offers these versions, with nothing installed.
    pub(crate) fn offering(packages: &[(&str, &str)]) -> Apt {
        let package = |version: &str| Package {
            installed: None,
            candidate: Some(version.to_owned()),
        };
        let packages = packages
            .iter()
            .map(|(name, version)| ((*name).to_owned(), package(version)))
            .collect();
        Apt { packages, stale: false }
    }

    #[test]
    fn reads_policies() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n     \
                      1.96.0+dfsg1-1~deb12u2 500\n        500 http://example.org/debian bookworm/main amd64 Packages\n\
                      llvm-22-dev:\n  Installed: 1:22.1.8-1~deb12u1\n  Candidate: 1:22.1.8-1~deb12u1\n\
                      wrk:\n  Installed: (none)\n  Candidate: (none)\n";
        let apt = Apt {
            packages: parse(policy),
            stale: false,
        };
        assert_eq!(apt.offers("rustc-web"), Some((1, 96)));
        assert_eq!(apt.offers("llvm-22-dev"), Some((22, 1)));
        assert_eq!(apt.offers("wrk"), None);
        assert_eq!(apt.offers("unknown"), None);
        assert!(apt.would_change("rustc-web"));
        assert!(!apt.would_change("llvm-22-dev"));
    }

    #[test]
    fn commands_run_by_the_rights_there_are() {
        let names = ["wrk".to_owned()];
        let typed = "env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 \
                     install -y -q --no-install-recommends wrk";
        assert_eq!(crate::programs::show(&Apt::install(Rights::Root, &names)), typed);
        assert_eq!(
            crate::programs::show(&Apt::install(Rights::Sudo, &names)),
            format!("sudo {typed}")
        );
    }
}
