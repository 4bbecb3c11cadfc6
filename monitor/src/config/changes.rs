//! What is different in another configuration, and what of it can be taken over while the monitor runs.

use super::Config;
use crate::detectors;

/// Tables that differ, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that hold at once.
    pub at_once: Vec<&'static str>,
    /// Those that need a restart.
    pub restart: Vec<&'static str>,
    /// Detectors that begin anew with what they have learned.
    pub detectors: Vec<&'static str>,
}

impl Config {
    /// What is different in `new`.
    pub fn changes(&self, new: &Self) -> Changes {
        // Every table by name, so that a new one is thought of.
        let Self {
            host,
            capture,
            output,
            control,
            clients,
            identity,
            login,
            openapi,
            privacy,
            learning,
            rates,
            networks,
            bounds,
            budget,
            daemon,
            detectors,
            allow,
            expected,
        } = self;
        let differing = |tables: &[(&'static str, bool)]| -> Vec<&'static str> {
            let differ = tables.iter().filter(|(_, differs)| *differs);
            differ.map(|(name, _)| *name).collect()
        };
        let mut at_once = differing(&[
            ("output", *output != new.output),
            ("openapi", *openapi != new.openapi),
            ("learning", *learning != new.learning),
            ("rates", *rates != new.rates),
            ("networks", *networks != new.networks),
            ("bounds", *bounds != new.bounds),
            ("allow", *allow != new.allow),
            ("expected", *expected != new.expected),
        ]);
        let detectors = if *learning != new.learning
            || *rates != new.rates
            || *networks != new.networks
            || detectors::testing(self) != detectors::testing(new)
        {
            // Each of them goes by these, or by its part of the budget.
            detectors::DOCS.iter().map(|doc| doc.name).collect()
        } else {
            detectors.differing(&new.detectors)
        };
        if self.detectors != new.detectors {
            at_once.push("detectors");
        }
        Changes {
            at_once,
            restart: differing(&[
                ("host", *host != new.host),
                ("capture", *capture != new.capture),
                ("budget", *budget != new.budget),
                ("daemon", *daemon != new.daemon),
                ("control", *control != new.control),
                ("clients", *clients != new.clients),
                ("identity", *identity != new.identity),
                ("login", *login != new.login),
                ("privacy", *privacy != new.privacy),
            ]),
            detectors,
        }
    }

    /// `new` with the tables that need a restart left as they are here: what holds after a reload.
    #[must_use]
    pub fn after(&self, new: Self) -> Self {
        let Self {
            host,
            capture,
            control,
            clients,
            identity,
            login,
            privacy,
            budget,
            daemon,
            ..
        } = self.clone();
        Self {
            host,
            capture,
            control,
            clients,
            identity,
            login,
            privacy,
            budget,
            daemon,
            ..new
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str) -> Config {
        Config::parse(text, Path::new("monitor.toml")).unwrap()
    }

    #[test]
    fn what_differs_is_named_and_whether_it_holds_at_once() {
        let old = Config::default();
        assert_eq!(old.changes(&old), Changes::default());
        let new = parse(
            "[host]\nname = \"x\"\n[[allow]]\ndestination = \"*.example.com\"\n[detectors.dns_tunnel]\n\
             [detectors.request_anomaly]\nenabled = false\n",
        );
        let changes = old.changes(&new);
        assert_eq!(changes.at_once, ["allow", "detectors"]);
        assert_eq!(changes.restart, ["host"]);
        // It has no part in the budget.
        assert_eq!(changes.detectors, ["request_anomaly"]);
        let after = old.after(new.clone());
        assert_eq!((after.host, after.allow), (old.host.clone(), new.allow.clone()));
        // With one tester less there is more for the others.
        let fewer = parse("[detectors.dns_tunnel]\nenabled = false\n");
        assert_eq!(old.changes(&fewer).detectors.len(), detectors::DOCS.len());
        let sooner = parse("[learning]\nperiod = \"1d\"\n");
        assert_eq!(old.changes(&sooner).detectors.len(), detectors::DOCS.len());
    }
}
