//! Figures: what the verdicts come to, by detector and in all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::judge::Verdict;

/// One line of the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The detector; `all` in the last.
    pub detector: String,
    /// Attacks that it should find. In the last line: that any detector should.
    pub attacks: usize,
    /// Those that were found.
    pub found: usize,
    /// Alerts.
    pub alerts: usize,
    /// Those that tell of an attack.
    pub right: usize,
    /// Groups of false alerts that share an actor or a target, or the monitor's incidents, with no true alert among them.
    pub false_incidents: usize,
    /// Simulated weeks, without those of learning.
    pub weeks: f64,
    /// Half of the attacks found were told of sooner, seconds.
    pub median_s: Option<f64>,
    /// Alerts of this detector to an attack that it found, on average. In the last line: of all detectors.
    pub alerts_an_attack: Option<f64>,
}

impl Row {
    /// Share of the attacks that were found.
    pub fn recall(&self) -> Option<f64> {
        (self.attacks > 0).then(|| self.found as f64 / self.attacks as f64)
    }

    /// Share of the alerts that tell of an attack.
    pub fn precision(&self) -> Option<f64> {
        (self.alerts > 0).then(|| self.right as f64 / self.alerts as f64)
    }

    /// False alerts a simulated week.
    pub fn false_a_week(&self) -> f64 {
        (self.alerts - self.right) as f64 / self.weeks.max(f64::MIN_POSITIVE)
    }

    /// False incidents a simulated week.
    pub fn false_incidents_a_week(&self) -> f64 {
        self.false_incidents as f64 / self.weeks.max(f64::MIN_POSITIVE)
    }
}

/// All figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// One a detector that is there, and `all` last.
    pub rows: Vec<Row>,
    /// The same for benign worlds alone, in which every alert is false: `all` of each world.
    pub worlds: Vec<Row>,
    /// What alerts were put together to.
    #[serde(default)]
    pub incidents: Incidents,
    /// Detectors that scenarios are for and that are not built, with their attacks: not counted.
    pub not_built: BTreeMap<String, Vec<String>>,
}

/// How well alerts are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Incidents {
    /// Incidents in all.
    pub told: usize,
    /// Those that tell of an attack.
    pub right: usize,
    /// Those of them that have false alerts among the others.
    pub mixed: usize,
    /// Attacks that were told of.
    pub attacks: usize,
    /// Incidents that these are in.
    pub parts: usize,
}

impl Incidents {
    fn of(verdicts: &[Verdict]) -> Self {
        let mut sum = Self::default();
        for verdict in verdicts {
            sum.told += verdict.true_incidents + verdict.false_incidents.len();
            sum.right += verdict.true_incidents;
            sum.mixed += verdict.mixed_incidents;
            sum.attacks += verdict.parts.len();
            sum.parts += verdict.parts.iter().sum::<usize>();
        }
        sum
    }
}

/// Sums up.
pub fn score(verdicts: &[Verdict], detectors: &[String]) -> Table {
    let mut rows: Vec<Row> = detectors
        .iter()
        .map(|detector| row(verdicts, detector, |name| name == detector))
        .collect();
    rows.push(all(verdicts, detectors, "all"));
    let mut benign: BTreeMap<&str, Vec<Verdict>> = BTreeMap::new();
    for verdict in verdicts
        .iter()
        .filter(|verdict| super::scenario::is_benign(&verdict.scenario))
    {
        benign.entry(&verdict.world).or_default().push(verdict.clone());
    }
    let worlds = benign
        .iter()
        .map(|(world, verdicts)| all(verdicts, detectors, world))
        .collect();
    let mut not_built: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for find in verdicts.iter().flat_map(|verdict| &verdict.found) {
        if !detectors.contains(&find.detector) {
            not_built
                .entry(find.detector.clone())
                .or_default()
                .insert(find.attack.clone());
        }
    }
    Table {
        rows,
        worlds,
        incidents: Incidents::of(verdicts),
        not_built: not_built
            .into_iter()
            .map(|(name, attacks)| (name, attacks.into_iter().collect()))
            .collect(),
    }
}

fn row(verdicts: &[Verdict], name: &str, speaks: impl Fn(&str) -> bool) -> Row {
    let finds: Vec<_> = verdicts
        .iter()
        .flat_map(|verdict| &verdict.found)
        .filter(|find| speaks(&find.detector))
        .collect();
    let alerts: Vec<_> = verdicts
        .iter()
        .flat_map(|verdict| &verdict.alerts)
        .filter(|judged| speaks(&judged.alert.detector))
        .collect();
    let found: Vec<f64> = finds.iter().filter_map(|find| find.after_s).collect();
    let wrong = |verdict: &&Verdict| -> usize {
        let of = |members: &&Vec<usize>| members.iter().any(|&at| speaks(&verdict.alerts[at].alert.detector));
        verdict.false_incidents.iter().filter(of).count()
    };
    let right = alerts.iter().filter(|judged| judged.of.is_some()).count();
    let told: usize = finds.iter().map(|find| find.alerts).sum();
    Row {
        detector: name.to_owned(),
        attacks: finds.len(),
        found: found.len(),
        alerts: alerts.len(),
        right,
        false_incidents: verdicts.iter().map(|verdict| wrong(&verdict)).sum(),
        weeks: verdicts.iter().map(|verdict| verdict.days).sum::<f64>() / 7.0,
        alerts_an_attack: (!found.is_empty()).then(|| told as f64 / found.len() as f64),
        median_s: median(found),
    }
}

