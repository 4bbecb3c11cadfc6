//! `monitor explain`.

mod story;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use hyper::Method;

use super::failure::Failure;
use super::listing::{read, runtime};
use crate::control::client::ask;
use crate::control::shape::{Explained, Story};
use crate::detectors;
use crate::sinks::json::{Sample, State};
use crate::sinks::terminal::{self, Style, printable, units};

/// Characters of a sentence that are shown.
const SENTENCE: usize = 2_000;

/// Explain an alert (what was seen against what is normal) or an incident (its story, and what to do), and how to allow it
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Id of the alert or of the incident, or the beginning of it
    #[arg(value_name = "ALERT|INCIDENT", value_parser = id)]
    id: String,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        // Those of alerts are hexadecimal.
        let is_incident = self.id.starts_with("inc");
        let kind = if is_incident { "incidents" } else { "alerts" };
        let path = format!("/v1/{kind}/{}", self.id);
        let line = runtime()?.block_on(async { ask(socket, Method::GET, &path, Vec::new()).await?.line().await })?;
        let line = line.unwrap_or_default();
        let mut stdout = io::stdout().lock();
        if self.json {
            stdout.write_all(&line)?;
            return Ok(stdout.write_all(b"\n")?);
        }
        let style = Style::from_environment();
        let text = if is_incident {
            story::text(&read::<Story<'_>>(&line)?, style)
        } else {
            text(&read(&line)?, style)
        };
        Ok(stdout.write_all(text.as_bytes())?)
    }
}

/// Ids go into a path as they are.
fn id(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("an id has letters, digits and dashes; `monitor alerts` shows them".to_owned())
    }
}

fn text(explained: &Explained<'_>, style: Style) -> String {
    let alert = &explained.alert.body;
    let evidence = &alert.evidence;
    let unit = evidence.unit.as_deref();
    let state = match alert.state {
        State::New | State::Update => "open".to_owned(),
        State::Resolved => alert
            .resolved_by
            .as_deref()
            .map_or_else(|| "resolved".to_owned(), |by| format!("resolved: {by}")),
    };
    let mut text = format!(
        "{}\n{}\n\n",
        style.bold(printable(&alert.title, SENTENCE)),
        printable(&alert.summary, SENTENCE)
    );
    let mut row = |name: &str, what: &str| {
        // A `String` takes everything.
        let _ = writeln!(text, "  {name:<16} {}", printable(what, SENTENCE));
    };
    row("state", &state);
    row(
        "severity",
        &format!("{}, confidence {:.2}", alert.severity.name(), alert.confidence),
    );
    row(
        "seen",
        &format!(
            "{} to {}, {}",
            alert.first_seen.0,
            alert.last_seen.0,
            units::count(alert.count, "observation")
        ),
    );
    if let Some(actor) = &alert.actor {
        row("who", &format!("{} {}", actor.kind.name(), actor.id));
    }
    let target = &alert.target;
    for (name, value) in [
        ("to", &target.destination),
        ("endpoint", &target.endpoint),
        ("process", &target.process),
        ("file", &target.file),
    ] {
        if let Some(value) = value {
            row(name, value);
        }
    }
    if let Some(service) = &alert.service {
        row("rests on", &terminal::seen(service));
    }
    row("observed", &terminal::amount(&evidence.observed, unit));
    row("expected", &terminal::amount(&evidence.expected, unit));
    row("threshold", &terminal::amount(&evidence.threshold, unit));
    if evidence.window_s > 0 {
        row("window", &units::duration(Duration::from_secs(evidence.window_s)));
    }
    row("method", &evidence.method);
    row("not an alert", &evidence.would_not_alert);
    let references: Vec<&str> = alert
        .references
        .owasp_api
        .iter()
        .chain(&alert.references.attack)
        .map(AsRef::as_ref)
        .collect();
    if !references.is_empty() {
        row("references", &references.join(", "));
    }
    section(
        &mut text,
        style,
        "The records that show it",
        &samples(&evidence.samples, style),
    );
    if let Some(doc) = detectors::doc(&alert.detector) {
        section(&mut text, style, &format!("What {} detects", doc.name), doc.detects);
        section(&mut text, style, "Why it matters", doc.why);
        section(&mut text, style, "What else looks like this", doc.false_positives);
    }
    section(
        &mut text,
        style,
        "If this is normal",
        &printable(&explained.allow, SENTENCE),
    );
    text
}

fn samples(samples: &[Sample<'_>], style: Style) -> String {
    let lines = samples.iter().map(|sample| match sample {
        Sample::Http(line) => terminal::http(style, line.time, &line.body),
        Sample::Flow(line) => terminal::flow(style, line.time, &line.body),
        Sample::Dns(line) => terminal::dns(style, line.time, &line.body),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn section(text: &mut String, style: Style, heading: &str, body: &str) {
    if body.is_empty() {
        return;
    }
    text.push('\n');
    text.push_str(&style.bold(heading));
    text.push('\n');
    for line in body.trim().lines() {
        text.push_str("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::json::examples::{self, START};
    use crate::sinks::json::{Alert, Line, RecordType, Text};

    #[test]
    fn an_alert_is_explained_with_what_would_have_been_normal_and_the_line_to_paste() {
        let alert = examples::alert();
        let explained = Explained {
            alert: Line::new(RecordType::Alert, START, None, Alert::from(&alert)),
            allow: Text::Owned(crate::allow::allow_line(&alert)),
        };
        let text = text(&explained, Style::PLAIN);
        for needle in [
            "New destination\n",
            "  observed         pay.example.net\n",
            "  expected         db.internal\n",
            "  not an alert     A destination that was seen while learning.\n",
            "The records that show it\n  22:13:21Z flow close",
            "If this is normal\n  monitor allow unknown_destination --process /usr/bin/python3.11",
            "Why it matters\n",
        ] {
            assert!(text.contains(needle), "`{needle}` is not in\n{text}");
        }
    }

    #[test]
    fn an_id_cannot_be_another_path() {
        assert!(id("1f2e3d4c").is_ok());
        for wrong in ["", "../status", "a?b", "a b", "a%2e"] {
            assert!(id(wrong).is_err(), "{wrong}");
        }
    }
}
