//! `monitor schema`.

use std::io::{self, Write};

use clap::Args;

use super::failure::Failure;
use crate::sinks::json::{RecordType, schema};

/// Print the JSON Schema of a record type, or of all
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// http, flow, dns, tls, alert or stats
    #[arg(value_name = "TYPE")]
    kind: Option<RecordType>,
}

impl Schema {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let schema = match self.kind {
            None => schema::any(),
            Some(kind) => schema::of(kind).ok_or_else(|| {
                Failure::Usage(format!("nothing writes `{kind}` records yet, so they have no schema"))
            })?,
        };
        Ok(writeln!(io::stdout().lock(), "{schema:#}")?)
    }
}