/// All detectors together: an attack is found if one of those that should speak does.
fn all(verdicts: &[Verdict], detectors: &[String], name: &str) -> Row {
    let mut row = row(verdicts, name, |_| true);
    let (mut attacks, mut found, mut told) = (0, Vec::new(), 0);
    for verdict in verdicts {
        let built = || verdict.found.iter().filter(|find| detectors.contains(&find.detector));
        if built().next().is_none() {
            continue;
        }
        attacks += 1;
        if let Some(after) = built().filter_map(|find| find.after_s).min_by(f64::total_cmp) {
            found.push(after);
            told += verdict.alerts.iter().filter(|judged| judged.of.is_some()).count();
        }
    }
    row.attacks = attacks;
    row.found = found.len();
    row.alerts_an_attack = (!found.is_empty()).then(|| told as f64 / found.len() as f64);
    row.median_s = median(found);
    row
}

fn median(mut of: Vec<f64>) -> Option<f64> {
    of.sort_by(f64::total_cmp);
    of.get(of.len().saturating_sub(1) / 2).copied()
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.3}"));
        writeln!(
            f,
            "| {:19} | {:>7} | {:>6} | {:>6} | {:>9} | {:>14} | {:>17} | {:>9} | {:>13} |",
            "detector",
            "attacks",
            "recall",
            "alerts",
            "precision",
            "false a week",
            "false incidents",
            "median",
            "alerts/attack"
        )?;
        writeln!(
            f,
            "| {:-<19} | {:->6}: | {:->5}: | {:->5}: | {:->8}: | {:->13}: | {:->16}: | {:->8}: | {:->12}: |",
            "", "", "", "", "", "", "", "", ""
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "| {:19} | {:>7} | {:>6} | {:>6} | {:>9} | {:>14.2} | {:>17.2} | {:>9} | {:>13} |",
                row.detector,
                row.attacks,
                share(row.recall()),
                row.alerts,
                share(row.precision()),
                row.false_a_week(),
                row.false_incidents_a_week(),
                row.median_s.map_or("-".to_owned(), duration),
                row.alerts_an_attack
                    .map_or("-".to_owned(), |alerts| format!("{alerts:.1}")),
            )?;
        }
        let Incidents {
            told,
            right,
            mixed,
            attacks,
            parts,
        } = self.incidents;
        let of = |some: usize, all: usize| share((all > 0).then(|| some as f64 / all as f64));
        writeln!(
            f,
            "\nincidents: {told}, precision {}; {mixed} of the right ones hold false alerts; {} to an attack that was found",
            of(right, told),
            of(parts, attacks)
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "| {:19} | {:>6} | {:>14} | {:>17} |",
            "benign world", "weeks", "alerts a week", "incidents a week"
        )?;
        writeln!(f, "| {:-<19} | {:->5}: | {:->13}: | {:->16}: |", "", "", "", "")?;
        for row in &self.worlds {
            writeln!(
                f,
                "| {:19} | {:>6.1} | {:>14.2} | {:>17.2} |",
                row.detector,
                row.weeks,
                row.false_a_week(),
                row.false_incidents_a_week()
            )?;
        }
        if !self.not_built.is_empty() {
            writeln!(f)?;
        }
        for (detector, attacks) in &self.not_built {
            writeln!(f, "not built: {detector} ({})", attacks.join(", "))?;
        }
        Ok(())
    }
}

/// In the unit that reads best.
fn duration(seconds: f64) -> String {
    match seconds {
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        1.0..120.0 => format!("{seconds:.0} s"),
        120.0..7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::judge::Find;

    fn verdict(scenario: &str, found: &[(&str, Option<f64>)]) -> Verdict {
        Verdict {
            scenario: scenario.to_owned(),
            world: "quiet".to_owned(),
            days: 3.5,
            found: found
                .iter()
                .map(|&(detector, after_s)| Find {
                    attack: scenario.to_owned(),
                    detector: detector.to_owned(),
                    after_s,
                    alerts: usize::from(after_s.is_some()),
                })
                .collect(),
            alerts: Vec::new(),
            false_incidents: Vec::new(),
            true_incidents: usize::from(found.iter().any(|(_, after)| after.is_some())),
            mixed_incidents: 0,
            parts: Vec::new(),
        }
    }

    #[test]
    fn recall_is_by_detector_and_in_all() {
        let verdicts = [
            verdict("one", &[("a", Some(4.0)), ("b", None)]),
            verdict("two", &[("a", None)]),
            verdict("three", &[("c", None)]),
            verdict("benign-quiet", &[]),
        ];
        let table = score(&verdicts, &["a".to_owned(), "b".to_owned()]);
        let recalls: Vec<_> = table.rows.iter().map(|row| (row.attacks, row.found)).collect();
        // What is not built counts nowhere.
        assert_eq!(recalls, [(2, 1), (1, 0), (2, 1)]);
        assert_eq!(table.not_built["c"], ["three"]);
        assert_eq!((table.rows[2].weeks, table.worlds[0].weeks), (2.0, 0.5));
        assert_eq!(table.rows[0].median_s, Some(4.0));
    }
}
