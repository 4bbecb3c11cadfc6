//! What is told.

use std::sync::Arc;
use std::time::Duration;

use super::doc::DOC;
use super::subject::{Crowd, Place, Sent, UNKNOWN, drift_line};
use super::{LONG, RequestRate, SHORT};
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::asker::Asker;
use crate::baseline::pace::{Pace, knows_the_hour};
use crate::finding::Finding;
use crate::finding::occurrence::Added;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// So many times what is usual is high.
const HIGH: f64 = 10.0;

/// Requests from which on it shows whether one is behind most of them.
const ENOUGH: u64 = 20;

/// Of what it is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'a> {
    Host,
    Endpoint(&'a Arc<str>),
}

impl Scope<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Host => "this host",
            Self::Endpoint(endpoint) => endpoint,
        }
    }
}

/// Figures of a window that is beyond its line.
#[derive(Clone, Copy, Debug)]
struct Figures {
    count: u64,
    usual: f64,
    line: u64,
    window: Duration,
    begin: Timestamp,
    method: &'static str,
}

impl Figures {
    fn times(&self) -> f64 {
        self.count as f64 / self.usual.max(1.0)
    }

    fn span(&self) -> &'static str {
        if self.window == SHORT {
            "five minutes"
        } else {
            "an hour"
        }
    }

    /// Since the window began.
    fn so_far(&self, now: Timestamp) -> String {
        let seconds = now.since(self.begin).as_secs();
        if seconds < 120 {
            format!("{seconds} seconds")
        } else {
            format!("{} minutes", seconds / 60)
        }
    }
}

impl RequestRate {
    /// The host or an endpoint is asked too often.
    pub(super) fn tell_place(
        &mut self,
        now: Timestamp,
        scope: Scope<'_>,
        record: Option<&Arc<HttpRecord>>,
        findings: &mut Vec<Finding>,
    ) {
        let begins = (self.short.begin(), self.long.begin());
        let place = match scope {
            Scope::Host => &mut self.host,
            Scope::Endpoint(endpoint) => match self.endpoints.see(now, endpoint) {
                Some(place) => place,
                None => return,
            },
        };
        // What is of one is a matter of that one's own line.
        if place.majority.has_one() || place.short.count < ENOUGH {
            return;
        }
        // Many passwords, keys or pages tried are a matter of those who judge refusals, up to a flood of them.
        let n = usize::from(!place.short.is_over());
        let asked = [place.short.count, place.long.count][n];
        if place.refused[n] * 2 > asked && asked < UNKNOWN[n] {
            return;
        }
        place.occurrence.add(now, DOC.quiet, false);
        let Some(count) = place.occurrence.tell(now, false) else {
            return;
        };
        let (pace, window, begin): (&Pace, _, _) = if place.short.is_over() {
            (&place.short, SHORT, begins.0)
        } else {
            (&place.long, LONG, begins.1)
        };
        let figures = Figures {
            count: pace.count,
            usual: pace.usual().map_or(0.0, |usual| usual.mean),
            line: pace.line,
            window,
            begin: begin.unwrap_or(now),
            method: method(pace),
        };
        let is_known = pace.usual().is_some_and(knows_the_hour);
        let (first, last, born) = (place.occurrence.first, place.occurrence.last, place.born);
        let confidence = self.confidence(now, born, is_known, figures.times());
        let excess = figures.count as f64 - figures.usual;
        let target = self.target(scope, excess, |place| {
            let pace = if window == SHORT { &place.short } else { &place.long };
            pace.count as f64 - pace.usual().map_or(0.0, |usual| usual.mean)
        });
        findings.push(Finding {
            detector: &DOC,
            first_seen: first,
            last_seen: last,
            count,
            severity: severity(figures.times(), confidence),
            confidence,
            title: format!(
                "{} is asked {:.0} times as often as usual",
                scope.name(),
                figures.times()
            ),
            summary: format!(
                "{} was asked {} times within {}, where {:.0} in {} are usual at this hour, by many clients",
                scope.name(),
                figures.count,
                figures.so_far(now),
                figures.usual,
                figures.span()
            ),
            actor: None,
            target,
            evidence: evidence(figures, record),
            coverage: None,
        });
    }

    /// One asks too often.
    pub(super) fn tell_asker(
        &mut self,
        now: Timestamp,
        key: u64,
        record: &Arc<HttpRecord>,
        findings: &mut Vec<Finding>,
    ) {
        let begins = (self.short.begin(), self.long.begin());
        self.asker_told = now;
        let Some(sent) = self.askers.see(now, &key) else { return };
        if sent.occurrence.add(now, DOC.quiet, false) != Added::GoesOn {
            sent.named = sent.endpoint.clone();
        }
        let Some(count) = sent.occurrence.tell(now, false) else {
            return;
        };
        let Some(actor) = sent.who.as_ref().map(Asker::actor) else {
            return;
        };
        let (figures, is_own, is_known) = asker_figures(sent, &self.crowd, begins, now);
        let (first, last, born) = (sent.occurrence.first, sent.occurrence.last, sent.born);
        let endpoint = sent.named.clone();
        let born = if is_own { born } else { Timestamp::ZERO };
        let confidence = self.confidence(now, born, is_known, figures.times());
        let whose = if is_own {
            "where this one usually sends"
        } else {
            "where the busiest client usually sends"
        };
        findings.push(Finding {
            detector: &DOC,
            first_seen: first,
            last_seen: last,
            count,
            severity: severity(figures.times(), confidence),
            confidence,
            title: format!("{} asks {:.0} times as often as usual", actor.id, figures.times()),
            summary: format!(
                "{} sent {} requests{} within {}, {whose} {:.0} in {} at this hour",
                actor.id,
                figures.count,
                endpoint
                    .as_ref()
                    .map_or(String::new(), |endpoint| format!(" for {endpoint}")),
                figures.so_far(now),
                figures.usual,
                figures.span()
            ),
            actor: Some(actor),
            target: Target {
                endpoint,
                ..Target::default()
            },
            evidence: evidence(figures, Some(record)),
            coverage: None,
        });
    }

