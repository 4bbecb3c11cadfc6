//! `monitor expect`.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::{Args, Subcommand};
use hyper::Method;

use super::allow::{id, now};
use super::failure::Failure;
use super::listing::{read, runtime};
use super::table::{Column, Mark, Table};
use crate::config::Moment;
use crate::control::client::{Answer, ask};
use crate::control::shape::{Expected, RuleOrigin};
use crate::expected::ExpectedEvent;
use crate::pattern::Glob;
use crate::sinks::terminal::units;

/// Tell the daemon of a promotion, a deploy or a migration: what is unusual then raises no alert
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Expect {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    event: Option<Event>,
    /// JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the events, and how much each covered
    List,
    /// Remove an event that was added here
    Remove {
        /// Id of the event, as `list` shows it
        #[arg(value_parser = id)]
        id: String,
    },
}

#[derive(Clone, Debug, Args)]
struct Event {
    /// When it begins
    #[arg(long, value_name = "DATE|TIME")]
    from: Moment,
    /// When it is over
    #[arg(long, value_name = "DATE|TIME")]
    until: Moment,
    /// Endpoint, as alerts show it (`POST /orders*`)
    #[arg(long)]
    endpoint: Option<Glob>,
    /// Path of the request or of a file
    #[arg(long)]
    path: Option<Glob>,
    /// What it is
    #[arg(long, value_name = "TEXT")]
    comment: String,
}

impl Expect {
    pub(super) fn run(self, socket: &Path) -> Result<(), Failure> {
        runtime()?.block_on(async {
            match (self.action, self.event) {
                (Some(Action::List), _) => {
                    list(ask(socket, Method::GET, "/v1/expected", Vec::new()).await?, self.json).await
                }
                (Some(Action::Remove { id }), _) => {
                    let answer = ask(socket, Method::DELETE, &format!("/v1/expected/{id}"), Vec::new()).await?;
                    changed(answer, self.json, "removed").await
                }
                (None, Some(event)) => {
                    let event = event.meant()?;
                    let body = serde_json::to_vec(&event).context("the event cannot be written as JSON")?;
                    changed(
                        ask(socket, Method::POST, "/v1/expected", body).await?,
                        self.json,
                        "added",
                    )
                    .await
                }
                (None, None) => Err(Failure::Usage(
                    "give --from, --until and --comment; or use `list` or `remove`".to_owned(),
                )),
            }
        })
    }
}

impl Event {
    fn meant(self) -> Result<ExpectedEvent, Failure> {
        if self.until <= self.from {
            return Err(Failure::Usage(format!(
                "the event until {} is over before it begins at {}",
                self.until, self.from
            )));
        }
        Ok(ExpectedEvent {
            from: self.from,
            until: self.until,
            endpoint: self.endpoint,
            path: self.path,
            comment: self.comment,
        })
    }
}

async fn changed(mut answer: Answer, json: bool, what: &str) -> Result<(), Failure> {
    let line = answer.line().await?.unwrap_or_default();
    let mut stdout = io::stdout().lock();
    if json {
        stdout.write_all(&line)?;
        return Ok(stdout.write_all(b"\n")?);
    }
    let expected: Expected<'_> = read(&line)?;
    let ended = match expected.resolved {
        Some(n) if n > 0 => format!("; {} resolved", units::count(n, "open alert")),
        Some(_) | None => String::new(),
    };
    Ok(writeln!(stdout, "{} {what}{ended}", expected.id)?)
}

async fn list(mut answer: Answer, json: bool) -> Result<(), Failure> {
    let mut all = Vec::new();
    while let Some(line) = answer.line().await? {
        if json {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&line)?;
            stdout.write_all(b"\n")?;
        } else {
            all.push(read::<Expected<'_>>(&line).map(into_owned)?);
        }
    }
    match (json, all.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => Ok(writeln!(io::stdout().lock(), "no event")?),
        (false, false) => Ok(table(&all, Moment(now()?)).print()?),
    }
}

fn into_owned(read: Expected<'_>) -> Expected<'static> {
    Expected {
        id: read.id.into_owned().into(),
        origin: read.origin,
        event: read.event,
        covered: read.covered,
        resolved: read.resolved,
    }
}

/// What is expected, and how it goes. What is over stands dim.
pub(super) fn table(events: &[Expected<'_>], now: Moment) -> Table<7> {
    let mut table = Table::new([
        Column::word("EXPECTED"),
        Column::word("SET BY"),
        Column::word("FROM"),
        Column::word("UNTIL"),
        Column::text("WHAT"),
        Column::number("COVERED"),
        Column::text("COMMENT"),
    ]);
    for expected in events {
        let ExpectedEvent {
            from,
            until,
            endpoint,
            path,
            comment,
        } = &expected.event;
        let set_by = match expected.origin {
            RuleOrigin::Config => "config",
            RuleOrigin::Command => "command",
        };
        let what: Vec<String> = [("endpoint", endpoint), ("path", path)]
            .into_iter()
            .filter_map(|(name, glob)| Some(format!("{name}={}", glob.as_ref()?.as_str())))
            .collect();
        let what = if what.is_empty() {
            "everything".to_owned()
        } else {
            what.join(" ")
        };
        let cells = [
            expected.id.to_string(),
            set_by.to_owned(),
            from.to_string(),
            until.to_string(),
            what,
            expected.covered.to_string(),
            comment.clone(),
        ];
        table.push(if *until <= now { Mark::Dim } else { Mark::Plain }, cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::json::Text;
    use crate::sinks::terminal::Style;

    #[test]
    fn events_are_a_table() {
        let event = |path: Option<&str>| ExpectedEvent {
            from: "2026-11-27".parse().unwrap(),
            until: "2026-11-28".parse().unwrap(),
            endpoint: path.map(|_| "POST /orders*".parse().unwrap()),
            path: path.map(|path| path.parse().unwrap()),
            comment: "promotion".to_owned(),
        };
        let events: Vec<_> = [event(None), event(Some("/a"))]
            .into_iter()
            .map(|event| Expected {
                id: Text::Owned(event.id()),
                origin: RuleOrigin::Command,
                event,
                covered: 3,
                resolved: None,
            })
            .collect();
        let text = table(&events, "2026-11-27".parse().unwrap()).render(None, Style::PLAIN);
        for needle in [
            "everything",
            "endpoint=POST /orders* path=/a",
            "promotion",
            "2026-11-28T00:00:00",
        ] {
            assert!(text.contains(needle), "{needle} is not in\n{text}");
        }
    }

    #[test]
    fn an_event_that_never_is_is_a_mistake() {
        let event = Event {
            from: "2026-11-28".parse().unwrap(),
            until: "2026-11-27".parse().unwrap(),
            endpoint: None,
            path: None,
            comment: String::new(),
        };
        assert!(matches!(event.meant(), Err(Failure::Usage(_))));
    }
}
