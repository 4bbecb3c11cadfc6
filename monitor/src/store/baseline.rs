//! Baselines as rows.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rusqlite::{Connection, params};

use super::Store;
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

/// Rows of one detector that are kept; more than any detector holds in memory. Beyond it the longest unseen go.
const MOST_ROWS: i64 = 1_000_000;

/// What is kept of a detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub detector: String,
    /// Those whose habits are known.
    pub subjects: u64,
    /// Rows.
    pub rows: u64,
    /// The first thing seen.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
}

impl Store {
    /// What a detector had learned.
    pub fn baseline(&self, detector: &str) -> Result<Vec<Row>> {
        let mut rows = self
            .database
            .prepare("SELECT subject, member, first, last, count, marks, detail FROM baseline WHERE detector = ?1")?;
        let rows = rows.query_map([detector], |row| {
            Ok(Row {
                subject: Arc::from(row.get_ref(0)?.as_str()?),
                member: Arc::from(row.get_ref(1)?.as_str()?),
                first: time(row.get(2)?),
                last: time(row.get(3)?),
                count: unsigned(row.get(4)?),
                marks: u32::try_from(row.get::<_, i64>(5)?).unwrap_or(0),
                detail: row.get_ref(6)?.as_blob_or_null()?.map(Arc::from),
            })
        })?;
        rows.collect::<rusqlite::Result<_>>()
            .context("cannot read what was learned")
    }

    /// What is kept of each detector, in order of name.
    pub fn summaries(&self) -> Result<Vec<Summary>> {
        let mut rows = self.database.prepare(
            "SELECT detector, count(DISTINCT nullif(subject, '')), count(*), min(first), max(last)
             FROM baseline GROUP BY detector ORDER BY detector",
        )?;
        let rows = rows.query_map([], |row| {
            Ok(Summary {
                detector: row.get(0)?,
                subjects: unsigned(row.get(1)?),
                rows: unsigned(row.get(2)?),
                first: time(row.get(3)?),
                last: time(row.get(4)?),
            })
        })?;
        rows.collect::<rusqlite::Result<_>>()
            .context("cannot read what was learned")
    }

    /// Drops what was first seen from `from` until before `until`, of one detector or of all; without either time, all of
    /// it. Gives the number of rows.
    pub fn forget_baseline(
        &mut self,
        detector: Option<&str>,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<usize> {
        let whole = from.is_none() && until.is_none();
        // Where learning itself began stays, unless all of it goes.
        self.database
            .execute(
                "DELETE FROM baseline WHERE (?1 IS NULL OR detector = ?1)
                 AND (?2 OR (subject <> '' AND first >= ?3 AND first < ?4))",
                params![
                    detector,
                    whole,
                    signed(from.map_or(0, Timestamp::as_nanos)),
                    signed(until.map_or(u64::MAX, Timestamp::as_nanos)),
                ],
            )
            .context("cannot forget what was learned")
    }

    /// Takes in what changed, all or nothing.
    pub fn save_baseline(&mut self, changes: &[(&str, Vec<Change>)]) -> Result<()> {
        let transaction = self.database.transaction()?;
        for (detector, changes) in changes {
            apply(&transaction, detector, changes).context("cannot save what was learned")?;
        }
        transaction
            .commit()
            .context("cannot save what was learned: is the disk full?")
    }

    /// Drops what no detector has seen since `before` (of detectors that are turned off, too), and what is too much.
    /// Gives the number of rows.
    pub fn prune(&mut self, before: Timestamp) -> Result<usize> {
        let unseen = self.database.execute(
            "DELETE FROM baseline WHERE subject <> '' AND last < ?1",
            [signed(before.as_nanos())],
        )?;
        let surplus = self.database.execute(
            "DELETE FROM baseline WHERE (detector, subject, member) IN (
                SELECT detector, subject, member FROM (
                    SELECT detector, subject, member, row_number() OVER (PARTITION BY detector ORDER BY last DESC) AS n
                    FROM baseline WHERE subject <> ''
                ) WHERE n > ?1
            )",
            [MOST_ROWS],
        )?;
        Ok(unseen + surplus)
    }
}

