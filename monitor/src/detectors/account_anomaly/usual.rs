//! How often accounts with habits do what they never did: of all their visits.

use super::profile::Visit;
use crate::time::Timestamp;

/// What is believed before visits are seen, with the weight of so many: of a visit, that it is at an hour, with a program, in
/// a network, that the account never had; that it has one new endpoint or more, 2, 4, 8.
const BELIEVED: [f64; 7] = [0.03, 0.02, 0.04, 0.10, 0.04, 0.01, 0.002];
const WEIGHT: f64 = 100.0;
/// Least new endpoints of the last four.
const STEPS: [usize; 4] = [1, 2, 4, 8];
/// Beyond so many visits all is halved: what was long ago fades.
const MOST: f64 = 100_000.0;
/// One who has a new telephone is in a new network as well, more often than chance: a second and third of the places and hours
/// that go together count for the root of what they would alone.
const TOGETHER: f64 = 0.5;
/// Visits a week before a day has shown how many there are.
const LEAST_A_WEEK: f64 = 70.0;
const WEEK_S: f64 = 7.0 * 86_400.0;

/// Shares of visits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usual {
    pub(super) counts: [f64; 7],
    pub(super) visits: f64,
    /// For how many there are in a week: those since then.
    pub(super) since: Option<(Timestamp, f64)>,
    pub(super) dirty: bool,
}

impl Usual {
    /// A visit of an account with habits is over, and no alert told of it.
    pub(super) fn learn(&mut self, visit: &Visit) {
        self.dirty = true;
        let new = visit.new_endpoints.len();
        let has = [
            visit.new_hour,
            visit.new_program,
            visit.new_network,
            new >= STEPS[0],
            new >= STEPS[1],
            new >= STEPS[2],
            new >= STEPS[3],
        ];
        for (count, has) in self.counts.iter_mut().zip(has) {
            *count += f64::from(u8::from(has));
        }
        self.visits += 1.0;
        if self.visits > MOST {
            self.visits /= 2.0;
            self.counts.iter_mut().for_each(|count| *count /= 2.0);
        }
        let (_, visits) = self.since.get_or_insert((visit.first, 0.0));
        *visits += 1.0;
    }

    fn share(&self, at: usize) -> f64 {
        (self.counts[at] + BELIEVED[at] * WEIGHT) / (self.visits + WEIGHT)
    }

    /// The chance that a visit is so new as this one.
    pub(super) fn chance(&self, visit: &Visit) -> f64 {
        let flags = [visit.new_hour, visit.new_program, visit.new_network];
        let mut shares: Vec<f64> = (0..3).filter(|at| flags[*at]).map(|at| self.share(at)).collect();
        shares.sort_by(f64::total_cmp);
        let places: f64 = shares
            .iter()
            .enumerate()
            .map(|(number, share)| if number == 0 { *share } else { share.powf(TOGETHER) })
            .product();
        let new = visit.new_endpoints.len();
        let step = STEPS.iter().rposition(|least| new >= *least);
        places * step.map_or(1.0, |step| self.share(3 + step))
    }

    /// Visits of a week.
    pub(super) fn a_week(&self, now: Timestamp) -> f64 {
        let rate = self.since.map_or(0.0, |(since, visits)| {
            visits * WEEK_S / now.since(since).as_secs_f64().max(86_400.0)
        });
        rate.max(LEAST_A_WEEK)
    }

    /// Each thing that is new, with the share of visits that have it, in words.
    pub(super) fn words(&self, visit: &Visit) -> Vec<String> {
        let mut words = Vec::new();
        let percent = |at| 100.0 * self.share(at);
        for (at, (is_new, what)) in [
            (visit.new_hour, "an hour that it never kept"),
            (visit.new_program, "a program that it never had"),
            (visit.new_network, "a network that it never came from"),
        ]
        .into_iter()
        .enumerate()
        {
            if is_new {
                words.push(format!("{what} ({:.1} % of visits)", percent(at)));
            }
        }
        let new = visit.new_endpoints.len();
        if let Some(step) = STEPS.iter().rposition(|least| new >= *least) {
            words.push(format!(
                "{new} endpoints that it never asked for ({:.1} % of visits)",
                percent(3 + step)
            ));
        }
        words
    }
}
