//! The configuration: one TOML file, every key optional, nothing accepted that has no effect.
//!
//! Each component keeps its own documented table beside its code; this is where they meet. The sample that
//! `monitor config default` prints and the JSON Schema are both made from those docs, so they cannot fall behind.
//! Reading the file is the shell's affair; the core parses text.

mod changes;
mod error;
mod moment;
pub(crate) mod networks;
mod period;
mod sample;
mod sections;

pub use changes::Changes;
pub use error::ConfigError;
pub use moment::Moment;
pub use period::{Period, PeriodError};
pub use sections::{Bounds, Budget, Capture, Control, Daemon, Host, Learning, Output};

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::allow::{self, AllowRule};
use crate::baseline::budget::Rates;
use crate::detectors;
use crate::enrich::clients::Settings as Clients;
use crate::enrich::endpoints::Settings as OpenApi;
use crate::enrich::identity::Settings as Identity;
use crate::enrich::identity::login::Settings as Login;
use crate::enrich::networks::Settings as Networks;
use crate::enrich::privacy::Settings as Privacy;
use crate::expected::{self, ExpectedEvent};

/// Everything that can be set. The default is what holds with no file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How records name this host.
    pub host: Host,
    /// What of the host's traffic is watched, and how much of it is copied.
    pub capture: Capture,
    /// Where records go.
    pub output: Output,
    /// The Unix socket that `monitor status`, `flows`, `alerts` and the other queries ask.
    pub control: Control,
    /// Whom this host's proxies speak for.
    pub clients: Clients,
    /// Where requests say who asks.
    pub identity: Identity,
    /// Logins: where they are, who asks there, and what failure looks like.
    pub login: Vec<Login>,
    /// Documents that describe this host's APIs.
    pub openapi: OpenApi,
    /// What is kept out of every record.
    pub privacy: Privacy,
    /// How long the monitor watches before it judges by what it has learned.
    pub learning: Learning,
    /// What is usual elsewhere, and how many false alarms are borne.
    pub rates: Rates,
    /// Where addresses are, and which are ours.
    pub networks: Networks,
    /// Limits on the monitor's own memory.
    pub bounds: Bounds,
    /// What the monitor itself may cost.
    pub budget: Budget,
    /// The daemon's own rights.
    pub daemon: Daemon,
    /// The detectors, a table each.
    pub detectors: detectors::Settings,
    /// What never raises an alert. A rule covers what agrees with every key that it names.
    #[serde(deserialize_with = "allow::rules_from_config")]
    pub allow: Vec<AllowRule>,
    /// Events that are expected: what is unusual during them raises no alert, but for what goes by lists and rules.
    #[serde(deserialize_with = "expected::events_from_config")]
    pub expected: Vec<ExpectedEvent>,
}

