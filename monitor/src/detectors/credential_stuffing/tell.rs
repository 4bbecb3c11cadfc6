//! How what is beyond its line is told.

use std::fmt::Write as _;
use std::sync::Arc;

use ipnet::IpNet;

use super::CredentialStuffing;
use super::accounts::Count;
use super::common::Program;
use super::doc::DOC;
use super::subject::Subject;
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::source::Source;
use crate::baseline::tail::Line;
use crate::finding::Finding;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// A day, seconds.
const DAY_S: u64 = 86_400;
/// Confidence where no rate is learned: the most that is allowed then.
const CONFIDENCE: f32 = 0.5;
/// Of programs, which good clients share.
const SHARED: f32 = 0.4;
/// So many accounts are more than anyone's own.
const MANY: u32 = 100;

/// A finding without what the kinds of subject differ in.
fn finding<const N: usize>(
    known: &mut Subject<N>,
    (count, line, mean): (Count, u32, f64),
    observations: u64,
    actor: Actor,
    common: &str,
    sample: Option<&Arc<HttpRecord>>,
) -> Finding {
    let who = &actor.id;
    let about = if count.estimated { "about " } else { "" };
    let place = known.endpoint.as_deref().unwrap_or("several endpoints");
    let sources = match known.sources() {
        1 => String::new(),
        sources => format!(" from {sources} sources"),
    };
    let mut summary = format!(
        "{about}{} of {about}{} accounts that {who} tried at {place}{sources} within a day were not let in; {common}",
        count.failed, count.tried
    );
    if !known.broken.is_empty() {
        let _ = write!(summary, "; let in after failing: {}", known.broken.join(", "));
    }
    let severity = if known.broken.is_empty() && count.tried < MANY {
        Severity::Medium
    } else {
        Severity::High
    };
    Finding {
        detector: &DOC,
        first_seen: known.occurrence.first,
        last_seen: known.occurrence.last,
        count: observations,
        severity,
        confidence: CONFIDENCE,
        title: format!("{about}{} accounts tried by {who}", count.tried),
        summary,
        target: Target {
            endpoint: known.endpoint.clone(),
            ..Target::default()
        },
        evidence: Evidence {
            observed: Quantity::Number(count.sampled.1.into()),
            expected: Quantity::Number(mean * f64::from(count.sampled.0)),
            threshold: Quantity::Number(line.into()),
            unit: Some("accounts not let in"),
            window_s: DAY_S,
            method: "upper tail of a beta-binomial distribution of the accounts tried (of a sample, where they are many) at \
                     the industry's rate of failure, against a part of the false-alarm budget",
            would_not_alert: format!(
                "Fewer than {line} accounts not let in among {} tried within a day.",
                count.sampled.0
            ),
            samples: samples(sample),
        },
        actor: Some(actor),
        coverage: None,
    }
}

fn samples(sample: Option<&Arc<HttpRecord>>) -> Vec<Sample> {
    sample
        .map(|record| Sample::Http(Arc::clone(record)))
        .into_iter()
        .collect()
}

fn measure<const N: usize>(now: Timestamp, known: &mut Subject<N>, line: &mut Line) -> (Count, u32, f64) {
    let count = known.count(now);
    (count, line.at(count.sampled.0), line.mean())
}

impl CredentialStuffing {
    pub(super) fn tell_source(
        &mut self,
        now: Timestamp,
        source: Source,
        sample: Option<&Arc<HttpRecord>>,
        urgent: bool,
        findings: &mut Vec<Finding>,
    ) {
        let Some(known) = self.sources.see(now, &source) else {
            return;
        };
        let Some(observations) = known.occurrence.tell(now, urgent) else {
            return;
        };
        let measured = measure(now, known, &mut self.source_line);
        let common = known.programs.against(&self.good);
        let actor = source.actor(known.address, known.only);
        findings.push(finding(known, measured, observations, actor, &common, sample));
    }

