//! `dns_tunnel`: data carried out in names.

mod coded;
mod doc;
mod settings;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::sync::Arc;
use std::time::Duration;

use self::coded::coded_bytes;
use self::doc::{FAST, MOST_DOMAINS, SLOW};
use super::{Detector, DetectorDoc};
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::beginning::Beginning;
use crate::baseline::distinct::Distinct;
use crate::baseline::names::{is_under, registered};
use crate::baseline::occurrence::{Case, Occurrences};
use crate::baseline::recent::Recent;
use crate::baseline::tail::{least, poisson};
use crate::baseline::{Change, Row};
use crate::config::Config;
use crate::finding::Finding;
use crate::observation::{Lookup, Observation};
use crate::record::{DnsRecord, FlowEvent};
use crate::time::Timestamp;

/// The windows: ten steps, and twelve.
const SHORT: Duration = FAST.step.saturating_mul(10);
const LONG: Duration = SLOW.step.saturating_mul(12);
/// How often what is over is swept out.
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// Characters that look coded from which a name bears data.
const BEARS: usize = 20;
/// Names that ordinary hosts ask for a day: 4 kB (Paxson and others, 2013) in names of 24 bytes.
const A_DAY: f64 = 170.0;
/// Bytes in names from which it is high.
const MUCH: u64 = 32 * 1024;
/// Names that are not public.
const OWN: [&str; 8] = [
    "local",
    "internal",
    "lan",
    "home",
    "corp",
    "consul",
    "localhost",
    "arpa",
];
/// Records of an occurrence that wait to be told as samples.
const MOST_SAMPLES: usize = 3;

/// The detector.
#[derive(Debug)]
pub struct DnsTunnel {
    settings: Settings,
    beginning: Beginning,
    fast_line: u64,
    slow_line: u64,
    domains: Recent<Arc<str>, Asked>,
    next_sweep: Option<Timestamp>,
    cases: Occurrences<Arc<str>, Told>,
}

/// What was asked below a domain.
#[derive(Debug, Default)]
struct Asked {
    fast: Distinct<256>,
    slow: Distinct<512>,
    /// Names below it that were connected to.
    used: Distinct<256>,
    /// Bytes in names, of these questions, and those whose answers carry data.
    bytes: u64,
    questions: u64,
    carrying: u64,
    process: Option<Arc<str>>,
    several: bool,
}

/// What is told of.
#[derive(Debug)]
struct Told {
    window: Duration,
    names: u64,
    line: u64,
    bytes: u64,
    carries: bool,
    process: Option<Arc<str>>,
    samples: Vec<Lookup>,
}

impl DnsTunnel {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let line = |test, mean| least(budget.alpha(test, DOC.tests), 1 << 16, |count| poisson(count, mean));
        Self {
            settings: config.detectors.dns_tunnel.clone(),
            beginning: Beginning::new(config),
            fast_line: line(&FAST, A_DAY / 4.0),
            slow_line: line(&SLOW, A_DAY),
            domains: Recent::new(MOST_DOMAINS, LONG),
            next_sweep: None,
            cases: Occurrences::new(MOST_DOMAINS, DOC.quiet),
        }
    }

    fn look(&mut self, lookup: &Lookup) {
        let (now, record) = (lookup.time, &lookup.record);
        let name = &*record.name;
        let domain = registered(name);
        let below = name[..name.len() - domain.len()].trim_end_matches('.');
        let bytes = coded_bytes(below);
        if bytes < BEARS || self.is_ignored(name) {
            return;
        }
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let domain: Arc<str> = domain.to_ascii_lowercase().into();
        let asked = self
            .domains
            .see_or_make(now, &domain, Asked::default, |asked| asked.slow.count());
        asked.add(now, record, below.len());
        let (fast, slow) = (asked.fast.count(), asked.slow.count());
        let (window, names, line) = if fast >= self.fast_line {
            (SHORT, fast, self.fast_line)
        } else if slow >= self.slow_line {
            (LONG, slow, self.slow_line)
        } else {
            return;
        };
        asked.used.forget(now, LONG);
        if asked.used.count() * 2 >= slow {
            return;
        }
        let (bytes, carries) = (asked.bytes, asked.carrying * 2 > asked.questions);
        let process = asked.process.clone().filter(|_| !asked.several);
        let case = self.cases.add(now, &domain, || Told {
            window,
            names,
            line,
            bytes,
            carries,
            process: process.clone(),
            samples: Vec::new(),
        });
        let told = &mut case.what;
        (told.bytes, told.carries) = (bytes, carries);
        if window == told.window {
            told.names = told.names.max(names);
        }
        if told.samples.len() < MOST_SAMPLES {
            told.samples.push(lookup.clone());
        }
    }

    fn is_ignored(&self, name: &str) -> bool {
        let Some((_, top)) = name.rsplit_once('.') else {
            return true;
        };
        let within = |domain: &str| name == domain || is_under(name, domain);
        OWN.contains(&top) || self.settings.ignore.iter().any(|domain| within(domain))
    }

    fn tell_waiting(&mut self, now: Option<Timestamp>, findings: &mut Vec<Finding>) {
        let beginning = &self.beginning;
        let mut tell = |domain: &Arc<str>, case: &mut Case<Told>| findings.push(finding(domain, case, beginning));
        match now {
            Some(now) => self.cases.expire(now, tell),
            None => self.cases.tell_all(&mut tell),
        }
    }
}

