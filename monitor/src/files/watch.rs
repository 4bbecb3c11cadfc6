//! Notices that files were replaced, and reads them again on a thread of its own: the engine never waits for a disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use tracing::{info, warn};

use super::{named, read};
use crate::config::Config;
use crate::enrich::reference::Reference;

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Where a newer edition is laid down.
type Slot = Mutex<Option<Reference>>;

/// Watches the files of a configuration until it is dropped.
#[derive(Debug)]
pub struct Watch {
    slot: Arc<Slot>,
}

/// What tells one edition of a file from the next: device, inode, size, modification in seconds and nanoseconds. None
/// where there is no such file.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

impl Watch {
    /// Starts; nothing is done where no file is named. What they held at the start is known already.
    pub fn start(config: &Config) -> io::Result<Self> {
        Self::every(config, EVERY)
    }

    fn every(config: &Config, interval: Duration) -> io::Result<Self> {
        let slot = Arc::default();
        let files = named(config);
        if !files.is_empty() {
            let (slot, config) = (Arc::downgrade(&slot), config.clone());
            let mut seen = stamps(&files);
            thread::Builder::new().name("files".to_owned()).spawn(move || {
                let mut last = seen.clone();
                while thread_goes_on(&slot, interval) {
                    let now = stamps(&files);
                    // Taken only once it is the same twice: it may be half written.
                    if now != seen && now == last {
                        seen.clone_from(&now);
                        lay_down(&slot, &config);
                    }
                    last = now;
                }
            })?;
        }
        Ok(Self { slot })
    }

    /// The newest edition, if there is one since the last call.
    pub fn take(&self) -> Option<Reference> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn thread_goes_on(slot: &Weak<Slot>, interval: Duration) -> bool {
    thread::sleep(interval);
    slot.strong_count() > 0
}

fn lay_down(slot: &Weak<Slot>, config: &Config) {
    match read(config) {
        Ok(reference) => {
            if let Some(slot) = slot.upgrade() {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(reference);
                info!("files that the configuration names were replaced, and read again");
            }
        }
        Err(error) => warn!("{error:#}; what was read before is used on"),
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let data = fs::metadata(path).ok()?;
        Some((data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(watch: &Watch) -> Reference {
        for _ in 0..6_000 {
            if let Some(reference) = watch.take() {
                return reference;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("nothing was read again");
    }

    #[test]
    fn what_is_replaced_is_read_again_and_what_is_broken_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| {
            let new = dir.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, dir.path().join("api.yaml")).unwrap();
        };
        write("openapi: 3.0.0\npaths: { /a: { get: {} } }");
        let text = "[openapi]\ndocuments = [\"api.yaml\"]\n";
        let config = Config::parse(text, &dir.path().join("monitor.toml")).unwrap();
        let watch = Watch::every(&config, Duration::from_millis(5)).unwrap();
        assert!(watch.take().is_none());
        write("openapi: 2");
        write("openapi: 3.0.0\npaths: { /bb: { get: {} } }");
        let reference = next(&watch);
        assert!(reference.documented.find("GET", "/a").is_none());
        assert!(reference.documented.find("GET", "/bb").is_some());
    }
}
