//! What `monitor requests`, `alerts` and `incidents` show of the past: the latest records, kept in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::alert::{Alert, AlertState};
use crate::incident::Incident;
use crate::record::{Body, Record};

/// Transactions kept: some 2 MB, which is what the second-level cache of a core holds. Each new record takes the memory of
/// the oldest one, so a longer list costs every transaction a few misses.
const REQUESTS: usize = 2_000;
/// Of which at most so many are of one second: the oldest then are four seconds old at any rate, and a busy host's
/// transactions go back to memory that is still warm.
const REQUESTS_A_SECOND: usize = 500;
/// Resolved alerts kept. Those that are open are the engine's.
const RESOLVED: usize = 1_000;
/// Resolved incidents kept; each lists hundreds of alerts at most.
const ENDED: usize = 500;

/// The latest transactions and resolved alerts.
#[derive(Debug, Default)]
pub(super) struct History {
    requests: VecDeque<Record>,
    /// The second that is running, and how many of it are kept.
    second: (u64, usize),
    passed_over: u64,
    resolved: VecDeque<Record>,
    ended: VecDeque<Record>,
}

impl History {
    /// Keeps the record if it is of a kind that is kept.
    pub(super) fn keep(&mut self, record: &Record) {
        match &record.body {
            Body::Http(_) => self.keep_request(record),
            Body::Alert(alert) => match alert.state {
                AlertState::New | AlertState::Update => {}
                AlertState::Resolved => push(&mut self.resolved, RESOLVED, record),
            },
            Body::Incident(incident) => match incident.state {
                AlertState::New | AlertState::Update => {}
                AlertState::Resolved => push(&mut self.ended, ENDED, record),
            },
            Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Stats(_) => {}
        }
    }

    fn keep_request(&mut self, record: &Record) {
        let second = record.time.as_nanos() / 1_000_000_000;
        if self.second.0 != second {
            self.second = (second, 0);
        }
        if self.second.1 < REQUESTS_A_SECOND {
            self.second.1 += 1;
            push(&mut self.requests, REQUESTS, record);
        } else {
            self.passed_over += 1;
        }
    }

    /// Transactions that were not kept since their second had enough.
    pub(super) fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// The latest transactions, in order of time.
    pub(super) fn requests(&self) -> Vec<Record> {
        self.requests.iter().cloned().collect()
    }

    /// The latest resolved alerts, in order of time.
    pub(super) fn resolved(&self) -> Vec<Record> {
        self.resolved.iter().cloned().collect()
    }

    /// The latest resolved incidents, in order of time.
    pub(super) fn ended(&self) -> Vec<Record> {
        self.ended.iter().cloned().collect()
    }

    /// One incident of these that are `open` or of the resolved ones, like [`Self::alert`].
    pub(super) fn incident(&self, id: &str, open: &[Arc<Incident>]) -> Option<Arc<Incident>> {
        let ended = self.ended.iter().filter_map(incident_of);
        one_named(open.iter().chain(ended), id, |incident| &incident.id)
    }

    /// One alert of these that are `open` or of the resolved ones, by its id or by the beginning of an id that no other
    /// shares.
    pub(super) fn alert(&self, id: &str, open: &[Arc<Alert>]) -> Option<Arc<Alert>> {
        let resolved = self.resolved.iter().filter_map(alert_of);
        one_named(open.iter().chain(resolved), id, |alert| &alert.id)
    }
}

/// The one whose name is `id`, or the only one whose name begins so.
fn one_named<'a, T: 'a>(
    all: impl Iterator<Item = &'a Arc<T>>,
    id: &str,
    name: impl Fn(&T) -> &Arc<str>,
) -> Option<Arc<T>> {
    let alike: Vec<&Arc<T>> = all.filter(|one| name(one).starts_with(id)).collect();
    match alike.as_slice() {
        [one] => Some(Arc::clone(one)),
        several => several.iter().find(|one| &**name(one) == id).map(|one| Arc::clone(one)),
    }
}

fn incident_of(record: &Record) -> Option<&Arc<Incident>> {
    match &record.body {
        Body::Incident(incident) => Some(incident),
        Body::Http(_) | Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Alert(_) | Body::Stats(_) => None,
    }
}

fn push(list: &mut VecDeque<Record>, most: usize, record: &Record) {
    if list.len() == most {
        list.pop_front();
    }
    list.push_back(record.clone());
}

fn alert_of(record: &Record) -> Option<&Arc<Alert>> {
    match &record.body {
        Body::Alert(alert) => Some(alert),
        Body::Http(_) | Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Incident(_) | Body::Stats(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sinks::json::examples::{self, START};

    fn alert(id: &str, state: AlertState, second: u64) -> Record {
        let mut alert = examples::alert();
        alert.id = id.into();
        alert.state = state;
        Record {
            time: START + Duration::from_secs(second),
            body: Body::Alert(alert.into()),
        }
    }

    #[test]
    fn resolved_alerts_are_kept_open_ones_are_the_engines() {
        let mut history = History::default();
        history.keep(&alert("a", AlertState::New, 1));
        history.keep(&alert("b", AlertState::Resolved, 2));
        assert_eq!(history.resolved(), [alert("b", AlertState::Resolved, 2)]);
    }

    #[test]
    fn the_beginning_of_an_id_is_enough_when_no_other_shares_it() {
        let mut history = History::default();
        let open = alert("abc", AlertState::New, 1);
        let open = [Arc::clone(alert_of(&open).unwrap())];
        history.keep(&alert("abd", AlertState::Resolved, 1));
        history.keep(&alert("ab", AlertState::Resolved, 1));
        for id in ["abc", "abd", "ab"] {
            assert_eq!(&*history.alert(id, &open).unwrap().id, id);
        }
        assert_eq!(&*history.alert("abd", &[]).unwrap().id, "abd");
        for id in ["a", "", "abcd"] {
            assert_eq!(history.alert(id, &open), None, "{id}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut history = History::default();
        for i in 0..RESOLVED as u64 + 5 {
            history.keep(&alert(&i.to_string(), AlertState::Resolved, i));
        }
        assert_eq!(history.resolved().len(), RESOLVED);
        assert_eq!(history.alert("0", &[]), None);
        assert!(history.alert("1004", &[]).is_some());
        let http = |i: usize| Record {
            time: START + Duration::from_millis(i as u64),
            body: Body::Http(examples::http().into()),
        };
        for i in 0..1_000 {
            history.keep(&http(i));
        }
        assert_eq!((history.requests().len(), history.passed_over()), (500, 500));
        for i in 0..REQUESTS + 5 {
            history.keep(&http(10 * i));
        }
        assert_eq!(history.requests().len(), REQUESTS);
    }
}
