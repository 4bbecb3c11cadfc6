//! The detectors, one file each, and the registry that runs them.
//!
//! A detector sees [`Observation`]s and nothing else: no bytes, no other detector, no clock, no I/O, no error. Time
//! comes with the observations. It bounds its own memory and counts what it had to give up. To add one: its file (doc,
//! settings, state, tests) and two entries here, the `mod` and the one in `registry!`.

pub mod account_anomaly;
pub mod attacker_response;
pub mod auth_failures;
pub mod beaconing;
pub mod client_fingerprint;
pub mod credential_sharing;
pub mod credential_stuffing;
pub mod dns_tunnel;
pub mod enumeration;
pub mod error_surge;
pub mod exfiltration;
pub mod flow_misuse;
pub mod latency_shift;
pub mod listed_source;
pub mod request_anomaly;
pub mod request_forgery;
pub mod request_rate;
pub mod response_volume;
pub mod scraping;
pub mod shadow_endpoint;
pub mod timeouts;
pub mod unknown_credential;
pub mod unknown_destination;
pub mod unusual_origin;
pub mod user_agent;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::alert::Pillar;
use crate::baseline::budget::{Allotment, Budget, Test};
use crate::baseline::knowledge::{Knowledge, MOST_TOLD, Sought};
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::finding::Finding;
use crate::observation::Observation;
use crate::time::Timestamp;

