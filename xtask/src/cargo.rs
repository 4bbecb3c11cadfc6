//! Cargo as started from inside `cargo run`: without what the outer cargo left in the environment.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::Workspace;

/// The cargo that runs us.
pub(crate) fn program() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// Cargo for the host, just as the user would type it: the outer cargo's notes about xtask itself are taken out, since
/// a build script that watches one of them would run again for nothing.
pub(crate) fn host(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = host_plain(workspace, subcommand);
    if env::var_os("CI").is_some() {
        command.arg("--locked");
    }
    command
}

/// The same for subcommands that resolve nothing, such as `fmt`, and know no `--locked`.
pub(crate) fn host_plain(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = Command::new(program());
    command.current_dir(&workspace.root).arg(subcommand);
    clear(&mut command, workspace, is_note_about_xtask);
    command
}

/// A cargo whose result may depend on nothing that happens to be set here: for the kernel programs and for tools.
pub(crate) fn isolated(workspace: &Workspace, cargo: &Path) -> Command {
    let mut command = Command::new(cargo);
    command.current_dir(&workspace.root);
    clear(&mut command, workspace, |name| !reaches_isolated(name));
    // A toolchain changes only by a step that was announced, never since a stand-in for `rustc` finds an update.
    command.env("RUSTUP_AUTO_INSTALL", "0");
    // Set but empty: no wrapper, even where the user's configuration file names one.
    command.env("RUSTC_WRAPPER", "").env("RUSTC_WORKSPACE_WRAPPER", "");
    command
}

/// Removes the variables that `unwanted` names, and the outer cargo's folders from the library path.
fn clear(command: &mut Command, workspace: &Workspace, unwanted: impl Fn(&str) -> bool) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(&unwanted) {
            command.env_remove(name);
        }
    }
    let Some(libraries) = env::var_os("LD_LIBRARY_PATH") else {
        return;
    };
    let program = program();
    let toolchain = program.ancestors().nth(2).filter(|dir| dir.is_absolute());
    let kept = without(&libraries, &[Some(workspace.target.as_path()), toolchain]);
    match kept {
        Some(kept) => command.env("LD_LIBRARY_PATH", kept),
        None => command.env_remove("LD_LIBRARY_PATH"),
    };
}

/// The library path without the folders below `dirs`; `None` if nothing is left.
fn without(libraries: &OsString, dirs: &[Option<&Path>]) -> Option<OsString> {
    let below = |path: &PathBuf| dirs.iter().flatten().any(|dir| path.starts_with(dir));
    let kept: Vec<_> = env::split_paths(libraries).filter(|path| !below(path)).collect();
    if kept.is_empty() {
        None
    } else {
        env::join_paths(kept).ok()
    }
}

/// Variables by which `cargo run` describes the package that it runs.
fn is_note_about_xtask(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || matches!(
            name,
            "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_PRIMARY_PACKAGE" | "CARGO_BIN_NAME"
        )
}

/// Variables that say where and how to fetch, never what to build.
fn reaches_isolated(name: &str) -> bool {
    if name.starts_with("CARGO") {
        let prefixes = [
            "CARGO_HTTP_",
            "CARGO_NET_",
            "CARGO_REGISTR",
            "CARGO_SOURCE_",
            "CARGO_TERM_",
        ];
        return matches!(name, "CARGO_HOME" | "CARGO_BUILD_JOBS") || prefixes.iter().any(|p| name.starts_with(p));
    }
    // rustup's own settings stay: without `RUSTUP_TOOLCHAIN` its stand-ins would choose a toolchain anew.
    name.starts_with("RUSTUP_") || !name.starts_with("RUST")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_to_fetch_reaches_an_isolated_build() {
        for kept in [
            "PATH",
            "HOME",
            "https_proxy",
            "CARGO_HOME",
            "CARGO_BUILD_JOBS",
            "CARGO_NET_OFFLINE",
            "RUSTUP_HOME",
        ] {
            assert!(reaches_isolated(kept), "{kept}");
        }
        for gone in [
            "RUSTFLAGS",
            "RUSTC",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
        ] {
            assert!(!reaches_isolated(gone), "{gone}");
        }
        for gone in [
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_MANIFEST_DIR",
            "RUSTC_WRAPPER",
            "CARGO",
        ] {
            assert!(!reaches_isolated(gone), "{gone}");
        }
    }

    #[test]
    fn an_isolated_build_uses_the_toolchain_that_runs_us_and_changes_none() {
        for kept in ["RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTUP_DIST_SERVER"] {
            assert!(reaches_isolated(kept), "{kept}");
        }
        let workspace = Workspace {
            root: "/w".into(),
            target: "/w/target".into(),
            artifacts: "/w/target".into(),
        };
        let command = isolated(&workspace, Path::new("cargo"));
        let setting = command.get_envs().find(|(name, _)| *name == "RUSTUP_AUTO_INSTALL");
        assert_eq!(setting.and_then(|(_, value)| value), Some("0".as_ref()));
        assert!(
            !command
                .get_envs()
                .any(|(name, value)| name == "RUSTUP_TOOLCHAIN" && value.is_none())
        );
    }

    #[test]
    fn host_builds_keep_what_the_user_set() {
        for kept in [
            "RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "RUSTUP_TOOLCHAIN",
            "CARGO_PROFILE_RELEASE_LTO",
        ] {
            assert!(!is_note_about_xtask(kept), "{kept}");
        }
        assert!(is_note_about_xtask("CARGO_PKG_NAME") && is_note_about_xtask("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn library_path_loses_the_outer_cargo_only() {
        let path = OsString::from("/w/target/debug/deps:/opt/lib:/rust/lib");
        let dirs = [Some(Path::new("/w/target")), Some(Path::new("/rust"))];
        assert_eq!(without(&path, &dirs), Some(OsString::from("/opt/lib")));
        assert_eq!(without(&"/w/target/debug".into(), &dirs), None);
    }
}
