//! Whether a subject is beyond its line, and how that is told.

use std::fmt::Write as _;
use std::sync::Arc;

use super::doc::DOC;
use super::subject::Tally;
use super::{ASKED_MEAN, AuthFailures, FAST, FEW_ACCOUNTS, LONG, SOURCES_OF_ACCOUNT, SOURCES_OF_ENDPOINT};
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::source::Source;
use crate::finding::Finding;
use crate::finding::occurrence::Occurrence;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// Confidence of a surge where no rate is learned: the most that is allowed then.
const CONFIDENCE: f32 = 0.5;
/// Of one that may have another reason.
const DOUBTFUL: f32 = 0.4;
/// Of a credential that has expired.
const EXPIRED: f32 = 0.3;

/// A count beyond its line.
struct Surge {
    observed: u32,
    tried: u32,
    expected: f64,
    line: u32,
    window: std::time::Duration,
    unit: &'static str,
    method: &'static str,
}

const METHOD: &str = "upper tail of a beta-binomial distribution at the industry's rate of failure, against a part of the \
                      false-alarm budget";

impl AuthFailures {
    /// Whether `source` is beyond its line, also where it was told a moment ago.
    pub(super) fn tell_source(
        &mut self,
        now: Timestamp,
        source: Source,
        sample: Option<&Arc<HttpRecord>>,
        urgent: bool,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let mean = self.source_line.mean();
        let (person_line, asked_line) = (self.person_line, self.asked_line);
        let Some(known) = self.sources.see(now, &source) else {
            return false;
        };
        let (fast, slow) = (known.fast.sum(), known.slow.sum());
        let least = match known.accounts_alone() {
            Some(accounts) if accounts <= FEW_ACCOUNTS => person_line,
            Some(_) | None => 0,
        };
        let lines = (
            self.source_line.at(fast.tried).max(least),
            self.slow_line.at(slow.tried).max(least),
        );
        let surge = if fast.failed >= lines.0 {
            surge(fast, lines.0, mean, FAST)
        } else if slow.failed >= lines.1 {
            surge(slow, lines.1, mean, LONG)
        } else if fast.asked >= asked_line {
            Surge {
                observed: fast.asked,
                tried: fast.asked,
                expected: ASKED_MEAN,
                line: asked_line,
                window: FAST,
                unit: "refusals",
                method: "upper tail of a Poisson distribution at one request a second, against a part of the false-alarm \
                         budget",
            }
        } else {
            return false;
        };
        let Some(observations) = known.occurrence.tell(now, urgent) else {
            return true;
        };
        let actor = source.actor(known.address, known.only);
        let who = &actor.id;
        let minutes = surge.window.as_secs() / 60;
        let place = known.endpoint.as_deref().unwrap_or("several endpoints");
        let is_expired = known.plain == 0;
        let (severity, confidence, title) = if known.broken.is_some() {
            (
                Severity::High,
                CONFIDENCE,
                format!("{who} guessed its way in after failed logins"),
            )
        } else if is_expired {
            (
                Severity::Low,
                EXPIRED,
                format!("{who} goes on with a refused credential"),
            )
        } else if surge.unit == "refusals" {
            (
                Severity::Medium,
                DOUBTFUL,
                format!("Refused requests without credentials from {who}"),
            )
        } else {
            (Severity::Medium, CONFIDENCE, format!("Refused credentials from {who}"))
        };
        let mut summary = format!(
            "{} of {} tries of {who} at {place} were refused within {minutes} minutes",
            surge.observed, surge.tried
        );
        if let Some(account) = &known.broken {
            let _ = write!(summary, "; then {account}, which had failed, was let in");
        } else if is_expired {
            summary += ", all with a credential that was accepted before";
        }
        let finding = Finding {
            detector: &DOC,
            first_seen: known.occurrence.first,
            last_seen: known.occurrence.last,
            count: observations,
            severity,
            confidence,
            title,
            summary,
            actor: Some(actor),
            target: Target {
                endpoint: known.endpoint.clone(),
                ..Target::default()
            },
            evidence: surge.evidence(sample),
            coverage: None,
        };
        findings.push(finding);
        true
    }

