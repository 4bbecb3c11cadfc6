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

/// Passes lines on.
pub(super) async fn print_json(mut answer: Answer) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::alerts::Alerts;
    use crate::cli::flows::Flows;
    use crate::cli::requests::Requests;
    use crate::record::Record;
    use crate::sinks::json::{RecordType, examples, write_record};

    /// The table of the example records of this type, as the command line reads them from the daemon.
    fn table<const N: usize, S: Show<N>>(kind: RecordType, width: usize) -> String {
        let mut table = S::table();
        let of_kind = |record: &Record| RecordType::of(&record.body) == kind;
        for record in examples::every().into_iter().filter(of_kind) {
            let mut line = Vec::new();
            write_record(&mut line, &record, record.time, Some("api-1")).unwrap();
            S::row(&mut table, &read(&line).unwrap());
        }
        table.render(Some(width), Style::PLAIN)
    }

    #[test]
    fn lists_are_tables() {
        let flows = table::<10, Flows>(RecordType::Flow, 120);
        let requests = table::<10, Requests>(RecordType::Http, 100);
        let alerts = table::<7, Alerts>(RecordType::Alert, 110);
        insta::assert_snapshot!(format!("{flows}\n{requests}\n{alerts}"));
    }

    #[track_caller]
    fn check(listing: &Listing, path: &str) {
        assert_eq!(listing.path("/v1/requests"), path);
    }

    #[test]
    fn what_is_asked_for_is_in_the_path() {
        let json = Listing {
            since: None,
            limit: None,
            follow: false,
            json: true,
        };
        check(&json, "/v1/requests?");
        let since = Some("2026-11-27T00:00:00+01:00".to_owned());
        check(
            &Listing {
                since: since.clone(),
                follow: true,
                ..json.clone()
            },
            "/v1/requests?since=2026-11-27T00:00:00%2B01:00&follow=true",
        );
        check(
            &Listing {
                follow: true,
                ..json.clone()
            },
            "/v1/requests?limit=10&follow=true",
        );
        check(
            &Listing {
                limit: Some(3),
                since,
                ..json
            },
            "/v1/requests?since=2026-11-27T00:00:00%2B01:00&limit=3",
        );
    }
}
