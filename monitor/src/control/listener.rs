//! The socket in the file system: made once, owned by one daemon, replaced when its daemon has died.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::net::{UnixListener, UnixSocket};

/// Where the socket is unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/monitor/control.sock";

/// Connections that wait to be accepted.
const BACKLOG: u32 = 64;

/// The listening socket and the lock beside it. Dropping it removes the socket.
#[derive(Debug)]
pub struct Listener {
    /// Accepts connections.
    pub socket: UnixListener,
    /// Whose members may read.
    pub group: Option<u32>,
    path: PathBuf,
    /// Held while the daemon lives; the kernel lets go of it however the daemon ends.
    _lock: File,
}

impl Listener {
    /// Takes the lock, replaces a stale socket, and listens. `group` may connect too.
    ///
    /// Must be called within a tokio runtime.
    pub fn bind(path: &Path, group: Option<&str>) -> Result<Self> {
        let group = group.map(group_id).transpose()?;
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let lock = lock(path)?;
        remove_stale(path)?;
        let socket = UnixSocket::new_stream().context("cannot create a Unix socket")?;
        socket
            .bind(path)
            .with_context(|| format!("cannot bind {}", path.display()))?;
        // Before `listen` nobody can connect, whatever the mode is until here.
        let mode = if let Some(gid) = group {
            std::os::unix::fs::chown(path, None, Some(gid))
                .with_context(|| format!("cannot give {} to group {gid}", path.display()))?;
            0o660
        } else {
            0o600
        };
        fs::set_permissions(path, Permissions::from_mode(mode))
            .with_context(|| format!("cannot set the mode of {}", path.display()))?;
        let socket = socket
            .listen(BACKLOG)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        Ok(Self {
            socket,
            group,
            path: path.to_owned(),
            _lock: lock,
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The lock file stays: removing it would let two daemons lock two files of one name.
        let _ = fs::remove_file(&self.path);
    }
}

fn lock(socket: &Path) -> Result<File> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| {
            format!(
                "cannot open {}; running the monitor needs root: use sudo",
                path.display()
            )
        })?;
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
            bail!(
                "another monitor is running already{who} on {}: stop it first, or give this one another --socket",
                socket.display()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    // Only for the message above.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Removes a socket whose daemon has died: we hold the lock, so nobody listens on it.
fn remove_stale(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            fs::remove_file(path).with_context(|| format!("cannot remove the stale socket {}", path.display()))
        }
        Ok(_) => bail!(
            "{} is there and is not a socket: remove it, or choose another --socket",
            path.display()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot look at {}", path.display())),
    }
}

/// A group's number, from /etc/group (group(5)) or written as one.
fn group_id(name: &str) -> Result<u32> {
    if let Ok(gid) = name.parse() {
        return Ok(gid);
    }
    let groups = fs::read_to_string("/etc/group").context("cannot read /etc/group")?;
    find_group(&groups, name)
        .with_context(|| format!("there is no group {name}: create it with `groupadd --system {name}`"))
}

fn find_group(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name))
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }

    #[test]
    fn a_second_daemon_is_told_who_holds_the_socket() {
        let _guard = runtime().enter();
        let runtime = runtime();
        let _guard = runtime.enter();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let first = Listener::bind(&path, None).unwrap();
        let error = Listener::bind(&path, None).unwrap_err().to_string();
        assert!(error.contains("another monitor is running already (pid "), "{error}");
        drop(first);
        assert!(!path.exists());
        Listener::bind(&path, None).unwrap();
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_file_is_not() {
        let runtime = runtime();
        let _guard = runtime.enter();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = Listener::bind(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        fs::write(&path, "precious").unwrap();
        assert!(
            Listener::bind(&path, None)
                .unwrap_err()
                .to_string()
                .contains("not a socket")
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn groups_are_found_by_name() {
        let groups = "root:x:0:\nadm:x:4:syslog,ubuntu\nmonitor:x:990:\n";
        assert_eq!(find_group(groups, "monitor"), Some(990));
        assert_eq!(find_group(groups, "adm"), Some(4));
        assert_eq!(find_group(groups, "moni"), None);
    }
}
