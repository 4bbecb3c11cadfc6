//! The key of the fingerprints: 32 random bytes that never leave the installation.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

/// Name of the file.
const FILE: &str = "identity.key";
/// The kernel's generator (random(4)).
const RANDOM: &str = "/dev/urandom";

/// The key in `directory`; one is made if there is none.
pub(super) fn load_or_create(directory: &Path, notices: &mut Vec<Arc<str>>) -> Result<[u8; 32]> {
    let path = directory.join(FILE);
    match load(&path, notices)? {
        Some(key) => Ok(key),
        None => create(directory, &path),
    }
}

fn load(path: &Path, notices: &mut Vec<Arc<str>>) -> Result<Option<[u8; 32]>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))
            .with_context(|| format!("others may read {}, and its mode cannot be changed", path.display()))?;
        notices.push(format!("others could read {}; its mode is 0600 now", path.display()).into());
    }
    let mut bytes = Vec::new();
    (&file).take(33).read_to_end(&mut bytes)?;
    let Ok(key) = bytes.try_into() else {
        bail!(
            "{} does not hold 32 bytes: restore it, or remove it for a new key (fingerprints will differ from old ones)",
            path.display()
        );
    };
    Ok(Some(key))
}

/// Whole or not at all: written beside, then linked to its name, which fails if somebody else was first.
fn create(directory: &Path, path: &Path) -> Result<[u8; 32]> {
    let mut key = [0; 32];
    File::open(RANDOM)
        .and_then(|mut random| random.read_exact(&mut key))
        .with_context(|| format!("cannot read {RANDOM}"))?;
    let beside = directory.join(format!("{FILE}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(&key)?;
            file.sync_all()
        });
    let linked = written.and_then(|()| fs::hard_link(&beside, path));
    let _ = fs::remove_file(&beside);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let theirs = load(path, &mut Vec::new())?;
            return theirs.with_context(|| format!("cannot write {}", beside.display()));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
    File::open(directory)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_new_directory(prepare: impl Fn(&Path)) -> (Result<[u8; 32]>, Vec<Arc<str>>, u32) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        prepare(&path);
        let mut notices = Vec::new();
        let key = load_or_create(directory.path(), &mut notices);
        let names = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        (key, notices, mode)
    }

    #[test]
    fn each_installation_has_its_own() {
        let (a, notices, mode) = in_new_directory(|_| ());
        let (b, ..) = in_new_directory(|_| ());
        assert_ne!(a.unwrap(), b.unwrap());
        assert_eq!((notices.len(), mode), (0, 0o600));
    }

    #[test]
    fn one_that_others_could_read_is_closed() {
        let (key, notices, mode) = in_new_directory(|path| {
            fs::write(path, [7; 32]).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        });
        assert_eq!((key.unwrap(), notices.len(), mode), ([7; 32], 1, 0o600));
    }

    #[test]
    fn a_cut_one_is_an_error_and_is_kept() {
        for length in [0, 31, 33] {
            let (key, ..) = in_new_directory(|path| fs::write(path, vec![7; length]).unwrap());
            let error = format!("{:#}", key.expect_err("was taken"));
            assert!(error.contains("does not hold 32 bytes"), "{error}");
        }
    }
}
