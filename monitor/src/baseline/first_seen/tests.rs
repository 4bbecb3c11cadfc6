use std::time::Duration;

use super::*;
use crate::baseline::Change;

const DAY: Duration = Duration::from_hours(24);
const LIMITS: Limits = Limits {
    subjects: 4,
    members: 3,
    total: 8,
};

fn sets(period_days: u32, floor: u64) -> FirstSeen {
    let terms = Terms {
        period: DAY * period_days,
        floor,
        adopt: DAY,
        forget: DAY * 90,
    };
    FirstSeen::new(LIMITS, terms)
}

fn day(days: f64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000) + DAY.mul_f64(days)
}

#[track_caller]
fn check(sets: &FirstSeen, at: f64, subject: &str, member: &str, expected: Verdict) {
    assert_eq!(
        sets.judge(day(at), subject, member),
        expected,
        "{subject} with {member} on day {at}"
    );
}

#[test]
fn a_subject_learns_for_the_period_and_the_floor() {
    let mut sets = sets(7, 3);
    check(&sets, 0.0, "curl", "a", Verdict::Learning);
    sets.note(day(0.0), "curl", "a", Mark::Seen);
    check(&sets, 0.1, "curl", "a", Verdict::Known);
    check(&sets, 6.9, "curl", "b", Verdict::Learning);
    // The period is over, the floor not reached.
    check(&sets, 7.1, "curl", "b", Verdict::Learning);
    sets.note(day(7.1), "curl", "a", Mark::Seen);
    sets.note(day(7.2), "curl", "a", Mark::Seen);
    check(&sets, 7.3, "curl", "b", Verdict::New);
    check(&sets, 7.3, "curl", "a", Verdict::Known);
}

#[test]
fn the_floor_alone_is_not_enough() {
    let mut sets = sets(7, 3);
    for _ in 0..100 {
        sets.note(day(0.0), "curl", "a", Mark::Seen);
    }
    check(&sets, 6.9, "curl", "b", Verdict::Learning);
    check(&sets, 7.0, "curl", "b", Verdict::New);
}

#[test]
fn no_period_judges_at_once() {
    let mut sets = sets(0, 100);
    check(&sets, 0.0, "curl", "a", Verdict::Newcomer);
    sets.note(day(0.0), "curl", "a", Mark::Told);
    check(&sets, 0.0, "curl", "b", Verdict::New);
    assert_eq!(sets.learning(day(0.0)), 0);
}

#[test]
fn a_subject_is_a_newcomer_once_the_whole_has_learned() {
    let mut sets = sets(7, 3);
    sets.note(day(0.0), "old", "a", Mark::Seen);
    check(&sets, 6.9, "new", "x", Verdict::Learning);
    check(&sets, 7.0, "new", "x", Verdict::Newcomer);
    sets.note(day(7.0), "new", "x", Mark::Told);
    // What it reaches in the day after belongs to its introduction, then it learns.
    check(&sets, 7.5, "new", "y", Verdict::Newcomer);
    sets.note(day(7.9), "new", "y", Mark::Told);
    check(&sets, 8.1, "new", "z", Verdict::Learning);
    // Told on day 7 and 7.9: known a day later each.
    check(&sets, 8.1, "new", "x", Verdict::Known);
    check(&sets, 8.1, "new", "y", Verdict::Newcomer);
    check(&sets, 8.9, "new", "y", Verdict::Known);
}

#[test]
fn a_told_member_is_unknown_until_adopted() {
    let mut sets = sets(7, 1);
    sets.note(day(0.0), "curl", "a", Mark::Seen);
    check(&sets, 8.0, "curl", "b", Verdict::New);
    sets.note(day(8.0), "curl", "b", Mark::Told);
    sets.note(day(8.5), "curl", "b", Mark::Told);
    check(&sets, 8.9, "curl", "b", Verdict::New);
    check(&sets, 9.0, "curl", "b", Verdict::Known);
}

