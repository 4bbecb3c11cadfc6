//! `monitor incidents`.

use std::path::Path;

use clap::Args;

use super::failure::Failure;
use super::listing::{Listing, Show};
use super::table::{Column, Mark, Table};
use crate::sinks::json::{Incident, Line, Severity, State};
use crate::sinks::terminal::{self, Style};

/// Show the incidents that go on, and the latest that were resolved
#[derive(Debug, Args)]
pub(super) struct Incidents {
    #[command(flatten)]
    listing: Listing,
}

impl Incidents {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        self.listing.run::<7, Self>(socket)
    }
}

impl Show<7> for Incidents {
    type Body = Incident<'static>;
    const ROUTE: &'static str = "/v1/incidents";
    const NONE: &'static str = "no incident";

    fn table() -> Table<7> {
        Table::new([
            Column::word("ID"),
            Column::word("LAST SEEN"),
            Column::word("STATE"),
            Column::word("SEVERITY"),
            Column::number("SCORE"),
            Column::number("ALERTS"),
            Column::text("TITLE"),
        ])
    }

    fn row(table: &mut Table<7>, line: &Line<'_, Self::Body>) {
        let incident = &line.body;
        let (state, mark) = match (incident.state, incident.severity) {
            (State::Resolved, _) if incident.merged_into.is_some() => ("merged", Mark::Dim),
            (State::Resolved, _) => ("resolved", Mark::Dim),
            (State::New | State::Update, Severity::High | Severity::Critical) => ("open", Mark::Red),
            (State::New | State::Update, Severity::Medium) => ("open", Mark::Yellow),
            (State::New | State::Update, Severity::Low) => ("open", Mark::Plain),
        };
        let cells = [
            incident.id.to_string(),
            terminal::date_and_clock(incident.last_seen),
            state.to_owned(),
            incident.severity.name().to_owned(),
            format!("{:.2}", incident.score),
            incident.alerts.len().to_string(),
            incident.title.to_string(),
        ];
        table.push(mark, cells);
    }

    fn line(style: Style, line: &Line<'_, Self::Body>) -> String {
        terminal::incident(style, line.time, &line.body)
    }
}