fn apply(database: &Connection, detector: &str, changes: &[Change]) -> rusqlite::Result<()> {
    let mut put = database.prepare(
        "INSERT OR REPLACE INTO baseline (detector, subject, member, first, last, count, marks, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let mut remove = database.prepare("DELETE FROM baseline WHERE detector = ?1 AND subject = ?2 AND member = ?3")?;
    for change in changes {
        match change {
            Change::Put(row) => put.execute(params![
                detector,
                row.subject,
                row.member,
                signed(row.first.as_nanos()),
                signed(row.last.as_nanos()),
                signed(row.count),
                row.marks,
                row.detail,
            ])?,
            Change::Remove { subject, member } => remove.execute(params![detector, subject, member])?,
            Change::Clear => database.execute("DELETE FROM baseline WHERE detector = ?1", [detector])?,
        };
    }
    Ok(())
}

/// Integers of `SQLite` are signed. Times until 2262 fit.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(unsigned(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::first_seen::{FirstSeen, Limits, Mark, Terms, Verdict};
    use std::time::Duration;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap().store;
        (directory, store)
    }

    fn row(subject: &str, member: &str, secs: u64) -> Change {
        let at = START + Duration::from_secs(secs);
        Change::Put(Row {
            subject: subject.into(),
            member: member.into(),
            first: at,
            last: at,
            count: u64::MAX,
            marks: 5,
            detail: None,
        })
    }

    fn names(store: &Store, detector: &str) -> Vec<String> {
        let rows = store.baseline(detector).unwrap();
        rows.iter()
            .map(|row| format!("{}/{}", row.subject, row.member))
            .collect()
    }

    #[test]
    fn changes_are_applied_in_order_and_by_detector() {
        let (_directory, mut store) = store();
        let first = vec![row("", "", 0), row("a", "", 1), row("a", "x", 2), row("a", "y", 3)];
        store
            .save_baseline(&[("one", first), ("two", vec![row("a", "x", 0)])])
            .unwrap();
        let gone = Change::Remove {
            subject: "a".into(),
            member: "x".into(),
        };
        store.save_baseline(&[("one", vec![gone, row("a", "y", 9)])]).unwrap();
        assert_eq!(names(&store, "one"), ["/", "a/", "a/y"]);
        let y = store.baseline("one").unwrap().pop().unwrap();
        assert_eq!((y.last, y.marks), (START + Duration::from_secs(9), 5));
        store
            .save_baseline(&[("one", vec![Change::Clear, row("b", "", 0)])])
            .unwrap();
        assert_eq!(
            (names(&store, "one"), names(&store, "two")),
            (vec!["b/".to_owned()], vec!["a/x".to_owned()])
        );
    }

    #[test]
    fn what_was_learned_in_a_time_is_forgotten() {
        let (_directory, mut store) = store();
        let rows = || vec![row("", "", 0), row("a", "", 5), row("a", "x", 10), row("b", "", 20)];
        store.save_baseline(&[("one", rows()), ("two", rows())]).unwrap();
        let summaries = store.summaries().unwrap();
        let [one, _] = &summaries[..] else {
            panic!("{summaries:?}")
        };
        assert_eq!((&*one.detector, one.subjects, one.rows), ("one", 2, 4));
        assert_eq!((one.first, one.last), (START, START + Duration::from_secs(20)));
        let at = |secs| Some(START + Duration::from_secs(secs));
        assert_eq!(store.forget_baseline(Some("one"), at(5), at(20)).unwrap(), 2);
        assert_eq!(names(&store, "one"), ["/", "b/"]);
        assert_eq!(store.forget_baseline(None, None, at(10)).unwrap(), 1);
        assert_eq!(names(&store, "two"), ["/", "a/x", "b/"]);
        assert_eq!(store.forget_baseline(None, None, None).unwrap(), 5);
        assert_eq!(store.summaries().unwrap(), []);
    }

    #[test]
    fn what_is_old_is_pruned_but_not_the_beginning() {
        let (_directory, mut store) = store();
        store
            .save_baseline(&[("d", vec![row("", "", 0), row("a", "old", 10), row("a", "new", 20)])])
            .unwrap();
        assert_eq!(store.prune(START + Duration::from_secs(15)).unwrap(), 1);
        assert_eq!(names(&store, "d"), ["/", "a/new"]);
    }

    #[test]
    fn detail_is_kept_as_it_is() {
        let (_directory, mut store) = store();
        let with = |member: &str, detail: &[u8]| {
            let Change::Put(row) = row("a", member, 1) else {
                panic!("no row")
            };
            Change::Put(Row {
                detail: Some(detail.into()),
                ..row
            })
        };
        let all: Vec<u8> = (0..=255).collect();
        store
            .save_baseline(&[("d", vec![row("a", "", 1), with("empty", b""), with("full", &all)])])
            .unwrap();
        let details: Vec<_> = store
            .baseline("d")
            .unwrap()
            .into_iter()
            .map(|row| row.detail.map(|detail| detail.to_vec()))
            .collect();
        assert_eq!(details, [None, Some(Vec::new()), Some(all)]);
    }

    #[test]
    fn text_from_the_wire_is_kept_as_it_is() {
        let (_directory, mut store) = store();
        let odd = "a'; DROP TABLE baseline; --\u{0}\u{1b}é";
        store.save_baseline(&[("d", vec![row(odd, odd, 0)])]).unwrap();
        assert_eq!(names(&store, "d"), [format!("{odd}/{odd}")]);
    }

    #[test]
    fn sets_come_back_from_disk() {
        let (_directory, mut store) = store();
        let sets = || {
            let terms = Terms {
                period: Duration::from_secs(10),
                floor: 1,
                adopt: Duration::ZERO,
                forget: Duration::MAX,
            };
            FirstSeen::new(
                Limits {
                    subjects: 10,
                    members: 10,
                    total: 50,
                },
                terms,
            )
        };
        let mut old = sets();
        old.note(START, "curl", "a", Mark::Seen);
        store.save_baseline(&[("d", old.export_dirty())]).unwrap();
        old.note(START, "curl", "b", Mark::Seen);
        store.save_baseline(&[("d", old.export_dirty())]).unwrap();
        let mut new = sets();
        let later = START + Duration::from_mins(1);
        new.import(store.baseline("d").unwrap(), later);
        let verdicts = ["a", "b", "c"].map(|member| new.judge(later, "curl", member));
        assert_eq!(verdicts, [Verdict::Known, Verdict::Known, Verdict::New]);
    }
}