#[test]
fn learning_is_counted() {
    let mut sets = sets(7, 1);
    sets.note(day(0.0), "a", "x", Mark::Seen);
    sets.note(day(5.0), "b", "x", Mark::Seen);
    assert_eq!(sets.learning(day(6.0)), 2);
    assert_eq!(sets.learning(day(8.0)), 1);
    assert_eq!(sets.learning(day(12.0)), 0);
}

#[test]
fn what_is_not_seen_is_forgotten() {
    let mut sets = sets(7, 1);
    sets.note(day(0.0), "curl", "a", Mark::Seen);
    sets.note(day(50.0), "curl", "b", Mark::Seen);
    sets.expire(day(89.9));
    check(&sets, 89.9, "curl", "a", Verdict::Known);
    sets.expire(day(90.0));
    check(&sets, 90.0, "curl", "a", Verdict::New);
    check(&sets, 90.0, "curl", "b", Verdict::Known);
    sets.expire(day(140.0));
    assert_eq!(sets.subjects(), 0);
}

#[test]
fn the_least_telling_member_goes_first() {
    let mut sets = sets(7, 1);
    for member in ["often", "often", "once", "implied", "implied", "implied"] {
        let mark = if member == "implied" { Mark::Implied } else { Mark::Seen };
        sets.note(day(0.0), "curl", member, mark);
    }
    sets.note(day(1.0), "curl", "d", Mark::Seen);
    assert_eq!(names(&sets, "curl"), ["d", "often", "once"]);
    sets.note(day(2.0), "curl", "e", Mark::Seen);
    assert_eq!(names(&sets, "curl"), ["d", "e", "often"]);
    assert_eq!(
        sets.evictions(),
        Evictions {
            subjects: 0,
            members: 2
        }
    );
}

// An intruder who makes up subjects or members does not push the old ones out.
#[test]
fn a_flood_is_bounded_and_spares_what_is_well_known() {
    let mut sets = sets(7, 1);
    for _ in 0..10 {
        sets.note(day(0.0), "nginx", "a", Mark::Seen);
        sets.note(day(0.0), "nginx", "b", Mark::Seen);
    }
    for n in 0..1_000 {
        sets.note(day(1.0), &format!("x{n}"), &format!("m{n}"), Mark::Seen);
        sets.note(day(1.0), "x", &format!("m{n}"), Mark::Seen);
    }
    assert_eq!(sets.subjects(), LIMITS.subjects);
    let all: usize = sets.subjects.values().map(|subject| subject.members.len()).sum();
    assert_eq!(all, sets.members);
    assert!(sets.members <= LIMITS.total);
    assert_eq!(names(&sets, "nginx"), ["a", "b"]);
    assert!(
        sets.evictions().subjects > 900 && sets.evictions().members > 900,
        "{:?}",
        sets.evictions()
    );
}

#[test]
fn merged_members_are_one() {
    let mut sets = sets(7, 1);
    for member in ["r1.x", "r2.x", "r2.x", "y"] {
        sets.note(day(0.0), "curl", member, Mark::Seen);
    }
    sets.merge("curl", "*.x", |name| name.starts_with('r'));
    assert_eq!(names(&sets, "curl"), ["*.x", "y"]);
    assert_eq!(sets.members("curl").next().map(|(_, member)| member.count), Some(3));
    assert_eq!(sets.members, 2);
}

/// What a store would hold after these changes.
fn apply(store: &mut BTreeMap<(Arc<str>, Arc<str>), crate::baseline::Row>, changes: Vec<Change>) {
    for change in changes {
        match change {
            Change::Put(row) => {
                store.insert((row.subject.clone(), row.member.clone()), row);
            }
            Change::Remove { subject, member } => {
                store.remove(&(subject, member));
            }
            Change::Clear => store.clear(),
        }
    }
}

