//! What outlives the daemon: baselines, allow rules and the key of the fingerprints, in one directory.
//!
//! The rows are in `SQLite` in WAL mode with full synchronization: a crash or a power cut leaves the last transaction
//! that was committed. A database that is damaged is moved aside, never written to; one of a newer monitor is left
//! alone. One daemon at a time.

mod baseline;
mod database;
mod events;
mod key;
mod rules;
mod unsaved;

pub use baseline::Summary;
pub use unsaved::Unsaved;

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rusqlite::Connection;

/// Where state is kept if nobody says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/monitor";

/// The state directory of a running daemon.
#[derive(Debug)]
pub struct Store {
    database: Connection,
    directory: PathBuf,
}

/// An opened store, and what its user should be told.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// The key under which secrets become fingerprints.
    pub key: [u8; 32],
    /// What was mended on the way, a sentence each.
    pub notices: Vec<Arc<str>>,
}

impl Store {
    /// Opens the store in `directory`, which is made if it is not there.
    pub fn open(directory: &Path) -> Result<Opened> {
        let shown = directory.display();
        let hint = || format!("cannot keep state in {shown}: run as root, or choose a directory with --state DIR");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .with_context(hint)?;
        let mut notices = Vec::new();
        let key = key::load_or_create(directory, &mut notices).with_context(hint)?;
        let database = database::open(directory, &mut notices)?;
        Ok(Opened {
            store: Self {
                database,
                directory: directory.to_owned(),
            },
            key,
            notices,
        })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The directory that holds: what was asked for, else what systemd's `StateDirectory=` gives, else
/// [`DEFAULT_DIRECTORY`].
pub fn directory(asked_for: Option<&Path>) -> PathBuf {
    let from_systemd = || {
        // Several are separated by colons (systemd.exec(5)); ours is the first.
        let list = env::var_os("STATE_DIRECTORY")?;
        env::split_paths(&list).next().filter(|path| path.is_absolute())
    };
    asked_for
        .map(Path::to_owned)
        .or_else(from_systemd)
        .unwrap_or_else(|| PathBuf::from(DEFAULT_DIRECTORY))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::baseline::{Change, Row};
    use crate::time::Timestamp;

    fn put(subject: &str, member: &str, count: u64) -> Change {
        Change::Put(Row {
            subject: subject.into(),
            member: member.into(),
            first: Timestamp::from_secs(1_800_000_000),
            last: Timestamp::from_secs(1_800_000_000 + count),
            count,
            marks: 0,
            detail: None,
        })
    }

    #[track_caller]
    fn open(directory: &Path) -> Opened {
        Store::open(directory).unwrap_or_else(|error| panic!("{error:#}"))
    }

    fn error_of(directory: &Path) -> String {
        format!("{:#}", Store::open(directory).expect_err("was opened"))
    }

    fn database(directory: &Path) -> PathBuf {
        directory.join(database::FILE)
    }

    #[test]
    fn it_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let first = open(&path);
        assert!(first.notices.is_empty(), "{:?}", first.notices);
        let mut store = first.store;
        store
            .save_baseline(&[("d", vec![put("s", "", 1), put("s", "m", 2)])])
            .unwrap();
        drop(store);
        let second = open(&path);
        assert_eq!(second.key, first.key);
        assert_eq!(second.store.baseline("d").unwrap().len(), 2);
        assert!(second.notices.is_empty(), "{:?}", second.notices);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&database(&path))), (0o700, 0o600));
    }

    #[test]
    fn a_database_that_others_could_read_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        drop(open(directory.path()));
        let path = database(directory.path());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        drop(open(directory.path()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_second_daemon_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let first = open(directory.path());
        let error = error_of(directory.path());
        assert!(
            error.contains("in use by another monitor") && error.contains("--state"),
            "{error}"
        );
        drop(first);
        open(directory.path());
    }

    #[test]
    fn a_damaged_database_is_moved_aside() {
        for damage in [
            &b"this is no database, whatever its name says"[..],
            b"SQLite format 3\0 and then rubbish",
        ] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(database(directory.path()), damage).unwrap();
            for n in 1..3 {
                let opened = open(directory.path());
                if n == 1 {
                    let [notice] = &opened.notices[..] else {
                        panic!("{:?}", opened.notices)
                    };
                    assert!(notice.contains("monitor.db.damaged-1"), "{notice}");
                } else {
                    assert!(opened.notices.is_empty(), "{:?}", opened.notices);
                }
            }
            assert_eq!(fs::read(directory.path().join("monitor.db.damaged-1")).unwrap(), damage);
        }
    }

    // Damage inside: a page of rows overwritten.
    #[test]
    fn damage_in_the_middle_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path()).store;
        let rows = (0..2_000).map(|n| put("s", &format!("member {n}"), n)).collect();
        store.save_baseline(&[("d", rows)]).unwrap();
        drop(store);
        let mut bytes = fs::read(database(directory.path())).unwrap();
        for byte in bytes.iter_mut().skip(8_192).take(16_384) {
            *byte = 0x5a;
        }
        fs::write(database(directory.path()), &bytes).unwrap();
        let opened = open(directory.path());
        assert_eq!(opened.notices.len(), 1, "{:?}", opened.notices);
        assert_eq!(opened.store.baseline("d").unwrap().len(), 0);
    }

    // As after kill -9: the database without its last words, and the log that has them.
    #[test]
    fn what_was_committed_survives_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path()).store;
        store.save_baseline(&[("d", vec![put("s", "m", 2)])]).unwrap();
        let crashed = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, crashed.path().join(from.file_name().unwrap())).unwrap();
        }
        let opened = open(crashed.path());
        assert!(opened.notices.is_empty(), "{:?}", opened.notices);
        assert_eq!(opened.store.baseline("d").unwrap().len(), 1);
    }

    // What version 1 wrote, byte for byte of its schema, is all there after the upgrade, and takes what is new.
    #[test]
    fn an_older_database_is_upgraded() {
        let directory = tempfile::tempdir().unwrap();
        let old = Connection::open(database(directory.path())).unwrap();
        old.execute_batch(
            "CREATE TABLE baseline (
                detector TEXT NOT NULL,
                subject TEXT NOT NULL,  -- '' = the baseline as a whole
                member TEXT NOT NULL,   -- '' = the subject itself
                first INTEGER NOT NULL,
                last INTEGER NOT NULL,
                count INTEGER NOT NULL,
                marks INTEGER NOT NULL,
                PRIMARY KEY (detector, subject, member)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE allow (
                id TEXT NOT NULL PRIMARY KEY,
                rule TEXT NOT NULL      -- JSON, names as in [[allow]]
            ) STRICT, WITHOUT ROWID;
            INSERT INTO baseline VALUES ('d', 's', 'm', 1800000000000000000, 1800000002000000000, 2, 0);
            PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        for _ in 0..2 {
            let opened = open(directory.path());
            assert!(opened.notices.is_empty(), "{:?}", opened.notices);
            let mut store = opened.store;
            let rows = store.baseline("d").unwrap();
            assert_eq!(Change::Put(rows[0].clone()), put("s", "m", 2));
            let detailed = Row {
                detail: Some([1, 2, 3][..].into()),
                member: "n".into(),
                ..rows[0].clone()
            };
            store
                .save_baseline(&[("d", vec![Change::Put(detailed.clone())])])
                .unwrap();
            assert_eq!(store.baseline("d").unwrap()[1], detailed);
        }
    }

    #[test]
    fn a_database_without_events_is_brought_up_to_date() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path()).store;
        store.save_baseline(&[("d", vec![put("s", "m", 2)])]).unwrap();
        store
            .database
            .execute_batch("DROP TABLE expected; PRAGMA user_version = 2")
            .unwrap();
        drop(store);
        let store = open(directory.path()).store;
        assert_eq!(store.baseline("d").unwrap().len(), 1);
        assert_eq!(store.events(&mut Vec::new()).unwrap(), []);
    }

    #[test]
    fn a_newer_database_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).store;
        store.database.pragma_update(None, "user_version", 99).unwrap();
        drop(store);
        let before = fs::read(database(directory.path())).unwrap();
        let error = error_of(directory.path());
        assert!(error.contains("a newer monitor"), "{error}");
        assert_eq!(fs::read(database(directory.path())).unwrap(), before);
    }

    #[test]
    fn a_directory_that_cannot_be_made_says_how_to_mend_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = error_of(&file.join("state"));
        assert!(error.contains("--state DIR"), "{error}");
    }

    #[test]
    fn what_was_asked_for_comes_first() {
        assert_eq!(directory(Some(Path::new("/x"))), Path::new("/x"));
    }
}
