//! `monitor alerts`.

use std::path::Path;

use clap::Args;

use super::failure::Failure;
use super::listing::{Listing, Show};
use super::table::{Column, Mark, Table};
use crate::sinks::json::{Alert, Line, Severity, State};
use crate::sinks::terminal::{self, Style};

/// Show the alerts that are open, and the latest that were resolved
#[derive(Debug, Args)]
pub(super) struct Alerts {
    #[command(flatten)]
    listing: Listing,
}

impl Alerts {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        self.listing.run::<7, Self>(socket)
    }
}

impl Show<7> for Alerts {
    type Body = Alert<'static>;
    const ROUTE: &'static str = "/v1/alerts";
    const NONE: &'static str = "no alert";

    fn table() -> Table<7> {
        Table::new([
            Column::word("ID"),
            Column::word("LAST SEEN"),
            Column::word("STATE"),
            Column::word("SEVERITY"),
            Column::word("DETECTOR"),
            Column::number("COUNT"),
            Column::text("SUMMARY"),
        ])
    }

    fn row(table: &mut Table<7>, line: &Line<'_, Self::Body>) {
        let alert = &line.body;
        let (state, mark) = match (alert.state, alert.severity) {
            (State::Resolved, _) => ("resolved", Mark::Dim),
            (State::New | State::Update, Severity::High | Severity::Critical) => ("open", Mark::Red),
            (State::New | State::Update, Severity::Medium) => ("open", Mark::Yellow),
            (State::New | State::Update, Severity::Low) => ("open", Mark::Plain),
        };
        let cells = [
            alert.id.to_string(),
            terminal::date_and_clock(alert.last_seen),
            state.to_owned(),
            alert.severity.name().to_owned(),
            alert.detector.to_string(),
            alert.count.to_string(),
            alert.summary.to_string(),
        ];
        table.push(mark, cells);
    }

    fn line(style: Style, line: &Line<'_, Self::Body>) -> String {
        terminal::alert(style, line.time, &line.body, false)
    }
}
