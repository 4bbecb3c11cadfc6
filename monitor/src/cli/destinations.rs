//! `monitor destinations`.

use std::path::Path;

use clap::Args;

use super::failure::Failure;
use super::table::{Column, Mark, Table};
use super::view::{Show, Viewing};
use crate::control::rows::Destination;
use crate::sinks::terminal::{self, units};

/// Show where the programs of this host connect to, and how much goes there
#[derive(Debug, Args)]
pub(super) struct Destinations {
    #[command(flatten)]
    viewing: Viewing,
}

impl Destinations {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        self.viewing.run::<8, Self>(socket, "/v1/destinations")
    }
}

impl Show<8> for Destinations {
    type Row = Destination<'static>;
    const NONE: &'static str = "no program has connected to another host";

    fn table() -> Table<8> {
        Table::new([
            Column::text("PROCESS"),
            Column::text("DESTINATION"),
            Column::number("PORT"),
            Column::number("FLOWS"),
            Column::number("OPEN"),
            Column::number("SENT"),
            Column::number("RECEIVED"),
            Column::word("LAST"),
        ])
    }

    fn row(table: &mut Table<8>, row: &Destination<'_>) {
        let mark = if row.whereabouts.listed.is_some() {
            Mark::Red
        } else {
            Mark::Plain
        };
        let cells = [
            row.process.to_string(),
            row.destination.to_string(),
            row.port.to_string(),
            row.flows.to_string(),
            row.open.to_string(),
            units::bytes(row.bytes_sent),
            units::bytes(row.bytes_received),
            terminal::date_and_clock(row.last_seen),
        ];
        table.push(mark, cells);
    }
}
