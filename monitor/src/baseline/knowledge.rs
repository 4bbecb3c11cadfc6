//! What is known of one subject, in a form that people can be shown.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::asker::Asker;
use super::ledger::Ledger;
use super::program::fold_versions;
use super::recent::Recent;
use super::sketch::Sketch;
use super::source::Source;
use crate::time::Timestamp;

/// Hours of a week.
pub const WEEK_HOURS: usize = 168;
/// Names that one fact lists.
pub const MOST_NAMES: usize = 32;
/// Things that one detector tells of a subject.
pub const MOST_TOLD: usize = 32;

/// Whom or what is asked for, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    text: String,
    lower: String,
    folded: String,
    address: Option<IpAddr>,
}

impl Sought {
    /// `host`, an endpoint (`POST /orders`), the id of an identity, an address, a destination or the path of an executable.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            lower: text.to_ascii_lowercase(),
            folded: fold_versions(text),
            address: text.parse().ok(),
        }
    }

    /// Whether that is the host as a whole.
    pub fn is_host(&self) -> bool {
        self.text == "host"
    }

    /// What is kept of it among endpoints, or of the host.
    pub fn place<'a, T>(&self, host: &'a T, endpoints: &'a Recent<Arc<str>, T>) -> Option<&'a T> {
        if self.is_host() {
            return Some(host);
        }
        let mut found = endpoints.iter().filter(|(endpoint, _)| self.is(endpoint));
        found.next().map(|(_, place)| place)
    }

    /// Whether that is its name.
    pub fn is(&self, name: &str) -> bool {
        self.text == name
    }

    /// Whether that is who asks.
    pub fn is_asker(&self, asker: &Asker) -> bool {
        match asker {
            Asker::Identity(_, id) => self.is(id),
            Asker::Address(address) => self.is_source(Source::from(*address)),
        }
    }

    /// Whether that is where it asks from.
    pub fn is_source(&self, source: Source) -> bool {
        self.address.is_some_and(|address| Source::from(address) == source)
    }

    /// Whether that is its executable, in whatever version and container.
    pub fn is_program(&self, own: &str) -> bool {
        let (path, container) = own.split_once('@').unwrap_or((own, ""));
        self.is(own) || path == self.folded && container != "*"
    }

    /// Whether that is where it goes: a name, the family of one (`*.example.com`), or an address's network.
    pub fn is_destination(&self, place: &str) -> bool {
        if let Some(address) = self.address {
            return place == self.text || place.parse::<IpNet>().is_ok_and(|network| network.contains(&address));
        }
        let is_below = |family: &str| {
            self.lower
                .strip_suffix(family)
                .is_some_and(|below| below.ends_with('.'))
        };
        place == self.lower || place.strip_prefix("*.").is_some_and(is_below)
    }
}

/// What one detector knows of it, or of it together with something else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knowledge {
    /// Together with what: a destination, a program; empty for the subject itself.
    pub with: String,
    /// First sight.
    pub first: Option<Timestamp>,
    /// Latest sight.
    pub last: Option<Timestamp>,
    /// Whether it is still being learned.
    pub is_learning: bool,
    /// What is known.
    pub facts: Vec<Fact>,
}

/// One thing that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What of the subject, and in which unit: `latency_us`, `requests`.
    pub name: &'static str,
    /// What it is.
    pub value: Value,
}

/// What a fact says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// What is usual at each hour of the week, from Monday 00:00 UTC; absent where that hour was not seen.
    Week(Box<[Option<f64>; WEEK_HOURS]>),
    /// The same of each hour of the day (UTC).
    Day(Box<[Option<f64>; 24]>),
    /// Values below which a share of all lies, and how many there are.
    Quantiles {
        /// Half of them.
        p50: u64,
        /// Nine of ten.
        p90: u64,
        /// 99 of 100.
        p99: u64,
        /// Of so many that count: what is old counts less.
        of: u64,
    },
    /// Names, and how many more there are.
    Names(Vec<String>, u64),
}

impl Knowledge {
    /// Of what was seen first then.
    pub fn since(first: Timestamp, is_learning: bool) -> Self {
        Self {
            first: Some(first),
            is_learning,
            ..Self::default()
        }
    }

