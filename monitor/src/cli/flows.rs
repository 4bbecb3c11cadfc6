//! `monitor flows`.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use super::listing::{Listing, Show};
use super::table::{Column, Mark, Table};
use crate::sinks::json::{Direction, Flow, Line, Protocol};
use crate::sinks::terminal::{self, Style, units};

/// Show the connections that live, with bytes and processes
#[derive(Debug, Args)]
pub(super) struct Flows {
    #[command(flatten)]
    listing: Listing,
}

impl Flows {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        self.listing.run::<10, Self>(socket)
    }
}

impl Show<10> for Flows {
    type Body = Flow<'static>;
    const ROUTE: &'static str = "/v1/flows";
    const NONE: &'static str = "no flow lives";

    fn table() -> Table<10> {
        Table::new([
            Column::word("FLOW"),
            Column::word("DIRECTION"),
            Column::word("PROTO"),
            Column::text("LOCAL"),
            Column::text("REMOTE"),
            Column::text("PROCESS"),
            Column::number("SENT"),
            Column::number("RECEIVED"),
            Column::number("AGE"),
            Column::text("FOR"),
        ])
    }

    fn row(table: &mut Table<10>, line: &Line<'_, Self::Body>) {
        let flow = &line.body;
        let protocol = match flow.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let remote = flow.remote.as_ref().map(|r| match &r.name {
            Some(name) => format!("{name}:{}", r.port),
            None => std::net::SocketAddr::new(r.ip, r.port).to_string(),
        });
        let cells = [
            flow.flow.to_string(),
            match flow.direction {
                Some(Direction::Inbound) => "in",
                Some(Direction::Outbound) => "out",
                Some(Direction::Local) => "local",
                None => "",
            }
            .to_owned(),
            flow.app.as_deref().unwrap_or(protocol).to_owned(),
            flow.local
                .map(|l| std::net::SocketAddr::new(l.ip, l.port).to_string())
                .unwrap_or_default(),
            remote.unwrap_or_default(),
            flow.process.as_ref().map(terminal::process).unwrap_or_default(),
            units::bytes(flow.bytes_sent),
            units::bytes(flow.bytes_received),
            units::duration(Duration::from_millis(flow.duration_ms)),
            flow.parent
                .as_ref()
                .and_then(|p| p.request.as_deref())
                .unwrap_or_default()
                .to_owned(),
        ];
        table.push(Mark::Plain, cells);
    }

    fn line(style: Style, line: &Line<'_, Self::Body>) -> String {
        terminal::flow(style, line.time, &line.body)
    }
}