// After any course of events the rows exported step by step make the same sets again.
#[test]
fn what_is_exported_comes_back() {
    for steps in [1, 7, 400] {
        let (mut old, mut store) = (sets(7, 2), BTreeMap::new());
        for n in 0..2_000_u32 {
            let (subject, member) = (format!("s{}", n * 7 % 9), format!("m{}", n * 13 % 31));
            let mark = [Mark::Seen, Mark::Told, Mark::Implied][n as usize % 3];
            old.note(day(f64::from(n) / 10.0), &subject, &member, mark);
            if n % 50 == 0 {
                old.expire(day(f64::from(n) / 10.0));
            }
            if n % steps == 0 {
                apply(&mut store, old.export_dirty());
            }
        }
        apply(&mut store, old.export_dirty());
        assert_eq!(old.export_dirty(), [], "nothing has changed since");
        let mut new = sets(7, 2);
        new.import(store.into_values().collect(), day(1_000.0));
        assert_eq!(picture(&new), picture(&old));
        assert_eq!(new.members, old.members);
    }
}

#[test]
fn only_what_changed_is_exported() {
    let mut sets = sets(7, 1);
    sets.note(day(0.0), "a", "x", Mark::Seen);
    sets.note(day(0.0), "b", "y", Mark::Seen);
    assert_eq!(sets.export_dirty().len(), 5, "the beginning, two subjects, two members");
    sets.note(day(1.0), "b", "z", Mark::Seen);
    let rows: Vec<String> = sets
        .export_dirty()
        .iter()
        .map(|change| match change {
            Change::Put(row) => format!("{}/{}", row.subject, row.member),
            Change::Remove { subject, member } => format!("-{subject}/{member}"),
            Change::Clear => "clear".to_owned(),
        })
        .collect();
    assert_eq!(rows, ["b/", "b/z"]);
}

// With no store nobody asks for what was removed; it must not pile up.
#[test]
fn removals_that_nobody_asks_for_do_not_pile_up() {
    let mut sets = sets(7, 1);
    for n in 0..10_000 {
        sets.note(day(0.0), "x", &format!("m{n}"), Mark::Seen);
    }
    assert!(sets.removed.is_none());
    let changes = sets.export_dirty();
    assert_eq!(changes.first(), Some(&Change::Clear));
    assert_eq!(changes.len(), 1 + 1 + 1 + LIMITS.members);
}

#[test]
fn a_clock_set_back_does_no_harm() {
    let mut old = sets(7, 1);
    old.note(day(400.0), "curl", "a", Mark::Seen);
    let (mut new, mut store) = (sets(7, 1), BTreeMap::new());
    apply(&mut store, old.export_dirty());
    new.import(store.into_values().collect(), day(0.0));
    check(&new, 0.0, "curl", "a", Verdict::Known);
    check(&new, 7.0, "curl", "b", Verdict::New);
}

#[test]
fn import_keeps_the_limits() {
    let row = |n: u32| crate::baseline::Row {
        subject: format!("s{}", n % 50).into(),
        member: format!("m{n}").into(),
        first: day(0.0),
        last: day(0.0),
        count: 1,
        marks: 0,
        detail: None,
    };
    let mut sets = sets(7, 1);
    sets.import((0..5_000).map(row).collect(), day(1.0));
    assert_eq!(sets.subjects(), LIMITS.subjects);
    assert!(sets.members <= LIMITS.total);
}

fn names<'a>(sets: &'a FirstSeen, subject: &str) -> Vec<&'a str> {
    sets.members(subject).map(|(name, _)| name).collect()
}

fn picture(sets: &FirstSeen) -> Vec<String> {
    let mut lines = vec![format!("{:?}", sets.began)];
    for (key, subject) in &sets.subjects {
        let Subject {
            first,
            last,
            count,
            newcomer,
            members,
        } = subject;
        lines.push(format!("{key} {first} {last} {count} {newcomer}"));
        for (
            name,
            Member {
                first,
                last,
                count,
                mark,
                dirty: _,
            },
        ) in members
        {
            lines.push(format!("  {name} {first} {last} {count} {mark:?}"));
        }
    }
    lines
}