    /// Of a subject that is learned for `period`.
    pub fn learned_for(first: Timestamp, period: Duration, now: Timestamp) -> Self {
        Self::since(first, !period.is_zero() && first + period > now)
    }

    /// With one fact more.
    #[must_use]
    pub fn and(mut self, name: &'static str, value: Value) -> Self {
        self.facts.push(Fact { name, value });
        self
    }

    /// With quantiles, where there are any.
    #[must_use]
    pub fn and_quantiles(self, name: &'static str, sketch: &Sketch) -> Self {
        let all = [0.5, 0.9, 0.99].map(|q| sketch.quantile(q));
        let [Some(p50), Some(p90), Some(p99)] = all else {
            return self;
        };
        let of = sketch.count();
        self.and(name, Value::Quantiles { p50, p90, p99, of })
    }

    /// With names, as many as there is room for.
    #[must_use]
    pub fn and_names(self, name: &'static str, names: impl Iterator<Item = String>) -> Self {
        let mut names: Vec<String> = names.collect();
        let more = names.len().saturating_sub(MOST_NAMES);
        names.truncate(MOST_NAMES);
        self.and(name, Value::Names(names, more as u64))
    }

    /// With the sums of a ledger: what is the most that was ordinary so far.
    #[must_use]
    pub fn and_sums(mut self, ledger: &Ledger) -> Self {
        use super::amounts::Span;
        self.last = Some(ledger.last);
        let names = ["most_bytes_in_an_hour", "most_bytes_in_a_day", "most_bytes_in_a_week"];
        for (name, over) in names.into_iter().zip(Span::ALL) {
            self = self.and(name, Value::Number(ledger.amounts.greatest(over) as f64));
        }
        self.and(
            "bytes_of_this_week",
            Value::Number(ledger.amounts.sum(Span::Week) as f64),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, of: fn(&Sought, &str) -> bool, same: &[&str], others: &[&str]) {
        let subject = Sought::new(text);
        for name in same {
            assert!(of(&subject, name), "{text} is {name}");
        }
        for name in others {
            assert!(!of(&subject, name), "{text} is not {name}");
        }
    }

    #[test]
    fn programs_are_found_in_any_version_and_container() {
        let python = ["/usr/bin/python0.0", "/usr/bin/python0.0@c0ffee", "/usr/bin/python3.11"];
        check(
            "/usr/bin/python3.11",
            Sought::is_program,
            &python,
            &["/usr/bin/python0.0@*", "/usr/bin/perl"],
        );
    }

    #[test]
    fn destinations_are_found_by_name_family_and_network() {
        let is = Sought::is_destination;
        check(
            "Pay.example.com",
            is,
            &["pay.example.com", "*.example.com"],
            &["example.com", "*.pay.example.com"],
        );
        check(
            "203.0.113.5",
            is,
            &["203.0.113.0/24", "203.0.113.5"],
            &["198.51.100.0/24", "a.example.com"],
        );
        check("xexample.com", is, &[], &["*.example.com"]);
    }

    #[test]
    fn who_asks_is_found_by_id_and_by_source() {
        let alice = Asker::Identity(crate::enrich::identity::IdentityKind::Account, "alice".into());
        let host = Asker::Address("2001:db8::1".parse().unwrap());
        assert!(Sought::new("alice").is_asker(&alice) && !Sought::new("bob").is_asker(&alice));
        // Of IPv6 the network is the source.
        assert!(Sought::new("2001:db8::2").is_asker(&host) && !Sought::new("2001:db9::1").is_asker(&host));
    }

    #[test]
    fn names_are_as_many_as_there_is_room_for() {
        let known = Knowledge::default().and_names("n", (0..40).map(|n| n.to_string()));
        let Value::Names(names, more) = &known.facts[0].value else {
            unreachable!("names");
        };
        assert_eq!((names.len(), *more), (MOST_NAMES, 8));
        assert!(Knowledge::default().and_quantiles("q", &Sketch::new()).facts.is_empty());
    }
}
