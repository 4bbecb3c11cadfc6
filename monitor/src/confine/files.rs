//! Landlock (landlock(7)): writes in a few folders, no connections, no signals to others, for the calling thread.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// What the kernel took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enforced {
    /// All of it.
    Whole {
        /// Version of the interface.
        abi: u32,
    },
    /// Some of it, the kernel being older.
    Partly {
        /// Version of the interface.
        abi: u32,
    },
    /// It has no Landlock, or does not use it.
    Nothing,
}

/// What is asked for: of Linux 6.12. Later versions add nothing that the daemon could be kept from.
const VERSION: ABI = ABI::V6;

/// Restricts the calling thread: reads go on, writes are for what is below `folders`.
pub(super) fn restrict(folders: &[PathBuf]) -> Result<Enforced, String> {
    try_restrict(folders).map_err(|error| error.to_string())
}

fn try_restrict(folders: &[PathBuf]) -> Result<Enforced, RulesetError> {
    // Not its scope of abstract sockets: the service manager may listen on one.
    let status = Ruleset::default()
        .handle_access(AccessFs::from_write(VERSION) | AccessFs::Execute)?
        .handle_access(AccessNet::from_all(VERSION))?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(folders, writing()))?
        .restrict_self()?;
    let abi = match status.landlock {
        LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        } => kernel_abi.map_or(effective_abi as u32, i32::unsigned_abs),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
    };
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Whole { abi },
        RulesetStatus::PartiallyEnforced => Enforced::Partly { abi },
        RulesetStatus::NotEnforced => Enforced::Nothing,
    })
}

/// Files are made, written, cut, renamed within their folder and removed; folders and sockets too. No devices, no links.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSock
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
}

/// What must be writable for `path` to be opened for writing now and after a rotation: its folder, and that of the file
/// that it is a link to. A device or pipe is its own room.
pub(super) fn rooms(path: &Path) -> Vec<PathBuf> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !is_socket(&found)) {
        return vec![path.to_owned()];
    }
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    let mut rooms = vec![folder(path)];
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
        && let Ok(real) = fs::canonicalize(path)
    {
        rooms.push(folder(&real));
    }
    rooms
}

fn is_socket(found: &fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&found.file_type())
}
