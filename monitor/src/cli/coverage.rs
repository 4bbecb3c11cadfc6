//! `monitor coverage`.

use std::path::Path;

use clap::Args;

use super::failure::Failure;
use super::table::{Column, Mark, Table};
use super::view::{Show, Viewing, percent};
use crate::control::rows::Covered;
use crate::sinks::json::Direction;
use crate::sinks::terminal::units;

/// Show how much of each service's traffic was understood, and why not the rest
#[derive(Debug, Args)]
pub(super) struct Coverage {
    #[command(flatten)]
    viewing: Viewing,
}

impl Coverage {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        self.viewing.run::<7, Self>(socket, "/v1/coverage")
    }
}

impl Show<7> for Coverage {
    type Row = Covered<'static>;
    const NONE: &'static str = "no connection was seen";

    fn table() -> Table<7> {
        Table::new([
            Column::text("PROCESS"),
            Column::word("DIRECTION"),
            Column::number("PORT"),
            Column::number("CONNECTIONS"),
            Column::number("PAYLOAD"),
            Column::number("UNDERSTOOD"),
            Column::text("NOT UNDERSTOOD"),
        ])
    }

    fn row(table: &mut Table<7>, row: &Covered<'_>) {
        let missed: Vec<String> = row
            .service
            .missed_bytes
            .iter()
            .map(|(reason, bytes)| format!("{reason} {}", units::bytes(*bytes)))
            .collect();
        let cells = [
            row.service.process.to_string(),
            match row.service.direction {
                Some(Direction::Inbound) => "in",
                Some(Direction::Outbound) => "out",
                Some(Direction::Local) => "local",
                None => "",
            }
            .to_owned(),
            row.service.port.map(|port| port.to_string()).unwrap_or_default(),
            row.connections.to_string(),
            units::bytes(row.service.counted_bytes),
            percent(row.service.understood_bytes, row.service.counted_bytes),
            missed.join(", "),
        ];
        let is_blind = row.service.counted_bytes > 0 && row.service.understood_bytes < row.service.counted_bytes / 2;
        table.push(if is_blind { Mark::Yellow } else { Mark::Plain }, cells);
    }
}