impl Asked {
    fn add(&mut self, now: Timestamp, record: &DnsRecord, bytes: usize) {
        self.fast.forget(now, SHORT);
        self.fast.see(now, SHORT, &*record.name);
        if self.slow.count() == 0 {
            (self.bytes, self.questions, self.carrying) = (0, 0, 0);
        }
        if self.slow.see(now, LONG, &*record.name) {
            self.bytes += bytes as u64;
            self.questions += 1;
            self.carrying += u64::from(matches!(record.qtype.as_str(), "TXT" | "NULL" | "CNAME" | "MX"));
        }
        let program = record.process.as_ref().and_then(|process| process.program.as_ref());
        match (&self.process, program) {
            (None, Some(program)) => self.process = Some(program.exe.as_str().into()),
            (Some(known), Some(program)) => self.several |= **known != *program.exe,
            (_, None) => {}
        }
    }
}

fn finding(domain: &Arc<str>, case: &mut Case<Told>, beginning: &Beginning) -> Finding {
    let count = case.take();
    let (first, last) = (case.first, case.last);
    let told = &mut case.what;
    let (severity, confidence) = match (told.carries, told.bytes >= MUCH) {
        (true, _) => (Severity::High, 0.85),
        (false, true) => (Severity::High, 0.7),
        (false, false) => (Severity::Medium, 0.7),
    };
    let hours = told.window == LONG;
    let span = if hours { "6 hours" } else { "10 minutes" };
    let who = told.process.as_deref().unwrap_or("this host");
    let expected = if hours { A_DAY } else { A_DAY / 4.0 };
    Finding {
        detector: &DOC,
        first_seen: first,
        last_seen: last,
        count,
        severity,
        confidence: beginning.cap(last, confidence),
        title: format!("Data in names below {domain}"),
        summary: format!(
            "{who} asked for {} different names below {domain} within {span} that look like coded data, {} bytes so far, \
             and hardly any was connected to",
            told.names, told.bytes
        ),
        actor: told.process.clone().map(|id| Actor {
            kind: ActorKind::Process,
            id,
        }),
        target: Target {
            destination: Some(Arc::clone(domain)),
            process: told.process.clone(),
            ..Target::default()
        },
        evidence: Evidence {
            observed: Quantity::Number(told.names as f64),
            expected: Quantity::Number(expected),
            threshold: Quantity::Number(told.line as f64),
            unit: Some("names"),
            window_s: told.window.as_secs(),
            method: "upper tail of a Poisson distribution at a bound for ordinary hosts, against a part of the false-alarm \
                     budget",
            would_not_alert: format!(
                "Fewer than {} such names within {span}, or names of which half are connected to.",
                told.line
            ),
            samples: told.samples.drain(..).map(Sample::Dns).collect(),
        },
        coverage: None,
    }
}

impl Detector for DnsTunnel {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, _: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(_) | Observation::Announced(_) => {}
            Observation::Lookup(lookup) => {
                self.beginning.see(lookup.time);
                self.look(lookup);
            }
            Observation::Flow(flow) => {
                if flow.record.event == FlowEvent::Open
                    && !self.domains.is_empty()
                    && let Some(name) = flow.destination.as_ref().and_then(|to| to.name.as_ref())
                    && let Some(asked) = self.domains.see(Timestamp::ZERO, &Arc::from(registered(name)))
                {
                    asked.used.see(flow.time, LONG, &**name);
                }
            }
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_waiting(Some(now), findings);
        if self.next_sweep.is_some_and(|due| due <= now) {
            self.domains.expire(now);
            self.next_sweep = (!self.domains.is_empty()).then(|| now + SWEEP_EVERY);
        }
    }

    fn finish(&mut self, _: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_waiting(None, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        [self.cases.next_timeout(), self.next_sweep].into_iter().flatten().min()
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("coded_domains_evicted", self.domains.evicted()),
            ("tunnel_cases_evicted", self.cases.evicted()),
        ]
    }

    fn export_dirty(&mut self) -> Vec<Change> {
        self.beginning.export_dirty()
    }

    fn import(&mut self, rows: Vec<Row>, now: Timestamp) {
        self.beginning.import(&rows, now);
    }
}
