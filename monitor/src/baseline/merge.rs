//! Two baselines of one detector as one: its own, and what was learned elsewhere of the same host.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Row;

/// What either knows. Of rows that both have, first and latest sight are those of both. Where a row says no more than that,
/// it counts both, and has the marks that both have: a thing that was only told of in one and seen as ordinary in the other
/// is ordinary. Where it says more, the one that rests on more observations stays, and of equals that of `own`.
pub fn merge(own: Vec<Row>, learned: Vec<Row>) -> Vec<Row> {
    let key = |row: &Row| (row.subject.clone(), row.member.clone());
    let mut rows: BTreeMap<_, Row> = own.into_iter().map(|row| (key(&row), row)).collect();
    for row in learned {
        match rows.entry(key(&row)) {
            Entry::Vacant(none) => {
                none.insert(row);
            }
            Entry::Occupied(mut own) => {
                let own = own.get_mut();
                let (first, last) = (own.first.min(row.first), own.last.max(row.last));
                if own.detail.is_none() && row.detail.is_none() {
                    own.count = own.count.saturating_add(row.count);
                    own.marks &= row.marks;
                } else if own.detail.is_none() || (row.detail.is_some() && row.count > own.count) {
                    *own = row;
                }
                (own.first, own.last) = (first, last);
            }
        }
    }
    rows.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn row(subject: &str, (first, last): (u64, u64), count: u64, marks: u32, detail: Option<&[u8]>) -> Row {
        Row {
            subject: subject.into(),
            member: "m".into(),
            first: Timestamp::from_secs(first),
            last: Timestamp::from_secs(last),
            count,
            marks,
            detail: detail.map(Into::into),
        }
    }

    #[test]
    fn nothing_is_lost_and_more_observations_win() {
        let own = vec![
            row("both", (50, 60), 3, 5, None),
            row("less", (50, 60), 3, 0, Some(b"own")),
            row("more", (50, 60), 9, 1, Some(b"own")),
            row("own", (50, 60), 1, 1, None),
        ];
        let learned = vec![
            row("both", (10, 55), 4, 4, None),
            row("less", (10, 20), 4, 2, Some(b"new")),
            row("more", (10, 90), 9, 2, Some(b"new")),
            row("new", (10, 20), 4, 0, None),
        ];
        let expected = [
            row("both", (10, 60), 7, 4, None),
            row("less", (10, 60), 4, 2, Some(b"new")),
            row("more", (10, 90), 9, 1, Some(b"own")),
            row("new", (10, 20), 4, 0, None),
            row("own", (50, 60), 1, 1, None),
        ];
        assert_eq!(merge(own, learned), expected);
    }
}