/// From `file: Type,` a detector: its settings in [`Settings`], its page in [`DOCS`], itself in [`enabled`].
macro_rules! registry {
    ($($(#[$doc:meta])+ $name:ident: $detector:ident,)+) => {
        /// The detectors' settings, a table each.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $(
                $(#[$doc])+
                pub $name: $name::Settings,
            )+
        }

        impl Settings {
            /// Detectors whose tables are different in `other`.
            pub fn differing(&self, other: &Self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(
                    if self.$name != other.$name {
                        names.push(stringify!($name));
                    }
                )+
                names
            }
        }

        /// Documentation of every detector there is.
        pub const DOCS: &[&DetectorDoc] = &[$(&$name::DOC),+];

        /// Names of every detector there is.
        const NAMES: &[&str] = &[$(stringify!($name)),+];

        /// The tests of every detector that is enabled.
        fn tests(config: &Config) -> Vec<(&'static str, &'static [Test])> {
            let mut tests = Vec::new();
            $(
                if config.detectors.$name.enabled {
                    tests.push((stringify!($name), $name::DOC.tests));
                }
            )+
            tests
        }

        fn enabled(config: &Config) -> Vec<Box<dyn Detector>> {
            let mut detectors: Vec<Box<dyn Detector>> = Vec::new();
            $(
                if config.detectors.$name.enabled {
                    detectors.push(Box::new($name::$detector::new(config)));
                }
            )+
            detectors
        }
    };
}
registry! {
    /// An account that is not used as it ever was.
    account_anomaly: AccountAnomaly,
    /// Who is refused, and goes on as somebody else.
    attacker_response: AttackerResponse,
    /// A surge of refused requests and failed logins, by source, account or endpoint.
    auth_failures: AuthFailures,
    /// A program calls a new destination by a clock.
    beaconing: Beaconing,
    /// One key, token or session in several places.
    credential_sharing: CredentialSharing,
    /// A browser that is none, and one program behind many addresses that are refused.
    client_fingerprint: ClientFingerprint,
    /// Many accounts tried and not let in, or one account tried from everywhere.
    credential_stuffing: CredentialStuffing,
    /// Data carried out in the names that this host looks up.
    dns_tunnel: DnsTunnel,
    /// Far more is sent to an address outside than ever.
    exfiltration: Exfiltration,
    /// Steps of a flow left out, or run through at a machine's pace.
    flow_misuse: FlowMisuse,
    /// Things of others asked for one by one, and one thing that many ask for.
    enumeration: Enumeration,
    /// A client, or a destination of this host, that is on a threat list.
    listed_source: ListedSource,
    /// Requests that are malformed, ambiguous, or lead where they should not.
    request_anomaly: RequestAnomaly,
    /// A response that announces far too much, or one identity that is sent as much.
    response_volume: ResponseVolume,
    /// This host calls where a request told it to.
    request_forgery: RequestForgery,
    /// One client that reads all there is.
    scraping: Scraping,
    /// More requests end with an error than usual, for longer than a deploy takes.
    error_surge: ErrorSurge,
    /// Far more requests than there usually are at this hour.
    request_rate: RequestRate,
    /// An endpoint that answers and that no OpenAPI document names.
    shadow_endpoint: ShadowEndpoint,
    /// Many credentials that were never accepted here.
    unknown_credential: UnknownCredential,
    /// An endpoint that answers far more slowly than it did, or with something else.
    latency_shift: LatencyShift,
    /// Requests without answers, and connections held open with half a request.
    timeouts: Timeouts,
    /// A program reaches a destination that was never seen for it.
    unknown_destination: UnknownDestination,
    /// Clients from where none came before.
    unusual_origin: UnusualOrigin,
    /// Scanners that say so, and one program under many names.
    user_agent: UserAgent,
}

/// One kind of thing that can be wrong, and the state to tell.
pub trait Detector: Send {
    /// Its documentation, from which the manual and `monitor explain` are made.
    fn doc(&self) -> &'static DetectorDoc;

    /// Looks at one observation. Observations come in order of time.
    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>);

    /// Whether it is shown transactions that a proxy on this host has passed on as well, the second time: what it counts is not
    /// requests.
    fn sees_relayed(&self) -> bool {
        false
    }

    /// Time has come to `now`: judges what waited for it and forgets what is too old.
    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>);

    /// The input is over: judges what is still waiting on what it has.
    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>);

    /// When it wants [`Self::expire`] next.
    fn next_timeout(&self) -> Option<Timestamp>;

    /// Subjects that are still learning what is normal for them; none where nothing is learned.
    fn learning(&self, _now: Timestamp) -> u64 {
        0
    }

    /// What it knows of `subject`, for people: at most [`MOST_TOLD`] things; nothing where it knows nothing, or has no baseline.
    fn known(&self, _now: Timestamp, _subject: &Sought) -> Vec<Knowledge> {
        Vec::new()
    }

    /// What it told of from `from` until before `until` is ordinary after all: it learns what it has kept from learning. Gives the
    /// number of such things; none where it keeps none.
    fn adopt(&mut self, _from: Timestamp, _until: Timestamp) -> u64 {
        0
    }

    /// What was given up to stay within its bounds, by cause, since the start.
    fn left_out(&self) -> Vec<(&'static str, u64)>;

    /// What changed in its baseline since the last call, for the store; nothing where it has none.
    fn export_dirty(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// Takes back what was exported. `now` guards against a clock that has jumped back since.
    fn import(&mut self, _rows: Vec<Row>, _now: Timestamp) {}
}

/// A detector's documentation, with fixed headings.
#[derive(Debug)]
pub struct DetectorDoc {
    /// As in records and in the configuration.
    pub name: &'static str,
    /// Row of the ten indicators of compromise, where it has one.
    pub ioc: Option<u8>,
    /// Pillar.
    pub pillar: Pillar,
    /// An occurrence is over when nothing has supported it for this long.
    pub quiet: Duration,
    /// OWASP API Security Top 10 (2023) entries.
    pub owasp_api: &'static [&'static str],
    /// MITRE ATT&CK techniques.
    pub attack: &'static [&'static str],
    /// What it tests over and over, each for a part of the false-alarm budget ([`budget`]); none where it goes by rules
    /// that chance has no part in.
    pub tests: &'static [Test],
    /// What it detects.
    pub detects: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// How: window, statistic, threshold, units.
    pub how: &'static str,
    /// Limits, and how one may slip past it.
    pub limits: &'static str,
    /// What else looks like this.
    pub false_positives: &'static str,
    /// Where method and figures come from.
    pub references: &'static [&'static str],
}

