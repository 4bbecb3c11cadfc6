//! What two configurations raise, held against each other.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use super::judged::{Cause, Judged, Occurrences, Story};
use crate::sinks::json::{Actor, Severity, Target, Text, Time};

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// It would not have been raised.
    Gone,
    /// It would have been raised, and was not.
    New,
    /// It would have been another.
    Changed,
    /// Nothing is.
    Same,
}

impl Change {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::New => "new",
            Self::Changed => "changed",
            Self::Same => "same",
        }
    }
}

/// One thing under one configuration, the other, or both.
#[derive(Debug)]
pub(super) enum Sides<T> {
    Before(T),
    After(T),
    Both(T, T),
}

impl<T> Sides<T> {
    pub(super) const fn before(&self) -> Option<&T> {
        match self {
            Self::Before(one) | Self::Both(one, _) => Some(one),
            Self::After(_) => None,
        }
    }

    pub(super) const fn after(&self) -> Option<&T> {
        match self {
            Self::After(one) | Self::Both(_, one) => Some(one),
            Self::Before(_) => None,
        }
    }

    /// The one that would be, else the one that was.
    pub(super) const fn any(&self) -> &T {
        match self {
            Self::Before(one) | Self::After(one) | Self::Both(_, one) => one,
        }
    }

    fn change(&self, same: impl Fn(&T, &T) -> bool) -> Change {
        match self {
            Self::Before(_) => Change::Gone,
            Self::After(_) => Change::New,
            Self::Both(before, after) if same(before, after) => Change::Same,
            Self::Both(..) => Change::Changed,
        }
    }
}

/// All that was raised under either.
#[derive(Debug)]
pub(super) struct Compared<'a> {
    /// Incidents: those that share most causes of alerts are one.
    pub(super) incidents: Vec<(Change, Sides<&'a Story>)>,
    /// Alerts, by cause.
    pub(super) alerts: Vec<(Change, &'a Cause, Sides<Occurrences>)>,
    /// Alerts that were too many.
    pub(super) left_out: u64,
}

impl<'a> Compared<'a> {
    pub(super) fn new(before: &'a Judged, after: &'a Judged) -> Self {
        let mut old = before.causes();
        let mut alerts: Vec<(&Cause, Sides<Occurrences>)> = Vec::new();
        for (cause, after) in after.causes() {
            let sides = match old.remove(cause) {
                Some(before) => Sides::Both(before, after),
                None => Sides::After(after),
            };
            alerts.push((cause, sides));
        }
        alerts.extend(old.into_iter().map(|(cause, before)| (cause, Sides::Before(before))));
        alerts.sort_by_cached_key(|(cause, sides)| (sides.any().first_seen, format!("{cause:?}")));
        let same = |a: &Occurrences, b: &Occurrences| (a.severity, a.times, a.count) == (b.severity, b.times, b.count);
        let same_story = |a: &&Story, b: &&Story| (a.severity, a.alerts, a.count) == (b.severity, b.alerts, b.count);
        Self {
            incidents: pairs(&before.stories(), &after.stories())
                .into_iter()
                .map(|sides| (sides.change(same_story), sides))
                .collect(),
            alerts: alerts
                .into_iter()
                .map(|(cause, sides)| (sides.change(same), cause, sides))
                .collect(),
            left_out: before.left_out + after.left_out,
        }
    }

    pub(super) fn incident_totals(&self) -> Totals {
        Totals::of(self.incidents.iter().map(|(change, _)| *change))
    }

    pub(super) fn alert_totals(&self) -> Totals {
        Totals::of(self.alerts.iter().map(|(change, ..)| *change))
    }
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Totals {
    pub(super) gone: u64,
    pub(super) new: u64,
    pub(super) changed: u64,
    pub(super) same: u64,
}

impl Totals {
    fn of(changes: impl Iterator<Item = Change>) -> Self {
        let mut totals = Self::default();
        for change in changes {
            *match change {
                Change::Gone => &mut totals.gone,
                Change::New => &mut totals.new,
                Change::Changed => &mut totals.changed,
                Change::Same => &mut totals.same,
            } += 1;
        }
        totals
    }
}

/// Those that share most first, of equals those that began least apart.
fn pairs<'a>(before: &[(&'a Story, Vec<&Cause>)], after: &[(&'a Story, Vec<&Cause>)]) -> Vec<Sides<&'a Story>> {
    let mut holders: FxHashMap<&Cause, Vec<usize>> = FxHashMap::default();
    for (at, (_, causes)) in before.iter().enumerate() {
        for cause in causes.iter().copied().collect::<FxHashSet<_>>() {
            holders.entry(cause).or_default().push(at);
        }
    }
    let mut shared: FxHashMap<(usize, usize), usize> = FxHashMap::default();
    for (at, (_, causes)) in after.iter().enumerate() {
        for cause in causes.iter().copied().collect::<FxHashSet<_>>() {
            for old in holders.get(cause).into_iter().flatten() {
                *shared.entry((*old, at)).or_default() += 1;
            }
        }
    }
    let mut shared: Vec<((usize, usize), usize)> = shared.into_iter().collect();
    let apart = |&(old, new): &(usize, usize)| {
        let (old, new) = (before[old].0.first_seen, after[new].0.first_seen);
        old.since(new).max(new.since(old))
    };
    shared.sort_by_key(|(pair, causes)| (Reverse(*causes), apart(pair), *pair));
    let (mut old_of, mut paired) = (vec![None; after.len()], vec![false; before.len()]);
    for ((old, new), _) in shared {
        if !paired[old] && old_of[new].is_none() {
            (paired[old], old_of[new]) = (true, Some(old));
        }
    }
    let mut pairs: Vec<Sides<&'a Story>> = Vec::new();
    for ((story, _), old) in after.iter().zip(old_of) {
        pairs.push(match old {
            Some(old) => Sides::Both(before[old].0, story),
            None => Sides::After(story),
        });
    }
    let left = before.iter().zip(paired).filter(|(_, paired)| !paired);
    pairs.extend(left.map(|((story, _), _)| Sides::Before(*story)));
    pairs.sort_by_key(|sides| (sides.any().first_seen, sides.any().id.clone()));
    pairs
}

/// A line of `--json`.
#[derive(Debug, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    /// An incident.
    Incident {
        change: Change,
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<IncidentSide<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<IncidentSide<'a>>,
    },
    /// The alerts of one cause.
    Alert {
        change: Change,
        detector: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        actor: Option<Actor<'a>>,
        target: Target<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<AlertSide<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<AlertSide<'a>>,
    },
    /// The last line.
    Totals { incidents: Totals, alerts: Totals },
}

#[derive(Debug, Serialize)]
pub(super) struct IncidentSide<'a> {
    id: Text<'a>,
    title: Text<'a>,
    severity: Severity,
    score: f32,
    alerts: u64,
    count: u64,
    first_seen: Time,
    last_seen: Time,
}