    pub(super) fn tell_network(
        &mut self,
        now: Timestamp,
        network: IpNet,
        sample: Option<&Arc<HttpRecord>>,
        urgent: bool,
        findings: &mut Vec<Finding>,
    ) {
        let Some(known) = self.networks.see(now, &network) else {
            return;
        };
        let Some(observations) = known.occurrence.tell(now, urgent) else {
            return;
        };
        let measured = measure(now, known, &mut self.network_line);
        let common = known.programs.against(&self.good);
        let actor = Actor {
            kind: ActorKind::Network,
            id: network.to_string().into(),
        };
        findings.push(finding(known, measured, observations, actor, &common, sample));
    }

    pub(super) fn tell_program(
        &mut self,
        now: Timestamp,
        program: &Program,
        sample: Option<&Arc<HttpRecord>>,
        urgent: bool,
        findings: &mut Vec<Finding>,
    ) {
        let Some(known) = self.programs.see(now, program) else {
            return;
        };
        let Some(observations) = known.occurrence.tell(now, urgent) else {
            return;
        };
        let measured = measure(now, known, &mut self.program_line);
        let common = known.programs.against(&self.good);
        let actor = match program.fingerprint {
            Some(fingerprint) => Actor {
                kind: ActorKind::Fingerprint,
                id: fingerprint.to_string().into(),
            },
            None => Actor {
                kind: ActorKind::UserAgent,
                id: Arc::clone(&program.agent),
            },
        };
        findings.push(Finding {
            confidence: SHARED,
            ..finding(known, measured, observations, actor, &common, sample)
        });
    }

    pub(super) fn tell_account(
        &mut self,
        now: Timestamp,
        account: &Arc<str>,
        sample: Option<&Arc<HttpRecord>>,
        findings: &mut Vec<Finding>,
    ) {
        let line = self.account_line;
        let Some(known) = self.accounts.see(now, account) else {
            return;
        };
        let Some(observations) = known.occurrence.tell(now, false) else {
            return;
        };
        let sources = known.failed_from(now);
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
            title: format!("{account} tried from {sources} sources"),
            summary: format!(
                "{account} failed to log in from {sources} sources within a day and was let in from none of them: someone is \
                 after this account; {}",
                known.programs.against(&self.good)
            ),
            actor,
            target: Target {
                endpoint: known.endpoint.clone(),
                ..Target::default()
            },
            evidence: Evidence {
                observed: Quantity::Number(sources as f64),
                expected: Quantity::Number(2.0),
                threshold: Quantity::Number(line as f64),
                unit: Some("sources"),
                window_s: DAY_S,
                method: "upper tail of a geometric distribution of the sources of one person, with a mean of one beyond the \
                         first, against a part of the false-alarm budget",
                would_not_alert: format!("Fewer than {line} sources, or a login that succeeds from them."),
                samples: samples(sample),
            },
            coverage: None,
        });
    }

    /// Tells what was counted and not told, of occurrences that were.
    pub(super) fn tell_held_back(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let held = |occurrence: &crate::finding::occurrence::Occurrence| occurrence.is_held_back(now, DOC.quiet);
        let sources = self.sources.iter().filter(|(_, known)| held(&known.occurrence));
        for source in sources.map(|(source, _)| *source).collect::<Vec<_>>() {
            self.tell_source(now, source, None, false, findings);
        }
        let networks = self.networks.iter().filter(|(_, known)| held(&known.occurrence));
        for network in networks.map(|(network, _)| *network).collect::<Vec<_>>() {
            self.tell_network(now, network, None, false, findings);
        }
        let programs = self.programs.iter().filter(|(_, known)| held(&known.occurrence));
        for program in programs.map(|(program, _)| program.clone()).collect::<Vec<_>>() {
            self.tell_program(now, &program, None, false, findings);
        }
        let accounts = self.accounts.iter().filter(|(_, known)| held(&known.occurrence));
        for account in accounts.map(|(account, _)| Arc::clone(account)).collect::<Vec<_>>() {
            self.tell_account(now, &account, None, findings);
        }
    }
}
