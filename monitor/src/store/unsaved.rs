//! Changes that could not be written, until they can.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::Change;

/// Changes kept at most, of some hundred bytes each. A disk that stays full costs what is learned beyond them.
const MOST: usize = 65_536;

/// What waits, the latest change of each row.
#[derive(Debug, Default)]
pub struct Unsaved {
    detectors: BTreeMap<&'static str, Waiting>,
    count: usize,
    lost: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    /// All rows that are written are gone.
    cleared: bool,
    /// By subject and member.
    rows: BTreeMap<(Arc<str>, Arc<str>), Change>,
}

impl Unsaved {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.detectors.is_empty()
    }

    /// Changes that found no room since the last [`Self::take`].
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// These came after all that waits.
    pub fn add(&mut self, changes: Vec<(&'static str, Vec<Change>)>) {
        for (detector, changes) in changes {
            let waiting = self.detectors.entry(detector).or_default();
            for change in changes {
                let key = match &change {
                    Change::Put(row) => (Arc::clone(&row.subject), Arc::clone(&row.member)),
                    Change::Remove { subject, member } => (Arc::clone(subject), Arc::clone(member)),
                    Change::Clear => {
                        self.count -= waiting.rows.len();
                        waiting.rows.clear();
                        waiting.cleared = true;
                        continue;
                    }
                };
                if let Some(earlier) = waiting.rows.get_mut(&key) {
                    *earlier = change;
                } else if self.count < MOST {
                    self.count += 1;
                    waiting.rows.insert(key, change);
                } else {
                    self.lost += 1;
                }
            }
        }
    }

    /// All of it, to be written; what fails again is added again.
    pub fn take(&mut self) -> Vec<(&'static str, Vec<Change>)> {
        let detectors = std::mem::take(self).detectors.into_iter();
        detectors
            .map(|(detector, waiting)| {
                let cleared = waiting.cleared.then_some(Change::Clear);
                (
                    detector,
                    cleared.into_iter().chain(waiting.rows.into_values()).collect(),
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Row;
    use crate::time::Timestamp;

    fn put(subject: &str, count: u64) -> Change {
        Change::Put(Row {
            subject: subject.into(),
            member: "".into(),
            first: Timestamp::from_secs(1),
            last: Timestamp::from_secs(2),
            count,
            marks: 0,
            detail: None,
        })
    }

    fn gone(subject: &str) -> Change {
        Change::Remove {
            subject: subject.into(),
            member: "".into(),
        }
    }

    #[test]
    fn the_latest_change_of_a_row_waits() {
        let mut unsaved = Unsaved::default();
        unsaved.add(vec![("d", vec![put("a", 1), put("b", 1), put("c", 1)])]);
        unsaved.add(vec![("d", vec![put("a", 2), gone("b")]), ("e", vec![put("a", 1)])]);
        let all = unsaved.take();
        assert_eq!(
            all,
            [
                ("d", vec![put("a", 2), gone("b"), put("c", 1)]),
                ("e", vec![put("a", 1)])
            ]
        );
        assert!(unsaved.is_empty());
    }

    #[test]
    fn what_was_before_a_clear_is_forgotten() {
        let mut unsaved = Unsaved::default();
        unsaved.add(vec![("d", vec![put("a", 1)])]);
        unsaved.add(vec![("d", vec![Change::Clear, put("b", 1)])]);
        assert_eq!(unsaved.take(), [("d", vec![Change::Clear, put("b", 1)])]);
    }

    #[test]
    fn there_is_a_bound_and_what_is_beyond_is_counted() {
        let mut unsaved = Unsaved::default();
        let many = (0..MOST + 3).map(|n| put(&n.to_string(), 1)).collect();
        unsaved.add(vec![("d", many)]);
        // Of a row that waits the latest is kept all the same.
        unsaved.add(vec![("d", vec![put("0", 2)])]);
        assert_eq!(unsaved.lost(), 3);
        let [(_, rows)] = &unsaved.take()[..] else {
            panic!("one detector")
        };
        assert_eq!((rows.len(), rows[0].clone()), (MOST, put("0", 2)));
        assert_eq!(unsaved.lost(), 0);
    }
}
