//! What the daemon wrote: its JSON lines, and the questions that tests ask of them.

use serde_json::Value;

/// JSON lines in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub struct Records(pub Vec<Value>);

impl Records {
    /// Records of one type.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |record| record.text("/type") == Some(kind))
    }

    /// Transactions with a server on this port.
    pub fn http(&self, port: u16) -> Vec<&Value> {
        self.of("http")
            .filter(|record| record.port("/server/port") == Some(port))
            .collect()
    }

    /// Flow records with this port at either end.
    pub fn flows(&self, port: u16) -> Vec<&Value> {
        self.of("flow")
            .filter(|record| record.port("/local/port") == Some(port) || record.port("/remote/port") == Some(port))
            .collect()
    }

    /// Flow records of one event with this port at either end.
    pub fn flows_with(&self, port: u16, event: &str) -> Vec<&Value> {
        self.flows(port)
            .into_iter()
            .filter(|record| record.text("/event") == Some(event))
            .collect()
    }

    /// Ends of flows with this port at either end.
    pub fn closes(&self, port: u16) -> Vec<&Value> {
        self.flows_with(port, "close")
    }

    /// The only end of a flow with this port.
    #[track_caller]
    pub fn close(&self, port: u16) -> &Value {
        only(&self.closes(port))
    }

    /// The only transaction with a server on this port.
    #[track_caller]
    pub fn transaction(&self, port: u16) -> &Value {
        only(&self.http(port))
    }

    /// Alerts of one detector.
    pub fn alerts(&self, detector: &str) -> Vec<&Value> {
        self.of("alert")
            .filter(|record| record.text("/detector") == Some(detector))
            .collect()
    }

    /// The last statistics.
    #[track_caller]
    pub fn stats(&self) -> &Value {
        self.of("stats").last().expect("a stats record")
    }

    /// What was lost between kernel and engine, all causes; told by every statistic.
    #[track_caller]
    pub fn lost(&self) -> u64 {
        let lost = self.stats().pointer("/events/lost").and_then(Value::as_object);
        lost.map_or(0, |causes| causes.values().filter_map(Value::as_u64).sum())
    }
}

/// The one element, or a failure that shows them all.
#[track_caller]
pub fn only<'a>(found: &[&'a Value]) -> &'a Value {
    match found {
        [one] => one,
        _ => panic!("one expected, {} found: {found:#?}", found.len()),
    }
}

/// Short ways into a JSON value; paths are JSON pointers (RFC 6901).
pub trait Field {
    /// Text there.
    fn text(&self, path: &str) -> Option<&str>;
    /// Whole number there.
    fn number(&self, path: &str) -> Option<u64>;
    /// Port number there.
    fn port(&self, path: &str) -> Option<u16>;
    /// Texts of the list there.
    fn list(&self, path: &str) -> Vec<&str>;
    /// Fails the test unless the value there is this one.
    fn expect<T: Into<Value>>(&self, path: &str, value: T);
}

impl Field for Value {
    fn text(&self, path: &str) -> Option<&str> {
        self.pointer(path).and_then(Self::as_str)
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.pointer(path).and_then(Self::as_u64)
    }

    fn port(&self, path: &str) -> Option<u16> {
        self.number(path).and_then(|number| u16::try_from(number).ok())
    }

    fn list(&self, path: &str) -> Vec<&str> {
        self.pointer(path)
            .and_then(Self::as_array)
            .into_iter()
            .flatten()
            .filter_map(Self::as_str)
            .collect()
    }

    #[track_caller]
    fn expect<T: Into<Self>>(&self, path: &str, value: T) {
        let value = value.into();
        assert_eq!(self.pointer(path), Some(&value), "at {path} of {self:#}");
    }
}
