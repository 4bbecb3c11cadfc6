//! What a finding of it says.

use std::sync::Arc;

use super::DOC;
use super::objects::Crowded;
use crate::alert::{Actor, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::breadth::Crossing;
use crate::baseline::occurrence::Case;
use crate::finding::Finding;
use crate::record::HttpRecord;

/// While nothing is learned.
const UNLEARNED: f32 = 0.5;
/// Once it is; and where what the subject itself does is known, too.
const LEARNED: f32 = 0.7;
const OF_HABIT: f32 = 0.8;

/// What is known of an occurrence.
#[derive(Clone, Debug)]
pub(super) struct Told {
    matter: Matter,
    endpoint: Arc<str>,
    sample: Arc<HttpRecord>,
}

#[derive(Clone, Debug)]
enum Matter {
    Many(Crossing, Who),
    Crowded(Crowded),
}

/// Who asked.
#[derive(Clone, Debug)]
pub(super) enum Who {
    Identity(Actor),
    /// With those behind it.
    Source(Actor, u32),
}

impl Told {
    pub(super) fn of(crossing: Crossing, who: Who, record: &Arc<HttpRecord>, endpoint: &Arc<str>) -> Self {
        Self {
            matter: Matter::Many(crossing, who),
            endpoint: Arc::clone(endpoint),
            sample: Arc::clone(record),
        }
    }

    pub(super) fn crowded(crowded: Crowded, record: &Arc<HttpRecord>, endpoint: &Arc<str>) -> Self {
        Self {
            matter: Matter::Crowded(crowded),
            endpoint: Arc::clone(endpoint),
            sample: Arc::clone(record),
        }
    }
}

/// What is to be told of an occurrence now.
pub(super) fn finding(case: &mut Case<Told>) -> Finding {
    let count = case.take();
    let told = &case.what;
    let (actor, title, summary, severity, confidence, evidence) = match &told.matter {
        Matter::Many(crossing, who) => many(told, crossing, who),
        Matter::Crowded(crowded) => crowd(told, crowded),
    };
    Finding {
        detector: &DOC,
        first_seen: case.first,
        last_seen: case.last,
        count,
        severity,
        confidence,
        title,
        summary,
        actor,
        target: Target {
            endpoint: Some(Arc::clone(&told.endpoint)),
            ..Target::default()
        },
        evidence: Evidence {
            samples: vec![Sample::Http(Arc::clone(&told.sample))],
            ..evidence
        },
        coverage: None,
    }
}

type Parts = (Option<Actor>, String, String, Severity, f32, Evidence);

fn many(told: &Told, crossing: &Crossing, who: &Who) -> Parts {
    let (endpoint, count, line) = (&told.endpoint, crossing.count, crossing.line);
    let (actor, behind) = match who {
        Who::Identity(actor) | Who::Source(actor, 1) => (actor, String::new()),
        Who::Source(actor, crowd) => (actor, format!(" with {crowd} identities or agents")),
    };
    let refused = u64::from(crossing.refused) * 100 / u64::from(crossing.asked.max(1));
    let answer = match refused {
        0 => "all of which were answered".to_owned(),
        100 => "none of which was answered".to_owned(),
        part => format!("{part} % of the requests were refused"),
    };
    let window = crossing.window.name();
    let known = if crossing.has_habit {
        "which is beyond its own habit, too"
    } else {
        "as nobody does here"
    };
    let summary = format!(
        "{}{behind} asked for about {count} different things of {endpoint} within {window}, {known}; {answer}",
        actor.id
    );
    // What was given away is worse than what was tried.
    let severity = if refused < 50 { Severity::High } else { Severity::Medium };
    let confidence = match (crossing.learning, crossing.has_habit) {
        (true, _) => UNLEARNED,
        (false, true) => OF_HABIT,
        (false, false) => LEARNED,
    };
    let evidence = Evidence {
        observed: Quantity::Number(count.into()),
        expected: Quantity::Number(crossing.expected),
        threshold: Quantity::Number(line.into()),
        unit: Some("things"),
        window_s: crossing.window.secs(),
        method: "upper tail of a negative binomial distribution of what clients ask of this endpoint in such a window \
                 (winsorized), and of what this one did before, against a part of the false-alarm budget",
        would_not_alert: format!("Fewer than {line} different things within {window}."),
        samples: Vec::new(),
    };
    let title = format!("{} goes through {endpoint}", actor.id);
    (Some(actor.clone()), title, summary, severity, confidence, evidence)
}

fn crowd(told: &Told, crowded: &Crowded) -> Parts {
    let (endpoint, line) = (&told.endpoint, crowded.line);
    let path = told.sample.request.as_ref().map_or("", |request| request.path.as_str());
    let summary = format!(
        "{path} was asked for by about {} different clients within a day, while things of {endpoint} are each asked for by \
         one or two",
        crowded.clients
    );
    let confidence = if crowded.learning { UNLEARNED } else { LEARNED };
    let evidence = Evidence {
        observed: Quantity::Number(crowded.clients.into()),
        expected: Quantity::Number(crowded.expected),
        threshold: Quantity::Number(line.into()),
        unit: Some("clients"),
        window_s: 86_400,
        method: "upper tail of a negative binomial distribution of the clients of a thing of this endpoint beyond the first, \
                 against a part of the false-alarm budget",
        would_not_alert: format!("Fewer than {line} clients of one thing within a day."),
        samples: Vec::new(),
    };
    (
        None,
        format!("Many ask for {path}"),
        summary,
        Severity::Medium,
        confidence,
        evidence,
    )
}
