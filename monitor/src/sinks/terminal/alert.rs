//! An alert for people: what, then why.

use std::fmt::Write as _;

use super::seen::seen;
use super::units;
use super::{Style, clock, printable};
use crate::sinks::json::{Alert, Quantity, Severity, State, Text, Time};

/// Characters of a sentence that are shown.
const SENTENCE: usize = 1_000;
/// Characters of a name that are shown.
const NAME: usize = 120;
/// Entries of a list that are shown.
const LIST: usize = 5;

/// One line of what, two of why, one that names it; all but the first are indented. `below` its incident that is not named.
pub fn alert(style: Style, time: Time, alert: &Alert<'_>, below: bool) -> String {
    let evidence = &alert.evidence;
    let severity = badge(style, alert.state, alert.severity);
    let more = match alert.state {
        State::New => String::new(),
        State::Update => format!(" ({} observations)", alert.count),
        State::Resolved => alert
            .resolved_by
            .as_deref()
            .map_or_else(String::new, |why| format!(" ({})", name(why))),
    };
    let what = style.bold(printable(&alert.title, NAME));
    let mut text = format!(
        "{} {severity} {what}: {}{}",
        clock(time),
        printable(&alert.summary, SENTENCE),
        style.dim(more),
    );
    if alert.state != State::Resolved {
        let unit = evidence.unit.as_deref();
        let window = match evidence.window_s {
            0 => String::new(),
            s => format!(" in {}", units::duration(std::time::Duration::from_secs(s))),
        };
        let _ = write!(
            text,
            "\n          observed {}{window}; expected {}; threshold {}",
            amount(&evidence.observed, unit),
            amount(&evidence.expected, unit),
            amount(&evidence.threshold, unit),
        );
        let _ = write!(
            text,
            "\n          not an alert: {}",
            printable(&evidence.would_not_alert, SENTENCE)
        );
    }
    text + "\n          " + &style.dim(facts(alert, below))
}

/// How bad, or that it is over.
pub(super) fn badge(style: Style, state: State, severity: Severity) -> String {
    match severity {
        _ if state == State::Resolved => style.green("RESOLVED"),
        Severity::Low => style.dim("LOW     "),
        Severity::Medium => style.yellow("MEDIUM  "),
        Severity::High => style.red("HIGH    "),
        Severity::Critical => style.red("CRITICAL"),
    }
}

/// A quantity of evidence with its unit.
pub fn amount(quantity: &Quantity<'_>, unit: Option<&str>) -> String {
    match (quantity, unit) {
        (Quantity::Number(n), Some("bytes")) if *n >= 0.0 => units::bytes(whole(*n)),
        (Quantity::Number(n), Some(unit)) => format!("{} {unit}", plain(*n)),
        (Quantity::Number(n), None) => plain(*n),
        (Quantity::Text(text), _) => name(text),
        (Quantity::List(list), _) if list.is_empty() => "nothing".to_owned(),
        (Quantity::List(list), _) => {
            let shown: Vec<String> = list.iter().take(LIST).map(|t| name(t)).collect();
            match list.len() - shown.len() {
                0 => shown.join(", "),
                more => format!("{} and {more} more", shown.join(", ")),
            }
        }
    }
}

fn facts(alert: &Alert<'_>, below: bool) -> String {
    let actor = alert
        .actor
        .as_ref()
        .map(|a| format!("{} {}", a.kind.name(), name(&a.id)));
    let target = &alert.target;
    let to = |word: &str, value: Option<&Text<'_>>| value.map(|v| format!("{word} {}", name(v)));
    [
        Some(name(&alert.detector)),
        actor,
        to("to", target.destination.as_ref()),
        to("at", target.endpoint.as_ref()),
        to("file", target.file.as_ref()),
        Some(format!("confidence {:.2}", alert.confidence)),
        alert.service.as_ref().map(seen),
        alert
            .incident
            .as_ref()
            .filter(|_| !below)
            .map(|incident| format!("of {}", name(incident))),
        Some(format!("monitor explain {}", name(&alert.id))),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" · ")
}

fn name(text: &str) -> String {
    printable(text, NAME).into_owned()
}

fn plain(n: f64) -> String {
    if n.fract() == 0.0 {
        format!("{n:.0}")
    } else {
        format!("{n:.2}")
    }
}

#[expect(clippy::cast_sign_loss, reason = "the caller has asked")]
const fn whole(n: f64) -> u64 {
    n as u64
}
