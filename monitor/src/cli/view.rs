//! What `endpoints`, `identities`, `destinations`, `coverage` and `compare` have in common: ask for the rows of a view and
//! show them as a table or as JSON lines.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use hyper::Method;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::listing::{print_json, read, runtime};
use super::table::{Table, on_terminal};
use crate::control::client::ask;

/// Rows on a terminal, unless `--limit` says otherwise.
const SCREENFUL: usize = 40;

/// Options of every view.
#[derive(Clone, Debug, Args)]
pub(super) struct Viewing {
    /// At most so many rows, the largest [default: 40 on a terminal, else all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
}

/// What a view looks like.
pub(super) trait Show<const N: usize> {
    /// Its rows.
    type Row: DeserializeOwned;
    /// What to say when there is none.
    const NONE: &'static str;
    /// An empty table.
    fn table() -> Table<N>;
    /// Adds a row.
    fn row(table: &mut Table<N>, row: &Self::Row);
}

impl Viewing {
    /// Asks at `route`, and shows the answer.
    pub(super) fn run<const N: usize, S: Show<N>>(&self, socket: &Path, route: &str) -> Result<(), Failure> {
        let shown = self
            .limit
            .or_else(|| (!self.json && on_terminal()).then_some(SCREENFUL));
        let path = match shown {
            // One more, to know whether there are more.
            Some(limit) if self.limit.is_none() => format!("{route}?limit={}", limit + 1),
            Some(limit) => format!("{route}?limit={limit}"),
            None => route.to_owned(),
        };
        runtime()?.block_on(async {
            let mut answer = ask(socket, Method::GET, &path, Vec::new()).await?;
            if self.json {
                return print_json(answer).await;
            }
            let mut table = S::table();
            let mut left = 0;
            while let Some(line) = answer.line().await? {
                if shown.is_some_and(|shown| table.len() >= shown) {
                    left += 1;
                } else {
                    S::row(&mut table, &read(&line)?);
                }
            }
            if table.len() == 0 {
                return Ok(writeln!(io::stdout().lock(), "{}", S::NONE)?);
            }
            table.print()?;
            if left > 0 {
                eprintln!("the largest {}; --limit N shows more", table.len());
            }
            Ok(())
        })
    }
}

/// Part of a whole, for people: `97 %`, `0.3 %`, nothing of nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    if percent > 0.0 && percent < 1.0 {
        format!("{percent:.1} %")
    } else if part < whole && percent > 99.0 {
        // Not all is not 100 %.
        format!("{:.1} %", percent.min(99.9))
    } else {
        format!("{percent:.0} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        for (part, whole, text) in [
            (0, 0, ""),
            (0, 5, "0 %"),
            (1, 1_000, "0.1 %"),
            (97, 100, "97 %"),
            (99_999, 100_000, "99.9 %"),
            (5, 5, "100 %"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
    }
}
