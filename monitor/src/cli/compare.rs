//! `monitor compare`.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::table::{Column, Mark, Table};
use super::view::{Show, Viewing, percent};
use crate::control::rows::Compared;

/// Show what those that alerts name have in common, beside all others: since their first alert
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// By what
    by: By,
    #[command(flatten)]
    viewing: Viewing,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Agents,
    Organizations,
    Fingerprints,
}

impl Compare {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        let by = match self.by {
            By::Agents => "agents",
            By::Organizations => "organizations",
            By::Fingerprints => "fingerprints",
        };
        self.viewing.run::<5, Self>(socket, &format!("/v1/compare/{by}"))
    }
}

impl Show<5> for Compare {
    type Row = Compared<'static>;
    const NONE: &'static str = "no alert has named a client since the start, so there is nothing to compare";

    fn table() -> Table<5> {
        Table::new([
            Column::text("VALUE"),
            Column::number("FLAGGED"),
            Column::number("REFUSED"),
            Column::number("OTHERS"),
            Column::number("REFUSED"),
        ])
    }

    fn row(table: &mut Table<5>, row: &Compared<'_>) {
        // What the flagged alone have.
        let mark = if row.flagged > 0 && row.rest == 0 {
            Mark::Yellow
        } else {
            Mark::Plain
        };
        let cells = [
            row.value.to_string(),
            row.flagged.to_string(),
            percent(row.flagged_refused, row.flagged),
            row.rest.to_string(),
            percent(row.rest_refused, row.rest),
        ];
        table.push(mark, cells);
    }
}
