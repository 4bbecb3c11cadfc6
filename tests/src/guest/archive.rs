//! The guest's file system, as the kernel unpacks it at boot: a cpio archive in the "newc" format (the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
/// Ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// An archive that grows.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    directories: BTreeSet<PathBuf>,
}

impl Archive {
    /// An empty directory, with those above it.
    pub fn directory(&mut self, path: &Path) {
        let above: Vec<_> = path.ancestors().filter(|at| !at.as_os_str().is_empty()).collect();
        for at in above.into_iter().rev() {
            if self.directories.insert(at.to_owned()) {
                self.entry(&at.to_string_lossy(), DIRECTORY, &[]);
            }
        }
    }

    /// A file that may be executed.
    pub fn file(&mut self, path: &Path, content: &[u8]) {
        self.directory(path.parent().unwrap_or(Path::new("")));
        self.entry(&path.to_string_lossy(), PROGRAM, content);
    }

    /// A program of this host, with the libraries that it is linked with, each where it is here.
    pub fn program(&mut self, at: &Path, program: &Path) -> Result<()> {
        let content = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        self.file(at, &content);
        for library in libraries(program)? {
            let content = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
            let at = library.strip_prefix("/").unwrap_or(&library);
            if self.directories.insert(at.to_owned()) {
                self.file(at, &content);
            }
        }
        Ok(())
    }

    /// The whole.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let sizes = (u32::try_from(content.len()), u32::try_from(name.len() + 1));
        let (Ok(size), Ok(name_size)) = sizes else { return };
        // Magic; inode, mode, uid, gid, links, mtime, size, device (2), special device (2), length of the name, check sum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The libraries and the loader that a program names; none of one that is linked statically.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
    if !output.status.success() {
        return Ok(Vec::new());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        bail!("{} cannot be started here either: {}", program.display(), line.trim());
    }
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(paths.map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_the_kernel_reads() {
        let mut archive = Archive::default();
        archive.file(Path::new("a/b/init"), b"hello");
        archive.directory(Path::new("a"));
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        let names: Vec<_> = text.match_indices("070701").map(|(at, _)| &text[at + 110..]).collect();
        assert!(names[0].starts_with("a\0") && names[1].starts_with("a/b\0") && names[2].starts_with("a/b/init\0"));
        // Header and name are padded to four bytes together, and so is the content.
        assert!(
            names[2][12 - 2..].starts_with("hello\x00\x00\x00070701"),
            "{:?}",
            &names[2][..30]
        );
        assert!(names[3].starts_with(TRAILER));
    }
}
