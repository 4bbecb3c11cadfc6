//! A child cgroup below the cgroup v2 root, wherever this machine has mounted it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::host::tool;
use crate::wait;

/// A cgroup of the test's own; gone when dropped.
#[derive(Debug)]
pub struct ChildCgroup {
    path: PathBuf,
    name: String,
    root: PathBuf,
}

impl ChildCgroup {
    /// Makes `/name` below the root; `name` may have several levels.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let name = format!("monitor-tests-{}-{name}", std::process::id());
        let root = mount_point().expect("a cgroup v2 mount");
        let path = root.join(&name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            path,
            name: format!("/{name}"),
            root,
        }
    }

    /// Path below the root, as records and configuration name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is in the file system.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same command, started inside.
    pub fn enter(&self, command: &Command) -> Command {
        let mut entered = Command::new(tool("sh"));
        let join = format!(
            "echo $$ > '{}' && exec \"$@\"",
            self.path.join("cgroup.procs").display()
        );
        entered
            .args(["-c", &join, "sh"])
            .arg(command.get_program())
            .args(command.get_args());
        entered
    }
}

impl Drop for ChildCgroup {
    fn drop(&mut self) {
        // A cgroup can be removed once its last process has been reaped.
        for level in self.path.ancestors().take_while(|level| *level != self.root) {
            let _ = wait::at_most(Duration::from_secs(2), || fs::remove_dir(level).ok());
        }
    }
}

/// Where cgroup v2 is mounted: alone, or beside v1 in hybrid mode.
pub fn mount_point() -> Option<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    table.lines().find_map(|line| {
        // proc(5): fields before " - " end with optional ones; the fifth is the mount point, the first after it the type.
        let (mount, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ")
            .then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}
