//! What `monitor requests` and `monitor alerts` show: the latest records, kept in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::alert::{Alert, AlertState};
use crate::record::{Body, Record};

/// Transactions kept: some 10 MB.
const REQUESTS: usize = 10_000;
/// Resolved alerts kept.
const RESOLVED: usize = 1_000;
/// Open alerts kept; the engine's own bound is below it.
const OPEN: usize = 16_384;

/// The latest transactions and alerts.
#[derive(Debug, Default)]
pub(super) struct History {
    requests: VecDeque<Record>,
    open: BTreeMap<Arc<str>, Record>,
    resolved: VecDeque<Record>,
}

impl History {
    /// Keeps the record if it is of a kind that is kept.
    pub(super) fn keep(&mut self, record: &Record) {
        match &record.body {
            Body::Http(_) => push(&mut self.requests, REQUESTS, record),
            Body::Alert(alert) => self.keep_alert(alert, record),
            Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Stats(_) => {}
        }
    }

    /// The latest transactions, in order of time.
    pub(super) fn requests(&self) -> Vec<Record> {
        self.requests.iter().cloned().collect()
    }

    /// Every open alert and the latest resolved ones, in order of time; each as it was told last.
    pub(super) fn alerts(&self) -> Vec<Record> {
        let mut alerts: Vec<Record> = self.resolved.iter().chain(self.open.values()).cloned().collect();
        alerts.sort_by_key(|record| record.time);
        alerts
    }

    /// One alert, by its id or by the beginning of an id that no other shares.
    pub(super) fn alert(&self, id: &str) -> Option<Arc<Alert>> {
        let mut alike: Vec<&Arc<Alert>> = self
            .resolved
            .iter()
            .chain(self.open.values())
            .filter_map(alert_of)
            .filter(|alert| alert.id.starts_with(id))
            .collect();
        if let Some(exact) = alike.iter().rev().find(|alert| &*alert.id == id) {
            return Some(Arc::clone(exact));
        }
        alike.dedup_by(|a, b| a.id == b.id);
        match alike.as_slice() {
            [one] => Some(Arc::clone(one)),
            [] | [_, _, ..] => None,
        }
    }

    fn keep_alert(&mut self, alert: &Alert, record: &Record) {
        match alert.state {
            AlertState::New | AlertState::Update => {
                self.open.insert(Arc::clone(&alert.id), record.clone());
                if self.open.len() > OPEN {
                    self.open.pop_first();
                }
            }
            AlertState::Resolved => {
                self.open.remove(&alert.id);
                push(&mut self.resolved, RESOLVED, record);
            }
        }
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
        Body::Http(_) | Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Stats(_) => None,
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

    fn names(history: &History) -> Vec<(String, AlertState)> {
        let alerts = history.alerts();
        alerts
            .iter()
            .filter_map(alert_of)
            .map(|a| (a.id.to_string(), a.state))
            .collect()
    }

    #[test]
    fn an_alert_is_shown_as_it_was_told_last() {
        let mut history = History::default();
        history.keep(&alert("b", AlertState::New, 1));
        history.keep(&alert("a", AlertState::New, 2));
        history.keep(&alert("b", AlertState::Update, 3));
        history.keep(&alert("a", AlertState::Resolved, 4));
        assert_eq!(
            names(&history),
            [
                ("b".to_owned(), AlertState::Update),
                ("a".to_owned(), AlertState::Resolved)
            ]
        );
        assert_eq!(history.alert("b").unwrap().state, AlertState::Update);
        assert_eq!(history.alert("a").unwrap().state, AlertState::Resolved);
        assert_eq!(history.alert("c"), None);
    }

    #[test]
    fn the_beginning_of_an_id_is_enough_when_no_other_shares_it() {
        let mut history = History::default();
        history.keep(&alert("abc", AlertState::New, 1));
        history.keep(&alert("abd", AlertState::New, 1));
        history.keep(&alert("ab", AlertState::Resolved, 1));
        assert_eq!(&*history.alert("abc").unwrap().id, "abc");
        assert_eq!(&*history.alert("abd").unwrap().id, "abd");
        assert_eq!(&*history.alert("ab").unwrap().id, "ab");
        assert_eq!(history.alert("a"), None);
        assert_eq!(history.alert(""), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut history = History::default();
        for i in 0..RESOLVED as u64 + 5 {
            history.keep(&alert(&i.to_string(), AlertState::Resolved, i));
        }
        assert_eq!(history.alerts().len(), RESOLVED);
        assert_eq!(history.alert("0"), None);
        assert!(history.alert("1004").is_some());
        let http = Record {
            time: START,
            body: Body::Http(examples::http().into()),
        };
        for _ in 0..REQUESTS + 5 {
            history.keep(&http);
        }
        assert_eq!(history.requests().len(), REQUESTS);
        for i in 0..OPEN + 5 {
            history.keep(&alert(&format!("open-{i}"), AlertState::New, 0));
        }
        assert_eq!(history.open.len(), OPEN);
    }
}