impl Config {
    /// Parses `text`. `source` is the file's path: errors name it, and relative paths in the file are taken from its
    /// folder.
    pub fn parse(text: &str, source: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError::from_toml(&error, text, source))?;
        if let Some(folder) = source.parent() {
            config.output.path = config.output.path.map(|path| folder.join(path));
            config.control.socket = folder.join(&config.control.socket);
            for path in config.openapi.documents.iter_mut().chain(config.networks.files_mut()) {
                *path = folder.join(&path);
            }
        }
        Ok(config)
    }

    /// Reads and parses the file at `path`.
    #[cfg(feature = "replay")]
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Ok(Self::parse(&text, path)?)
    }

    /// A configuration file that says what holds without one, every key with its documentation.
    pub fn sample() -> String {
        sample::sample(&Self::flat_schema())
    }

    /// JSON Schema (draft 2020-12) of the file.
    pub fn schema() -> serde_json::Value {
        schemars::SchemaGenerator::default()
            .into_root_schema_for::<Self>()
            .to_value()
    }

    /// The schema without references, for [`sample`].
    fn flat_schema() -> serde_json::Value {
        let settings = schemars::generate::SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
        settings.into_generator().into_root_schema_for::<Self>().to_value()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/monitor/monitor.toml"))
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = parse(text).expect_err("was accepted").to_string();
        assert_eq!(error, format!("/etc/monitor/monitor.toml{expected}"));
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn the_sample_is_the_default() {
        let sample = Config::sample();
        assert_eq!(parse(&sample).unwrap(), Config::default(), "{sample}");
    }

    #[test]
    fn the_sample_is_documented() {
        let sample = Config::sample();
        for needle in [
            "[learning]\n",
            "period = \"7d\"",
            "# name = \"api-1\"",
            "[detectors.unknown_destination]\n",
            "secret_params = [\"password\"",
            "# [[allow]]\n# detector = \"unknown_destination\"\n",
        ] {
            assert!(sample.contains(needle), "{needle} is not in\n{sample}");
        }
        let bare = sample
            .lines()
            .filter(|line| !line.starts_with('#') && line.contains(" = "))
            .count();
        let comments = sample.lines().filter(|line| line.starts_with("# ")).count();
        assert!(comments > bare, "every key has its documentation:\n{sample}");
    }

    // What the sample leaves commented out must be right too.
    #[test]
    fn the_samples_examples_parse() {
        let mut text = String::new();
        for line in Config::sample().lines() {
            let line = line.strip_prefix("# ").unwrap_or(line);
            let key = line.split(" = ").next().unwrap_or_default();
            let is_key = line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if is_key || line.starts_with('[') {
                text.push_str(line);
                text.push('\n');
            }
        }
        let config = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(config.host.name.as_deref(), Some("api-1"));
        assert_eq!((config.allow.len(), config.expected.len()), (1, 1));
    }

    #[test]
    fn unknown_keys_are_refused_with_line_and_suggestion() {
        check_error("[host]\nnmae = \"x\"\n", ":2: unknown key `nmae`; did you mean `name`?");
        check_error("\n[lerning]\n", ":2: unknown key `lerning`; did you mean `learning`?");
        check_error(
            "[detectors.unknown_destinations]\n",
            ":1: unknown key `unknown_destinations`; did you mean `unknown_destination`?",
        );
        check_error(
            "[host]\nzzzzzzzz = 1\n",
            ":2: unknown key `zzzzzzzz`; known here: `name`, `addresses`",
        );
    }

    #[test]
    fn a_budget_is_a_part_of_the_host() {
        let config = parse("[budget]\ncpu_percent = 2.5\n").unwrap();
        assert!((config.budget.cpu_percent - 2.5).abs() < 1e-9);
        check_error("[budget]\ncpu_percent = 0\n", ":2: 0 is not above 0 and at most 100");
    }

    #[test]
    fn a_wrong_value_names_its_line() {
        check_error(
            "[learning]\nperiod = \"7 fortnights\"\n",
            ":2: `7 fortnights` is not a duration: a whole number and one of ms, s, m, h, d, w, such as \"15m\"",
        );
        check_error(
            "[privacy]\nquery = \"al\"\n",
            ":2: unknown value `al`; did you mean `all`?",
        );
        check_error(
            "[[allow]]\ndetector = \"unknown_destinatoin\"\n",
            ":2: unknown value `unknown_destinatoin`; did you mean `unknown_destination`?",
        );
        let error = parse("[host\n").expect_err("was accepted").to_string();
        assert!(error.starts_with("/etc/monitor/monitor.toml:1: "), "{error}");
    }

    #[test]
    fn rates_are_checked() {
        let config = parse("[rates]\nfalse_incidents_per_week = 2\nindustry_login_failure = 0.1\n").unwrap();
        assert!((config.rates.false_incidents_per_week - 2.0).abs() < 1e-9);
        check_error(
            "[rates]\nindustry_login_failure = 5.0\n",
            ":2: 5 is not above 0 and at most 0.5",
        );
    }

    #[test]
    fn an_allow_rule_that_names_nothing_is_refused() {
        let error = parse("[[allow]]\ncomment = \"all\"\n")
            .expect_err("was accepted")
            .to_string();
        assert!(error.contains("the 1st [[allow]] names nothing"), "{error}");
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = parse("[output]\npath = \"out.jsonl\"\n[control]\nsocket = \"/run/m.sock\"\n").unwrap();
        assert_eq!(config.output.path, Some(PathBuf::from("/etc/monitor/out.jsonl")));
        assert_eq!(config.control.socket, PathBuf::from("/run/m.sock"));
    }

    #[test]
    fn values_arrive() {
        let config = parse(
            "[host]\nname = \"api-1\"\n[capture]\nexclude_ports = [22]\nrequest_snap = 4096\n[learning]\nperiod = \"0s\"\n\
             [detectors.unknown_destination]\nenabled = false\n[[allow]]\ndestination = \"*.example.com\"\nuntil = \"2027-01-01\"\n",
        )
        .unwrap();
        assert_eq!(config.host.name.as_deref(), Some("api-1"));
        assert_eq!(config.capture.exclude_ports, [22]);
        assert_eq!(config.capture.request_snap, 4096);
        assert!(config.learning.period.is_zero());
        assert!(!config.detectors.unknown_destination.enabled);
        assert_eq!(config.allow.len(), 1);
    }

    #[test]
    fn the_schema_refuses_unknown_keys_too() {
        assert_eq!(Config::schema()["additionalProperties"], serde_json::Value::Bool(false));
    }
}
