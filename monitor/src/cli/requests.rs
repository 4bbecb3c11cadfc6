//! `monitor requests`.

use std::path::Path;

use clap::Args;

use super::failure::Failure;
use super::listing::{Listing, Show};
use super::table::{Column, Mark, Table};
use crate::sinks::json::{Http, Line, Role};
use crate::sinks::terminal::{self, Style, units};

/// Show the latest HTTP transactions
#[derive(Debug, Args)]
pub(super) struct Requests {
    #[command(flatten)]
    listing: Listing,
}

impl Requests {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        self.listing.run::<10, Self>(socket)
    }
}

impl Show<10> for Requests {
    type Body = Http<'static>;
    const ROUTE: &'static str = "/v1/requests";
    const NONE: &'static str = "no request was seen";

    fn table() -> Table<10> {
        Table::new([
            Column::word("TIME"),
            Column::number("STATUS"),
            Column::word("METHOD"),
            Column::text("HOST"),
            Column::text("PATH"),
            Column::number("LATENCY"),
            Column::number("IN"),
            Column::number("OUT"),
            Column::text("PEER"),
            Column::text("PROCESS"),
        ])
    }

    fn row(table: &mut Table<10>, line: &Line<'_, Self::Body>) {
        let http = &line.body;
        let request = http.request.as_ref();
        let response = http.response.as_ref();
        let peer = match http.role {
            Role::Server => http.client.as_ref().map(ToString::to_string),
            Role::Client => http
                .server
                .as_ref()
                .map(|server| std::net::SocketAddr::new(server.end.ip, server.end.port).to_string()),
        };
        let mark = match response.map(|r| r.status) {
            _ if !http.complete => Mark::Dim,
            Some(500..) => Mark::Red,
            Some(400..500) => Mark::Yellow,
            Some(_) | None => Mark::Plain,
        };
        let incomplete = || http.incomplete.as_deref().unwrap_or_default().to_owned();
        let cells = [
            terminal::clock(line.time),
            response.map_or_else(incomplete, |r| r.status.to_string()),
            request
                .map(|r| r.method.as_deref().unwrap_or("?").to_owned())
                .unwrap_or_default(),
            request.and_then(|r| r.host.as_deref()).unwrap_or_default().to_owned(),
            request
                .map(|r| r.path.as_deref().unwrap_or("?").to_owned())
                .unwrap_or_default(),
            http.latency_us.map(units::micros).unwrap_or_default(),
            request
                .map(|r| units::bytes(r.header_bytes + r.body_bytes))
                .unwrap_or_default(),
            response
                .map(|r| units::bytes(r.header_bytes + r.body_bytes))
                .unwrap_or_default(),
            peer.unwrap_or_default(),
            http.process.as_ref().map(terminal::process).unwrap_or_default(),
        ];
        table.push(mark, cells);
    }

    fn line(style: Style, line: &Line<'_, Self::Body>) -> String {
        terminal::http(style, line.time, &line.body)
    }
}
