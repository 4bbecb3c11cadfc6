//! The database file: how it is opened, its schema, and what is done with one that cannot be used.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rusqlite::{Connection, ErrorCode};

/// Name of the file.
pub(super) const FILE: &str = "monitor.db";
/// Version of the schema, in `user_version`.
const VERSION: i64 = 3;
/// How long to wait for another daemon that is just ending.
const PATIENCE: Duration = Duration::from_secs(2);

/// As of [`VERSION`]. Times are nanoseconds since the epoch.
const SCHEMA: &str = "
    CREATE TABLE baseline (
        detector TEXT NOT NULL,
        subject TEXT NOT NULL,  -- '' = the baseline as a whole
        member TEXT NOT NULL,   -- '' = the subject itself
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        count INTEGER NOT NULL,
        marks INTEGER NOT NULL,
        detail BLOB,            -- in the form of the structure that wrote it
        PRIMARY KEY (detector, subject, member)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE allow (
        id TEXT NOT NULL PRIMARY KEY,
        rule TEXT NOT NULL      -- JSON, names as in [[allow]]
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE expected (
        id TEXT NOT NULL PRIMARY KEY,
        event TEXT NOT NULL     -- JSON, names as in [[expected]]
    ) STRICT, WITHOUT ROWID;
";

/// From version 1 to 2: rows may hold what is no plain number.
const UPGRADE_1: &str = "ALTER TABLE baseline ADD COLUMN detail BLOB;";

/// From version 2 to 3: events that are expected.
const UPGRADE_2: &str = "
    CREATE TABLE expected (
        id TEXT NOT NULL PRIMARY KEY,
        event TEXT NOT NULL     -- JSON, names as in [[expected]]
    ) STRICT, WITHOUT ROWID;
";

/// Opens the database of `directory`; a damaged one is moved aside, and a new one made.
pub(super) fn open(directory: &Path, notices: &mut Vec<Arc<str>>) -> Result<Connection> {
    let path = directory.join(FILE);
    let error = match try_open(&path) {
        Ok(database) => return Ok(database),
        Err(error) => error,
    };
    match error
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code)
    {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            let aside = move_aside(&path)?;
            let notice = format!(
                "the state in {} is damaged ({error:#}); it is kept as {} and learning starts anew",
                path.display(),
                aside.display()
            );
            notices.push(notice.into());
            try_open(&path)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            bail!(
                "{} is in use by another monitor: stop it, or choose another directory with --state DIR",
                path.display()
            )
        }
        _ => Err(error.context(format!("cannot use the state in {}", path.display()))),
    }
}

fn try_open(path: &Path) -> Result<Connection> {
    // Made here, so that it is never readable by others; SQLite gives its log the same mode.
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| {
            format!(
                "cannot write {}: check its owner and mode, and the space left",
                path.display()
            )
        })?;
    // One that was copied back from somewhere may have lost that mode.
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))
            .with_context(|| format!("cannot close {} to others", path.display()))?;
    }
    drop(file);
    let database = Connection::open(path)?;
    database.busy_timeout(PATIENCE)?;
    // Exclusive before WAL: one process alone, no shared memory file, and the lock is held until the end.
    database.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let mode: String = database.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        bail!("the file system under {} cannot hold a write-ahead log", path.display());
    }
    database.pragma_update(None, "synchronous", "FULL")?;
    // A confined daemon writes nowhere else, and these are small.
    database.pragma_update(None, "temp_store", "MEMORY")?;
    database.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    let found: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(corrupt(&found));
    }
    upgrade(&database)?;
    Ok(database)
}

/// Brings the schema to [`VERSION`].
fn upgrade(database: &Connection) -> Result<()> {
    let version: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        0 => {
            let batch = format!("BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT");
            Ok(database.execute_batch(&batch)?)
        }
        1 => {
            let batch = format!("BEGIN; {UPGRADE_1} {UPGRADE_2} PRAGMA user_version = {VERSION}; COMMIT");
            Ok(database.execute_batch(&batch)?)
        }
        2 => {
            let batch = format!("BEGIN; {UPGRADE_2} PRAGMA user_version = {VERSION}; COMMIT");
            Ok(database.execute_batch(&batch)?)
        }
        VERSION => Ok(()),
        newer => bail!("it was written by a newer monitor (schema {newer}, this one knows {VERSION}): upgrade"),
    }
}

fn corrupt(found: &str) -> anyhow::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(found.to_owned())).into()
}

/// Renames the database and its log to the first free name.
fn move_aside(path: &Path) -> Result<PathBuf> {
    let named = |end: &str, n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{n}{end}"));
        PathBuf::from(name)
    };
    // A thousand: each start that finds damage leaves one, and somebody should have looked by then.
    let n = (1..=1_000)
        .find(|n| !named("", *n).exists())
        .context("there are 1,000 damaged databases already")?;
    let aside = named("", n);
    fs::rename(path, &aside).with_context(|| format!("cannot move {} aside", path.display()))?;
    for end in ["-wal", "-shm"] {
        let mut log = path.as_os_str().to_owned();
        log.push(end);
        // Not there more often than not.
        let _ = fs::rename(log, named(end, n));
    }
    Ok(aside)
}
