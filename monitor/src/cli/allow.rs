//! `monitor allow`.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Args, Subcommand};
use hyper::Method;

use super::failure::Failure;
use super::listing::{read, runtime};
use super::table::{Column, Mark, Table};
use crate::allow::AllowRule;
use crate::config::{Moment, Period};
use crate::control::client::{Answer, ask};
use crate::control::shape::{Allowed, RuleOrigin};
use crate::detectors::DetectorName;
use crate::pattern::{Glob, Place};
use crate::sinks::terminal::units;
use crate::time::Timestamp;

/// Teach the daemon what is normal: a rule covers what agrees with all that it names
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Allow {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    rule: Option<Rule>,
    /// JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the rules in force
    List,
    /// Remove a rule that was added here
    Remove {
        /// Id of the rule, as `list` shows it
        #[arg(value_parser = id)]
        id: String,
    },
}

#[derive(Clone, Debug, Args)]
struct Rule {
    /// Whose alerts, or `-` for any detector's
    #[arg(value_name = "DETECTOR|-", value_parser = detector)]
    detector: Detector,
    /// Who: an address, a network, an account, a fingerprint
    #[arg(long)]
    actor: Option<Place>,
    /// Where to: a name (`*.example.com`), an address or a network
    #[arg(long)]
    destination: Option<Place>,
    /// Endpoint, as alerts show it
    #[arg(long)]
    endpoint: Option<Glob>,
    /// Path of the executable
    #[arg(long)]
    process: Option<Glob>,
    /// Path of a file or of the request
    #[arg(long)]
    path: Option<Glob>,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
    duration: Option<Period>,
    /// Until when
    #[arg(long, value_name = "DATE|TIME")]
    until: Option<Moment>,
    /// Why this is normal
    #[arg(long, value_name = "TEXT")]
    comment: String,
}

#[derive(Clone, Copy, Debug)]
enum Detector {
    Any,
    One(DetectorName),
}

impl Allow {
    pub(super) fn run(self, socket: &Path) -> Result<(), Failure> {
        runtime()?.block_on(async {
            match (self.action, self.rule) {
                (Some(Action::List), _) => {
                    list(ask(socket, Method::GET, "/v1/allow", Vec::new()).await?, self.json).await
                }
                (Some(Action::Remove { id }), _) => {
                    let answer = ask(socket, Method::DELETE, &format!("/v1/allow/{id}"), Vec::new()).await?;
                    changed(answer, self.json, "removed").await
                }
                (None, Some(rule)) => {
                    let rule = rule.meant(now()?);
                    if !rule.names_something() {
                        return Err(Failure::Usage(
                            "the rule would allow everything: name a detector, or use --actor, --destination, \
                             --endpoint, --process or --path"
                                .to_owned(),
                        ));
                    }
                    let body = serde_json::to_vec(&rule).context("the rule cannot be written as JSON")?;
                    changed(ask(socket, Method::POST, "/v1/allow", body).await?, self.json, "added").await
                }
                (None, None) => Err(Failure::Usage(
                    "name a detector, or `-`; or use `list` or `remove`".to_owned(),
                )),
            }
        })
    }
}

impl Rule {
    fn meant(self, now: Timestamp) -> AllowRule {
        AllowRule {
            detector: match self.detector {
                Detector::Any => None,
                Detector::One(name) => Some(name),
            },
            actor: self.actor,
            destination: self.destination,
            endpoint: self.endpoint,
            process: self.process,
            path: self.path,
            until: self.until.or_else(|| self.duration.map(|period| Moment(now + *period))),
            comment: self.comment,
        }
    }
}

async fn changed(mut answer: Answer, json: bool, what: &str) -> Result<(), Failure> {
    let line = answer.line().await?.unwrap_or_default();
    let mut stdout = io::stdout().lock();
    if json {
        stdout.write_all(&line)?;
        return Ok(stdout.write_all(b"\n")?);
    }
    let allowed: Allowed<'_> = read(&line)?;
    let ended = match allowed.resolved {
        Some(n) if n > 0 => format!("; {} resolved", units::count(n, "open alert")),
        Some(_) | None => String::new(),
    };
    Ok(writeln!(stdout, "{} {what}{ended}", allowed.id)?)
}

async fn list(mut answer: Answer, json: bool) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::word("ID"),
        Column::word("FROM"),
        Column::text("WHAT"),
        Column::word("UNTIL"),
        Column::text("COMMENT"),
    ]);
    let now = Moment(now()?);
    while let Some(line) = answer.line().await? {
        if json {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&line)?;
            stdout.write_all(b"\n")?;
            continue;
        }
        let allowed: Allowed<'_> = read(&line)?;
        let over = allowed.rule.until.is_some_and(|until| until <= now);
        let from = match allowed.origin {
            RuleOrigin::Config => "config",
            RuleOrigin::Command => "command",
        };
        let cells = [
            allowed.id.to_string(),
            from.to_owned(),
            covered(&allowed.rule),
            allowed.rule.until.map(|until| until.to_string()).unwrap_or_default(),
            allowed.rule.comment.clone(),
        ];
        table.push(if over { Mark::Dim } else { Mark::Plain }, cells);
    }
    if !json && table.len() == 0 {
        writeln!(io::stdout().lock(), "no rule")?;
    } else if !json {
        table.print()?;
    }
    Ok(())
}

fn covered(rule: &AllowRule) -> String {
    let AllowRule {
        detector,
        actor,
        destination,
        endpoint,
        process,
        path,
        until: _,
        comment: _,
    } = rule;
    let named = |name: &str, value: Option<String>| value.map(|value| format!("{name}={value}"));
    let glob = |glob: &Option<Glob>| glob.as_ref().map(|glob| glob.as_str().to_owned());
    [
        detector.map(|name| name.as_str().to_owned()),
        named("actor", actor.as_ref().map(Place::text)),
        named("destination", destination.as_ref().map(Place::text)),
        named("endpoint", glob(endpoint)),
        named("process", glob(process)),
        named("path", glob(path)),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}

pub(super) fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970: set it")?;
    Ok(Timestamp::ZERO + since)
}

fn detector(text: &str) -> Result<Detector, String> {
    match text {
        "-" => Ok(Detector::Any),
        name => name.parse().map(Detector::One).map_err(|error| format!("{error}")),
    }
}

/// Ids go into a path as they are.
pub(super) fn id(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !text.is_empty() && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("an id has letters, digits and dashes; `list` shows them".to_owned())
    }
}
