//! An incident as a story: what, who, when, what to do.

use std::fmt::Write as _;

use super::{SENTENCE, section};
use crate::control::shape::Story;
use crate::sinks::json::{Incident, State};
use crate::sinks::terminal::{Style, date_and_clock, printable, seen, units};

/// Actors and targets that are shown, each.
const LISTED: usize = 12;

pub(super) fn text(story: &Story<'_>, style: Style) -> String {
    let incident = &story.incident.body;
    let mut text = format!(
        "{}\n{}\n\n",
        style.bold(printable(&incident.title, SENTENCE)),
        printable(&incident.summary, SENTENCE)
    );
    for (name, what) in facts(incident) {
        // A `String` takes everything.
        let _ = writeln!(text, "  {name:<16} {}", printable(&what, SENTENCE));
    }
    section(&mut text, style, "What happened", &timeline(story));
    section(
        &mut text,
        style,
        "What to do next",
        &printable(&incident.advice, SENTENCE),
    );
    section(&mut text, style, "If this is normal", &printable_lines(&story.allow));
    text
}

fn facts(incident: &Incident<'_>) -> Vec<(&'static str, String)> {
    let state = match (&incident.merged_into, &incident.resolved_by, incident.state) {
        (Some(other), ..) => format!("goes on as {other}"),
        (None, Some(why), _) => format!("resolved: {why}"),
        (None, None, State::Resolved) => "resolved".to_owned(),
        (None, None, State::New | State::Update) => "open".to_owned(),
    };
    let pillars = &incident.pillars;
    let mut facts = vec![
        ("state", state),
        (
            "severity",
            format!("{}, score {:.2}", incident.severity.name(), incident.score),
        ),
        (
            "pillars",
            format!(
                "credentials {:.2}, tools {:.2}, infrastructure {:.2}, behavior {:.2}",
                pillars.credentials, pillars.tools, pillars.infrastructure, pillars.behavior
            ),
        ),
        (
            "seen",
            format!(
                "{} to {}, {}",
                incident.first_seen.0,
                incident.last_seen.0,
                units::count(incident.count, "observation")
            ),
        ),
    ];
    if let Some(seconds) = incident.reaction_s {
        facts.push(("reacted", format!("{seconds:.0} s after it was refused or blocked")));
    }
    let who = incident
        .actors
        .iter()
        .map(|actor| format!("{} {}", actor.kind.name(), actor.id));
    facts.extend(some(who).map(|who| ("who", who)));
    let targets = incident.targets.iter().flat_map(|target| {
        [&target.endpoint, &target.destination, &target.process, &target.file]
            .into_iter()
            .flatten()
            .map(ToString::to_string)
    });
    facts.extend(some(targets).map(|targets| ("what", targets)));
    facts.extend(incident.services.iter().map(|service| ("rests on", seen(service))));
    facts
}

/// Some of these, each once, and how many more there are.
fn some(names: impl Iterator<Item = String>) -> Option<String> {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let more = known.len().saturating_sub(LISTED);
    known.truncate(LISTED);
    match (known.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(known.join(", ")),
        (false, more) => Some(format!("{} and {more} more", known.join(", "))),
    }
}

/// A line an alert.
fn timeline(story: &Story<'_>) -> String {
    let lines = story.alerts.iter().map(|line| {
        let alert = &line.body;
        format!(
            "{}  {:<8} {}: {} ({}, monitor explain {})",
            date_and_clock(alert.first_seen),
            alert.severity.name(),
            printable(&alert.title, SENTENCE),
            printable(&alert.summary, SENTENCE),
            printable(&alert.detector, SENTENCE),
            printable(&alert.id, SENTENCE),
        )
    });
    let mut lines: Vec<String> = lines.collect();
    let known = story.incident.body.alerts.len() as u64 + story.incident.body.left_out;
    let missing = known.saturating_sub(lines.len() as u64);
    if missing > 0 {
        lines.push(format!(
            "and {} that ended too long ago",
            units::count(missing, "alert")
        ));
    }
    lines.join("\n")
}

fn printable_lines<T: AsRef<str>>(lines: &[T]) -> String {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| printable(line.as_ref(), SENTENCE).into_owned())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::json::examples::{self, START};
    use crate::sinks::json::{Alert, Incident, Line, RecordType, Text};

    #[test]
    fn an_incident_is_told_as_a_story_with_what_to_do_and_the_lines_to_paste() {
        let (alert, incident) = (examples::alert(), examples::incident());
        let story = Story {
            incident: Line::new(RecordType::Incident, START, None, Incident::from(&incident)),
            alerts: vec![Line::new(RecordType::Alert, START, None, Alert::from(&alert))],
            allow: vec![Text::Owned(crate::allow::allow_line(&alert))],
        };
        let text = text(&story, Style::PLAIN);
        for needle in [
            "a new destination, then exfiltration against pay.example.net\n",
            "  severity         critical, score 0.91\n",
            "behavior 0.75\n",
            "  reacted          40 s after it was refused or blocked\n",
            "  who              process /usr/bin/python3.11\n",
            "What happened\n  2023-11-14 22:13:20Z  high     New destination: python3.11 sent",
            "  rests on         bytes exact, 97 % of python3 on port 443 seen (encrypted 3 %)\n",
            "and 4 alerts that ended too long ago",
            "What to do next\n  Cut this host off from pay.example.net.\n",
            "If this is normal\n  monitor allow unknown_destination --process",
        ] {
            assert!(text.contains(needle), "`{needle}` is not in\n{text}");
        }
    }
}