impl DetectorDoc {
    /// The manual's page, Markdown.
    pub fn page(&self) -> String {
        let mut page = format!("# `{}`\n", self.name);
        for (heading, text) in [
            ("What it detects", self.detects),
            ("Why it matters", self.why),
            ("How", self.how),
            ("Limits and evasions", self.limits),
            ("False positives", self.false_positives),
        ] {
            let _ = write!(page, "\n## {heading}\n{text}\n");
        }
        page.push_str("\n## References\n");
        let standards = self.owasp_api.iter().chain(self.attack);
        for reference in standards.chain(self.references) {
            let _ = writeln!(page, "- {reference}");
        }
        page
    }
}

/// The host's false-alarm budget, over the detectors that are enabled and test.
pub fn budget(config: &Config) -> Budget {
    Budget::new(&config.rates, u32::try_from(testing(config)).unwrap_or(u32::MAX))
}

/// How many detectors share the budget.
pub fn testing(config: &Config) -> usize {
    tests(config).iter().filter(|(_, tests)| !tests.is_empty()).count()
}

/// What each test of each enabled detector may use of it.
pub fn allotments(config: &Config) -> Vec<Allotment> {
    let budget = budget(config);
    let of = |(name, tests)| budget.allotments(name, tests);
    tests(config).into_iter().flat_map(of).collect()
}

/// Detectors are asked when they want to be called this long after an observation, at the latest: asking two dozen of them
/// after each costs as much as one of them does. None needs its call to be more exact.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// The detectors that are enabled.
pub struct Registry {
    detectors: Vec<Box<dyn Detector>>,
    allotments: Vec<Allotment>,
    /// When the first of them wanted [`Detector::expire`] when all were last asked.
    due: Option<Timestamp>,
    /// The first observation since then: it may have made one want it earlier.
    unasked: Option<Timestamp>,
}

