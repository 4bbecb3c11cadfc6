//! One monitor a host: a second would pay for every packet again, and both would teach the same state.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Where the lock is.
pub const LOCK: &str = "/run/monitor/monitor.lock";

/// Held while the daemon lives; the kernel lets go of it however the daemon ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it, or says who has it.
    pub(super) fn take(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Who holds it is a courtesy; the message is right without it.
                let _ = file.read_to_string(&mut pid);
                let who = pid
                    .trim()
                    .parse::<u32>()
                    .map_or_else(|_| String::new(), |pid| format!(" (pid {pid})"));
                bail!("another monitor is running already{who}: stop it first, or ask it with `monitor status`");
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        // Only for the message above. The file stays when we end: removing it would let two daemons lock two files of
        // one name.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_told_who_is_running() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/monitor.lock");
        let first = Lock::take(&path).unwrap();
        let error = Lock::take(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            error.starts_with(&format!("another monitor is running already (pid {pid})")),
            "{error}"
        );
        drop(first);
        Lock::take(&path).unwrap();
    }
}