    /// Somewhat more than usual, for hours.
    pub(super) fn tell_drift(&mut self, now: Timestamp, scope: Scope<'_>, findings: &mut Vec<Finding>) {
        let line = drift_line(self.alphas.drift);
        let place: &mut Place = match scope {
            Scope::Host => &mut self.host,
            Scope::Endpoint(endpoint) => match self.endpoints.see(now, endpoint) {
                Some(place) => place,
                None => return,
            },
        };
        let (Some((count, usual)), sum, began) = (place.drifted, place.drift, place.drift_began) else {
            return;
        };
        place.occurrence.add(now, DOC.quiet, false);
        place.occurrence.first = place.occurrence.first.min(began);
        let Some(told) = place.occurrence.tell(now, true) else {
            return;
        };
        let (first, born) = (place.occurrence.first, place.born);
        let confidence = self.confidence(now, born, true, count as f64 / usual.max(1.0)).min(0.6);
        let target = self.target(scope, count as f64 - usual, |place| {
            place.drifted.map_or(0.0, |(count, usual)| count as f64 - usual)
        });
        let hours = now.since(began).as_secs() / 3_600;
        findings.push(Finding {
            detector: &DOC,
            first_seen: first,
            last_seen: now,
            count: told,
            severity: Severity::Medium,
            confidence,
            title: format!("{} is asked more than usual for {hours} hours", scope.name()),
            summary: format!(
                "{} was asked {count} times within the last hour, where {usual:.0} are usual at this hour, and more than \
                 usual for {hours} hours",
                scope.name()
            ),
            actor: None,
            target,
            evidence: Evidence {
                observed: Quantity::Number(sum),
                expected: Quantity::Number(0.0),
                threshold: Quantity::Number(line),
                unit: Some("standard deviations"),
                window_s: now.since(began).as_secs(),
                method: "cumulative sum of the hours' deviations from what is usual (Page), against a part of the \
                         false-alarm budget",
                would_not_alert: "Hours of which none is half as much again as usual, or a rise of less than some hours."
                    .to_owned(),
                samples: Vec::new(),
            },
            coverage: None,
        });
    }

    /// The endpoint; of the host that behind half of the `excess`, if there is one.
    fn target(&self, scope: Scope<'_>, excess: f64, of: impl Fn(&Place) -> f64) -> Target {
        let endpoint = match scope {
            Scope::Endpoint(endpoint) => Some(endpoint),
            Scope::Host => {
                let excesses = self.endpoints.iter().map(|(endpoint, place)| (of(place), endpoint));
                let most = excesses.max_by(|(a, _), (b, _)| a.total_cmp(b));
                most.filter(|(most, _)| most * 2.0 >= excess)
                    .map(|(_, endpoint)| endpoint)
            }
        };
        Target {
            endpoint: endpoint.cloned(),
            ..Target::default()
        }
    }

    fn confidence(&self, now: Timestamp, born: Timestamp, is_known: bool, times: f64) -> f32 {
        let confidence = if times >= HIGH { 0.8 } else { 0.6 };
        let is_young = !self.period.is_zero() && born + self.period > now;
        let confidence = if is_known && !is_young { confidence } else { 0.5 };
        self.beginning.cap(now, confidence)
    }
}

/// Figures of the window that is beyond a line; whether it is a line of its own; whether the hour is known.
fn asker_figures(
    sent: &Sent,
    crowd: &Crowd,
    begins: (Option<Timestamp>, Option<Timestamp>),
    now: Timestamp,
) -> (Figures, bool, bool) {
    if let Some(own) = sent.own.as_ref().filter(|own| own.is_over()) {
        let figures = Figures {
            count: own.count,
            usual: own.usual().map_or(0.0, |usual| usual.mean),
            line: own.line,
            window: LONG,
            begin: begins.1.unwrap_or(now),
            method: method(own),
        };
        return (figures, true, true);
    }
    let n = usize::from(sent.counts[0] < sent.line(0, crowd));
    let pace = [&crowd.short, &crowd.long][n];
    let figures = Figures {
        count: sent.counts[n],
        usual: pace.usual().map_or(0.0, |usual| usual.mean),
        line: sent.line(n, crowd),
        window: [SHORT, LONG][n],
        begin: [begins.0, begins.1][n].unwrap_or(now),
        method: method(pace),
    };
    (figures, false, pace.usual().is_some_and(knows_the_hour))
}

fn method(pace: &Pace) -> &'static str {
    if pace.line == u64::MAX {
        "a bound, since nothing is learned yet"
    } else {
        "upper tail of a negative binomial distribution with the mean and scatter of this hour, against a part of the \
         false-alarm budget"
    }
}

fn severity(times: f64, confidence: f32) -> Severity {
    if times >= HIGH && confidence > 0.5 {
        Severity::High
    } else {
        Severity::Medium
    }
}

fn evidence(figures: Figures, record: Option<&Arc<HttpRecord>>) -> Evidence {
    Evidence {
        observed: Quantity::Number(figures.count as f64),
        expected: Quantity::Number(figures.usual),
        threshold: Quantity::Number(figures.line as f64),
        unit: Some("requests"),
        window_s: figures.window.as_secs(),
        method: figures.method,
        would_not_alert: format!("Fewer than {} requests in {}.", figures.line, figures.span()),
        samples: record
            .map(|record| Sample::Http(Arc::clone(record)))
            .into_iter()
            .collect(),
    }
}
