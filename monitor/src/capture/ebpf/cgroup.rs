//! The cgroup v2 hierarchy: found in the mount table, mounted privately where a host has none.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where the hierarchy is mounted.
#[derive(Debug)]
pub(super) struct CgroupRoot {
    /// Its root directory.
    pub path: PathBuf,
    /// Whether it was mounted by this process.
    pub mounted_here: bool,
}

impl CgroupRoot {
    /// Finds the mount of cgroup v2, or makes one below `private` (a directory that only the daemon uses).
    pub(super) fn find(private: &Path) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading /proc/self/mountinfo")?;
        if let Some(path) = from_mountinfo(&mounts) {
            return Ok(Self {
                path,
                mounted_here: false,
            });
        }
        let path = private.join("cgroup2");
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        rustix::mount::mount("none", &path, "cgroup2", rustix::mount::MountFlags::empty(), None).with_context(
            || {
                format!(
                    "no cgroup v2 is mounted and none could be mounted at {}: boot with cgroup v2 enabled",
                    path.display()
                )
            },
        )?;
        Ok(Self {
            path,
            mounted_here: true,
        })
    }

    /// Opens the root for attaching programs.
    pub(super) fn open(&self) -> Result<File> {
        File::open(&self.path).with_context(|| format!("opening {}", self.path.display()))
    }

    /// Id of a cgroup given as a path below the root, or as an absolute one: its inode number (kernfs ids are inode
    /// numbers on 64-bit hosts, `kernfs_ino`).
    pub(super) fn id(&self, name: &str) -> Result<u64> {
        let given = Path::new(name);
        let path = if given.starts_with(&self.path) {
            given.to_path_buf()
        } else {
            self.path.join(given.strip_prefix("/").unwrap_or(given))
        };
        let metadata = fs::metadata(&path).with_context(|| format!("no cgroup {}", path.display()))?;
        if !metadata.is_dir() {
            bail!("{} is no cgroup", path.display());
        }
        Ok(metadata.ino())
    }
}

/// Mount point of the whole hierarchy. The fields before " - " are: id, parent, device, root, mount point, options …
fn from_mountinfo(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        (right.starts_with("cgroup2 ") && root == "/").then(|| PathBuf::from(unescape(point)))
    })
}

/// Spaces and the like are octal escapes in the mount table (proc(5)).
fn unescape(field: &str) -> String {
    field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_unified_and_hybrid_mounts() {
        let hybrid = "30 20 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      36 20 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(from_mountinfo(hybrid), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        let unified = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(from_mountinfo(unified), Some(PathBuf::from("/sys/fs/cgroup")));
    }

    #[test]
    fn a_bind_mount_of_a_part_is_not_the_root() {
        let part = "29 23 0:26 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(from_mountinfo(part), None);
    }
}
