//! `monitor check`: what this kernel, this user and this configuration allow, before anything is started.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;

use super::facilities;
use super::failure::Failure;
use crate::capture::ebpf;
use crate::config::Config;
use crate::confine;
use crate::control::shape::Facility;
use crate::daemon::facility_shape;
use crate::store;

/// What of the host's traffic can be read, and how far.
const READABLE: [(&str, &str); 6] = [
    (
        "HTTP/1.x in clear",
        "transactions: methods, targets, status, sizes, latency",
    ),
    (
        "TLS",
        "handshake only: server name, ALPN, versions, JA4; what is inside is counted",
    ),
    ("HTTP/2 in clear", "likewise, frame by frame"),
    ("DNS", "questions and answers of this host, over UDP and TCP"),
    ("WebSocket", "the handshake, then counted"),
    (
        "anything else",
        "bytes, packets, process and destination of each connection",
    ),
];

/// Say whether the monitor can run here, what is lost and how to mend it
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Configuration file to check as well
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    facilities: &'a [Facility<'static>],
    readable: Vec<Readable>,
}

#[derive(Serialize)]
struct Readable {
    protocol: &'static str,
    what: &'static str,
}

impl Check {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        ebpf::require_root()?;
        let mut found = ebpf::probe(&config.capture, &store::directory(None));
        found.extend(confine::probe());
        let missing: Vec<&str> = found.iter().filter(|f| f.is_missing()).map(|f| f.name).collect();
        let shapes: Vec<Facility<'static>> = found.iter().map(facility_shape).collect();
        let mut stdout = io::stdout().lock();
        if self.json {
            let readable = READABLE.map(|(protocol, what)| Readable { protocol, what }).into();
            let report = Report {
                ok: missing.is_empty(),
                facilities: &shapes,
                readable,
            };
            let line = serde_json::to_string(&report).map_err(|error| anyhow!(error))?;
            writeln!(stdout, "{line}")?;
        } else {
            drop(stdout);
            facilities::table(&shapes).print()?;
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "\nWhat of the traffic is read:")?;
            for (protocol, what) in READABLE {
                writeln!(stdout, "  {protocol:<18} {what}")?;
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let mend = "see the table above for how to mend it";
        Err(anyhow!("the monitor can not run here: {} missing; {mend}", missing.join(", ")).into())
    }
}
