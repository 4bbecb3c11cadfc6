//! What a finding of it says.

use std::sync::Arc;

use super::DOC;
use crate::alert::{Actor, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::breadth::Crossing;
use crate::baseline::occurrence::Case;
use crate::finding::Finding;
use crate::record::HttpRecord;

/// While nothing is learned; once it is; and where what the subject itself does is known, too.
const UNLEARNED: f32 = 0.5;
const LEARNED: f32 = 0.7;
const OF_HABIT: f32 = 0.8;

/// What is known of an occurrence.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) crossing: Crossing,
    pub(super) actor: Actor,
    pub(super) sample: Arc<HttpRecord>,
}

/// What is to be told of an occurrence now.
pub(super) fn finding(case: &mut Case<Told>) -> Finding {
    let count = case.take();
    let Told {
        crossing,
        actor,
        sample,
    } = &case.what;
    let (read, line, window) = (crossing.count, crossing.line, crossing.window.name());
    let known = if crossing.has_habit {
        "more than it ever did"
    } else {
        "as nobody does here"
    };
    let agent = sample
        .request
        .as_ref()
        .and_then(|request| request.user_agent.as_deref())
        .unwrap_or("no agent");
    Finding {
        detector: &DOC,
        first_seen: case.first,
        last_seen: case.last,
        count,
        severity: Severity::Medium,
        confidence: match (crossing.learning, crossing.has_habit) {
            (true, _) => UNLEARNED,
            (false, true) => OF_HABIT,
            (false, false) => LEARNED,
        },
        title: format!("{} reads all there is", actor.id),
        summary: format!(
            "{} read about {read} different paths within {window}, {known}, and changed next to nothing; it asks as {agent}",
            actor.id
        ),
        actor: Some(actor.clone()),
        target: Target::default(),
        evidence: Evidence {
            observed: Quantity::Number(read.into()),
            expected: Quantity::Number(crossing.expected),
            threshold: Quantity::Number(line.into()),
            unit: Some("paths"),
            window_s: crossing.window.secs(),
            method: "upper tail of a negative binomial distribution of the paths that clients read in such a window \
                     (winsorized), and of what this one did before, against a part of the false-alarm budget",
            would_not_alert: format!(
                "Fewer than {line} different paths within {window}, or one request of twenty that changes something."
            ),
            samples: vec![Sample::Http(Arc::clone(sample))],
        },
        coverage: None,
    }
}
