//! `monitor identities`.

use std::path::Path;

use clap::Args;

use super::failure::Failure;
use super::table::{Column, Mark, Table};
use super::view::{Show, Viewing, percent};
use crate::control::rows::Identity;
use crate::sinks::terminal;

/// Show who asks: keys, tokens, accounts, sessions since the start
#[derive(Debug, Args)]
pub(super) struct Identities {
    #[command(flatten)]
    viewing: Viewing,
}

impl Identities {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        self.viewing.run::<8, Self>(socket, "/v1/identities")
    }
}

impl Show<8> for Identities {
    type Row = Identity<'static>;
    const NONE: &'static str = "no identity was seen";

    fn table() -> Table<8> {
        Table::new([
            Column::word("KIND"),
            Column::text("IDENTITY"),
            Column::number("REQUESTS"),
            Column::number("REFUSED"),
            Column::number("ADDRESSES"),
            Column::text("LATEST"),
            Column::text("WHERE"),
            Column::word("LAST"),
        ])
    }

    fn row(table: &mut Table<8>, row: &Identity<'_>) {
        // One that no answer has proven may be anybody's invention.
        let mark = if row.unproven { Mark::Dim } else { Mark::Plain };
        let place = [&row.whereabouts.country, &row.whereabouts.org];
        let place: Vec<&str> = place.into_iter().filter_map(|text| text.as_deref()).collect();
        let cells = [
            row.kind.to_string(),
            row.id.to_string(),
            row.requests.to_string(),
            percent(row.refused, row.requests),
            row.addresses.to_string(),
            row.address.map(|address| address.to_string()).unwrap_or_default(),
            place.join(" "),
            terminal::date_and_clock(row.last_seen),
        ];
        table.push(mark, cells);
    }
}