    pub(super) fn tell_account(
        &mut self,
        now: Timestamp,
        account: &Arc<str>,
        sample: Option<&Arc<HttpRecord>>,
        findings: &mut Vec<Finding>,
    ) {
        let Some(known) = self.accounts.see(now, account) else {
            return;
        };
        let tally = known.window.sum();
        let line = self.account_line.at(tally.tried);
        if tally.failed < line || known.sources.count() < SOURCES_OF_ACCOUNT {
            return;
        }
        let Some(observations) = known.occurrence.tell(now, false) else {
            return;
        };
        let sources = known.sources.count();
        // A name that was never let in may not even exist: the endpoint is what can be told.
        let actor = known.proven.then(|| Actor {
            kind: ActorKind::Account,
            id: Arc::clone(account),
        });
        findings.push(Finding {
            detector: &DOC,
            first_seen: known.occurrence.first,
            last_seen: known.occurrence.last,
            count: observations,
            severity: Severity::Medium,
            confidence: CONFIDENCE,
            title: format!("Failed logins for {account} from {sources} sources"),
            summary: format!(
                "{} of {} logins for {account} failed within 6 hours, from {sources} sources: someone is after this account",
                tally.failed, tally.tried
            ),
            actor,
            target: Target {
                endpoint: known.endpoint.clone(),
                ..Target::default()
            },
            evidence: surge(tally, line, self.account_line.mean(), LONG).evidence(sample),
            coverage: None,
        });
    }

    pub(super) fn tell_endpoint(
        &mut self,
        now: Timestamp,
        endpoint: &Arc<str>,
        sample: Option<&Arc<HttpRecord>>,
        findings: &mut Vec<Finding>,
    ) {
        let Some(known) = self.endpoints.see(now, endpoint) else {
            return;
        };
        let tally = known.window.sum();
        let line = self.endpoint_line.at(tally.tried);
        let few = known.sources.count() < SOURCES_OF_ENDPOINT || known.majority.has_one();
        if tally.failed < line || few {
            return;
        }
        let Some(observations) = known.occurrence.tell(now, false) else {
            return;
        };
        let sources = known.sources.count();
        findings.push(Finding {
            detector: &DOC,
            first_seen: known.occurrence.first,
            last_seen: known.occurrence.last,
            count: observations,
            severity: Severity::Medium,
            confidence: DOUBTFUL,
            title: format!("Refused credentials at {endpoint} from {sources} sources"),
            summary: format!(
                "{} of {} tries at {endpoint} failed within 10 minutes, from {sources} sources, none of them behind most",
                tally.failed, tally.tried
            ),
            actor: None,
            target: Target {
                endpoint: Some(Arc::clone(endpoint)),
                ..Target::default()
            },
            evidence: surge(tally, line, self.endpoint_line.mean(), FAST).evidence(sample),
            coverage: None,
        });
    }

    /// Tells what was counted and not told, of occurrences that were.
    pub(super) fn tell_held_back(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let held = |occurrence: &Occurrence| occurrence.is_held_back(now, DOC.quiet);
        let sources: Vec<Source> = self
            .sources
            .iter()
            .filter(|(_, known)| held(&known.occurrence))
            .map(|(source, _)| *source)
            .collect();
        for source in sources {
            self.tell_source(now, source, None, false, findings);
        }
        let accounts: Vec<Arc<str>> = self
            .accounts
            .iter()
            .filter(|(_, known)| held(&known.occurrence))
            .map(|(account, _)| Arc::clone(account))
            .collect();
        for account in accounts {
            self.tell_account(now, &account, None, findings);
        }
        let endpoints: Vec<Arc<str>> = self
            .endpoints
            .iter()
            .filter(|(_, known)| held(&known.occurrence))
            .map(|(endpoint, _)| Arc::clone(endpoint))
            .collect();
        for endpoint in endpoints {
            self.tell_endpoint(now, &endpoint, None, findings);
        }
    }
}

fn surge(tally: Tally, line: u32, mean: f64, window: std::time::Duration) -> Surge {
    Surge {
        observed: tally.failed,
        tried: tally.tried,
        expected: mean * f64::from(tally.tried),
        line,
        window,
        unit: "failures",
        method: METHOD,
    }
}

impl Surge {
    fn evidence(&self, sample: Option<&Arc<HttpRecord>>) -> Evidence {
        Evidence {
            observed: Quantity::Number(self.observed.into()),
            expected: Quantity::Number(self.expected),
            threshold: Quantity::Number(self.line.into()),
            unit: Some(self.unit),
            window_s: self.window.as_secs(),
            method: self.method,
            would_not_alert: format!(
                "Fewer than {} {} among {} tries within {} minutes.",
                self.line,
                self.unit,
                self.tried,
                self.window.as_secs() / 60
            ),
            samples: sample
                .map(|record| Sample::Http(Arc::clone(record)))
                .into_iter()
                .collect(),
        }
    }
}
