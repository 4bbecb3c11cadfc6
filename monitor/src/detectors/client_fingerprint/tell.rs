//! What is told.

use super::crowd::WINDOW;
use super::doc::DOC;
use super::fleet::{self, Excess};
use super::{Subject, Told};
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::beginning::Beginning;
use crate::baseline::occurrence::Case;
use crate::baseline::source::Source;
use crate::enrich::fingerprint::Fingerprint;
use crate::finding::Finding;

/// What is told of an occurrence.
pub(super) fn finding(subject: Subject, case: &mut Case<Told>, beginning: &Beginning) -> Finding {
    let count = case.take();
    let (first, last, all) = (case.first, case.last, case.count);
    let told = &mut case.what;
    let place = told.endpoint.as_deref().unwrap_or("several endpoints");
    let (actor, severity, confidence, title, summary, evidence) = match (subject, told.crowd, told.fleet) {
        (Subject::Fingerprint(fingerprint), Some((refused, came, mean, line)), _) => {
            let actor = Actor {
                kind: ActorKind::Fingerprint,
                id: fingerprint.to_string().into(),
            };
            let program = if told.library.is_empty() {
                "one program"
            } else {
                told.library
            };
            let summary = format!(
                "{refused} of {came} sources that write their requests as {program} does ({fingerprint}) were refused at \
                 {place} within 10 minutes; of the others {:.0} % are",
                mean * 100.0
            );
            let evidence = Evidence {
                observed: Quantity::Number(refused as f64),
                expected: Quantity::Number(mean * came as f64),
                threshold: Quantity::Number(line as f64),
                unit: Some("sources"),
                window_s: WINDOW.as_secs(),
                method: "upper tail of a beta-binomial distribution at the share of other fingerprints, against a part of \
                         the false-alarm budget",
                would_not_alert: format!("Fewer than {line} refused sources among {came} with this fingerprint."),
                samples: Vec::new(),
            };
            let title = format!("One program behind {refused} refused addresses: {fingerprint}");
            (actor, Severity::Medium, 0.5, title, summary, evidence)
        }
        (Subject::Fleet(fingerprint), _, Some(excess)) => of_fleet(fingerprint, excess, place),
        (Subject::Source(_) | Subject::Fingerprint(_) | Subject::Fleet(_), ..) => {
            let actor = Source::from(told.address).actor(told.address, told.only);
            let plural = if all == 1 { "" } else { "s" };
            let summary = format!(
                "{} sent {all} request{plural} to {place} that say they are a browser's ({}) and are written as {} writes \
                 them",
                actor.id, told.agent, told.library
            );
            let evidence = Evidence {
                observed: Quantity::Text(format!("the order of fields of {}", told.library)),
                expected: Quantity::Text("that of a browser".to_owned()),
                threshold: Quantity::Text("one request".to_owned()),
                unit: None,
                window_s: 0,
                method: "a kept table of the orders in which libraries write header fields",
                would_not_alert: "The same request with the library's own agent, or from a browser.".to_owned(),
                samples: Vec::new(),
            };
            let title = format!("No browser but {}: {}", told.library, actor.id);
            (actor, Severity::Low, 0.8, title, summary, evidence)
        }
    };
    Finding {
        detector: &DOC,
        first_seen: first,
        last_seen: last,
        count,
        severity,
        confidence: beginning.cap(last, confidence),
        title,
        summary,
        actor: Some(actor),
        target: Target {
            endpoint: told.endpoint.clone(),
            ..Target::default()
        },
        evidence: Evidence {
            samples: told.samples.drain(..).map(Sample::Http).collect(),
            ..evidence
        },
        coverage: None,
    }
}

/// One that claims to be several browsers.
fn of_fleet(fingerprint: Fingerprint, excess: Excess, place: &str) -> (Actor, Severity, f32, String, String, Evidence) {
    let Excess {
        others,
        came,
        engines,
        usual,
        line,
    } = excess;
    let actor = Actor {
        kind: ActorKind::Fingerprint,
        id: fingerprint.to_string().into(),
    };
    let summary = format!(
        "{came} sources write their requests in one and the same way ({fingerprint}) and claim to be browsers of {engines} \
         engines, {others} of them another than most, at {place}; usual is {:.1} %: one program behind many addresses",
        usual * 100.0
    );
    let evidence = Evidence {
        observed: Quantity::Number(others as f64),
        expected: Quantity::Number(usual * came as f64),
        threshold: Quantity::Number(line as f64),
        unit: Some("sources"),
        window_s: fleet::WINDOW.as_secs(),
        method: "upper tail of a beta-binomial distribution at the share of sources that claim another engine than most of \
                 their fingerprint, against a part of the false-alarm budget",
        would_not_alert: format!("Fewer than {line} sources of another engine among {came} with this fingerprint."),
        samples: Vec::new(),
    };
    let title = format!("One program behind {came} addresses as many browsers: {fingerprint}");
    (actor, Severity::Medium, 0.8, title, summary, evidence)
}
