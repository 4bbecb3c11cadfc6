//! The socket in the file system: made once, owned by one daemon, replaced when its daemon has died.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::net::{UnixListener, UnixSocket};

/// Where the socket is unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/monitor/control.sock";

/// Connections that wait to be accepted.
const BACKLOG: u32 = 64;

/// The listening socket. Dropping it removes the socket from the file system.
#[derive(Debug)]
pub struct Listener {
    /// Accepts connections.
    pub socket: UnixListener,
    /// Whose members may read.
    pub group: Option<u32>,
    path: PathBuf,
}

impl Listener {
    /// Replaces a stale socket, and listens. `group` may connect too.
    ///
    /// Must be called within a tokio runtime.
    pub fn bind(path: &Path, group: Option<&str>) -> Result<Self> {
        let group = group.map(group_id).transpose()?;
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
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
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // If it is gone already, so be it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a socket whose daemon has died.
fn remove_stale(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            bail!(
                "{} is there and is not a socket: remove it, or choose another --socket",
                path.display()
            )
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            bail!(
                "somebody listens on {} already: choose another --socket",
                path.display()
            )
        }
        Ok(_) => fs::remove_file(path).with_context(|| format!("cannot remove the stale socket {}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
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
    fn a_socket_that_is_listened_on_is_left_alone() {
        let runtime = runtime();
        let _guard = runtime.enter();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(
            Listener::bind(&path, None)
                .unwrap_err()
                .to_string()
                .contains("somebody listens")
        );
        UnixStream::connect(&path).unwrap();
        other.accept().unwrap();
    }

    #[test]
    fn groups_are_found_by_name() {
        let groups = "root:x:0:\nadm:x:4:syslog,ubuntu\nmonitor:x:990:\n";
        assert_eq!(find_group(groups, "monitor"), Some(990));
        assert_eq!(find_group(groups, "adm"), Some(4));
        assert_eq!(find_group(groups, "moni"), None);
    }
}
