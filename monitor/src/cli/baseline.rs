//! `monitor baseline`.

mod learn;
pub(super) mod rows;
mod show;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use hyper::Method;

use super::failure::Failure;
use super::listing::{print_json, read, runtime};
use crate::config::Moment;
use crate::control::client::ask;
use crate::control::shape::{BaselineChanged, BaselineOf, Forget};
use crate::detectors::DetectorName;
use crate::sinks::terminal::units;

/// What the daemon holds for normal: show it, take it elsewhere, forget some of it
#[derive(Debug, Args)]
pub(super) struct Baseline {
    #[command(subcommand)]
    action: Action,
    /// JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    Show(show::Show),
    Learn(learn::Learn),
    /// Write what was learned to standard output, as JSON lines
    Export {
        /// Only this detector's
        detector: Option<DetectorName>,
    },
    /// Take in what `export` wrote: it takes the place of what the detectors in it have learned
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
    },
    /// Forget what was first seen in a time, such as during an attack that went unnoticed
    Forget {
        /// Only this detector's
        detector: Option<DetectorName>,
        /// What was first seen from here on
        #[arg(long, value_name = "DATE|TIME")]
        from: Moment,
        /// Until before here; until now without it
        #[arg(long, visible_alias = "until", value_name = "DATE|TIME")]
        to: Option<Moment>,
    },
    /// Forget all, and learn anew
    Reset {
        /// Only this detector's
        #[arg(required_unless_present = "all")]
        detector: Option<DetectorName>,
        /// Every detector's
        #[arg(long, conflicts_with = "detector")]
        all: bool,
    },
}

impl Baseline {
    pub(super) fn run(self, socket: &Path) -> Result<(), Failure> {
        let json = self.json;
        let runtime = runtime()?;
        runtime.block_on(async {
            match self.action {
                Action::Learn(learn) => learn.run(socket, json).await,
                Action::Show(show) => show.run(socket, json).await,
                Action::Export { detector } => export(socket, detector).await,
                Action::Import { file } => import(socket, &file, json).await,
                Action::Forget { detector, from, to } => {
                    let from = Some(from);
                    forget(
                        socket,
                        &Forget {
                            detector,
                            from,
                            until: to,
                        },
                        json,
                    )
                    .await
                }
                Action::Reset { detector, all: _ } => {
                    let all = Forget {
                        detector,
                        ..Forget::default()
                    };
                    forget(socket, &all, json).await
                }
            }
        })
    }
}

async fn export(socket: &Path, detector: Option<DetectorName>) -> Result<(), Failure> {
    let mut names = Vec::new();
    if let Some(name) = detector {
        names.push(name.as_str().to_owned());
    } else {
        let mut answer = ask(socket, Method::GET, "/v1/baseline", Vec::new()).await?;
        while let Some(line) = answer.line().await? {
            names.push(read::<BaselineOf<'_>>(&line)?.detector.to_string());
        }
    }
    for name in names {
        // One that this version does not have is of no use to any other either.
        if name.parse::<DetectorName>().is_ok() {
            print_json(ask(socket, Method::GET, &format!("/v1/baseline/{name}"), Vec::new()).await?).await?;
        }
    }
    Ok(())
}

async fn import(socket: &Path, file: &Path, json: bool) -> Result<(), Failure> {
    let cannot = || format!("cannot import {}", file.display());
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).with_context(cannot)?)
    };
    // All of it is looked at before any of it is sent.
    let bodies = rows::sorted(BufReader::new(input)).with_context(cannot)?;
    if bodies.is_empty() {
        return Err(Failure::Failed(anyhow!("{} holds no row", file.display())));
    }
    for (name, body) in bodies {
        let path = format!("/v1/baseline/{name}");
        let line = ask(socket, Method::PUT, &path, body).await?.line().await?;
        changed(&line.unwrap_or_default(), json, &format!("{name}: taken in"))?;
    }
    Ok(())
}

async fn forget(socket: &Path, forget: &Forget, json: bool) -> Result<(), Failure> {
    let body = serde_json::to_vec(forget).context("it cannot be written as JSON")?;
    let mut answer = ask(socket, Method::POST, "/v1/baseline/forget", body).await?;
    let line = answer.line().await?.unwrap_or_default();
    changed(&line, json, "forgotten")
}

fn changed(line: &[u8], json: bool, what: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    if json {
        stdout.write_all(line)?;
        return Ok(stdout.write_all(b"\n")?);
    }
    let changed: BaselineChanged = read(line)?;
    Ok(writeln!(stdout, "{what}: {}", units::count(changed.rows, "row"))?)
}
