//! `monitor endpoints`.

use std::path::Path;

use clap::Args;

use super::failure::Failure;
use super::table::{Column, Mark, Table};
use super::view::{Show, Viewing, percent};
use crate::control::rows::Endpoint;
use crate::sinks::terminal::{self, units};

/// Show the endpoints of this host: requests, errors, logins, latencies since the start
#[derive(Debug, Args)]
pub(super) struct Endpoints {
    #[command(flatten)]
    viewing: Viewing,
}

impl Endpoints {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        self.viewing.run::<10, Self>(socket, "/v1/endpoints")
    }
}

impl Show<10> for Endpoints {
    type Row = Endpoint<'static>;
    const NONE: &'static str = "no request to this host was seen";

    fn table() -> Table<10> {
        Table::new([
            Column::text("ENDPOINT"),
            Column::number("REQUESTS"),
            Column::number("REFUSED"),
            Column::number("4XX"),
            Column::number("5XX"),
            Column::number("LOGINS"),
            Column::number("FAILED"),
            Column::number("P50"),
            Column::number("P95"),
            Column::word("LAST"),
        ])
    }

    fn row(table: &mut Table<10>, row: &Endpoint<'_>) {
        let logins = row.logins_succeeded + row.logins_failed;
        let mark = match row.documented {
            // A document was given and does not name it.
            Some(false) => Mark::Yellow,
            Some(true) | None => Mark::Plain,
        };
        let cells = [
            row.endpoint.to_string(),
            row.requests.to_string(),
            percent(row.refused, row.requests),
            percent(row.client_errors, row.requests),
            percent(row.server_errors, row.requests),
            if logins > 0 { logins.to_string() } else { String::new() },
            percent(row.logins_failed, logins),
            row.latency_p50_us.map(units::micros).unwrap_or_default(),
            row.latency_p95_us.map(units::micros).unwrap_or_default(),
            terminal::date_and_clock(row.last_seen),
        ];
        table.push(mark, cells);
    }
}
