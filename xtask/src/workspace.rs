//! Where things are in this checkout.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// One checkout and the folder that cargo builds into.
pub(crate) struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever the user's configuration puts it.
    pub(crate) target: PathBuf,
    /// The folder that holds `debug` and `release`: the target folder, or one named after a triple inside it.
    pub(crate) artifacts: PathBuf,
}

impl Workspace {
    /// Finds the checkout that this xtask was built from.
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets the variable at run time as well; that one is right even when the checkout was moved.
        let member = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&member)
            .parent()
            .context("xtask has no parent folder")?
            .to_path_buf();
        let program = env::current_exe().context("where is this program?")?;
        let target = tagged_ancestor(&program).unwrap_or_else(|| root.join("target"));
        let artifacts = program
            .ancestors()
            .nth(2)
            .filter(|dir| dir.starts_with(&target))
            .unwrap_or(&target)
            .to_path_buf();
        Ok(Self {
            root,
            target,
            artifacts,
        })
    }

    /// The kernel object that `monitor/build.rs` embeds. It looks at the same place, found the same way.
    pub(crate) fn object(&self) -> PathBuf {
        self.bpf_target().join("monitor.bpf.o")
    }

    /// The kernel programs' own target folder: another compiler builds them, which must not disturb the host's cache.
    pub(crate) fn bpf_target(&self) -> PathBuf {
        self.target.join("bpf")
    }

    /// The built daemon.
    pub(crate) fn monitor(&self, release: bool) -> PathBuf {
        self.artifacts
            .join(if release { "release" } else { "debug" })
            .join("monitor")
    }
}

/// The nearest folder above `path` that cargo marked as a target folder.
fn tagged_ancestor(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .map(Path::to_path_buf)
}