#[derive(Debug, Serialize)]
pub(super) struct AlertSide<'a> {
    severity: Severity,
    occurrences: u64,
    count: u64,
    first_seen: Time,
    last_seen: Time,
    summary: Text<'a>,
}

impl<'a> Compared<'a> {
    /// All of it.
    pub(super) fn lines(&'a self) -> impl Iterator<Item = Line<'a>> {
        let incidents = self.incidents.iter().map(|(change, sides)| Line::Incident {
            change: *change,
            before: sides.before().map(|story| IncidentSide::from(*story)),
            after: sides.after().map(|story| IncidentSide::from(*story)),
        });
        let alerts = self.alerts.iter().map(|(change, cause, sides)| Line::Alert {
            change: *change,
            detector: cause.detector,
            actor: cause.actor.as_ref().map(Actor::from),
            target: Target::from(&cause.target),
            before: sides.before().map(AlertSide::from),
            after: sides.after().map(AlertSide::from),
        });
        let totals = Line::Totals {
            incidents: self.incident_totals(),
            alerts: self.alert_totals(),
        };
        incidents.chain(alerts).chain([totals])
    }
}

impl<'a> From<&'a Story> for IncidentSide<'a> {
    fn from(story: &'a Story) -> Self {
        Self {
            id: Text::Borrowed(&story.id),
            title: Text::Borrowed(&story.title),
            severity: story.severity.into(),
            score: story.score,
            alerts: story.alerts,
            count: story.count,
            first_seen: Time(story.first_seen),
            last_seen: Time(story.last_seen),
        }
    }
}

impl<'a> From<&'a Occurrences> for AlertSide<'a> {
    fn from(all: &'a Occurrences) -> Self {
        Self {
            severity: all.severity.into(),
            occurrences: all.times,
            count: all.count,
            first_seen: Time(all.first_seen),
            last_seen: Time(all.last_seen),
            summary: Text::Borrowed(&all.summary),
        }
    }
}
