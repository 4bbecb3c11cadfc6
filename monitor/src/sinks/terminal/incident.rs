//! An incident for people: what, and what to do.

use super::alert::badge;
use super::seen::seen;
use super::units;
use super::{Style, clock, printable};
use crate::sinks::json::{Incident, State, Time};

/// Characters of a sentence that are shown.
const SENTENCE: usize = 1_000;
/// Characters of a name that are shown.
const NAME: usize = 200;
/// Services that are shown.
const SERVICES: usize = 2;

/// One line; its alerts follow.
pub fn incident(style: Style, time: Time, incident: &Incident<'_>) -> String {
    let what = style.bold(printable(&incident.title, NAME));
    let end = match (&incident.merged_into, &incident.resolved_by) {
        (Some(other), _) => format!("goes on as {}", printable(other, NAME)),
        (None, Some(why)) => printable(why, NAME).into_owned(),
        (None, None) => printable(&incident.advice, SENTENCE).into_owned(),
    };
    let alerts = incident.alerts.len() as u64;
    let mut facts = vec![format!("score {:.2}", incident.score), units::count(alerts, "alert")];
    if incident.state != State::New {
        facts.push(units::count(incident.count, "observation"));
    }
    facts.extend(incident.services.iter().take(SERVICES).map(seen));
    facts.push(format!("monitor explain {}", printable(&incident.id, NAME)));
    format!(
        "{} {} {} {what}: {end} {}",
        clock(time),
        badge(style, incident.state, incident.severity),
        style.bold("INCIDENT"),
        style.dim(format!("({})", facts.join(" · "))),
    )
}