impl Registry {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let mut registry = Self {
            detectors: enabled(config),
            allotments: allotments(config),
            due: None,
            unasked: None,
        };
        registry.settle();
        registry
    }

    /// Makes the detectors in `names` anew, as `config` says, without what they have learned; leaves the others as they are.
    pub fn rebuild(&mut self, config: &Config, names: &[&str]) {
        let mut old = std::mem::take(&mut self.detectors);
        for fresh in enabled(config) {
            let name = fresh.doc().name;
            let known = old.iter().position(|detector| detector.doc().name == name);
            self.detectors.push(match known {
                Some(at) if !names.contains(&name) => old.swap_remove(at),
                Some(_) | None => fresh,
            });
        }
        self.allotments = allotments(config);
        self.settle();
    }

    /// Shows an observation, made at `now`, to every detector.
    pub fn observe(&mut self, now: Timestamp, observation: &Observation, findings: &mut Vec<Finding>) {
        for detector in &mut self.detectors {
            detector.observe(observation, findings);
        }
        self.unasked.get_or_insert(now);
    }

    /// Shows a transaction that was seen before, at the proxy that passed it on, to those that want it all the same.
    pub fn observe_relayed(&mut self, now: Timestamp, observation: &Observation, findings: &mut Vec<Finding>) {
        for detector in self.detectors.iter_mut().filter(|detector| detector.sees_relayed()) {
            detector.observe(observation, findings);
        }
        self.unasked.get_or_insert(now);
    }

    /// Tells every detector that time has come to `now`.
    pub fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        for detector in &mut self.detectors {
            if detector.next_timeout().is_some_and(|due| due <= now) {
                detector.expire(now, findings);
            }
        }
        self.settle();
    }

    /// Tells every detector that the input is over.
    pub fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        for detector in &mut self.detectors {
            detector.finish(now, findings);
        }
        self.settle();
    }

    /// When [`Self::expire`] is wanted next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let ask = self.unasked.map(|since| since + ASK_EVERY);
        self.due.into_iter().chain(ask).min()
    }

    /// Subjects that are still learning, over all detectors.
    pub fn learning(&self, now: Timestamp) -> u64 {
        self.detectors.iter().map(|detector| detector.learning(now)).sum()
    }

    /// How the false-alarm budget is divided.
    pub fn allotments(&self) -> &[Allotment] {
        &self.allotments
    }

    /// What was given up, by detector and cause.
    pub fn left_out(&self) -> Vec<(&'static str, &'static str, u64)> {
        let of = |detector: &dyn Detector| {
            let name = detector.doc().name;
            detector
                .left_out()
                .into_iter()
                .map(move |(cause, count)| (name, cause, count))
                .collect::<Vec<_>>()
        };
        self.detectors
            .iter()
            .flat_map(|detector| of(detector.as_ref()))
            .collect()
    }

    /// What each detector knows of `subject`, of those that know something.
    pub fn known(&self, now: Timestamp, subject: &Sought) -> Vec<(&'static str, Knowledge)> {
        let of = |detector: &dyn Detector| {
            let (name, known) = (detector.doc().name, detector.known(now, subject));
            known.into_iter().take(MOST_TOLD).map(move |known| (name, known))
        };
        self.detectors
            .iter()
            .flat_map(|detector| of(detector.as_ref()))
            .collect()
    }

    /// What was told of in this time is ordinary after all. Gives the number of such things, by detector.
    pub fn adopt(&mut self, from: Timestamp, until: Timestamp) -> Vec<(&'static str, u64)> {
        let adopted = self
            .detectors
            .iter_mut()
            .map(|detector| (detector.doc().name, detector.adopt(from, until)));
        adopted.filter(|(_, count)| *count > 0).collect()
    }

    /// What changed in the baselines since the last call, with the detector whose it is.
    pub fn export_dirty(&mut self) -> Vec<(&'static str, Vec<Change>)> {
        self.detectors
            .iter_mut()
            .map(|detector| (detector.doc().name, detector.export_dirty()))
            .filter(|(_, changes)| !changes.is_empty())
            .collect()
    }

    /// Gives the detector called `name` its baseline back; a name that is not enabled here is passed over.
    pub fn import(&mut self, name: &str, rows: Vec<Row>, now: Timestamp) {
        if let Some(detector) = self.detectors.iter_mut().find(|detector| detector.doc().name == name) {
            detector.import(rows, now);
        }
        self.settle();
    }

    fn settle(&mut self) {
        let detectors = self.detectors.iter();
        self.due = detectors.filter_map(|detector| detector.next_timeout()).min();
        self.unasked = None;
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.detectors.iter().map(|detector| detector.doc().name))
            .finish()
    }
}

/// The documentation of the detector called `name`, enabled or not.
pub fn doc(name: &str) -> Option<&'static DetectorDoc> {
    DOCS.iter().copied().find(|doc| doc.name == name)
}

/// The name of a detector that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DetectorName(&'static str);

impl DetectorName {
    /// The name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for DetectorName {
    type Err = UnknownDetector;

    fn from_str(text: &str) -> Result<Self, UnknownDetector> {
        let found = NAMES.iter().find(|name| **name == text);
        found
            .map(|name| Self(name))
            .ok_or_else(|| UnknownDetector(text.chars().take(64).collect()))
    }
}

/// A name that no detector has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no detector `{0}`; there are: {names}", names = NAMES.join(", "))]
pub struct UnknownDetector(String);

impl Serialize for DetectorName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for DetectorName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::unknown_variant(&text, NAMES))
    }
}

impl JsonSchema for DetectorName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DetectorName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": NAMES })
    }
}
