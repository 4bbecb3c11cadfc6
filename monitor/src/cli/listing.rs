//! What `flows`, `requests` and `alerts` have in common: ask for a list, show it as a table or as JSON lines, follow it.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::table::{Table, on_terminal};
use crate::config::{Moment, Period};
use crate::control::client::{Answer, ClientError, ask};
use crate::control::shape::Skipped;
use crate::sinks::json::Line;
use crate::sinks::terminal::Style;

/// Rows of a table on a terminal, unless `--limit` says otherwise.
const SCREENFUL: usize = 100;
/// Earlier lines that `--follow` begins with, unless `--since` or `--limit` says otherwise.
const LEAD_IN: usize = 10;

/// Options of every list.
#[derive(Clone, Debug, Args)]
pub(super) struct Listing {
    /// Nothing older than this: 90s, 15m, 1h, 7d, a date or a time
    #[arg(long, value_name = "DURATION|TIME", value_parser = since)]
    since: Option<String>,
    /// At most so many, the latest [default: 100 on a terminal, else all; 10 with --follow]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Go on as new ones come
    #[arg(long, short)]
    follow: bool,
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
}

/// What a kind of list looks like.
pub(super) trait Show<const N: usize> {
    /// Body of its records.
    type Body: DeserializeOwned;
    /// Its route.
    const ROUTE: &'static str;
    /// An empty table.
    fn table() -> Table<N>;
    /// Adds a row.
    fn row(table: &mut Table<N>, line: &Line<'_, Self::Body>);
    /// A record on a line of its own, for `--follow`.
    fn line(style: Style, line: &Line<'_, Self::Body>) -> String;
    /// What to say when there is none.
    const NONE: &'static str;
}

impl Listing {
    /// Asks, and shows the answer.
    pub(super) fn run<const N: usize, S: Show<N>>(&self, socket: &Path) -> Result<(), Failure> {
        runtime()?.block_on(async {
            let answer = ask(socket, Method::GET, &self.path(S::ROUTE), Vec::new()).await?;
            if self.json {
                print_json(answer).await
            } else if self.follow {
                print_lines::<N, S>(answer).await
            } else {
                self.print_table::<N, S>(answer).await
            }
        })
    }

    fn limit(&self) -> Option<usize> {
        let default = match (self.follow, &self.since) {
            (true, None) => Some(LEAD_IN),
            (false, _) if !self.json && on_terminal() => Some(SCREENFUL),
            (true, Some(_)) | (false, _) => None,
        };
        self.limit.or(default)
    }

    fn path(&self, route: &str) -> String {
        let mut parameters = Vec::new();
        if let Some(since) = &self.since {
            parameters.push(format!("since={}", since.replace('+', "%2B")));
        }
        if let Some(limit) = self.limit() {
            parameters.push(format!("limit={limit}"));
        }
        if self.follow {
            parameters.push("follow=true".to_owned());
        }
        format!("{route}?{}", parameters.join("&"))
    }

    async fn print_table<const N: usize, S: Show<N>>(&self, mut answer: Answer) -> Result<(), Failure> {
        let mut table = S::table();
        while let Some(line) = answer.line().await? {
            S::row(&mut table, &read(&line)?);
        }
        if table.len() == 0 {
            return Ok(writeln!(io::stdout().lock(), "{}", S::NONE)?);
        }
        table.print()?;
        if self.limit.is_none() && self.limit() == Some(table.len()) {
            eprintln!("the latest {}; --limit N shows more", table.len());
        }
        Ok(())
    }
}

async fn print_json(mut answer: Answer) -> Result<(), Failure> {
    while let Some(mut line) = answer.line().await? {
        line.extend_from_slice(b"\n");
        let mut stdout = io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.flush()?;
    }
    Ok(())
}

async fn print_lines<const N: usize, S: Show<N>>(mut answer: Answer) -> Result<(), Failure> {
    let style = Style::from_environment();
    while let Some(line) = answer.line().await? {
        if let Ok(skipped) = serde_json::from_slice::<Skipped>(&line) {
            eprintln!("{} records came too fast to be shown", skipped.count);
            continue;
        }
        let text = S::line(style, &read(&line)?);
        writeln!(io::stdout().lock(), "{text}")?;
    }
    Ok(())
}

/// Reads a line of the daemon's.
pub(super) fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, ClientError> {
    serde_json::from_slice(line).map_err(|error| ClientError::Garbled(error.to_string()))
}

/// For one question.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Checked here, so that a slip is a usage error.
fn since(text: &str) -> Result<String, String> {
    if text.parse::<Period>().is_ok() || text.parse::<Moment>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("write 90s, 15m, 1h or 7d, or a time like 2026-11-27T00:00:00Z".to_owned())
    }
}
